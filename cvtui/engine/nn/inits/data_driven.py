"""Weights that are put right by what a real batch does in them: each layer measured and rescaled, first to last."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from cvtui.engine.nn.inits.layer import LayerInit, Weighted, layers_of
from cvtui.engine.nn.inits.orthogonal import orthogonal


def lsuv(net: nn.Module, generator: torch.Generator, batch: Tensor, tolerance: float = 0.1, tries: float = 10) -> None:
    """Layer-sequential unit variance (Mishkin & Matas 2015, "All you need is a good init").

    Orthonormal weights, then, from the first layer to the last, W /= sqrt(Var(outputs on the batch)) until |Var − 1| <
    tolerance, at most `tries` times. Tolerance 0.1 and 10 tries are the paper's.

    batch: preprocessed images N x C x H x W. A layer whose outputs are all alike (nothing comes in) stays as it is.
    """

    def put_right(module: Weighted, x: Tensor, output: Tensor) -> Tensor:
        for _ in range(int(tries)):
            variance = output.var(correction=0)
            if (variance - 1).abs() < tolerance or not variance > 0 or not variance.isfinite():
                break
            module.weight.div_(variance.sqrt())
            output = module.forward(x)
        return output

    for layer in layers_of(net):
        orthogonal(layer, generator)
        _no_bias(layer)
    _first_to_last(net, batch, put_right)


def data_dependent(net: nn.Module, generator: torch.Generator, batch: Tensor, beta: float = 0) -> None:
    """Give every channel's outputs on a real batch mean β and variance 1 (Krähenbühl 2015).

    "Data-dependent initializations of CNNs", Algorithm 1: the within-layer normalisation of random weights, without
    k-means, PCA or the balancing between layers: w_k /= σ_k, b_k = β − μ_k / σ_k, from the first layer to the last.

    batch: preprocessed images N x C x H x W. A layer without biases gets the variance but not the mean; a channel
    whose outputs are all alike keeps its weights.
    """

    def put_right(module: Weighted, x: Tensor, output: Tensor) -> Tensor:
        channels = output.dim() - 1 if isinstance(module, nn.Linear) else 1  # of tokens the last axis
        over = [axis for axis in range(output.dim()) if axis != channels]
        # In float64: a channel whose spread is small beside its mean would lose digits.
        variance, mean = torch.var_mean(output.double(), dim=over, correction=0)
        std = torch.where(variance > 0, variance.sqrt(), torch.ones_like(variance))
        module.weight.div_(std.float().view(-1, *[1] * (module.weight.dim() - 1)))
        if module.bias is not None:
            module.bias.copy_((beta - mean / std).float())
        return module.forward(x)

    for layer in layers_of(net):
        layer.weight.normal_(0.0, layer.fan_in**-0.5, generator=generator)
        _no_bias(layer)
    _first_to_last(net, batch, put_right)


def _no_bias(layer: LayerInit) -> None:
    if layer.module.bias is not None:
        layer.module.bias.zero_()


def _first_to_last(net: nn.Module, batch: Tensor, put_right: Callable[[Weighted, Tensor, Tensor], Tensor]) -> None:
    """One pass of the batch; each conv and fc is put right when it is reached, and hands on its new outputs.

    Norms use the batch's own statistics, as in training, and remember nothing of it; dropout is off.
    """

    def hook(module: nn.Module, inputs: Any, output: Tensor) -> Tensor:
        assert isinstance(module, nn.Conv2d | nn.Linear)
        return put_right(module, inputs[0], output)

    handles = [layer.module.register_forward_hook(hook) for layer in layers_of(net)]
    try:
        with _measuring(net):
            net(batch)
    finally:
        for handle in handles:
            handle.remove()


@contextmanager
def _measuring(net: nn.Module) -> Iterator[None]:
    """In the mode of training but for dropout; modes and buffers are put back."""
    modes = [(module, module.training) for module in net.modules()]
    buffers = [(buffer, buffer.clone()) for buffer in net.buffers()]
    for module, _ in modes:
        module.training = not isinstance(module, nn.Dropout)
    try:
        yield
    finally:
        for module, mode in modes:
            module.training = mode
        for buffer, before in buffers:
            buffer.copy_(before)
