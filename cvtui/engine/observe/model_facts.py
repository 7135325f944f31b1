"""Facts about a model and its optimizer for the doctor: options, first weights, first outputs."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from cvtui.engine.observe.autograd_graph import Node, inputs, stem, walk
from cvtui.engine.observe.first_signs import repeated_layers
from cvtui.engine.observe.layer_kinds import plain_name
from cvtui.engine.observe.loss_graph import LIBRARY
from cvtui.engine.observe.shards import is_gathered, is_sharded, own_shard
from cvtui.engine.observe.statistics import moments
from cvtui.engine.optim.groups import held_by
from cvtui.runlog.events import WeightFact
from cvtui.text import rounded_or_none

TEMPERATURES = (1.0, 2.0, 0.5, 3.0, 4.0, 5.0, 10.0)
"""What logits are divided by before a softmax, now and then."""


LOSSES = {
    node: {"nll": "cross-entropy"}.get(kind, kind.removesuffix(" with logits"))
    for node, kind in LIBRARY.items()
    if kind != "ctc"
}
"""Nodes of autograd's graph that are a loss, and its name."""
NODES = 64
"""Of the loss's graph, from its end, that are looked at."""
PENALTY_NODES = 400
"""The same where sums over weights are looked for."""


def loss_facts(node: Node | None) -> dict[str, Any]:
    """Return `loss_terms` and `loss_reduction`, from the end of the graph that ends in `node`; {} where it has none."""
    if node is None:
        return {}
    found = [now for now in walk(node, NODES, lambda now: stem(now) in LOSSES) if stem(now) in LOSSES]
    terms = [LOSSES[stem(now)] for now in found]
    reductions = {getattr(now, "_saved_reduction", None) for now in found}
    reduced = {0: "none", 1: "mean", 2: "sum"}.get(reductions.pop() or 0) if len(reductions) == 1 else None
    return {"loss_terms": terms, "loss_reduction": reduced or ""}


PENALTIES = ("PowBackward", "NormBackward", "LinalgVectorNormBackward", "AbsBackward", "SquareBackward", "MulBackward")
"""Nodes that a penalty makes of a weight."""
UNPENALISED = {*LOSSES, "AddmmBackward", "ConvolutionBackward", "MmBackward", "LogSoftmaxBackward"}
"""Nodes behind which no penalty is looked for."""


def weights_in_loss(node: Node | None, own: Collection[int]) -> bool:
    """Return True if a sum over a parameter's own squares or sizes is added to the loss. own: parameters by id."""
    leaves = (
        getattr(before, "variable", None)
        for now in walk(node, PENALTY_NODES, lambda now: stem(now) in UNPENALISED)
        if stem(now) in PENALTIES
        for before in inputs(now)
    )
    return any(leaf is not None and id(leaf) in own and leaf.dim() > 1 for leaf in leaves)


class LeftOut:
    """Trainable parameters that no optimizer holds and that nothing else changes."""

    def __init__(self, model: nn.Module, optimizers: Sequence[Optimizer]) -> None:
        held = held_by(*optimizers)
        self._unknown = is_gathered(model)
        self._order = {plain_name(name): place for place, (name, _) in enumerate(model.named_parameters())}
        own = [place for place, p in enumerate(model.parameters()) if id(p) in held]
        self._first_held = min(own, default=None)
        self._known = {id(p) for p in model.parameters()}
        self._replaced = False
        self._parameters = [
            (plain_name(name), p, p._version, _some_of(p))
            for name, p in model.named_parameters()
            if p.requires_grad and id(p) not in held and not self._unknown
        ]

    def look_again(self, model: nn.Module, optimizers: Sequence[Optimizer]) -> None:
        """Add parameters that the first forward pass made."""
        if self._unknown or is_sharded(model):
            return
        held = held_by(*optimizers)
        for name, p in model.named_parameters():
            if id(p) in self._known:
                continue
            self._order.setdefault(plain_name(name), len(self._order))
            if p.requires_grad and id(p) not in held:
                self._parameters.append((plain_name(name), p, p._version, _some_of(p)))

    def in_forward(self, model: nn.Module) -> None:
        """Note where others stand in for all parameters while the model runs (torch.func.functional_call)."""
        own = {id(p) for p in model.parameters()}
        self._replaced = self._replaced or (bool(own) and not own & self._known)

    @property
    def unknown(self) -> bool:
        """True where nothing can be said of what the optimizer holds and of what gets a gradient."""
        return self._unknown or self._replaced

    def set_by_hand(self) -> set[str]:
        """Return the names of those that no optimizer holds and that something changes: a copy that follows."""
        return {
            name
            for name, parameter, version, values in self._parameters
            if parameter._version != version and not torch.equal(values, _some_of(parameter))
        }

    def facts(self, without: Collection[str] | None) -> dict[str, Any]:
        """Return the fields of `Facts` about those that are as they were in the beginning.

        without: names of the parameters that have got no gradient.
        """
        if self.unknown:
            return {}
        names = [
            name
            for name, parameter, version, values in self._parameters
            # Fused Adam does not count the version up.
            if parameter._version == version and torch.equal(values, _some_of(parameter))
        ]
        places = [self._order[name] for name in names]
        return {
            "left_out": names[:50],
            "left_out_count": len(names),
            "left_out_idle": None if without is None else len(set(names) & {plain_name(name) for name in without}),
            "holds_tail": bool(names) and self._first_held is not None and max(places) < self._first_held,
        }


def _some_of(parameter: Tensor) -> Tensor:
    """Copy the first values of a parameter."""
    return own_shard(parameter).detach().reshape(-1)[:64].clone()


def optimizer_facts(model: nn.Module, optimizers: Sequence[Optimizer]) -> dict[str, Any]:
    """Fields of `Facts` about the optimizers: parameters they hold, options (of the first one)."""
    optimizer, held = optimizers[0], held_by(*optimizers)
    named = list(model.named_parameters())
    own = {id(p) for _, p in named}
    frozen = [plain_name(name) for name, p in named if not p.requires_grad]
    group = optimizer.param_groups[0]
    betas = group.get("betas")
    return {
        "optimizer": type(optimizer).__name__.lower(),
        "betas": [float(beta) for beta in betas] if isinstance(betas, Sequence) else [],
        "initial_rate": _initial_rate(group),
        "repeated_layers": repeated_layers(model),
        "momentum": float(betas[0] if isinstance(betas, Sequence) else group.get("momentum", 0.0)),
        "weight_decay": max(float(group.get("weight_decay", 0.0)) for group in optimizer.param_groups),
        "parameters": sum(p.requires_grad for _, p in named),
        "foreign": None if is_gathered(model) else len(held - own),
        "optimizers": len(optimizers),
        "zero_eps": zero_eps(optimizers),
        "frozen": frozen[:50],
        "frozen_count": len(frozen),
        "zero_norms": _zero_norms(model),
        "fresh_norms": _fresh_norms(model) if frozen or len(held & own) < len(own) else None,
    }


def zero_eps(optimizers: Sequence[Optimizer]) -> float | None:
    """Return an eps that is 0 in the type of a weight that it is to keep from 0/0; None without one.

    (The fused kinds compute in float32.)
    """
    for one in optimizers:
        if not isinstance(one, torch.optim.Adam | torch.optim.RMSprop | torch.optim.Adagrad):
            continue
        for group in one.param_groups:
            eps, kinds = float(group.get("eps") or 0.0), {p.dtype for p in group["params"]}
            if eps and not group.get("fused") and any(not torch.tensor(eps).to(kind) for kind in kinds):
                return eps
    return None


def _initial_rate(group: dict[str, Any]) -> float | None:
    """Return the rate that a schedule multiplies; None without one."""
    rate = group.get("initial_lr")
    return float(rate) if rate is not None else None


@torch.no_grad()
def _fresh_norms(model: nn.Module) -> int | None:
    """Count batch norms that are untrained, if all with running statistics are (mean 0, variance 1); None without any.

    Of weights that were loaded or trained these statistics are others, in each layer.
    """
    norms = [
        (one.running_mean, one.running_var)
        for one in model.modules()
        if isinstance(one, nn.modules.batchnorm._BatchNorm)
    ]
    known = [(mean, var) for mean, var in norms if mean is not None and var is not None and not mean.is_meta]
    if not known:
        return None
    mean, var = known[0]  # one wait for the device where they are trained
    if mean.any() or (var != 1).any():
        return 0
    return len(known) if all(not a.any() and bool((b == 1).all()) for a, b in known) else 0


@torch.no_grad()
def _zero_norms(model: nn.Module) -> int | None:
    """Count PyTorch's norms with a scale, if it is 0 in all of them; None else. Own ones may add 1 to it."""
    kinds = (nn.modules.batchnorm._BatchNorm, nn.GroupNorm, nn.LayerNorm)
    scales = [one.weight for one in model.modules() if isinstance(one, kinds) and isinstance(one.weight, Tensor)]
    if not scales or any(one.is_meta or not one.numel() for one in scales) or bool(scales[0].any()):
        return None
    return None if any(bool(one.any()) for one in scales) else len(scales)


@torch.no_grad()
def idle_norms(model: nn.Module, optimizers: Sequence[Optimizer]) -> int:
    """Count batch norms in evaluation mode that no batch has gone through and whose scale is trained."""
    count, held = 0, held_by(*optimizers)
    for one in model.modules():
        if not isinstance(one, nn.modules.batchnorm._BatchNorm) or one.training or one.running_mean is None:
            continue
        trained = isinstance(one.weight, Tensor) and one.weight.requires_grad and id(one.weight) in held
        mean, var = one.running_mean, one.running_var
        count += trained and isinstance(var, Tensor) and not bool(mean.any()) and bool((var == 1).all())
    return count


ROWS_OF = 1 << 17
"""Values of a weight that tell its mean and deviation well enough …"""
LEAST_ROWS = 8
"""… in as many rows at least."""


@torch.no_grad()
def weight_numbers(model: nn.Module) -> list[tuple[str, tuple[int, int], Tensor]]:
    """(name, (fan-in, fan-out), [mean, std, min, max]) of every layer's weights; the numbers stay on the device.

    A parameter whose numbers all lie along one axis (C x 1 x 1, ConvNeXt's layer_scale, 1 x 1 x D, a token) holds a
    scale or a bias: alike from the beginning by design. Only a linear or conv layer's own weight may look like that.
    """
    numbers = []
    # Not `weight`: to look at one that spectral_norm works out changes its buffers.
    kinds = nn.Linear | nn.modules.conv._ConvNd
    layers = {id(m._parameters.get("weight")) for m in model.modules() if isinstance(m, kinds)}
    for name, parameter in model.named_parameters():
        table = sum(side > 1 for side in parameter.shape) > 1 or id(parameter) in layers
        if table and parameter.dim() > 1 and parameter.numel() > 1 and parameter.is_floating_point():
            fans = parameter.numel() // len(parameter), parameter.numel() // parameter.shape[1]
            numbers.append((plain_name(name), fans, moments(_some_rows(own_shard(parameter).detach()))[:4]))
    return numbers


def _some_rows(weight: Tensor) -> Tensor:
    """Return a weight, of a large one a part of its rows all over it: all of ResNet-18's took 25 ms."""
    apart = weight.numel() // ROWS_OF
    return weight[::apart] if apart > 1 and len(weight) >= LEAST_ROWS * apart else weight


def weight_facts(numbers: list[tuple[str, tuple[int, int], Tensor]]) -> list[WeightFact]:
    if not numbers:
        return []
    read = torch.stack([tensor for _, _, tensor in numbers]).tolist()
    facts = []
    for (name, (fan_in, fan_out), _), (mean, std, low, high) in zip(numbers, read, strict=True):
        facts.append(
            WeightFact(
                name=name,
                layer=name.rpartition(".")[0],
                fan_in=fan_in,
                fan_out=fan_out,
                mean=rounded_or_none(mean, 6),
                std=0.0 if low == high else rounded_or_none(std, 6),
            )
        )
    return facts


def output_facts(output: Tensor, labels: Tensor | None, loss: float | None) -> dict[str, Any]:
    """Facts of the first batch's outputs, N x C, and of the loss reported for it."""
    sums = output.sum(1)
    is_share = bool(((output >= 0).all() & (output <= 1).all() & ((sums - 1).abs() < 1e-3).all()).item())
    facts: dict[str, Any] = {"outputs": output.shape[1], "rows_sum_to_one": is_share and output.shape[1] > 1}
    if (
        labels is not None
        and len(labels) == len(output)
        and 0 <= int(labels.min()) <= int(labels.max()) < len(output[0])
    ):
        facts["cross_entropy"] = rounded_or_none(nn.functional.cross_entropy(output, labels).item(), 6)
        twice = [nn.functional.cross_entropy((output / t).softmax(1), labels).item() for t in TEMPERATURES]
        facts["doubled"] = rounded_or_none(min(twice, key=lambda cost: abs(cost - (loss or twice[0]))), 6)
        if is_share:
            chosen = output.gather(1, labels[:, None]).clamp_min(1e-12)
            facts["log_loss"] = rounded_or_none(-chosen.log().mean().item(), 6)
        elif bool((output <= 0).all()):  # log-probabilities, for NLLLoss
            facts["log_loss"] = rounded_or_none(-output.gather(1, labels[:, None]).mean().item(), 6)
    return facts
