"""`ssh://[user@]host[:port]/path`: a folder of runs on another host."""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import unquote

from cvtui.errors import RequestError

PREFIX = "ssh://"
FORM = "ssh://[USER@]HOST[:PORT]/PATH, with /~/PATH for a folder in the home"
_SHAPE = re.compile(
    r"(?:(?P<user>[^@/]*)@)?(?P<host>\[[^]/]*\]|[^:@/\[\]]*)(?::(?P<port>[^/]*))?(?P<path>/.*)?", re.DOTALL
)
_WORD = re.compile(r"[A-Za-z0-9_.%:][A-Za-z0-9_.%:+-]*")
"""Host and user, as ssh's own checks have them: no blank or shell character, no leading hyphen (an option of ssh)."""


@dataclass(frozen=True, slots=True)
class Address:
    """Host and folder of runs there."""

    host: str
    path: str
    """Absolute, or relative to the home."""
    user: str = ""
    port: int = 0
    """0: what ssh's own configuration says."""

    @property
    def name(self) -> str:
        """Short name for people: user@host:port."""
        user = f"{self.user}@" if self.user else ""
        return f"{user}{self.host}" + (f":{self.port}" if self.port else "")

    def __str__(self) -> str:
        host = self.name if ":" not in self.host else self.name.replace(self.host, f"[{self.host}]")
        return f"{PREFIX}{host}{self.path if self.path.startswith('/') else f'/~/{self.path}'}"

    def parent(self) -> tuple[Address, str]:
        """Return the folder above, and the name of the last one: of a run."""
        above, _, name = self.path.rstrip("/").rpartition("/")
        absolute = self.path.startswith("/")
        return Address(self.host, above or ("/" if absolute else "."), self.user, self.port), name


def is_address(text: str) -> bool:
    return text.startswith(PREFIX)


def parse_address(text: str, option: str = "--runs") -> Address:
    """Return the address that `text` names. RequestError says what is wrong with it."""
    found = _SHAPE.fullmatch(text.removeprefix(PREFIX))
    if not is_address(text) or found is None:
        raise RequestError(f"{option}: {text!r} is not an address; allowed: {FORM}")
    host, user, port = found["host"].strip("[]"), found["user"], found["port"]
    for what, word in (("host", host), ("user", user)):
        if word is not None and not _WORD.fullmatch(word):
            raise RequestError(f"{option}: {word!r} is not the name of a {what} in {text!r}; allowed: {FORM}")
    if port is not None and not (port.isdecimal() and port.isascii() and 0 < int(port[:6]) < 65536):
        raise RequestError(f"{option}: {port!r} is not a port in {text!r}; allowed: 1 to 65535")
    path = unquote(found["path"] or "")
    path = path[3:] if path.startswith("/~/") else path.rstrip("/") or path
    if not path or path == "/~":
        raise RequestError(f"{option}: {text!r} names no folder; allowed: {FORM}")
    if any(sign in path for sign in "\0\n\r"):
        raise RequestError(f"{option}: a folder's path on another host can't hold a line break: {path!r}")
    return Address(host, path.rstrip("/") or "/", user or "", int(port) if port else 0)
