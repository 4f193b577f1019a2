"""How often training's forward sends a token to other experts than the rollout did, and what replay makes of it.

    python -m benchmarks.experts                  # a table
    python -m benchmarks.experts --json

Small random models of every family whose routers MR1 watches. A rollout is sampled and scored by the same weights:
whatever differs is rounding, which is larger in bfloat16, and decides where two experts' scores are about equal.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from pathlib import Path
from typing import Any, Literal, get_args

import torch
from rich.table import Table
from torch import Tensor

from mr1.config import Loading, Rollout
from mr1.models import load_vlm
from mr1.models.check import example_groups
from mr1.models.families import ADAPTERS
from mr1.models.routing import Routing
from mr1.models.small import build_small
from mr1.report.console import Console
from mr1.rollout.local import LocalEngine
from mr1.train.packing import make_rows
from mr1.train.scoring import predictors, token_logprobs

Dtype = Literal["float32", "bfloat16"]
COPIES, LENGTH = 8, 64


@torch.no_grad()
def measure(family: str, dtype: Dtype, seeds: int) -> dict[str, Any] | None:
    """None for a family without experts that can be watched."""
    differing = known = 0
    gaps: dict[str, list[Tensor]] = {"free": [], "replay": []}
    for seed in range(seeds):
        with tempfile.TemporaryDirectory() as folder:
            build_small(family, Path(folder), seed=seed)
            vlm = load_vlm(folder, Loading(dtype=dtype))
        if not vlm.adapter.routes:
            return None
        prompts = [group.prompt for group in example_groups(vlm, seed)]
        settings = Rollout(group_size=COPIES, max_new_tokens=LENGTH, routing="count")
        groups = LocalEngine(vlm).sample(prompts, settings, (seed, 0))
        drawn = torch.cat(
            [each.logprobs for group in groups for each in group.completions if each.logprobs is not None]
        )
        rows = make_rows(groups, vlm.adapter)
        for name, routing in (("free", Routing(rows.routes)), ("replay", Routing(rows.routes, replay=True))):
            scored, _ = token_logprobs(vlm, rows, temperature=1.0, hidden=predictors(vlm, rows, routing))
            gaps[name].append((scored - drawn).abs())
            if name == "free":
                differing, known = differing + routing.differing(), known + routing.known()
    return {
        "family": family,
        "dtype": dtype,
        "choices": known,
        "differing": differing,
        "gap": {name: [float(torch.cat(each).mean()), float(torch.cat(each).max())] for name, each in gaps.items()},
    }


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--families", nargs="+", default=[*ADAPTERS])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    arguments = parser.parse_args()
    measured = [measure(family, dtype, arguments.seeds) for family in arguments.families for dtype in get_args(Dtype)]
    results = [each for each in measured if each]
    if arguments.json:
        print(json.dumps(results, indent=2))
        return
    table = Table("family", "dtype", "choices", "otherwise", "gap: mean, largest", "with replay")
    for each in results:
        gaps = [f"{mean:.1e}, {most:.1e}" for mean, most in each["gap"].values()]
        share = each["differing"] / each["choices"]
        table.add_row(each["family"], each["dtype"], f"{each['choices']:,}", f"{share:.2%}", *gaps)
    Console().show(table)


if __name__ == "__main__":
    main()
