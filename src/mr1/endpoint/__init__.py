"""A language model behind a server with OpenAI's API (vLLM, llama.cpp, a provider), for what is to be asked of one.

`settings.py` says which, `client.py` asks, `cache.py` keeps replies. The package `openai` is needed only to ask.
"""
