"""Loading a model's processor, with and without torchvision.

Many families' processors own a video processor, and every video processor needs torchvision. MR1 reads no video, so
where a video processor can't be had the same processor class is built around its image processor and tokenizer alone.
"""

from __future__ import annotations

import inspect
from contextlib import suppress
from types import SimpleNamespace
from typing import Any, ClassVar


def load_processor(path: str, config: Any, **options: Any) -> Any:
    """The processor of the model at `path`.

    Args:
        path: a folder or a hub id.
        config: the model's configuration.
        **options: `revision`, `trust_remote_code` and what else `from_pretrained` takes.

    Raises:
        OSError, ValueError, ImportError: from transformers, where a part can't be had.
    """
    from transformers import AutoProcessor

    try:
        return AutoProcessor.from_pretrained(path, **options)
    except (ImportError, OSError):
        images_only = without_video(processor_class(type(config)))
        if images_only.__module__ != __name__:
            raise
        return images_only.from_pretrained(path, **options)


def processor_class(config_class: Any) -> Any:
    """The processor class that belongs to a configuration class.

    Raises:
        ValueError: transformers knows none.
    """
    from transformers.models.auto.processing_auto import PROCESSOR_MAPPING

    if config_class not in PROCESSOR_MAPPING:
        raise ValueError(f"transformers knows no processor for model_type {config_class.model_type!r}")
    return PROCESSOR_MAPPING[config_class]


def without_video(cls: Any) -> Any:
    """A subclass of a processor class that does without its video processor, and otherwise is and is saved as it."""
    from transformers.video_processing_utils import BaseVideoProcessor

    arguments = [*inspect.signature(cls.__init__).parameters][1:]
    if "video_processor" not in arguments:
        return cls

    class ImagesOnly(cls):  # type: ignore[misc]
        video_settings: ClassVar[dict[str, Any]] = {}
        # SmolVLM's chat template asks for these two even where there is no video.
        video_processor = SimpleNamespace(num_frames=None, fps=None)

        @classmethod
        def get_attributes(cls) -> list[str]:
            return [name for name in super().get_attributes() if name != "video_processor"]

        @classmethod
        def from_args_and_dict(cls, args: list[Any], processor_dict: dict[str, Any], **settings: Any) -> Any:
            args.insert(arguments.index("video_processor"), None)
            settings_given = {name: value for name, value in processor_dict.items() if name != "video_processor"}
            return super().from_args_and_dict(args, settings_given, **settings)

        @classmethod
        def from_pretrained(cls, path: str, **options: Any) -> Any:
            processor = super().from_pretrained(path, **options)
            with suppress(OSError):
                processor.video_settings, _ = BaseVideoProcessor.get_video_processor_dict(path, **options)
            return processor

        def to_dict(self) -> dict[str, Any]:
            """With the video processor's settings, so that a saved folder is whole where torchvision is at hand."""
            settings = super().to_dict()
            settings.pop("video_settings", None)
            return settings | ({"video_processor": self.video_settings} if self.video_settings else {})

    ImagesOnly.__name__, ImagesOnly.__qualname__ = cls.__name__, cls.__qualname__
    return ImagesOnly
