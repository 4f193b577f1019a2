"""Methods: one published method per file. It names the pieces that it joins, its settings and its paper.

This module knows names alone, so that settings can be checked against a method before a model is loaded.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

METHODS = {
    "grpo": "mr1.methods.grpo:GRPO",
    "grpo-d": "mr1.methods.grpo_d:GRPOD",
    "ppo": "mr1.methods.ppo:PPO",
    "dr-grpo": "mr1.methods.dr_grpo:DrGRPO",
    "dapo": "mr1.methods.dapo:DAPO",
    "reinforce": "mr1.methods.reinforce:Reinforce",
    "reinforce++": "mr1.methods.reinforce_pp:ReinforcePP",
    "rloo": "mr1.methods.rloo:RLOO",
    "gspo": "mr1.methods.gspo:GSPO",
    "cispo": "mr1.methods.cispo:CISPO",
    "cpgd": "mr1.methods.cpgd:CPGD",
    "rl-plus": "mr1.methods.rl_plus:RLPlus",
    "sft": "mr1.methods.sft:SFT",
    "mm-eureka": "mr1.methods.mm_eureka:MMEureka",
    "omni-thinker": "mr1.methods.omni_thinker:OmniThinker",
    "srpo": "mr1.methods.srpo:SRPO",
    "wethink": "mr1.methods.wethink:WeThink",
    "vl-cogito": "mr1.methods.vl_cogito:VLCogito",
}
"""Where each method's class is; imported when it is asked for."""


def method_class(name: str) -> type[Any]:
    """The class (`methods.base.Method`) of a method by its name, or by `file.py:Class` or `package.module:Class`.

    Raises:
        KeyError: there is none of this name.
        UserError: a class of one's own that can't be imported.
    """
    if ":" in name:
        from mr1.own.loading import load_named

        return load_named(name, "method", "method", lambda found: hasattr(found, "token_weights"))
    module, _, attribute = METHODS[name].partition(":")
    found: type[Any] = getattr(import_module(module), attribute)
    return found
