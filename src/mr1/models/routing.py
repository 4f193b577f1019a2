"""Which experts each token goes to: recorded where it is sampled, compared or taken again where it is scored.

A router takes the experts with the largest scores. Where two are about equally large, rounding decides, and sampler and
scorer, which compute the same in another order, may decide otherwise; the token's log-prob then differs by far more
than rounding. Taking the sampler's choice again in training (routing replay, arXiv 2510.11370) leaves the weights of
the chosen experts to the router, with gradient, and fixes which ones they are.

The families' own routers are run, by their own functions. Of what they compute only the `topk` over the experts is
looked at, and its indices are replaced. The order goes along the model's forward as an argument, which each layer takes
off again for its router, so that a layer that is run again in the backward pass finds it as well.
"""

from __future__ import annotations

import re
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from mr1.models.subclass import is_turned, turn

ROUTER = re.compile(r"(Router|Gate)$")
"""Names of the classes of routers in transformers."""


class Routing:
    """What happens with the routers' choices in one forward."""

    def __init__(self, choices: Tensor | None = None, replay: bool = False) -> None:
        """Compare with, or take, what is there: (tokens, layers with experts, k) int, -1 where nothing is known."""
        self._choices, self._replay = choices, replay
        self._own: dict[int, Tensor] = {}
        self._differing: dict[int, Tensor] = {}

    def choose(self, layer: int, own: Tensor) -> Tensor:
        """Experts of a layer's (tokens, k), by its number among those with experts, and what the router has chosen."""
        self._own[layer] = own.detach()
        if self._choices is None:
            return own
        there = self._choices[:, layer].to(own.device, own.dtype)
        known = there >= 0
        self._differing[layer] = (own.sort(-1).values != there.sort(-1).values).any(-1) & known.all(-1)
        return torch.where(known, there, own) if self._replay else own

    def made(self) -> Tensor:
        """What the routers have chosen themselves, (tokens, layers with experts, k) int16."""
        return torch.stack([self._own[layer] for layer in sorted(self._own)], dim=1).to(torch.int16)

    def differing(self) -> int:
        """In how many (token, layer) they have chosen otherwise than was known."""
        return sum(int(each.sum()) for each in self._differing.values())

    def known(self) -> int:
        """In how many (token, layer) a choice was known."""
        return 0 if self._choices is None else int((self._choices >= 0).all(-1).sum())


def watch_routers(model: Any) -> bool:
    """Let a language model's routers take a `Routing`, in place.

    Returns:
        Whether it has any, one in each of some layers, which sees all tokens of a row in their order.
    """
    decoder = model.get_decoder()
    decoder = getattr(decoder, "model", decoder)  # Llama 4's has its head
    layers = [(layer, _routers(layer)) for layer in getattr(decoder, "layers", ())]
    with_experts = [(layer, routers[0]) for layer, routers in layers if routers]
    if not with_experts or any(len(routers) > 1 for _, routers in layers):
        return False
    if is_turned(with_experts[0][1], _watched):  # a copy of a model that is watched
        return True
    for number, (_, router) in enumerate(with_experts):
        turn(router, _watched)
        router.number = number
    for layer, routers in layers:
        layer.mr1_routers = routers  # a list, so that they don't become its modules once more
        layer.register_forward_pre_hook(_take_off, with_kwargs=True)
    return True


def _routers(layer: nn.Module) -> list[Any]:
    return [module for module in layer.modules() if ROUTER.search(type(module).__name__) and _experts(module)]


def _experts(router: nn.Module) -> int:
    """How many experts a router chooses among; 0 for what is no router."""
    scored = next((weight.shape[0] for weight in router.parameters() if weight.ndim == 2), 0)
    # Some score experts, too, that every token passes.
    return min(scored, getattr(router, "num_experts", scored))


def _take_off(layer: Any, arguments: tuple[Any, ...], named: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
    routing = named.pop("routing", None)
    for router in layer.mr1_routers:
        router.routing = routing
    return arguments, named


def _watched(cls: Any) -> Any:
    """A subclass of a router that asks a `Routing` where it is given one."""

    class Watched(cls):  # type: ignore[misc]
        routing: Routing | None = None
        number = 0

        def forward(self, *arguments: Any, **named: Any) -> Any:
            if self.routing is None:
                return super().forward(*arguments, **named)
            with _TopK(self.routing, self.number, _experts(self)):
                return super().forward(*arguments, **named)

    return Watched


class _TopK(TorchFunctionMode):
    """While open, a `topk` of each token's (tokens, experts) scores takes those that a `Routing` chooses."""

    def __init__(self, routing: Routing, layer: int, experts: int) -> None:
        super().__init__()
        self.routing, self.layer, self.experts = routing, layer, experts

    def __torch_function__(self, function: Any, types: Any, arguments: Any = (), named: Any = None) -> Any:
        result = function(*arguments, **(named or {}))
        if function not in (torch.topk, Tensor.topk):
            return result
        scores: Tensor = arguments[0] if arguments else (named or {})["input"]
        if scores.ndim != 2 or scores.shape[1] != self.experts:  # some families choose among groups of experts before
            return result
        chosen = self.routing.choose(self.layer, result.indices)
        return torch.return_types.topk((scores.gather(-1, chosen), chosen))
