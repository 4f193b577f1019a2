"""MR1: reinforcement learning of vision-language models on verifiable rewards."""

__version__ = "0.1.0"
