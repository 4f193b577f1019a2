"""The batch's loss against TRL's own: the same log-probs, rewards and lengths, two implementations."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor

from mr1.algo.advantage import group_advantage
from mr1.algo.aggregation import aggregation_weights
from mr1.algo.objective import cispo_loss, grpo_loss, gspo_loss, rloo_loss
from mr1.types import Aggregation, KLEstimator, LossInputs, LossOutput

trl_grpo = pytest.importorskip("trl.trainer.grpo_trainer", reason="TRL is a development extra")
trl_rloo = pytest.importorskip("trl.trainer.rloo_trainer", reason="TRL is a development extra")

GROUPS, SIZE, LONGEST, BUDGET = 3, 4, 7, 9
COUNT = GROUPS * SIZE
LOSS_TYPES: dict[Aggregation, str] = {"completion": "grpo", "token": "dapo", "constant": "dr_grpo"}


@dataclass
class Batch:
    """Completions of unequal lengths; (COUNT, LONGEST) each but for the advantages."""

    mask: Tensor
    logprobs: Tensor
    old: Tensor
    ref: Tensor
    entropies: Tensor
    advantages: Tensor
    """(COUNT,)"""

    def leaves(self) -> tuple[Tensor, Tensor]:
        """Log-probs and entropies, to be differentiated by."""
        return self.logprobs.clone().requires_grad_(), self.entropies.clone().requires_grad_()

    def inputs(self, logprobs: Tensor, entropies: Tensor, beta: float, aggregation: Aggregation) -> LossInputs:
        lengths, mask = self.mask.sum(dim=1).tolist(), self.mask

        def each(values: Tensor) -> Tensor:
            return values[:, None].expand_as(mask)[mask]

        mean: Aggregation = "token" if aggregation == "constant" else aggregation
        return LossInputs(
            logprobs=logprobs[mask],
            old_logprobs=self.old[mask],
            ref_logprobs=self.ref[mask] if beta else None,
            advantages=each(self.advantages),
            weights=each(torch.tensor(aggregation_weights(aggregation, lengths, BUDGET))),
            shares=each(torch.tensor(aggregation_weights(mean, lengths, BUDGET))),
            kl_weights=torch.full((sum(lengths),), beta),
            completion=each(torch.arange(COUNT)),
            group=each(torch.arange(COUNT)) // SIZE,
            behaviour_logprobs=self.old[mask],
            entropy=entropies[mask],
        )


def _batch(holes: bool = False, moved: float = 0.3) -> Batch:
    """Of a policy that has moved so far since it sampled."""
    torch.manual_seed(0)
    mask = torch.arange(LONGEST)[None] < torch.randint(1, LONGEST + 1, (COUNT, 1))
    if holes:  # tokens that the policy did not write, anywhere but at the start
        mask[:, 1:] &= torch.rand(COUNT, LONGEST - 1) < 0.7
    logprobs = -3 * torch.rand(COUNT, LONGEST)
    ref = logprobs + 0.3 * torch.randn_like(logprobs)
    old = logprobs + moved * torch.randn_like(logprobs)
    rewards = torch.randint(0, 3, (GROUPS, SIZE)).float()
    return Batch(mask, logprobs, old, ref, torch.rand_like(logprobs), group_advantage(rewards).flatten())


def _trl_loss(
    batch: Batch,
    logprobs: Tensor,
    entropies: Tensor,
    *,
    beta: float = 0.0,
    low: float = 0.2,
    high: float = 0.2,
    loss_type: str = "grpo",
    **settings: Any,
) -> Tensor:
    """`GRPOTrainer._compute_loss` on given log-probs; the trainer around it is only the settings that it reads."""
    entropy = settings.get("entropy", 0.0)
    trainer: Any = SimpleNamespace(
        _get_per_token_logps_and_entropies=lambda *_, **__: (logprobs, entropies, None),
        aux_loss_enabled=False,
        top_entropy_quantile=1.0,
        off_policy_mask_threshold=None,
        importance_sampling_level=settings.get("level", "token"),
        beta=beta,
        args=SimpleNamespace(
            use_bias_correction_kl=settings.get("estimator") == "k3-ratio",
            delta=settings.get("delta"),
            steps_per_generation=1,
        ),
        loss_type=loss_type,
        epsilon_low=low,
        epsilon_high=high,
        max_completion_length=BUDGET,
        use_vllm=False,
        use_liger_kernel=False,
        model=SimpleNamespace(training=True),
        current_gradient_accumulation_steps=1,
        _entropy_bonus_enabled=bool(entropy),
        use_adaptive_entropy=False,
        entropy_coef=entropy,
        _metrics={"train": defaultdict(list)},
        accelerator=SimpleNamespace(gather=lambda x: x, reduce=lambda x, **_: x, num_processes=1, sync_gradients=True),
    )
    empty = torch.zeros(COUNT, 0, dtype=torch.long)
    given = {
        "prompt_ids": empty,
        "prompt_mask": empty,
        "completion_ids": torch.zeros(COUNT, LONGEST, dtype=torch.long),
        "completion_mask": batch.mask.long(),
        "advantages": batch.advantages,
        "old_per_token_logps": batch.old,
        "ref_per_token_logps": batch.ref,
        "num_items_in_batch": batch.mask.sum(),
    }
    return trl_grpo.GRPOTrainer._compute_loss(trainer, None, given)


def _assert_equal(ours: LossOutput, our_leaf: Tensor, theirs: Tensor, their_leaf: Tensor) -> None:
    torch.testing.assert_close(ours.loss, theirs, atol=1e-6, rtol=0)
    theirs.backward()
    ours.loss.backward()
    torch.testing.assert_close(our_leaf.grad, their_leaf.grad, atol=1e-6, rtol=0)
    assert their_leaf.grad is not None
    assert their_leaf.grad.abs().max() > 1e-3


@pytest.mark.parametrize(("beta", "estimator"), [(0.0, "k3"), (0.04, "k3"), (0.04, "k3-ratio")])
@pytest.mark.parametrize("moved", [0.0, 0.3])
@pytest.mark.parametrize(("low", "high"), [(0.2, 0.2), (0.1, 0.3)])
@pytest.mark.parametrize("holes", [False, True])
@pytest.mark.parametrize("aggregation", LOSS_TYPES)
def test_loss_and_gradient_agree_with_trl(
    beta: float,
    estimator: KLEstimator,
    moved: float,
    low: float,
    high: float,
    holes: bool,
    aggregation: Aggregation,
) -> None:
    batch = _batch(holes, moved)
    theirs, their_entropies = batch.leaves()
    clip: dict[str, Any] = {"low": low, "high": high, "loss_type": LOSS_TYPES[aggregation]}
    expected = _trl_loss(batch, theirs, their_entropies, beta=beta, estimator=estimator, **clip)
    ours, entropies = batch.leaves()
    output = grpo_loss(batch.inputs(ours, entropies, beta, aggregation), low, high, estimator)
    _assert_equal(output, ours, expected, theirs)


@pytest.mark.parametrize("dual", [1.5, 3.0])
def test_the_dual_clip_is_trls_cap_on_the_ratio(dual: float) -> None:
    """Both also are the same as a clamp of the ratio before the min, as MM-Eureka has it."""
    batch = _batch(moved=1.0)
    theirs, unused = batch.leaves()
    expected = _trl_loss(batch, theirs, unused, low=0.2, high=0.3, delta=dual)
    ours, unused = batch.leaves()
    inputs = batch.inputs(ours, unused, 0.0, "completion")
    output = grpo_loss(inputs, 0.2, 0.3, dual=dual)
    assert abs(output.loss.item() - grpo_loss(inputs, 0.2, 0.3).loss.item()) > 1e-3
    ratio = (inputs.logprobs - inputs.old_logprobs).exp().clamp(0, dual)
    clamped = torch.minimum(ratio * inputs.advantages, ratio.clamp(0.8, 1.3) * inputs.advantages)
    assert output.loss.item() == pytest.approx(-(inputs.weights * clamped).sum().item(), abs=1e-6)
    _assert_equal(output, ours, expected, theirs)


@pytest.mark.parametrize("aggregation", ["token", "constant"])
def test_the_entropy_bonus_is_trls(aggregation: Aggregation) -> None:
    """TRL's is the mean over the tokens with each of its losses; here it is what the metric `entropy` is."""
    batch = _batch()
    theirs, their_entropies = batch.leaves()
    expected = _trl_loss(batch, theirs, their_entropies, loss_type=LOSS_TYPES[aggregation], entropy=0.05)
    ours, entropies = batch.leaves()
    output = grpo_loss(batch.inputs(ours, entropies, 0.0, aggregation), 0.2, 0.2, entropy=0.05)
    _assert_equal(output, ours, expected, theirs)
    torch.testing.assert_close(entropies.grad, their_entropies.grad, atol=1e-8, rtol=0)
    assert entropies.grad is not None
    assert entropies.grad.abs().max() > 1e-4


@pytest.mark.parametrize("beta", [0.0, 0.04])
@pytest.mark.parametrize("moved", [0.0, 0.3])
@pytest.mark.parametrize("holes", [False, True])
@pytest.mark.parametrize("aggregation", LOSS_TYPES)
def test_gspo_is_trls_importance_sampling_of_sequences(
    beta: float, moved: float, holes: bool, aggregation: Aggregation
) -> None:
    batch = _batch(holes, moved)
    theirs, unused = batch.leaves()
    clip: dict[str, Any] = {"low": 0.1, "high": 0.15, "loss_type": LOSS_TYPES[aggregation]}
    expected = _trl_loss(batch, theirs, unused, beta=beta, level="sequence", **clip)
    ours, unused = batch.leaves()
    output = gspo_loss(batch.inputs(ours, unused, beta, aggregation), 0.1, 0.15)
    if moved:
        assert 0.05 < output.metrics["clip_fraction"] < 0.95
    _assert_equal(output, ours, expected, theirs)


@pytest.mark.parametrize("moved", [0.0, 0.5])
def test_cispo_is_trls(moved: float) -> None:
    batch = _batch(moved=moved)
    theirs, unused = batch.leaves()
    expected = _trl_loss(batch, theirs, unused, beta=0.04, high=1.4, loss_type="cispo")
    ours, unused = batch.leaves()
    output = cispo_loss(batch.inputs(ours, unused, 0.04, "token"), 1.0, 0.4)
    assert bool(output.metrics["clip_fraction"] > 0.05) is (moved > 0)
    _assert_equal(output, ours, expected, theirs)


@pytest.mark.parametrize("moved", [0.0, 0.3])
def test_rloo_is_trls(moved: float) -> None:
    batch = _batch(moved=moved)
    theirs, unused = batch.leaves()
    trainer: Any = SimpleNamespace(
        _get_per_token_logps_and_entropies=lambda *_, **__: (theirs, unused, None),
        aux_loss_enabled=False,
        epsilon_low=0.2,
        epsilon_high=0.3,
        model=SimpleNamespace(training=True),
        _metrics={"train": defaultdict(list)},
        accelerator=SimpleNamespace(gather=lambda x: x, reduce=lambda x, **_: x),
    )
    empty = torch.zeros(COUNT, 0, dtype=torch.long)
    given = {
        "prompt_ids": empty,
        "prompt_mask": empty,
        "completion_ids": torch.zeros(COUNT, LONGEST, dtype=torch.long),
        "completion_mask": batch.mask.long(),
        "advantages": batch.advantages,
        "old_logps": (batch.old * batch.mask).sum(1),
    }
    expected = trl_rloo.RLOOTrainer._compute_loss(trainer, None, given)
    ours, unused = batch.leaves()
    output = rloo_loss(batch.inputs(ours, unused, 0.0, "completion"), 0.2, 0.3)
    assert bool(output.metrics["clip_fraction"] > 0.1) is (moved > 0)
    _assert_equal(output, ours, expected, theirs)
