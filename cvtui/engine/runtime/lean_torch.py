"""Import PyTorch without the parts that no training run touches: 0.8 instead of 1.3 s of CPU time.

`import torch` runs torch.export, the Python meta kernels and decompositions, quantization, torch.func and more before
it returns. Here stand-ins take their places. A touch of any of them, an import of another part of PyTorch, or of a
module that is neither the standard library's nor on our own short list (a user's data, torchvision) runs them all, in
PyTorch's order: one alone may not load where those before it are missing. So nothing is ever lacking; the worst is that
the 0.5 s are spent later. Only the versions of PyTorch on which this was tried are loaded so (2.10 can't be: the first
`Module.to` asks for the rest, and its torch.quantization comes before torch.export, which it needs); where loading
fails all the same, the process starts anew with all of it.
"""

from __future__ import annotations

import importlib.machinery
import importlib.metadata
import os
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from types import ModuleType
from typing import Any

LEFT_OUT = frozenset(
    {
        "torch._higher_order_ops",
        "torch._meta_registrations",
        "torch.compiler",
        "torch.distributed._meta_registrations",
        "torch.distributions",
        "torch.export",
        "torch.func",
        "torch.masked",
        "torch.nn.intrinsic",
        "torch.nn.qat",
        "torch.nn.quantizable",
        "torch.nn.quantized",
        "torch.profiler",
        "torch.quantization",
        "torchgen.model",
    }
)
OF_CUDA = frozenset({"torch._native"})
"""Kernels for NVIDIA devices alone (and the fake tensors that they import): left out where there is no such device."""
FUNCTIONS = {"torch.func": ("vmap",), "torch._higher_order_ops": ("cond", "while_loop")}
"""What torch/__init__.py takes out of them: until then, functions that load them and call the real ones."""
NOT_YET = {"torch.compiler": ("is_compiling", "is_dynamo_compiling", "is_exporting")}
"""Asked at every step of a layer with hooks; until they are loaded, nothing is compiled."""
ALONE = frozenset({"torch", "torchgen", "cvtui", "numpy", "msgspec", "psutil", "PIL", *sys.stdlib_module_names})
"""Packages whose modules need nothing of PyTorch, or are seen to by name."""
LATER = frozenset(
    {
        "torch._custom_op",
        "torch._dispatch",
        "torch._dispatch.python",
        "torch._library.fake_profile",
        "torch._subclasses",
        "torch._subclasses._fake_tensor_utils",
        "torch._subclasses.fake_impls",
        "torch._subclasses.fake_tensor",
        "torch._subclasses.fake_utils",
        "torch._subclasses.meta_utils",
        "torch.utils._mode_utils",
        "torch.utils._stats",
        "torch.utils.serialization",
        "torch.utils.serialization.config",
    }
)
"""Parts of PyTorch that a checkpoint imports (its reader asks for fake tensors), and that need nothing of what is left
out."""
TRIED = ("2.14.",)
"""Beginnings of the versions that are loaded so."""
WHOLE = "CVTUI_WHOLE_TORCH"
"""Environment variable of a process that starts anew, with all of PyTorch."""


class _LeftOut(ModuleType):
    """Module whose code has not run yet. The same object becomes the real module."""

    real: importlib.machinery.ModuleSpec | None

    def __getattr__(self, name: str) -> Any:
        if not name.startswith("__"):  # `inspect` asks every module of sys.modules for such, and the import system does
            load_rest()  # waits where another thread is at it
            if name in self.__dict__:
                return self.__dict__[name]
        raise AttributeError(f"module {self.__name__!r} has no attribute {name!r}")


class _Loader:
    def __init__(self, real: importlib.machinery.ModuleSpec) -> None:
        self.real = real

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> _LeftOut:
        return _LeftOut(spec.name)

    def exec_module(self, module: _LeftOut) -> None:
        module.real = self.real
        for name in FUNCTIONS.get(module.__name__, ()):
            module.__dict__[name] = _forwarder(module, name)
        for name in NOT_YET.get(module.__name__, ()):
            module.__dict__[name] = _not_yet(module, name)
        _finder.waiting.append(module)


def _forwarder(module: ModuleType, name: str) -> Callable[..., Any]:
    def forward(*arguments: Any, **options: Any) -> Any:
        load_rest()
        return getattr(module, name)(*arguments, **options)

    return forward


def _not_yet(module: _LeftOut, name: str) -> Callable[[], bool]:
    def answer() -> bool:
        return module.real is None and bool(getattr(module, name)())

    return answer


class _Finder:
    """Finder on sys.meta_path: puts stand-ins into place, and notices what needs the rest of PyTorch."""

    def __init__(self) -> None:
        self.left: set[str] = set()
        self.waiting: list[_LeftOut] = []
        """Stand-ins, in PyTorch's order."""
        self.complete = False
        """`import torch` is over."""
        self.lock = threading.RLock()

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, _target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if name in self.left:
            self.left.discard(name)
            return _stand_in(importlib.machinery.PathFinder.find_spec(name, path))
        package, _, _ = name.rpartition(".")
        inside = isinstance(sys.modules.get(package), _LeftOut)
        root = name.partition(".")[0]
        foreign = root not in ALONE or (root == "torch" and name not in LATER)
        if inside or (self.complete and foreign and self._is_there(name, path)):
            load_rest()
        return None

    def _is_there(self, name: str, path: Sequence[str] | None) -> bool:
        """Return True if another finder has the module: one that is only tried for (Pillow: olefile) needs nothing."""
        others = [finder for finder in sys.meta_path if finder is not self]
        return any(finder.find_spec(name, path) is not None for finder in others)


_finder = _Finder()


def _stand_in(real: importlib.machinery.ModuleSpec | None) -> importlib.machinery.ModuleSpec | None:
    if real is None or real.loader is None:
        return None
    spec = importlib.machinery.ModuleSpec(real.name, _Loader(real), origin=real.origin)  # type: ignore[arg-type]
    spec.submodule_search_locations = real.submodule_search_locations
    spec.has_location, spec.cached = real.has_location, real.cached
    return spec


def load_rest() -> None:
    """Load what was left out; nothing where nothing was."""
    with _finder.lock:
        waiting, _finder.waiting = _finder.waiting, []
        _finder.left.clear()
        if _finder in sys.meta_path:
            sys.meta_path.remove(_finder)
        for module in waiting:
            real, module.real = module.real, None
            assert real is not None
            assert real.loader is not None
            module.__spec__, module.__loader__ = real, real.loader
            forwarders = [module.__dict__.pop(name) for name in FUNCTIONS.get(module.__name__, ())]
            for name in NOT_YET.get(module.__name__, ()):
                del module.__dict__[name]
            real.loader.exec_module(module)
            module.__class__ = ModuleType  # type: ignore[assignment]
            _replace(forwarders, module)


def _replace(forwarders: list[Any], module: ModuleType) -> None:
    """Put the real functions where torch/__init__.py has put ours."""
    torch = sys.modules["torch"]
    for name, forwarder in zip(FUNCTIONS.get(module.__name__, ()), forwarders, strict=True):
        if torch.__dict__.get(name) is forwarder:
            setattr(torch, name, getattr(module, name))


@contextmanager
def lean_torch() -> Iterator[None]:
    """Context in which `import torch` leaves parts out.

    Where that doesn't work, the process starts anew (once), with all of PyTorch.
    """
    if os.name != "posix" or "torch" in sys.modules or os.environ.get(WHOLE) == "1" or not _is_tried():
        yield
        return
    _finder.left, _finder.complete = set(LEFT_OUT if _has_nvidia() else LEFT_OUT | OF_CUDA), False
    sys.meta_path.insert(0, _finder)
    try:
        with _no_cuda_bindings():
            yield
        _try_out()
    except (ImportError, AttributeError, RuntimeError):
        os.environ[WHOLE] = "1"
        os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])
    for module in [module for name, module in sys.modules.items() if name.partition(".")[0] == "torch"]:
        if type(module) is ModuleType and "__path__" in vars(module):
            vars(module).setdefault("__getattr__", _touch(module))
    _finder.complete = True


def _touch(package: ModuleType) -> Callable[[str], Any]:
    """Return what a package that is loaded says of a part that only what is left out would have loaded.

    (autocast asks torch.fx.experimental for proxy_tensor where a mode sees calls of functions, and imports nothing.)
    """

    def ask(name: str) -> Any:
        if not name.startswith("__"):
            load_rest()
            if name in vars(package):
                return vars(package)[name]
        raise AttributeError(f"module {package.__name__!r} has no attribute {name!r}")

    return ask


def _has_nvidia() -> bool:
    """Return True unless this is a Linux without NVIDIA's driver (WSL has a device of its own)."""
    return sys.platform != "linux" or any(map(os.path.exists, ("/dev/nvidiactl", "/dev/dxg")))


def _is_tried() -> bool:
    try:
        return importlib.metadata.version("torch").startswith(TRIED)
    except importlib.metadata.PackageNotFoundError:
        return False


def _try_out() -> None:
    """Finish what the parts left out would have done for others, and compute a little. RuntimeError where it can't."""
    import torch

    if hasattr(torch._C, "_set_generator_metaclass"):  # torch._prims does it (2.14), and no Generator is made before
        from torch._custom_class_base import CustomClassBaseMeta

        torch._C._set_generator_metaclass(CustomClassBaseMeta)
    x = torch.rand(2, 3, generator=torch.Generator().manual_seed(0)).requires_grad_()
    (x * x).sum().backward()  # type: ignore[no-untyped-call]


@contextmanager
def _no_cuda_bindings() -> Iterator[None]:
    """Let PyTorch do without NVIDIA's Python package (0.05 s) where there is no NVIDIA device."""
    name = "cuda.bindings"
    absent = name not in sys.modules and not _has_nvidia()
    if absent:
        sys.modules[name] = None  # type: ignore[assignment]
    try:
        yield
    finally:
        if absent:
            del sys.modules[name]
