"""Micro-batches that fit: where memory runs out, what was begun is undone, and done again with half the tokens at once.

Micro-batches never change a result but by rounding, so a step that is done again is the one that a run with the smaller
`tokens_per_microbatch` would have made.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

import torch

from mr1.config import Config
from mr1.errors import UserError
from mr1.methods.base import Method
from mr1.models.vlm import VLM
from mr1.parallel import ranks
from mr1.train.optimizer import Optimizer
from mr1.train.packing import microbatches, tokens_of
from mr1.train.update import let_go
from mr1.types import Group

Result = TypeVar("Result")


class Budget:
    """The tokens that pass through the model at once: as the settings say, until memory has run out."""

    def __init__(self, policy: VLM, say: Callable[[str], None]) -> None:
        self.policy, self.say = policy, say
        self.most: int | None = None
        """What it has come down to; None while the settings hold."""

    def within(self, config: Config) -> Config:
        """The settings with no larger budget than fits."""
        if self.most is None or config.tokens_per_microbatch <= self.most:
            return config
        return config.model_copy(update={"tokens_per_microbatch": self.most})

    def metrics(self) -> dict[str, int]:
        """`tokens_per_microbatch`, where it is no longer the setting's."""
        return {} if self.most is None else {"tokens_per_microbatch": self.most}

    def fit(
        self,
        compute: Callable[[Config], Result],
        config: Config,
        groups: Sequence[Group],
        method: Method,
        optimizer: Optimizer,
    ) -> Result:
        """What `compute` makes of a batch, by the settings that it is given: those of a budget that fits.

        Args:
            compute: may be called several times. It changes no weights before the last point where memory may run out.
            config: the settings.
            groups: the batch. What an attempt has filled in is taken back, and the gradients and generators with it.
            method: whether groups may be torn apart.
            optimizer: whose gradients are forgotten after an attempt.

        Raises:
            UserError: memory runs out with a single completion, or on one of several processes.
        """
        while True:
            fitting, undo = self.within(config), _undoing(groups, optimizer)
            try:
                return compute(fitting)
            except torch.OutOfMemoryError as error:
                reason = " ".join(str(error).split())
            if ranks.several():
                raise UserError(
                    f"out of memory on process {ranks.number()} of {ranks.count()}, which can't do the step again by "
                    f"itself: {reason}; lower tokens_per_microbatch, now {fitting.tokens_per_microbatch}, and resume"
                )
            # By here the error is gone, and with it the attempt's tensors, which its traceback held.
            undo()
            self.most = self._halved(fitting.tokens_per_microbatch, groups, method, reason)
            self.say(
                f"out of memory; from here on tokens_per_microbatch={self.most}, and this is done again ({reason})"
            )

    def _halved(self, tokens: int, groups: Sequence[Group], method: Method, reason: str) -> int:
        adapter = self.policy.adapter
        alone = [[group] for group in groups]
        if not method.indivisible:
            alone = [[Group(group.prompt, [each])] for group in groups for each in group.completions]
        least = max(tokens_of(each, adapter) for each in alone)
        if tokens <= least:
            raise UserError(
                f"out of memory with one {'group' if method.indivisible else 'completion'} at a time, {least} tokens "
                f"with its prompt: {reason}; set gradient_checkpointing=true, lower loading.max_pixels, "
                "max_prompt_tokens or rollout.max_new_tokens, or ask mr1 estimate what fits"
            )
        largest = max(tokens_of(each, adapter) for each in microbatches(groups, tokens, adapter, method.indivisible))
        return max(min(tokens, largest) // 2, 1)


def _undoing(groups: Sequence[Group], optimizer: Optimizer) -> Callable[[], None]:
    """What takes back all that an attempt leaves behind when it is interrupted."""
    filled = [(each, each.old_logprobs, each.ref_logprobs) for group in groups for each in group.completions]
    gpu = torch.cuda.is_available()
    generators = torch.get_rng_state(), torch.cuda.get_rng_state_all() if gpu else []

    def undo() -> None:
        for completion, old, ref in filled:
            completion.old_logprobs, completion.ref_logprobs = old, ref
        optimizer.zero_grad()
        let_go(groups)
        torch.set_rng_state(generators[0])
        if gpu:
            torch.cuda.set_rng_state_all(generators[1])
            torch.cuda.empty_cache()

    return undo
