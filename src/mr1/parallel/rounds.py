"""Micro-batches that all processes run at the same time.

A model whose weights are divided has each layer's brought together as it runs, by all processes at once. So all of them
run the same layers equally often, whatever their micro-batches hold: one that has none left runs a stand-in which
counts nothing, and one without images passes another's through the vision tower for nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from torch import Tensor

from mr1.parallel import ranks
from mr1.types import Completion, Group, Prompt

if TYPE_CHECKING:
    from mr1.models.vlm import VLM

Result = TypeVar("Result")


@dataclass(frozen=True)
class Round:
    """A micro-batch of this process."""

    groups: list[Group]
    counts: bool = True
    """False for a stand-in."""
    beside: Prompt | None = None
    """Whose images are to pass the vision tower for nothing, as those of other processes do in this round."""

    def run(self, vlm: VLM, compute: Callable[[], Result]) -> tuple[Result, Tensor | None]:
        """What `compute` makes of the micro-batch, which runs the model.

        Returns:
            What it gives; with gradient, where images were passed for nothing, a zero to be added to the loss.
        """

        def both() -> tuple[Result, Tensor | None]:
            nothing = None if self.beside is None else _passed(vlm, self.beside)
            return compute(), nothing

        return vlm.run(both)


def rounds(batches: Sequence[list[Group]], groups: Sequence[Group], vlm: VLM) -> list[Round]:
    """A process's micro-batches as rounds, of which every process has as many.

    Args:
        batches: this process's.
        groups: the whole batch.
        vlm: the model that they are run through.

    Raises:
        RankError: a process didn't come.
    """
    if vlm.sharded is None:
        return [Round(batch) for batch in batches]
    seeing = ranks.gather([_has_images(batch) for batch in batches], "the micro-batches")
    made: list[Round] = []
    for number in range(max(map(len, seeing))):
        images = any(number < len(those) and those[number] for those in seeing)
        if number >= len(batches):
            made.append(Round(_stand_in(groups, images), counts=False))
        elif images and not _has_images(batches[number]) and not vlm.features_frozen:
            made.append(Round(batches[number], beside=next(each.prompt for each in groups if each.prompt.vision)))
        else:
            made.append(Round(batches[number]))
    return made


def _has_images(batch: Sequence[Group]) -> bool:
    return any(group.prompt.vision for group in batch)


def _stand_in(groups: Sequence[Group], images: bool) -> list[Group]:
    """The smallest completion of a prompt with images, or without."""
    fitting = [group for group in groups if bool(group.prompt.vision) == images]

    def size(group: Group, completion: Completion) -> tuple[bool, int]:
        return not completion.mask.any(), len(group.prompt) + len(completion)

    pairs = [(group, each) for group in fitting for each in group.completions]
    group, completion = min(pairs, key=lambda pair: size(*pair))
    return [Group(group.prompt, [completion])]


def _passed(vlm: VLM, prompt: Prompt) -> Tensor | None:
    """0, with a gradient of 0 to all that a prompt's images pass."""
    (features,) = vlm.features([prompt])
    assert features is not None, "it has images"
    sums = [each.sum() for each in (features.embeddings, *features.deepstack)]
    return 0 * sum(sums[1:], sums[0])
