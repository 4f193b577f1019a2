"""A model whose weights are divided among the processes: torch's FSDP2 (`fully_shard`).

Each layer of the language model, and each block of a vision tower that learns, is a unit: its weights are brought
together when it runs, and its gradients are added up and divided again as the backward pass leaves it. All else (the
embeddings, the head, norms, the projector) is one unit more, around them. A tower that stays as it is stays whole on
every process, where it is run for each image once.

Where weights are bfloat16 what is divided are float32 masters: a layer is rounded as it is brought together, its
gradients are added up in float32, and the step is made in float32, as `train.optimizer.Optimizer` does it for one
process.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any, TypeVar

import torch
from torch import nn
from torch.distributed.device_mesh import DeviceMesh, init_device_mesh
from torch.distributed.fsdp import FSDPModule, MixedPrecisionPolicy, fully_shard

from mr1.config import Config
from mr1.config.tree import Parallel
from mr1.errors import UserError
from mr1.models.vlm import VLM
from mr1.parallel import parts, ranks

Result = TypeVar("Result")


class Pass(nn.Module):
    """What all of a micro-batch's computation is the forward of, so that FSDP knows where it begins and ends."""

    def __init__(self, model: nn.Module, rounded: list[str]) -> None:
        super().__init__()
        self.model = model
        self.rounded = rounded
        """The parameters, by their names in the model, that are float32 here alone."""

    def forward(self, compute: Callable[[], Result]) -> Result:
        """What `compute` gives; its tensors with gradient are to be in tuples or lists."""
        return compute()


def check_processes(config: Config, grace: float | None) -> None:
    """Refuse what the processes that there are can't do.

    Raises:
        UserError: names the settings.
    """
    divided_among(config.parallel, ranks.count())
    if config.loading.quantize is not None:
        raise UserError("loading.quantize: weights of four bits can't be divided among processes; leave it out")
    if config.rollout.ahead:
        raise UserError("rollout.ahead: several processes sample and learn in turns as yet; set it to 0")
    if grace is not None:
        raise UserError("--grace: several processes can't break a step off at the same place; leave it out")


def divided_among(settings: Parallel, count: int) -> int:
    """How many of `count` processes one copy of the weights is divided among.

    Raises:
        UserError: the settings are for another number of processes.
    """
    shard = settings.shard or count // settings.replicate
    if shard * settings.replicate != count:
        raise UserError(
            f"parallel: shard={shard} times replicate={settings.replicate} is not {count}, the number of processes; "
            "leave parallel.shard out, or choose a replicate that divides it"
        )
    return shard


def shard(vlm: VLM, settings: Parallel) -> VLM:
    """Divide a model's weights among the processes, in place. Nothing where there is one process."""
    if not ranks.several():
        return vlm
    mesh = _mesh(vlm.device.type, settings)
    parts.host_mesh(tuple(mesh.shape))  # now, as all processes are here
    dtype = vlm.adapter.computed = vlm.adapter.dtype
    learning = {name: parameter for name, parameter in vlm.model.named_parameters() if parameter.requires_grad}
    rounded = [name for name, parameter in learning.items() if parameter.dtype != torch.float32]
    for name in rounded:
        learning[name].data = learning[name].data.float()
    policy = (
        MixedPrecisionPolicy()
    )  # with low-rank weights: those are float32 and computed as such, the others as they are
    if rounded:
        policy = MixedPrecisionPolicy(param_dtype=dtype, reduce_dtype=torch.float32, cast_forward_inputs=False)
    whole = {parameter for name, parameter in vlm.model.named_parameters() if stays_whole(vlm, name)}
    options: dict[str, Any] = {"mesh": mesh, "mp_policy": policy, "ignored_params": whole}
    for block in units(vlm):
        fully_shard(block, **options)
    _begin_with_gradient(vlm)
    vlm.sharded = Pass(vlm.model, rounded)
    # What is around the layers stays together till the backward pass; where none comes, it would for ever.
    fully_shard(vlm.sharded, reshard_after_forward=None if learning else True, **options)
    for module in vlm.sharded.modules():
        if isinstance(module, FSDPModule):
            # Sums, not means: every token's weight is that of the whole batch. gloo knows no scaled ones.
            module.set_gradient_divide_factor(1.0)
            module.set_force_sum_reduction_for_comms(True)
    return vlm


def _begin_with_gradient(vlm: VLM) -> None:
    """Have the first layer's input need a gradient on every process, or on none.

    A backward pass reaches a layer, and brings its weights together, where its input or what is in it needs a gradient.
    Where the vision tower learns and the embeddings don't, a micro-batch with images would reach the first layer, one
    without would not, and the processes would wait for each other.
    """
    embeddings = vlm.model.get_input_embeddings()
    learns = any(each.requires_grad for each in embeddings.parameters())
    if not learns and not vlm.features_frozen:
        embeddings.register_forward_hook(lambda _, __, made: made.requires_grad_(torch.is_grad_enabled()))


def whole_copy(vlm: VLM, apart: bool) -> VLM:
    """A model with all of its weights, for this process to sample from.

    What stays whole and doesn't change is not copied.

    Args:
        vlm: the policy, which is not divided yet.
        apart: whether it is to be another one also where there is one process, so that it stays as it is while the
            policy learns.
    """
    if not ranks.several() and not apart:
        return vlm
    shared = {
        id(each): each
        for name, each in vlm.model.named_parameters()
        if stays_whole(vlm, name) or not (ranks.several() or each.requires_grad)
    }
    model, lora = copy.deepcopy((vlm.model, vlm.lora), shared)
    return replace(vlm, model=model, lora=lora, adapter=type(vlm.adapter)(model, vlm.tokenizer))


@torch.no_grad()
def bring_together(vlm: VLM, whole: VLM) -> None:
    """Copy the weights that learn, which may be divided, into a model that has all of them."""
    if whole is vlm:
        return
    own = dict(whole.model.named_parameters())
    for name, parameter in vlm.model.named_parameters():
        if parameter.requires_grad:
            own[name].copy_(parts.as_whole(parameter))


def _mesh(device: str, settings: Parallel) -> DeviceMesh:
    count = ranks.count()
    if settings.replicate == 1:
        return init_device_mesh(device, (count,), mesh_dim_names=("shard",))
    shape = (settings.replicate, count // settings.replicate)
    return init_device_mesh(device, shape, mesh_dim_names=("replicate", "shard"))


def stays_whole(vlm: VLM, name: str) -> bool:
    """Whether every process has all of a parameter: it belongs to a vision tower, or a projector, that never learns."""
    return vlm.features_frozen and vlm.adapter.part_of(name) != "language"


def units(vlm: VLM) -> Iterator[nn.Module]:
    """The blocks that are brought together one by one: the outermost that transformers can checkpoint."""
    from transformers.modeling_layers import GradientCheckpointingLayer

    found: list[str] = []
    for name, module in vlm.model.named_modules():
        inside = any(name.startswith(f"{outer}.") for outer in found)
        if isinstance(module, GradientCheckpointingLayer) and not inside and not stays_whole(vlm, name):
            found.append(name)
            yield module
