"""Evaluation: accuracy on held-out samples, with its interval."""
