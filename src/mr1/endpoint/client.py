"""Asks a language model behind OpenAI's API: many questions at once, each until it is answered or given up.

What may pass (a lost connection, no answer in time, 408, 409, 429, 5xx, a body that is no reply) is tried again, after
a pause that doubles each time, is shortened by chance, and is never shorter than the server's Retry-After. What can't
pass (401, 403, 404) ends it all, and so do `GIVE_UP` failures in a row. A reply is kept only where it could be read.

The key comes from the environment alone (`Client.variable`), and is taken out of whatever is said.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any, Generic, TypeVar

from mr1.awaiting import finished
from mr1.endpoint.cache import Cache, content_key
from mr1.endpoint.settings import KEY, Server
from mr1.errors import MissingPackageError, UserError, shown

GIVE_UP = 10
"""Questions that fail one after another."""
FIRST_PAUSE, LONGEST_PAUSE = 0.5, 60.0
"""Seconds before a question is asked again."""
PARAMETERS: dict[str, Any] = {"temperature": 0.0, "max_tokens": 512}
"""Of a request where nothing else is said: those of Perception-R1's judge (arXiv 2506.07218)."""
COUNTS = ("calls", "retries", "failures", "cache_hits")

Value = TypeVar("Value", covariant=True)


@dataclass(frozen=True)
class Question(Generic[Value]):
    """One call."""

    system: str
    """The system's turn."""
    user: str
    """The user's turn."""
    read: Callable[[str], Value | None]
    """What a reply says; None where it doesn't say what was asked for."""
    images: tuple[str, ...] = ()
    """Pictures that are shown in front of the user's words: addresses, such as `data:image/png;base64,...`."""


class FailedError(Exception):
    """A question got no reply."""


class Client:
    """One server and one model."""

    def __init__(
        self,
        settings: Server,
        give_up: int = GIVE_UP,
        name: str = "endpoint",
        parameters: Mapping[str, Any] = PARAMETERS,
    ) -> None:
        """Open nothing yet.

        Args:
            settings: which server.
            give_up: questions that fail one after another, after which it ends.
            name: what the server is called in the settings; also whose key is its own.
            parameters: of each request, such as its temperature.

        Raises:
            MissingPackageError: the package `openai` is not installed.
        """
        try:
            import openai
        except ImportError as error:
            raise MissingPackageError(
                f"{name}: asking a model needs the package openai; pip install 'mr1[endpoint]'"
            ) from error
        self._openai = openai
        self.settings, self.name, self.parameters = settings, name, dict(parameters)
        self.cache = Cache(settings.cache)
        self.give_up, self.in_a_row = give_up, 0
        self._counts: Counter[str] = Counter()
        self._random = Random()  # its own: pauses must not move anybody else's

    def take_counts(self) -> dict[str, int]:
        """What was counted since the last call: requests that were sent, those of them that were sent again, questions
        that failed, and those that were answered without a request."""
        counts, self._counts = self._counts, Counter()
        return {name: counts[name] for name in COUNTS}

    def check(self) -> None:
        """Raise UserError where nothing answers."""
        hello = self._request(Question("You are asked whether you are there.", "Reply with one word.", str))
        try:
            finished(self._with_server(lambda server: self._reply(server, hello)))
        except FailedError as failed:
            raise UserError(f"{self.name}.base_url: nothing answers at {self.settings.base_url}: {failed}") from None

    @property
    def variable(self) -> str:
        """The environment's variable that holds the key: one for this server where there is one, else `KEY`."""
        own = f"{KEY}_{self.name.upper()}"
        return own if own in os.environ else KEY

    def key(self, question: Question[Any]) -> str:
        """What the reply to a question is kept by."""
        return content_key(_small(self._request(question)))

    def ask(self, questions: Sequence[Question[Value]]) -> list[Value | None]:
        """What each question's reply says; None where it failed. Equal words are sent once.

        Raises:
            UserError: the key or the model is refused, or too many questions failed in a row.
        """
        unlike = {(question.system, question.user, question.images): question for question in questions}
        self._counts["cache_hits"] += len(questions) - len(unlike)
        replies = {words: self._kept(question) for words, question in unlike.items()}
        asked = [words for words, reply in replies.items() if reply is None]

        async def all_of_them(server: Any) -> list[str | None]:
            free = asyncio.Semaphore(self.settings.concurrency)

            async def one(question: Question[Value]) -> str | None:
                async with free:
                    return await self._answer(server, question)

            tasks = [asyncio.create_task(one(unlike[words])) for words in asked]
            try:
                return await asyncio.gather(*tasks)
            finally:  # where one ends it all, the others are let go of before the connections are closed
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)

        if asked:
            replies |= zip(asked, finished(self._with_server(all_of_them)), strict=True)
        said = ((question, replies[question.system, question.user, question.images]) for question in questions)
        return [None if reply is None else question.read(reply) for question, reply in said]

    def _kept(self, question: Question[Any]) -> str | None:
        """A reply of the cache that can be read."""
        reply = self.cache.get(_small(self._request(question)))
        if reply is None or question.read(reply) is None:
            return None
        self._counts["cache_hits"] += 1
        return reply

    async def _with_server(self, do: Callable[[Any], Awaitable[Any]]) -> Any:
        key = os.environ.get(self.variable) or "none"  # the package insists on one
        address, limit = self.settings.base_url, self.settings.timeout
        async with self._openai.AsyncOpenAI(base_url=address, api_key=key, timeout=limit, max_retries=0) as server:
            return await do(server)

    async def _answer(self, server: Any, question: Question[Any]) -> str | None:
        """A reply that can be read; None where there is none."""
        request = self._request(question)
        try:
            reply = await self._reply(server, request)
            if question.read(reply) is None:
                raise FailedError(f"a reply that can't be read: {shown(reply)}")
        except FailedError as failed:
            self._fail(str(failed))
            return None
        self.in_a_row = 0
        try:
            self.cache.put(_small(request), reply)
        except OSError as error:
            raise UserError(f"{self.name}.cache: {self.settings.cache} can't be written: {error}") from error
        return reply

    async def _reply(self, server: Any, request: dict[str, Any]) -> str:
        """A reply's text. Raises FailedError, or UserError for what can't pass."""
        for attempt in range(self.settings.retries + 1):
            self._counts["calls"] += 1
            self._counts["retries"] += attempt > 0
            try:
                # The package's own limit is on each read of the connection; this one is on the whole.
                made = await asyncio.wait_for(server.chat.completions.create(**request), self.settings.timeout)
                return made.choices[0].message.content or ""
            except self._openai.APIStatusError as error:
                self._refuse(error)
                failed, wait = self._said(error), _retry_after(error)
                if error.status_code < 500 and error.status_code not in (408, 409, 429):
                    break
            except TimeoutError:
                failed, wait = f"no answer within {self.name}.timeout={self.settings.timeout:g} s", 0.0
            except (self._openai.OpenAIError, AttributeError, IndexError, TypeError, ValueError) as error:
                failed, wait = self._said(error), 0.0  # the connection, or a body that is no reply
            if attempt < self.settings.retries:
                await asyncio.sleep(max(wait, self._pause(attempt)))
        raise FailedError(failed)

    def _pause(self, attempt: int) -> float:
        return self._random.uniform(0.5, 1.0) * min(FIRST_PAUSE * 2**attempt, LONGEST_PAUSE)

    def _refuse(self, error: Any) -> None:
        """Raise UserError for an answer that no later call will change."""
        if error.status_code in (401, 403):
            raise UserError(
                f"{self.name}.base_url: {self.settings.base_url} refuses the key that {self.variable} holds "
                f"({self._said(error)})"
            ) from None
        if error.status_code == 404:
            raise UserError(
                f"{self.name}.model: {self.settings.base_url} knows no model '{self.settings.model}', or has no "
                f"chat/completions there ({self._said(error)})"
            ) from None

    def _fail(self, why: str) -> None:
        """Count a question that failed. Raises UserError where there were too many in a row."""
        self._counts["failures"] += 1
        self.in_a_row += 1
        if self.in_a_row >= self.give_up:
            raise UserError(
                f"{self.name}: {self.in_a_row} questions to {self.settings.model} at {self.settings.base_url} failed "
                f"one after another, the last with {why}"
            )

    def _request(self, question: Question[Any]) -> dict[str, Any]:
        pictures: list[dict[str, Any]] = [{"type": "image_url", "image_url": {"url": url}} for url in question.images]
        content = [*pictures, {"type": "text", "text": question.user}] if pictures else question.user
        messages = [{"role": "system", "content": question.system}, {"role": "user", "content": content}]
        return {"model": self.settings.model, "messages": messages, **self.parameters}

    def _said(self, error: Exception) -> str:
        """An error in a line, without the key."""
        key = os.environ.get(self.variable)
        said = f"{type(error).__name__}: {' '.join(str(error).split())}"
        return (said.replace(key, "***") if key else said)[:300]


def _small(request: dict[str, Any]) -> dict[str, Any]:
    """A request whose pictures are their SHA-256 instead of themselves."""
    system, user = request["messages"]
    if isinstance(user["content"], str):
        return request
    *pictures, text = user["content"]
    hashes = [f"sha256:{hashlib.sha256(each['image_url']['url'].encode()).hexdigest()}" for each in pictures]
    content = [*({"type": "image_url", "image_url": {"url": each}} for each in hashes), text]
    return {**request, "messages": [system, {**user, "content": content}]}


def _retry_after(error: Any) -> float:
    """Seconds that a server asks to be left alone for, up to `LONGEST_PAUSE`; 0 where it doesn't say."""
    try:
        return min(max(float(error.response.headers.get("retry-after", "0")), 0.0), LONGEST_PAUSE)
    except ValueError:  # a date
        return 0.0
