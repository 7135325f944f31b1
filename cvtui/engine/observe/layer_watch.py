"""Sample layer statistics at every Nth step, with hooks that are registered for that step alone.

Nothing is read back on the step itself: the numbers stay on their device until `take`. Watching changes no bit of the
training: it reads outputs and weights, draws no random numbers and leaves mode and buffers alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from torch import Tensor, nn
from torch.optim import Optimizer

from cvtui.engine.observe.forward_hooks import (
    forward_hooks,
    is_compiled,
    may_compile,
    something_was_compiled,
    uncompiled,
)
from cvtui.engine.observe.layer_kinds import plain_name, watched_layers
from cvtui.engine.observe.layer_record import Pending, record_of
from cvtui.engine.observe.layer_sample import LayerSample
from cvtui.engine.observe.watch_budget import WatchBudget
from cvtui.runlog.events import LayersSampled

__all__ = ["LayerWatch", "watched_layers"]


PLAIN_STEPS = 3
"""Steps before each that may be sampled, which are timed to compare it with. (The clock of a thread is a system call,
0.6 µs and more where other threads wait for the processor: three of them at every step were 0.5 % of one of 2.4 ms.)"""
NO_FUNCTIONS = 3
"""Samples without an activation or attention that is a function, after which no more are looked for."""


class LayerWatch:
    """Layer statistics of `model` while one or several optimizers train it.

        watch.begin(number)           # hooks go on, if this step is due
        forward, backward, optimizer.step()
        watch.end()                   # and off
        records = watch.take()        # now and then: what was sampled since

    every: sample at steps that are multiples of it; 0 is never. budget: samples keep within it; None: at every such
    step. functions: look for activations and attentions that the model calls as functions, too. plainly: nothing
    compiles, traces or copies the model while a step runs, as in the trainer. Forward passes without gradients (a
    validation between two steps) are not looked at; of several with gradients, the last before the update counts.
    """

    def __init__(
        self,
        model: nn.Module,
        optimizer: Optimizer | Sequence[Optimizer],
        every: int,
        budget: WatchBudget | None = None,
        *,
        functions: bool = True,
        plainly: bool = False,
    ) -> None:
        self.layers = watched_layers(model)
        self.root = uncompiled(model)
        """Whose forward passes are looked at."""
        self.hooks = forward_hooks(model)
        self.optimizers = [optimizer] if isinstance(optimizer, Optimizer) else list(optimizer)
        self.every = every
        self.budget = budget or WatchBudget()
        self._sparing = budget is not None
        self._clock = self.budget.clock
        self._hooks = LayerSample(self.layers, self.root, self.hooks, self.optimizers, self._clock, plainly)
        self._sample: LayerSample | None = None
        """The hooks, while they are on."""
        self._lost: list[int] = []
        """Steps whose sample there was no memory for."""
        self._reported = 0
        self._blind: int | None = None
        """The first sampled step that showed weights and no output, though something was compiled."""
        self._reported_blind = self._reported_failure = False
        self._pending: list[Pending] = []
        self._without_functions = 0 if functions else NO_FUNCTIONS
        """Samples in a row in which none was called."""
        self._begun = 0.0
        """When the step began, later by what was not of the step."""
        self._timed = False
        """The step under way is sampled, follows one that was, or is one that such are compared with."""
        self._follows = False
        """The step before was sampled."""
        self._charged = 0.0
        """What the loop's calls had taken when the sampled step began."""

    @property
    def seconds(self) -> float:
        """Spent on watching so far."""
        return self.budget.seconds

    def cost(self) -> float | None:
        """Return the share of the training time that watching has taken; None where nothing is watched."""
        return round(self.budget.share(), 5) if self.every else None

    def due(self, step: int) -> bool:
        if not self.every or step % self.every or self._hooks.failed:
            return False
        return not self._sparing or self.budget.allows_sample()

    @property
    def is_looking(self) -> bool:
        """True while hooks of a sampled step are registered."""
        return self._sample is not None

    def note_norms(self, parameters: list[Tensor], norms: Sequence[Tensor]) -> None:
        """Take the norms of these parameters' gradients, just worked out for other ends."""
        if self._sample is not None:
            self._sample.of_weights.norms.note(parameters, norms)

    def explain(self, reasons: Mapping[str, str]) -> None:
        """Take the reasons, by layer, why samples from here on will have no output of some."""
        self._hooks.known = {plain_name(name): why for name, why in reasons.items()}

    def begin(self, step: int) -> None:
        """Register the hooks before a training step, if it is due."""
        if self._sample is not None:
            self.cancel()
        every = self.every
        left = every - step % every if every else PLAIN_STEPS + 1  # steps to the next that may be sampled
        due = left == every and self.due(step)
        self._timed = due or self._follows or left <= PLAIN_STEPS
        if self._timed:
            self._begun = self._clock()
        if due:
            self._sample = self._hooks
            self._hooks.begin(step, self._sees_functions(), timed=self.budget.times_hooks)
            taken = self._clock() - self._begun
            self._hooks.seconds += taken
            self.budget.within += taken
            self._charged = self._calls_taken()

    def steps_to_sample(self, step: int) -> int | None:
        """Return how many steps come before a sample, from the one that `begin(step)` has begun; None: none is due.

        (One for which there is no budget yet is passed over, with the steps that it would have been compared with.)
        """
        if self._sample is not None:
            return 0
        if not self.every or self._hooks.failed or not self.budget.allows_sample():
            if not self._follows:
                self._timed = False
            return None
        return self.every - step % self.every

    @property
    def is_timed(self) -> bool:
        """True where the step under way is one that samples are compared with, or follows one."""
        return self._timed

    def _sees_functions(self) -> bool:
        """Return True if this sample looks at functions: not where torch.compile could trace a graph under a mode."""
        if self._without_functions >= NO_FUNCTIONS or may_compile() or is_compiled(self.root):
            return False
        # In evaluation these may take a fused path that a mode would keep them from, and its bits are others.
        fused = (nn.MultiheadAttention, nn.TransformerEncoderLayer)
        return not any(isinstance(module, fused) and not module.training for module in self.root.modules())

    def cancel(self) -> None:
        """Remove the hooks of the step that was begun; no record comes of it."""
        if self._sample is not None:
            self._sample.unhook()
            self._sample = None

    def end(self) -> None:
        """Remove the hooks after the step; what they saw waits for `take`."""
        sample = self._sample
        if sample is None:
            if self._timed:
                charge = self.budget.step_after if self._follows else self.budget.plain_step
                charge(self._clock() - self._begun)
            self._follows = self._timed = False
            return
        self.cancel()
        self._follows = True
        begun = self._clock()
        unseen = self.layers and sample.updated and not sample.outputs and not sample.lost
        if self._blind is None and unseen and something_was_compiled():
            self._blind = sample.step
        if sample.functions is not None and sample.outputs:
            self._without_functions = 0 if sample.functions.seen else self._without_functions + 1
        gathered = None
        try:
            gathered = None if sample.lost else sample.gathered()
        except Exception as error:
            if not self._hooks.survives(error):
                raise
        now = self._clock()
        self.budget.sampled_step(now - self._begun, sample.seconds + now - begun)
        self.budget.within += self._calls_taken() - self._charged
        if gathered is None and not sample.failed:
            self._lost.append(sample.step)
        elif gathered is not None:
            self._pending.append(gathered)

    def _calls_taken(self) -> float:
        return self.budget.calls.taken() if self.budget.calls is not None else 0.0

    @property
    def was_sampled(self) -> bool:
        """True right behind a step that was sampled."""
        return self._follows

    def resume_step(self) -> None:
        """Begin the step's time anew: what came since `begin` was none of it (a flush of the log, say)."""
        if self._timed:
            self._begun = self._clock()

    def take(self) -> list[LayersSampled]:
        """Return the samples since the last call, read from the device now."""
        if not self._pending:
            return []
        begun = self._clock()
        samples, self._pending = self._pending, []
        records = []
        try:
            records += [record_of(pending, self.budget.share()) for pending in samples]
        except Exception as error:
            if not self._hooks.survives(error):
                raise
        self.budget.add_reading(self._clock() - begun)
        return records

    def trouble(self) -> str:
        """Return a message about what could not be seen; else "".

        Of lost samples: about the first, the tenth, the hundredth …
        """
        if self._hooks.failed and not self._reported_failure:
            self._reported_failure = True
            return f"looks at the layers ended ({self._hooks.failed}); training continues"
        if self._blind is not None and not self._reported_blind:
            self._reported_blind = True
            return (
                f"no layer's output was seen at step {self._blind:,}: torch.compile leaves hooks out of what it "
                "compiled before, and of CUDA graphs; compile the model before its first step, and begin cvtui.watch "
                "before the compiled model is called"
            )
        count = len(self._lost)
        if count < 10 * self._reported or not count:
            return ""
        first, self._reported = not self._reported, 10 ** (len(str(count)) - 1)
        if first:
            return f"no memory to look at the layers at step {self._lost[0]:,}: left out; training continues"
        return f"no memory to look at the layers: {count:,} looks were left out so far"

    def exclude_time(self, seconds: float) -> None:
        """Leave a pause out of the time that the cost of watching is a share of."""
        self.budget.exclude_time(seconds)
