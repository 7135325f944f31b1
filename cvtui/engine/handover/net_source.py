"""Source text that rebuilds a trained net without cvtui, compared with the net before it is written."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

import torch
from torch import Tensor, nn

from cvtui.calc import (
    Activation,
    BatchNorm,
    Concat,
    Conv,
    Dropout,
    Flatten,
    GlobalPool,
    LayerNorm,
    Linear,
    Node,
    Pool,
    Residual,
    Row,
    Size,
    Softmax,
    Table,
    trace,
)
from cvtui.calc.net.parser import parse
from cvtui.calc.trace import whole
from cvtui.engine.nn import torchvision_models
from cvtui.engine.nn.meta_copy import random_state_kept
from cvtui.engine.nn.model import ACTIVATIONS, Net
from cvtui.engine.nn.module_net import build_module
from cvtui.engine.nn.module_source import import_library
from cvtui.errors import RequestError
from cvtui.export.loader_script import NetText
from cvtui.recipe.net_target import NetTarget, is_target, parse_target
from cvtui.runlog.model_metadata import ModelMetadata
from cvtui.text import error_line

LIMIT = 1e-4
"""Outputs may differ by so much, relative to their largest, where a layer is computed another way."""


class NoSource(Exception):
    """The net can't be spelled without cvtui, or the user's code; the message says why."""


def net_source(about: ModelMetadata, weights: Mapping[str, Tensor]) -> NetText:
    """Return the source of the net with these weights, after it has given the same outputs. NoSource."""
    if about.preprocess.get("name") == "zca":
        raise NoSource(
            "its preprocessing, zca, multiplies by a matrix; --onnx or --pt2 --with-preprocess has it inside"
        )
    size = cast(Size, tuple(about.size))
    try:
        ours, sources = _sources(about, size)
        ours.load_state_dict(weights)
    except (RequestError, RuntimeError) as error:
        raise NoSource(f"its net can't be built here: {error_line(error)}") from None
    why = ""
    for source in sources:
        why = _difference(source, ours, weights, size)
        if not why:
            return source
    raise NoSource(f"rebuilt without cvtui it is another net ({why})")


def _sources(about: ModelMetadata, size: Size) -> tuple[nn.Module, list[NetText]]:
    """Return the net as cvtui builds it, and sources that may rebuild it."""
    if not is_target(about.net):
        table = trace(parse(about.net), size, len(about.classes))
        return Net(table), [_expression(table)]
    target = parse_target(about.net)
    if not target.library:
        raise NoSource(f"the net is your own code ({target}): build it there, then load_state_dict takes the tensors")
    ours = build_module(about.net, size, len(about.classes), int(about.recipe.get("seed", 0))).model
    return ours, [_library(target, ours, words) for words in _words(target, size, len(about.classes))]


def _difference(source: NetText, ours: nn.Module, weights: Mapping[str, Tensor], size: Size) -> str:
    """Run the source; return what is wrong with it, or ""."""
    names: dict[str, Any] = {}
    shape = size if len(size) == 1 else (size[2], size[0], size[1])
    with random_state_kept(), torch.no_grad():
        x = torch.randn(2, *shape, generator=torch.Generator().manual_seed(0))
        try:
            exec(f"import torch\nfrom torch import nn\n{source.imports}\n{source.text}", names)  # our own text
            names["net"].load_state_dict(weights)
            names["net"].eval()
            found = eval(source.call, {**names, "x": x})
        except Exception as error:  # whatever a library's builder says
            return " ".join(f"{type(error).__name__}: {error}".split())[:200]
        wanted = ours.eval()(x)
    if not isinstance(found, Tensor) or found.shape != wanted.shape:
        return "it puts out something else than logits"
    far = float((found - wanted).abs().max() / wanted.abs().max().clamp_min(1e-12))
    return "" if far <= LIMIT else f"outputs differ by {far:.2g}"


# ------------------------------------------------------------------ libraries


def _words(target: NetTarget, size: Size, classes: int) -> list[dict[str, Any]]:
    """Return the arguments that the builder may be called with, the likeliest first."""
    if target.library == "torchvision":
        models = import_library("torchvision.models", target)
        return [{**torchvision_models.builder_options(models, target.name, classes, size), **target.arguments}]
    words: dict[str, Any] = {"num_classes": classes, "in_chans": size[-1], **target.arguments}
    return [{**words, "img_size": size[:2]}, words] if "img_size" not in words else [words]


def _library(target: NetTarget, ours: nn.Module, words: Mapping[str, Any]) -> NetText:
    call = "torchvision.models.get_model" if target.library == "torchvision" else "timm.create_model"
    weights = "weights=None" if target.library == "torchvision" else "pretrained=False"
    arguments = ", ".join([repr(target.name), weights, *(f"{name}={value!r}" for name, value in words.items())])
    text = f"net = {call}({arguments})"
    imports = f"import {target.library}"
    names: dict[str, Any] = {}
    try:
        with random_state_kept():
            exec(f"{imports}\n{text}", names)
    except Exception:
        return NetText(imports, text, "net(x)")  # said when it is compared
    theirs = dict(names["net"].named_modules())
    for name, module in ours.named_modules():
        if isinstance(module, nn.Linear | nn.Conv2d) and name in theirs:
            other = getattr(theirs[name], "weight", None)
            if other is not None and other.shape != module.weight.shape:
                text += f"\nnet{_path(name)} = nn.{module!r}"
    return NetText(imports, text, "net(x).flatten(1)")


def _path(name: str) -> str:
    return "".join(f"[{part}]" if part.isdigit() else f".{part}" for part in name.split("."))


# ------------------------------------------------------------------ net expressions


def _expression(table: Table) -> NetText:
    """Spell a net expression: a chain as nn.Sequential, any other as named layers and a function."""
    rows = [row for row in table.rows if not isinstance(row.node, Softmax)]
    imports = "from collections import OrderedDict"
    chain = all(row.inputs == (number - 1,) for number, row in enumerate(rows))
    layers = []
    for row in rows:
        if isinstance(row.node, Linear) and len(row.input) == 3 and chain:
            layers.append(f'    ("flatten_{row.name}", nn.Flatten()),')
        if not isinstance(row.node, Residual | Concat):
            layers.append(f'    ("{row.name}", {_layer(row)}),')
    text = "\n".join(["net = nn.Sequential(OrderedDict([", *layers, "]))"])
    if chain:
        return NetText(imports, text, "net(x).flatten(1)")
    steps = ["def logits(x):"]
    for number, row in enumerate(rows):
        inputs = [f"x{source}" if source >= 0 else "x" for source in row.inputs]
        steps.append(f"    x{number} = {_step(row, inputs)}")
    steps.append(f"    return x{len(rows) - 1}.flatten(1)")
    return NetText(imports, "\n".join([text, *steps]), "logits(x)")


def _step(row: Row, inputs: list[str]) -> str:
    if isinstance(row.node, Residual):
        return " + ".join(inputs)
    if isinstance(row.node, Concat):
        return f"torch.cat([{', '.join(inputs)}], 1)"
    flat = ".flatten(1)" if isinstance(row.node, Linear) and len(row.input) == 3 else ""
    return f"net.{row.name}({inputs[0]}{flat})"


def _layer(row: Row) -> str:
    """Return a row's module as PyTorch is written."""
    node: Node = row.node
    match node:
        case Conv():
            more = {
                "stride": (whole(node.stride), (1, 1)), "padding": (whole(node.padding), (0, 0)),
                "dilation": (node.dilation, (1, 1)), "groups": (node.groups, 1), "bias": (node.bias, True),
            }  # fmt: skip
            words = [f"{name}={value!r}" for name, (value, usual) in more.items() if value != usual]
            return f"nn.Conv2d({', '.join([str(row.input[-1]), str(node.filters), repr(whole(node.size)), *words])})"
        case Pool():
            kind = "MaxPool2d" if node.kind == "max" else "AvgPool2d"
            words = [repr(node.size), f"stride={node.stride!r}", f"padding={node.padding!r}", f"ceil_mode={node.ceil}"]
            return f"nn.{kind}({', '.join(words + (['divisor_override=1'] if node.kind == 'sum' else []))})"
        case Linear():
            return f"nn.Linear({row.fan_in}, {node.outputs}{'' if node.bias else ', bias=False'})"
        case Activation():
            return f"nn.{ACTIVATIONS[node.kind].__name__}()"
        case BatchNorm():
            return f"nn.BatchNorm1d({row.input[0]})" if len(row.input) == 1 else f"nn.BatchNorm2d({row.input[2]})"
        case LayerNorm():
            size = row.input
            return f"nn.LayerNorm({[size[2], size[0], size[1]] if len(size) == 3 else list(size)})"
        case Dropout():
            return f"nn.Dropout({node.probability:g})"
        case GlobalPool():
            return "nn.AdaptiveAvgPool2d(1)"
        case Flatten():
            return "nn.Flatten()"
    raise NoSource(f"{row.expression} has no layer of PyTorch's own")
