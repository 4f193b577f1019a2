"""What a step needs at least: floating-point operations and bytes, each distinct token and image patch computed once.

A multiplication with its addition counts as two operations. Norms, activations and rotations are not counted, so the
limit is a little lower than what can be reached. A backward pass is twice its forward: for the inputs, and for the
weights. The limit of a phase is the time in which the machine, at its own measured rates, could do that much.

Attention is counted for the pairs that may see each other: a patch sees its whole image, a prompt's token the prompt
up to itself, a completion's token the prompt and its own completion up to itself.
"""

from __future__ import annotations

from dataclasses import dataclass

from benchmarks.speed.work import MERGE, PATCH, VOCABULARY, Work

CHANNELS, FRAMES = 3, 2
"""Numbers in a pixel; Qwen2-VL takes an image twice, as if it were two frames."""
ADAMW_ACCESSES = 7
"""Reads of weight, gradient and both moments, writes of weight and both moments, for each parameter in float32."""


@dataclass(frozen=True)
class Need:
    """What a phase needs at least."""

    flops: float
    """Floating-point operations."""
    bytes: float
    """To and from memory."""

    def __add__(self, other: Need) -> Need:
        return Need(self.flops + other.flops, self.bytes + other.bytes)

    def __mul__(self, times: float) -> Need:
        return Need(times * self.flops, times * self.bytes)

    def seconds(self, flop_rate: float, bandwidth: float) -> float:
        """The least time on a machine.

        Args:
            flop_rate: operations in a second.
            bandwidth: bytes in a second, read and written.
        """
        return max(self.flops / flop_rate, self.bytes / bandwidth)


def linear(tokens: int, inputs: int, outputs: int) -> int:
    """Operations of a linear layer on so many tokens."""
    return 2 * tokens * inputs * outputs


def causal_pairs(new: int, before: int = 0) -> int:
    """Pairs of tokens that see each other: `new` tokens see `before` others, and their own up to themselves."""
    return new * before + new * (new + 1) // 2


def vision_flops(work: Work) -> int:
    """Operations of one image through the tower and the projector, forward."""
    width, patches = work.hidden, work.patches
    embedding = linear(patches, CHANNELS * FRAMES * PATCH**2, width)
    attention = 2 * 2 * patches * patches * width
    layer = linear(patches, width, 3 * width) + linear(patches, width, width) + attention
    layer += 2 * linear(patches, width, 4 * width)
    merged = MERGE**2 * width
    projector = linear(work.image_tokens, merged, merged) + linear(work.image_tokens, merged, work.hidden)
    return embedding + work.vision_layers * layer + projector


def language_parameters(work: Work) -> int:
    """Weights of the language model's linear layers, without embedding and head."""
    queries, keys = work.hidden, work.kv_heads * work.hidden // work.heads
    layer = 2 * work.hidden * queries + 2 * work.hidden * keys + 3 * work.hidden * work.intermediate
    return work.language_layers * layer


def language_flops(work: Work, tokens: int, pairs: int) -> int:
    """Operations of tokens through the language model's layers, forward.

    Args:
        work: the setting.
        tokens: how many.
        pairs: how many pairs of them see each other; each is a score and a share of a value, in every head.
    """
    return 2 * tokens * language_parameters(work) + work.language_layers * 2 * 2 * pairs * work.hidden


def head_flops(work: Work, tokens: int) -> int:
    """Operations from hidden states to logits, forward."""
    return linear(tokens, work.hidden, VOCABULARY)


def forward_flops(work: Work, prompt_tokens: int) -> int:
    """A step's prompts, images and completions once through the model, and its completions' tokens through the head."""
    completion = causal_pairs(work.new_tokens, prompt_tokens)
    pairs = causal_pairs(prompt_tokens) + work.group_size * completion
    tokens = prompt_tokens + work.group_size * work.new_tokens
    group = vision_flops(work) + language_flops(work, tokens, pairs)
    return work.prompts * group + head_flops(work, work.completions * work.new_tokens)


def prefill_flops(work: Work, prompt_tokens: int) -> int:
    """A step's prompts and images once through the model."""
    return work.prompts * (vision_flops(work) + language_flops(work, prompt_tokens, causal_pairs(prompt_tokens)))


def rollout_need(work: Work, prompt_tokens: int, width: int) -> Need:
    """Prefill of each prompt once, then a pass of the G completions for each new token but the last, and the head.

    Memory: each pass reads the weights of the layers and the head, and the keys and values of what came before; a
    prompt's are those of all its completions, and read once.

    Args:
        work: the setting.
        prompt_tokens: P, with the image's.
        width: bytes of a number.
    """
    passes = work.new_tokens - 1
    prefill = prefill_flops(work, prompt_tokens)
    pairs = work.completions * causal_pairs(passes, prompt_tokens)
    decode = language_flops(work, work.completions * passes, pairs)
    flops = prefill + decode + head_flops(work, work.completions * work.new_tokens)
    weights = language_parameters(work) + work.hidden * VOCABULARY
    per_token = 2 * work.language_layers * work.kv_heads * (work.hidden // work.heads)
    seen = work.prompts * prompt_tokens * passes + work.completions * passes * (passes + 1) // 2
    return Need(flops, width * (work.new_tokens * weights + per_token * seen))


def score_need(work: Work, prompt_tokens: int, parameters: int, width: int) -> Need:
    """The reference: one forward, in which each weight is read at least once."""
    return Need(forward_flops(work, prompt_tokens), width * parameters)


def update_need(work: Work, prompt_tokens: int, parameters: int, width: int) -> Need:
    """Forward and backward, then AdamW: each weight read twice, each gradient written, and the optimizer's accesses.

    The forward pass of images and prompts is the rollout's, by the same weights.
    """
    flops = 3 * forward_flops(work, prompt_tokens) - prefill_flops(work, prompt_tokens)
    learning = Need(flops, 3 * width * parameters)
    return learning + Need(0, ADAMW_ACCESSES * 4 * parameters)


def needs(work: Work, prompt_tokens: int, parameters: int, width: int) -> dict[str, Need]:
    """What each phase of a step needs.

    Args:
        work: the setting.
        prompt_tokens: P, with the image's.
        parameters: of the whole model.
        width: bytes of a number of weights and activations, 4 or 2.
    """
    phases = {
        "rollout": rollout_need(work, prompt_tokens, width),
        "score": score_need(work, prompt_tokens, parameters, width),
        "update": update_need(work, prompt_tokens, parameters, width),
    }
    return phases | {"score+update": phases["score"] + phases["update"]}
