"""Questions to the models of the pipeline, and what becomes of those without a usable reply."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, TypeVar

from mr1.endpoint.client import COUNTS, Client, Question
from mr1.synthesis.replies import Unread
from mr1.synthesis.row import Dropped, Outcome
from mr1.synthesis.settings import Make

Said = TypeVar("Said")


class Item(Protocol):
    """What goes through the steps: a picture, or a question about one."""

    replies: dict[str, str]
    """The key of each reply so far, by the step."""

    @property
    def id(self) -> str: ...

    def known(self) -> dict[str, Any]:
        """What is written down of it where it is dropped."""
        ...


Work = TypeVar("Work", bound=Item)


@dataclass
class Models:
    """The models of a make, each with a client of its own."""

    clients: dict[str, Client]
    outcome: Outcome = field(default_factory=Outcome)
    """Of the pictures that are under way."""

    @classmethod
    def opened(cls, make: Make, replies: Path, check: bool) -> Models:
        """The models that the settings name.

        Args:
            make: the settings.
            replies: the folder of those that have none of their own.
            check: whether each is asked if it is there.

        Raises:
            UserError: one isn't there.
        """
        clients: dict[str, Client] = {}
        for name, role in make.roles.items():
            settings = role.model_copy(update={"cache": role.cache or str(replies)})
            parameters = {"temperature": role.temperature, "max_tokens": role.max_tokens}
            clients[name] = Client(settings, name=name, parameters=parameters)
        for client in clients.values() if check else ():
            client.check()
        return cls(clients)

    def ask(
        self, step: str, role: str, items: Sequence[Work], question: Callable[[Work], Question[Said | Unread]]
    ) -> list[tuple[Work, Said]]:
        """Those items whose reply can be read, each with what it says. The others are dropped, or wait for a reply.

        Raises:
            UserError: see `Client.ask`.
        """
        client = self.clients[role]
        asked = [question(item) for item in items]
        read: list[tuple[Work, Said]] = []
        for item, each, said in zip(items, asked, client.ask(asked), strict=True):
            item.replies[f"{step}, {role}"] = client.key(each)
            if said is None:
                self.wait(item, step)
            elif isinstance(said, Unread):
                self.drop(item, step, f"{role}: {said.why}")
            else:
                read.append((item, said))
        return read

    def drop(self, item: Item, step: str, reason: str) -> None:
        """Write down that an item is not used, and why."""
        self.outcome.dropped.append(Dropped(item.id, step, reason, {**item.known(), "replies": item.replies}))

    def wait(self, item: Item, step: str) -> None:
        """An item whose question got no reply is neither kept nor dropped."""
        self.outcome.waiting.append(f"{step} of {item.id}")

    def take_outcome(self) -> Outcome:
        """What came of the pictures that were under way."""
        outcome, self.outcome = self.outcome, Outcome()
        return outcome

    def take_counts(self) -> dict[str, int]:
        """Requests, retries, failures and kept replies of all models together."""
        counts = [client.take_counts() for client in self.clients.values()]
        return {name: sum(each[name] for each in counts) for name in COUNTS}
