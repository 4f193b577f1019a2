"""A key-value cache for many completions of few prompts.

Prompts are prefilled once; their keys and values are then repeated for the completions. transformers' dynamic layer
would copy everything at each new token, so its layers are replaced by ones that write into memory laid out beforehand.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from transformers.cache_utils import DynamicCache, DynamicLayer


class PreallocatedLayer(DynamicLayer):
    """A dynamic layer with room for all the tokens to come; `keys` and `values` are the part in use."""

    def __init__(self, keys: Tensor, values: Tensor, room: int) -> None:
        """Take over (R, heads, S, D) keys and values, and make room for `room` more tokens."""
        super().__init__()
        self.dtype, self.device = keys.dtype, keys.device
        self.is_initialized = True
        self._keys = _with_room(keys, room)
        self._values = _with_room(values, room)
        self._length = keys.shape[-2]
        self._show()

    def update(self, key_states: Tensor, value_states: Tensor, *_: Any, **__: Any) -> tuple[Tensor, Tensor]:
        """Write the new tokens' keys and values behind the others; return all in use."""
        start, end = self._length, self._length + key_states.shape[-2]
        self._keys[:, :, start:end] = key_states
        self._values[:, :, start:end] = value_states
        self._length = end
        return self._show()

    def reorder_cache(self, beam_idx: Tensor) -> None:
        """Keep these rows alone."""
        self._keys, self._values = self._keys[beam_idx], self._values[beam_idx]
        self._show()

    def _show(self) -> tuple[Tensor, Tensor]:
        self.keys, self.values = self._keys[:, :, : self._length], self._values[:, :, : self._length]
        return self.keys, self.values


def kept_states(layer: Any) -> list[Tensor]:
    """What a layer of a cache holds: keys, values and what chooses among them, a recurrent layer's states, or both."""
    states = [getattr(layer, name, None) for name in ("keys", "values", "idx_keys")]
    for name in ("conv_states", "recurrent_states"):
        states += getattr(layer, name, {}).values()
    return [state for state in states if state is not None]


def keep_rows(cache: Any, rows: Tensor) -> None:
    """Keep these rows alone, (R,), some perhaps several times; in place.

    transformers' own repeating and selecting of rows leaves recurrent layers out; the reordering of its beam search
    does not.
    """
    cache.reorder_cache(rows)


def repeat_for_completions(cache: DynamicCache, rows: int, copies: int, room: int) -> None:
    """Give each of the prompts' rows `copies` rows, next to each other, and room for `room` more tokens; in place.

    Layers of another kind than the plain dynamic one (a sliding window, a recurrent state) grow in their own way.
    """
    keep_rows(cache, torch.arange(rows).repeat_interleave(copies))
    for index, layer in enumerate(cache.layers):
        if type(layer) is DynamicLayer:
            assert layer.keys is not None, "the prompts have been prefilled"
            assert layer.values is not None, "the prompts have been prefilled"
            cache.layers[index] = PreallocatedLayer(layer.keys, layer.values, room)


def _with_room(states: Tensor, room: int) -> Tensor:
    rows, heads, length, width = states.shape
    memory = torch.empty(rows, heads, length + room, width, dtype=states.dtype, device=states.device)
    memory[:, :, :length] = states
    return memory
