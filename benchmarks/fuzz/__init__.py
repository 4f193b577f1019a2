"""Hostile input: `python -m benchmarks.fuzz KIND --inputs N --seed S`; see `__main__`."""
