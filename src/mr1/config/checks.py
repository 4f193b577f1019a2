"""What settings ask of each other. Each check raises UserError, and names the key that is to be changed."""

from __future__ import annotations

from collections.abc import Iterable

from mr1.config.tree import HOTTEST, Config, UnreadMethod
from mr1.endpoint.settings import check_address, check_server
from mr1.errors import UserError, nearest, shown
from mr1.methods import METHODS, method_class


def check(config: Config) -> None:
    """Raise UserError for the first thing that can't work or would have no effect."""
    if ":" not in config.method.name:
        _known("method", config.method.name, METHODS)
    _check_tasks(config)
    _check_prompts(config)
    _check_model(config)
    _check_rewards(config)
    _check_engine(config)
    _check_steps(config)
    _check_guards(config)
    # A run of stages isn't trained by its own settings, but by its stages'.
    if not config.stages and not isinstance(config.method, UnreadMethod):
        method_class(config.method.name).check(config)


def _check_tasks(config: Config) -> None:
    from mr1.tasks import TASKS

    for name in config.sources:
        if name in TASKS:
            raise UserError(f"sources.{name}: there is a procedural task of this name; choose another")
    if not config.tasks:
        raise UserError("task: name at least one")
    evaluated = config.evaluation.tasks
    if not evaluated:
        raise UserError(
            "evaluation.tasks: name at least one; for none at all set evaluation.every=0 and evaluation.final_samples=0"
        )
    for key, names in (("task", config.tasks), ("evaluation.tasks", evaluated)):
        for name in names:
            _known(key, name, [*TASKS, *config.sources])
    for name in evaluated:
        if evaluated.count(name) > 1:
            raise UserError(f"evaluation.tasks: {shown(name)} stands twice; once is enough")


def _check_prompts(config: Config) -> None:
    for key, template in (("prompt", config.prompt), ("evaluation.prompt", config.evaluation.prompt)):
        if template is not None and "{question}" not in template:
            raise UserError(f"{key}: the template needs {{question}}, where the sample's question is put in")


def _check_model(config: Config) -> None:
    if config.loading.quantize and config.lora.rank is None:
        raise UserError("loading.quantize: weights of four bits can't learn; set lora.rank, or leave it out")
    loading, lora, rates = config.loading, config.lora, config.optimizer.parts
    if loading.min_pixels and loading.max_pixels and loading.min_pixels > loading.max_pixels:
        raise UserError(f"loading.min_pixels: {loading.min_pixels} is above loading.max_pixels={loading.max_pixels}")
    for key, given in (("lora.alpha", lora.alpha is not None), ("lora.targets", bool(lora.targets))):
        if given and lora.rank is None:
            raise UserError(f"{key}: it has no effect without lora.rank; set both, or leave both out")
    if rates.vision == rates.projector == rates.language == 0:
        raise UserError("optimizer.parts: every part's learning rate is 0; nothing would learn")


def _check_rewards(config: Config) -> None:
    from mr1.rewards import REWARDS
    from mr1.rewards.facts import FACTS
    from mr1.rewards.judgements import JUDGEMENTS

    for name in config.rewards:
        if ":" not in name:
            _known("rewards", name, [*REWARDS, *JUDGEMENTS])
    judged = any(name in config.rewards for name in JUDGEMENTS)
    check_server(config.endpoint, "endpoint", "the rewards judge-* ask a model of this name there" if judged else "")
    _check_reward_functions(config)
    for task in config.tasks:
        if task in config.sources and (named := [name for name in FACTS if name in config.rewards]):
            raise UserError(
                f"rewards: {named[0]} reads the scenes of procedural tasks, and {task} is a source; leave it out"
            )


def _check_engine(config: Config) -> None:
    rollout = config.rollout
    if rollout.ahead and config.updates_per_rollout > 1:
        raise UserError("rollout.ahead: not with several updates on a batch; set updates_per_rollout=1, or ahead to 0")
    if rollout.engine == "local" and rollout.servers:
        raise UserError("rollout.servers: they are not asked without rollout.engine=vllm; set it, or leave them out")
    if rollout.engine == "local":
        return
    if not rollout.servers:
        raise UserError("rollout.servers: missing; rollout.engine=vllm needs the address of a server at least")
    for url in rollout.servers:
        if rollout.servers.count(url) > 1:
            raise UserError(f"rollout.servers: {shown(url)} stands twice; once is enough")
        check_address("rollout.servers", url)
    if rollout.temperature > HOTTEST:
        raise UserError(f"rollout.temperature: vLLM can't keep to the allowed tokens above {HOTTEST:g}; set it lower")
    for key, wanted in (("rollout.routing", rollout.routing != "free"), ("loading.quantize", config.loading.quantize)):
        if wanted:
            raise UserError(f"{key}: not with rollout.engine=vllm; leave it out, or set rollout.engine=local")


def _check_reward_functions(config: Config) -> None:
    from mr1.rewards.handed import PLACE

    own = [name for name in config.rewards if ":" in name]
    for name in config.reward_functions.skip:
        _known("reward_functions.skip", name, own)
    if config.reward_functions.timeout is not None:
        for name in own:
            if name.startswith(f"{PLACE}:"):
                raise UserError(
                    f"reward_functions.timeout: {name} is in no module that another process could import; put it into "
                    "a file, and name that as file.py:function"
                )


def _check_steps(config: Config) -> None:
    evaluation, kl = config.evaluation, config.kl
    rhythm = {"steps": config.steps, "checkpoint.every": config.checkpoint.every, "kl.reset_every": kl.reset_every}
    if kl.reset_patience:
        rhythm["evaluation.every"] = evaluation.every
    for key, every in rhythm.items():
        if every is not None and every % config.updates_per_rollout:
            raise UserError(
                f"{key}: {every} is no multiple of updates_per_rollout={config.updates_per_rollout}; "
                "a batch of rollouts can't be left half used"
            )
    between, every = config.steps_between_checkpoints, config.checkpoint.keep_every
    if every and (not between or every % between):
        saved = f"every {between} steps" if between else "at the end alone"
        raise UserError(f"checkpoint.keep_every: checkpoints are made {saved} (checkpoint.every); set a multiple of it")
    for key, wanted in (
        ("checkpoint.keep_best", config.checkpoint.keep_best),
        ("kl.reset_patience", kl.reset_patience),
    ):
        if wanted and not evaluation.every:
            raise UserError(f"{key}: needs evaluation.every, which says when accuracy is measured")


def _check_guards(config: Config) -> None:
    for name in config.guards.stop:
        if getattr(config.guards, name) is None:
            raise UserError(
                f"guards.stop: guards.{name} is null, which switches it off; set its limit, or leave it out"
            )
        if name == "held_out" and not config.evaluation.every:
            raise UserError("guards.stop: held_out needs evaluation.every, which says when accuracy is measured")


def _known(key: str, name: str, known: Iterable[str]) -> None:
    if name not in known:
        raise UserError(f"{key}: unknown {shown(name)}{nearest(name, known)}")
