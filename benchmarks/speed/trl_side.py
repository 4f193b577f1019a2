"""TRL's own `GRPOTrainer`, step by step: python -m benchmarks.speed.trl_side FOLDER [SETTINGS-AS-JSON] (see `worker`).

The same algorithm as on MR1's side: loss type "grpo", in which each completion counts alike whatever its length, which
is MR1's method grpo (a test holds them equal); advantages normalised within the group; one update for each rollout; a
frozen reference of its own; AdamW, clipping and learning rate alike. No token that ends a completion can be sampled.

A step lasts from the driver's word to the moment in which the trainer would begin the next: the batch that TRL loads in
between is its own. Which of TRL's settings are fastest was tried out; `trl_settings.json` holds the choice, and
beside it what else was tried. Continuous batching is refused by TRL for models that read images.
"""

from __future__ import annotations

import json
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from datasets import Dataset, Features, Image, List, Value
from transformers import TrainerCallback
from trl.trainer.grpo_config import GRPOConfig
from trl.trainer.grpo_trainer import GRPOTrainer

from benchmarks.speed.meter import Meter
from benchmarks.speed.mr1_side import LEARNING_RATE
from benchmarks.speed.reward import letters
from benchmarks.speed.work import Work, dtype_name, import_family, on_gpu, read_work
from benchmarks.speed.worker import Channel
from mr1.config import PROMPT, Loading
from mr1.models.loading import load_vlm

WORDS = 48
"""Tokens of a prompt beside its image's."""


@dataclass(frozen=True)
class Settings:
    """What may be chosen without changing the result."""

    tokens_per_pass: int | None = None
    """A step's completions are split into as few equal passes, forward and backward, as keep below this; None for one
    pass. Smaller passes stay in a processor's cache."""
    cache: str | None = None
    """`cache_implementation` of generate."""
    optimizer: str = "adamw_torch_fused"

    def passes(self, work: Work) -> int:
        """Passes into which a step is split: a number that divides its completions."""
        length = work.image_tokens + WORDS + work.new_tokens
        fitting = max(1, self.tokens_per_pass // length) if self.tokens_per_pass else work.completions
        return next(
            n for n in range(1, work.completions + 1) if work.completions % n == 0 and work.completions <= n * fitting
        )


class MeteredTrainer(GRPOTrainer):
    """The trainer with a meter around its parts."""

    meter: Meter

    def training_step(self, *args: Any, **kwargs: Any) -> Any:
        with self.meter.phase("update"):
            result = super().training_step(*args, **kwargs)
        # What follows is the clipping and the optimizer's step.
        self.meter.switch("update")
        return result

    def _prepare_inputs(self, generation_batch: Any) -> Any:
        with self.meter.phase("other"):
            return super()._prepare_inputs(generation_batch)

    def _generate(self, prompts: Any) -> Any:
        with self.meter.phase("rollout"):
            result = super()._generate(prompts)
        self.meter.watch_memory()
        return result

    def _calculate_rewards(self, *args: Any) -> Any:
        with self.meter.phase("reward"):
            return super()._calculate_rewards(*args)

    def _get_per_token_logps_and_entropies(self, *args: Any, **kwargs: Any) -> Any:
        if torch.is_grad_enabled():
            return super()._get_per_token_logps_and_entropies(*args, **kwargs)
        with self.meter.phase("score"):
            return super()._get_per_token_logps_and_entropies(*args, **kwargs)


class Steps(TrainerCallback):
    """Waits for the driver before each step, and tells it of the one before."""

    def __init__(self, meter: Meter, channel: Channel, facts: dict[str, Any]) -> None:
        self.meter, self.channel, self.facts = meter, channel, facts
        self.begun = False
        self.peak: dict[str, int] = {}

    def on_step_begin(self, *_: Any, **__: Any) -> None:
        self.channel.say(self.meter.end(self.peak) if self.begun else self.facts)
        command = self.channel.command()
        if command == "quit":
            sys.exit()
        self.begun = True
        self.meter.begin(counting=command == "count")

    def on_step_end(self, *_: Any, **__: Any) -> None:
        self.peak = self.meter.peak()
        self.meter.switch("other")


def arguments(work: Work, steps: int, folder: Path, settings: Settings, suppressed: list[int]) -> GRPOConfig:
    """TRL's configuration of the work."""
    return GRPOConfig(
        output_dir=str(folder / "trl"),
        use_cpu=not on_gpu(),
        bf16=on_gpu(),
        per_device_train_batch_size=work.completions // settings.passes(work),
        gradient_accumulation_steps=settings.passes(work),
        num_generations=work.group_size,
        max_completion_length=work.new_tokens,
        generation_kwargs={"suppress_tokens": suppressed},
        cache_implementation=settings.cache,
        temperature=1.0,
        top_p=1.0,
        top_k=0,
        beta=work.beta,
        loss_type="grpo",
        num_iterations=1,
        learning_rate=LEARNING_RATE,
        lr_scheduler_type="constant",
        optim=settings.optimizer,
        max_grad_norm=1.0,
        max_steps=steps,
        gradient_checkpointing=False,
        model_init_kwargs={"dtype": dtype_name()},
        save_strategy="no",
        logging_strategy="no",
        report_to="none",
        disable_tqdm=True,
    )


def dataset(folder: Path) -> Dataset:
    """The same rows, as chats with the same words; images are decoded when their row is read."""
    rows = [json.loads(line) for line in (folder / "data.jsonl").read_text(encoding="utf-8").splitlines()]
    return Dataset.from_list(
        [
            {
                "prompt": [{"role": "user", "content": PROMPT.replace("{question}", row["question"])}],
                "images": [str(folder / name) for name in row["images"]],
            }
            for row in rows
        ],
        features=Features(
            {"prompt": List({"role": Value("string"), "content": Value("string")}), "images": List(Image())}
        ),
    )


def main() -> None:
    """The side."""
    channel, folder = Channel(), Path(sys.argv[1])
    settings = Settings(**json.loads(sys.argv[2])) if len(sys.argv) > 2 else Settings()
    work, steps = read_work(folder)
    import_family(work)  # before memory is counted, as on the other side
    meter = Meter()
    # The processor as MR1 loads it, which needs no torchvision; the model's shapes alone come with it.
    shapes = load_vlm(str(folder / "model"), Loading(), weights=False)
    trainer = MeteredTrainer(
        model=str(folder / "model"),
        reward_funcs=[letters],
        args=arguments(
            work, steps, folder, settings, sorted({*shapes.adapter.forbidden_tokens(), *shapes.stop_tokens()})
        ),
        train_dataset=dataset(folder),
        processing_class=shapes.processor,
    )
    trainer.meter = meter
    meter.counter.watch(shapes.processor.image_processor, [trainer.model, trainer.ref_model])
    model: Any = trainer.model
    parameters = sum(parameter.numel() for parameter in model.parameters())
    facts = {"parameters": parameters, "settings": asdict(settings), "threads": torch.get_num_threads()}
    trainer.add_callback(Steps(meter, channel, facts))
    trainer.train()


if __name__ == "__main__":
    main()
