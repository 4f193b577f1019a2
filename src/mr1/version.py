"""The version, which no other module is needed for."""

__version__ = "0.1.0"
