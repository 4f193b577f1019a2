"""Decimals as text: the one thing that both authors of notations share."""

from __future__ import annotations

from fractions import Fraction


def plain(value: Fraction, places: int | None = None) -> str:
    """A terminating decimal, by default with the digits that it needs: -0.50 for places 2.

    Raises:
        ValueError: more digits are needed, or it never ends.
    """
    needed = 0
    while (value * 10**needed).denominator > 1:
        needed += 1
        if needed > 40:
            raise ValueError(f"{value} is no short decimal")
    places = needed if places is None else places
    if places < needed:
        raise ValueError(f"{value} has more than {places} digits behind the point")
    digits = str(abs(int(value * 10**places))).rjust(places + 1, "0")
    sign = "-" if value < 0 else ""
    return sign + (digits[:-places] + "." + digits[-places:] if places else digits)
