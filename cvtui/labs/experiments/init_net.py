"""The lab `init` on any net expression: every scheme on the same net, real layers in their order."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from cvtui.calc import Activation
from cvtui.engine.nn.init import initialise
from cvtui.engine.nn.model import Net
from cvtui.errors import RequestError
from cvtui.labs.experiments.data import build
from cvtui.labs.experiments.init_figures import Variant, figures
from cvtui.labs.experiments.train import noise
from cvtui.labs.report import Knobs, LabResult, Report, round4
from cvtui.recipe.choices.inits import INITS
from cvtui.recipe.choices.spec import parse_choice
from cvtui.text import compact

SIZE = (32, 32, 3)


def run_net(knobs: Knobs, report: Report) -> LabResult:
    """Measure the outputs of a net's activation layers on inputs ~ N(0, 1) of 32x32x3.

    The gradient begins at the net's outputs with N(0, 1), as in the stack.
    """
    net = build(str(knobs["net"]), SIZE, 10, 0)
    names = [row.name for row in net.table.rows if isinstance(row.node, Activation)]
    if not names:
        raise RequestError("--net: it has no activation layer (relu, tanh …) to look at")
    seed = int(knobs["seed"])
    inputs = torch.randn(int(knobs["batch"]), SIZE[2], SIZE[0], SIZE[1], generator=noise(seed))
    schemes = str(knobs["scheme"]).split(",")
    ways: list[Variant] = []
    for number, scheme in enumerate(schemes):
        report(number / len(schemes), scheme, lambda: figures(ways, names))
        init = parse_choice(init_of(scheme), INITS, "scheme")
        initialise(net, init, torch.Generator().manual_seed(seed))
        ways.append(way_of(net, names, inputs, scheme, seed))
    numbers: dict[str, object] = {"layers": names}
    for way in ways:
        numbers[f"std {way.name}"] = [round4(value) for value in way.stds]
        numbers[f"mean {way.name}"] = [round4(value) for value in way.means]
        numbers[f"gradient {way.name}"] = [round4(value) for value in reversed(way.gradients)]
    ends = "; ".join(f"{way.words}: {compact(way.stds[-1], 2)}" for way in ways)
    return LabResult(
        figures=figures(ways, names),
        numbers=numbers,
        claim_holds=None,
        sentence=f"Std of the activations after {names[-1]}: {ends}.",
    )


def init_of(scheme: str) -> str:
    """Return the knob's value as a recipe writes it: `normal-0.01` is `normal(0.01)`."""
    name, _, std = scheme.partition("-")
    return f"{name}({std})" if std else name


def way_of(net: Net, names: list[str], inputs: Tensor, scheme: str, seed: int = 0) -> Variant:
    """One pass forward and back, looked at in the layers of these names."""
    kept: dict[str, Tensor] = {}
    handles = []
    for name in names:

        def keep(_module: nn.Module, _inputs: object, output: Tensor, name: str = name) -> None:
            output.retain_grad()
            kept[name] = output

        handles.append(net.get_submodule(name).register_forward_hook(keep))
    try:
        outputs = net(inputs)
        outputs.backward(torch.randn(outputs.shape, generator=noise(seed, 1)))
    finally:
        for handle in handles:
            handle.remove()
        net.zero_grad()
    way = Variant("net", scheme, outputs=[inputs])
    for name in names:
        output = kept[name]
        way.outputs.append(output.detach())
        way.before.append(output.detach())
        way.stds.append(float(output.detach().std()))
        way.means.append(float(output.detach().mean()))
    for name in reversed(names):
        gradient = kept[name].grad
        assert gradient is not None
        way.gradients.append(float(gradient.square().mean().sqrt()))
    return way
