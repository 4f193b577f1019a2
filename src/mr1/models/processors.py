"""Loading a model's processor, with and without torchvision.

Many families' processors own a video processor, and every video processor needs torchvision. MR1 reads no video and
hears no sound, so where a part for them can't be had, the same processor class is built around its image processor and
tokenizer alone.
"""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from contextlib import suppress
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
        whole = _named_class(path, **options) or processor_class(type(config))
        without_video, without_sound = images_only(whole), images_only(whole, ("video_processor", "feature_extractor"))
        if without_sound is whole:
            raise
        try:
            return without_video.from_pretrained(path, **options)
        except (ImportError, OSError):
            return without_sound.from_pretrained(path, **options)


def _named_class(path: str, **options: Any) -> Any:
    """The class that the processor's own settings name; None where transformers has no such class."""
    import transformers
    from transformers.processing_utils import ProcessorMixin

    try:
        settings, _ = ProcessorMixin.get_processor_dict(path, **options)
    except OSError:
        return None
    return getattr(transformers, settings.get("processor_class") or "", None)


def processor_class(config_class: Any) -> Any:
    """The processor class that belongs to a configuration class.

    Raises:
        ValueError: transformers knows none.
    """
    from transformers.models.auto.processing_auto import PROCESSOR_MAPPING

    if config_class not in PROCESSOR_MAPPING:
        raise ValueError(f"transformers knows no processor for model_type {config_class.model_type!r}")
    return PROCESSOR_MAPPING[config_class]


class _Nothing:
    """Stands where a processor class has a part that MR1 does without; whatever it is asked for is None."""

    font = ""
    """A file that ERNIE 4.5 VL's processor copies where there is one."""

    def __getattr__(self, name: str) -> None:
        if name.startswith("__"):
            raise AttributeError(name)


def images_only(cls: Any, others: Sequence[str] = ("video_processor",)) -> Any:
    """A subclass of a processor class that does without these of its parts, and otherwise is and is saved as it."""
    from transformers.video_processing_utils import BaseVideoProcessor

    arguments = [*inspect.signature(cls.__init__).parameters][1:]
    left_out = [name for name in arguments if name in others]
    if not left_out:
        return cls

    class ImagesOnly(cls):  # type: ignore[misc]
        video_settings: ClassVar[dict[str, Any]] = {}
        being_made = False

        @classmethod
        def get_attributes(cls) -> list[str]:
            # A constructor names its parts by their places among all of them.
            return [name for name in super().get_attributes() if cls.being_made or name not in left_out]

        @classmethod
        def from_args_and_dict(cls, args: list[Any], processor_dict: dict[str, Any], **settings: Any) -> Any:
            for name in left_out:
                args.insert(arguments.index(name), _Nothing())
            settings_given = {name: value for name, value in processor_dict.items() if name not in left_out}
            cls.being_made = True
            try:
                return super().from_args_and_dict(args, settings_given, **settings)
            finally:
                cls.being_made = False

        def check_argument_for_proper_class(self, argument_name: str, argument: Any) -> Any:
            if not isinstance(argument, _Nothing):
                return super().check_argument_for_proper_class(argument_name, argument)
            return None

        @classmethod
        def from_pretrained(cls, path: str, **options: Any) -> Any:
            processor = super().from_pretrained(path, **options)
            with suppress(OSError):
                processor.video_settings, _ = BaseVideoProcessor.get_video_processor_dict(path, **options)
            return processor

        def to_dict(self) -> dict[str, Any]:
            """With the video processor's settings, so that a saved folder is whole where torchvision is at hand."""
            settings = super().to_dict()
            for name in ("video_settings", "being_made", *left_out):
                settings.pop(name, None)
            return settings | ({"video_processor": self.video_settings} if self.video_settings else {})

    ImagesOnly.__name__, ImagesOnly.__qualname__ = cls.__name__, cls.__qualname__
    return ImagesOnly
