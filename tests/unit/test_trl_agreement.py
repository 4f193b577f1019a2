"""The batch's loss against TRL's own GRPO loss: the same log-probs, rewards and lengths, two implementations."""

from __future__ import annotations

from collections import defaultdict
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from mr1.algo.advantage import group_advantage
from mr1.algo.objective import grpo_loss
from mr1.types import KLEstimator, LossInputs

trl_grpo = pytest.importorskip("trl.trainer.grpo_trainer", reason="TRL is a development extra")

GROUPS, SIZE, LONGEST = 3, 4, 7


def _trl_loss(
    batch: dict[str, torch.Tensor], beta: float, low: float, high: float, estimator: KLEstimator
) -> torch.Tensor:
    """`GRPOTrainer._compute_loss` on given log-probs; the trainer around it is only the settings that it reads."""
    logprobs = batch.pop("logprobs")
    trainer: Any = SimpleNamespace(
        _get_per_token_logps_and_entropies=lambda *_, **__: (logprobs, torch.zeros_like(logprobs), None),
        aux_loss_enabled=False,
        top_entropy_quantile=1.0,
        off_policy_mask_threshold=None,
        importance_sampling_level="token",
        beta=beta,
        args=SimpleNamespace(use_bias_correction_kl=estimator == "k3-ratio", delta=None),
        loss_type="grpo",
        epsilon_low=low,
        epsilon_high=high,
        use_vllm=False,
        use_liger_kernel=False,
        model=SimpleNamespace(training=True),
        current_gradient_accumulation_steps=1,
        _entropy_bonus_enabled=False,
        _metrics={"train": defaultdict(list)},
        accelerator=SimpleNamespace(gather=lambda x: x, reduce=lambda x, **_: x),
    )
    return trl_grpo.GRPOTrainer._compute_loss(trainer, None, batch)


@pytest.mark.parametrize(("beta", "estimator"), [(0.0, "k3"), (0.04, "k3"), (0.04, "k3-ratio")])
@pytest.mark.parametrize("on_policy", [True, False])
@pytest.mark.parametrize(("low", "high"), [(0.2, 0.2), (0.1, 0.3)])
@pytest.mark.parametrize("holes", [False, True])
def test_loss_and_gradient_agree_with_trl(
    beta: float, estimator: KLEstimator, on_policy: bool, low: float, high: float, holes: bool
) -> None:
    torch.manual_seed(0)
    count = GROUPS * SIZE
    mask = torch.arange(LONGEST)[None] < torch.randint(1, LONGEST + 1, (count, 1))
    if holes:  # tokens that the policy did not write, anywhere but at the start
        mask[:, 1:] &= torch.rand(count, LONGEST - 1) < 0.7
    lengths = mask.sum(dim=1)
    logprobs = -3 * torch.rand(count, LONGEST)
    ref = logprobs + 0.3 * torch.randn_like(logprobs)
    old = logprobs.clone() if on_policy else logprobs + 0.3 * torch.randn_like(logprobs)
    rewards = torch.randint(0, 3, (GROUPS, SIZE)).float()
    advantages = group_advantage(rewards).flatten()

    theirs = logprobs.clone().requires_grad_()
    empty = torch.zeros(count, 0, dtype=torch.long)
    expected = _trl_loss(
        {
            "logprobs": theirs,
            "prompt_ids": empty,
            "prompt_mask": empty,
            "completion_ids": torch.zeros(count, LONGEST, dtype=torch.long),
            "completion_mask": mask.long(),
            "advantages": advantages,
            "old_per_token_logps": old,
            "ref_per_token_logps": ref,
        },
        beta,
        low,
        high,
        estimator,
    )
    ours = logprobs.clone().requires_grad_()
    output = grpo_loss(
        LossInputs(
            logprobs=ours[mask],
            old_logprobs=old[mask],
            ref_logprobs=ref[mask] if beta else None,
            advantages=advantages[:, None].expand_as(mask)[mask],
            weights=(1 / (count * lengths))[:, None].expand_as(mask)[mask],
            kl_weights=torch.full((int(lengths.sum()),), beta),
            completion=torch.arange(count)[:, None].expand_as(mask)[mask],
            group=torch.arange(count)[:, None].expand_as(mask)[mask] // SIZE,
            behaviour_logprobs=old[mask],
        ),
        clip_low=low,
        clip_high=high,
        estimator=estimator,
    )
    torch.testing.assert_close(output.loss, expected, atol=1e-6, rtol=0)
    expected.backward()
    output.loss.backward()
    torch.testing.assert_close(ours.grad, theirs.grad, atol=1e-6, rtol=0)
    assert theirs.grad is not None
    assert theirs.grad.abs().max() > 1e-3
