"""Pixels of many files, decoded by other processes while the first of them are trained on.

The processes write into shared memory (or the mapped file of the cache) and tell which files they have done.
"""

from __future__ import annotations

import contextlib
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from multiprocessing.connection import Connection
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cvtui.engine.data.decode import Unreadable, decode, look
from cvtui.engine.data.decoded_cache import DecodedCache, stamp_of
from cvtui.engine.data.depth import ValueRange
from cvtui.engine.data.file_decoding import DecodedFiles, end_with_parent, shared_memory
from cvtui.engine.runtime import stop_asked
from cvtui.runlog.worker_process import usable_cores

DECODED, DEEP, WRONG = 1, 2, 3
"""States of a file that was tried (0: not yet). DEEP: decoded, and it has more than 8 bits a value."""
CHUNK = 16
"""Files that a process takes at once: the first batch waits for some of these."""
LOOK_EVERY = 0.2
"""Seconds between two looks whether the processes are still alive."""
LONGEST_SILENCE = 30.0
"""Seconds without word of a file that is waited for: the processes have hung (16 of the largest files take 20)."""
LONGEST_LOCK = 2.0
"""Seconds that the processes' lock may be held: each needs it for microseconds."""
HELD_BACK = (signal.SIGINT, signal.SIGTERM)
"""Signals that the processes handle in their own way: that of the process that forks them is another."""


class PixelStore:
    """N x H x W x 3 of uint8, filled bit by bit; `state` says of which files."""

    def __init__(self, paths: Sequence[str], shape: tuple[int, int], kept: DecodedCache | None = None) -> None:
        self.paths, self.shape = list(paths), shape
        self.wrong: dict[int, str] = {}
        """What is wrong with files that can't be read."""
        self.note = ""
        """Why nothing is kept for the next start."""
        count = len(self.paths)
        self._kept = kept
        known = kept.load(pixels=True) if kept is not None else None
        self.from_cache = known is not None
        self.sums: NDArray[np.int64]
        if known is not None and known.pixels is not None:
            self.pixels, self.sums, self.wrong = known.pixels, known.sums, known.wrong
            self.state = np.full(count, DECODED, np.uint8)
            self.state[list(known.deep)] = DEEP
            self.state[list(self.wrong)] = WRONG
        else:
            self.pixels = self._allocated((count, *shape, 3))
            self.sums = _shared((count, 2, 3), np.int64)
            self.state = np.zeros(count, np.uint8)
        self._stamps = _shared((count, 2), np.int64)
        self._news = threading.Condition()
        self._told = 0.0
        """When a process last told of files, by the monotonic clock."""
        self._queued = np.zeros(count, bool)
        """Files that the processes at work will come to."""
        self._team: _Team | None = None

    def _allocated(self, size: tuple[int, ...]) -> NDArray[np.uint8]:
        if self._kept is not None:
            try:
                pixels: NDArray[Any] = self._kept.allocate(size, np.uint8)
                return pixels
            except OSError as error:
                self.note = f"the decoded images are not kept for the next start: {error.strerror or error}"
                self._kept.drop()
                self._kept = None
        return shared_memory(size, np.uint8)  # type: ignore[return-value]

    # ------------------------------------------------------------------ asking for pixels

    def begin(self, order: Iterable[int]) -> None:
        """Let processes decode these files in this order, and no others."""
        asked = np.fromiter(order, np.int64)
        waiting: list[int] = asked[self.state[asked] == 0].tolist()
        if self._team is not None:
            if self._team.order[-len(waiting) :] == waiting:  # it is at it
                return
            if self._team.waits and len(waiting) > CHUNK and self._team.go_on(waiting):
                self._queued[waiting] = True
                return
            self._team.close()
            self._left(self._team)
        if len(waiting) > CHUNK:
            self._queued[waiting] = True
            self._team = _Team(self, waiting)

    def begin_with(self, numbers: Sequence[int]) -> None:
        """Let processes decode these files, and wait for the order of the others (`begin`)."""
        waiting = [number for number in numbers if not self.state[number]]
        if sys.platform == "linux" and self._team is None and len(waiting) > CHUNK:
            self._queued[waiting] = True
            self._team = _Team(self, waiting, len(self.paths))

    def ensure(
        self, numbers: Sequence[int], between: Callable[[], object] | None = None, *, begin: bool = False
    ) -> None:
        """Return when these files have been tried: those that no process comes to are decoded here.

        between: called now and then; what it raises ends the wait. begin: if no processes are at work, some are.
        """
        if begin and (self._team is None or self._team.waits):
            self.begin(numbers)
        asked = np.asarray(numbers, np.int64)
        began = time.monotonic()
        while len(missing := asked[self.state[asked] == 0]):
            own = (missing if self._team is None else missing[~self._queued[missing]]).tolist()
            if own:
                some = [own[start : start + CHUNK] for start in range(0, len(own), CHUNK)]
                with ThreadPoolExecutor(usable_cores()) as threads:
                    self.took([one for done in threads.map(self._decoded, some) for one in done])
                continue
            with self._news:
                if not self.state[missing].all():
                    self._news.wait(LOOK_EVERY)
            silence = time.monotonic() - max(began, self._told)
            if self._team is not None and (self._team.broken() or silence > LONGEST_SILENCE):
                self._team.close()  # what is missing is decoded here
                self._left(self._team)
            stop_asked.look()
            if between is not None:
                between()

    @property
    def complete(self) -> bool:
        """True if all files have been tried."""
        return bool(self.state.all())

    def close(self) -> None:
        """End the processes; what is missing then is decoded when it is asked for, and nothing is kept."""
        if self._team is not None:
            self._team.close()
            self._left(self._team)
        with self._news:
            if self._kept is not None:
                self._kept.drop()
                self._kept = None

    # ------------------------------------------------------------------ decoding

    def _decoded(self, numbers: Sequence[int]) -> list[tuple[int, int, str]]:
        return [self.decode(number) for number in numbers]

    def decode(self, number: int) -> tuple[int, int, str]:
        """Decode one file into its place: (number, its state from now on, what is wrong with it)."""
        path = self.paths[number]
        try:
            if self._kept is not None:
                self._stamps[number] = stamp_of(path)
            found = look(path, self.shape)
            deep = isinstance(found, ValueRange)
            self.pixels[number] = decode(path, self.shape) if deep else found
        except Unreadable as error:
            return number, WRONG, str(error) or "it can't be read"
        flat = self.pixels[number].reshape(-1, 3).astype(np.int64)
        self.sums[number] = flat.sum(0), np.einsum("ij,ij->j", flat, flat)
        return number, DEEP if deep else DECODED, ""

    def took(self, rows: Sequence[tuple[int, int, str]]) -> None:
        """Note what was decoded, and wake who waits for it."""
        with self._news:
            self._told = time.monotonic()
            for number, state, words in rows:
                if words:
                    self.wrong[number] = words
                self.state[number] = state
            if self._kept is not None and self.complete:
                deep = np.flatnonzero(self.state == DEEP).tolist()
                found = DecodedFiles(self.pixels, self.wrong, self.sums, None, deep=tuple(deep))
                self._kept.save(found, self._stamps)
                self._kept = None
            self._news.notify_all()

    def _left(self, team: _Team) -> None:
        """Note that a team's processes have ended."""
        with self._news:
            if self._team is team:
                self._team = None
                self._queued[:] = False
                self._news.notify_all()


class _Team:
    """Processes (threads, where forking isn't safe) that decode files in order, CHUNK at a time.

    more: so many files may follow, once their order is known: the processes wait for it.
    """

    def __init__(self, store: PixelStore, order: list[int], more: int = 0) -> None:
        self._store = store
        self.order = order
        self.waits = bool(more)
        """What follows is not known yet."""
        self._more = more
        self._processes: list[Any] = []
        self._gates: list[Connection] = []
        self.listener: threading.Thread | None = None
        """Takes what the processes tell, and is the one that asks for how they ended: another thread that asks at the
        same moment is told nothing (the kernel tells it once)."""
        self._closed = False
        self._at = 0
        self._lock = threading.Lock()
        run = self._by_processes if sys.platform == "linux" else self._by_threads
        run(usable_cores())

    def close(self) -> None:
        self._closed = True
        for process in self._processes:
            process.kill()  # SIGTERM waits where a process is stopped
        for gate in self._gates:
            gate.close()

    def broken(self) -> bool:
        """Return True if a process was killed, for want of memory mostly (the others may wait for it)."""
        return any(process.exitcode for process in self._processes)

    def _by_threads(self, count: int) -> None:
        for _ in range(count):
            threading.Thread(target=self._thread, daemon=True).start()

    def _thread(self) -> None:
        while not self._closed:
            with self._lock:
                start, self._at = self._at, self._at + CHUNK
            some = self.order[start : start + CHUNK]
            if not some:
                return
            self._store.took([self._store.decode(number) for number in some])

    def _by_processes(self, count: int) -> None:
        import multiprocessing

        context = multiprocessing.get_context("fork")
        place = context.Value("q", 0)
        self._numbers = shared_memory((1 + len(self.order) + self._more,), np.int64)
        self._tell(self.order)
        self._place = place
        readers = []
        for _ in range(count):
            reader, writer = context.Pipe(duplex=False)
            gate, opens = context.Pipe(duplex=False)
            process = context.Process(target=_fill, args=(self._store, self._numbers, place, writer, gate), daemon=True)
            # Held back until the process has its own handlers: a SIGTERM right after the fork would go to this one's,
            # and a process that waits at its gate would then never end.
            held = signal.pthread_sigmask(signal.SIG_BLOCK, HELD_BACK)
            try:
                process.start()
            finally:
                signal.pthread_sigmask(signal.SIG_SETMASK, held)
            writer.close()
            gate.close()
            readers.append(reader)
            self._gates.append(opens)
            self._processes.append(process)
        if not self.waits:
            self._open()
        self.listener = threading.Thread(target=self._listen, args=(readers,), daemon=True)
        self.listener.start()

    def go_on(self, order: list[int]) -> bool:
        """Let the processes that wait decode these files too, in this order; False where they can't be told.

        (One that was killed may hold the lock.)
        """
        lock = self._place.get_lock()
        if not lock.acquire(timeout=LONGEST_LOCK):
            return False
        try:
            self._tell(order)
        finally:
            lock.release()
        self.order = order
        self.waits = False
        self._open()
        return True

    def _tell(self, order: list[int]) -> None:
        """Write numbers behind those that are known; the first of all is how many there are."""
        known = int(self._numbers[0])
        self._numbers[1 + known : 1 + known + len(order)] = order
        self._numbers[0] = known + len(order)

    def _open(self) -> None:
        for gate in self._gates:
            with contextlib.suppress(OSError):  # a process that was killed
                gate.send_bytes(b".")
            gate.close()

    def _listen(self, readers: list[Any]) -> None:
        """Take what the processes tell until the last has ended, however that was."""
        from multiprocessing.connection import wait

        while readers:
            ready: list[Any] = wait(readers)
            for reader in ready:
                try:
                    self._store.took(reader.recv())
                except (EOFError, OSError):
                    readers.remove(reader)
                    reader.close()
        self._store._left(self)
        for process in self._processes:
            process.join()


def _fill(store: PixelStore, numbers: NDArray[np.int64], place: Any, writer: Any, gate: Connection) -> None:
    """Decode, in a process of its own, the files that no other has taken yet; numbers: as `_Team._tell` writes them.

    gate: gets a byte when all of them are known.
    """
    for number in HELD_BACK:
        signal.signal(number, signal.SIG_IGN if number == signal.SIGINT else signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, HELD_BACK)
    end_with_parent()
    whole = False
    while True:
        with place.get_lock():
            start, stop = place.value, min(place.value + CHUNK, int(numbers[0]))
            place.value = stop
        if stop > start:
            writer.send([store.decode(number) for number in numbers[1 + start : 1 + stop].tolist()])
        elif whole:
            return
        else:
            try:
                gate.recv_bytes()
            except EOFError:  # its parent has ended
                return
            whole = True


def _shared(shape: tuple[int, ...], dtype: Any) -> NDArray[Any]:
    return shared_memory(shape, dtype)
