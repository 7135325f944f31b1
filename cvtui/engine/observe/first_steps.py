"""What the doctor must know of a training besides its curves, gathered before and in its first steps.

Nothing is read back from the device on a step: what is computed there waits until the log is flushed. Nothing that is
trained changes by a bit: values are looked at, no random number is drawn, every buffer stays.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.utils.hooks import RemovableHandle

from cvtui.engine.observe.layer_sample import is_compiled, plain_name
from cvtui.engine.observe.linear_pairs import LinearPairs
from cvtui.engine.observe.statistics import moments, norm
from cvtui.engine.runtime.memory import is_out_of_memory
from cvtui.runlog.events import Facts, WeightFact
from cvtui.text import rounded, rounded_or_none

STEPS = 5
"""So many first steps are looked at with hooks."""
BATCHES = 10
"""And of so many the labels are counted."""
STALE_PARAMETERS = 3
KEPT_BYTES = 64 << 20
"""Of the first batch, for both modes after every epoch; of a larger one the first images are kept."""
TEMPERATURES = (1.0, 2.0, 0.5, 3.0, 4.0, 5.0, 10.0)
"""What logits are divided by before a softmax, now and then."""
NORMS = (nn.modules.batchnorm._BatchNorm, nn.GroupNorm, nn.LayerNorm)


class Probe:
    """Follows the first steps of a training.

        probe = Probe(model, optimizer, first_step=0)
        forward, backward, optimizer.step()
        probe.step(loss, labels)              # after each step, until probe.done
        facts = probe.take()                  # at a flush: a record, or None
        probe.close()

    scan_inputs: look at every batch for values that are not finite, as long as the run goes (one sum a step).
    """

    def __init__(
        self, model: nn.Module, optimizer: Optimizer, *, first_step: int = 0, scan_inputs: bool = False
    ) -> None:
        self.model = model
        self.optimizer = optimizer
        self.scan_inputs = scan_inputs
        self.number = first_step
        self.seen = 0
        """Steps seen so far."""
        self._fresh_run = first_step == 0
        self._static: dict[str, Any] = optimizer_facts(model, optimizer) if self._fresh_run else {}
        self._weights = _weight_numbers(model) if self._fresh_run else []
        self._told_static = not self._fresh_run
        self._told_batches = False
        self._told_validation = False
        self._told_bad = False
        self._counts: list[tuple[Tensor, int]] = []
        self._first: dict[str, Tensor] = {}
        self._words: dict[str, Any] = {}
        self._validation: Tensor | None = None
        self._finite: list[tuple[int, Tensor]] = []
        self._stale: list[Tensor] = []
        self._met: set[int] = set()
        self._updates = 0
        self._without: set[str] | None = None
        self._pairs = LinearPairs(model)
        self.batch: tuple[Tensor, Tensor] | None = None
        """The first batch as the model got it, and its labels."""
        self._trouble = ""
        self._told_trouble = False
        self._handles: list[RemovableHandle] = []
        self._root: list[RemovableHandle] = []
        self._quiet = False
        self._hook()

    # ------------------------------------------------------------------ hooks

    def _hook(self) -> None:
        """All of them, on a run that begins; one that goes on has no first steps."""
        if not is_compiled(self.model):
            self._root.append(self.model.register_forward_pre_hook(self._before_forward))
            if self._fresh_run:
                self._handles.append(self.model.register_forward_hook(self._after_forward))
                self._pairs.hook()
        if not self._fresh_run:
            return
        self._handles.append(self.optimizer.register_step_pre_hook(self._before_update))
        self._handles.append(self.optimizer.register_step_post_hook(self._after_update))
        held = {id(p) for group in self.optimizer.param_groups for p in group["params"]}
        wanted = [p for p in self.model.parameters() if p.requires_grad and id(p) in held]  # others nobody empties
        for place in sorted({0, len(wanted) // 2, len(wanted) - 1})[:STALE_PARAMETERS] if wanted else ():
            self._handles.append(_on_gradient(wanted[place], self._gradient_hook(wanted[place])))

    def close(self) -> None:
        for handle in (*self._handles, *self._root):
            handle.remove()
        self._pairs.close()
        self._handles.clear()
        self._root.clear()

    def _before_forward(self, module: nn.Module, inputs: Any) -> None:
        images = next((value for value in inputs if isinstance(value, Tensor)), None)
        if images is None or self._quiet or not images.numel():
            return
        if not torch.is_grad_enabled():
            self._look_at_validation(module, images)
            return
        if self.scan_inputs and images.is_floating_point():
            with torch.no_grad(), self._within_memory():
                self._finite.append((self.number, images.detach().sum()))
        if self.seen or not self._fresh_run or "input" in self._first:
            return
        with torch.no_grad(), self._within_memory():
            self._first["input"] = moments(images.detach())[:4]
        self._words = {
            "input_dtype": str(images.dtype).removeprefix("torch."),
            "input_shape": list(images.shape[1:]),
            "batch_size": len(images),
            "training_mode": module.training,
        }
        with self._within_memory():
            self._first["images"] = _first_of(images.detach())

    def _look_at_validation(self, module: nn.Module, images: Tensor) -> None:
        if self._validation is None and self.seen:
            with self._within_memory():
                self._validation = moments(images.detach())[:4]
                self._words["validation_mode"] = module.training

    def _after_forward(self, module: nn.Module, inputs: Any, output: Any) -> None:
        self._pairs.forward_done()
        if torch.is_grad_enabled() and not self._quiet and not self.seen and isinstance(output, Tensor):
            self._first["output"] = output.detach()

    def _gradient_hook(self, parameter: Tensor) -> Callable[[Tensor], None]:
        def arrives(gradient: Tensor) -> None:
            """Called before the new gradient is added to what lies there."""
            if id(parameter) in self._met or self._quiet:
                return
            self._met.add(id(parameter))
            left = parameter.grad
            if left is None or not self._updates or left.is_sparse or gradient.is_sparse:
                return
            with torch.no_grad(), self._within_memory():
                self._stale.append(norm(left.detach()) / (norm(gradient.detach()) + 1e-30))

        return arrives

    @contextmanager
    def _within_memory(self) -> Iterator[None]:
        """What there is no memory for is not found out, and ends no training."""
        try:
            yield
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
            self._trouble = self._trouble or "no memory for all that the doctor looks at; the training goes on"

    def trouble(self) -> str:
        """That there was no memory to look, once; else ""."""
        if not self._trouble or self._told_trouble:
            return ""
        self._told_trouble = True
        return self._trouble

    def _before_update(self, optimizer: Optimizer, *_: Any) -> None:
        without = {name for name, p in self.model.named_parameters() if p.requires_grad and p.grad is None}
        self._without = without if self._without is None else self._without & without

    def _after_update(self, optimizer: Optimizer, *_: Any) -> None:
        self._met.clear()
        self._updates += 1

    # ------------------------------------------------------------------ what the journal tells

    def step(self, loss: Tensor | float, labels: Tensor | None, logits: Tensor | None = None) -> None:
        """A step is over: its loss and its labels (N), where they are known."""
        self.number += 1
        if self._told_batches or not self._fresh_run:
            return
        self.seen += 1
        if self.seen == 1:
            self._first["loss"] = torch.as_tensor(loss).detach().float().reshape(())
            if logits is not None:
                self._first.setdefault("output", logits.detach())
            if labels is not None and labels.dim() == 1 and not labels.is_floating_point():
                self._first["labels"] = labels.detach()
                if "images" in self._first:
                    images = self._first.pop("images")
                    self.batch = (images, labels.detach()[: len(images)])
            self._first.pop("images", None)
            self._pairs.close()
        if labels is not None and labels.dim() == 1 and not labels.is_floating_point() and self.seen <= BATCHES:
            self._counts.append((labels.detach(), len(labels)))
        if self.seen == STEPS:
            for handle in self._handles:
                handle.remove()
            self._handles.clear()

    def take(self) -> Facts | None:
        """What is new, read from the device now."""
        found: dict[str, Any] = {}
        if not self._told_static and self.seen >= 1:
            self._told_static = True
            found |= self._static | self._words | self._read_first()
            found["weights"] = _weight_facts(self._weights)
            found["modules"], found["linear_pairs"] = self._pairs.modules(), self._pairs.pairs
            self._weights = []
        if not self._told_batches and self.seen >= BATCHES:
            self._told_batches = True
            found |= self._read_batches()
        elif not self._told_batches and self.seen >= STEPS and "early" not in self._words:
            self._words["early"] = True
            found |= self._read_batches()
        if not self._told_validation and self._validation is not None:
            self._told_validation = True
            numbers = self._validation.tolist()
            found |= {"validation_mean": _finite(numbers[0]), "validation_std": _finite(numbers[1])}
            found["validation_mode"] = self._words["validation_mode"]
            if not self.scan_inputs:
                self._drop_root()
        found |= self._read_finite()
        return Facts(step=self.number, **found) if found else None

    def rest(self) -> Facts | None:
        """What a run that ended within its first steps left behind."""
        found = {} if self._told_batches or not self._counts else self._read_batches()
        self._told_batches = True
        return Facts(step=self.number, **found) if found else None

    def _drop_root(self) -> None:
        for handle in self._root:
            handle.remove()
        self._root.clear()

    def _read_finite(self) -> dict[str, Any]:
        if not self._finite:
            return {}
        waiting, self._finite = self._finite, []
        bad = (~torch.stack([total.float() for _, total in waiting]).isfinite()).tolist()
        for (step, _), is_bad in zip(waiting, bad, strict=True):
            if is_bad and not self._told_bad:
                self._told_bad = True
                return {"bad_batch": step}
        return {}

    def _read_first(self) -> dict[str, Any]:
        found: dict[str, Any] = {}
        if "input" in self._first:
            names = ("input_mean", "input_std", "input_min", "input_max")
            found |= {name: _finite(n) for name, n in zip(names, self._first["input"].tolist(), strict=True)}
        loss, output, labels = (self._first.get(name) for name in ("loss", "output", "labels"))
        if loss is not None:
            found["first_loss"] = _finite(loss.item())
        if output is not None and output.dim() == 2 and len(output):
            found |= _output_facts(output.float(), labels, found.get("first_loss"))
        self._first = {}
        return found

    def _read_batches(self) -> dict[str, Any]:
        found: dict[str, Any] = {}
        if self._counts:
            labels = [batch.cpu() for batch, _ in self._counts]
            found["batch_classes"] = [len(set(batch.tolist())) for batch in labels]
            found["batch_sizes"] = [size for _, size in self._counts]
            together = torch.cat(labels)
            found["label_range"] = [int(together.min()), int(together.max())]
        if self._stale:
            found["stale_gradient"] = _finite(torch.stack(self._stale).median().item())
        if self._without:
            found["no_gradient"] = sorted(map(plain_name, self._without))[:50]
            found["no_gradient_count"] = len(self._without)
        return found

    # ------------------------------------------------------------------ both modes

    def mode_losses(self) -> Facts | None:
        """The first batch once more with the weights as they are, in training and in evaluation mode; None for a model
        without batch norm, or where the batch is not known. The model is left as it was."""
        norms = any(isinstance(module, nn.modules.batchnorm._BatchNorm) for module in self.model.modules())
        if self.batch is None or not norms or is_compiled(self.model):
            return None
        images, labels = self.batch
        from cvtui.engine.observe.untouched import untouched

        modes = [(module, module.training) for module in self.model.modules()]
        self._quiet = True
        found = []
        try:
            with untouched(self.model), torch.no_grad():
                for training in (True, False):
                    self.model.train(training)
                    found.append(nn.functional.cross_entropy(self.model(images).float(), labels).item())
        except (RuntimeError, ValueError, IndexError, TypeError, AttributeError):
            return None  # a stranger's model: what it gives may be anything
        finally:
            self._quiet = False
            for module, mode in modes:
                module.training = mode
        if not all(map(math.isfinite, found)):
            return None
        pair = [rounded(number, 6) for number in found]
        return Facts(
            step=self.number, train_mode_loss=pair[0], eval_mode_loss=pair[1], mode_losses=[[self.number, *pair]]
        )


def optimizer_facts(model: nn.Module, optimizer: Optimizer) -> dict[str, Any]:
    """Fields of `Facts`: which parameters the optimiser holds, and how it is set."""
    held = {id(p) for group in optimizer.param_groups for p in group["params"]}
    named = list(model.named_parameters())
    own = {id(p) for _, p in named}
    left_out = [plain_name(name) for name, p in named if p.requires_grad and id(p) not in held]
    frozen = [plain_name(name) for name, p in named if not p.requires_grad]
    group = optimizer.param_groups[0]
    betas = group.get("betas")
    return {
        "optimizer": type(optimizer).__name__.lower(),
        "momentum": float(betas[0] if isinstance(betas, Sequence) else group.get("momentum", 0.0)),
        "weight_decay": max(float(group.get("weight_decay", 0.0)) for group in optimizer.param_groups),
        "parameters": sum(p.requires_grad for _, p in named),
        "left_out": left_out[:50],
        "left_out_count": len(left_out),
        "foreign": len(held - own),
        "frozen": frozen[:50],
        "frozen_count": len(frozen),
    }


@torch.no_grad()
def _weight_numbers(model: nn.Module) -> list[tuple[str, int, Tensor]]:
    """(name, fan-in, [mean, std, min, max]) of every layer's weights; the numbers stay there.

    A parameter whose numbers all lie along one axis (C x 1 x 1, ConvNeXt's layer_scale, 1 x 1 x D, a token) holds a
    scale or a bias: alike from the beginning by design. Only a linear or conv layer's own weight may look like that."""
    found = []
    layers = {id(m.weight) for m in model.modules() if isinstance(m, nn.Linear | nn.modules.conv._ConvNd)}
    for name, parameter in model.named_parameters():
        table = sum(side > 1 for side in parameter.shape) > 1 or id(parameter) in layers
        if table and parameter.dim() > 1 and parameter.numel() > 1 and parameter.is_floating_point():
            fan_in = parameter[0].numel()
            found.append((plain_name(name), fan_in, moments(parameter.detach())[:4]))
    return found


def _weight_facts(numbers: list[tuple[str, int, Tensor]]) -> list[WeightFact]:
    if not numbers:
        return []
    read = torch.stack([tensor for _, _, tensor in numbers]).tolist()
    facts = []
    for (name, fan_in, _), (mean, std, low, high) in zip(numbers, read, strict=True):
        facts.append(
            WeightFact(
                name=name,
                layer=name.rpartition(".")[0],
                fan_in=fan_in,
                mean=_finite(mean),
                std=0.0 if low == high else _finite(std),
            )
        )
    return facts


def _first_of(images: Tensor) -> Tensor:
    """The batch itself, or a copy of as many of its first images as fit into KEPT_BYTES."""
    count = max(2, KEPT_BYTES * len(images) // max(1, images.nbytes))
    return images if count >= len(images) else images[:count].clone()


def _output_facts(output: Tensor, labels: Tensor | None, loss: float | None) -> dict[str, Any]:
    """Of the first batch's outputs, N x C, and the loss that was told of it."""
    sums = output.sum(1)
    is_share = bool(((output >= 0).all() & (output <= 1).all() & ((sums - 1).abs() < 1e-3).all()).item())
    found: dict[str, Any] = {"outputs": output.shape[1], "rows_sum_to_one": is_share and output.shape[1] > 1}
    if (
        labels is not None
        and len(labels) == len(output)
        and 0 <= int(labels.min()) <= int(labels.max()) < len(output[0])
    ):
        found["cross_entropy"] = _finite(nn.functional.cross_entropy(output, labels).item())
        twice = [nn.functional.cross_entropy((output / t).softmax(1), labels).item() for t in TEMPERATURES]
        found["doubled"] = _finite(min(twice, key=lambda cost: abs(cost - (loss or twice[0]))))
        if is_share:
            chosen = output.gather(1, labels[:, None]).clamp_min(1e-12)
            found["log_loss"] = _finite(-chosen.log().mean().item())
        elif bool((output <= 0).all()):  # log-probabilities, for NLLLoss
            found["log_loss"] = _finite(-output.gather(1, labels[:, None]).mean().item())
    return found


def _on_gradient(parameter: Tensor, called: Callable[[Tensor], None]) -> RemovableHandle:
    handle: RemovableHandle = parameter.register_hook(called)  # type: ignore[no-untyped-call]
    return handle


def _finite(number: float) -> float | None:
    return rounded_or_none(number, 6)
