"""PyTorch code in the Calc place: counted by `cvtui calc NET --json`, in a process that has torch."""

from __future__ import annotations

import subprocess
import tempfile
import time
from collections.abc import Callable
from typing import IO, Any

import msgspec
from textual.timer import Timer
from textual.widget import Widget

from cvtui.calc.module_table import ModuleRow, ModuleTable
from cvtui.calc.table import ReceptiveField
from cvtui.errors import RequestError, process_error
from cvtui.own_python import own_module
from cvtui.text import clean
from cvtui.tui.child_process import last_line, start_child

PAUSE_SECONDS = 0.5
"""Without a keystroke before a process is started."""
POLL_SECONDS = 0.1


class _Field(msgspec.Struct):
    size: tuple[int, int]
    stride: tuple[int, int]
    offset: tuple[int, int]


class _Layer(msgspec.Struct):
    name: str
    expression: str
    output: tuple[int, ...]
    weights: int
    biases: int
    macs: int
    activations: int
    fan_in: int
    note: str
    receptive_field: _Field | None


class _Totals(msgspec.Struct):
    parameters: int
    trained: int
    macs: int
    kept: int


class _Told(msgspec.Struct):
    input: list[Any]
    layers: list[_Layer]
    totals: _Totals


class CodeCount:
    """One count at a time: a new request, or `cancel`, ends the process of the one before."""

    def __init__(
        self, owner: Widget, done: Callable[[ModuleTable | RequestError], None], busy: Callable[[float], None]
    ) -> None:
        """owner: has the timers; done: gets the answer; busy: gets the seconds so far, while it counts."""
        self._owner, self._done, self._busy = owner, done, busy
        self._timer: Timer | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._files: list[IO[bytes]] = []
        self._began = 0.0
        self._net = ""

    @property
    def waiting(self) -> bool:
        """Return True from a request to its answer."""
        return self._timer is not None

    def ask(self, net: str, size: str, classes: str) -> None:
        """Count `net` after a pause; size and classes as they are typed, "" for the net's own."""
        self.cancel()
        self._net = net
        given = [word for pair in (("--input", size), ("--classes", classes)) if pair[1] for word in pair]
        words = ["calc", "--json", *given, "--", net]
        self._timer = self._owner.set_timer(PAUSE_SECONDS, lambda: self._start(words))

    def cancel(self) -> None:
        """End what is being counted."""
        if self._timer is not None:
            self._timer.stop()
            self._timer = None
        if self._process is not None and self._process.poll() is None:
            self._process.kill()
            self._process.wait()
        self._process = None
        for file in self._files:
            file.close()
        self._files = []

    def _start(self, words: list[str]) -> None:
        output = tempfile.TemporaryFile()  # noqa: SIM115 (closed by `cancel`)
        self._files = [output]
        self._began = time.monotonic()
        try:
            self._process, errors = start_child(own_module("cvtui", *words), stdin=subprocess.DEVNULL, stdout=output)
        except OSError as error:
            self._answer(RequestError(f"it can't be counted: {error.strerror or error}"))
            return
        self._files.append(errors)
        self._timer = self._owner.set_interval(POLL_SECONDS, self._poll)
        self._busy(0.0)

    def _poll(self) -> None:
        process = self._process
        if process is None:
            return
        if process.poll() is None:
            self._busy(time.monotonic() - self._began)
            return
        output, errors = self._files
        output.seek(0)
        try:
            self._answer(_table(self._net, msgspec.json.decode(output.read().splitlines()[-1], type=_Told)))
        except (OSError, IndexError, msgspec.MsgspecError):
            why = process_error(last_line(errors), process.returncode).removeprefix("cvtui: ")
            self._answer(RequestError(clean(why).replace("--input", "input")))

    def _answer(self, answer: ModuleTable | RequestError) -> None:
        self.cancel()
        self._done(answer)


def _table(net: str, told: _Told) -> ModuleTable:
    rows = tuple(
        ModuleRow(
            one.name, one.expression, one.output, one.weights, one.biases, one.macs, one.activations, one.fan_in,
            one.note, _seen(one.receptive_field),
        )
        for one in told.layers
    )  # fmt: skip
    size = tuple(told.input) if all(isinstance(side, int) for side in told.input) else ()
    totals = told.totals
    frozen = totals.parameters - totals.trained
    return ModuleTable(net, size, rows, totals.parameters, totals.macs, totals.kept, frozen=frozen)


def _seen(field: _Field | None) -> ReceptiveField | None:
    return None if field is None else ReceptiveField(field.size, field.stride, field.offset)
