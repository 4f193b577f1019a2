"""Low-rank adaptation (LoRA, arXiv 2106.09685) by peft: the weights stay, and small factors beside them learn.

peft puts its layers into the model itself, so that adapters, engine and scoring go on with the same model. The
reference of a run is that model with the low-rank weights switched off, or with those of a reset in their places, so no
second one is held.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from mr1.config import LoRA
from mr1.errors import UserError
from mr1.models.adapter import Part
from mr1.models.layers import OneDNNLinear
from mr1.models.quantize import is_four_bit
from mr1.models.saved import FILE
from mr1.models.vlm import VLM


def add_lora(vlm: VLM, settings: LoRA, parts: set[Part], base: str, seed: int) -> VLM:
    """Freeze the model and put low-rank weights, float32, beside the linear layers of some of its parts.

    Weights of experts, which are one parameter for all of a layer's, get them where they are named: peft makes the
    product of the low-rank factors for all experts in each forward.

    Args:
        vlm: changed in place.
        settings: rank, alpha, and which layers.
        parts: those that learn; layers of others are left alone.
        base: the model's name, which is kept with the low-rank weights, and so is its commit.
        seed: of the first factors. The second ones are 0, so that the model begins as it was.

    Raises:
        UserError: nothing has the name that `settings.targets` asks for.
    """
    peft = _peft()
    targets, layers, experts = set(settings.targets), _linear_layers(vlm, parts), _expert_weights(vlm, parts)
    known = {name.rpartition(".")[2] for name in (*layers, *experts)}
    if missing := targets - known:
        raise UserError(
            f"lora.targets: nothing is named {', '.join(sorted(missing))}; there are {', '.join(sorted(known))}"
        )
    assert settings.rank is not None, "asked for"
    torch.manual_seed(seed)
    config = peft.LoraConfig(
        r=settings.rank,
        lora_alpha=settings.alpha or 2 * settings.rank,
        target_modules=[name for name in layers if not targets or name.rpartition(".")[2] in targets],
        target_parameters=[name for name in experts if name.rpartition(".")[2] in targets],
    )
    with _without_deprecations(), _as_named():
        vlm.lora = peft.get_peft_model(vlm.model, config)
    kept = vlm.lora.peft_config["default"]
    kept.base_model_name_or_path, kept.revision = base, vlm.commit
    return vlm


def load_lora(vlm: VLM, folder: Path) -> VLM:
    """Put the low-rank weights of a folder on the model that they were trained on."""
    own = (folder / FILE).is_file()
    with _without_deprecations(), _as_named() if own else nullcontext():
        vlm.lora = _peft().PeftModel.from_pretrained(vlm.model, str(folder), is_trainable=True)
    vlm.model.eval()
    return vlm


def merge_lora(vlm: VLM) -> VLM:
    """Add the low-rank products, if there are any, to the weights that they stand beside; in place."""
    if vlm.lora is not None:
        vlm.model = vlm.lora.merge_and_unload()
        vlm.lora = None
    return vlm


@contextmanager
def lora_off(vlm: VLM) -> Iterator[VLM]:
    """The same model with its low-rank weights switched off: what it was before training."""
    with vlm.lora.disable_adapter():
        yield replace(vlm)  # another model: what the policy has made of prompts ahead is not its own


@contextmanager
def lora_as(vlm: VLM, weights: Mapping[str, Tensor]) -> Iterator[VLM]:
    """The same model with other low-rank weights in the places of its own, by the parameters' names."""
    parameters = dict(vlm.model.named_parameters())
    if vlm.sharded is not None:
        with _copied_in(parameters, weights):
            yield replace(vlm)
        return
    own = {name: parameters[name].data for name in weights}
    for name, weight in weights.items():
        parameters[name].data = weight
    try:
        yield replace(vlm)  # another model, as above
    finally:
        for name, weight in own.items():
            parameters[name].data = weight


@contextmanager
def _copied_in(parameters: Mapping[str, Tensor], weights: Mapping[str, Tensor]) -> Iterator[None]:
    """Other values in the parameters' own memory, which FSDP brings the weights together from."""
    own = {name: parameters[name].detach().clone() for name in weights}
    with torch.no_grad():
        for name, weight in weights.items():
            parameters[name].copy_(weight)
        try:
            yield
        finally:
            for name, weight in own.items():
                parameters[name].copy_(weight)


def is_linear(layer: nn.Module) -> bool:
    """Whether a layer is an ordinary linear layer, maybe with ordinary low-rank weights beside it."""
    base = getattr(layer, "base_layer", layer)
    kinds = any(getattr(layer, "lora_variant", {}).values()) or any(getattr(layer, "lora_bias", {}).values())
    return type(base) in (nn.Linear, OneDNNLinear) and not kinds


@torch.no_grad()
def whole_weight(layer: Any) -> Tensor:
    """The weight of a layer that `is_linear`, (O, I), with its low-rank weights added where they are in use."""
    if not hasattr(layer, "base_layer"):
        return layer.weight
    used = () if layer.disable_adapters else layer.active_adapters
    return sum((layer.get_delta_weight(name) for name in used), start=layer.base_layer.weight)


def _peft() -> Any:
    try:
        import peft
    except ImportError as error:
        raise UserError("lora: needs the package peft; install it by pip install 'mr1[lora]'") from error
    return peft


@contextmanager
def _as_named() -> Iterator[None]:
    """peft takes layers whose names end in gate_proj for the experts of an older transformers; not here."""
    from peft.utils import transformers_weight_conversion as conversion

    own = conversion.convert_peft_config_for_transformers
    conversion.convert_peft_config_for_transformers = lambda *_, **__: None
    try:
        yield
    finally:
        conversion.convert_peft_config_for_transformers = own


@contextmanager
def _without_deprecations() -> Iterator[None]:
    """peft asks transformers for a property by a name that has been replaced."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*is_gradient_checkpointing", category=FutureWarning)
        yield


def _linear_layers(vlm: VLM, parts: set[Part]) -> list[str]:
    """The linear layers of these parts by their dotted names, without the head."""
    head = vlm.adapter.output_embeddings()
    return [
        name
        for name, module in vlm.model.named_modules()
        if (type(module) in (nn.Linear, OneDNNLinear) or is_four_bit(module))
        and module is not head
        and vlm.adapter.part_of(name) in parts
    ]


def _expert_weights(vlm: VLM, parts: set[Part]) -> list[str]:
    """The weights of experts, (E, O, I) or (E, I, O), in these parts by their dotted names."""
    return [
        f"{name}.{own}"
        for name, module in vlm.model.named_modules()
        if type(module).__name__.endswith("Experts") and vlm.adapter.part_of(name) in parts
        for own, weight in module.named_parameters(recurse=False)
        if weight.ndim == 3
    ]
