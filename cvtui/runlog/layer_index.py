"""Where the `layers` records of a log lie: most of its bytes, so that a line is decoded only when it is looked at."""

from __future__ import annotations

import re
from collections import OrderedDict
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from cvtui import door
from cvtui.runlog import events
from cvtui.runlog.record_limits import BROKEN, MOST_STEPS, sanitized

DECODED = 64
"""Records that are kept decoded."""
_LAYERS = re.compile(rb'\{"type":"layers","step":(\d{1,12})[,}]')
_decoder = msgspec.json.Decoder(events.LayersSampled)


def layers_step(line: bytes) -> int | None:
    """Return the step of a `layers` line in the order of keys in which it is written; None for any other line."""
    found = _LAYERS.match(line)
    return int(found[1]) if found is not None else None


def decode_layers(line: bytes) -> events.LayersSampled:
    """Decode a `layers` line. Raises one of BROKEN."""
    return _decoder.decode(line)


class LayerIndex:
    """Byte positions of a log's `layers` records by step, with a cache of the decoded ones."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lines: list[tuple[int, int, int]] = []  # step, offset, length
        self._steps: NDArray[np.int64] = np.empty(0, np.int64)
        self._decoded: OrderedDict[int, events.LayersSampled | None] = OrderedDict()

    def add(self, step: int, offset: int, line: bytes) -> None:
        """Add the record of `step`; of a step that is there already (a resume), the later one counts. ValueError."""
        if not 0 <= step <= MOST_STEPS or not line.endswith(b"}"):
            raise ValueError
        if self._lines and step <= self._lines[-1][0]:
            self.cut(step)
        self._lines.append((step, offset, len(line)))

    def cut(self, step: int) -> None:
        """Forget `step` and all after it."""
        while self._lines and self._lines[-1][0] >= step:
            self._lines.pop()
        self._steps = self._steps[: len(self._lines)]

    @property
    def steps(self) -> NDArray[np.int64]:
        """Steps that have a record, rising."""
        known = len(self._steps)
        if known < len(self._lines):
            new = np.array([step for step, _, _ in self._lines[known:]], np.int64)
            self._steps = np.concatenate([self._steps, new])
        return self._steps

    def at(self, step: int) -> events.LayersSampled | None:
        """Return the record at `step`, or the nearest before it that can be read; None without any."""
        index = int(np.searchsorted(self.steps, step, side="right")) - 1
        while index >= 0:
            sampled = self._read(*self._lines[index][1:])
            if sampled is not None:
                return sampled
            index -= 1
        return None

    def _read(self, offset: int, length: int) -> events.LayersSampled | None:
        if offset in self._decoded:
            self._decoded.move_to_end(offset)
            return self._decoded[offset]
        try:
            with door.opened(self._path) as file:
                file.seek(offset)
                line = file.read(length)
        except OSError:
            return None
        sampled = _decode_sample(line)
        self._decoded[offset] = sampled
        if len(self._decoded) > DECODED:
            self._decoded.popitem(last=False)
        return sampled


def _decode_sample(line: bytes) -> events.LayersSampled | None:
    """Decode a `layers` line; None for a broken one. Where single rows don't fit the schema, the others are kept."""
    try:
        sampled = _decoder.decode(line)
    except BROKEN:
        pass
    else:
        try:
            return sanitized(sampled)  # type: ignore[no-any-return]
        except BROKEN:
            return None
    try:
        loose: dict[str, Any] = msgspec.json.decode(line, type=dict[str, Any])
        rows = []
        for row in loose["layers"]:
            try:
                rows.append(msgspec.convert(row, events.LayerStats))
            except BROKEN:
                if isinstance(row, dict):
                    row.pop("histogram", None)
                    rows.append(msgspec.convert(row, events.LayerStats))
        return sanitized(events.LayersSampled(step=int(loose["step"]), layers=rows))  # type: ignore[no-any-return]
    except (*BROKEN, KeyError, TypeError):
        return None
