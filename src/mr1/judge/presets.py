"""Published evaluations by name, and the rule with which each is scored."""

from __future__ import annotations

from collections.abc import Callable

from mr1.errors import UserError, nearest
from mr1.judge import r1v, strict
from mr1.judge.truth import Truth
from mr1.judge.verdict import Verdict

Rule = Callable[[str, str | Truth], Verdict]
"""(output, truth) -> verdict."""

R1V_RULES: dict[str, Rule] = {"superclevr-200": r1v.tagged_integer, "geoqa-test": r1v.whole_output}
"""R1-V's evaluations do not share a rule."""

SCORERS = ("r1v", "strict")


def find_rule(preset: str, scorer: str) -> Rule:
    """The rule of a scorer on a preset.

    Raises:
        UserError: an unknown preset or scorer.
    """
    if preset not in R1V_RULES:
        raise UserError(f"--preset: unknown '{preset}'{nearest(preset, R1V_RULES)}")
    if scorer not in SCORERS:
        raise UserError(f"--scorer: unknown '{scorer}'{nearest(scorer, SCORERS)}")
    return R1V_RULES[preset] if scorer == "r1v" else strict.judge
