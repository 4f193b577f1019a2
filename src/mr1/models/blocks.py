"""Attention to chosen blocks of keys, in rows where a token's place is not its position.

MiniMax M3's sparse layers let a token see the blocks of keys that an indexer likes best for it. transformers counts
blocks by place in the row, so that padding in front, or other completions before one, would move their borders. Here
they are counted by position, among what a token may see at all.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from mr1.models.subclass import turn


def choose_by_position(model: nn.Module) -> None:
    """Let the indexers of a model count by position, in place."""
    for module in model.modules():
        if type(module).__name__ == "MiniMaxM3VLIndexer":
            turn(module, _by_position)


def _by_position(cls: Any) -> Any:
    """A subclass of an indexer whose scores become blocks where it is known what may be seen."""
    from transformers.models.minimax_m3_vl.modeling_minimax_m3_vl import apply_rotary_pos_emb

    class ByPosition(cls):  # type: ignore[misc]
        @torch.no_grad()
        def forward(
            self, hidden_states: Tensor, position_embeddings: tuple[Tensor, Tensor], past_key_values: Any, _: Tensor
        ) -> Tensor:
            """(B, S, H) to (B, heads, S, K) scores of keys. No gradient goes through what is chosen."""
            query = self.q_norm(self.q_proj(hidden_states).unflatten(-1, (-1, self.head_dim))).transpose(1, 2)
            key = self.k_norm(self.k_proj(hidden_states)[:, None])
            query, key = apply_rotary_pos_emb(query, key, *(each[..., : self.head_dim] for each in position_embeddings))
            if past_key_values is not None:
                key = past_key_values.layers[self.layer_idx].update_index(key)
            return query.float() @ key.float().transpose(-1, -2)

        @torch.no_grad()
        def build_block_mask(
            self,
            scores: Tensor,
            attention_mask: Tensor | None,
            key_length: int,
            dtype: torch.dtype,
            device: torch.device,
            position_ids: Tensor,
        ) -> Tensor:
            """What is added to the scores of attention: (B, query heads, S, K)."""
            if attention_mask is None:  # no padding: places are positions
                places = torch.arange(key_length, device=device).expand(len(scores), -1)
                seen = places[:, None, None] <= position_ids[:, None, :, None]
            else:
                seen = attention_mask if attention_mask.dtype == torch.bool else attention_mask == 0
                # Behind a cache, the last token sees all of its row but padding.
                places = position_ids if key_length == scores.shape[2] else seen[:, 0, -1].long().cumsum(-1) - 1
            blocks = (places.clamp(min=0) // self.block_size)[:, None, None].expand_as(scores)
            own = position_ids // self.block_size
            of_blocks = scores.new_full((*scores.shape[:3], int(max(blocks.max(), own.max())) + 1), -torch.inf)
            of_blocks.scatter_reduce_(-1, blocks, scores.masked_fill(~seen, -torch.inf), "amax")
            if self.local_blocks > 0:
                local = (own[..., None] - torch.arange(self.local_blocks, device=device)).clamp(min=0)
                of_blocks.scatter_(-1, local[:, None].expand(-1, scores.shape[1], -1, -1), torch.inf)
            best, chosen = of_blocks.topk(min(self.topk_blocks, of_blocks.shape[-1]), dim=-1)
            kept = torch.zeros_like(of_blocks, dtype=torch.bool).scatter_(-1, chosen, best > -torch.inf)
            heads = self.config.num_attention_heads // self.num_heads
            keep = kept.gather(-1, blocks).repeat_interleave(heads, dim=1) & seen
            return torch.zeros(keep.shape, dtype=dtype, device=device).masked_fill(~keep, torch.finfo(dtype).min)

    return ByPosition
