"""What the loss is and what it is given, found out in the first steps from its graph, its call and its gradient.

Nothing is read back from the device on a step; `facts` and `labels` do that, when the log is flushed.
"""

from __future__ import annotations

import weakref
from collections.abc import Sequence
from typing import Any

from torch import Tensor, nn
from torch.nn import functional
from torch.optim import Optimizer

from cvtui.engine.observe.autograd_graph import stem
from cvtui.engine.observe.bounded_scores import bounded_scores
from cvtui.engine.observe.first_answers import FirstAnswers
from cvtui.engine.observe.first_signs import plain_tensors
from cvtui.engine.observe.forward_hooks import Handle, may_compile
from cvtui.engine.observe.label_gradient import labels_from
from cvtui.engine.observe.loss_calls import LossCall, LossCalls, labels_of
from cvtui.engine.observe.loss_graph import LIBRARY, LossRead, foreign_leaves, read_loss
from cvtui.engine.observe.model_facts import loss_facts, weights_in_loss
from cvtui.engine.observe.shards import is_sharded
from cvtui.engine.observe.straight_losses import one_force, one_target_for_all, pulls, softmax_inside
from cvtui.engine.observe.unlisted import unlisted_modules
from cvtui.engine.optim.groups import held_by
from cvtui.text import rounded_or_none

MOST_CLASSES = 1000
"""Classes whose weights are told."""
LARGEST = 1 << 20
"""Numbers of an output, of which the gradient is kept."""


class LossProbe:
    """Follows model outputs and losses of the first steps.

    `before_forward`, `after_forward` from the model's hooks, in training alone; `step` after each step.
    """

    def __init__(self, model: nn.Module, optimizers: Sequence[Optimizer]) -> None:
        self.model = model
        self.optimizers = optimizers
        self._calls: LossCalls | None = LossCalls()
        self._read = LossRead()
        self._terms: dict[str, Any] = {}
        self._called: list[LossCall] = []
        self._moved: list[list[int]] = []
        self._broadcast: list[list[int]] = []
        self._bounded = ""
        self._inside = 0
        self._plain: list[str] = []
        self._output: Tensor | None = None
        self._node: Any = None
        self._gradient: Tensor | None = None
        self._hook: Handle | None = None
        self._first: tuple[Tensor, Tensor | None] | None = None
        self._foreign: list[weakref.ref[Tensor]] = []
        self._written: list[tuple[weakref.ref[Tensor], int]] = []
        self._own: list[tuple[weakref.ref[Tensor], int]] = []
        self._sharded = is_sharded(model)
        self._foreign_count: int | None = 0
        self._fresh: int | None = None
        self._steps = 0
        self._guessed: list[tuple[Tensor, Tensor]] = []
        """(output, its gradient) of steps whose labels nothing else tells."""
        self.answers = FirstAnswers()
        self._passes = 0
        """Forward passes since the last step."""
        self._root_is_mean = False

    # ------------------------------------------------------------------ in the steps

    def before_forward(self) -> None:
        if self._calls is not None and may_compile():
            self._calls.end()  # dynamo would trace the mode, and compile again once it is off
            self._calls = None
        if self._calls is not None:
            self._calls.begin()

    def after_forward(self, output: Any) -> None:
        """Keep the output and its place in the graph, and see its gradient when it comes."""
        self._drop_hook()
        self._passes += 1
        self._output = self._node = self._gradient = None
        if isinstance(output, Tensor) and output.dim() and output.grad_fn is not None:
            if self._calls is not None:
                self._calls.images = len(output)
            self._output, self._node = output.detach(), output.grad_fn
            if output.dim() <= 2 and output.numel() <= LARGEST:
                self._hook = output.register_hook(self._take_gradient)  # type: ignore[no-untyped-call]

    def _take_gradient(self, gradient: Tensor) -> None:
        self._gradient = gradient.detach()

    def step(
        self, loss: Tensor | float, labels: Tensor | None, accuracy: Tensor | float | None = None
    ) -> Tensor | None:
        """Read what is there after a step; returns its labels (N), told or as the loss was called with them."""
        self._drop_hook()
        calls = self._calls.calls if self._calls is not None else []
        node = loss.grad_fn if isinstance(loss, Tensor) else None
        if node is None and self._calls is not None:
            node = self._calls.root
        if not self._steps:
            root = self._calls.root if self._calls is not None else None
            self._root_is_mean = (
                root is not None and stem(root) in LIBRARY and getattr(root, "_saved_reduction", 0) == 1
            )
            names = self._calls.names if self._calls is not None else {}
            self._moved = self._calls.moved if self._calls is not None else []
            self._bounded = bounded_scores(node)
            self._inside = softmax_inside(node)
            self._broadcast = self._calls.broadcast if self._calls is not None else []
            self._terms = loss_facts(node) | {
                "weights_in_loss": weights_in_loss(node, {*map(id, self.model.parameters())})
            }
            self._read, self._called = read_loss(node, self._node, names), calls
            self._first = (self._output, self._gradient) if self._output is not None else None
            self._plain = self._plain_leaves(node)
            self._foreign = [weakref.ref(leaf) for leaf in self._foreign_parameters(node)]
            self._written = versions([leaf for one in self._foreign if (leaf := one()) is not None])
            self._own = versions([p for p in self.model.parameters() if p.requires_grad][:1])
            self._foreign_count = None if self._sharded else len(self._foreign)
        elif self._steps == 1 and self._foreign:
            self._fresh = self._fresh_leaves(node)
            self._foreign = []
        if labels is None:
            own = of_the_outputs(calls, self._output)
            labels = labels_of(own, len(self._output)) if self._output is not None else None
        if labels is None and self._output is not None and self._gradient is not None:
            self._guessed.append((self._output, self._gradient))
        if self._passes == 1:
            self.answers.add(self._output, self._gradient, labels, accuracy)
        elif calls and self._output is not None:  # the last pass's; which of them the accuracy is told of isn't known
            self.answers.add(self._output, self._gradient, labels_of(calls[-1:], len(self._output)), None)
        self._steps += 1
        self._passes = 0
        self._output = self._node = self._gradient = None
        if self._calls is not None:
            self._calls.end()
        return labels

    def _foreign_parameters(self, node: Any) -> list[nn.Parameter]:
        """Return parameters of the loss's graph that neither the model nor an optimizer holds."""
        if self._sharded:  # those of the graph are gathered from all ranks, and are no longer the model's
            return []
        own = {id(p) for p in self.model.parameters()} | held_by(*self.optimizers)
        return [leaf for leaf in foreign_leaves(node, own) if isinstance(leaf, nn.Parameter)]

    def _plain_leaves(self, node: Any) -> list[str]:
        """Return names of tensors of the loss's graph that the model keeps as plain attributes."""
        if self._sharded or not (names := plain_tensors(self.model, held_by(*self.optimizers))):
            return []
        return sorted({names[id(leaf)] for leaf in foreign_leaves(node, ()) if id(leaf) in names})

    def _fresh_leaves(self, node: Any) -> int:
        """Count parameters of the second step's graph that nothing holds, where none is one of the first step's."""
        known = {id(leaf) for one in self._foreign if (leaf := one()) is not None}
        found = self._foreign_parameters(node)
        return len(found) if not known & {id(leaf) for leaf in found} else 0

    def _drop_hook(self) -> None:
        if self._hook is not None:
            self._hook.remove()
            self._hook = None

    def close(self) -> None:
        self._drop_hook()
        if self._calls is not None:
            self._calls.end()

    # ------------------------------------------------------------------ results

    @property
    def waiting(self) -> bool:
        """True where there are steps whose labels only the gradient may show."""
        return bool(self._guessed)

    def labels(self) -> list[Tensor]:
        """Return the labels of the steps that came without, as their gradients show them; [] where they don't."""
        found = [labels_from(output.float().cpu(), gradient.float().cpu(), self._read.sign)
                 for output, gradient in self._guessed]  # fmt: skip
        self._guessed.clear()
        return [one for one in found if one is not None]

    def answered(self, last: bool) -> dict[str, Any]:
        """Return what the answers so far show; after the `last` time they are forgotten."""
        found = ({"loss_scale": 1.0} if self._root_is_mean else {}) | self.answers.facts(self._read.sign)
        if self._fresh is not None:
            found["fresh_leaves"] = self._fresh
        if last:
            self.answers = FirstAnswers()
            if self._written and not self._fresh and self._own and not unwritten(self._own):
                found["foreign_still"] = unwritten(self._written)  # (while a weight of the model's was written to)
        return found

    def facts(self, labels: Tensor | None, first_loss: float | None) -> dict[str, Any]:
        """Return the fields about the first step's loss; labels (N) of its batch, where they are known."""
        read = self._read
        facts: dict[str, Any] = {
            **self._terms,
            "loss_kind": read.kind,
            "loss_wants": read.wants,
            "loss_given": read.given,
            "output_made": read.made,
            "loss_sign": read.sign,
            "softmax_over": read.softmax_over,
            "bare_log": read.bare_log,
            "given_as_is": read.as_it_is,
            "softmax_inside": self._inside,
            "loss_calls": list(dict.fromkeys(call.name for call in self._called)),
            "loss_weighted": any(call.weighted for call in self._called),
            "unlisted": unlisted_modules(self.model, held_by(*self.optimizers)),
            "foreign_leaves": self._foreign_count,
            "moved_axes": self._moved,
            "broadcast": self._broadcast,
            "bounded_scores": self._bounded,
            "plain_tensors": self._plain,
        }
        output = None
        if self._first is not None:
            output, gradient = self._first
            if gradient is not None:
                facts["output_gradient"] = rounded_or_none(gradient.abs().max().item(), 6) if len(gradient) else None
                facts |= _of_no_formula(output.float().cpu(), gradient.float().cpu())
        self._first = None
        given = self._given(output, read)
        if given is not None and given.numel():
            facts |= given_facts(given.float().cpu())
        call = next((call for call in self._called if call.target is not None), None)
        if call is not None and call.target is not None and call.target.numel():
            facts |= target_facts(call.target.cpu()) | class_facts(call)
        if output is not None and labels is not None and first_loss is not None and output.dim() <= 2:
            facts["loss_value"] = matching(output.float().cpu(), labels.cpu(), first_loss)
            if read.kind == "cross-entropy of probabilities" and "binary" in facts["loss_value"]:
                facts["loss_kind"] = "binary cross-entropy"
        self._called = []
        return facts

    def _given(self, output: Tensor | None, read: LossRead) -> Tensor | None:
        """Return what the loss was given: the model's output before a clamp, else the input of its call."""
        if read.direct or not self._called:
            return output if read.direct and output is not None and output.dim() <= 2 else None
        classes = [call for call in self._called if call.name in ("cross_entropy", "nll_loss")]
        given = (classes if classes and read.kind == "cross-entropy" else self._called)[0].input
        return given if given.dim() <= 2 and given.numel() <= LARGEST else None


def _of_no_formula(output: Tensor, gradient: Tensor) -> dict[str, Any]:
    """Return what the gradient at the outputs (N x C or N) tells by itself."""
    if output.dim() == 2 and output.shape[1] > 1:
        return {"one_target_for_all": one_target_for_all(output, gradient), "one_force": one_force(output, gradient)}
    return {"pulls": pulls(output, gradient)}


def versions(tensors: Sequence[Tensor]) -> list[tuple[weakref.ref[Tensor], int]]:
    """Return how often each was written to in place, as autograd counts it."""
    return [(weakref.ref(one), one._version) for one in tensors]


def unwritten(known: list[tuple[weakref.ref[Tensor], int]]) -> int:
    """Count those that were not written to since."""
    return sum(one._version == version for ref, version in known if (one := ref()) is not None)


def of_the_outputs(calls: list[LossCall], output: Tensor | None) -> list[LossCall]:
    """Leave out calls on more columns than outputs, as of one and a queue (MoCo): places there are no classes."""
    if output is None or output.dim() != 2:
        return calls
    most = output.shape[1]
    return [call for call in calls if call.input.dim() != 2 or most == 1 or call.input.shape[1] <= most]


def given_facts(given: Tensor) -> dict[str, Any]:
    """Describe what a loss was given (N x C or N): its range, and what its rows add up to."""
    facts: dict[str, Any] = {"given_range": _ends(given)}
    if given.dim() == 2 and given.shape[1] > 1:
        facts["given_sums"] = _ends(given.sum(1))
        facts["given_log_sums"] = _ends(given.logsumexp(1))
    return facts


def target_facts(target: Tensor) -> dict[str, Any]:
    """Describe what a loss was called with as the truth."""
    facts: dict[str, Any] = {"target_range": _ends(target.float())}
    if target.is_floating_point() and target.dim() == 2 and target.shape[1] > 1:
        binary, rows = bool(((target == 0) | (target == 1)).all()), target.sum(1)
        alone = bool(((rows - 1).abs() < 1e-4).all())
        facts["target_kind"] = ("one-hot" if alone else "several a row") if binary else "shares" if alone else "numbers"
        if binary or not bool(
            ((target != 0).sum(1) <= 1).all()
        ):  # (one class each, times a weight of the image: sound)
            facts["target_sums"] = _ends(rows.float())
    elif bool((target == target.round()).all()):
        facts["target_kind"] = "whole numbers"
    else:
        facts["target_kind"] = "numbers"
    return facts


def class_facts(call: LossCall) -> dict[str, Any]:
    """Describe a cross-entropy's class weights, and the classes that it leaves out by its ignore_index or by a 0."""
    target = call.target
    if call.positive is not None and call.positive.numel() == 1 and target is not None:
        ones = float((target > 0.5).sum())
        return {"positive_weight": [float(f"{call.positive.item():.6g}"), ones, target.numel() - ones]}
    told_too = {"label_smoothing": call.smoothing} if call.smoothing else {}
    if target is None or target.dim() != 1 or target.is_floating_point() or call.input.dim() != 2:
        return told_too
    weights = call.weights.tolist() if call.weights is not None and len(call.weights) <= MOST_CLASSES else []
    weightless = [number for number, weight in enumerate(weights) if weight == 0]
    out = sorted({*weightless, call.ignored} & set(range(call.input.shape[1])))
    classes = target.long()  # (of bytes 44 == 300)
    count = sum(int((classes == number).sum()) for number in out)
    told: dict[str, Any] = {"class_weights": [float(f"{weight:.6g}") for weight in weights]} if weights else {}
    return told_too | told | ({"left_out_classes": out, "left_out_images": count} if count else {})


def _ends(values: Tensor) -> list[float]:
    """Return [lowest, highest]; [] where one is not finite."""
    low, high = values.min().item(), values.max().item()
    return [] if low - low or high - high else [float(f"{low:.6g}"), float(f"{high:.6g}")]


def matching(output: Tensor, labels: Tensor, loss: float) -> str:
    """Return the name of the loss that costs just so much for these outputs; "-name": its negative; "": none."""
    found = [
        f"{'-' if sign < 0 else ''}{name}"
        for name, value in _candidates(output, labels)
        for sign in (1, -1)
        for times in (1, len(output))
        if abs(sign * times * value - loss) <= 2e-5 * abs(loss) + 1e-7
    ]
    return found[0] if found else ""


def _candidates(output: Tensor, labels: Tensor) -> list[tuple[str, float]]:
    """[(name, mean over the batch)] of the losses that these outputs (N x C or N) and labels (N) allow."""
    if len(labels) != len(output) or not len(labels):
        return []
    one = output.reshape(-1) if output.dim() == 1 or output.shape[1] == 1 else None
    found: list[tuple[str, Tensor]] = []
    if one is not None:
        y = labels.float()
        for least in (1e-7, 1e-8, 1e-12):
            p = one.clamp(least, 1 - least)
            found.append(("binary cross-entropy", -(y * p.log() + (1 - y) * (1 - p).log()).mean()))
        found.append(("binary cross-entropy with logits", (functional.softplus(one) - y * one).mean()))
        found.append(("squared error", (one - y).square().mean()))
        found.append(("absolute error", (one - y).abs().mean()))
    elif 0 <= int(labels.min()) <= int(labels.max()) < output.shape[1]:
        hot, own = functional.one_hot(labels, output.shape[1]).float(), labels[:, None]
        found.append(("cross-entropy", functional.cross_entropy(output, labels)))
        found.append(("nll", -output.gather(1, own).mean()))
        for least in (1e-7, 1e-8, 1e-12):
            shares = (output / output.sum(1, keepdim=True)).clamp(least, 1 - least)
            found.append(("cross-entropy of probabilities", -shares.gather(1, own).log().mean()))
            p = output.clamp(least, 1 - least)
            found.append(("cross-entropy of probabilities", -p.gather(1, own).log().mean()))
            cost = -(hot * p.log() + (1 - hot) * (1 - p).log())
            found += [("binary cross-entropy", cost.mean()), ("binary cross-entropy", cost.sum(1).mean())]
        found.append(("binary cross-entropy with logits", functional.binary_cross_entropy_with_logits(output, hot)))
        found.append(("squared error", (output - hot).square().mean()))
        found.append(("squared error", (output - hot).square().sum(1).mean()))
    return [(name, value.item()) for name, value in found]
