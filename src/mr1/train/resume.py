"""What may change when a run is resumed: each setting, the data, and the model that it began with."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from mr1.config import Config, divide, flat, load_config, read_config
from mr1.data.source import SourceTask
from mr1.errors import UserError
from mr1.methods import method_class
from mr1.models.fingerprint import weights_fingerprint
from mr1.models.vlm import VLM


class Rule(StrEnum):
    """Whether a setting may be another one when a run is resumed."""

    FREELY = "freely"
    """It does not touch what is learned."""
    LOGGED = "with a line in the log"
    """What comes may differ from what a run without the change would have made; it is written down."""
    GROWS = "may grow"
    """`steps`, where the method's schedule doesn't depend on it."""
    NEVER = "never"
    """Another value is another run."""


RULES: dict[str, Rule] = {
    "name": Rule.FREELY,
    "output": Rule.FREELY,
    "image_cache": Rule.FREELY,
    "samples_every": Rule.FREELY,
    "checkpoint": Rule.FREELY,
    "data": Rule.FREELY,
    "guards": Rule.FREELY,
    # The same up to rounding.
    "parallel": Rule.LOGGED,
    "parallel.timeout": Rule.FREELY,
    "reward_functions.timeout": Rule.FREELY,
    "reward_functions.skip": Rule.LOGGED,
    "endpoint.concurrency": Rule.FREELY,
    "endpoint.timeout": Rule.FREELY,
    "endpoint.retries": Rule.FREELY,
    "endpoint.cache": Rule.FREELY,
    "endpoint.base_url": Rule.LOGGED,
    "evaluation.every": Rule.FREELY,
    "evaluation": Rule.LOGGED,
    "loading.trust_remote_code": Rule.FREELY,
    # The same up to rounding.
    "loading.attention": Rule.LOGGED,
    "tokens_per_microbatch": Rule.LOGGED,
    "gradient_checkpointing": Rule.LOGGED,
    "rollout.batch_size": Rule.LOGGED,
    # Others sample with other random numbers.
    "rollout.engine": Rule.LOGGED,
    "rollout.servers": Rule.FREELY,
    "rollout.timeout": Rule.FREELY,
    # What error messages advise to change.
    "max_prompt_tokens": Rule.LOGGED,
    "loading.min_pixels": Rule.LOGGED,
    "loading.max_pixels": Rule.LOGGED,
    "loading.max_tiles": Rule.LOGGED,
    "optimizer.learning_rate": Rule.LOGGED,
    "optimizer.max_grad_norm": Rule.LOGGED,
    # Where the rows are; that they are the same rows is looked at apart.
    "sources.*.path": Rule.LOGGED,
    "sources.*.format": Rule.LOGGED,
    "sources.*.revision": Rule.LOGGED,
    "sources.*.field": Rule.LOGGED,
    "sources.*.image_root": Rule.LOGGED,
    "sources.*.skip": Rule.LOGGED,
    "steps": Rule.GROWS,
}
"""By the setting, or by what it is below; the longest name that fits holds. The rest: never."""


EFFECTS = {
    "sources.*.skip": "the rows come in another order from here on",
    "steps": "the learning rate's schedule goes by it from here on",
}
"""What a change does beyond what it says, by the setting."""


@dataclass(frozen=True)
class Change:
    """A setting that is another one than it was."""

    key: str
    was: Any
    now: Any
    rule: Rule
    effect: str = ""
    """Beyond what it says."""

    def __str__(self) -> str:
        return f"{self.key}: {_shown(self.was)} -> {_shown(self.now)}" + (f" ({self.effect})" if self.effect else "")


def rule_of(key: str) -> Rule:
    """The rule of a setting by its dotted key, which has a star for a source's name."""
    parts = key.split(".")
    names = [".".join(parts[:count]) for count in range(len(parts), 0, -1)]
    return next((RULES[name] for name in names if name in RULES), Rule.NEVER)


class AnotherRunError(UserError):
    """A setting is another one that never changes within a run."""

    def __init__(self, message: str, change: Change) -> None:
        super().__init__(message)
        self.change = change


def read_saved(file: Path, now: Config) -> Config:
    """The settings of a checkpoint. No code is run that the resumed run doesn't name itself.

    Args:
        file: where they are.
        now: those of the resumed run.

    Raises:
        UserError: see `load_config`.
    """
    was = read_config(file)
    return load_config(file) if _code(was) <= _code(now) else was


def _code(config: Config) -> set[str]:
    """The rewards and methods of the user's own that a run names, those of its stages among them."""
    each = [config, *(stage.config for stage in divide(config, run_code=False))]
    return {name for one in each for name in (*one.rewards, one.method.name) if ":" in name}


def compare_settings(was: Config, now: Config, step: int, saved: str) -> list[Change]:
    """The settings that a resumed run has otherwise than the run that it goes on with.

    Args:
        was: the run's, as the checkpoint has them.
        now: those that it is to go on with.
        step: optimiser steps done.
        saved: where the former settings are, for messages.

    Raises:
        UserError: one that may not change; names it, and the way out. AnotherRunError where it never may.
    """
    before, after = flat(was.model_dump(mode="json")), flat(now.model_dump(mode="json"))
    before["stages"], after["stages"] = [*was.stages], [*now.stages]  # their order, which a mapping doesn't tell
    common, either = was.sources.keys() & now.sources.keys(), was.sources.keys() | now.sources.keys()
    changes = []
    for key in before | after:
        if before.get(key) == after.get(key):
            continue
        source, name = _starred(key, either)
        # One that is not in both is never trained on: `task` doesn't change.
        rule = rule_of(name) if source is None or source in common else Rule.LOGGED
        change = Change(key, before.get(key), after.get(key), rule, EFFECTS.get(name, ""))
        if reason := _refusal(change, now, step):
            message = (
                f"--resume: {key} was {_shown(change.was)}, now it is {_shown(change.now)}; {reason}; resume with "
                f"{key}={_shown(change.was)} (all settings as they were: {saved}), or start a run of another name"
            )
            raise AnotherRunError(message, change) if rule is Rule.NEVER else UserError(message)
        changes.append(change)
    return changes


def find_origin(policy: VLM, sources: Iterable[SourceTask]) -> dict[str, Any]:
    """What a run begins with, for its checkpoints: the model's weights and its commit on the hub, the sources' rows."""
    return {
        "weights": weights_fingerprint(policy, low_rank=False),
        "commit": policy.commit,
        "data": identities(sources),
    }


def identities(sources: Iterable[SourceTask]) -> dict[str, dict[str, str | None]]:
    """Each source's fingerprints."""
    return {source.name: source.identity() for source in sources}


def compare_data(was: Mapping[str, Any], now: Mapping[str, Any]) -> None:
    """Raise UserError where a source's rows are not those that the run was started with."""
    for name, identity in was.items():
        for part, value in identity.items():
            if name in now and now[name].get(part) != value:
                way = f"set sources.{name}.revision={value}" if part == "commit" else "bring them back as they were"
                raise UserError(
                    f"--resume: the rows of source {name} have changed since the run was started ({part}: was "
                    f"{_shown(value)}, now it is {_shown(now[name].get(part))}); {way}, or start a run of another name"
                )


def compare_model(name: str, was: str, now: str) -> None:
    """Raise UserError where the model that a run began with is another one by now, by its fingerprint."""
    if was != now:
        raise UserError(
            f"--resume: the weights of model {name} have changed since the run was started, which needs them; "
            "bring them back as they were, or start a run of another name"
        )


def _starred(key: str, sources: Iterable[str]) -> tuple[str | None, str]:
    """The source that a setting is of, if any, and the setting's key with a star for the source's name."""
    # Names may have dots: of two that begin alike the longer one comes first.
    for source in sorted(sources, reverse=True):
        if key.startswith(f"sources.{source}."):
            return source, f"sources.*.{key.removeprefix(f'sources.{source}.')}"
    return None, key


def _refusal(change: Change, now: Config, step: int) -> str:
    """Why a change is not allowed; empty where it is."""
    if change.rule is Rule.NEVER:
        return "it can't change within a run"
    if change.rule is not Rule.GROWS:
        return ""
    if change.now < change.was:
        return f"it may grow, not shrink ({step} are done)"
    if now.stages:
        return "it is divided among the stages"
    return str(method_class(now.method.name).steps_are_fixed(now))


def _shown(value: Any) -> str:
    """A value as one would type it."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
