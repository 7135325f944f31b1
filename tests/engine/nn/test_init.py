"""Each way for weights to begin keeps what it promises."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils import parametrizations, prune

from cvtui.calc import trace
from cvtui.calc.net.parser import parse
from cvtui.engine.nn.init import INITS
from cvtui.engine.nn.inits.fans import random_walk_gain
from cvtui.engine.nn.inits.fixup import branches_of
from cvtui.engine.nn.inits.layer import LayerInit, layers_of
from cvtui.engine.nn.inits.orthogonal import orthogonal_matrix
from cvtui.engine.nn.model import Net
from cvtui.engine.runtime.seeds import WEIGHTS, generator
from cvtui.errors import RequestError
from cvtui.recipe.choices.inits import INITS as CHOICES
from tests.engine.choosing import initialise, needs_batch
from tests.engine.making import gradient_of, training

WIDE = "conv64f5-relu-conv64g2-bn-relu-pool4-res(conv96s2)-tanh-fc256-relu-fc"
PLAIN = "conv16f5-relu-conv24g2-leakyrelu-pool2-conv32s2-tanh-fc64-relu-fc"
RESIDUAL = "conv8-relu-res(conv8-relu-conv8)-relu-res(conv16s2-relu-conv16-relu-conv16)-relu-gap-fc"


def net_of(expression: str, text: str = "he", seed: int = 0, batch: Tensor | None = None) -> Net:
    net = Net(trace(parse(expression), (16, 16, 3), 10))
    initialise(net, text, generator(seed, WEIGHTS), batch)
    return net


def images(count: int = 64) -> Tensor:
    """Not of mean 0 and variance 1, and pixels side by side are alike: as real ones."""
    noise = torch.randn(count, 3, 20, 20, generator=torch.Generator().manual_seed(5))
    return 0.4 + 2 * nn.functional.avg_pool2d(noise, 5, 1)


def outputs_of(net: Net, batch: Tensor) -> dict[str, Tensor]:
    """Return the outputs of every conv and fc for the batch, norms as in training."""
    found: dict[str, Tensor] = {}

    def hook(name: str) -> Any:
        def seen(_module: nn.Module, _inputs: Any, output: Tensor) -> None:
            found[name] = output.detach()

        return seen

    for layer in layers_of(net):
        layer.module.register_forward_hook(hook(layer.name))
    net.train()
    net(batch)
    return found


def place_of(weight: Tensor) -> Any:
    """Din and Dout as PyTorch counts them (groups of 1)."""
    return nn.init._calculate_fan_in_and_fan_out(weight)


@pytest.mark.parametrize(("text", "std_of"), [
    ("he(slope=0.1)", lambda p: math.sqrt(2 / 1.01 / p.fan_in)),
    ("he(fan_out=1)", lambda p: math.sqrt(2 / p.fan_out)),
    ("glorot", lambda p: math.sqrt(2 / (p.fan_in + p.fan_out))),
    ("glorot(uniform=1)", lambda p: math.sqrt(2 / (p.fan_in + p.fan_out))),
    ("lecun", lambda p: math.sqrt(1 / p.fan_in)),
    ("lecun(uniform=1)", lambda p: math.sqrt(1 / p.fan_in)),
    ("uniform(0.3)", lambda _: 0.3 / math.sqrt(3)),
    ("random-walk", lambda p: random_walk_gain(p.fan_in, p.activation) / math.sqrt(p.fan_in)),
])  # fmt: skip
def test_spread_of_each_layer(text: str, std_of: Any) -> None:
    for layer in layers_of(net_of(WIDE, text)):
        count = layer.weight.numel()
        assert layer.weight.std().item() == pytest.approx(std_of(layer), rel=5 / math.sqrt(count))
        assert abs(layer.weight.mean().item()) < 5 * std_of(layer) / math.sqrt(count)
        if "uniform" in text:
            assert layer.weight.abs().max() <= math.sqrt(3) * std_of(layer) * (1 + 1e-6)
            assert layer.weight.abs().max() > 0.99 * math.sqrt(3) * std_of(layer)


@pytest.mark.parametrize(("text", "fill"), [
    ("he(0.2, 1)", lambda w, g: nn.init.kaiming_normal_(w, a=0.2, mode="fan_out", generator=g)),
    ("he(0.2)", lambda w, g: nn.init.kaiming_normal_(w, a=0.2, nonlinearity="leaky_relu", generator=g)),
    ("glorot", lambda w, g: nn.init.xavier_normal_(w, generator=g)),
    ("glorot(1)", lambda w, g: nn.init.xavier_uniform_(w, generator=g)),
    ("uniform(0.1)", lambda w, g: nn.init.uniform_(w, -0.1, 0.1, generator=g)),
    ("normal(0.1)", lambda w, g: nn.init.normal_(w, 0, 0.1, generator=g)),
])  # fmt: skip
def test_the_same_numbers_as_pytorchs(text: str, fill: Any) -> None:
    net, maker = net_of("conv8f5-relu-conv12s2-relu-fc20-relu-fc", text), generator(0, WEIGHTS)
    for layer in layers_of(net):
        expected = fill(torch.empty(layer.weight.shape), maker)
        assert torch.allclose(layer.weight, expected, rtol=1e-5, atol=0)


def test_fans_are_pytorchs_but_for_groups() -> None:
    for layer in layers_of(net_of("conv8f5-relu-conv12s2f3x5-fc20-fc")):
        assert (layer.fan_in, layer.fan_out) == place_of(layer.weight)
    grouped = {layer.name: layer for layer in layers_of(net_of(PLAIN))}["conv2"]
    assert (grouped.fan_in, grouped.fan_out) == (9 * 16 // 2, 9 * 24 // 2)


def test_he_xavier_and_normal_draw_what_they_always_drew() -> None:
    for text, std_of in (
        ("he", lambda fan_in: math.sqrt(2.0 / fan_in)),
        ("xavier", lambda fan_in: 1.0 / math.sqrt(fan_in)),
        ("normal(0.02)", lambda _: 0.02),
    ):
        maker = generator(3, WEIGHTS)
        for layer in layers_of(net_of(WIDE, text, seed=3)):
            expected = torch.empty(layer.weight.shape).normal_(0.0, std_of(layer.fan_in), generator=maker)
            assert torch.equal(layer.weight, expected)


def test_the_activation_that_follows_is_found() -> None:
    net = Net(trace(parse("conv8-bn-relu-pool2-res(conv8-leakyrelu-conv8)-relu-conv8-tanh-fc9"), (16, 16, 3)))
    assert [layer.activation for layer in layers_of(net)] == ["relu", "leakyrelu", "", "tanh", ""]


# ------------------------------------------------------------------ what stays as long as it was


@pytest.mark.parametrize("gain", [1.0, 1.7])
def test_orthogonal_rows_or_columns(gain: float) -> None:
    for layer in layers_of(net_of(WIDE, f"orthogonal({gain})")):
        groups = getattr(layer.module, "groups", 1)
        for part in layer.weight.flatten(1).chunk(groups):
            few = part if part.shape[0] <= part.shape[1] else part.T
            assert torch.allclose(few @ few.T, gain**2 * torch.eye(len(few)), atol=1e-5)


def test_orthogonal_matrices_favour_no_direction() -> None:
    maker = torch.Generator().manual_seed(0)
    drawn = torch.stack([orthogonal_matrix(2, 2, maker) for _ in range(2000)])
    angles = torch.atan2(drawn[:, 1, 0], drawn[:, 0, 0])
    counts = torch.histc(angles, 8, -math.pi, math.pi)
    assert ((counts - 250).abs() < 5 * math.sqrt(250)).all()
    turned = (torch.linalg.det(drawn) > 0).float().mean().item()  # the other half are mirrored
    assert turned == pytest.approx(0.5, abs=0.06)


def test_random_walk_gain_is_the_papers() -> None:
    assert random_walk_gain(100, "relu") == pytest.approx(math.sqrt(2) * math.exp(1.2 / 97.6))
    assert random_walk_gain(3, "relu") == pytest.approx(math.sqrt(2) * math.exp(1.2 / 3.6))
    assert random_walk_gain(100, "") == pytest.approx(math.exp(1 / 200))
    assert random_walk_gain(100, "tanh") == random_walk_gain(100, "")


def test_random_walk_keeps_the_gradients_length_where_he_loses_it() -> None:
    """50 ReLU layers of 24 units: the drift of log |gradient|, over 60 nets. The paper's claim itself."""
    width, depth, nets = 24, 50, 60

    def drift(std: float) -> float:
        maker = torch.Generator().manual_seed(1)
        weights = torch.randn(depth, nets, width, width, generator=maker) * std
        h = torch.randn(nets, 1, width, generator=maker)
        masks = []
        for layer in weights:
            h = h @ layer.transpose(1, 2)
            masks.append(h > 0)
            h = h.relu()
        back = torch.randn(nets, 1, width, generator=maker)
        before = back.norm(dim=2)
        for layer, mask in zip(weights.flip(0), reversed(masks), strict=True):
            back = (back * mask) @ layer
        return (back.norm(dim=2) / before).log().mean().item() / depth

    walk = drift(random_walk_gain(width, "relu") / math.sqrt(width))
    he = drift(math.sqrt(2 / width))
    assert abs(walk) < 0.02
    assert he < -0.03


# ------------------------------------------------------------------ what is measured


def test_lsuv_gives_every_layer_unit_variance() -> None:
    batch = images()
    for expression in (PLAIN, WIDE, RESIDUAL):
        found = outputs_of(net_of(expression, "lsuv(0.001)", batch=batch), batch)
        assert len(found) >= 5
        for name, output in found.items():
            assert output.var(correction=0).item() == pytest.approx(1, abs=2e-3), (expression, name)


def test_lsuv_lets_pass_what_is_near_enough() -> None:
    batch = images()
    for output in outputs_of(net_of(PLAIN, "lsuv", batch=batch), batch).values():
        assert abs(output.var(correction=0).item() - 1) < 0.1
    net = net_of("fc-relu", "lsuv(1)", batch=0.9 * nn.functional.normalize(torch.randn(64, 3, 16, 16)))
    weight = next(layers_of(net)).weight
    assert torch.allclose(weight @ weight.T, torch.eye(10), atol=1e-5)  # within 1: not touched


def test_data_dependent_gives_every_channel_mean_0_and_variance_1() -> None:
    batch = images()
    for expression in (PLAIN, WIDE, RESIDUAL):
        net = net_of(expression, "data-dependent", batch=batch)
        biased = {layer.name for layer in layers_of(net) if layer.module.bias is not None}
        for name, output in outputs_of(net, batch).items():
            over = [0, *range(2, output.dim())]
            assert torch.allclose(output.var(over, correction=0), torch.ones(output.shape[1]), atol=1e-3), name
            if name in biased:
                assert output.mean(over).abs().max() < 1e-3, name
    tokens = nn.Sequential(nn.Flatten(2), nn.Linear(batch[0, 0].numel(), 5))  # N x T x C: the channels lie last
    initialise(tokens, "data-dependent", torch.Generator(), batch)
    assert torch.allclose(tokens(batch).var((0, 1), correction=0), torch.ones(5), atol=1e-3)
    shifted = outputs_of(net_of(PLAIN, "data-dependent(0.5)", batch=batch), batch)
    assert shifted["conv1"].mean((0, 2, 3)).tolist() == pytest.approx([0.5] * 16, abs=1e-3)


@pytest.mark.parametrize("text", ["lsuv", "data-dependent"])
def test_measuring_leaves_norms_modes_and_random_numbers_alone(text: str) -> None:
    net = Net(trace(parse("conv8-bn-relu-drop0.5-fc16-bn-relu-fc"), (16, 16, 3), 10))
    net.eval()
    fresh = {name: buffer.clone() for name, buffer in net.named_buffers()}
    state = torch.get_rng_state()
    initialise(net, text, generator(0, WEIGHTS), images())
    assert torch.equal(torch.get_rng_state(), state)
    assert not any(module.training for module in net.modules())
    assert all(torch.equal(buffer, fresh[name]) for name, buffer in net.named_buffers())
    assert not any(module._forward_hooks for module in net.modules())


@pytest.mark.parametrize("text", ["lsuv", "data-dependent"])
def test_a_batch_that_says_nothing_harms_nothing(text: str) -> None:
    for parameter in net_of(PLAIN, text, batch=torch.zeros(8, 3, 16, 16)).parameters():
        assert parameter.isfinite().all()
    assert needs_batch(text)
    assert not needs_batch("he")
    with pytest.raises(ValueError, match="real batch"):
        net_of(PLAIN, text)


@pytest.mark.parametrize("text", ["lsuv(0.01)", "data-dependent"])
def test_a_run_measures_its_first_images(text: str) -> None:
    from cvtui.engine.train.state import first_batch

    t = training(init=text, net="conv8-relu-fc")
    with torch.no_grad():
        output = t.model.get_submodule("conv1")(t.preprocess(first_batch(t).pixels))
    assert output.var(correction=0).item() == pytest.approx(1, abs=0.011)


# ------------------------------------------------------------------ fixup


def test_fixup_blocks_begin_as_the_identity() -> None:
    batch = images(8)
    net = net_of(RESIDUAL, "fixup")
    layers: Any = net.layers()
    assert not net(batch).any()  # the classifier gives 0 for whatever comes
    layers["fc1"].weight.data.normal_(generator=torch.Generator().manual_seed(0))
    before = net(batch)
    for name in ("conv2", "conv4", "conv5"):  # first layers of the branches: nothing of them is seen
        layers[name].weight.data.mul_(3).add_(1)
    assert torch.equal(net(batch), before)
    h = torch.relu(layers["conv1"](batch))
    around = layers["proj1"](torch.relu(h)).relu().mean((2, 3))
    assert torch.allclose(before, layers["fc1"](around), atol=1e-5)


def test_fixup_scales_by_the_number_of_blocks_and_their_depth() -> None:
    fixed, he = net_of(RESIDUAL, "fixup"), net_of(RESIDUAL, "he")
    weights = {layer.name: layer.weight for layer in layers_of(he)}
    factor = {"conv1": 1, "conv2": 2**-0.5, "conv3": 0, "conv4": 2**-0.25, "conv5": 2**-0.25, "conv6": 0, "proj1": 1}
    for layer in layers_of(fixed):
        assert torch.allclose(layer.weight, weights[layer.name] * factor.get(layer.name, 0), atol=1e-7), layer.name


def test_fixup_in_blocks_of_every_shape() -> None:
    nested = net_of(
        "conv8-res(conv8-relu-res(conv8-relu-conv8)-conv8)-res(cat(conv4|conv4-relu-conv4))-res(pool3s1p1)-fc"
    )
    found = [(sorted(branch.layers), sorted(branch.last), branch.depth) for branch in branches_of(nested)]
    assert found == [
        (["conv3", "conv4"], ["conv4"], 2),
        (["conv2", "conv3", "conv4", "conv5"], ["conv5"], 4),
        (["conv6", "conv7", "conv8"], ["conv6", "conv8"], 2),
    ]
    for expression in (
        PLAIN,
        "conv8-res(conv8)-fc",
        "res(res(conv16-conv16))-res(res(conv8)-bn)-fc",
        "fc9-res(fc7)-fc",
    ):
        net = net_of(expression, "fixup")
        for branch in branches_of(net):
            for name in branch.last:
                assert not net.get_parameter(f"{name}.weight").any()
        assert not net(images(4)).any()
        assert next(layers_of(net)).weight.isfinite().all()


def test_a_deep_fixup_net_starts_with_a_gradient_of_moderate_size() -> None:
    """What it is for: without norms, He's logits grow with every block."""
    deep = "conv8-relu-" + "(res(conv8-relu-conv8)-relu)*20" + "-gap-fc"
    batch = images(16)
    stds = {text: net_of(deep, text)(batch).std().item() for text in ("he", "fixup")}
    assert stds["he"] > 100
    assert stds["fixup"] == 0


# ------------------------------------------------------------------ why not


def test_zeros_and_constants_learn_no_two_different_units() -> None:
    batch = images(8)
    zero = net_of("conv8-relu-fc16-relu-fc", "zeros")
    nn.functional.cross_entropy(zero(batch), torch.arange(8)).backward()
    assert not any(parameter.any() for parameter in zero.parameters())
    gradients = {name: gradient_of(parameter) for name, parameter in zero.named_parameters()}
    assert all(not gradient.any() for name, gradient in gradients.items() if name != "fc2.bias")
    same = net_of("conv8-relu-fc16-relu-fc", "constant(0.02)")
    optimizer = torch.optim.SGD(same.parameters(), lr=0.1)
    for _ in range(3):
        optimizer.zero_grad()
        nn.functional.cross_entropy(same(batch), torch.arange(8)).backward()
        optimizer.step()
    weights: Any = same.layers()["conv1"]
    assert torch.allclose(weights.weight, weights.weight[:1].expand_as(weights.weight), atol=1e-6)
    assert weights.weight.std() > 0  # it learned something: eight times the same


# ------------------------------------------------------------------ all


@pytest.mark.parametrize("name", list(CHOICES))
def test_all_begin_with_biases_of_0_from_the_seed_alone(name: str) -> None:
    batch = images()
    torch.manual_seed(1)
    first = net_of(RESIDUAL, name, batch=batch).state_dict()
    torch.manual_seed(2)
    again, other = net_of(RESIDUAL, name, batch=batch), net_of(RESIDUAL, name, seed=1, batch=batch)
    assert all(torch.equal(first[key], value) for key, value in again.state_dict().items())
    if name not in ("zeros", "constant"):
        assert not torch.equal(first["conv1.weight"], other.state_dict()["conv1.weight"])
    if name not in ("data-dependent", "own"):
        assert not any(layer.module.bias.any() for layer in layers_of(again) if layer.module.bias is not None)
    assert all(not parameter.requires_grad or parameter.grad is None for parameter in again.parameters())
    assert all(parameter.is_leaf for parameter in again.parameters())


def test_every_choice_has_its_function_and_parameters() -> None:
    import inspect

    assert set(INITS) == set(CHOICES)
    for name, choice in CHOICES.items():
        given = inspect.signature(INITS[name]).parameters
        defaults = {key: value.default for key, value in given.items() if value.default is not inspect.Parameter.empty}
        assert defaults == {key: parameter.default for key, parameter in choice.parameters.items()}, name
        assert INITS[name].__doc__
    assert LayerInit.__doc__


@pytest.mark.parametrize(("text", "words"), [
    ("he(slope=2)", "0 to 1"),
    ("orthogonl", "orthogonal"),
    ("constant(x)", "not a number"),
    ("lsuv(0)", "0 < x <= 1"),
    ("random_walk(1)", "takes no values"),
])  # fmt: skip
def test_wrong_texts_are_told(text: str, words: str) -> None:
    with pytest.raises(RequestError) as caught:
        net_of(PLAIN, text)
    assert words in caught.value.message


@pytest.mark.parametrize("name", ["weight_norm", "spectral_norm", "orthogonal"])
@pytest.mark.parametrize("way", ["he", "lsuv"])
def test_weights_behind_a_parametrization_are_written(way: str, name: str) -> None:
    """PyTorch works them out anew at each look, and drops what is written into them."""
    nets = [nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.ReLU(), nn.Flatten(), nn.Linear(8 * 36, 4)) for _ in (0, 1)]
    plain, net = (one.eval() for one in nets)
    getattr(parametrizations, name)(net[0])
    batch = torch.randn(32, 3, 6, 6, generator=generator(1, WEIGHTS))
    for one in (plain, net):
        initialise(one, way, generator(0, WEIGHTS), batch)
    drawn, kept = (next(layers_of(one)).weight.detach() for one in (plain, net))
    if name == "weight_norm":
        assert torch.allclose(kept, drawn)
    elif name == "spectral_norm":
        norm = torch.linalg.matrix_norm(drawn.flatten(1), 2)
        assert torch.allclose(kept, drawn / norm, rtol=0.02, atol=0.0)
    else:  # of each kernel: the nearest that is orthonormal
        assert torch.allclose(kept @ kept.mT, torch.eye(3), atol=1e-4)
        assert (drawn * kept).sum() > 0.6 * drawn.norm() * kept.norm()


def test_weights_that_take_no_values_are_refused() -> None:
    net = nn.Sequential(nn.Flatten(), nn.Linear(12, 4))
    prune.l1_unstructured(net[1], "weight", 0.5)
    with pytest.raises(RequestError, match="weight of '1' is worked out by what takes no values"):
        initialise(net, "he", generator(0, WEIGHTS))
