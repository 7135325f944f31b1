"""cvtui: train image classifiers in the terminal and see, live, why they learn or don't.

    with cvtui.watch(model, optimizer, name="mine") as run: …     # your own PyTorch loop, on every screen of cvtui

`watch` is fetched when it is asked for (PEP 562), so `import cvtui` costs nothing.
"""

from typing import TYPE_CHECKING, Any

from cvtui._version import __version__

if TYPE_CHECKING:
    from cvtui.engine.watch import watch

__all__ = ["__version__", "watch"]


def __getattr__(name: str) -> Any:
    if name == "watch":
        from cvtui.engine.watch import watch

        globals()["watch"] = watch
        return watch
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
