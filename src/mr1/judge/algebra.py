"""What needs math-verify. Runs in a worker process only: any of it can hang, or eat memory, on a hostile string.

math-verify's own time-outs are off: they use SIGALRM, which is the worker's limit. A parsed expression is never
printed: the text of some is exponential in their depth.
"""

from __future__ import annotations

import re
from collections.abc import Callable

import sympy
from latex2sympy2_extended import NormalizationConfig
from math_verify import LatexExtractionConfig, parse, verify

from mr1.judge.frame import top_level
from mr1.judge.strict import decide, needs_algebra, read_truth
from mr1.judge.truth import Truth
from mr1.judge.values import Algebra, Matrix, Number, Reading, Several
from mr1.judge.verdict import Verdict

DIGITS = 30
"""Significant digits with which two expressions are evaluated."""
CLOSE = sympy.Float("1e-9")
"""Relative distance within which two evaluated expressions are the same number."""

_RELATION = r"(?<![<>!])=(?!=)|\\(?:le|ge|ne)(?![A-Za-z])|[<>]"
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


class _UnreadableTruthError(Exception):
    """The truth is no expression."""


def strict(answer: str, text: str, truth: str) -> Verdict:
    """strict's judgement of a bare answer, with algebra.

    Args:
        answer: empty to ask only whether the truth is readable.
        text: one of the accepted texts.
        truth: the rules, as `Truth.dumps` gives them.
    """
    rules = Truth.loads(truth)
    gold = read_truth(text, rules)
    try:
        if not answer:
            _check(gold)
        return decide(answer, gold, rules, same).verdict
    except _UnreadableTruthError:
        return Verdict.UNREADABLE_TRUTH


def same(answer: str, truth: str, scales: str, tolerance: str) -> bool:
    """Whether two LaTeX expressions are the same.

    Args:
        answer: LaTeX without dollars.
        truth: LaTeX without dollars.
        scales: fractions with a blank between them: the answer may be right by any of these factors.
        tolerance: a fraction, in the truth's unit: how far the answer may be from the truth.

    Raises:
        _UnreadableTruthError: the truth is no expression.
    """
    if (theirs := _relation(truth)) is not None:
        return (ours := _relation(answer)) is not None and _same_relation(ours, theirs)
    gold = _parse(truth)
    if gold is None:
        raise _UnreadableTruthError
    value = _parse(answer)
    if value is None:
        return False
    gold_number, number = _number(gold), _number(value)
    if (gold_number is None) != (number is None):
        return False
    if gold_number is None or number is None:
        return bool(verify(gold, value, timeout_seconds=None))
    fractions = gold.doit(), value.doit()
    exact = all(isinstance(each, sympy.Rational) for each in fractions)
    if exact:  # 2^{99} + 1 is not 2^{99}
        gold_number, number = fractions
    for scale in map(sympy.Rational, scales.split()):
        allowed = sympy.Rational(tolerance)
        if not exact:
            allowed = max(sympy.Abs(gold_number) * CLOSE, allowed)
        if sympy.Abs(number * scale - gold_number) <= allowed:
            return True
    return False


def _relation(latex: str) -> tuple[list[sympy.Expr], list[str]] | None:
    """The sides of an equation or an inequality, `a < b <= c`, and what stands between them; None for all else.

    Inequalities are turned round until the smaller side is on the left.
    """
    marks = re.findall(_RELATION, latex)
    if not marks:
        return None
    sides = [_parse(side) for side in top_level(latex, _RELATION)]
    if len(sides) != len(marks) + 1 or not all(isinstance(side, sympy.Expr) for side in sides):
        return None
    names = {">": "<", "\\ge": "\\le"}
    if all(mark in names for mark in marks):
        sides, marks = sides[::-1], [names[mark] for mark in reversed(marks)]
    return [sympy.sympify(side) for side in sides], marks


def _same_relation(ours: tuple[list[sympy.Expr], list[str]], theirs: tuple[list[sympy.Expr], list[str]]) -> bool:
    """Whether two relations hold for the same values, as far as a common factor of their sides goes."""
    if ours[1] != theirs[1]:
        return False
    for place, mark in enumerate(ours[1]):
        first, second = (sides[place + 1] - sides[place] for sides, _ in (ours, theirs))
        factor = sympy.simplify(first / second) if second != 0 else sympy.nan
        if not factor.is_number or not factor.is_finite or factor == 0:
            return False
        if mark not in ("=", "\\ne") and not factor.is_positive:
            return False
    return True


def _check(reading: Reading) -> None:
    """Raises _UnreadableTruthError where an expression of the truth can't be parsed."""
    value = reading.value
    if isinstance(value, Several | Matrix):
        entries = value.items if isinstance(value, Several) else tuple(entry for row in value.rows for entry in row)
        for entry in entries:
            _check(entry)
    elif isinstance(value, Algebra | Number) and needs_algebra(reading) and not _readable(value.latex):
        raise _UnreadableTruthError


def _readable(latex: str) -> bool:
    return _relation(latex) is not None or _parse(latex) is not None


RULES: dict[str, Callable[..., Verdict]] = {"whole output": whole_output, "strict": strict}
"""What a worker can be asked."""


def warm_up() -> None:
    """Compile the regular expressions and the grammar, so that the first judgement is as quick as the others."""
    whole_output("The answer is $\\frac{1}{2}$ or 8.", "0.5")
    rules = Truth(("",)).dumps()
    strict("2\\sqrt{3}+\\frac{1}{2} cm", "x^{2}+y=1", rules)
    strict("2\\sqrt{3} cm", "\\sqrt{12} cm", rules)


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
