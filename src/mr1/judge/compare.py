"""Kinds with kinds: whether what an answer says is what the truth says."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction

from mr1.judge.codes import code_of
from mr1.judge.frame import concluded, content_words, hedged, statement, subjects
from mr1.judge.readers import PREPOSITIONS, words_of
from mr1.judge.solution import Interval, solution
from mr1.judge.truth import Kind, Truth
from mr1.judge.units import UNCHANGED, Conversion, Unit, unit_at
from mr1.judge.values import (
    Algebra,
    Based,
    Clock,
    Day,
    Letters,
    Matrix,
    Number,
    Pair,
    Ratio,
    Reading,
    Several,
    Value,
    Version,
    Words,
    YesNo,
)

FEWEST_DIGITS = 3
"""Significant digits that a decimal needs to stand for an exact truth: 0.333 for 1/3, 7.21 for 2√13."""
_NONE = Fraction(0)
CLOSE = Fraction(1, 10**12)
"""Relative distance of radians, which are no fraction of a degree."""

_FEET = re.compile(r"(?:(\d+)'\s*(?:(\d+(?:\.\d+)?)\s*(?:''|\")?)?|(\d+(?:\.\d+)?)\s*(?:''|\"))'?")

Algebraic = Callable[[str, str, str, str], bool]
"""(answer, truth, scales, tolerance), in LaTeX: whether two expressions are the same."""


class NeedsAlgebraError(Exception):
    """The comparison needs what only a worker may do."""


def no_algebra(*_: str) -> bool:
    """In the caller's process: hand the question on."""
    raise NeedsAlgebraError


@dataclass(frozen=True)
class Comparison:
    """How a truth's rules compare two readings."""

    truth: Truth
    algebra: Algebraic = no_algebra

    def same(self, said: Reading, gold: Reading) -> tuple[bool, str]:
        """Whether an answer's reading is the truth's, and by which rule."""
        if said.value is None or gold.value is None:
            return False, said.why or gold.why
        if said.words and gold.words and self._beside(said) != self._beside(gold):
            return False, "the words beside the values differ"
        either = said.value.kind is Kind.INEQUALITY or gold.value.kind is Kind.INEQUALITY
        if either and (told := self._solutions(said, gold)):
            return told
        rule = self._rule(said.value, gold.value)
        if rule is None:
            return False, f"{said.value.kind} is not {gold.value.kind}"
        equal, name = rule
        return equal, name

    def _beside(self, reading: Reading) -> frozenset[str]:
        """The words beside a value. Of a set of solutions x_1 and x_2 are x."""
        if self.truth.kind is not Kind.SET:
            return reading.words
        return frozenset(re.sub(r"_\{?\d+\}?", "", word) for word in reading.words)

    def _rule(self, said: Value, gold: Value) -> tuple[bool, str] | None:
        """The verdict and the rule's name; None where the kinds don't compare."""
        match gold, said:
            case Number(), Number():
                return self._numbers(said, gold), "values are compared in the truth's unit"
            case Number(value=None), Ratio() | Based():
                return None
            case Number(), Ratio(terms=(above, below)):
                return gold.unit is None and gold.value == above / below, "a ratio of two terms is their quotient"
            case Number(), Based(base=10):
                return gold.value == said.value, "base ten is a number"
            case Ratio(), Ratio():
                same = len(gold.terms) == len(said.terms) and all(
                    ours * gold.terms[0] == theirs * said.terms[0]
                    for ours, theirs in zip(said.terms, gold.terms, strict=True)
                )
                return same, "ratios are equal up to a common factor"
            case Ratio(terms=(above, below)), Number(decimals=decimals, unit=None, value=value) if value is not None:
                return value == above / below and decimals != 0, "a ratio of two terms is their quotient"
            case Ratio(terms=(first, second)), Pair():
                return (said.first.value, said.second.value) == (first, second), "both terms"
            case Pair(), Pair():
                ends = (self._numbers(ours, theirs) for ours, theirs in self._ends(said, gold))
                return all(ends), "both ends, in their order"
            case Day(), Day():
                return self._days(said, gold), "year, month and day"
            case Clock(), Clock():
                return _clocks(said, gold), "times of day"
            case Based(), Based():
                return (said.value, said.base) == (gold.value, gold.base), "the same value in the same base"
            case Version(), Version():
                return said.parts == gold.parts, "versions are equal part by part"
            case Letters(), Letters():
                return said.letters == gold.letters, "the same letters"
            case YesNo(), YesNo():
                return said.yes == gold.yes, "yes or no"
            case Matrix(), Matrix():
                return self._matrices(said, gold), "entry by entry"
            case Several(), Several():
                return self._several(said, gold), "item by item" if _ordered(gold) else "item by item, in any order"
            case Words(), Letters() if "".join(gold.tokens).isupper() and len(gold.tokens) == 1:
                return frozenset(gold.tokens[0]) == said.letters, "the same letters"
            case Algebra(kind=Kind.EXPRESSION), Letters() if gold.latex.isalpha() and gold.latex.isupper():
                return frozenset(gold.latex) == said.letters, "the same letters"
            case Words(), Words():
                return self._folded(said.tokens) == self._folded(gold.tokens), "the same words"
            case Words(), _:
                return None
            case Algebra(equation=theirs), Algebra(kind=Kind.EQUATION) if theirs:
                return self.algebra(said.latex, theirs, "1", "0"), "equations are equal up to a factor"
            case Algebra(kind=Kind.EQUATION), Algebra(equation=ours) if ours:
                return self.algebra(ours, gold.latex, "1", "0"), "equations are equal up to a factor"
            case Algebra(), Algebra() if said.kind == gold.kind:
                return self.algebra(said.latex, gold.latex, "1", "0"), "expressions are compared by math-verify"
            case Algebra(kind=Kind.EXPRESSION), Number(value=None):
                return self.algebra(said.latex, gold.latex, "1", "0"), "expressions are compared by math-verify"
        return None

    def _solutions(self, said: Reading, gold: Reading) -> tuple[bool, str] | None:
        """Whether an inequality and an interval, or one inequality and another, tell of the same values of one unknown;
        None where that can't be told so."""
        ours, theirs = solution(said), solution(gold)
        if ours is None or theirs is None:
            return None
        rule = "an inequality is the interval of its unknown"
        names = {each.name.lower() for each in (ours, theirs) if each.name}
        if len(names) > 1 or len(ours.parts) != len(theirs.parts):
            return False, rule
        return all(any(self._same_part(one, other) for one in ours.parts) for other in theirs.parts), rule

    def _same_part(self, said: Interval, gold: Interval) -> bool:
        if (said.opened, said.closed) != (gold.opened, gold.closed):
            return False
        return self.same(said.low, gold.low)[0] and self.same(said.high, gold.high)[0]

    def _ends(self, said: Pair, gold: Pair) -> list[tuple[Number, Number]]:
        return [(said.first, gold.first), (said.second, gold.second)]

    def _numbers(self, said: Number, gold: Number) -> bool:
        if said.bound != gold.bound:
            return False
        said, gold = _meant(said, gold), _meant(gold, said)
        if said.unit and gold.unit and _is_rate_of(said.unit, gold.unit):
            said = said._replace(unit=gold.unit)
        if self.truth.units == "required" and not self._measured(said, gold):
            return False
        if (said.unit and gold.counted) or (gold.unit and said.counted):  # 3 euros are not 3 cubes
            return False
        conversions = self._conversions(said, gold)
        if not conversions:
            return False
        if said.value is None or gold.value is None:
            scales = " ".join(str(scale) for scale, _ in conversions)
            exact = _tolerance(said, gold)
            allowed = max(exact, self.truth.tolerance.relative * abs(gold.value)) if gold.value is not None else exact
            if (decimals := self.truth.tolerance.decimals) is not None and gold.value is not None:
                gold = gold._replace(value=_rounded(gold.value, decimals))
                allowed = max(allowed, Fraction(1, 2) / Fraction(10) ** decimals)
            return self.algebra(_latex(said), _latex(gold), scales, str(allowed))
        return any(self._close(said, gold, conversion) for conversion in conversions)

    def _measured(self, said: Number, gold: Number) -> bool:
        """Whether an answer has a unit where the truth has one, also one that is not known."""
        return not (gold.unit or gold.counted) or bool(said.unit or said.counted)

    def _close(self, said: Number, gold: Number, conversion: Conversion) -> bool:
        assert said.value is not None
        assert gold.value is not None
        scale, offset = conversion
        value = said.value if conversion is UNCHANGED else said.value * scale + offset
        if value == gold.value:
            return True
        tolerance = self.truth.tolerance
        if tolerance.decimals is not None:
            return _rounded(value, tolerance.decimals) == _rounded(gold.value, tolerance.decimals)
        allowed = _tolerance(said, gold)
        if conversion is not UNCHANGED:
            allowed *= abs(scale)
            if scale.denominator > 10**40 or scale.numerator > 10**40:
                allowed = max(allowed, abs(gold.value) * CLOSE)
        if tolerance.relative:
            allowed = max(allowed, abs(gold.value) * tolerance.relative)
        return bool(allowed) and abs(value - gold.value) <= allowed

    def _conversions(self, said: Number, gold: Number) -> list[Conversion]:
        """From the answer's unit to the truth's; none where the units measure different things.

        A value without a unit is taken in the other's, but for percent: 3 % is 0.03, and where the truth is 3 % both 3
        and 0.03 state it.
        """
        if said.unit and gold.unit:
            return [said.unit.to(gold.unit)] if said.unit.same(gold.unit) else []
        if said.unit and said.unit.is_percent:
            return [(said.unit.size, Fraction(0))]
        if gold.unit and gold.unit.is_percent:
            either = [UNCHANGED] if self.truth.percent == "either" else []
            return [*either, (1 / gold.unit.size, Fraction(0))]
        return [UNCHANGED]

    def _days(self, said: Day, gold: Day) -> bool:
        if said.swapped or gold.swapped:  # the same text, or a date that fits both ways of reading it
            return said == gold
        return (said.year, said.month, said.day) == (gold.year, gold.month, gold.day)

    def _matrices(self, said: Matrix, gold: Matrix) -> bool:
        if said.shape != gold.shape or list(map(len, said.rows)) != list(map(len, gold.rows)):
            return False
        pairs = zip(itertools.chain(*said.rows), itertools.chain(*gold.rows), strict=True)
        return all(self.same(ours, theirs)[0] for ours, theirs in pairs)

    def _several(self, said: Several, gold: Several) -> bool:
        if not self._brackets(said, gold):
            return False
        ours, theirs = _spread(said), _spread(gold)
        if gold.opened == "{" and gold.kind is Kind.SET:
            ours, theirs = self._distinct(ours), self._distinct(theirs)
        if len(ours) != len(theirs):
            return False
        if _ordered(gold) or _ordered(said) or self.truth.kind is Kind.TUPLE:
            return all(self.same(one, other)[0] for one, other in zip(ours, theirs, strict=True))
        ours, theirs = _unnumbered(ours, theirs)
        left = list(ours)
        for item in theirs:
            place = next((place for place, one in enumerate(left) if self.same(one, item)[0]), None)
            if place is None:
                return False
            del left[place]
        return True

    def _brackets(self, said: Several, gold: Several) -> bool:
        """Whether the brackets say the same: of a tuple, an interval and a set they belong to what is said."""
        ours, theirs = said.opened + said.closed, gold.opened + gold.closed
        if ours == theirs:
            return said.kind is gold.kind or not ours
        if gold.kind is Kind.INTERVAL or said.kind is Kind.INTERVAL or self.truth.kind is Kind.INTERVAL:
            return False
        return not ours or not theirs

    def _distinct(self, items: list[Reading]) -> list[Reading]:
        kept: list[Reading] = []
        for item in items:
            if not any(self.same(item, other)[0] for other in kept):
                kept.append(item)
        return kept

    def words(self, answer: str, gold: Words) -> tuple[bool, str]:
        """Whether a text states the truth's words: as a whole, as its conclusion, or as what is told of something."""
        said = statement(answer)
        wanted = self._folded(gold.tokens)
        end = concluded(said)
        for text in (said, end):
            if self._worded(text, wanted) or self._folded((code_of(text),)) == wanted:
                return True, "the same words"
        for subject, rest in subjects(end):
            if self._worded(rest, wanted) and not hedged(content_words(subject, keep_hedges=True)):
                return True, "the same words"
        return False, "the words differ"

    def _worded(self, text: str, wanted: tuple[str, ...]) -> bool:
        """Whether a text's words are these. A place or a time may have its preposition, on the left, and what commas
        list may be joined by and."""
        words = self._folded(words_of(text, self.truth.case))
        if words and words[0] in PREPOSITIONS and wanted[0] not in PREPOSITIONS:
            words = self._folded(words_of(" ".join(words[1:]), self.truth.case))
        return words == wanted or (len(wanted) > 1 and _without_and(words) == _without_and(wanted))

    def _folded(self, tokens: tuple[str, ...]) -> tuple[str, ...]:
        return tokens if self.truth.case else tuple(token.casefold() for token in tokens)


def _without_and(words: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(word for word in words if word not in ("and", "&", "和"))


def _is_rate_of(rate: Unit, money: Unit) -> bool:
    """Whether one is so much money for each of something, $15 per hour, where the other is money alone."""
    alone = money.size == 1 and len(money.dimension) == 1 and money.dimension[0][0].startswith("money:")
    return alone and money.dimension[0] in rate.dimension and not rate.name.startswith(("cent", "¢"))


def _meant(number: Number, other: Number) -> Number:
    """A number with its unit as it is meant beside another one: 6' beside a length is six feet, 20 C beside a
    temperature is no charge."""
    if number.unit is None or other.unit is None or number.unit.same(other.unit):
        return number
    if other.unit.dimension == (("temperature", 1),) and number.unit.name in ("C", "F"):
        return number._replace(unit=scale[0] if (scale := unit_at(f"°{number.unit.name}")) else None)
    if other.unit.dimension == (("length", 1),) and (found := _FEET.fullmatch(number.latex + number.unit.name)):
        inches = Fraction(found[1] or 0) * 12 + Fraction(found[2] or found[3] or 0)
        return number._replace(value=inches, unit=inch[0] if (inch := unit_at("inches")) else None)
    return number


def _unnumbered(ours: list[Reading], theirs: list[Reading]) -> tuple[list[Reading], list[Reading]]:
    """Items without the numbers of their unknowns, where only one side has them: x_1 = 1, x_2 = 2 is x = 1 or x = 2."""
    names = [{word for item in items for word in item.words} for items in (ours, theirs)]
    plain = [{re.sub(r"_\{?\d+\}?", "", word) for word in each} for each in names]
    if plain[0] != plain[1] or len(plain[0]) != 1 or (names[0] == plain[0]) == (names[1] == plain[1]):
        return ours, theirs
    words = frozenset(plain[0])
    return [item._replace(words=words) for item in ours], [item._replace(words=words) for item in theirs]


def _ordered(several: Several) -> bool:
    return several.opened in ("(", "[")


def _spread(several: Several) -> list[Reading]:
    """The items; where only the last has a unit, all have it: 3, 4 and 5 cm."""
    items = list(several.items)
    if items and isinstance(items[-1].value, Number) and (unit := items[-1].value.unit):
        for place, item in enumerate(items):
            if isinstance(item.value, Number) and item.value.unit is None:
                items[place] = item._replace(value=item.value._replace(unit=unit))
    return items


def _clocks(said: Clock, gold: Clock) -> bool:
    if (said.minute, said.second) != (gold.minute, gold.second):
        return False
    if not gold.half:
        if said.half and gold.hour <= 12:
            return said.hour == gold.hour or (said.half == "pm") * 12 + said.hour % 12 == gold.hour
        return said.hour == gold.hour or (bool(said.half) and _full(said) == gold.hour)
    if not said.half:
        return not 1 <= said.hour <= 12 and said.hour == _full(gold)
    return _full(said) == _full(gold)


def _full(clock: Clock) -> int:
    """The hour from 0 to 23."""
    return clock.hour % 12 + 12 * (clock.half == "pm")


def _latex(number: Number) -> str:
    """What algebra reads; a number without separators and mixed fractions."""
    return number.latex if number.value is None else str(number.value)


def _rounded(value: Fraction, decimals: int) -> Fraction:
    return Fraction(round(value * 10**decimals), 10**decimals) if decimals >= 0 else value


def _tolerance(said: Number, gold: Number) -> Fraction:
    """Half a unit in the last place: of an answer that is a decimal, where the truth is a fraction, a root or has π; of
    a truth that is itself said to be approximate.

    Two decimals must be equal: the truth says how exact it is. A decimal of fewer than FEWEST_DIGITS significant
    digits, or without digits behind the point, is no approximation.
    """
    if gold.approximate and gold.decimals is not None and (said.decimals is None or said.decimals > gold.decimals):
        return Fraction(1, 2 * 10**gold.decimals)
    if not said.decimals or gold.decimals is not None or said.digits < FEWEST_DIGITS:
        return _NONE
    return Fraction(1, 2 * 10**said.decimals)
