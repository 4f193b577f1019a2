"""Whether processes that torchrun has started can train together, before they do: `mr1 check --cluster`.

Each process finds out what it has (`facts`), tells the others, and the same is concluded on all of them (`findings`).
What is asked is what otherwise shows after minutes of loading, or never: other versions, other rows, a folder that
isn't shared, two processes on one GPU, no memory.
"""

from __future__ import annotations

import hashlib
import os
import platform
import socket
import time
import uuid
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path

import torch

from mr1.config import Config
from mr1.data.source import open_sources
from mr1.errors import UserError
from mr1.estimate.dry import Device
from mr1.estimate.sizes import in_words, room
from mr1.estimate.step import estimate
from mr1.models.loading import load_vlm
from mr1.parallel import ranks
from mr1.parallel.sharding import check_processes
from mr1.train.memory import spare_memory
from mr1.train.resume import identities
from mr1.version import __version__

CLOCKS = 5.0
"""Seconds that clocks may be apart: lines of logs, and files' times, are read in their order."""
SHARED_WITHIN = 30.0
"""Seconds after which what one host has written is to be seen on another; network file systems keep listings."""
PACKAGES = ("torch", "transformers", "peft", "numpy", "tokenizers")


@dataclass(frozen=True)
class Facts:
    """What one process has."""

    host: str
    device: str
    """`cpu`, or the GPU by its own name, which no other process is to have."""
    free: int | None
    """Bytes of the device's memory; without a GPU of the host's, which its processes share. None where not known."""
    clock: float
    """Seconds, when all have met."""
    shared: bool
    """Whether it sees what the first one has written where the run's folder will be."""
    same: dict[str, str] = field(default_factory=dict)
    """What all should have alike."""


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at."""

    what: str
    said: str
    right: bool


def check_cluster(config: Config) -> list[Finding]:
    """What can be said of the processes that there are, one included; the same on all of them.

    Raises:
        UserError: the settings are for another number of processes; model or data can't be had.
    """
    device: Device = "gpu" if torch.cuda.is_available() else "cpu"
    # Before they meet: the estimate runs the loop's own code, which divides its work among those that are here.
    needed = estimate(config, device, processes=ranks.asked_for()).peak if os.environ.get("RANK", "0") == "0" else 0
    with ranks.joined(config.parallel.timeout):
        if ranks.several():
            check_processes(config, None)
        each = ranks.gather((facts(config), needed), "what each process has")
    return findings(config, [own for own, _ in each], each[0][1])


def facts(config: Config) -> Facts:
    """What this process has. All of them call this together."""
    vlm = load_vlm(config.model, config.loading, weights=False)
    same = {
        "Python": platform.python_version(),
        "MR1": __version__,
        **{name: version(name) for name in PACKAGES},
        "CUDA": str(torch.version.cuda),
        "the model": _digest(vlm.model.config.to_json_string() + repr(sorted(vlm.tokenizer.get_vocab().items()))),
        **{f"the rows of {name}": _digest(repr(each)) for name, each in identities(open_sources(config)).items()},
    }
    shared = _sees_the_first(config.folder)
    ranks.gather(None, "the clocks")
    clock = time.time()
    free = torch.cuda.mem_get_info()[0] if torch.cuda.is_available() else spare_memory()
    return Facts(socket.gethostname(), _device(), free, clock, shared, same)


def findings(config: Config, each: Sequence[Facts], needed: int) -> list[Finding]:
    """What follows from it.

    Args:
        config: the run's.
        each: every process's facts, in their order.
        needed: bytes that each takes of its device's memory.
    """
    folder = config.folder.parent
    return [
        _processes(config, each),
        _devices(each),
        _memory(each, needed),
        *_alike(each),
        _folder(folder, each),
        _clocks(each),
    ]


def _processes(config: Config, each: Sequence[Facts]) -> Finding:
    hosts, prompts = Counter(fact.host for fact in each), config.prompts_per_step
    said = f"{len(each)} on {len(hosts)} hosts" if len(hosts) > 1 else f"{len(each)} on one host"
    if len({*hosts.values()}) > 1:
        return Finding("processes", f"{said}, not equally many on each: {dict(hosts)}", False)
    if prompts * config.rollout.group_size < len(each):
        few = f"a step has {prompts} prompts of {config.rollout.group_size} completions, less than one for each"
        return Finding("processes", f"{said}; {few}: raise prompts_per_step", False)
    uneven = "" if prompts % len(each) == 0 else f"; {prompts} prompts a step are not equally many for each"
    return Finding("processes", said + uneven, True)


def _devices(each: Sequence[Facts]) -> Finding:
    if all(fact.device == "cpu" for fact in each):
        return Finding("devices", "no GPU: all compute on the CPU", True)
    twice = [device for device, count in Counter(fact.device for fact in each).items() if count > 1]
    if twice:
        return Finding("devices", f"several processes on {', '.join(twice)}: one process for each GPU", False)
    return Finding("devices", "each process has a GPU of its own", True)


def _memory(each: Sequence[Facts], needed: int) -> Finding:
    sharing = Counter(fact.host for fact in each if fact.device == "cpu")
    known = [(fact.free // sharing.get(fact.host, 1), rank) for rank, fact in enumerate(each) if fact.free is not None]
    if not known:
        return Finding("memory", f"each takes about {in_words(needed)}; what is free isn't known", True)
    least, rank = min(known)
    said = f"each takes about {in_words(needed)}; process {rank} has {in_words(least)}, the least"
    return Finding("memory", said, needed <= room(least))


def _alike(each: Sequence[Facts]) -> Iterable[Finding]:
    """Versions as one line where they are alike, and a line for each thing that is not."""
    alike = {}
    for name, value in each[0].same.items():
        others = [rank for rank, fact in enumerate(each) if fact.same.get(name) != value]
        if not others:
            alike[name] = value
            continue
        (rank, *more) = others
        also = f" and {len(more)} more" if more else ""
        that = f"process {rank} on {each[rank].host}{also}"
        yield Finding(name, f"process 0 on {each[0].host} has {value}, {that} {each[rank].same.get(name)}", False)
    yield Finding("alike", ", ".join(f"{name} {value}" for name, value in alike.items() if value != "None"), True)


def _folder(folder: Path, each: Sequence[Facts]) -> Finding:
    blind = [f"process {rank} on {fact.host}" for rank, fact in enumerate(each) if not fact.shared]
    if blind:
        said = f"{', '.join(blind)} can't see {folder}: checkpoints need a folder that all hosts share"
        return Finding("folder", said, False)
    return Finding("folder", f"{folder} is seen by all", True)


def _clocks(each: Sequence[Facts]) -> Finding:
    apart = max(fact.clock for fact in each) - min(fact.clock for fact in each)
    return Finding("clocks", f"{apart:.1f} s apart at most", apart <= CLOCKS)


def _sees_the_first(folder: Path) -> bool:
    """Whether a file that the first process writes is seen by this one."""
    name = ranks.first(lambda: _written(folder.parent), "the run's folder")
    seen, end = Path(name).is_file(), time.monotonic() + SHARED_WITHIN
    while not seen and time.monotonic() < end:
        time.sleep(0.2)
        seen = Path(name).is_file()
    ranks.gather(None, "the run's folder")
    if ranks.is_first():
        Path(name).unlink()
    return seen


def _written(folder: Path) -> str:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        file = folder / f".mr1-cluster-{uuid.uuid4().hex}"
        file.touch()
    except OSError as error:
        raise UserError(f"output: {folder} can't be written to: {error.strerror}") from error
    return str(file.resolve())


def _device() -> str:
    if not torch.cuda.is_available():
        return "cpu"
    number = int(os.environ.get("LOCAL_RANK", "0"))
    return f"{socket.gethostname()}: GPU {torch.cuda.get_device_properties(number).uuid}"


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:12]
