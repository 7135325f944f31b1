"""What only looks at a training must not end it: an observer that raises leaves, with a line in the log."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable
from typing import Any, Concatenate, ParamSpec, Protocol, TypeVar

Given = ParamSpec("Given")
Result = TypeVar("Result")

STRICT = "CVTUI_STRICT"
"""In the environment of the tests, which must see such an error."""


class Leaving(Protocol):
    """Observer that can leave for good."""

    left: bool

    def leave(self, error: Exception) -> None:
        """Look no more; say why."""


Self = TypeVar("Self", bound=Leaving)


def ends_no_training(
    method: Callable[Concatenate[Self, Given], Result],
) -> Callable[Concatenate[Self, Given], Result | None]:
    """Have a method return None, and its observer leave, where it raises; None too once that has left."""

    @functools.wraps(method)
    def guarded(self: Self, *args: Given.args, **options: Given.kwargs) -> Result | None:
        if self.left:
            return None
        try:
            return method(self, *args, **options)
        except Exception as error:
            if os.environ.get(STRICT):
                raise
            self.leave(error)
            return None

    guarded_method: Any = guarded
    return guarded_method  # type: ignore[no-any-return]
