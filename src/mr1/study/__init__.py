"""Studies: many runs that are compared with each other."""
