"""How often a step does its work, counted by hooks: the same for each side, for the policy and for the reference."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

COUNTS = ("images_preprocessed", "vision_images", "vision_calls", "tokens", "language_calls")
"""Images through the image processor; images through the vision tower, and its calls; tokens, with padding, through the
language model, and its calls."""


class Counter:
    """Counts by phase. Its hooks are there only while it is on, so that timed steps have none."""

    def __init__(self, phase: Callable[[], str]) -> None:
        """`phase` tells whose work it is just now."""
        self.phase, self.on = phase, False
        self.counts: dict[str, dict[str, int]] = {}
        self.models: list[Any] = []
        self.image_processor: Any = None
        self._handles: list[Any] = []

    def watch(self, image_processor: Any, models: list[Any]) -> None:
        """What is counted: a model's vision tower and language model, and the image processor that feeds them."""
        self.image_processor, self.models = image_processor, models

    def switch(self, on: bool) -> None:
        """Start from nothing, with hooks or without."""
        for handle in self._handles:
            handle.remove()
        if self.on:
            del self.image_processor.preprocess  # the class's own is seen again
        self.on, self.counts, self._handles = on, {}, []
        if not on:
            return
        for model in self.models:
            inner = model.model
            tower = inner.visual if hasattr(inner, "visual") else inner.vision_tower
            self._handles.append(tower.register_forward_pre_hook(self._vision, with_kwargs=True))
            # On its way into the language model each token is embedded once, whoever runs the layers.
            self._handles.append(inner.get_input_embeddings().register_forward_pre_hook(self._language))
        original = self.image_processor.preprocess

        def preprocess(images: Any, *args: Any, **kwargs: Any) -> Any:
            self._add("images_preprocessed", _leaves(images))
            return original(images, *args, **kwargs)

        self.image_processor.preprocess = preprocess

    def _vision(self, _: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        given = [kwargs[name] for name in ("grid_thw", "pixel_values") if name in kwargs] or args[-1:]
        self._add("vision_images", len(given[0]))
        self._add("vision_calls", 1)

    def _language(self, _: Any, args: tuple[Any, ...]) -> None:
        self._add("tokens", args[0].numel())
        self._add("language_calls", 1)

    def _add(self, what: str, count: int) -> None:
        phase = self.counts.setdefault(self.phase(), dict.fromkeys(COUNTS, 0))
        phase[what] += count


def _leaves(images: Any) -> int:
    """Images in a list of lists."""
    return sum(map(_leaves, images)) if isinstance(images, list | tuple) else 1
