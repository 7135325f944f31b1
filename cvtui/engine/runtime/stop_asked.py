"""A stop that is asked for while data are read, which may take minutes: the reading looks for it now and then."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

Batch = TypeVar("Batch")

_checks: list[Callable[[], object]] = []


def look() -> None:
    """Raise what says that this process is to stop, where it was asked to."""
    for check in tuple(_checks):
        check()


@contextmanager
def looked_for(check: Callable[[], object]) -> Iterator[None]:
    """Have `look` call `check` meanwhile."""
    _checks.append(check)
    try:
        yield
    finally:
        _checks.remove(check)


def heard(batches: Iterator[Batch], check: Callable[[], object]) -> Iterator[Batch]:
    """Yield the batches; while one is waited for, `look` calls `check`, which may do all that is done between two.

    Not where another thread reads, and not where `check` itself does: it would begin again inside of its own work.
    """
    thread, inside = threading.get_ident(), False

    def once() -> None:
        nonlocal inside
        if inside or threading.get_ident() != thread:
            return
        inside = True
        try:
            check()
        finally:
            inside = False

    while True:
        try:
            with looked_for(once):
                batch = next(batches)
        except StopIteration:
            return
        yield batch
