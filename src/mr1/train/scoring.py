"""Log-probs of the completions' tokens, from rows through the model's ordinary forward.

Logits over the vocabulary exist for one chunk of tokens at a time, also in the backward pass, which makes them again
for all chunks but the last.
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from mr1.algo.distribution import exact_entropy
from mr1.models.routing import Routing
from mr1.models.vlm import VLM
from mr1.train.packing import Rows

CHUNK = 2048
"""Tokens whose logits exist at once."""

Entropies = Literal["none", "measured", "learned"]
"""Whether entropies are wanted, which take as many passes over the logits as the log-probs; learned: with gradient."""


def predictors(vlm: VLM, rows: Rows, routing: Routing | None = None) -> Tensor:
    """The (N, H) hidden states that the rows' N tokens are predicted from, with gradient where the model has it.

    Args:
        vlm: the policy or the reference.
        rows: flat, packed or plain.
        routing: what happens with the choices of experts, where anything is to.
    """
    rows = rows.to(vlm.device)
    features = vlm.features(rows.prompts)
    hidden = vlm.adapter.hidden_states(rows.input_ids, rows.position_ids, rows.mask, features, routing=routing)
    hidden = hidden.flatten(0, 1) if rows.ends is None else torch.cat([rows.ends, hidden.flatten(0, 1)])
    return hidden[rows.source]


def token_logprobs(
    vlm: VLM,
    rows: Rows,
    temperature: float,
    chunk: int = CHUNK,
    entropies: Entropies = "measured",
    hidden: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    """Log-probs of the rows' N tokens under the distribution that the sampler draws from, and its entropy.

    Args:
        vlm: the policy or the reference.
        rows: packed or plain.
        temperature: the sampler's; logits are divided by it.
        chunk: tokens whose logits exist at once.
        entropies: whether they are wanted, and with gradient.
        hidden: what `predictors` gives for these rows, where it is there already.

    Returns:
        (N,) float32 log-probs, with gradient where the model has it; (N,) float32 entropies in nats over the whole
        vocabulary, or (0,) where they are not wanted.
    """
    hidden = predictors(vlm, rows) if hidden is None else hidden
    targets = rows.targets.to(vlm.device)
    bias = vlm.token_bias()
    head = vlm.adapter.head()

    def score(hidden: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        logprobs = torch.log_softmax(head(hidden).float() / temperature + bias, dim=-1)
        if entropies == "none":
            entropy = logprobs.new_empty(0)
        else:
            entropy = exact_entropy(logprobs if entropies == "learned" else logprobs.detach())
        return logprobs.gather(-1, targets[:, None])[:, 0], entropy

    scored = []
    for start in range(0, max(len(hidden), 1), chunk):  # one chunk where no token counts, too
        part = hidden[start : start + chunk], targets[start : start + chunk]
        # The backward pass begins with the last chunk: its logits may as well stay until then.
        last = start + chunk >= len(hidden)
        scored.append(score(*part) if last else checkpoint(score, *part, use_reentrant=False))
    return torch.cat([logprobs for logprobs, _ in scored]), torch.cat([entropy for _, entropy in scored])
