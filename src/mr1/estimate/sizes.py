"""Sizes of memory, as people write them: 1 GB is 10^9 bytes, 1 GiB 2^30."""

from __future__ import annotations

from mr1.errors import UserError

RESERVE = 0.1
"""The share of a memory that is left for what isn't counted: what CUDA itself takes, rounding, fragments."""

UNITS = {"MB": 10**6, "GB": 10**9, "TB": 10**12, "MiB": 2**20, "GiB": 2**30, "TiB": 2**40}


def parse_size(text: str) -> int:
    """Bytes of a size such as 24GB or 80GiB.

    Raises:
        UserError: it is none.
    """
    number, unit = text.strip(), ""
    for name in UNITS:
        if number.lower().endswith(name.lower()):
            number, unit = number[: -len(name)], name
            break
    try:
        size = float(number) * UNITS[unit]
    except (ValueError, KeyError):
        size = 0.0
    if not 0 < size < float("inf"):
        raise UserError(f"--memory: '{text}' is no size; give a number with its unit, such as 24GB or 80GiB")
    return int(size)


def room(memory: int) -> int:
    """Bytes of a memory that an estimate may take."""
    return int(memory * (1 - RESERVE))


def in_words(size: float) -> str:
    """Bytes in a unit that people read."""
    for unit, scale in (("GB", 1e9), ("MB", 1e6)):
        if size >= scale:
            return f"{size / scale:.1f} {unit}"
    return f"{size / 1e3:.1f} kB"
