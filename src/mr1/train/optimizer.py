"""The optimizer: AdamW with a learning rate for each part of the model, and its state in float32."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from mr1.config import Config
from mr1.config import Optimizer as Settings
from mr1.errors import UserError
from mr1.models.policy import part_rates
from mr1.models.vlm import VLM
from mr1.parallel import parts, ranks
from mr1.train.shards import names_of, read_part

METHOD = "method"
"""What the names of a method's modules begin with, among those of what AdamW changes."""
POLICY = "grad_norm"
"""The metric that is the norm of the policy's gradient."""


class Optimizer:
    """AdamW over all parameters that learn; weight decay spares biases and norms, which have one axis.

    A parameter that is not float32 has a float32 master: its gradients are added up there, the step is made there, and
    the result is rounded back. A step of 1e-6 would otherwise vanish in bfloat16, whose weights have 8 bits.
    """

    def __init__(self, vlm: VLM, config: Config, owned: Mapping[str, tuple[nn.Module, float]] | None = None) -> None:
        """For the policy's parameters that learn and those of a method's own modules.

        Args:
            vlm: the policy.
            config: the run's.
            owned: the method's modules by name, each with its learning rate at the schedule's top. They decay
                like the policy, and their gradients are clipped by norms of their own.
        """
        self.settings: Settings = config.optimizer
        self.masters: list[tuple[Tensor, Tensor]] = []
        self._hooks: list[RemovableHandle] = []
        self._rounded: list[str] | None = None if vlm.sharded is None else vlm.sharded.rounded
        self._names: dict[int, str] = {}
        rates, groups = part_rates(config), dict[tuple[str, float, bool], list[Tensor]]()
        for name, parameter in vlm.model.named_parameters():
            if parameter.requires_grad:
                part = vlm.adapter.part_of(name)
                groups.setdefault((part, rates[part], parameter.ndim > 1), []).append(self._own(parameter, name))
        self.clipped = {POLICY: [tensor for tensors in groups.values() for tensor in tensors]}
        """What is clipped together, by the metric that its norm is."""
        for name, (module, rate) in (owned or {}).items():
            named = [(own, parameter) for own, parameter in module.named_parameters() if parameter.requires_grad]
            learning = [self._own(parameter, f"{METHOD}/{name}.{own}") for own, parameter in named]
            if learning:
                self.clipped[f"grad_norm/{name}"] = learning
            for parameter in learning:
                groups.setdefault((f"{METHOD}/{name}", rate, parameter.ndim > 1), []).append(parameter)
        self.adamw = torch.optim.AdamW(
            [
                {
                    "params": parameters,
                    "lr": rate,
                    "top": rate,
                    "weight_decay": self.settings.weight_decay if decays else 0.0,
                }
                for (_, rate, decays), parameters in groups.items()
            ],
            betas=self.settings.betas,
            # One pass over memory instead of a dozen; torch's meta device doesn't have it.
            fused=vlm.device.type in ("cpu", "cuda"),
        )

    def zero_grad(self) -> None:
        """Forget the gradients."""
        self.adamw.zero_grad()

    def clip(self) -> dict[str, float]:
        """Scale the policy's gradient, and that of each of the method's modules, down to the allowed norm.

        Returns:
            The norms that they had: `grad_norm`, and `grad_norm/<name>` of each module.
        """
        most = self.settings.max_grad_norm
        norms = {name: nn.utils.clip_grad_norm_(tensors, most) for name, tensors in self.clipped.items()}
        return {name: parts.as_whole(norm).item() for name, norm in norms.items()}

    def add_up_over_ranks(self) -> None:
        """Add the gradients of the method's modules, which every process has whole, up over the processes.

        Those of the policy are, as the backward pass leaves each layer.
        """
        for name, tensors in self.clipped.items():
            if name != POLICY:
                ranks.add_up_gradients(tensors, f"the gradients of {name}")

    def step(self, factor: float) -> None:
        """Make a step at `factor` times each part's learning rate.

        Raises:
            UserError: there is no memory for AdamW's state; the parameters may have been changed in part.
        """
        for group in self.adamw.param_groups:
            group["lr"] = group["top"] * factor
        try:
            self.adamw.step()
        except torch.OutOfMemoryError as error:
            raise UserError(
                "optimizer: no memory is left for AdamW's state, which smaller micro-batches don't change; set "
                f"lora.rank, or ask mr1 estimate what fits ({' '.join(str(error).split())})"
            ) from error
        with torch.no_grad():
            for parameter, master in self.masters:
                parameter.copy_(master)

    def reset(self) -> None:
        """Forget AdamW's moments and its count of steps; the learning rate's schedule goes on."""
        self.adamw.state.clear()

    def close(self) -> None:
        """Leave the parameters to another optimizer: their gradients no longer come here."""
        for hook in self._hooks:
            hook.remove()

    def state_dict(self) -> dict[str, Any]:
        """AdamW's state and the masters; where weights are divided, by the parameters' names (`by_name`)."""
        if self._rounded is not None:
            return self.by_name()
        return {"adamw": self.adamw.state_dict(), "masters": [master.detach() for _, master in self.masters]}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take up what `state_dict` gave in a process that had all weights; where they are divided, its part."""
        if self._rounded is not None:
            self._take_parts(state)
            return
        rates = [group["top"] for group in self.adamw.param_groups]
        self.adamw.load_state_dict(state["adamw"])
        for group, rate in zip(self.adamw.param_groups, rates, strict=True):
            group["top"] = rate  # this run's settings hold
        with torch.no_grad():
            for (_, master), saved in zip(self.masters, state["masters"], strict=True):
                master.copy_(saved)

    def by_name(self) -> dict[str, dict[str, Tensor]]:
        """What AdamW has of each parameter, and the masters of a method's modules."""
        found = {self._names[id(tensor)]: dict(self.adamw.state.get(tensor, {})) for tensor in self._learning()}
        for _, master in self.masters:
            found[self._names[id(master)]]["master"] = master.detach()
        return found

    @torch.no_grad()
    def read_shards(self, folder: Path) -> None:
        """Take up what several processes have written of `by_name` into a checkpoint, and of the weights the masters.

        Args:
            folder: of the checkpoint.
        """
        written, own = names_of(folder, "optimizer"), self._by_own_name()
        masters = {self._names[id(master)]: master.detach() for _, master in self.masters}
        into: dict[str, dict[str, Tensor]] = {}
        for name, tensor in own.items():
            empty = {
                "step": torch.zeros(()),
                "exp_avg": torch.zeros_like(tensor),
                "exp_avg_sq": torch.zeros_like(tensor),
            }
            into[name] = {key: value for key, value in empty.items() if f"{name}.{key}" in written}
            if name in masters and name.startswith(METHOD):
                into[name]["master"] = masters[name]
        read_part(folder, "optimizer", {name: each for name, each in into.items() if each})
        read_part(folder, "weights", {name: each for name, each in masters.items() if not name.startswith(METHOD)})
        for name, each in into.items():
            each.pop("master", None)
            if each:
                self.adamw.state[own[name]] = each

    @torch.no_grad()
    def _take_parts(self, state: Mapping[str, Any]) -> None:
        """Take this process's part of a whole state, in which parameters have numbers; masters are the weights here."""
        own, rounded = self._by_own_name(), self._rounded or []
        for name, saved in zip(rounded, state["masters"], strict=False):
            own[name].copy_(parts.part_like(saved, own[name]))
        for (_, master), saved in zip(self.masters, state["masters"][len(rounded) :], strict=True):
            master.copy_(saved)
        for number, tensor in enumerate(self._learning()):
            if number in state["adamw"]["state"]:
                saved = state["adamw"]["state"][number]
                self.adamw.state[tensor] = {
                    key: value if key == "step" else parts.part_like(value, tensor) for key, value in saved.items()
                }

    def _learning(self) -> list[Tensor]:
        return [tensor for group in self.adamw.param_groups for tensor in group["params"]]

    def _by_own_name(self) -> dict[str, Tensor]:
        return {self._names[id(tensor)]: tensor for tensor in self._learning()}

    def _own(self, parameter: Tensor, name: str) -> Tensor:
        """The tensor that AdamW is to change: the parameter itself, or its master."""
        if parameter.dtype == torch.float32:
            self._names[id(parameter)] = name
            return parameter
        master = parameter.detach().float().requires_grad_()
        self._names[id(master)] = name
        self.masters.append((parameter, master))

        def add_up(parameter: Tensor) -> None:
            assert parameter.grad is not None, "the hook runs once it has been made"
            master.grad = parameter.grad.float() if master.grad is None else master.grad.add_(parameter.grad)
            parameter.grad = None

        self._hooks.append(parameter.register_post_accumulate_grad_hook(add_up))
        return master


def rate_factor(step: int, steps: int, settings: Settings) -> float:
    """The share of its learning rate that each part has at a step, counted from 0.

    A linear warm-up, then the schedule's way to 0 at the run's end.
    """
    warmup = settings.warmup * steps
    if step < warmup:
        return (step + 1) / (warmup + 1)
    progress = (step - warmup) / max(steps - warmup, 1)
    return {"constant": 1.0, "linear": 1 - progress, "cosine": (1 + math.cos(math.pi * progress)) / 2}[
        settings.schedule
    ]
