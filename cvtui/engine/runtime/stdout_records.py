"""Records that a process tells on stdout, one line of JSON each, and how it ends."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterable
from typing import IO

import msgspec

from cvtui.errors import RequestError
from cvtui.text import error_line


def tell_records(records: Callable[[IO[bytes]], Iterable[msgspec.Struct]]) -> int:
    """Write what `records(stdout)` yields; return the exit code: 0, or 2 with the reason on stderr, 1 for a fault.

    What a user's code prints meanwhile is no record, and goes to stderr.
    """
    out = sys.stdout.buffer
    try:
        with contextlib.redirect_stdout(sys.stderr):
            for told in records(out):
                write_record(out, told)
    except RequestError as error:
        print(f"{error.message}{f'; {error.hint}' if error.hint else ''}", file=sys.stderr, flush=True)
        return 2
    except BrokenPipeError:  # nobody reads any more
        return 1
    except Exception as error:
        print(error_line(error, 300), file=sys.stderr, flush=True)
        return 1
    return 0


def write_record(out: IO[bytes], told: msgspec.Struct) -> None:
    out.write(msgspec.json.encode(told) + b"\n")
    out.flush()


def tell_progress(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
