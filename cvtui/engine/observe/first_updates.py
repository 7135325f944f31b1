"""What the first updates show: gradients that an optimizer finds, how they came there, and whether it is asked at all.

Nothing is read back from the device before `facts` and `passes`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import Any

from torch import Tensor, nn
from torch.optim import Optimizer

from cvtui.engine.observe.capped_gradients import all_alike, capped, largest_and_share
from cvtui.engine.observe.forward_hooks import Handle
from cvtui.engine.observe.kept_casts import KeptCasts
from cvtui.engine.observe.layer_kinds import plain_name
from cvtui.engine.observe.shards import is_sharded, own_shard
from cvtui.engine.observe.stale_gradients import StaleGradients
from cvtui.engine.observe.update_passes import UpdatePasses
from cvtui.engine.optim.groups import held_by
from cvtui.text import rounded_or_none

UNMOVED = 64
"""Steps without one update, after which the optimizer is taken to be never asked."""


class FirstUpdates:
    """Observer of the first updates, by hooks on the optimizers (`hook`) and on a few parameters.

    watching: asked at each gradient that arrives. within_memory: leaves out what there is no memory for.
    """

    def __init__(
        self,
        model: nn.Module,
        optimizers: Sequence[Optimizer],
        watching: Callable[[], bool],
        within_memory: Callable[[], AbstractContextManager[None]],
    ) -> None:
        self._model, self._optimizers, self._within_memory = model, optimizers, within_memory
        self.count = 0
        """Updates made."""
        self.without: set[str] | None = None
        """Parameters that had no gradient at any update."""
        self._capped: Tensor | None = None
        self.casts = KeptCasts(within_memory)
        held = held_by(*optimizers)
        # zero_grad leaves the others alone
        # (FSDP puts gradients into shards, by no hook on them.)
        whole = not is_sharded(model)
        wanted = [p for p in model.parameters() if whole and p.requires_grad and id(p) in held]
        self._stale = StaleGradients(wanted, lambda: self.count > 0 and watching(), within_memory)
        self._passes = UpdatePasses(wanted[:1], watching, within_memory)
        self._handles: list[Handle] = [*self._stale.handles, *self._passes.handles]
        self._after: list[Handle] = []

    def hook(self, before: Callable[..., None], after: Callable[..., None]) -> None:
        """Have these called before and after each update, until `settle` lets go."""
        for optimizer in self._optimizers:
            self._handles.append(optimizer.register_step_pre_hook(before))
            self._after.append(optimizer.register_step_post_hook(after))

    @property
    def are_watched(self) -> bool:
        """True as long as hooks are on."""
        return bool(self._handles or self._after)

    def forward(self) -> None:
        """Take a forward pass with gradients."""
        self._passes.forward()

    def look(self, optimizer: Optimizer, held: set[int], number: int, *, asked: bool = False) -> None:
        """Look at the gradients of an update of the parameters `held` (by id), in the step of this number.

        asked: it made their passes itself, by a closure; then this is called behind it.
        """
        self._stale.before_update(held)
        self._passes.before_update(held, number, asked)
        if self.count == 1 and self._capped is None:
            with self._within_memory():
                own = (p.grad for group in optimizer.param_groups for p in group["params"])
                self._capped = largest_and_share(own_shard(one) for one in own if one is not None)
        without = {name for name, p in self._model.named_parameters() if p.requires_grad and p.grad is None}
        self.without = without if self.without is None else self.without & without

    def made(self) -> None:
        """Take an update that was made."""
        self.count += 1
        self.casts.updated()

    def settle(self, number: int) -> None:
        """Watch no longer for what is known by this step, nor for an update that does not come."""
        if self.count or number > UNMOVED:
            remove_all(self._after)
        if self._passes.known or number > UNMOVED:
            remove_all(self._handles)

    def close(self) -> None:
        """Remove all hooks."""
        remove_all(self._handles)
        remove_all(self._after)

    def passes(self) -> dict[str, Any]:
        """Return what the passes before each update were for; {} until it is known."""
        if not self._passes.known:
            return {}
        return {
            "accumulated": self._passes.accumulated(),
            "thrown_away": self._passes.thrown_away(),
            "emptied": self._passes.emptied(),
            "steps_together": self._passes.steps_together(),
        }

    def facts(self, set_by_hand: set[str] | None) -> dict[str, Any]:
        """Return the fields about gradients, read from the device.

        set_by_hand: parameters that need none; None where it is not known which.
        """
        facts: dict[str, Any] = {}
        if (stale := self._stale.median()) is not None:
            facts["stale_gradient"] = rounded_or_none(stale, 6)
        if cut := capped(self._capped):
            facts["capped_gradient"] = cut
        if all_alike(self._capped):
            facts["gradient_of_one_number"] = True
        if (behind := self.casts.most()) is not None:
            facts["stale_casts"] = behind
        if set_by_hand is not None and (without := {*map(plain_name, self.without or ())} - set_by_hand):
            facts["no_gradient"] = sorted(without)[:50]
            facts["no_gradient_count"] = len(without)
        return facts


def remove_all(handles: list[Any]) -> None:
    """Take off all observers of a list, and empty it."""
    while handles:
        handles.pop().remove()
