"""Log-probs of the completions' tokens, from rows through the model's ordinary forward.

Logits over the vocabulary exist for one chunk of tokens at a time, also in the backward pass, which makes them again.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from mr1.models.vlm import VLM
from mr1.train.packing import Rows

CHUNK = 2048
"""Tokens whose logits exist at once."""


def token_logprobs(vlm: VLM, rows: Rows, temperature: float, chunk: int = CHUNK) -> tuple[Tensor, Tensor]:
    """Log-probs of the rows' N tokens under the distribution that the sampler draws from, and its entropy.

    Args:
        vlm: the policy or the reference.
        rows: packed or plain.
        temperature: the sampler's; logits are divided by it.
        chunk: tokens whose logits exist at once.

    Returns:
        (N,) float32 log-probs, with gradient where the model has it; (N,) float32 entropies in nats, without.
    """
    rows = rows.to(vlm.device)
    hidden = vlm.adapter.hidden_states(rows.input_ids, rows.position_ids, rows.mask, vlm.features(rows.prompts))
    hidden = hidden.flatten(0, 1)[rows.source]
    bias = vlm.token_bias()
    head = vlm.adapter.head()

    def score(hidden: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        logprobs = torch.log_softmax(head(hidden).float() / temperature + bias, dim=-1)
        with torch.no_grad():
            # A forbidden token has probability 0 and log-prob -inf; its share of the entropy is 0, not NaN.
            entropy = -(logprobs.exp() * logprobs.clamp_min(torch.finfo(logprobs.dtype).min)).sum(-1)
        return logprobs.gather(-1, targets[:, None])[:, 0], entropy

    scored = [
        checkpoint(score, hidden[i : i + chunk], rows.targets[i : i + chunk], use_reentrant=False)
        for i in range(0, len(hidden), chunk)
    ]
    return torch.cat([logprobs for logprobs, _ in scored]), torch.cat([entropy for _, entropy in scored])
