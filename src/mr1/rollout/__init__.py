"""Rollout: prompts to groups of completions."""
