"""A mirror of another host's folder of runs, kept up to date over one connection.

The mirror is a folder of run folders in the cache, so that every reader of runs works on it unchanged. Commands to a
run there go out by the same connection. A connection that breaks is told, and tried again after growing pauses; each
log goes on at the byte that it had reached.
"""

from __future__ import annotations

import atexit
import contextlib
import hashlib
import re
import shutil
import threading
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path

from cvtui import door
from cvtui.errors import RequestError
from cvtui.runlog import lock
from cvtui.runlog.folder import RunFolder, runs_below
from cvtui.runlog.hosts.address import Address, parse_address
from cvtui.runlog.hosts.connection import Connection, LineBroken, advice
from cvtui.runlog.hosts.listing import harmless_name, list_there
from cvtui.runlog.hosts.run_copy import PIECE, Progress, RunCopy, progress_of
from cvtui.runlog.other_hosts import ADDRESS_NAME, cache_root, mirrors
from cvtui.text import error_line

BUSY_SECONDS, IDLE_SECONDS = 0.4, 2.0
"""Between two looks while a run trains there, and while none does."""
FIRST_PAUSE, LONGEST_PAUSE = 1.0, 60.0
ROUND_BYTES = 8 * PIECE
"""Of logs of runs that are over, a look: living ones are never long behind."""


class Mirror:
    """Runs of `address` in the local folder `folder`. Either `sync` (in the caller's thread) or `start`."""

    def __init__(self, address: Address) -> None:
        self.address = address
        self.trouble = ""
        """Why the host can't be reached, and when it is tried again; "" while it is."""
        self._line = Connection(address)
        self._copies: dict[str, RunCopy] = {}
        self._listed = False
        self._commands: deque[tuple[str, bytes]] = deque()
        self._pictures: dict[tuple[str, str], str] = {}
        """Pictures that were asked for: (run, name) -> why there is none, "" while it is on its way."""
        self._wake = threading.Event()
        self._thread: threading.Thread | None = None
        self._closing = threading.Event()
        self.folder, self._own = _place(address)
        atexit.register(self.close)

    # ------------------------------------------------------------------ in the caller's thread

    def sync(self, wanted: Callable[[str], bool] = lambda _: True, progress: Progress | None = None) -> None:
        """Bring all wanted runs (by their path) up to date. RequestError where the host can't be reached."""
        try:
            self._look()
            while True:
                behind = [copy for copy in self._copies.values() if wanted(copy.path)]
                if progress is not None:
                    done, missing = progress_of(behind)
                    progress(done, len(behind), missing)
                self._bring(behind)
                if not any(copy.behind for copy in behind):
                    break
        except LineBroken as broken:
            why = str(broken)
            raise RequestError(f"{self.address.name}: {why}", hint=advice(why, self.address)) from None

    def dated(self) -> list[tuple[float, RunFolder]]:
        """Return every run of the last listing with the Unix time of its start there, whether it was read or not."""
        return [(copy.folder_time, copy.folder) for copy in self._copies.values()]

    def start(self) -> None:
        """Keep the mirror up to date in a thread until `close`."""
        if self._thread is None and not self._closing.is_set():
            self._thread = threading.Thread(target=self._run, name=f"mirror of {self.address.name}", daemon=True)
            self._thread.start()

    def send(self, path: str, words: bytes) -> None:
        """Have a line appended to a run's commands.jsonl there. RequestError while the host can't be reached."""
        if self.trouble:
            raise RequestError(f"not sent: {self.trouble}")
        if path not in self._copies:
            raise RequestError(f"{path!r} is not on {self.address.name} any more")
        if self._thread is None:
            raise RequestError(f"{self.address.name} is not being watched: nothing was sent")
        self._commands.append((path, words))
        self._wake.set()

    def bring_picture(self, path: str, name: str) -> str:
        """Have a picture of a run copied, by its name; return what a person is told while it isn't here."""
        if self.trouble:
            return self.trouble
        if self._thread is None or path not in self._copies or not harmless_name(name):
            return f"It lies on {self.address.name}, and can't be copied."
        why = self._pictures.setdefault((path, name), "")
        if not why:
            self._wake.set()
        return f"{self.address.name}: {why}" if why else f"Copying it from {self.address.name} …"

    def status(self) -> str:
        """Return what a list of runs says about the host: its trouble, or what is still being read; "" for all well."""
        if self.trouble:
            return self.trouble
        if not self._listed:
            return f"{self.address.name}: connecting"
        copies = list(self._copies.values())
        done, missing = progress_of(copies)
        return f"{self.address.name}: reading, {done} of {len(copies)} runs" if missing else ""

    def close(self) -> None:
        """Hang up, and let the locks go. The copies stay for the next time."""
        if self._closing.is_set():
            return
        self._closing.set()
        self._line.close()
        self._wake.set()
        if self._thread is not None:
            self._thread.join(2.0)
        self._line.hang_up()
        for copy in self._copies.values():
            copy.release()
        self._own.release()
        if self.folder.name.startswith(_PRIVATE):
            shutil.rmtree(self.folder, ignore_errors=True)
        atexit.unregister(self.close)

    # ------------------------------------------------------------------ the thread

    def _run(self) -> None:
        pause = FIRST_PAUSE
        while not self._closing.is_set():
            try:
                self._look()
                if self.trouble:
                    self._tell("")
                self._bring(list(self._copies.values()))
                pause = FIRST_PAUSE
                busy = any(copy.alive or copy.behind for copy in self._copies.values())
                self._sleep(BUSY_SECONDS if busy else IDLE_SECONDS)
            except Exception as error:  # whatever it is: a thread that ends would leave a picture that stands still
                if self._closing.is_set():
                    return
                known = isinstance(error, LineBroken | RequestError)
                why = str(error) if known else error_line(error)
                self._break(why, pause)
                pause = min(2 * pause, LONGEST_PAUSE)

    def _break(self, why: str, pause: float) -> None:
        """Tell that the line broke, and wait. Commands that were not sent are dropped, not sent later."""
        self._line.hang_up()
        lost = len(self._commands)
        self._commands.clear()
        self._pictures.clear()  # what is still on the screen is asked for again
        dropped = " (the last command was not sent)" if lost else ""
        way = f"; {advice(why, self.address)}" if "denied" in why or "key verification" in why else ""
        self._tell(f"{self.address.name}: {why.rstrip('.')}{dropped}{way}; next try in {pause:.0f} s")
        until = time.monotonic() + pause
        while not self._closing.is_set() and time.monotonic() < until:
            self._wake.wait(until - time.monotonic())
            self._wake.clear()

    def _sleep(self, seconds: float) -> None:
        self._wake.wait(seconds)
        self._wake.clear()

    def _tell(self, trouble: str) -> None:
        for copy in self._copies.values():
            if copy.alive:
                copy.tell(trouble)
        self.trouble = trouble

    # ------------------------------------------------------------------ one look

    def _look(self) -> None:
        """List what is there. LineBroken, RequestError."""
        if not self._line.open:
            self._line.connect()
        self._send_commands()
        known = set(self._copies)
        there = list_there(self._line, self.address, [path for path, copy in self._copies.items() if not copy.ended])
        if there.keys() - known:  # whether those that are new live was not asked
            watched = [path for path in there if path not in known or not self._copies[path].ended]
            there = list_there(self._line, self.address, watched)
        for path in known - there.keys():
            gone = self._copies.pop(path)
            gone.release()
            shutil.rmtree(gone.folder.path, ignore_errors=True)
        for path, run in there.items():
            if path not in self._copies:
                self._copies[path] = RunCopy(self.address, self.folder, path)
            self._copies[path].update(run, new=self._listed and path not in known)
        if not self._listed:
            self._remove_strangers()
        self._listed = True

    def _remove_strangers(self) -> None:
        """Remove copies of an earlier session whose runs are gone there."""
        for folder in runs_below([self.folder]):
            if folder.path.relative_to(self.folder).as_posix() not in self._copies:
                shutil.rmtree(folder.path, ignore_errors=True)

    def _bring(self, copies: list[RunCopy]) -> None:
        """Copy what has changed: living runs first, then the newest."""
        left = ROUND_BYTES
        for copy in sorted(copies, key=lambda copy: (not copy.there.alive, -copy.folder_time)):
            self._send_commands()
            self._bring_pictures()
            copy.bring_small(self._line)
            if left > 0 or copy.there.alive:
                left -= copy.bring_log(self._line)
            copy.settle()

    def _bring_pictures(self) -> None:
        for path, name in [asked for asked, why in list(self._pictures.items()) if not why]:
            copy = self._copies.get(path)
            why = copy.bring_picture(self._line, name) if copy is not None else "the run is gone there"
            if why:
                self._pictures[path, name] = why
            else:
                self._pictures.pop((path, name), None)

    def _send_commands(self) -> None:
        while self._commands:
            path, words = self._commands[0]
            copy = self._copies.get(path)
            why = copy.append_command(self._line, words) if copy is not None else "the run is gone there"
            self._commands.popleft()
            if copy is not None:
                copy.tell(f"{self.address.name} did not take the command: {why}" if why else "")


def open_mirror(text: str) -> Mirror:
    """Return this process's mirror of an address; the same one each time. RequestError."""
    address = parse_address(text)
    for known in mirrors.values():
        if isinstance(known, Mirror) and known.address == address:
            return known
    mirror = Mirror(address)
    mirrors[mirror.folder] = mirror
    return mirror


_PRIVATE, LOCK_NAME = "private-", ".lock"


def _place(address: Address) -> tuple[Path, lock.WorkerLock]:
    """Return the mirror's folder and its lock: the shared one, or a private copy while that is taken."""
    root = cache_root()
    try:
        root.mkdir(0o700, parents=True, exist_ok=True)
        _remove_old(root)
        shared = root / cache_key(address)
        folder, number = shared, 0
        while True:
            folder.mkdir(0o700, exist_ok=True)
            try:
                own = lock.take(folder / LOCK_NAME, 0.0)
                break
            except lock.Busy:
                number += 1
                folder = root / f"{_PRIVATE}{number}-{cache_key(address)}"
        if number:
            _seed(shared, folder)
        door.write(folder / ADDRESS_NAME, str(address).encode("utf-8", "surrogateescape"))
    except OSError as error:
        raise RequestError(
            f"{address}: can't write {str(error.filename or root)!r}: {error.strerror}",
            hint="$XDG_CACHE_HOME says where copies of other hosts' runs lie",
        ) from None
    return folder, own


def _seed(shared: Path, folder: Path) -> None:
    """Begin with the bytes that the shared mirror has already."""
    with contextlib.suppress(OSError, shutil.Error):
        ignored = shutil.ignore_patterns(LOCK_NAME, "worker.lock", "worker.note")
        shutil.copytree(shared, folder, dirs_exist_ok=True, ignore=ignored)


def _remove_old(root: Path) -> None:
    """Remove private mirrors whose process died."""
    for folder in root.glob(f"{_PRIVATE}*"):
        if not lock.is_held(folder / LOCK_NAME):
            shutil.rmtree(folder, ignore_errors=True)


def cache_key(address: Address) -> str:
    """Return a folder's name for an address: readable, and of no other address."""
    words = re.sub(r"[^A-Za-z0-9.]+", "-", f"{address.name}-{address.path}").strip("-.")[-60:]
    return f"{words}-{hashlib.sha256(str(address).encode('utf-8', 'surrogateescape')).hexdigest()[:12]}"
