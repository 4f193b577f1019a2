"""LMM-R1's way: text first, then pictures. Text alone leaves whatever sees as it was."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from rich.console import Console as RichConsole

from mr1.config import Config
from mr1.report.console import Console
from mr1.train.loop import Trainer
from mr1.train.run import Run

pytestmark = pytest.mark.loop

STAGES = (
    "{text: {settings: {task: words, method: {name: reinforce}}}, "
    "pictures: {settings: {task: counting, method: {name: ppo, critic_rate: 0.01}}}}"
)
SHORT: dict[str, object] = {
    **{"method": "grpo", "steps": 2, "prompts_per_step": 2, "task": "[words, counting]", "kl__estimator": "k1"},
    **{"kl__minimum": "null", "kl__maximum": "null", "kl__exploration": "null", "kl__weight": 0.001},
    **{"rollout__group_size": 3, "rollout__max_new_tokens": 4, "rollout__temperature": 4, "stages": STAGES},
    **{"optimizer__learning_rate": 1e-3, "optimizer__weight_decay": 0.1, "optimizer__schedule": "constant"},
    **{"evaluation__tasks": "[counting]", "evaluation__every": 0, "evaluation__final_samples": 0},
}


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_text_alone_leaves_tower_and_projector_as_they_were(
    make_config: Callable[..., Config], tmp_path: Path, dtype: str
) -> None:
    """To the bit, weight decay or not; what learned all the while is the language model. Pictures then move them."""
    rows = [{"question": f"{n} cubes and a sphere. How many things?", "answer": str(n + 1)} for n in range(2, 6)]
    (tmp_path / "words.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (tmp_path / "own.py").write_text(
        "def letters(completions, **_):\n    return [sum(map(ord, text)) % 7 for text in completions]\n"
    )
    own = {"sources.words.path": tmp_path / "words.jsonl", "rewards": f"{{'{tmp_path}/own.py:letters': 1}}"}
    config = make_config(**SHORT | own | {"loading__dtype": dtype})
    moved: list[set[str]] = []
    with Run(config, "new") as run:
        trainer = Trainer(config, run, Console(RichConsole(file=io.StringIO(), width=500)))
        run.open()
        model, part_of = trainer.policy.model, trainer.policy.adapter.part_of
        for step in range(2):
            before = {name: each.detach().clone() for name, each in model.named_parameters()}
            trainer.begin_where_due(step)
            trainer.train_step(step)
            moved.append(
                {part_of(name) for name, each in model.named_parameters() if not torch.equal(each, before[name])}
            )
            assert all(bool(group.prompt.sample.images) is bool(step) for group in trainer.groups)
        trainer.source.close()
    assert moved == [{"language"}, {"language", "projector", "vision"}]
