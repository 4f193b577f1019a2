"""What a run takes, measured: the run's own steps under the allocator's eye. The estimate is held against it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

import torch
from rich.console import Console as RichConsole
from torch.profiler import ProfilerActivity, profile, record_function
from transformers import AutoConfig, AutoModelForImageTextToText, GenerationConfig

from mr1.config import Config
from mr1.parallel import parts, ranks
from mr1.parallel.following import open_run
from mr1.report.console import Console
from mr1.train.loop import Trainer

MARK = "mr1/"
"""Before a phase's name in the profiler's record."""


class _Meter(Protocol):
    def begin(self, phase: str) -> None:
        """Here a phase starts."""
        ...


class _Watched(Trainer):
    """Tells a meter where the phases start, and lets no completion end before its longest."""

    def watch(self, meter: _Meter) -> None:
        self.meter = meter
        for vlm in (self.policy, self.policies.whole):
            vlm.stop_tokens = lambda: [-1]  # type: ignore[method-assign]
        self.optimizer.adamw.register_step_pre_hook(lambda *_: meter.begin("optimizer"))

    @contextmanager
    def timed(self, phase: str) -> Iterator[None]:
        self.meter.begin(phase)
        with super().timed(phase):
            yield


def measure(config: Config) -> dict[str, int]:
    """The most bytes that each phase of the second step takes: on the GPU where there is one, else on the CPU.

    The second step is the first that begins with the optimizer's moments. On the CPU, weights that were there before
    are counted by their size and everything after them by what the allocator reports; on the GPU all is the
    allocator's number, without what CUDA itself takes. Of several processes it is this one's.

    Args:
        config: a run of at least two steps; its folder is made anew.
    """
    trainer = _Watched(config, open_run(config, "overwrite"), Console(RichConsole(quiet=True)))
    ranks.first(trainer.run.open, "the run's folder")
    try:
        peaks = _gpu_peaks(trainer) if torch.cuda.is_available() else _cpu_peaks(trainer)
    finally:
        trainer.run.close()
    peaks.pop("reward", None)
    if not trainer.method.needs_reference(1):
        peaks.pop("score", None)
    return peaks


class _GpuMeter:
    def __init__(self) -> None:
        self.peaks: dict[str, int] = {}
        self.phase: str | None = None

    def begin(self, phase: str | None) -> None:
        if self.phase is not None:
            self.peaks[self.phase] = max(self.peaks.get(self.phase, 0), torch.cuda.max_memory_allocated())
        torch.cuda.reset_peak_memory_stats()
        self.phase = phase


def _gpu_peaks(trainer: _Watched) -> dict[str, int]:
    meter = _GpuMeter()
    trainer.watch(meter)
    trainer.train_step(0)
    meter.begin(None)
    meter.peaks.clear()
    trainer.train_step(1)
    meter.begin(None)
    return meter.peaks


class _CpuMeter:
    def begin(self, phase: str) -> None:
        with record_function(MARK + phase):
            pass


def _cpu_peaks(trainer: _Watched) -> dict[str, int]:
    meter = _CpuMeter()
    trainer.watch(meter)
    now = _resident(trainer)
    # From the first step on, so that the profiler knows what the second one frees.
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as profiler:
        trainer.train_step(0)
        meter.begin("second step")
        trainer.train_step(1)
    peaks: dict[str, int] = {}
    phase, second = "", False
    recorded: Any = profiler.profiler
    for event in sorted(recorded.kineto_results.events(), key=lambda event: event.start_ns()):
        if event.name().startswith(MARK):
            phase = event.name().removeprefix(MARK)
            second |= phase == "second step"
        elif event.name() == "[memory]":
            now += event.nbytes()
        if second:
            peaks[phase] = max(peaks.get(phase, 0), now)
    del peaks["second step"]
    return peaks


def _resident(trainer: Trainer) -> int:
    """Bytes of the policy, its masters and its reference before the first step, and of a whole copy beside them."""
    models = [trainer.policy.model, trainer.policies.whole.model]
    if trainer.reference is not None:
        with trainer.reference() as reference:
            models.append(reference.model)
    tensors = [tensor for model in models for tensor in (*model.parameters(), *model.buffers())]
    tensors += [master for _, master in trainer.optimizer.masters]
    storages = [parts.local(tensor).untyped_storage() for tensor in tensors]
    return sum({storage.data_ptr(): storage.nbytes() for storage in storages}.values())


def widen(folder: Path, factor: int = 4) -> None:
    """Make a small model of `mr1.models.small` again with a language model so many times wider, random as before.

    A model whose hidden states have 64 numbers has next to no activations beside its logits.
    """
    config: Any = AutoConfig.from_pretrained(folder)
    text, vision = config.get_text_config(), config.vision_config
    # Where what is before the language model ends in its width, it says so under one of these names.
    for part in (config, vision, getattr(config, "adapter_config", None)):
        for name in ("out_hidden_size", "hidden_size", "projection_dim", "text_hidden_size"):
            if getattr(part, name, None) == text.hidden_size and getattr(part, "model_type", "") != "timm_wrapper":
                setattr(part, name, factor * text.hidden_size)
    for name, size in text.to_dict().items():
        if "intermediate_size" in name:  # those of experts have names of their own; some families give each layer's
            setattr(text, name, [factor * each for each in size] if isinstance(size, list) else factor * size)
    text.hidden_size *= factor
    if text.num_key_value_heads == text.num_attention_heads:
        text.num_key_value_heads *= 2
    text.num_attention_heads *= 2
    if not hasattr(text, "qk_rope_head_dim"):  # else keys have a low rank, and sizes of their own
        text.head_dim = text.hidden_size // text.num_attention_heads
    rotary = text.rope_parameters
    if "mrope_section" in rotary:
        rotated = int(text.head_dim * rotary.get("partial_rotary_factor", 1))
        grown = rotated // 2 // sum(rotary["mrope_section"])
        text.rope_parameters = rotary | {"mrope_section": [grown * part for part in rotary["mrope_section"]]}
    tokens = GenerationConfig.from_pretrained(folder)
    config.save_pretrained(folder)  # read again, sizes that follow from others do so
    model: Any = AutoModelForImageTextToText.from_config(AutoConfig.from_pretrained(folder))
    model.generation_config = tokens
    model.save_pretrained(folder)
