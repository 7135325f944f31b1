"""Kinds of layers: what a record calls a module, and which modules have a row of their own."""

from __future__ import annotations

from collections.abc import Mapping

from torch import nn
from torch.nn.parameter import is_lazy

from cvtui.engine.observe.shards import class_name

CLASSES: tuple[tuple[type[nn.Module], str], ...] = (
    (nn.Conv2d, "conv"),
    (nn.Linear, "fc"),
    (nn.ReLU, "relu"),
    (nn.LeakyReLU, "leakyrelu"),
    (nn.Tanh, "tanh"),
    (nn.Sigmoid, "sigmoid"),
    (nn.GELU, "gelu"),
    (nn.SiLU, "silu"),
    (nn.ELU, "elu"),
    (nn.ReLU6, "relu6"),
    (nn.Conv1d, "conv1d"),
    (nn.Conv3d, "conv3d"),
    (nn.ConvTranspose1d, "convtranspose1d"),
    (nn.ConvTranspose2d, "convtranspose2d"),
    (nn.ConvTranspose3d, "convtranspose3d"),
    (nn.LSTM, "lstm"),
    (nn.GRU, "gru"),
    (nn.modules.batchnorm._BatchNorm, "batchnorm"),
    (nn.LayerNorm, "layernorm"),
    (nn.GroupNorm, "groupnorm"),
    (nn.RMSNorm, "rmsnorm"),
    (nn.MultiheadAttention, "attention"),
)
"""Subclasses count as their base: timm's Conv2dSame is a conv."""

NAMES = {
    "gelu": ("geluactivation", "newgeluactivation", "fastgeluactivation", "quickgeluactivation", "pytorchgelutanh",
             "gelutanh", "quickgelu", "accurategeluactivation", "clippedgeluactivation"),
    "silu": ("siluactivation", "swish", "swishme", "memoryefficientswish"),
    "hardswish": ("hardswishme",),
    "hardsigmoid": ("hardsigmoidme",),
    "mish": ("mishactivation", "mishme"),
    "relu": ("reluactivation",),
}  # fmt: skip
"""Activations of timm and of Hugging Face's transformers by their classes' names in small letters."""

_BY_NAME = {name: kind for kind, names in NAMES.items() for name in names}

PASSING: tuple[type[nn.Module], ...] = (
    nn.Identity, nn.Flatten, nn.Unflatten, nn.modules.dropout._DropoutNd, nn.modules.loss._Loss,
    nn.Sequential, nn.ModuleList, nn.ModuleDict, nn.ParameterList, nn.ParameterDict,
)  # fmt: skip
"""Without children these compute no layer's output: they pass on, hide or hold what others computed, or are a loss."""
PASSING_NAMES = frozenset(("droppath", "stochasticdepth", "permute", "dropblock2d"))

RECURRENT = ("lstm", "gru")
"""Kinds that have gates."""


Layers = Mapping[str, tuple[str, nn.Module]]


def kind_of(module: nn.Module) -> str:
    """Name the kind of a layer: conv, fc, relu …; of others their class's name in small letters."""
    for base, kind in CLASSES:
        if isinstance(module, base):
            return kind
    name = class_name(module).lower()
    return _BY_NAME.get(name, name)


def is_leaf(module: nn.Module) -> bool:
    """Return True for a module without children (whose own truth value and length are their business)."""
    return next(module.children(), None) is None


def computes(module: nn.Module) -> bool:
    """Return True for a module without children that computes something of its own."""
    return is_leaf(module) and not isinstance(module, PASSING) and class_name(module).lower() not in PASSING_NAMES


def attentions(model: nn.Module) -> set[nn.Module]:
    """Return the innermost modules that are called attention and have layers of their own."""
    found = set()
    for module in model.modules():
        if _is_attention(module) and not any(_is_attention(one) for one in module.modules() if one is not module):
            found.add(module)
    return found


def _is_attention(module: nn.Module) -> bool:
    if isinstance(module, nn.MultiheadAttention):
        return True
    return "attention" in type(module).__name__.lower() and not is_leaf(module)


def watched_layers(model: nn.Module) -> dict[str, tuple[str, nn.Module]]:
    """Map names to (kind, module) of every layer that computes, in the model's order.

    A shared module is there once. The names are those of `named_modules`, without what torch.compile and DataParallel
    put before them.
    """
    layers = {}
    attending = attentions(model)
    known = tuple(base for base, _ in CLASSES)
    for name, module in model.named_modules():
        if module in attending or isinstance(module, known) or computes(module):
            kind = "attention" if module in attending else kind_of(module)
            layers[plain_name(name) or kind] = (kind, module)
    return layers


def plain_name(name: str) -> str:
    """Leave out what torch.compile puts into a module's name, and DataParallel or Fabric before it."""
    parts = [part for part in name.split(".") if part != "_orig_mod"]
    while len(parts) > 1 and parts[0] in ("module", "_forward_module"):
        del parts[0]
    return ".".join(parts)


def weight_of(module: nn.Module) -> nn.Parameter | None:
    """Return the layer's own weights: `weight`, else its first parameter that is a table (an LSTM's, attention's)."""
    weight = module._parameters.get("weight")
    if weight is None:
        tables = (p for p in module._parameters.values() if p is not None and p.dim() > 1)
        weight = next(tables, None)
    return weight if isinstance(weight, nn.Parameter) and weight.numel() and not is_lazy(weight) else None
