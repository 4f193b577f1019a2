"""The faster layers against torch's own."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import Tensor, nn
from transformers import AutoConfig, AutoModel
from transformers.activations import QuickGELUActivation

from mr1.models.layers import (
    GatedMLP,
    OneDNNLinear,
    PatchConv3d,
    Product,
    QuickGELU,
    blocked_weights,
    use_faster_layers,
)

ONEDNN = pytest.mark.skipif(not torch.backends.mkldnn.is_available(), reason="this torch is without oneDNN")

SMALL = {"num_hidden_layers": 1, "num_attention_heads": 2, "num_key_value_heads": 1, "vocab_size": 32}


def _pair(bias: bool) -> tuple[nn.Linear, OneDNNLinear]:
    torch.manual_seed(0)
    plain = nn.Sequential(nn.Linear(24, 40, bias=bias))
    fast = copy.deepcopy(plain)
    use_faster_layers(fast)
    assert isinstance(plain[0], nn.Linear)
    assert isinstance(fast[0], OneDNNLinear)
    return plain[0], fast[0]


def _gradients(layer: nn.Linear, states: Tensor) -> list[Tensor]:
    states = states.clone().requires_grad_()
    output = layer(states)
    return list(torch.autograd.grad((output * torch.linspace(-1, 1, 40)).sum(), [states, *layer.parameters()]))


@ONEDNN
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("shape", [(7, 24), (2, 5, 24), (1, 1, 24), (0, 24), (2, 0, 24)])
def test_onednn_layers_are_torchs(bias: bool, shape: tuple[int, ...]) -> None:
    plain, fast = _pair(bias)
    states = torch.randn(shape)
    torch.testing.assert_close(fast(states), plain(states), atol=1e-5, rtol=0)
    for one, other in zip(_gradients(fast, states), _gradients(plain, states), strict=True):
        torch.testing.assert_close(one, other, atol=1e-5, rtol=0)
    with torch.no_grad(), blocked_weights([fast]):
        assert fast.product is not None
        torch.testing.assert_close(fast(states), plain(states), atol=1e-5, rtol=0)
    assert fast.product is None


@ONEDNN
def test_states_may_lie_in_memory_in_any_order() -> None:
    plain, fast = _pair(bias=True)
    states = torch.randn(24, 6, 4).permute(2, 1, 0)
    torch.testing.assert_close(fast(states), plain(states), atol=1e-5, rtol=0)
    with torch.no_grad(), blocked_weights([fast]):
        torch.testing.assert_close(fast(states), plain(states), atol=1e-5, rtol=0)


@ONEDNN
def test_what_comes_out_may_be_changed_in_place() -> None:
    """Gemma 3n's forward does so."""
    layer, states = nn.Linear(4, 3), torch.randn(2, 5, 4)
    (layer(states) * 2).sum().backward()
    expected, layer.weight.grad = layer.weight.grad, None
    layer.__class__ = OneDNNLinear
    made = layer(states)
    made *= 2
    made.sum().backward()
    torch.testing.assert_close(layer.weight.grad, expected)


@ONEDNN
def test_a_copy_has_weights_of_its_own() -> None:
    _, fast = _pair(bias=True)
    states = torch.randn(3, 24)
    other = copy.deepcopy(fast)
    before = other(states)
    with torch.no_grad():
        fast.weight.zero_()
    assert torch.equal(other(states), before)


@ONEDNN
def test_frozen_weights_get_no_gradient() -> None:
    _, fast = _pair(bias=True)
    fast.requires_grad_(False)
    states = torch.randn(3, 24, requires_grad=True)
    fast(states).sum().backward()
    assert states.grad is not None
    assert fast.weight.grad is None


def test_layers_of_other_kinds_stay_as_they_are() -> None:
    layers = nn.Sequential(nn.Linear(4, 4, dtype=torch.bfloat16), nn.Conv3d(3, 8, 2, padding=1), nn.LayerNorm(4))
    kinds = [type(layer) for layer in layers]
    use_faster_layers(layers)
    assert [type(layer) for layer in layers] == kinds


@pytest.mark.parametrize("bias", [True, False])
def test_a_convolution_of_single_patches_is_a_product(bias: bool) -> None:
    torch.manual_seed(0)
    plain = nn.Conv3d(3, 16, (2, 4, 4), stride=(2, 4, 4), bias=bias)
    fast = copy.deepcopy(plain)
    use_faster_layers(fast)
    assert isinstance(fast, PatchConv3d)
    patches = torch.randn(9, 3, 2, 4, 4)
    torch.testing.assert_close(fast(patches), plain(patches), atol=1e-5, rtol=0)
    larger = torch.randn(2, 3, 4, 8, 8)
    assert torch.equal(fast(larger), plain(larger))


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("bias", [True, False])
def test_products_and_what_is_done_with_them(dtype: torch.dtype, bias: bool) -> None:
    torch.manual_seed(0)
    layer = nn.Linear(24, 40, bias=bias, dtype=dtype)
    product = Product(layer.weight, layer.bias)
    assert product.fused == (dtype == torch.float32 and torch.backends.mkldnn.is_available())
    states, other = torch.randn(7, 24, dtype=dtype), torch.randn(7, 40, dtype=dtype)
    with torch.no_grad():
        plain = layer(states)
        for made, expected in (
            (product(states), plain),
            (product.silu(states), nn.functional.silu(plain)),
            (product.times(states, other), plain * other),
            (product.plus(states, other), plain + other),
        ):
            torch.testing.assert_close(made, expected, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("family", ["llama", "qwen2", "qwen3"])
def test_a_gated_mlp_is_transformers(family: str) -> None:
    torch.manual_seed(0)
    model = AutoModel.from_config(AutoConfig.for_model(family, hidden_size=16, intermediate_size=40, **SMALL))
    _same_with_gradients(model.layers[0].mlp, GatedMLP, torch.randn(3, 5, 16))


def test_an_mlp_with_another_activation_stays_as_it_is() -> None:
    model = AutoModel.from_config(AutoConfig.for_model("qwen2", hidden_act="gelu", hidden_size=16, **SMALL))
    use_faster_layers(model)
    assert not isinstance(model.layers[0].mlp, GatedMLP)


def test_quick_gelu_is_transformers() -> None:
    torch.manual_seed(0)
    _same_with_gradients(QuickGELUActivation(), QuickGELU, 4 * torch.randn(3, 5, 16))


def _same_with_gradients(plain: nn.Module, kind: type[nn.Module], states: Tensor) -> None:
    """A module of transformers, and itself with the faster ways, by result and by all gradients."""
    fast = copy.deepcopy(plain)
    use_faster_layers(fast)
    assert isinstance(fast, kind)
    results = []
    for module in (plain, fast):
        inputs = states.clone().requires_grad_()
        output = module(inputs)
        weights = torch.linspace(-1, 1, output.numel()).view(output.shape)
        results.append([output, *torch.autograd.grad((output * weights).sum(), [inputs, *module.parameters()])])
    for one, other in zip(*results, strict=True):
        torch.testing.assert_close(one, other, atol=1e-6, rtol=1e-5)
