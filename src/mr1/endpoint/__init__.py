"""A language model behind a server with OpenAI's API (vLLM, llama.cpp, a provider), for what is to be asked of one.

`settings.py` says which, `template.py` words what is asked, `client.py` asks it, `cache.py` keeps replies. The package
`openai` is needed only to ask.
"""
