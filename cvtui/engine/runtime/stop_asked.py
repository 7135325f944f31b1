"""A stop that is asked for while data are read, which may take minutes: the reading looks for it now and then."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

_checks: list[Callable[[], None]] = []


def look() -> None:
    """Raise what says that this process is to stop, where it was asked to."""
    for check in _checks:
        check()


@contextmanager
def looked_for(check: Callable[[], None]) -> Iterator[None]:
    """Have `look` call `check` meanwhile."""
    _checks.append(check)
    try:
        yield
    finally:
        _checks.remove(check)
