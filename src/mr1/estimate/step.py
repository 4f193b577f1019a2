"""A training step on a device that computes nothing: the run's own code, with completions as long as they may be."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, cast
from unittest.mock import patch

import torch
from torch import Tensor, nn

from mr1.config import Config, divide
from mr1.data.prompts import fresh_prompt, usable_prompt
from mr1.data.source import SourceTask, expected_rows, open_sources
from mr1.data.unusable import LeftOut
from mr1.errors import UserError
from mr1.estimate.dry import Device, dry_run
from mr1.estimate.ledger import Ledger
from mr1.estimate.processes import Division, Shares
from mr1.evaluate.evaluate import available
from mr1.methods.base import Method, make_method
from mr1.models.adapter import Adapter
from mr1.models.layers import Product
from mr1.models.loading import load_vlm
from mr1.models.policy import Reference, make_policy
from mr1.models.vlm import VLM
from mr1.parallel.sharding import whole_copy
from mr1.rewards.judged import nobody_asked
from mr1.rollout.cache import kept_states
from mr1.rollout.local import Choose, Decoder, IsFree, LocalEngine
from mr1.rollout.repeated import RepeatedPrompts
from mr1.rollout.shared import SharedPrompts
from mr1.tasks import load_task
from mr1.train.checkpoint import copy_size_of
from mr1.train.evaluations import protocol
from mr1.train.optimizer import POLICY, Optimizer
from mr1.train.packing import make_rows, microbatches
from mr1.train.update import look, one_microbatch, score_reference, update
from mr1.types import Completion, Group, Prompt

OF_ROLLOUT = ("activations", "KV cache", "weights in blocks")
"""What a rollout takes for itself."""
LOOKED_AT = 16
"""Samples of each task and split whose prompts are made, to find the longest."""


@dataclass
class Estimate:
    """Bytes of a device's memory, and what they follow from."""

    phases: dict[str, dict[str, int]]
    """By phase, and in it by what they are for, at the moment when most are taken."""
    parameters: dict[str, int]
    """Numbers of parameters by part of the model."""
    learning: int
    """The number of parameters that learn."""
    prompt_tokens: int
    """Tokens of the longest training prompt that was looked at, those of its images among them."""
    image_tokens: int
    """Tokens of its images."""
    group_tokens: int
    """Tokens of the largest group's rows, with padding."""
    evaluation_tokens: int
    """Tokens of the longest prompt of the largest evaluation; 0 where the run has none."""
    host: int
    """Bytes of images in the host's memory, where they wait: the next step's, made ahead, beside those of the larger of
    this step's and an evaluation's batch. They are in no phase."""
    checkpoint: int
    """Bytes of the host's memory that the copy of a checkpoint takes while it is written beside the steps. In no phase
    either."""

    @property
    def peak(self) -> int:
        """The most bytes that are taken at once."""
        return max(sum(parts.values()) for parts in self.phases.values())


def estimate(config: Config, device: Device = "gpu", limit: int | None = None, processes: int = 1) -> Estimate:
    """What a run with these settings needs once it is under way, in seconds and without the model's weights.

    Of a run with stages, what the stage needs that needs the most; of one of several processes, what each needs.

    Args:
        config: the run.
        device: what it is to run on.
        limit: bytes, above which there is no need to go on.
        processes: how many divide the run, each on a device of its own.

    Raises:
        UserError: the model's configuration, its processor or the data can't be had.
        LimitExceededError: more than `limit` bytes would be taken at once.
    """
    if config.stages:
        stages = [estimate(stage.config, device, limit, processes) for stage in divide(config)]
        return max(stages, key=lambda stage: stage.peak)
    shares = Shares.of(config, processes)
    open_sources(config)
    policy = load_vlm(config.model, config.loading, weights=False)
    train = [prompt for name in config.tasks for prompt in _looked_at(policy, config, name, "train", config.prompt)]
    prompts = _batch(train, config.prompts_per_step)[: shares.count(config.prompts_per_step)]
    evaluated = held_out(policy, config)
    evaluated = evaluated[: shares.count(len(evaluated))]
    host = _images_size(prompts) + max(map(_images_size, (prompts, evaluated)))
    with dry_run(device, limit) as ledger:
        make_policy(policy, config)
        policy.model.to("meta")  # peft makes its weights on the CPU
        ledger.name("weights", _tensors(policy.model))
        method = make_method(config, policy)
        ledger.name("method's modules", (tensor for module in method.modules.values() for tensor in _tensors(module)))
        division = Division(policy, shares, ledger)
        division.hold()
        copy = whole_copy(policy, apart=bool(config.rollout.ahead) and processes == 1)
        if copy is not policy:
            learning = (each for each in copy.model.parameters() if each.requires_grad)
            ledger.name("weights to sample from", learning)
        optimizer = _used_optimizer(division, method, config)
        step = max(range(config.steps), key=method.needs_reference)
        reference = Reference(policy) if method.needs_reference(step) else None
        if reference and config.kl.resets:
            reference.reset(policy)
            division.name("reference", reference.state_dict().items())
        if reference and policy.lora is None:
            with reference() as frozen:
                ledger.name("reference", frozen.model.buffers())
                division.name("reference", frozen.model.named_parameters())

        if evaluated:
            ledger.begin("evaluation")
            _LastToken(policy, ledger, device, lambda _: False).greedy(evaluated, config.rollout.max_new_tokens)
        ledger.begin("rollout")
        is_free = partial(one_microbatch, policy, config) if processes == 1 else lambda _: False
        engine = _LastToken(policy, ledger, device, is_free)
        longest = engine.prepare([replace(prompts[0]) for _ in prompts])
        groups = method.rollout(engine, prompts, step)
        ledger.name("image features", (each.features.embeddings for each in prompts if each.features))
        with nobody_asked(config.endpoint):
            method.score(groups)
        groups = [shares.part(group, config.prompts_per_step) for group in groups]
        groups = _two_microbatches(groups, longest, config, policy.adapter)
        division.bring_together()
        if reference:
            ledger.begin("score")
            with reference() as frozen:
                score_reference(frozen, groups, config)
        if method.looks:
            ledger.begin("score")
            look(policy, groups, method, config, step)
        method.assign_advantages(groups)
        ledger.begin("update")
        optimizer.adamw.register_step_pre_hook(lambda *_: _end_update(division, optimizer, ledger))
        update(policy, groups, method, optimizer, config, step)
        phases = ledger.peaks
    if config.rollout.ahead:
        phases["update"]["the rollout beside it"] = sum(phases["rollout"].get(part, 0) for part in OF_ROLLOUT)
    return Estimate(
        phases=phases,
        parameters=_parameters(policy),
        learning=sum(parameter.numel() for parameter in policy.model.parameters() if parameter.requires_grad),
        prompt_tokens=len(prompts[0]),
        image_tokens=int((prompts[0].input_ids == policy.adapter.image_token_id).sum()),
        group_tokens=make_rows(groups[:1], policy.adapter).input_ids.numel(),
        evaluation_tokens=max(map(len, evaluated), default=0),
        host=host,
        checkpoint=round(copy_size_of(policy, method.modules.values(), config.kl.resets) * shares.weight),
    )


class _LastToken(LocalEngine):
    """Decodes one token of each completion: the last, when the cache is full."""

    def __init__(self, vlm: VLM, ledger: Ledger, device: Device, ahead_is_free: IsFree) -> None:
        super().__init__(vlm, ahead_is_free)
        self.ledger, self.device = ledger, device
        self.decoded = 0

    @torch.no_grad()
    def _complete(
        self,
        prompts: Sequence[Prompt],
        copies: int,
        budgets: Sequence[int],
        choose: Choose,
        strings: Any = None,
        routed: bool = False,
    ) -> list[Completion]:
        del strings, routed  # the longest completions end by their budgets; choices of experts are a few bytes
        rows, length = len(budgets), max(budgets)
        if rows > self.decoded:
            self._decode_last(prompts, copies, length, choose)
            self.decoded = rows
        elif self.vlm.features_frozen:  # a batch like the one before, of which only these stay
            self.vlm.features(prompts)
        return [self._longest(length) for _ in range(rows)]

    def _decode_last(self, prompts: Sequence[Prompt], copies: int, length: int, choose: Choose) -> None:
        rows, device = len(prompts) * copies, self.vlm.device
        decoder = self.decoder(prompts, copies, length)
        hidden = decoder.prefill()
        if length > 1:  # the first token comes from the prompt, the last one's keys are never made
            _jump(decoder, length - 2)
            self._name(decoder)
            if self.device == "cpu":
                self.ledger.name("weights in blocks", _blocks(decoder, self.vlm))
            hidden = decoder.step(torch.full((rows,), self.vlm.adapter.pad_token_id).to(device))
            self._name(decoder)
        logits = self.vlm.adapter.head()(hidden).float() + self.vlm.token_bias()
        choose(logits, torch.arange(rows, device=device), length - 1)

    def _name(self, decoder: Decoder) -> None:
        if isinstance(decoder, SharedPrompts):
            kept = (tensor for layer in decoder.memory for tensor in (layer.prompts, layer.completions))
            self.ledger.name("KV cache", kept)
        else:
            assert isinstance(decoder, RepeatedPrompts), "there are two"
            layers = cast(Any, decoder.cache).layers
            self.ledger.name("KV cache", (states for layer in layers for states in kept_states(layer)))

    def _longest(self, length: int) -> Completion:
        return Completion(
            token_ids=torch.full((length,), self.vlm.tokenizer.eos_token_id),
            logprobs=torch.zeros(length),
            text="",
            mask=torch.ones(length, dtype=torch.bool),
            finish_reason="length",
        )


def _jump(decoder: Decoder, tokens: int) -> None:
    """Pretend that so many tokens have been decoded; what they take in memory is there, and nothing else."""
    if isinstance(decoder, RepeatedPrompts) and tokens:
        for index, layer in enumerate([*cast(Any, decoder.cache).layers]):
            if getattr(layer, "keys", None) is None:  # a recurrent one, whose state doesn't grow
                continue
            keys, values = (states[:, :, :1].expand(-1, -1, tokens, -1) for states in (layer.keys, layer.values))
            decoder.cache.update(keys, values, index)
            if (choosing := getattr(layer, "idx_keys", None)) is not None:  # what chooses among the keys
                layer.update_index(choosing[:, :, :1].expand(-1, -1, tokens, -1))
        more = torch.ones_like(decoder.seen[:, :1]).expand(-1, tokens)
        decoder.seen = torch.cat([decoder.seen, more], dim=1)
    decoder.place = tokens


def _blocks(decoder: Decoder, vlm: VLM) -> list[Tensor]:
    """Lay the weights out for decoding as a CPU does: once more, in blocks."""
    if isinstance(decoder, SharedPrompts):
        held = [each for layer in decoder.model.layers for each in vars(layer).values()]
        products = [each for each in held if type(each) is Product]
        for product in products:
            product.weight = product.weight.clone()
        head: Any = vlm.adapter.head().weight
        blocks = [torch.empty_like(head)] if head.dtype == torch.float32 else []
        return [*(product.weight for product in products), *blocks]
    return [
        torch.empty_like(module.weight)
        for name, module in vlm.model.named_modules()
        if isinstance(module, nn.Linear)
        and module.weight.dtype == torch.float32
        and vlm.adapter.part_of(name) == "language"
    ]


def _used_optimizer(division: Division, method: Method, config: Config) -> Optimizer:
    """The optimizer after a step: its moments are there, the gradients are gone."""
    policy, ledger = division.vlm, division.ledger
    optimizer = Optimizer(policy, config, method.owned())
    owners = {id(parameter): master for parameter, master in optimizer.masters}
    learning = {name: each for name, each in policy.model.named_parameters() if each.requires_grad}
    owned = [each for module in method.modules.values() for each in module.parameters() if each.requires_grad]
    kept = {id(each): owners.get(id(each), each) for each in [*learning.values(), *owned]}
    for tensor in kept.values():
        tensor.grad = torch.empty_like(tensor)
    for group in optimizer.adamw.param_groups:
        group["fused"] = True  # as on the device that is stood for; torch would not begin with it on this one
    with patch("torch.optim.adam._device_dtype_check_for_fused"):
        optimizer.step(1.0)
    optimizer.zero_grad()
    ledger.name("float32 masters", (master for _, master in optimizer.masters))
    for each in owned:
        ledger.name("AdamW moments", optimizer.adamw.state[kept[id(each)]].values())
        _name_gradient(each, kept[id(each)], 1.0, ledger)
    for name, each in learning.items():
        own = kept[id(each)]
        if id(each) in owners:
            division.name("float32 masters", [(name, own)])
        division.name("AdamW moments", ((name, value) for value in optimizer.adamw.state[own].values()))
        _name_gradient(each, own, division.share_of_gradient(each, own), ledger)
    return optimizer


def _name_gradient(parameter: nn.Parameter, owner: Tensor, share: float, ledger: Ledger) -> None:
    """Say what a gradient is for once it is made; the optimizer's hook has handed it on to its owner by then."""

    def name(_: Tensor) -> None:
        assert owner.grad is not None, "just made"
        ledger.name("gradients", [owner.grad], share)

    parameter.register_post_accumulate_grad_hook(name)


def _end_update(division: Division, optimizer: Optimizer, ledger: Ledger) -> None:
    grown = (each.grad for each in optimizer.clipped[POLICY] if each.grad is not None)
    division.let_go(grown)
    ledger.begin("optimizer")


def held_out(vlm: VLM, config: Config) -> list[Prompt]:
    """The batch of most tokens among those of the run's evaluations, of each task and split; none where it has none."""
    how, batches = protocol(config), [list[Prompt]()]
    for name in dict.fromkeys(config.evaluation.tasks):
        for split, samples in config.measured_splits.items():
            count = min(available(load_task(name, config.sources), split, samples), how.batch_size)
            batches.append(_batch(_looked_at(vlm, config, name, split, how.prompt), count))
    return max(batches, key=lambda prompts: sum(map(len, prompts)))


def _looked_at(vlm: VLM, config: Config, name: str, split: str, template: str) -> list[Prompt]:
    """The first prompts of a task, as the run makes them."""
    task = load_task(name, config.sources)
    seed = config.seed if split == "train" else 0  # all runs are measured on the same samples
    left_out = LeftOut(0.0)
    if isinstance(task, SourceTask):
        left_out.expect(expected_rows(config, task))
    found = [
        usable_prompt(partial(fresh_prompt, vlm), task, split, seed, number, template, left_out)
        for number in range(available(task, split, LOOKED_AT))
    ]
    made = [each for each in found if isinstance(each, Prompt)]
    if not made:
        raise UserError(f"sources: none of the first {len(found)} rows can be used: {found[0]}")
    return made


def _batch(looked_at: Sequence[Prompt], count: int) -> list[Prompt]:
    """The longest of these prompts, several times; the last is the shortest, for there is padding then."""
    longest, shortest = max(looked_at, key=len), min(looked_at, key=len)
    return [replace(longest) for _ in range(count - 1)] + [replace(shortest if count > 1 else longest)]


def _images_size(prompts: Iterable[Prompt]) -> int:
    return sum(tensor.nbytes for prompt in prompts for tensor in prompt.vision.values())


def _two_microbatches(
    groups: Sequence[Group], prompts: Sequence[Prompt], config: Config, adapter: Adapter
) -> list[Group]:
    """The largest group with the longest prompt, as often as there are groups, or as often as fills two micro-batches.

    The second begins with the first one's gradients, as all that follow do.
    """
    largest = max(groups, key=lambda group: len(group.prompt) + sum(map(len, group.completions)))
    for prompt in prompts:  # kept where they are frozen
        prompt.features = prompt.features or largest.prompt.features
    copies = [
        replace(largest, prompt=prompt, completions=[replace(each) for each in largest.completions])
        for prompt in prompts
    ]
    first = next(microbatches(copies, config.tokens_per_microbatch, adapter))
    return copies[: 2 * len(first)]


def _tensors(model: nn.Module) -> list[Tensor]:
    return [*model.parameters(), *model.buffers()]


def _parameters(policy: VLM) -> dict[str, int]:
    counts: Counter[str] = Counter()
    for name, parameter in policy.model.named_parameters():
        counts["LoRA" if "lora_" in name else policy.adapter.part_of(name)] += parameter.numel()
    return dict(counts)
