"""Lottery ticket (Frankle & Carbin 2019): pruned by magnitude, rewound, and kept pruned.

Round r takes the trained weights of round r − 1, drops the smallest, and starts again from round 0's first weights.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from cvtui import door
from cvtui.engine.data.images import OnProgress, Part
from cvtui.engine.data.preprocess import Preprocess
from cvtui.engine.nn.inits.layer import layers_of
from cvtui.engine.runtime.seeds import generator
from cvtui.engine.train import checkpoint
from cvtui.engine.train.preparation import make_net, prepare, start_weights
from cvtui.engine.train.state import TrainingState
from cvtui.errors import RequestError
from cvtui.recipe.validation import Checked
from cvtui.runlog.folder import RunFolder
from cvtui.runlog.lottery_note import MASK, REWIND, Scope, Ticket, beside, left_after, ticket_of

MASKS = 7
"""The stream of random numbers that random masks are shuffled with."""

Masks = dict[str, Tensor]
"""Layer name -> bool, of its weight's shape: True is kept."""


def prepare_run(
    checked: Checked, folder: RunFolder, on_progress: OnProgress | None = None, *, early: bool = False
) -> tuple[TrainingState, str]:
    """Prepare the training of a run folder, with its ticket where it has one; return a message too.

    Round 0 is an ordinary run that writes its weights down once. A later round has the weights to begin with in its
    model, those pruned at 0, and hooks that keep them there: no gradient comes, and no update stays. RequestError when
    the runs before it lack what is needed. early: as for `prepare`, of an ordinary run.
    """
    ticket = ticket_of(folder)
    if ticket is None:
        begun = bool(door.names(folder.checkpoints, ".pt"))  # of its own, or a fork's
        return prepare(checked, on_progress=on_progress, begun=begun, early=early), ""
    if ticket.kind == "dense":
        training = prepare(checked, on_progress=on_progress)
        _keep_weights(training, folder, ticket.rewind_steps)
        return training, ""
    masks: Masks = {}

    def begin(model: nn.Module, train: Part, preprocess: Preprocess) -> None:
        masks.update(_masks(model, checked.recipe.seed, folder, ticket))
        if ticket.kind == "reinit":
            fresh = make_net(checked)
            start_weights(fresh, checked, train, preprocess, ticket.round)
            model.load_state_dict(fresh.state_dict())
        else:
            _rewind(model, beside(folder, ticket.origin))
        _apply_masks(_pruned_weights(model, masks))

    training = prepare(checked, begin, on_progress)
    _keep_pruned(training.optimizer, _pruned_weights(training.model, masks))
    kept, total = sum(int(mask.sum()) for mask in masks.values()), sum(mask.numel() for mask in masks.values())
    left = f"{kept:,} of {total:,} weights are left ({kept / total:.2%})"
    return training, f"lottery, round {ticket.round}, {ticket.kind}: {left}"


def prune(weights: Mapping[str, Tensor], masks: Masks, share: float, scope: Scope) -> Masks:
    """Masks without the smallest of the weights that are left (see `left_after` for how many).

    weights and masks: by layer in order, the classifier last. Of equal sizes the earlier in memory goes first.
    """
    left = left_after({name: int(mask.sum()) for name, mask in masks.items()}, share, scope)
    if scope == "layer":
        return {name: _largest(weights[name].abs(), masks[name], left[name]) for name in masks}
    last = list(masks)[-1] if len(masks) > 1 else None
    names = [name for name in masks if name != last]
    sizes = torch.cat([weights[name].abs().flatten() for name in names])
    alive = torch.cat([masks[name].flatten() for name in names])
    parts = torch.split(_largest(sizes, alive, left[""]), [masks[name].numel() for name in names])
    pruned = {name: part.view_as(masks[name]) for name, part in zip(names, parts, strict=True)}
    return {**pruned, **({last: masks[last]} if last is not None else {})}


def shuffled(masks: Masks, maker: torch.Generator) -> Masks:
    """Masks of as many weights of each layer, at random positions."""
    return {
        name: mask.flatten()[torch.randperm(mask.numel(), generator=maker)].view_as(mask)
        for name, mask in masks.items()
    }


def _largest(sizes: Tensor, alive: Tensor, count: int) -> Tensor:
    """Mask of the `count` largest of those alive."""
    flat = torch.where(alive, sizes, torch.full_like(sizes, -1.0)).flatten().contiguous()
    order = flat.argsort(stable=True)
    mask = torch.zeros(flat.numel(), dtype=torch.bool)
    mask[order[flat.numel() - count :]] = True
    return mask.view(alive.shape)


def _masks(model: nn.Module, seed: int, folder: RunFolder, ticket: Ticket) -> Masks:
    """Masks of the run: its own from when it began, else its parent's, pruned once more."""
    path = folder.path / MASK
    if door.is_file(path):
        return _read(path)
    names = [layer.name for layer in layers_of(model)]
    above = RunFolder(beside(folder, ticket.parent))
    try:
        state = checkpoint.load(above.checkpoints / "last.pt")
    except (checkpoint.Damaged, OSError) as error:
        raise RequestError(f"the last checkpoint of {ticket.parent!r} can't be read: {error}") from None
    try:
        weights = {name: state["model"][f"{name}.weight"].contiguous() for name in names}
    except KeyError as error:
        raise RequestError(f"{ticket.parent!r} trained another net: it has no {error}") from None
    if not all(weight.isfinite().all() for weight in weights.values()):
        raise RequestError(f"{ticket.parent!r} diverged: there are no sizes to prune by")
    everything = {name: torch.ones(weight.shape, dtype=torch.bool) for name, weight in weights.items()}
    before = _read(above.path / MASK) if door.is_file(above.path / MASK) else everything
    masks = prune(weights, before, ticket.prune, ticket.scope)
    if ticket.kind == "random-mask":
        masks = shuffled(masks, generator(seed, MASKS, ticket.round))
    checkpoint.write_whole(masks, path)
    return masks


def _read(path: Path) -> Masks:
    try:
        with door.opened(path) as file:
            masks: Masks = torch.load(file, weights_only=True)
    except Exception as error:  # torch raises a dozen kinds for a broken file
        raise RequestError(
            f"{path.parent.name}/{path.name} can't be read: {' '.join(str(error).split())[:120]}"
        ) from None
    return masks


def _rewind(model: nn.Module, origin: Path) -> None:
    """Load round 0's first weights (or those soon after) into the model."""
    try:
        model.load_state_dict(_read(origin / REWIND))
    except RuntimeError:
        raise RequestError(f"{origin.name!r} trained another net") from None


def _keep_weights(training: TrainingState, folder: RunFolder, steps: int) -> None:
    """Write the model's weights down after so many steps."""

    def keep() -> None:
        weights = {name: value.detach().cpu() for name, value in training.model.state_dict().items()}
        checkpoint.write_whole(weights, path)

    path = folder.path / REWIND
    if steps == 0 and not door.is_file(path):
        keep()
        return

    def after_update(*_: Any) -> None:
        if training.step + 1 == steps:  # the loop counts the step after its update
            keep()
            handle.remove()

    after_update.on_host = True  # type: ignore[attr-defined]  # see graph.py
    handle = training.optimizer.register_step_post_hook(after_update)


PrunedWeights = list[tuple[Tensor, Tensor]]
"""Weights and their masks, on the device."""


def _pruned_weights(model: nn.Module, masks: Masks) -> PrunedWeights:
    return [(layer.weight, masks[layer.name].to(layer.weight.device)) for layer in layers_of(model)]


@torch.no_grad()
def _apply_masks(pruned: PrunedWeights) -> None:
    for weight, mask in pruned:
        weight.mul_(mask)


def _keep_pruned(optimizer: Optimizer, pruned: PrunedWeights) -> None:
    """Keep pruned weights at 0, and their gradients out of the norm.

    Whatever the optimizer does (momentum, Muon's mixing).
    """
    for weight, mask in pruned:
        weight.register_hook(lambda gradient, mask=mask: gradient * mask)  # type: ignore[no-untyped-call]
    optimizer.register_step_post_hook(lambda *_: _apply_masks(pruned))
