"""The model against the calculator's table and against PyTorch; initialisation; optimisers by hand."""

from __future__ import annotations

import math
from contextlib import suppress
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from cvtui.calc import trace
from cvtui.calc.net.parser import parse
from cvtui.engine.nn.init import INITS
from cvtui.engine.nn.model import BitDropout, Net, ReLU
from cvtui.engine.optim.groups import parameter_groups
from cvtui.engine.runtime.seeds import WEIGHTS, generator
from cvtui.errors import RequestError
from cvtui.recipe.choices.inits import INITS as CHOICES
from tests.engine.choosing import initialise
from tests.engine.making import gradient_of, training
from tests.examples import examples

NETS = [
    "fc",
    "fc100-tanh-fc50-sigmoid-fc",
    "conv6f5-tanh-pool-conv16f5p0-tanh-avgpool-fc120-tanh-fc84-tanh-fc-softmax",
    "[(conv32-relu)*2-pool]*3-(fc128-relu)-fc",
    "conv16-bn-relu-[res(conv16-bn-relu-conv16-bn)-relu]*2-res(conv32s2-bn-relu-conv32-bn)-relu-gap-fc",
    "conv16-relu-cat(conv8f1|conv8f1-conv12f3|conv4f1-conv4f5|pool3s1p1-conv8f1)-relu-gap-fc",
    "conv12f3x5s2x1p0x2-leakyrelu-conv24g3d2-gelu-sumpool3s2p1ceil-silu-flatten-ln-drop0.2-elu-fc",
    "conv8nobias-ln-relu-avgpool3s2ceil-conv10f1-gap",
    "res(fc3072)-res(fc20)-bn-relu-fc",
    "res(cat(conv4|conv4-res(conv4-relu)-relu)-conv3)-pool4-fc",
]


@pytest.mark.parametrize("text", NETS)
def test_every_layer_gives_the_size_and_has_the_parameters_that_the_table_says(text: str) -> None:
    check_against_table(text)


def check_against_table(text: str, size: tuple[int, int, int] = (32, 32, 3)) -> None:
    table = trace(parse(text), size, 10)
    net = Net(table)
    sizes: dict[str, tuple[int, ...]] = {}

    def note(name: str) -> Any:
        def hook(_module: nn.Module, _inputs: Any, output: torch.Tensor) -> None:
            h_w_c = (*output.shape[2:], output.shape[1])
            sizes[name] = h_w_c

        return hook

    for name, module in net.layers().items():
        module.register_forward_hook(note(name))
    logits = net(torch.randn(2, size[2], size[0], size[1]).to(memory_format=torch.channels_last))
    rows = [row for row in table.rows if row.kind != "softmax"]
    assert list(sizes) == [row.name for row in rows], "the order of computation"
    assert sizes == {row.name: row.output for row in rows}
    for row in rows:
        assert sum(p.numel() for p in net.layers()[row.name].parameters()) == row.parameters
    assert sum(p.numel() for p in net.parameters()) == table.parameters
    assert logits.shape == (2, math.prod(table.output))
    logits.sum().backward()


LAYER = st.sampled_from(
    ["conv4", "conv6f5", "conv4f3s2", "conv8f1", "conv4g2", "relu", "tanh", "bn", "pool", "avgpool3s2p1", "drop0.3",
     "res(conv4-relu)", "res(conv6s2-bn)", "cat(conv2|conv4f5|pool3s1p1)", "sumpool2s1", "gelu", "ln"]
)  # fmt: skip


@settings(max_examples=examples(60), deadline=None)
@given(st.lists(LAYER, min_size=1, max_size=6), st.integers(8, 17), st.integers(8, 17))
def test_random_nets_agree_with_the_table(layers: list[str], height: int, width: int) -> None:
    text = "-".join(["conv4", *layers, "fc7-relu-fc"])
    with suppress(RequestError):  # the map has become too small for a window: the calculator said so
        check_against_table(text, (height, width, 2))


def test_a_residual_net_computes_what_its_expression_says() -> None:
    net = Net(trace(parse("conv4-relu-res(conv8s2-relu-conv8)-gap-fc"), (9, 9, 3), 5)).double()
    layer: dict[str, Any] = net.layers()
    x = torch.randn(3, 3, 9, 9, dtype=torch.float64)
    stem = torch.relu(layer["conv1"](x))
    body = layer["conv3"](torch.relu(layer["conv2"](stem)))
    out = layer["fc1"]((body + layer["proj1"](stem)).mean((2, 3)))
    assert torch.allclose(net(x), out)
    assert layer["proj1"].stride == (2, 2)
    assert layer["proj1"].bias is None


def test_a_1x1_conv_with_a_stride_is_pytorchs_and_harms_no_memory() -> None:
    net = Net(trace(parse("conv6f1s2"), (14, 16, 4), 5)).to(memory_format=torch.channels_last)
    conv: Any = net.layers()["conv1"]
    x = torch.randn(2, 4, 14, 16).to(memory_format=torch.channels_last).requires_grad_()
    out = net(x)
    out.square().sum().backward()
    plain, weight, bias = (p.detach().clone().requires_grad_() for p in (x, conv.weight, conv.bias))
    with torch.backends.mkldnn.flags(enabled=False):
        expected = nn.functional.conv2d(plain, weight, bias, stride=2)
        expected.square().sum().backward()
    assert torch.allclose(out, expected.flatten(1), atol=1e-6)
    assert plain.grad is not None
    assert weight.grad is not None
    assert torch.allclose(gradient_of(x), plain.grad, atol=1e-5)
    assert torch.allclose(conv.weight.grad, weight.grad, atol=1e-4)


def test_pooling_of_sums_is_the_window_times_its_mean() -> None:
    net = Net(trace(parse("sumpool3s2"), (9, 9, 2), 5))
    x = torch.randn(1, 2, 9, 9)
    assert torch.allclose(net(x), 9 * nn.functional.avg_pool2d(x, 3, 2).flatten(1), atol=1e-5)


@pytest.mark.parametrize(("text", "std_of"), [
    ("he", lambda fan_in: math.sqrt(2 / fan_in)),
    ("xavier", lambda fan_in: 1 / math.sqrt(fan_in)),
    ("normal(0.02)", lambda _: 0.02),
])  # fmt: skip
def test_initialisation_has_the_promised_spread(text: str, std_of: Any) -> None:
    net = Net(trace(parse("conv64f5-relu-conv64g2-bn-relu-pool4-res(conv96s2)-fc256-relu-fc"), (32, 32, 3), 10))
    initialise(net, text, generator(0, WEIGHTS))
    checked = 0
    for row in net.table.rows:
        if row.kind in ("conv", "proj", "fc"):
            module: Any = net.layers()[row.name]
            count = module.weight.numel()
            assert module.weight.std().item() == pytest.approx(std_of(row.fan_in), rel=5 / math.sqrt(count))
            assert abs(module.weight.mean().item()) < 5 * std_of(row.fan_in) / math.sqrt(count)
            assert module.bias is None or not module.bias.any()
            checked += 1
    assert checked == 6
    assert set(INITS) == set(CHOICES)


def test_weights_follow_from_the_seed_alone() -> None:
    torch.manual_seed(1)
    first = training(seed=3).model.state_dict()
    torch.manual_seed(2)
    again, other = training(seed=3).model.state_dict(), training(seed=4).model.state_dict()
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert not torch.equal(first["conv1.weight"], other["conv1.weight"])


def test_biases_and_norms_do_not_decay() -> None:
    net = Net(trace(parse("conv4-bn-relu-ln-fc"), (8, 8, 1), 10))
    groups = parameter_groups(net, 0.1)
    names = {id(p): name for name, p in net.named_parameters()}
    decays = {names[id(p)]: group["weight_decay"] for group in groups for p in group["params"]}
    assert decays == {name: 0.1 if name in ("conv1.weight", "fc1.weight") else 0.0 for name in names.values()}


@pytest.mark.parametrize(
    ("net", "over"),
    [
        ("conv4-relu-pool-relu-fc5-relu-fc", [True, False, True]),
        ("conv4-bn-relu-tanh-relu-drop0.5-relu-fc", [True, False, False]),
        # The first is taken by the block and by its way around; its own input is not.
        ("conv4-relu-res(conv4-relu-conv4)-relu-cat(relu|conv4)-fc", [True, True, True, False]),
        ("conv4-cat(relu|relu)-fc", [False, False]),
        ("relu-fc", [False]),
    ],
)
def test_a_relu_writes_over_what_nobody_needs_any_more_and_no_bit_changes(net: str, over: list[bool]) -> None:
    size, images = (6, 6, 2), torch.randn(3, 2, 6, 6, generator=torch.Generator().manual_seed(1))
    table = trace(parse(net), size, classes=7)
    torch.manual_seed(0)
    models = [Net(table), Net(table)]
    models[1].load_state_dict(models[0].state_dict())
    models[1].write_over()
    assert [module.over for module in models[1].modules() if isinstance(module, ReLU)] == over
    found = []
    for model in models:
        torch.manual_seed(2)
        loss = model(images.clone()).square().mean()
        loss.backward()
        found.append([loss.detach(), *(parameter.grad for parameter in model.parameters())])
    assert all(torch.equal(one, other) for one, other in zip(*found, strict=True))


def test_a_relu_that_is_looked_at_leaves_its_input_alone() -> None:
    model = Net(trace(parse("conv4-relu-fc"), (6, 6, 2), classes=7))
    model.write_over()
    seen: list[torch.Tensor] = []
    layers = model.layers()
    handles = [layers[name].register_forward_hook(lambda _m, _i, out: seen.append(out)) for name in ("conv1", "relu1")]
    model(torch.randn(3, 2, 6, 6))
    assert (seen[0] < 0).any()
    assert torch.equal(seen[0].clamp(min=0), seen[1])
    for handle in handles:
        handle.remove()
    model.layers()["conv1"].register_forward_hook(lambda _m, _i, out: seen.append(out))
    model(torch.randn(3, 2, 6, 6))
    assert (seen[2] >= 0).all()  # nobody asked the ReLU


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("p", [0.0, 0.1, 0.25, 0.9, 1.0])
def test_dropout_keeps_its_share_and_the_mean(p: float, dtype: torch.dtype) -> None:
    torch.manual_seed(0)
    layer = BitDropout(p)
    x = torch.ones(64, 32, 16, 16, dtype=dtype).to(memory_format=torch.channels_last).requires_grad_()
    out = layer(x)
    out.sum().backward()
    kept = (out != 0).float().mean().item()
    assert kept == pytest.approx(1 - p, abs=4 * math.sqrt(p * (1 - p) / x.numel()) + 1e-5)  # p is rounded to 1/65536
    if p < 1:
        precision = 1e-4 if dtype == torch.float32 else 4e-3
        assert out[out != 0].unique().tolist() == [pytest.approx(1 / (1 - p), rel=precision)]
    assert torch.equal(gradient_of(x), out.detach())
    assert (out.dtype, out.stride()) == (dtype, x.stride())
    assert torch.equal(layer.eval()(x), x)


def test_dropouts_bits_follow_from_the_seed_and_know_nothing_of_each_other() -> None:
    layer, x = BitDropout(0.5), torch.ones(1 << 18)
    torch.manual_seed(1)
    first, second = layer(x) > 0, layer(x) > 0
    torch.manual_seed(1)
    assert torch.equal(layer(x) > 0, first)
    limit = 5 / math.sqrt(len(x))
    for one, other in ((first, second), *((first[:-gap], first[gap:]) for gap in (1, 2, 3, 4, 16))):
        assert abs((one == other).float().mean().item() - 0.5) < limit
    for place in range(4):  # of the four values that one number decides
        assert abs(first[place::4].float().mean().item() - 0.5) < 2 * limit


def test_dropout_takes_any_layout() -> None:
    layer = BitDropout(0.5)
    for x in (torch.ones(4, 6)[:, ::2], torch.ones(3), torch.ones(0, 5), torch.ones(2, 3, 4).permute(2, 0, 1)):
        out = layer(x)
        assert out.shape == x.shape
        assert set(out.flatten().tolist()) <= {0.0, 2.0}
