"""Methods: one published method per file. It names the pieces that it joins, its settings and its paper."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mr1.methods.base import Method

METHODS = {
    "grpo": "mr1.methods.grpo:GRPO",
    "grpo-d": "mr1.methods.grpo_d:GRPOD",
    "sft": "mr1.methods.sft:SFT",
}
"""Where each method's class is; imported when it is asked for."""


def method_class(name: str) -> type[Method]:
    """The class of a method by its name; `Config` has checked that there is one."""
    module, _, attribute = METHODS[name].partition(":")
    return getattr(import_module(module), attribute)
