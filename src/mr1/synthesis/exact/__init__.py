"""Questions about procedural scenes: facts and answers are exact, so that no model is asked and nothing is filtered."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from mr1.synthesis.exact import counting, geometry
from mr1.synthesis.pictures import Picture
from mr1.synthesis.row import Asked, Dropped, Outcome
from mr1.tasks.base import generator


def exact(pictures: Sequence[Picture], seed: int, questions: int) -> Outcome:
    """Questions about scenes, each of another kind; what is asked follows from the seed and the scene alone.

    Args:
        pictures: of procedural tasks.
        seed: of what is drawn.
        questions: about each scene, at most.
    """
    outcome = Outcome()
    for picture in pictures:
        sample = picture.sample
        assert sample is not None, "a scene, as the settings are checked"
        figure = sample.id.startswith("geometry/")
        scene: Any = sample if figure else sample.meta["scene"]
        kinds: Any = geometry.KINDS if figure else counting.KINDS
        rng = generator("synthesis", seed, sample.id)
        found: list[Asked] = []
        for place in rng.permutation(len(kinds)):
            if len(found) < questions and (asked := kinds[place](scene, rng)):
                found.append(asked)
        provenance = {**picture.origin, "facts": "exact"}
        outcome.rows += [asked.row(picture.id, place, picture.file, provenance) for place, asked in enumerate(found, 1)]
        if not found:
            outcome.dropped.append(Dropped(picture.id, "write", "the scene has nothing to ask about"))
    return outcome
