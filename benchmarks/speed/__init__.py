"""How fast MR1 trains: beside TRL, beside transformers' generate, and beside what the machine could do.

`python -m benchmarks.speed targets` measures all targets (`make bench`); `--help` lists the parts.
"""
