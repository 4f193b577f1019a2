"""What needs math-verify. Runs in a worker process only: any of it can hang, or eat memory, on a hostile string.

math-verify's own time-outs are off: they use SIGALRM, which is the worker's limit. A parsed expression is never
printed: the text of some is exponential in their depth.
"""

from __future__ import annotations

from collections.abc import Callable

import sympy
from latex2sympy2_extended import NormalizationConfig
from math_verify import LatexExtractionConfig, parse, verify

from mr1.judge.verdict import Verdict

DIGITS = 30
"""Significant digits with which two expressions are evaluated."""
CLOSE = sympy.Float("1e-9")
"""Relative distance within which two evaluated expressions are the same number."""

_LATEX = (
    LatexExtractionConfig(
        normalization_config=NormalizationConfig(
            basic_latex=True, units=False, malformed_operators=True, nits=True, boxed="none", equations=False
        )
    ),
)


def whole_output(output: str, truth: str) -> Verdict:
    """R1-V's comparison: math-verify with its defaults on the whole output, which is given as the gold."""
    gold = parse(truth, parsing_timeout=None)
    if not gold:
        return Verdict.UNREADABLE_TRUTH
    answer = parse(output, parsing_timeout=None)
    return Verdict.RIGHT if verify(answer, gold, timeout_seconds=None) else Verdict.WRONG


def expressions(answer: str, truth: str, scales: str, tolerance: str) -> Verdict:
    """strict's comparison of two LaTeX expressions.

    Args:
        answer: LaTeX without dollars; empty to ask only whether the truth is readable.
        truth: LaTeX without dollars.
        scales: fractions with a blank between them: the answer may be right by any of these factors.
        tolerance: a fraction, in the answer's unit: how far the answer may be from the truth.
    """
    gold = _parse(truth)
    if gold is None:
        return Verdict.UNREADABLE_TRUTH
    value = _parse(answer) if answer else None
    if value is None:
        return Verdict.WRONG
    gold_number, number = _number(gold), _number(value)
    if gold_number is None or number is None:
        return Verdict.RIGHT if verify(gold, value, timeout_seconds=None) else Verdict.WRONG
    for scale in map(sympy.Rational, scales.split()):
        allowed = max(sympy.Abs(gold_number) * CLOSE, sympy.Rational(tolerance) * scale)
        if sympy.Abs(number * scale - gold_number) <= allowed:
            return Verdict.RIGHT
    return Verdict.WRONG


RULES: dict[str, Callable[..., Verdict]] = {"whole output": whole_output, "expressions": expressions}
"""What a worker can be asked."""


def warm_up() -> None:
    """Compile the regular expressions and the grammar, so that the first judgement is as quick as the others."""
    whole_output("The answer is $\\frac{1}{2}$ or 8.", "0.5")
    expressions("2\\sqrt{3}+\\frac{1}{2}", "x^{2}+y=1", "1", "0")
    expressions("2\\sqrt{3}", "\\sqrt{12}", "1", "0")


def _parse(latex: str) -> sympy.Basic | None:
    """An expression; None where it can't be read, or is no value (1/0)."""
    found = parse(f"${latex}$", _LATEX, fallback_mode="no_fallback", parsing_timeout=None)
    if not found or not isinstance(found[0], (sympy.Basic, sympy.MatrixBase)):
        return None
    return None if found[0].has(sympy.nan, sympy.zoo) else found[0]


def _number(expression: sympy.Basic) -> sympy.Expr | None:
    """An expression without unknowns as a number; None for all else."""
    if not isinstance(expression, sympy.Expr) or expression.free_symbols:
        return None
    value = expression.doit().evalf(DIGITS)
    return value if value.is_number and value.is_finite else None
