"""Measurements of MR1 that are not tests; see each module."""
