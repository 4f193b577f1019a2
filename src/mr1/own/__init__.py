"""Code of one's own that a recipe names.

How it is loaded (`loading.py`), how a reward function is called (`calling.py`), and how in a process of its own
(`apart.py`) or with words where it takes long (`waiting.py`), which needs nothing heavy: none of these import any.
"""
