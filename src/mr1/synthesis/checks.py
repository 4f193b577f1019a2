"""Which questions can be checked, and whether answers agree: what code and MR1's judge can tell without a model."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from mr1.data.truths import LETTERS, chosen
from mr1.errors import UnusableError
from mr1.judge import strict
from mr1.judge.truth import Kind, Truth
from mr1.judge.verdict import Verdict
from mr1.synthesis.prompts import FORMS
from mr1.synthesis.replies import Draft
from mr1.synthesis.settings import REASONING
from mr1.types import IMAGE_PLACE

LONGEST = 500
"""Characters of a question."""


class LostError(Exception):
    """The judge could not compare, through no fault of the answers."""


def fault(draft: Draft, abilities: Collection[str], forms: Collection[str], before: Sequence[Draft]) -> str:
    """What is wrong with a question by its form; empty where nothing is.

    Args:
        draft: the question.
        abilities: those that there are beside reasoning.
        forms: of answers that can be checked.
        before: the picture's questions before it.
    """
    wanted = {*draft.abilities} - {REASONING}
    if not draft.question or len(draft.question) > LONGEST:
        return f"it has no question, or one of more than {LONGEST} characters"
    if any(IMAGE_PLACE[:-1] in text for text in (draft.question, *draft.choices)):
        return f"it holds {IMAGE_PLACE}, which is where a picture stands"
    if draft.form not in FORMS:
        return f"its form is {draft.form!r}"
    if draft.form not in forms:
        return "its answer is prose, and there is no decider to say whether answers agree"
    if REASONING not in draft.abilities or not wanted:
        return "it needs reasoning and no other ability, or no reasoning"
    if unknown := wanted - {*abilities}:
        return f"it needs {sorted(unknown)[0]!r}, which is none of the abilities"
    if draft.form == "choice" and not 2 <= len({*draft.choices}) == len(draft.choices) <= len(LETTERS):
        return f"it has {len({*draft.choices})} different choices"
    if any(draft.question.casefold() == each.question.casefold() for each in before):
        return "it is asked twice"
    if any({*draft.abilities} == {*each.abilities} for each in before):
        return "another question of the picture needs the same abilities"
    return ""


def truth_of(draft: Draft, answer: str) -> Truth:
    """An answer as what other answers are compared with.

    Raises:
        UnusableError: nothing can be compared with it.
    """
    if draft.form == "choice":
        letter = chosen(answer, draft.choices)
        if len(letter) > 1:
            raise UnusableError(f"its answer {answer[:60]!r} is several choices")
        return Truth((letter,), Kind.CHOICE, choices=draft.choices)
    truth = Truth((answer,), Kind.TEXT if draft.form == "prose" else None)
    if why := strict.unreadable(truth):
        raise UnusableError(why)
    return truth


def states(answer: str, truth: Truth) -> bool:
    """Whether an answer says what another one does, by MR1's judge. Raises LostError where it could not compare."""
    verdict = strict.judge_answer(answer, truth)
    if verdict is Verdict.LOST:
        raise LostError
    return verdict is Verdict.RIGHT
