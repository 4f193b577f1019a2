"""What the judge can say of an output."""

from __future__ import annotations

from enum import StrEnum

LONGEST_OUTPUT = 32_768
"""Characters. R1-V's rules read the whole output; a longer one is not read."""
LONGEST_ANSWER = 500
"""Characters. strict reads an answer, not an essay; neither a longer answer nor a longer truth is read, and of a longer
choice its letter alone counts."""
DEEPEST_ANSWER = 40
"""Brackets within brackets, in what strict reads."""


class Verdict(StrEnum):
    """A judgement. Only RIGHT earns a reward."""

    RIGHT = "right"
    WRONG = "wrong"
    MISSING = "missing"
    """No answer where the rule looks for one: no closed <answer> tag. Wrong, and counted on its own."""
    UNREADABLE_TRUTH = "unreadable truth"
    """The gold answer states nothing that can be compared: the row's fault, not the model's."""
    TOO_LARGE = "too large"
    """Longer or more deeply nested than is read."""
    TIMEOUT = "timeout"
    """The comparison took more of a processor's time than it may."""
    FAILED = "failed"
    """The comparison raised, or ran out of memory."""
    LOST = "lost"
    """The process that was to compare died, or got no time. It says nothing of the output: judge it again."""

    @property
    def decided(self) -> bool:
        """Whether the output was compared with the truth. An undecided one earns nothing, and may yet be right."""
        return self in (Verdict.RIGHT, Verdict.WRONG, Verdict.MISSING)


def too_large(text: str) -> bool:
    """Whether strict leaves a text unread: longer than LONGEST_ANSWER or nested deeper than DEEPEST_ANSWER."""
    if len(text) > LONGEST_ANSWER:
        return True
    if len(text) <= DEEPEST_ANSWER:
        return False
    depth = deepest = 0
    for character in text:
        if character in "([{":
            depth += 1
            deepest = max(deepest, depth)
        elif character in ")]}":
            depth -= 1
    return deepest > DEEPEST_ANSWER
