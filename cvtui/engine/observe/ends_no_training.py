"""What only looks at a training must not end it: an observer that raises leaves, with a line in the log."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable
from typing import Concatenate, ParamSpec, Protocol, TypeVar

from cvtui.engine.observe.charges import Calls
from cvtui.engine.runtime.memory import is_out_of_memory
from cvtui.text import error_line

Given = ParamSpec("Given")
Result = TypeVar("Result")

STRICT = "CVTUI_STRICT"
"""In the environment of the tests, which must see such an error."""


def survived(error: BaseException) -> str:
    """Return what to say of an error that must end no training; "" where it is to be raised."""
    return error_line(error) if isinstance(error, Exception) and not os.environ.get(STRICT) else ""


class Survivor:
    """Observer of which each look may fail: one that memory ran out for costs that look, any other all later ones."""

    failed = ""
    """What is wrong, once there are no more looks."""

    def survives(self, error: BaseException | None) -> bool:
        """Return True where the training goes on."""
        if isinstance(error, RuntimeError | MemoryError) and is_out_of_memory(error):
            return True
        self.failed = self.failed or (survived(error) if error is not None else "")
        return error is not None and bool(self.failed)


class Leaving(Protocol):
    """Observer that can leave for good."""

    left: bool
    calls: Calls | None

    def leave(self, error: Exception) -> None:
        """Look no more; say why."""


Self = TypeVar("Self", bound=Leaving)


def ends_no_training(
    method: Callable[Concatenate[Self, Given], Result],
) -> Callable[Concatenate[Self, Given], Result | None]:
    """Have a method return None, and its observer leave, where it raises; None too once that has left."""

    @functools.wraps(method)
    def guarded(self: Self, /, *args: Given.args, **options: Given.kwargs) -> Result | None:
        if self.left:
            return None
        calls = self.calls
        if calls is not None:
            calls.begin()
        try:
            return method(self, *args, **options)
        except Exception as error:
            if not survived(error):
                raise
            self.leave(error)
            return None
        finally:
            if calls is not None:
                calls.end()

    return guarded
