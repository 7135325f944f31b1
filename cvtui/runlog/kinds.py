"""Kinds of layers in a `layers` record, in groups: what the doctor's rules and the screen ask of them."""

from __future__ import annotations

CONVOLUTIONS = ("conv", "conv1d", "conv3d", "convtranspose1d", "convtranspose2d", "convtranspose3d")
WEIGHTED = (*CONVOLUTIONS, "fc")
"""Layers whose weights are tables that a signal runs through, one after the other."""
ACTIVATIONS = (
    "relu", "relu6", "leakyrelu", "prelu", "tanh", "sigmoid", "gelu", "silu", "elu", "selu", "celu", "mish",
    "hardswish", "hardsigmoid", "softplus",
)  # fmt: skip
NORMS = ("batchnorm", "layernorm", "groupnorm", "rmsnorm", "layernorm2d", "rmsnorm2d", "localresponsenorm")
RECURRENT = ("lstm", "gru", "rnn")
ATTENTION = ("attention",)


def group_of(kind: str) -> str:
    """Name the group of a kind: weights, activations, norms, attention or other."""
    if kind in WEIGHTED or kind in RECURRENT or kind in ("embedding", "bilinear"):
        return "weights"
    if kind in ACTIVATIONS:
        return "activations"
    if kind in NORMS or kind.endswith("norm"):
        return "norms"
    return "attention" if kind in ATTENTION else "other"
