"""Training: the loop, and the forward and backward passes beneath it."""
