"""Looks that there is no memory for are left out; they end no training."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from cvtui.engine.runtime.memory import is_out_of_memory


class WithinMemory:
    """Context, for each look anew, that leaves out what there is no memory for, and what is to be said of that."""

    def __init__(self) -> None:
        self.trouble = ""
        self._told = ""

    @contextmanager
    def __call__(self) -> Iterator[None]:
        try:
            yield
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
            self.trouble = self.trouble or "no memory for all that the doctor looks at; training continues"

    def news(self) -> str:
        """Return the trouble, once; "" where there is none or it was told."""
        if self.trouble == self._told:
            return ""
        self._told = self.trouble
        return self.trouble
