"""What lies in a folder of runs on another host, asked by one script of a POSIX shell."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import PurePosixPath

from cvtui.errors import RequestError
from cvtui.runlog.folder import DEEPEST, LABS
from cvtui.runlog.hosts.address import Address
from cvtui.runlog.hosts.connection import Connection, quoted

EVENTS, LOCK, RANKS = "events.jsonl", "worker.lock", "ranks"
SMALL = ("recipe.toml", "fork.json", "note.txt", "pinned", "worker.note")
"""Files that are copied whole when they change."""
LOGS = ("worker.log",)
"""Files of which the end is copied."""
_LINE = re.compile(r"\s*(\d+)\s+-\S+\s+\d+\s+\d+\s+\d+\s+(\d+)\s+(\S+\s+\S+\s+\S+) \./(.*)", re.DOTALL)
"""A line of `ls -lin` in the POSIX locale: inode, mode, links, owner, group, size, date, path."""
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


@dataclass(frozen=True, slots=True)
class FileThere:
    inode: int
    size: int
    date: str
    """As `ls` writes it, to the minute."""


@dataclass(slots=True)
class RunThere:
    """One run folder on the other host, as of the last listing."""

    path: str
    """Relative to the folder of runs, with slashes."""
    files: dict[str, FileThere] = field(default_factory=dict)
    ranks: dict[str, FileThere] | None = None
    """Files of step times of its ranks; None where they were not asked for."""
    alive: bool = False


def list_there(line: Connection, address: Address, watched: Iterable[str]) -> dict[str, RunThere]:
    """Return the runs below `address`, of those `watched` also whether a process trains them, and their ranks' files.

    RequestError where there is no such folder. The locks are asked first: a run that is not alive then has its last
    record within the sizes that follow.
    """
    asked = set(watched)
    code, text = line.text(_script(address, sorted(asked)))
    if code == 3:
        raise RequestError(f"{address}: there is no such folder on {address.name}, or it can't be opened")
    runs: dict[str, RunThere] = {}
    held: set[str] = set()
    locks: set[int] = set()
    for row in text.split("\n"):
        if row.startswith("@held "):
            held.add(row.removeprefix("@held "))
        elif row.startswith("@lock "):
            locks |= {int(number) for number in re.findall(r"\bFLOCK\b.*?:(\d+) ", row)}
        else:
            _take(row, runs)
    found = {path: run for path, run in runs.items() if EVENTS in run.files or "recipe.toml" in run.files}
    for path, run in found.items():
        if path in asked and run.ranks is None:
            run.ranks = {}
        lock = run.files.get(LOCK)
        run.alive = path in held or (lock is not None and lock.inode in locks)
    return found


def _take(row: str, runs: dict[str, RunThere]) -> None:
    match = _LINE.fullmatch(row)
    if match is None:
        return
    inode, size, date, path = match.groups()
    parts = PurePosixPath(path).parts
    if len(parts) < 2 or LABS in parts[:-2] or not all(harmless_name(part) for part in parts):
        return
    file = FileThere(int(inode), int(size), " ".join(date.split()))
    if parts[-2] == RANKS:
        run = runs.setdefault("/".join(parts[:-2]), RunThere("/".join(parts[:-2])))
        run.ranks = {**(run.ranks or {}), parts[-1]: file}
    else:
        runs.setdefault("/".join(parts[:-1]), RunThere("/".join(parts[:-1]))).files[parts[-1]] = file


def harmless_name(part: str) -> bool:
    """Return True for a name that is a plain name here, too: it can't lead out of the mirror, and isn't hidden."""
    return bool(part) and not part.startswith(".") and not any(sign in part for sign in "/\\\0") and len(part) < 200


def _script(address: Address, watched: list[str]) -> str:
    names = " -o ".join(f"-name {name}" for name in (EVENTS, LOCK, *SMALL, *LOGS))
    too_deep = "/".join(["."] + ["*"] * (DEEPEST + 2))
    hidden = rf"-type d \( -name '.?*' -o -name checkpoints -o -name pictures -o -name {RANKS} \)"
    find = rf"find . \( -path '{too_deep}' -o {hidden} \) -prune -o -type f \( {names} \) -exec ls -lind {{}} +"
    parts = [f"cd -- {quoted(address.path)} || exit 3", _locks(watched), _ranks(watched), find, "exit 0"]
    return "( {} ) </dev/null 2>/dev/null".format("\n".join(parts))


def _ranks(watched: list[str]) -> str:
    """Return the part that lists the files of the ranks."""
    if not watched:
        return ":"
    paths = " ".join(quoted(f"./{path}") for path in watched)
    return f'for run in {paths}; do [ -L "$run/{RANKS}" ] || ls -lind "$run/{RANKS}"/*.jsonl; done'


def _locks(watched: list[str]) -> str:
    """Return the part that asks which locks are held: by flock, the kernel's list, lsof, or a log that grows."""
    if not watched:
        return ":"
    paths = " ".join(quoted(f"./{path}") for path in watched)
    tell = 'printf "@held %s\\n" "${run#./}"'
    return (
        f"for run in {paths}; do\n"
        f'lock="$run/{LOCK}"\n[ -f "$lock" ] && [ ! -L "$lock" ] || continue\n'
        f'if command -v flock >/dev/null; then flock -n -s "$lock" true; [ $? -ne 1 ] || {tell}\n'
        f"elif [ -r /proc/locks ]; then :\n"
        f'elif command -v lsof >/dev/null; then [ -z "$(lsof -t "$lock")" ] || {tell}\n'
        f'elif [ -n "$(find "$run/{EVENTS}" -mmin -2)" ]; then {tell}\n'
        "fi\ndone\n"
        "command -v flock >/dev/null || [ ! -r /proc/locks ] || sed 's/^/@lock /' /proc/locks"
    )


def unix_time(date: str) -> float | None:
    """Unix time of a date as `ls` writes it in UTC ("Nov 28 08:41", "Jan 5 2025"); None where it isn't one."""
    import calendar
    import time

    month, day, last = (*date.split(), "", "", "")[:3]
    if month not in _MONTHS or not day.isdecimal():
        return None
    now = time.gmtime()
    hour, colon, minute = last.partition(":")
    if colon and hour.isdecimal() and minute.isdecimal():
        moment = (_MONTHS.index(month) + 1, int(day), int(hour), int(minute), 0)
        found = calendar.timegm((now.tm_year, *moment))
        return found if found < time.time() + 2 * 86400 else calendar.timegm((now.tm_year - 1, *moment))
    if not last.isdecimal():
        return None
    return calendar.timegm((int(last), _MONTHS.index(month) + 1, int(day), 0, 0, 0))
