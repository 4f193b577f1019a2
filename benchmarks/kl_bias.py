"""How far the gradient of each KL estimator is from that of the exact KL, by the policy's distance from its reference.

    python -m benchmarks.kl_bias     # docs/kl-bias.png, and the figures of docs/kl.md

Policies are softmax distributions over 50 tokens. A gradient is the mean over all tokens that could have been drawn, by
their probabilities, so nothing is sampled: what is left is bias, not noise.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

import torch
from matplotlib.figure import Figure
from torch import Tensor

from mr1.algo.objective import grpo_loss
from mr1.types import KLEstimator, LossInputs

VOCABULARY, PAIRS = 50, 200
DISTANCES = tuple(0.02 * 1.35**step for step in range(17))
"""Of the policy's logits from the reference's, in standard deviations of a direction's."""
MOVED = 0.1
"""The same, of the policy that sampled from the policy, where the two differ."""
COLOURS = {"k3": "#d55e00", "k2": "#0072b2", "k3-ratio": "#009e73", "k1": "#c98a00"}
SHOWN = (0.001, 0.01, 0.1, 1.0)
"""Nats, of the printed figures."""


@dataclass(frozen=True)
class Curve:
    """Of an estimator, by distance: (D,) each."""

    kl: Tensor
    """KL(policy, reference) in nats, the median over pairs of policy and reference."""
    bias: Tensor
    """The length of the expected gradient's difference from the exact one, as a share of the exact one's: median."""
    low: Tensor
    """The tenth part of the pairs is below."""
    high: Tensor
    """The tenth part is above."""


def curve(estimator: KLEstimator, moved: float, pairs: int = PAIRS) -> Curve:
    """Of an estimator whose tokens come from a policy that has moved since."""
    generator = torch.Generator().manual_seed(0)
    ref, towards, aside = torch.randn(3, pairs, VOCABULARY, generator=generator, dtype=torch.float64)
    points = [_point(estimator, ref + distance * towards, moved * aside, ref) for distance in DISTANCES]
    kl, bias = (torch.stack(values) for values in zip(*points, strict=True))
    low, middle, high = (bias.quantile(share, dim=1) for share in (0.1, 0.5, 0.9))
    return Curve(kl.median(dim=1).values, middle, low, high)


def _point(estimator: KLEstimator, policy: Tensor, moved: Tensor, ref: Tensor) -> tuple[Tensor, Tensor]:
    """(P,) exact KLs and relative biases, of (P, V) logits."""
    policy = policy.clone().requires_grad_()
    logprobs, of_ref = policy.log_softmax(-1), ref.log_softmax(-1)
    kl = (logprobs.exp() * (logprobs - of_ref)).sum(-1)
    (exact,) = torch.autograd.grad(kl.sum(), policy, retain_graph=True)
    old = (policy.detach() + moved).log_softmax(-1).flatten()
    numbers, none = torch.arange(len(old)), torch.zeros_like(old)
    inputs = LossInputs(
        *(logprobs.flatten(), old, of_ref.flatten(), none, old.exp(), old.exp()),
        *(none + 1.0, numbers, numbers, old),
    )
    # Nothing is clipped: the clip belongs to the advantages.
    (found,) = torch.autograd.grad(grpo_loss(inputs, 1.0, 1e9, estimator).loss, policy)
    return kl.detach(), (found - exact).norm(dim=-1) / exact.norm(dim=-1)


def draw(panels: dict[str, dict[str, Curve]], path: Path) -> None:
    """A panel for each way to sample, an estimator's line in each."""
    figure = Figure(figsize=(8.4, 3.6), layout="constrained")
    axes = figure.subplots(1, len(panels), sharey=True)
    for axis, (title, curves) in zip(axes, panels.items(), strict=True):
        for name, each in curves.items():
            # What is exact to rounding lies at 0: dashes upon a line tell the three apart.
            style, order = {"k2": ((0, (6, 6)), 4), "k1": ((0, (2, 4)), 5)}.get(name, ("-", 3))
            axis.plot(each.kl, each.bias, color=COLOURS[name], linestyle=style, zorder=order, label=name, linewidth=2)
            axis.fill_between(each.kl, each.low, each.high, color=COLOURS[name], alpha=0.15, linewidth=0)
        axis.set(title=title, xscale="log", xlabel="exact KL(policy, reference), nats per token", ylim=(-0.03, 1.25))
        axis.grid(alpha=0.3)
        axis.spines[["top", "right"]].set_visible(False)
    axes[0].set_ylabel("bias of the expected gradient,\nas a share of the exact one")
    axes[0].legend(frameon=False)
    figure.savefig(path, dpi=110)


def main() -> None:
    """Measure, print and draw."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, default=Path("docs/kl-bias.png"))
    output = parser.parse_args().output
    panels = {
        title: {name: curve(name, moved) for name in get_args(KLEstimator)}
        for title, moved in (("on policy", 0.0), ("tokens of a policy that has moved since", MOVED))
    }
    for title, curves in panels.items():
        print(f"{title}: bias at a KL of {', '.join(map(str, SHOWN))} nats")
        for name, each in curves.items():
            nearest = [int((each.kl.log() - torch.tensor(kl).log()).abs().argmin()) for kl in SHOWN]
            print(f"  {name:9}" + "".join(f"{float(each.bias[index]):9.2g}" for index in nearest))
        print("  at KL    " + "".join(f"{float(each.kl[index]):9.2g}" for index in nearest))
    draw(panels, output)
    print(output)


if __name__ == "__main__":
    main()
