"""The processes of a run, and what they tell each other.

They are numbered from 0 as torchrun does; the first writes and speaks for all. A process that torchrun has not started
is alone: nothing here costs it anything, and there is no process group.

Whoever tells the others something waits for all of them, at a place that has a name. Where that takes longer than the
time limit, or one of them is gone, the error says who waits for whom, and where each was seen last.
"""

from __future__ import annotations

import os
import re
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from threading import Event, Thread
from typing import Any, TypeVar

import torch
from torch import Tensor

from mr1.errors import RankError, RolloutError, ToldError, ToldRolloutError, UserError

dist: Any = torch.distributed  # much of which is not in its stubs

LOST = re.compile("gloo|nccl|connection (closed|reset)|timed out", re.IGNORECASE)
"""In what torch says where a process is gone or late."""
LOST_KEY = "lost"
GRACE = 60.0
"""Seconds that a process which ends by an error has for it."""
EXIT = 4
"""The exit code of a process that has missed another one, or was missed."""

Item = TypeVar("Item")
Result = TypeVar("Result")


@dataclass
class _World:
    """The process group, while there is one."""

    number: int
    count: int
    timeout: float
    told: Any
    """For what is told: objects, over gloo, whatever the weights go over."""
    saving: Any
    """For checkpoints, which a thread writes beside the steps."""
    store: Any
    """Where each process notes where it is."""
    place: str = "the start"
    phase: str = ""
    """What the run is at, such as the rollout of a step."""
    met: int = 0
    """How often the processes have met."""
    waited: float = 0.0
    """Seconds that this one has waited for the others since it was last asked."""
    rescue: tuple[int, Callable[[], None]] | None = None
    """What saves the run as it was before a step, and the step; None where that can't be had."""
    ending: bool = False
    """Whether this process has noticed itself that another one is missing, and ends by an error."""
    rescued: Event = field(default_factory=Event)
    outcome: str = ""
    """What came of it."""

    def note(self, place: str) -> None:
        self.place = f"{place} ({self.phase})" if self.phase else place
        self.store.set(f"at/{self.number}", f"{self.met}\n{self.place}")


_world: _World | None = None
_joined = 0
"""How often this process has met the others, as one that trains several times does."""


def asked_for() -> int:
    """How many processes torchrun has started; 1 without it."""
    return int(os.environ.get("WORLD_SIZE", "1"))


@contextmanager
def joined(timeout: float) -> Iterator[None]:
    """Meet the other processes, where there are any.

    Args:
        timeout: seconds that one may wait for the others at any place.
    """
    global _world, _joined
    if asked_for() == 1:
        yield
        return
    _joined += 1
    shared, number, count = next(iter(dist.rendezvous("env://", timeout=timedelta(seconds=timeout))))
    if torch.cuda.is_available():
        torch.cuda.set_device(int(os.environ.get("LOCAL_RANK", "0")))
    limit, store = timedelta(seconds=timeout), dist.PrefixStore(f"mr1/{_joined}", shared)
    backend = "cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo"
    dist.init_process_group(backend, store=store, rank=number, world_size=count, timeout=limit)
    told, saving = (dist.new_group(backend="gloo", timeout=limit) for _ in range(2))
    _world = _World(number, count, timeout, told, saving, dist.PrefixStore("mr1", store))
    over = Event()
    watch = Thread(target=_watch, args=(_world, over), name="ranks", daemon=True)
    watch.start()
    try:
        yield
        gather(None, "the end")
    finally:
        over.set()
        watch.join()
        _world = None
        dist.destroy_process_group()


def several() -> bool:
    """Whether there are other processes."""
    return _world is not None


def count() -> int:
    """How many processes there are."""
    return _world.count if _world else 1


def number() -> int:
    """This process's, from 0."""
    return _world.number if _world else 0


def is_first() -> bool:
    """Whether it is this process that writes, and speaks."""
    return number() == 0


def saving() -> Any:
    """The group that checkpoints are written by; None where there is one process."""
    return _world.saving if _world else None


def meet_to_save(value: Result) -> list[Result]:
    """What each process gives, in their order, as they write a checkpoint, which may be beside a step.

    Raises:
        RankError: another process doesn't come, or is gone.
    """
    if _world is None:
        return [value]
    found: list[Any] = [None] * _world.count
    try:
        dist.all_gather_object(found, value, group=_world.saving)
    except RuntimeError as error:
        raise RankError(f"process {_world.number} can't write a checkpoint: another one is gone, or late") from error
    return found


def waited() -> float:
    """Seconds that this process has waited for others since this was last asked."""
    if _world is None:
        return 0.0
    seconds, _world.waited = _world.waited, 0.0
    return seconds


@contextmanager
def together(phase: str) -> Iterator[None]:
    """While open, this process and the others bring weights together, and may find that one of them is gone.

    Raises:
        RankError: one is.
    """
    if _world is None:
        yield
        return
    _world.phase = phase
    _world.note("work of its own")
    start = time.monotonic()
    try:
        yield
    except RuntimeError as error:
        if not LOST.search(str(error)):
            raise
        raise _lost(_world, time.monotonic() - start, error) from error


@contextmanager
def rescuable(step: int | None, save: Callable[[], None]) -> Iterator[None]:
    """While open, and until `hold`, the run can be saved as it was before a step where a process doesn't come.

    Args:
        step: optimiser steps done by then; None where that would be no whole run.
        save: saves it; every process calls it, in a thread.
    """
    if _world is not None and step is not None:
        _world.rescue = (step, save)
    try:
        yield
    finally:
        hold()


def hold() -> None:
    """From here on the weights change."""
    if _world is not None:
        _world.rescue = None


def gather(value: Result, place: str) -> list[Result]:
    """What each process gives here, in their order; every process gets all of it.

    Args:
        value: anything that can be pickled.
        place: where in the run this is, in words.

    Raises:
        RankError: another process didn't come here in time, or is gone.
    """
    if _world is None:
        return [value]
    found: list[Any] = [None] * _world.count
    with _meeting(_world, place):
        dist.all_gather_object(found, value, group=_world.told)
    return found


def first(make: Callable[[], Result], place: str) -> Result:
    """What the first process makes of it, for all of them; what it raises all raise."""
    return _together(make if is_first() else None, place)[0]


def spread(items: Sequence[Item], compute: Callable[[Sequence[Item]], Iterable[Result]], place: str) -> list[Result]:
    """What is made of each item, by processes that take turns; every process gets all of it, in the items' order.

    Args:
        items: the same on every process.
        compute: makes something of each of some items.
        place: where in the run this is, in words.

    Raises:
        RankError: see `gather`. Whatever `compute` raises on one process all of them raise.
    """
    if _world is None:
        return [*compute(items)]
    world = _world
    found = _together(lambda: [*compute(items[world.number :: world.count])], place)
    whole: list[Any] = [None] * len(items)
    for rank, part in enumerate(found):
        whole[rank :: world.count] = part
    return whole


def _together(make: Callable[[], Result] | None, place: str) -> list[Any]:
    """What each process makes; where one of them raises, all do."""
    made: Result | None = None
    own: Exception | None = None
    if make is not None:
        try:
            made = make()
        except Exception as error:
            own = error
    found = gather((made, _portable(own)), place)
    if own is not None:
        raise own
    for rank, (_, told) in enumerate(found):
        if told is not None:
            raise told if isinstance(told, ToldError) else RankError(f"process {rank} failed: {told}")
    return [value for value, _ in found]


def _portable(error: Exception | None) -> Exception | str | None:
    """An error as another process can take it up: errors of other packages may not be pickled."""
    if error is None:
        return None
    if isinstance(error, UserError):
        return (ToldRolloutError if isinstance(error, RolloutError) else ToldError)(str(error))
    return f"{type(error).__name__}: {error}"


def anywhere(flag: bool, place: str) -> bool:
    """Whether it is so on any process."""
    return any(gather(flag, place))


def totals(numbers: Mapping[str, float], place: str) -> dict[str, float]:
    """Sums over the processes, by name; one that lacks a name adds nothing."""
    sums: dict[str, float] = {}
    for each in gather(dict(numbers), place):
        for name, value in each.items():
            sums[name] = sums.get(name, 0) + value
    return sums


def add_up_gradients(tensors: Sequence[Tensor], place: str) -> None:
    """Make the gradients of tensors that every process holds whole the sums over the processes; in place."""
    if _world is None or not tensors:
        return
    there = gather([tensor.grad is not None for tensor in tensors], place)
    for tensor, *made in zip(tensors, *there, strict=True):
        if any(made):
            if tensor.grad is None:
                tensor.grad = torch.zeros_like(tensor)
            dist.all_reduce(tensor.grad)


@contextmanager
def _meeting(world: _World, place: str) -> Iterator[None]:
    """Note that this process is here, and name the others where they don't come."""
    world.met += 1
    world.note(place)
    start = time.monotonic()
    try:
        yield
    except RuntimeError as error:
        raise _lost(world, time.monotonic() - start, error) from error
    world.waited += time.monotonic() - start


def _lost(world: _World, seconds: float, error: RuntimeError) -> RankError:
    """What to raise where a process doesn't come; the run has been saved by then, where that can be done."""
    world.ending = True
    missed = _missed(world, seconds, late="timed out" in str(error).lower())
    world.store.set(LOST_KEY, missed)
    world.rescued.wait()
    return RankError(f"{missed}; {world.outcome}")


def _missed(world: _World, seconds: float, late: bool) -> str:
    """Who waits for whom, and where each was seen last."""
    missed = []
    for rank in range(world.count):
        met, place = 0, "its start"
        if world.store.check([f"at/{rank}"]):
            text = world.store.get(f"at/{rank}").decode()
            met, place = int(text.partition("\n")[0]), text.partition("\n")[2]
        if met < world.met:
            missed.append(f"process {rank}, last seen at {place}")
    own, whom = f"process {world.number} of {world.count}", "; ".join(missed) or "another process"
    if not late:
        return f"{own} has lost, at {world.place}, {whom}: it is gone"
    return f"{own} has waited {seconds:.0f} s at {world.place} for {whom} (parallel.timeout is {world.timeout:g} s)"


def _watch(world: _World, over: Event) -> None:
    """Look, beside the run, whether a process has been missed, and save what was before the step, with the others.

    A process whose main thread hangs comes along by this; then it ends.
    """
    store = world.store
    while not over.wait(1.0):
        try:
            if not store.check([LOST_KEY]):
                continue
            missed = store.get(LOST_KEY).decode()
        except (RuntimeError, dist.DistError):
            missed = "the processes' store is gone"
        world.outcome = _rescued(world)
        world.rescued.set()
        if not over.wait(0.0 if not world.ending else GRACE):
            print(f"process {world.number} ends: {missed}; {world.outcome}", file=sys.stderr, flush=True)
            os._exit(EXIT)
        return


def _rescued(world: _World) -> str:
    """Save the run as it was before the step, where all processes can; returns what came of it."""
    held = world.rescue
    try:
        steps = meet_to_save(held[0] if held else None)
        if held is None or set(steps) != {held[0]}:
            return "the step was half made, so the last checkpoint stands"
        held[1]()
    except Exception as error:
        return f"the last checkpoint stands ({' '.join(str(error).split())[:200]})"
    return f"saved as it was before step {held[0]}"
