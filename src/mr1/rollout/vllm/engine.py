"""The engine over vLLM servers. See `rollout.engine.Engine`.

Weights are given to the servers when the next prompts come, not after each update: of several updates on one batch of
rollouts the last one alone matters. They are written into a folder that the servers must be able to read.

What is sampled depends on the run's seed, the step, the sample, its attempt and the completion's number, as in process;
but they are vLLM's random numbers, its rounding depends on what else it computes at the same time, and a completion
that is written in parts is not the one that would be written at once.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from mr1.models.vlm import VLM
from mr1.rollout.engine import Begun, Key, joined
from mr1.rollout.vllm.server import TESTED, FaultError, Server
from mr1.rollout.vllm.servers import Servers
from mr1.rollout.vllm.trust import Trust, some_tokens
from mr1.rollout.vllm.weights import write_weights
from mr1.rollout.vllm.wire import Asked, Choice, body, choices, completion, going_on, likeliest, sampled
from mr1.types import Completion, Group, Prompt

if TYPE_CHECKING:
    from mr1.config import Rollout


class VLLMEngine:
    """See the module."""

    def __init__(self, vlm: VLM, settings: Rollout, folder: Path, say: Callable[[str], None]) -> None:
        """Ask nothing yet.

        Args:
            vlm: the policy.
            settings: which servers, and how long they may take.
            folder: where the weights are put for them.
            say: what happens on the way, in a line.
        """
        self.vlm, self.folder, self.say = vlm, folder, say
        self.servers = Servers([Server(url, settings.timeout) for url in settings.servers], self._prepare, say)
        self.run, self.syncs = uuid4().hex[:8], 0
        self.written = ""
        """The version that is in the folder."""
        self.seen: set[str] = set()
        """Servers that have been given weights."""
        self.trust: Trust | None = None
        self.prompt: Prompt | None = None
        """What servers are compared on: one with an image, as soon as any comes."""
        self.gap = 0.0
        self.lock = Lock()
        """Of the weights' folder, and of what is compared; no server is waited for with it, but to name a fault."""

    @property
    def version(self) -> str:
        """What the present weights are called; unlike those of any other run."""
        return f"{self.run}-{self.syncs}"

    def prepare(self, prompts: Sequence[Prompt]) -> list[Prompt]:
        """Nothing: what servers make of a prompt stays there."""
        return [*prompts]

    def sample(self, prompts: Sequence[Prompt], settings: Rollout, key: Key) -> list[Group]:
        asked = [sampled(self.vlm, prompt, settings, key) for prompt in prompts]
        made = self._ask(asked, settings.batch_size // settings.group_size)
        return [Group(prompt, completions) for prompt, completions in zip(prompts, made, strict=True)]

    def greedy(self, prompts: Sequence[Prompt], max_new_tokens: int, batch_size: int = 128) -> list[Completion]:
        asked = [likeliest(self.vlm, prompt, max_new_tokens) for prompt in prompts]
        return [completions[0] for completions in self._ask(asked, batch_size)]

    def extend(
        self, begun: Sequence[Begun], settings: Rollout, key: Key | None, stop: Sequence[str] = ()
    ) -> list[Completion]:
        asked = [going_on(self.vlm, each, settings, key, stop) for each in begun]
        made = self._ask(asked, settings.batch_size)
        return [joined(each.completion, added[0], self.vlm.tokenizer) for each, added in zip(begun, made, strict=True)]

    def sync(self, policy: VLM) -> None:
        """From the next prompts on, servers have the policy's weights as they are then."""
        assert policy is self.vlm, "an engine of another model"
        self.syncs += 1
        self.servers.outdate()

    def metrics(self) -> dict[str, float]:
        """Since it was last asked: requests, failures of servers, how often one was given weights; and the largest gap
        after the latest sync."""
        counts, self.servers.counts = self.servers.counts, Counter()
        found = {f"rollout/{name}": float(counts[name]) for name in ("asked", "failed", "prepared")}
        return found | {"rollout/sync_gap": self.gap}

    def _ask(self, asked: Sequence[Asked], at_once: int) -> list[list[Completion]]:
        if not asked:
            return []
        if self.prompt is None or not self.prompt.vision:
            self.prompt = next((each.prompt for each in asked if each.prompt.vision), asked[0].prompt)
        made: list[list[Choice]] = self.servers.ask([partial(self._answer, each) for each in asked], max(at_once, 1))
        return [[completion(self.vlm, choice) for choice in each] for each in made]

    def _answer(self, asked: Asked, server: Server) -> list[Choice]:
        """Ask one server; in a thread of its own. Raises FaultError, or UserError."""
        version = self.version
        answer: Any = server.generate(body(self.vlm, asked, version))
        try:
            found = choices(answer, asked.count)
        except ValueError as error:
            raise FaultError(f"gave {error}") from None
        for other in {name for choice in found for name in choice.versions} - {version}:
            raise FaultError(f"answered with weights '{other}', not with '{version}': was it started again?")
        return found

    def _prepare(self, server: Server) -> None:
        """Give a server the present weights, and compare what it then computes; in a thread of its own.

        Raises:
            FaultError: it doesn't answer.
            UserError: it computes something else; or the weights can't be written.
        """
        version = self.version
        if server.url not in self.seen and (other := server.other_version()):
            self.say(f"vLLM at {server} is {other}; MR1 is written for {TESTED}")
        self.seen.add(server.url)
        with self.lock:
            if self.written != version:
                write_weights(self.vlm, self.folder)
                self.written, self.gap = version, 0.0
        server.take_weights(self.folder.absolute(), version)
        self.servers.counts["prepared"] += 1
        trust = self._trust(server, version)
        theirs = trust.score(server, trust.prompt, version)
        with self.lock:
            self.gap = max(self.gap, trust.check(server, theirs, version))
        server.version = version

    def _trust(self, server: Server, version: str) -> Trust:
        """What servers are compared by; of the first tokens that any of them draws. Raises FaultError."""
        prompt = self.prompt
        assert prompt is not None, "there is one wherever anything is asked"
        if self.trust is None or self.trust.prompt is not prompt:
            tokens = some_tokens(self.vlm, server, prompt, version)
            with self.lock:
                if self.trust is None or self.trust.prompt is not prompt:
                    self.trust = Trust(self.vlm, prompt, tokens)
        return self.trust
