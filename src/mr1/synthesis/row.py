"""What is kept of a picture, and what is dropped."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from mr1.data.problem import lettered

Form = Literal["choice", "short", "prose"]
"""Of an answer: a choice's letter; a number, yes or no, or few words; whole sentences."""
REWARDS: dict[Form, str] = {"choice": "choice", "short": "rule", "prose": "judge"}
"""What the column `reward` says, as method wethink reads it."""


@dataclass(frozen=True)
class Asked:
    """A question with its answer."""

    question: str
    answer: str
    """Of choices, the letter."""
    form: Form
    category: str
    abilities: tuple[str, ...]
    reasoning: str = ""
    """Empty where none was made."""
    choices: tuple[str, ...] = ()
    kind: str = ""
    """How the judge reads the answer, where that is known."""

    def row(self, picture: str, number: int, image: str, provenance: Mapping[str, Any]) -> dict[str, Any]:
        """A row of `problems.jsonl`.

        Args:
            picture: the picture's id; rows of one picture are held out together.
            number: of the question, from 1.
            image: the picture's file.
            provenance: how the row came about.
        """
        return {
            "id": f"{picture}-{number}",
            "images": [image],
            "question": worded(self.question, self.choices),
            "choices": [*self.choices] or None,
            "answer": self.answer,
            "answer_kind": "text" if self.form == "prose" else self.kind or None,
            "reward": REWARDS[self.form],
            "category": self.category,
            "abilities": [*self.abilities],
            "reasoning": self.reasoning,
            "picture": picture,
            "provenance": dict(provenance),
        }


@dataclass(frozen=True)
class Dropped:
    """What did not become a row."""

    id: str
    """Of the picture, or of the question."""
    step: str
    """Where it was dropped."""
    reason: str
    details: Mapping[str, Any] = field(default_factory=dict)
    """What was known of it by then."""

    def line(self) -> dict[str, Any]:
        """A line of `dropped.jsonl`."""
        return {"id": self.id, "step": self.step, "reason": self.reason, **self.details}


@dataclass
class Outcome:
    """What came of some pictures."""

    rows: list[dict[str, Any]] = field(default_factory=list)
    dropped: list[Dropped] = field(default_factory=list)
    waiting: list[str] = field(default_factory=list)
    """The steps of those whose question got no reply: started again, they are asked again."""


def worded(question: str, choices: Sequence[str]) -> str:
    """A question with its choices below it."""
    return f"{question}\n{lettered([*choices])}" if choices else question
