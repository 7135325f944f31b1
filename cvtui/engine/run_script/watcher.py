"""Watcher of a whole program: finds what is trained, by PyTorch's global hooks, and follows it.

Hooks on every module are there until a model is found, and while an optimizer steps that is not known. After that
there are two on the watched model itself, and one before and one after each optimizer's step.
"""

from __future__ import annotations

import contextlib
import os
import warnings
import weakref
from collections import Counter
from collections.abc import Callable
from typing import Any

import msgspec
import torch
from torch import Tensor, nn
from torch.nn.modules.module import register_module_forward_hook, register_module_forward_pre_hook
from torch.optim import Optimizer
from torch.optim.optimizer import register_optimizer_step_post_hook, register_optimizer_step_pre_hook

from cvtui.engine.observe.copies import is_traced
from cvtui.engine.observe.forward_hooks import call_new_hooks, may_compile
from cvtui.engine.optim.groups import is_stepping
from cvtui.engine.run_script.compiled_in_place import Call, follow_compiled
from cvtui.engine.run_script.ended import Ended
from cvtui.engine.run_script.loss_sight import Sight
from cvtui.engine.run_script.options import Options, place_of
from cvtui.engine.run_script.search import MADE, FirstBatches, Found, holds_loss_and_model, is_wrapper, share_of
from cvtui.engine.run_script.sigterm import REASON, append_end, end_on_sigterm, leave_sigterm
from cvtui.engine.run_script.told import say

MOST_CLAIMS = 20
"""Steps of optimizers whose model is not found, before the search for it is given up."""
MOST_IDLE = 3
"""Steps without any gradient, after which an optimizer is taken to be meant for the model that has gradients."""
LEAST_SHARE = 0.5
"""Of what the optimizers hold: a module with less waits for one that holds more, until the first step."""
_COMPILED = r"Using `torch\.compile\(module\)` when there are global hooks"


class Watcher:
    """Sees the training of this process, from the import of torch to `end`."""

    def __init__(self, options: Options, place: str) -> None:
        self._options, self._place = options, place
        self._process = os.getpid()
        self.sight = Sight()
        self.sessions: list[Any] = []
        self._done: list[Ended] = []
        self._losses: list[Tensor] = []
        self._last: list[Tensor] = []
        self._current: Any = None
        self._stepping = self._within = False
        """An optimizer's `step` is running; the model was called in it."""
        self._open: set[int] = set()
        """Optimizers whose step has begun and was not told."""
        self._inside: nn.Module | None = None
        self._calls: Counter[int] = Counter()
        self._shares: dict[int, float] = {}
        self._least = LEAST_SHARE
        self._claimed = 0
        self._unseen = 0
        """Steps of optimizers whose model is not watched."""
        self._is_back = False
        """One of them stepped before another took its place."""
        self._has_gradients = False
        """One of those optimizers had a gradient to step along."""
        self._idle: weakref.WeakSet[Optimizer] = weakref.WeakSet()
        self._trouble = ""
        self._search: list[Any] = []
        self._steps = [
            register_optimizer_step_pre_hook(self._before_step),
            register_optimizer_step_post_hook(self._after_step),
        ]
        MADE.begin()
        self._leave_loaders = self.sight.follow_loaders()
        self.sight.wake = self.wake
        self._leave_compiled = follow_compiled(self._call_compiled)
        self._look_for_models()

    # ------------------------------------------------------------------ the search

    def _look_for_models(self) -> None:
        if not self._search:
            warnings.filterwarnings("ignore", message=_COMPILED)
            self._filter = warnings.filters[0]
            self._search = [
                register_module_forward_pre_hook(self._before_any),
                register_module_forward_hook(self._after_any, always_call=True),
            ]

    def _look_no_more(self) -> None:
        for handle in self._search:
            handle.remove()
        if self._search:
            with contextlib.suppress(ValueError):
                warnings.filters.remove(self._filter)  # type: ignore[attr-defined]
        self._search, self._inside = [], None

    def _before_any(self, module: nn.Module, args: Any) -> None:
        if self._inside is not None or not torch.is_grad_enabled() or is_traced():
            return
        self._inside = module
        if os.getpid() == self._process and (self._unseen or not any(one.model is module for one in self.sessions)):
            self.guarded(self._consider, module, args)

    def _after_any(self, module: nn.Module, _args: Any, _output: Any) -> None:
        if module is self._inside:
            self._inside = None

    def _consider(self, module: nn.Module, args: Any) -> None:
        """Begin to watch a model, where an optimizer trains it."""
        if isinstance(module, torch.jit.ScriptModule):
            return  # its layers can't be seen
        self._calls[id(module)] += 1
        number = self._calls[id(module)]
        if number & (number - 1) and not self._unseen:
            return  # a look at all objects takes some 30 ms
        known, found = [*self.sessions, *self._done], Found()
        if self._is_back:
            known = [one for one in known if one.model is not module]
        free = [one for one in found.optimizers if not any(session.holds(one) for session in known)]
        holding, share = share_of(module, free)
        if holding and not self._unseen and holds_loss_and_model(module, args, holding):
            self._shares[id(module)], self._inside = share, None  # the model is called within, and alone in evaluations
            return
        if not holding and (idle := self._idle_beside(module)):
            holding, share = idle, 0.0
        elif not holding or share < self._least * max(self._shares.values(), default=1.0):
            if holding:
                self._shares[id(module)] = share
            return
        self.sight.scaled = self.sight.scaled or found.scales
        self._begin(module, args, holding, share, FirstBatches(found.iterators))

    def _idle_beside(self, module: nn.Module) -> list[Optimizer]:
        """Return the optimizers that step without any gradient, where a model of which they hold nothing has some."""
        if self._has_gradients or self._unseen < MOST_IDLE or all(p.grad is None for p in module.parameters()):
            return []
        return list(self._idle)

    def _begin(
        self, module: nn.Module, args: Any, optimizers: list[Optimizer], share: float, first: FirstBatches
    ) -> None:
        from cvtui.engine.observe import forward_hooks
        from cvtui.engine.run_script.session import Session

        former = any(one.model is module for one in (*self.sessions, *self._done))
        for session in [one for one in self.sessions if one.model is module]:  # a new optimizer, as for fine-tuning
            self._finish(session, replaced=True)
        if not former and forward_hooks.uncompiled(module) in forward_hooks._BY_MODEL:
            raise _StandAside("the script calls cvtui.watch itself")
        options = msgspec.structs.replace(self._options, runs=place_of(self._options.runs, self._place))
        before = set(module._forward_pre_hooks)
        session = Session(module, optimizers, options, self, share, first)
        self.sessions.append(session)
        end_on_sigterm(self._terminate)
        self._unseen, self._shares, self._least, self._is_back = 0, {}, LEAST_SHARE, False
        self._idle.clear()
        self._look_no_more()
        if module._compiled_call_impl is not None:
            return  # this call has not come to its hooks yet
        call_new_hooks(module, args, before)

    # ------------------------------------------------------------------ forward passes of watched models

    def _call_compiled(self, module: nn.Module, code: Call, args: Any, kwargs: Any) -> Any:
        """Call a module that was compiled in place, as its hooks would have seen it."""
        if self._search:
            self._before_any(module, args)
        try:
            session = next((one for one in self.sessions if one.model is module), None)
            return code(*args, **kwargs) if session is None else session.call_around(code, args, kwargs)
        finally:
            self._after_any(module, args, None)

    def forward(self, begun: Any) -> None:
        """Take note of a forward pass that begins."""
        self._current = begun

    def after(self, output: Tensor | None, labels: Tensor | None, loss: Tensor | None) -> None:
        """Take its output, and the labels and the loss of a model that knows them itself."""
        if self._current is not None:
            self._current.output, self._current.labels, self._current.loss = output, labels, loss

    def judge(self) -> None:
        """Close the last forward pass: training, where `backward` was called after it."""
        if self._stepping and not is_stepping():
            self._stepping = False  # it raised, and the script goes on
        if self._current is None and self.sight.is_idle:
            return
        self.sight.end()
        calls, backward, compared = self.sight.take()
        forward, self._current = self._current, None
        # (A closure that the optimizer calls several times in one step, or SAM's second pass.)
        again = bool(self._losses) and (self._stepping if forward is None else forward.is_again(self._stepping))
        if not again:
            self._losses += backward
        if forward is None or (again and forward.learns):
            return
        if not forward.learns:
            calls = [call for call in calls if not call.learns]
        forward.session.judged(forward, calls, compared, bool(backward) and forward.learns)

    def forget_losses(self) -> bool:
        """Drop losses whose update was left out, as GradScaler does; False within a step."""
        if not self._stepping:
            self._losses.clear()
        return not self._stepping

    def is_first_within(self) -> bool:
        """Return True for the first forward pass within an optimizer's step, behind passes whose losses are kept."""
        first, self._within = self._stepping and not self._within, self._stepping
        return first and bool(self._losses)

    # ------------------------------------------------------------------ steps

    def rest(self, session: Any) -> None:
        """See no more of the next step than its loss, where nothing else could come of it."""
        if len(self.sessions) == 1 and not (self._search or self.sight.scaled or self._trouble or may_compile()):
            self.sight.noted.begin(session)
            session.is_resting = True

    def wake(self, ended: bool = False) -> None:
        """See all again; ended: a loader has given its last batch."""
        if not self.sight.noted.is_on:
            return
        if self.sight.noted.stepping:
            self._open.add(id(self.sight.noted.optimizer))
        self.sight.noted.pause()
        for session in self.sessions:
            session.woken(ended)

    def _session(self, optimizer: Optimizer) -> Any:
        for session in self.sessions:
            if session.holds(optimizer):
                return session
        return None

    def _before_step(self, optimizer: Optimizer, _args: Any, _kwargs: Any) -> None:
        if os.getpid() != self._process:
            return
        noted = self.sight.noted
        if noted.optimizer is optimizer:
            noted.stepping = True
            return
        self._open.add(id(optimizer))
        self.wake()
        self.guarded(self._prepare_step, optimizer)

    def _prepare_step(self, optimizer: Optimizer) -> None:
        self.judge()
        self._stepping, self._within = True, False
        session = self._session(optimizer)
        if session is None and not is_wrapper(optimizer):
            self._notice_unknown(optimizer)
        elif session is not None and session.due(optimizer):
            session.record(self._last)

    def _notice_unknown(self, optimizer: Optimizer) -> None:
        """Look for the model of an optimizer at the next forward pass."""
        self._unseen += 1
        done = [one for one in self._done if one.holds(optimizer)]
        if done and not done[-1].replaced:
            return
        self._is_back = self._is_back or bool(done)
        if self._claimed >= MOST_CLAIMS:
            self._look_no_more()
            return
        self._claimed += 1
        held = (p for group in optimizer.param_groups for p in group["params"])
        self._has_gradients = self._has_gradients or any(p.grad is not None for p in held)
        self._idle.add(optimizer)
        self._least = 1.0 if self._shares else LEAST_SHARE
        self._look_for_models()

    def _after_step(self, optimizer: Optimizer, _args: Any, _kwargs: Any) -> None:
        noted = self.sight.noted
        if noted.stepping and noted.optimizer is optimizer:  # (it has begun, in this process)
            if not noted.record():
                self._last = noted.take()
                self.guarded(self.sessions[0].rested, self._last)
            return
        if id(optimizer) not in self._open or os.getpid() != self._process:
            return  # (of an optimizer whose `step` calls its base's: told at the end of the inner one)
        self._open.discard(id(optimizer))
        self.guarded(self._close_step, optimizer)

    def _close_step(self, optimizer: Optimizer) -> None:
        self.judge()
        self._stepping = False
        if self._losses:
            self._last, self._losses = self._losses, []
        session = self._session(optimizer)
        if session is None:
            return
        session.stepped(optimizer, self._last)
        for other in list(self.sessions) if len(self.sessions) > 1 else ():
            if other is not session and other.idle_since(session.steps):
                self._finish(other)

    def _finish(self, session: Any, *, replaced: bool = False) -> None:
        """End the run of a model or an optimizer that is not trained any more; replaced: by another optimizer."""
        session.end(None)
        self.sessions.remove(session)
        self._done.append(Ended(session, replaced))

    # ------------------------------------------------------------------ the end

    def guarded(self, what: Callable[..., None], *given: Any) -> None:
        """Do something of ours; an error of it ends the watching, never the script."""
        if self._trouble:
            return
        calls = self.sessions[0].calls if len(self.sessions) == 1 else None
        if calls is not None:
            calls.begin()
        try:
            what(*given)
        except Exception as error:
            self._give_up(f"{error}" if isinstance(error, _StandAside) else f"{type(error).__name__}: {error}")
        finally:
            if calls is not None:
                calls.end()

    def _give_up(self, why: str) -> None:
        if self._trouble:
            return
        self._trouble = why
        self.sight.noted.end()
        with contextlib.suppress(Exception):
            self.sight.end()
        self._look_no_more()
        for session in self.sessions:
            with contextlib.suppress(Exception):
                session.end(RuntimeError(f"watching ended: {why}"))
        self._done += map(Ended, self.sessions)
        self.sessions = []
        say(f"watching ended ({why}); the script goes on")

    def _terminate(self, interrupted: bool) -> None:
        """End all runs at once; interrupted: in the middle of our own code, whose records may be half made."""
        for session in self.sessions:
            if not interrupted:
                with contextlib.suppress(Exception):
                    session.terminate(REASON)
            elif session.leads and session.folder is not None and not session.has_ended:
                append_end(session.folder, session.steps)

    def end(self, error: BaseException | None) -> int | None:
        """End all runs; return the exit code where it isn't the script's own."""
        leave_sigterm()
        for handle in self._steps:
            handle.remove()
        self._leave_compiled()
        self.wake()
        self.guarded(self.judge)
        self.sight.noted.end()
        self._look_no_more()
        for session in list(self.sessions):
            self.guarded(session.end, error)
        MADE.end()
        self._leave_loaders()  # behind the sessions, which follow them too
        done = [*self._done, *self.sessions]
        good = error is None or (isinstance(error, SystemExit) and error.code in (None, 0))
        if good and not done and not self._trouble:
            say(f"nothing was watched: {self._why_nothing()}")
        status = 0
        if done and (self._options.doctor or self._options.ci):
            from cvtui.engine.run_script.findings import tell

            status = tell([one.folder for one in done if one.folder is not None and one.leads], self._options.ci)
        if error is not None and getattr(error, "from_screen", False):
            return 130
        return status if status and good else None

    def _why_nothing(self) -> str:
        if self._unseen and not self._has_gradients:
            return (
                f"{self._unseen:,} steps of an optimizer none of whose parameters had a gradient: they are not "
                "those of a model that backward() goes through (layers replaced, or copied, after it was made?)"
            )
        if self._unseen:
            return (
                f"{self._unseen:,} steps of an optimizer, and no forward pass of a module that it trains; "
                "`with cvtui.watch(model, optimizer) as run:` around the loop and run.step(loss=loss) in it tell both"
            )
        return (
            "no optimizer of torch.optim made a step in this process (weights that a script updates itself are not "
            "followed; processes that it starts are not watched: start them by `torchrun -m cvtui run …`)"
        )


class _StandAside(Exception):
    """Nothing is to be watched."""
