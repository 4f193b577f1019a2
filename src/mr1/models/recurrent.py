"""Recurrent layers among completions that share a prompt.

Linear attention and short convolutions keep, in place of keys and values, a state of fixed size. A completion's begins
where the prompt's ended: the prompt is run once, and its last state is handed, with gradient, to every completion. The
computation is the family's own module, which is given a cache that hands states on instead of writing over them.
"""

from __future__ import annotations

import inspect
from typing import Any, Protocol

import torch
from torch import Tensor, nn
from torch.nn import functional

from mr1.models.subclass import is_turned, turn

MIXERS = frozenset({"Qwen3_5GatedDeltaNet", "Qwen3_5MoeGatedDeltaNet", "Lfm2ShortConv"})
"""Modules of transformers that mix tokens by nothing but what they ask their cache for."""
CACHES = ("cache_params", "past_key_values")
"""What they call the cache."""


class Mix(Protocol):
    """A recurrent layer on rows of their own, (R, L, H) to (R, L, H), from the states that are carried to it."""

    def __call__(self, rows: Tensor, carried: Carried) -> Tensor:
        """`carried` has the states behind the last tokens afterwards."""


class Recurs(Protocol):
    """A row that knows whose state goes on where: `sharing.FlatRow`."""

    def recur(self, layer: int, mix: Mix, hidden: Tensor) -> Tensor:
        """See there."""


class Carried:
    """The states of one recurrent layer, for R rows, as transformers' modules ask a cache for them."""

    def __init__(self, conv: Tensor | None = None, recurrent: Tensor | None = None) -> None:
        """The convolution's, (R, channels, places), and the recurrent one, where there are any yet."""
        self._conv, self._recurrent = conv, recurrent

    def states(self) -> tuple[Tensor, ...]:
        """What there is, in the order in which it is taken."""
        return tuple(state for state in (self._conv, self._recurrent) if state is not None)

    def for_each(self, count: int) -> Carried:
        """One row's, for each of `count` rows."""
        return Carried(*(state.expand(count, *state.shape[1:]) for state in self.states()))

    def is_recording_past(self, _layer: int) -> bool:
        """Yes: a layer then doesn't write over the state of a convolution that it was given."""
        return True

    def get_conv_state(self, _layer: int, state_idx: int = 0) -> Tensor | None:
        """(R, channels, places), or None at the beginning."""
        assert state_idx == 0, "one convolution"
        return self._conv

    def get_recurrent_state(self, _layer: int, state_idx: int = 0) -> Tensor | None:
        """(R, heads, key width, value width), or None at the beginning."""
        assert state_idx == 0, "one state"
        return self._recurrent

    def update_conv_state(self, new: Tensor, _layer: int, conv_kernel_size: int, **_: Any) -> Tensor:
        """Take (R, channels, L) of L more tokens. Returns them with what came before them."""
        seen = new if self._conv is None else torch.cat([self._conv, new], dim=-1)
        self._conv = functional.pad(seen, (max(0, conv_kernel_size - seen.shape[-1]), 0))[..., -conv_kernel_size:]
        return seen

    def update_recurrent_state(self, new: Tensor, _layer: int, **_: Any) -> Tensor:
        """Take the state behind the last token."""
        self._recurrent = new
        return new


def has_states(model: nn.Module) -> bool:
    """Whether a model has recurrent layers that `share_states` knows."""
    return any(type(module).__name__ in MIXERS for module in model.modules())


def share_states(model: nn.Module) -> None:
    """Let the recurrent layers of a model take rows of shared prompts, in place."""
    for module in model.modules():
        if type(module).__name__ in MIXERS:
            turn(module, _sharing)


def has_shared_states(model: nn.Module) -> bool:
    """Whether `share_states` found a recurrent layer."""
    return any(is_turned(module, _sharing) for module in model.modules())


def _sharing(cls: Any) -> Any:
    """A subclass of a family's module that is run by a row of shared prompts where it is given one."""
    cache_argument = next(name for name in CACHES if name in inspect.signature(cls.forward).parameters)

    class Sharing(cls):  # type: ignore[misc]
        def forward(self, hidden_states: Tensor, sharing: Recurs | None = None, **others: Any) -> Tensor:
            if sharing is None:
                return super().forward(hidden_states, **others)

            def mix(rows: Tensor, carried: Carried) -> Tensor:
                return cls.forward(self, rows, **{cache_argument: carried})

            return sharing.recur(self.layer_idx, mix, hidden_states)

    return Sharing
