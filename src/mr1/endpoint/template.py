"""What is asked again and again, with places for what it is asked about."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from mr1.endpoint.client import Question, Value


@dataclass(frozen=True)
class Template:
    """A system's turn, and the user's with places in braces."""

    system: str
    user: str

    def question(
        self, read: Callable[[str], Value | None], images: tuple[str, ...] = (), form: str = "", **material: object
    ) -> Question[Value]:
        """A call about some material, which can't close the tags that it stands between; a form is taken as it is."""
        kept = {name: str(text).replace("</", "< /") for name, text in material.items()}
        return Question(self.system, self.user.format(form=form, **kept), read, images)
