"""A process whose output the screen polls for."""

from __future__ import annotations

import sys
from typing import Any

import msgspec
import pytest

from cvtui.tui.child_process import ChildProcess
from tests.waiting import wait_until

TELLS = r"""
import sys
sys.stdout.write('{"a": 1}\nno record\n{"a": 2}\n{"a": 3')
sys.exit("first\n\x1b[1mbad")
"""
ECHO = "import sys; sys.stdout.buffer.write(sys.stdin.buffer.readline()); sys.stdout.flush(); sys.stdin.readline()"


def child(code: str, *, stdin: bool = False) -> ChildProcess:
    return ChildProcess([sys.executable, "-S", "-c", code], stdin=stdin)


def decode(line: bytes) -> Any:
    return msgspec.json.decode(line)


def test_records_come_once_whole_and_without_what_is_none() -> None:
    process = child(TELLS)
    wait_until(lambda: process.code is not None, 20, "its end")
    assert process.records(decode) == [{"a": 1}, {"a": 2}]
    assert process.records(decode) == []
    assert process.code == 1
    assert process.why_ended == "bad"
    process.close()


def test_it_is_asked_over_its_stdin_and_ends_when_it_is_closed() -> None:
    process = child(ECHO, stdin=True)
    process.send(b'{"a": 1}\n')
    assert wait_until(lambda: process.records(decode), 20, "its answer") == [{"a": 1}]
    assert process.code is None
    assert process.why_ended == "its process ended without an error message"
    process.close()
    assert process.code is not None


def test_a_command_that_is_not_there_raises() -> None:
    with pytest.raises(OSError, match="no-such-program"):
        ChildProcess(["/no-such-program"])
