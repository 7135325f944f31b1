"""Forward hooks that also work inside `torch.compile`, and that it never traces.

What a hook does must not become part of a compiled graph: traced, our statistics broke it at every layer, and since
hooks come and go with the sampled steps each of these steps was compiled anew. So PyTorch gets one small tap a module.
Called plainly it calls the observers; while it is traced it leaves one operator in the graph, `cvtui::look`, which at
run time hands the tensor to the same observers and does nothing where there are none (8 µs). The graph is not broken,
and the tensor is looked at by the same code as without compiling.

Dynamo guards on the number of a module's hooks. A tap that was traced therefore stays until `close`, only its observers
come and go. A graph that was compiled before a tap was there never calls it: PyTorch has no guard for that.
"""

from __future__ import annotations

import itertools
import sys
import weakref
from collections.abc import Callable, Iterable, Mapping
from types import FrameType
from typing import Any, Protocol

import torch
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from cvtui.engine.observe.copies import is_traced
from cvtui.engine.observe.model_inputs import given, images_of

Observer = Callable[..., None]
"""Called as a module's forward hook: (module, inputs) before, (module, inputs, output) after.

From inside a graph it gets the first tensor alone: as the only input, or as the output (without inputs)."""


class Handle(Protocol):
    """What takes an observer off again; PyTorch's handles are such."""

    def remove(self) -> None: ...


_KEYS = itertools.count(1)
_BY_KEY: weakref.WeakValueDictionary[int, ForwardHooks] = weakref.WeakValueDictionary()
_BY_MODEL: weakref.WeakKeyDictionary[nn.Module, ForwardHooks] = weakref.WeakKeyDictionary()
_LIBRARY: list[torch.library.Library] = []


def forward_hooks(model: nn.Module) -> ForwardHooks:
    """Return the one set of hooks of this model."""
    model = uncompiled(model)
    found = _BY_MODEL.get(model)
    if found is None:
        found = _BY_MODEL[model] = ForwardHooks(model)
    return found


def uncompiled(model: nn.Module) -> nn.Module:
    """Return the module inside, where `torch.compile` wrapped it."""
    inside = getattr(model, "_orig_mod", None)
    return inside if isinstance(inside, nn.Module) else model


def is_compiled(model: nn.Module) -> bool:
    """Return True for a model under torch.compile: as a whole, in a part, or since it was watched."""
    found = _BY_MODEL.get(uncompiled(model))
    return (found is not None and found.traced) or any(map(_is_compiled_itself, model.modules()))


def _is_compiled_itself(module: nn.Module) -> bool:
    return "_orig_mod" in module._modules or getattr(module, "_compiled_call_impl", None) is not None


def may_compile() -> bool:
    """Return True where torch.compile was called in this process, also before anything was compiled."""
    if "torch._dynamo.eval_frame" not in sys.modules:
        return False
    frame = vars(sys.modules["torch._dynamo.eval_frame"])
    return any(backend is not None for backend in frame.get("cached_backends", {}).values())


def something_was_compiled() -> bool:
    """Return True if this process has compiled anything, without loading torch.compile's machinery."""
    utils = vars(sys.modules.get("torch._dynamo", object)).get("utils")
    return utils is not None and bool(utils.counters["frames"]["total"])


class _Tap:
    """The hook that a module gets, with its observers. It is kept for a second watch: its graph still fits then."""

    def __init__(self, module: nn.Module, *, before: bool, inside: bool, named: bool = False) -> None:
        self.module = weakref.ref(module)
        self.named = named
        """Its hook is told of inputs by name."""
        self.inside = inside
        """Its observers can be called from inside a graph."""
        self.before = before
        self.observers: dict[int, Observer] = {}
        self.hook: Any = None
        self.always = False
        self._number: int | None = None
        """The hook's key in PyTorch's table, from when it was registered first."""
        self.on = False

    def put_on(self) -> None:
        """Register the hook: the first time by PyTorch's own function, then by an entry in its table."""
        module = self.module()
        assert module is not None
        if self._number is None:
            handle: RemovableHandle
            if self.before:
                handle = module.register_forward_pre_hook(self.hook, with_kwargs=self.named)
            else:
                handle = module.register_forward_hook(self.hook, always_call=self.always)
            self._number = handle.id
        elif self.before:
            module._forward_pre_hooks[self._number] = self.hook
            if self.named:
                module._forward_pre_hooks_with_kwargs[self._number] = True
        else:
            module._forward_hooks[self._number] = self.hook
            if self.always:
                module._forward_hooks_always_called[self._number] = True
        self.on = True

    def take_off(self) -> None:
        module = self.module()
        if self.on and module is not None and self._number is not None:
            if self.before:
                module._forward_pre_hooks.pop(self._number, None)
                module._forward_pre_hooks_with_kwargs.pop(self._number, None)
            else:
                module._forward_hooks.pop(self._number, None)
                module._forward_hooks_always_called.pop(self._number, None)
        self.on = False


class Glance:
    """Hook before each forward pass of a module that runs plainly, off at first.

    PyTorch calls it itself, with inputs by name (without, where it was taken off while its hooks are gone through): by
    way of a tap it took three times as long.
    """

    def __init__(self, module: nn.Module, hook: Callable[..., None]) -> None:
        self._tap = _Tap(module, before=True, inside=False, named=True)
        self._tap.hook = hook

    def put_on(self) -> None:
        self._tap.put_on()

    def remove(self) -> None:
        self._tap.take_off()


def is_within_transform() -> bool:
    """Return True while a plain hook is traced by torch.compile, or torch.func transforms what is called."""
    return torch.compiler.is_compiling() or torch._C._functorch.peek_interpreter_stack() is not None


class Subscription:
    """Handle of one observer, which only it holds while it is off: the registry keeps no model alive."""

    def __init__(self, hooks: ForwardHooks, tap: _Tap, number: int, observer: Observer) -> None:
        self._hooks, self._tap, self._number, self._observer = hooks, tap, number, observer

    def put_on(self) -> None:
        """Put the observer on (again)."""
        tap = self._tap
        if not tap.on:
            tap.put_on()
        tap.observers[self._number] = self._observer

    def remove(self) -> None:
        observers = self._tap.observers
        observers.pop(self._number, None)
        if not observers and not self._hooks.traced:
            self._tap.take_off()


class ForwardHooks:
    """Taps on modules of one model, each there while it has observers; `forward_hooks` makes it."""

    def __init__(self, model: nn.Module) -> None:
        self.traced = False
        """The model runs compiled: taps stay until `close`."""
        self.called = False
        """A compiled graph has called the tap of a layer, and not the model's own alone."""
        self._model = weakref.ref(model)
        self._key = next(_KEYS)
        self._numbers = itertools.count()
        self._taps: list[_Tap] = []
        self._places: dict[tuple[int, bool, bool, bool], _Tap] = {}
        self._mark = next((p.detach().new_zeros(1) for p in model.parameters()), torch.zeros(1))
        """What the operator says it changes, so that no compiler leaves it out and the calls keep their order."""
        _define()
        _BY_KEY[self._key] = self

    def before(self, module: nn.Module, observer: Observer, *, inside: bool = True) -> Subscription:
        """Call the observer before each forward pass of the module.

        Of the model itself it gets the images, also where they were given by name (see `given`).
        inside: from inside a compiled graph as well; else there is no call where the module runs compiled.
        """
        return self._subscribe(module, observer, before=True, inside=inside)

    def after(
        self, module: nn.Module, observer: Observer, *, inside: bool = True, always: bool = False
    ) -> Subscription:
        """Call the observer after each forward pass of the module, as `before` does before it.

        always: also after one that failed, with None for its output.
        """
        return self._subscribe(module, observer, before=False, inside=inside, always=always)

    def close(self) -> None:
        """Remove all taps and observers. A model that runs compiled is compiled anew when it is called next."""
        for tap in self._taps:
            tap.observers.clear()
            tap.take_off()

    def notice_compiled(self) -> None:
        """Take note where a module with a tap was compiled since."""
        if not self.traced and may_compile():
            modules = (tap.module() for tap in self._taps)
            self.traced = any(_is_compiled_itself(module) for module in modules if module is not None)

    def _subscribe(
        self, module: nn.Module, observer: Observer, *, before: bool, inside: bool, always: bool = False
    ) -> Subscription:
        self.traced = self.traced or _is_compiled_itself(module)
        place = (id(module), before, inside, always)
        tap = self._places.get(place)
        if tap is None or tap.module() is not module:
            tap = self._places[place] = self._make_tap(module, before, inside, always)
        subscription = Subscription(self, tap, next(self._numbers), observer)
        subscription.put_on()
        return subscription

    def _make_tap(self, module: nn.Module, before: bool, inside: bool, always: bool) -> _Tap:
        tap = _Tap(module, before=before, inside=inside, named=before and module is self._model())
        key, number, mark, observers = self._key, len(self._taps), self._mark, tap.observers
        looked = getattr(torch.ops.cvtui, "look").default  # noqa: B009 (mypy knows no operator of ours)
        self._taps.append(tap)

        # These bodies are traced where the model is compiled: constants, one operator and no branch on our state. What
        # torch.export traces goes elsewhere, where nobody knows our operator. (The flag itself: Dynamo
        # answers is_exporting() by a table of its own.)
        def enter(module: nn.Module, inputs: Any, kwargs: Any = None) -> None:
            if torch.compiler.is_compiling():
                if inside and not torch.compiler._is_exporting_flag:
                    seen = inputs if kwargs is None else images_of(inputs, kwargs)
                    looked(_detached(seen), mark, key, number, torch.is_grad_enabled())
                return
            if observers and not is_traced():
                seen = given(inputs, kwargs)
                for observer in tuple(observers.values()):
                    observer(module, seen)

        def leave(module: nn.Module, inputs: Any, output: Any) -> None:
            if torch.compiler.is_compiling():
                if inside and torch.is_grad_enabled() and not torch.compiler._is_exporting_flag:
                    looked(_detached(output), mark, key, number, True)
                return
            for observer in tuple(observers.values()) if observers and not is_traced() else ():
                observer(module, inputs, output)

        _run_plainly(enter, leave)
        tap.hook, tap.always = enter if before else leave, always
        return tap

    def called_from_graph(self, number: int, tensor: Tensor | None, grad: bool) -> None:
        """Hand a tensor of a compiled graph, at run time, to the observers of a tap."""
        self.traced = True
        tap = self._taps[number]
        module = tap.module()
        self.called = self.called or (module is not None and module is not self._model())
        if not tap.observers or module is None:
            return
        with torch.set_grad_enabled(grad):  # inside a compiled function it is off
            for observer in tuple(tap.observers.values()):
                if tap.before:
                    observer(module, () if tensor is None else (tensor,))
                else:
                    observer(module, (), tensor)


def _detached(values: Any) -> Tensor | None:
    tensor = first_tensor(values)
    return None if tensor is None else tensor.detach()


def first_tensor(output: Any) -> Tensor | None:
    """Return the output itself, or the first tensor of a tuple, list or dict."""
    if isinstance(output, Tensor):
        return output
    if isinstance(output, tuple | list):
        if output and isinstance(output[0], Tensor):
            return output[0]
        values: Iterable[Any] = output
    else:
        values = output.values() if isinstance(output, Mapping) else ()
    return next((value for value in values if isinstance(value, Tensor)), None)


def batch_of(args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Tensor | None:
    """Return the images of a forward pass, else its first tensor: a batch of something else."""
    images = images_of(args, kwargs)
    return images if images is not None else first_tensor(args if args else kwargs)


def call_new_hooks(module: nn.Module, args: Any, before: set[int]) -> None:
    """Call hooks that were put on while a global one was called: PyTorch has gone past them in this forward pass.

    before: keys of those that were there.
    """
    for key, hook in list(module._forward_pre_hooks.items()):
        if key in module._forward_pre_hooks_with_kwargs and key not in before:
            hook(module, args, _inputs_by_name(module))
        elif key not in before:
            hook(module, args)


def _inputs_by_name(module: nn.Module) -> dict[str, Any]:
    """Return what a module is given by name in its call that is under way: PyTorch tells no global hook of it."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None:
        names = frame.f_locals if frame.f_code.co_filename == nn.modules.module.__file__ else {}
        if names.get("self") is module and isinstance(names.get("kwargs"), dict):
            return dict(names["kwargs"])
        frame = frame.f_back
    return {}


def _run_plainly(*functions: Any) -> None:
    """Let Dynamo inline these in what it traces, and never compile them, or what they call, by themselves.

    A compiled module's own hooks are called from code that Dynamo leaves alone; each would become a graph of its own.
    """
    frames = torch._C._dynamo.eval_frame  # the C part, which is there without importing torch._dynamo
    skip = frames._FrameAction.SKIP
    for function in functions:
        frames.set_code_exec_strategy(function.__code__, frames._FrameExecStrategy(skip, skip))


def _define() -> None:
    """Register the operator `cvtui::look` (0.1 ms), once in a process."""
    if _LIBRARY:
        return
    library: Any = torch.library.Library("cvtui", "FRAGMENT")  # type: ignore[no-untyped-call]
    # flexible_layout: without it inductor copies every tensor into the strides that eager would have given it.
    library.define(
        "look(Tensor? tensor, Tensor(a!) mark, int key, int number, bool grad) -> ()",
        tags=(torch.Tag.flexible_layout,),
    )
    library.impl("look", _look, "CompositeExplicitAutograd")
    library.impl("look", lambda *_: None, "Meta")
    _LIBRARY.append(library)


def _look(tensor: Tensor | None, mark: Tensor, key: int, number: int, grad: bool) -> None:
    if mark.is_cuda and torch.cuda.is_current_stream_capturing():
        return  # a captured graph replays kernels, not us
    hooks = _BY_KEY.get(key)
    if hooks is not None:
        hooks.called_from_graph(number, tensor, grad)
