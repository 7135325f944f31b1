"""Write `events.jsonl` from the training process: at most 20 µs a step, without torch and numpy."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterator
from types import TracebackType
from typing import TYPE_CHECKING, Any

import msgspec

from cvtui import door
from cvtui.runlog import disk_note
from cvtui.runlog.events import Log, Record, RunStarted, Steps
from cvtui.runlog.tail import ends_torn
from cvtui.text import encodable

if TYPE_CHECKING:
    from cvtui.runlog.folder import RunFolder

FLUSH_STEPS = 1000
FLUSH_SECONDS = 0.1
RETRY_SECONDS = 0.5
KEEP_BYTES = 64 << 20
"""Lines held in memory while the disk refuses them; beyond it, layer statistics are let go first."""


def _packed(record: Record) -> Record:
    """Return `Steps` at one learning rate with `rate` instead of `lr`: up to 15 bytes a step less."""
    if not isinstance(record, Steps) or not record.lr or len(record.lr) != len(record.loss):
        return record
    if record.lr.count(record.lr[0]) != len(record.lr):
        return record
    packed = msgspec.structs.replace(record, rate=record.lr[0])
    msgspec.structs.force_setattr(packed, "lr", [])  # `replace` would fill it again
    return packed


def _encodable(value: Any) -> Any:
    """Return a record's fields with texts that UTF-8 can write."""
    if isinstance(value, str):
        return encodable(value)
    if isinstance(value, dict):
        return {_encodable(key): _encodable(one) for key, one in value.items()}
    return [_encodable(one) for one in value] if isinstance(value, list) else value


class EventWriter:
    """Appends records to a run's `events.jsonl`, whole lines in one `os.write` a flush.

    A full or vanished disk does not stop the training: lines wait in memory and are tried again at the next flush;
    `trouble` holds the system's word meanwhile ("" when all is well), and worker.note tells it to the screens.
    `dropped` counts layer records let go. A log that was deleted is begun anew with the record `run`, and says so.
    """

    layer_seconds = 0.0
    """What a writer that reads its own records has spent on those of layers."""
    _depth = 0
    """Blocks whose records go out together."""

    def __init__(self, folder: RunFolder) -> None:
        self._path = folder.events
        self._note = folder.note
        self._head = b""
        self._since = 0.0
        self._file: int | None = None
        self._encoder = msgspec.json.Encoder()
        self._waiting: list[bytes] = []
        self._held = 0
        self.trouble = ""
        self.dropped = 0
        self._again = 0.0
        self._anew = False

    def write(self, record: Record) -> None:
        """Write one record."""
        self._put(record)
        if not self._depth:
            self._write_out()

    def write_all(self, *records: Record) -> None:
        """Write some in one piece."""
        with self.together():
            for record in records:
                self.write(record)

    @contextlib.contextmanager
    def together(self) -> Iterator[None]:
        """Write the records of this block in one piece, at its end."""
        self._depth += 1
        try:
            yield
        finally:
            self._depth -= 1
            if not self._depth:
                self.settle()

    def settle(self) -> None:
        """Write what a block has gathered."""
        self.flush()

    def flush(self) -> None:
        """Write what waits for the disk; a disk that refuses is tried again every half second."""
        if self._waiting:
            self._write_out()

    def close(self) -> None:
        """Write everything, with one last try where the disk refused."""
        self._again = 0.0
        self.flush()
        if not self.trouble:
            self.flush()  # the word about a trouble that has just ended, or a log begun anew
        if self.trouble:  # nothing waits any more
            disk_note.write(self._note, f"the log could not be written to its end ({self.trouble})")
        if self._file is not None:
            os.close(self._file)
            self._file = None

    def __enter__(self) -> EventWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _put(self, record: Record) -> None:
        try:
            line = self._encoder.encode(_packed(record)) + b"\n"
        except UnicodeEncodeError:  # a file name whose bytes are no text
            line = self._encoder.encode(_encodable(msgspec.to_builtins(_packed(record)))) + b"\n"
        self._waiting.append(line)
        self._held += len(line)
        if isinstance(record, RunStarted):
            self._head = line

    def _write_out(self) -> None:
        if self.trouble and time.monotonic() < self._again:
            self._hold_back()
            return
        data = self._waiting[0] if len(self._waiting) == 1 else b"".join(self._waiting)
        try:
            written = os.write(self._opened(), data)
        except OSError as error:
            self._in_trouble(error.strerror or str(error))
            self._hold_back()
            return
        if written == len(data):
            self._waiting, self._held = [], 0
            if self.trouble:
                self._out_of_trouble()
            elif self._anew:
                self._warn("the log was deleted: it begins anew here")
        else:  # the disk took a part; the rest goes on exactly there
            self._waiting, self._held = [data[written:]], len(data) - written
            self._in_trouble("the disk is full")

    def _in_trouble(self, why: str) -> None:
        now = time.monotonic()
        self._again = now + RETRY_SECONDS
        if not self.trouble:
            self._since = now
        if why != self.trouble:
            self.trouble = why
            disk_note.write(self._note, f"the log can't be written ({why}): it waits in memory, and training continues")

    def _out_of_trouble(self) -> None:
        lost = f", {self.dropped} layer samples were let go" if self.dropped else ""
        lost += "; it was deleted, and begins anew here" if self._anew else "" if lost else "; nothing was lost"
        seconds = time.monotonic() - self._since
        text = f"the log could not be written for {seconds:.1f} s ({self.trouble}){lost}"
        self.trouble = ""
        disk_note.write(self._note, "")
        self._warn(text)

    def _warn(self, text: str) -> None:
        self._anew = False
        self._put(Log(time=time.time(), level="warning", text=text))  # goes out with what comes next

    def _opened(self) -> int:
        """Return the open log; reopen it when it was deleted or replaced (writing on would go nowhere)."""
        if self._file is not None:
            try:
                if os.path.samestat(os.lstat(self._path), os.fstat(self._file)):
                    return self._file
            except FileNotFoundError:
                pass
            os.close(self._file)
            self._file = None
        file = door.descriptor(self._path, os.O_RDWR | os.O_APPEND | os.O_CREAT)
        self._file = file
        with contextlib.suppress(OSError):
            disk_note.prepare(self._note)
        if self._head and self._head not in self._waiting and not os.fstat(file).st_size:
            os.write(file, self._head)  # the log was deleted: a reader of the new one must know what it is about
            self._anew = True
        if ends_torn(file):  # what a killed process left: its torn line must not swallow our first one
            os.write(file, b"\n")
        return file

    def _hold_back(self) -> None:
        if self._held <= KEEP_BYTES:
            return
        kept = [line for line in self._waiting[1:] if not line.startswith(b'{"type":"layers"')]
        self.dropped += len(self._waiting) - 1 - len(kept)
        self._waiting = self._waiting[:1] + kept  # the first may be the rest of a line that is half on the disk
        self._held = sum(map(len, self._waiting))
