"""Loss read from autograd's graph: which one it is, what it wants, and what it is given."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import NamedTuple

from torch import Tensor

from cvtui.engine.observe.autograd_graph import Node, inputs, stem

LIBRARY = {
    "NllLossBackward": "nll",
    "NllLoss2DBackward": "nll",
    "BinaryCrossEntropyWithLogitsBackward": "binary cross-entropy with logits",
    "BinaryCrossEntropyBackward": "binary cross-entropy",
    "MseLossBackward": "squared error",
    "L1LossBackward": "absolute error",
    "SmoothL1LossBackward": "absolute error",
    "HuberLossBackward": "absolute error",
    "KlDivBackward": "kl-divergence",
    "SoftMarginLossBackward": "margin",
    "MultiMarginLossBackward": "margin",
    "MultilabelMarginLossBackward": "margin",
    "CtcLossBackward": "ctc",
}
"""Nodes that are a loss of PyTorch's."""
CALLED = {
    "poisson_nll_loss": "poisson",
    "gaussian_nll_loss": "gaussian",
    "cosine_embedding_loss": "cosine distance",
    "hinge_embedding_loss": "margin",
    "margin_ranking_loss": "margin",
    "triplet_margin_loss": "margin",
    "multilabel_soft_margin_loss": "binary cross-entropy with logits",
}
"""Functions of PyTorch that are made of several nodes: only their call tells them."""
BY_HAND = {
    "LogSoftmaxBackward": "cross-entropy",
    "LogSigmoidBackward": "binary cross-entropy with logits",
    "LogBackward": "log",
    "CoshBackward": "log-cosh",
    "PowBackward": "squared error",
    "AbsBackward": "absolute error",
}
WANTS = {
    "cross-entropy": "logits",
    "binary cross-entropy with logits": "logits",
    "nll": "log-probabilities",
    "kl-divergence": "log-probabilities",
    "binary cross-entropy": "probabilities",
    "cross-entropy of probabilities": "probabilities",
    "squared error": "numbers",
    "absolute error": "numbers",
    "log-cosh": "numbers",
    "poisson": "numbers",
    "gaussian": "numbers",
}
KINDS = {
    "SoftmaxBackward": "softmax",
    "LogSoftmaxBackward": "log-softmax",
    "SigmoidBackward": "sigmoid",
    "LogSigmoidBackward": "log-sigmoid",
    "HardsigmoidBackward": "sigmoid",
    "ReluBackward": "relu",
    "HardtanhBackward": "relu6",
    "LeakyReluBackward": "leaky relu",
    "EluBackward": "elu",
    "GeluBackward": "gelu",
    "SiluBackward": "silu",
    "TanhBackward": "tanh",
    "SoftplusBackward": "softplus",
    "ExpBackward": "exp",
    "LogBackward": "log",
    "AddmmBackward": "linear",
    "MmBackward": "linear",
    "BmmBackward": "linear",
    "LinearBackward": "linear",
    "ConvolutionBackward": "conv",
    "NativeDropoutBackward": "dropout",
    "NativeBatchNormBackward": "batch-norm",
    "CudnnBatchNormBackward": "batch-norm",
    "MiopenBatchNormBackward": "batch-norm",
}
ENDS = {"linear", "conv"}
SOFTMAX = ("SoftmaxBackward", "LogSoftmaxBackward")
PASSED = {
    "View", "UnsafeView", "ReshapeAlias", "Reshape", "Squeeze", "Unsqueeze", "ToCopy", "Clone", "Alias", "Clamp",
    "ClampMin", "ClampMax", "Gather", "Index", "IndexSelect", "Select", "Slice", "T", "Transpose", "Permute", "Expand",
    "Contiguous", "NanToNum", "MaskedFill", "MaskedSelect", "Add", "Sub", "Rsub", "Mul", "Div", "Where", "Maximum",
    "Minimum", "Unbind", "Split", "Diagonal", "Take",
}  # fmt: skip
"""Operations on what is told on, which keep its meaning (shapes, choices, clamps, an epsilon)."""
SHAPED = {"View", "UnsafeView", "ReshapeAlias", "Reshape", "Squeeze", "Unsqueeze", "Gather", "Index", "Select"}
"""Those of them that change no value."""
ARITHMETIC = {"Add", "Sub", "Rsub", "Mul", "Div", "Where", "Maximum", "Minimum"}
"""Those that may bring any value into 0..1."""
SHARED = 4_000
"""Nodes of a graph that are looked at, at most."""
CHAIN = 12


class LossRead(NamedTuple):
    """What the graph tells of one loss; see the same fields of the record of facts."""

    kind: str = ""
    wants: str = ""
    given: list[str] | None = None
    sign: int = 0
    softmax_over: list[list[int]] = []  # noqa: RUF012 - never changed
    direct: bool = False
    """The model's output is what the loss is given, but for clamps and shapes."""
    bare_log: bool = False
    """The logarithm of a softmax or sigmoid is taken with nothing between: of a share that is 0 it is infinite."""
    as_it_is: bool = False
    """Nothing is added to or multiplied with what the loss is given."""
    made: list[str] = []  # noqa: RUF012 - never changed
    """What the model's output comes from, the last operation first, up to a layer with weights."""


def _is_leaf(node: Node) -> bool:
    return hasattr(node, "variable")


def read_loss(start: Node | None, output: Node | None, names: Mapping[Node, str]) -> LossRead:
    """Read the graph that ends in `start`. output: the model's output's node; names: nodes of calls that were seen."""
    if start is None:
        return LossRead()
    made, over, _ = _chain(output, None, names, first_goes=False)
    read = _first_term(start, output, names)
    return read._replace(made=made, softmax_over=read.softmax_over or over)


def _first_term(start: Node, output: Node | None, names: Mapping[Node, str]) -> LossRead:
    terms = list(_terms(start, output, names))
    library = sorted((term for term in terms if term[3]), key=lambda term: term[0] not in ("cross-entropy", "nll"))
    terms = library or sorted(terms, key=lambda term: term[0] in ("squared error", "absolute error"))
    if not terms:
        return LossRead(given=[])
    kind, node, sign, _ = terms[0]
    return _told(kind, node, sign if library else 0, output, names)


def _terms(start: Node, output: Node | None, names: Mapping[Node, str]) -> Iterator[tuple[str, Node, int, bool]]:
    """Yield (kind, node, sign, is PyTorch's own) of each loss at the end of the graph."""
    waiting, seen = [(start, 1)], {start}
    while waiting and len(seen) < 500:
        node, sign = waiting.pop(0)
        name = stem(node)
        called = CALLED.get(names.get(node, ""))
        kind = LIBRARY.get(name) or called
        if kind is not None:
            yield kind, node, sign, True
            continue
        if name in BY_HAND and node is not output:
            yield BY_HAND[name], node, sign, False
            continue
        if node is output or KINDS.get(name) in ENDS:
            continue
        for follower in inputs(node):
            if follower not in seen:
                seen.add(follower)
                waiting.append((follower, -sign if name == "NegBackward" else sign))


def _told(kind: str, node: Node, sign: int, output: Node | None, names: Mapping[Node, str]) -> LossRead:
    """Find what a term's function is given, and what that makes of it."""
    chain, over, direct = _chain(_follow(node), output, names, kind in ("nll", "log"))
    if kind == "cross-entropy":
        over = [*_over(node), *over]
    elif kind == "nll" and chain[:1] == ["log-softmax"]:
        kind, chain = "cross-entropy", chain[1:]
    elif (kind == "nll" and chain[:1] == ["log"]) or kind == "log":
        chain = chain[1:] if kind == "nll" else chain
        kind = "cross-entropy of probabilities"
        if chain[:1] in (["sum"], ["exp"], ["cosh"], ["mean"]):
            kind = "log-cosh" if chain[0] == "cosh" else ""  # (a logsumexp by hand)
    return LossRead(kind, WANTS.get(kind, ""), chain, sign, over, direct, _bare_log(node), _as_it_is(node, output))


def _as_it_is(node: Node, output: Node | None) -> bool:
    """Return True if nothing but shapes, clamps and a logarithm lies between the model's output's last operation."""
    now = _follow(node)
    while now is not None and (KINDS.get(stem(now)) in (None, "log")) and now is not output:
        if stem(now).removesuffix("Backward") in ARITHMETIC:
            return False
        now = _follow(now)
    return now is not None and KINDS.get(stem(now)) is not None


def _bare_log(node: Node) -> bool:
    """Return True if a share goes into a logarithm as it is: no clamp, no epsilon."""
    log: Node | None = node if stem(node) == "LogBackward" else _follow(node)
    if log is None or stem(log) != "LogBackward":
        return False
    before = _follow(log)
    while before is not None and stem(before).removesuffix("Backward") in SHAPED:
        before = _follow(before)
    return before is not None and stem(before) in ("SoftmaxBackward", "SigmoidBackward")


def _chain(
    now: Node | None, output: Node | None, names: Mapping[Node, str], first_goes: bool
) -> tuple[list[str], list[list[int]], bool]:
    """Return what stands from `now` on up to the last layer with weights, and whether the output is among it.

    first_goes: a log or log-softmax before the model's output belongs to the loss.
    """
    chain: list[str] = []
    over: list[list[int]] = []
    direct = False
    while now is not None and len(chain) < CHAIN:
        direct = direct or (now is output and (not chain or (first_goes and chain in (["log"], ["log-softmax"]))))
        name, called = stem(now), names.get(now, "")
        kind = "dropout" if called.endswith("dropout") else KINDS.get(name)
        if kind is None and name.removesuffix("Backward") not in PASSED:
            chain.append(_plain(name))
            break
        if kind is not None:
            chain.append(kind)
            over += _over(now)
            if kind in ENDS:
                break
        now = _follow(now)
    return chain, over, direct


def _follow(node: Node) -> Node | None:
    """Return the one node before this one; None where several values meet."""
    before = [one for one in inputs(node) if not _is_leaf(one)]
    if not before:
        return None
    if len(before) == 1 or stem(node).startswith(("Div", "NllLoss", "Addmm", "NativeBatchNorm")):
        return before[0]
    return before[0] if len({id(one) for one in before}) == 1 else None


def _plain(name: str) -> str:
    """SumBackward -> sum."""
    return name.removesuffix("Backward").lower()


def _over(node: Node) -> list[list[int]]:
    """[[dimension, its size, dimensions, size of the first]] of a softmax; [] of anything else."""
    if not stem(node).endswith(SOFTMAX) or not node._input_metadata:
        return []
    shape, dim = list(node._input_metadata[0].shape), getattr(node, "_saved_dim", None)
    if dim is None or not shape:
        return []
    if dim >= 1 << 63:
        dim -= 1 << 64
    dim %= len(shape)
    return [[dim, shape[dim], len(shape), shape[0]]]


def foreign_leaves(start: Node | None, own: Collection[int]) -> list[Tensor]:
    """Return the leaves of the loss's graph whose ids are not among `own`."""
    if start is None:
        return []
    waiting, seen, found = [start], {start}, []
    while waiting and len(seen) < SHARED:
        node = waiting.pop()
        if _is_leaf(node):
            if id(node.variable) not in own:
                found.append(node.variable)
            continue
        for follower in inputs(node):
            if follower not in seen:
                seen.add(follower)
                waiting.append(follower)
    return found
