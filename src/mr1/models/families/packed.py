"""What holds for every family whose rows are packed."""

from __future__ import annotations

from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from mr1.models.adapter import Adapter
from mr1.models.attention import share_prompts
from mr1.models.recurrent import has_states, share_states


class Packed(Adapter):
    """Causal attention, so a mask and explicit positions are all that packing takes.

    Where every layer looks back without a limit, not even a mask is made.
    """

    packs = True
    causal: ClassVar[bool] = True
    """Whether a token sees what came before it, all of it or within a window, and nothing else."""

    def __init__(self, model: Any, tokenizer: Any) -> None:
        super().__init__(model, tokenizer)
        self.shares = model.config._attn_implementation == "sdpa" and self.causal and not self._has_windows()
        if self.shares:
            share_prompts(model)
            share_states(model)
        elif has_states(model):
            self.packs, self.plain_because = False, "has recurrent layers, which no mask reaches (sdpa needs none)"

    def attention(self, mask: Tensor, input_ids: Tensor, position_ids: Tensor) -> Any:
        if not self._has_windows():
            return super().attention(mask, input_ids, position_ids)
        return self.by_layer(mask, mask & self.nearby(position_ids))

    def by_layer(self, full: Tensor, sliding: Tensor) -> Any:
        """Masks, (B, 1, S, S) bool, of both kinds of layers as the model's forward takes them."""
        if self._layer_types() is None:
            return self.as_taken(sliding)
        return {"full_attention": self.as_taken(full), "sliding_attention": self.as_taken(sliding)}

    def nearby(self, position_ids: Tensor) -> Tensor:
        """(B, 1, S, S) bool, True where a token is within the window of another, behind it or anywhere after it.

        By position, not by place in the row: a completion stands far from its prompt there.
        """
        distance = position_ids[0][:, :, None] - position_ids[0][:, None, :]
        return (distance < self.model.config.get_text_config().sliding_window)[:, None]

    def _has_windows(self) -> bool:
        """Whether some layers look back no farther than a window; all do where there are no kinds of layers."""
        kinds = self._layer_types()
        if kinds is None:
            return getattr(self.model.config.get_text_config(), "sliding_window", None) is not None
        return "sliding_attention" in kinds

    def _layer_types(self) -> Any:
        return getattr(self.model.config.get_text_config(), "layer_types", None)


class Capped(nn.Module):
    """A head whose logits come no farther from zero than a limit."""

    def __init__(self, head: nn.Module, limit: float) -> None:
        super().__init__()
        self.head, self.limit = head, limit

    @property
    def weight(self) -> Any:
        """(V, H)."""
        return self.head.weight

    def forward(self, hidden: Tensor) -> Tensor:
        """(..., H) to (..., V)."""
        return torch.tanh(self.head(hidden) / self.limit) * self.limit


def pad_axis(tensor: Tensor, axis: int, size: int) -> Tensor:
    """Zeros behind the tensor's end on one axis, up to `size`."""
    shape = list(tensor.shape)
    shape[axis] = size - shape[axis]
    return torch.cat([tensor, tensor.new_zeros(shape)], dim=axis)


def same_run(image: Tensor) -> Tensor:
    """(B, S) bool, True for image tokens, to (B, 1, S, S) bool, True where both are of one run of them."""
    starts = image & ~torch.nn.functional.pad(image, (1, 0))[:, :-1]
    run = torch.where(image, starts.cumsum(1), 0)
    return (image[:, :, None] & (run[:, :, None] == run[:, None, :]))[:, None]


def capped(head: nn.Module, limit: float | None) -> nn.Module:
    return Capped(head, limit) if limit else head
