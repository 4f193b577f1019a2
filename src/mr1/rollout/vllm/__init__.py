"""Rollouts by vLLM: servers of their own, which get token ids and pixels, and the policy's weights after each update.

    engine      what methods ask (`rollout.engine.Engine`): prompts to groups
    wire        what is said to a server and what it answers
    images      a prompt's image tensors in the form in which vLLM takes them
    server      one server over HTTP, and what goes wrong with it
    servers     several: who gets which prompt, and what happens when one fails
    weights     the policy's weights as a folder that servers read
    trust       whether a server has the weights and the pixels that the trainer has

Nothing here imports vLLM. Only routes of vLLM's own are used, so any `vllm serve` of the pinned version will do that
was started with the options of `serve`.
"""
