"""Calls of PyTorch's loss functions in the first steps, with what they were given.

A TorchFunctionMode lies on PyTorch's stack from the model's forward pass to the end of the step and hands every call
through. It goes on an empty stack alone, and comes off only from its top: the loop's own modes are nested as before.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional
from torch.overrides import TorchFunctionMode, _get_current_function_mode_stack

from cvtui.engine.observe.lasting import lasting
from cvtui.engine.observe.moved_axes import RESHAPES, gives_back, may_be_planes, moved_axes

LOSSES = (
    "cross_entropy", "nll_loss", "binary_cross_entropy", "binary_cross_entropy_with_logits", "mse_loss", "l1_loss",
    "smooth_l1_loss", "huber_loss", "kl_div", "poisson_nll_loss", "gaussian_nll_loss", "soft_margin_loss",
    "multi_margin_loss", "multilabel_margin_loss", "multilabel_soft_margin_loss", "hinge_embedding_loss",
    "margin_ranking_loss", "cosine_embedding_loss", "triplet_margin_loss",
)  # fmt: skip
_LOSSES = {getattr(functional, name): name for name in LOSSES if hasattr(functional, name)}
_NAMED = {
    getattr(functional, name): name
    for name in ("dropout", "dropout1d", "dropout2d", "dropout3d", "alpha_dropout", "feature_alpha_dropout")
}
MOST = 16
"""Calls of a loss in one step that are kept."""


class LossCall(NamedTuple):
    name: str
    input: Tensor
    target: Tensor | None
    weighted: bool = False
    """Classes or images were given weights."""
    weights: Tensor | None = None
    """One a class, of a cross-entropy."""
    ignored: int = -100
    """The class number that a cross-entropy leaves out."""
    smoothing: float = 0.0
    """Share of each label that a cross-entropy spreads over all classes."""
    positive: Tensor | None = None
    """Weight of the positives of a binary cross-entropy."""


class LossCalls(TorchFunctionMode):
    """Keeps each call of a loss in `calls`, and in `names` the graph's nodes of calls that are seen by nothing else.

    `moved`: the first reshape that only a permutation can have meant.
    """

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[LossCall] = []
        self.names: dict[Any, str] = {}
        self.moved: list[list[int]] = []
        self._planes: tuple[torch.Size, Tensor] | None = None
        """The last reshape to N*C x H*W where C is H*W: sizes before, and the rows."""
        self.broadcast: list[list[int]] = []
        """Sizes of two values of N images each, N x 1 and N, that a function made N x N of."""
        self.images = 0
        """Of the batch, once the model has answered."""
        self.root: Any = None
        """The graph's node that backward was last called on."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if func is Tensor.backward and args:
            self.root = args[0].grad_fn
        result = func(*args, **kwargs)
        self._look_at_axes(func, args, result)
        if self.images > 1 and not self.broadcast and len(args) > 1:
            self.broadcast = spread_out(func in _LOSSES, args[0], args[1], result, self.images)
        name = _LOSSES.get(func)
        if (name is not None or func in _NAMED) and isinstance(result, Tensor) and result.grad_fn is not None:
            if name is not None:
                self._take(name, args, kwargs)
                self.names[result.grad_fn] = name
            elif func in _NAMED and kwargs.get("p", args[1] if len(args) > 1 else 0.5):
                self.names[result.grad_fn] = _NAMED[func]
        return result

    def _look_at_axes(self, func: Any, args: Any, result: Any) -> None:
        if gives_back(func, args, result, self.moved):
            self.moved = []
        self.moved = self.moved or moved_axes(func, args, result)
        if func in RESHAPES and isinstance(result, Tensor) and may_be_planes(list(args[0].shape), list(result.shape)):
            self._planes = args[0].shape, result

    def _take(self, name: str, args: Any, kwargs: Any) -> None:
        given = args[0] if args else kwargs.get("input")
        target = args[1] if len(args) > 1 else kwargs.get("target")
        weights = (kwargs.get("weight"), kwargs.get("pos_weight"), args[2] if len(args) > 2 else None)
        if self._planes is not None and given is self._planes[1]:
            self.moved = self.moved or [list(self._planes[0]), list(given.shape)]
        if isinstance(given, Tensor) and len(self.calls) < MOST:
            truth = lasting(target) if isinstance(target, Tensor) else None
            if truth is not None and name == "kl_div" and kwargs.get("log_target", len(args) > 5 and args[5]):
                truth = truth.exp()
            weighted = any(isinstance(one, Tensor) for one in weights)
            classes, ignored = None, -100
            if name in ("cross_entropy", "nll_loss"):
                classes = kwargs.get("weight", args[2] if len(args) > 2 else None)
                ignored = kwargs.get("ignore_index", args[4] if len(args) > 4 else -100)
            smoothing = kwargs.get("label_smoothing", args[7] if len(args) > 7 else 0.0)
            positive = kwargs.get("pos_weight") if name == "binary_cross_entropy_with_logits" else None
            self.calls.append(
                LossCall(name, given.detach(), truth, weighted, classes, ignored, float(smoothing), positive)
            )

    def begin(self) -> None:
        """Begin to see calls; nothing happens where it does so already, or another mode is on."""
        if not _get_current_function_mode_stack():  # type: ignore[no-untyped-call]
            self.__enter__()  # type: ignore[no-untyped-call]

    def end(self) -> None:
        """See no more, where no other mode lies above; forget the step."""
        self.calls, self.names, self.root, self.moved, self._planes = [], {}, None, [], None
        self.broadcast, self.images = [], 0
        stack = _get_current_function_mode_stack()  # type: ignore[no-untyped-call]
        if stack and stack[-1] is self:
            self.__exit__(None, None, None)


def spread_out(is_loss: bool, first: Any, second: Any, result: Any, images: int) -> list[list[int]]:
    """Return the sizes of an output a row and a number a row of which a function made N x N; [] of all else."""
    if not isinstance(first, Tensor) or not isinstance(second, Tensor):
        return []
    sizes = [list(first.shape), list(second.shape)]
    if one_beside_rows(first, second, images):
        return sizes
    if sorted(sizes, key=len) != [[images], [images, 1]] or first.requires_grad == second.requires_grad:
        return []
    made = list(result.shape) if isinstance(result, Tensor) else []
    return sizes if is_loss or (made == [images, images] and result.requires_grad) else []


def one_beside_rows(first: Tensor, second: Tensor, images: int) -> bool:
    """Return True for one output an image beside one-hot rows of two places and more."""
    one, rows = (first, second) if first.requires_grad else (second, first)
    if not one.requires_grad or rows.requires_grad or list(one.shape) != [images, 1]:
        return False
    if rows.dim() != 2 or len(rows) != images or rows.shape[1] < 2:
        return False
    return bool(((rows == 0) | (rows == 1)).all()) and bool((rows.sum(1) == 1).all())


def labels_of(calls: list[LossCall], count: int) -> Tensor | None:
    """Return class numbers (N) that a cross-entropy was called with; None without, or of several that differ."""
    found: Tensor | None = None
    for call in calls:
        target = call.target
        if call.name not in ("cross_entropy", "nll_loss") or target is None or target.dim() != 1:
            continue
        if target.is_floating_point() or len(target) != count:
            return None
        if found is not None and found is not target:
            return None
        found = target
    return found
