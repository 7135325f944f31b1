"""Escape sequences by which a terminal shows a desktop notification, each only where its terminal documents it.

| sequence | terminals |
| --- | --- |
| OSC 9 | iTerm2, Ghostty, WezTerm |
| OSC 777 | rxvt-unicode (with its notification extension), foot, VTE (GNOME Terminal, Ptyxis, Tilix), Contour |
| OSC 99 | kitty |

Inside tmux it is wrapped in tmux's passthrough, which tmux drops unless `allow-passthrough` is on. Any other terminal
gets the bell alone.
"""

from __future__ import annotations

import re
import subprocess
from collections.abc import Mapping

BELL = "\a"
_OSC, _ST = "\x1b]", "\x1b\\"
TMUX_SECONDS = 0.5

KINDS = {
    "kitty": "99",
    "iterm": "9",
    "ghostty": "9",
    "wezterm": "9",
    "foot": "777",
    "rxvt": "777",
    "vte": "777",
    "contour": "777",
}
"""Part of a terminal's name -> its sequence."""


def notification(title: str, body: str, environment: Mapping[str, str], outer: str | None = None) -> str:
    """Return what to write to the terminal: the bell, and a notification where it is known to show one.

    `outer`: the terminal around tmux, by name.
    """
    in_tmux = bool(environment.get("TMUX"))
    kind = kind_of(outer or "") if in_tmux and outer else kind_from(environment, in_tmux)
    text = sequence(kind, _safe(title), _safe(body))
    if text and in_tmux:
        text = "\x1bPtmux;" + text.replace("\x1b", "\x1b\x1b") + _ST
    return text + BELL


def sequence(kind: str, title: str, body: str) -> str:
    """Return the escape sequence of OSC 9, 777 or 99; "" for another kind."""
    match kind:
        case "9":
            return f"{_OSC}9;{title}: {body}{_ST}"
        case "777":
            return f"{_OSC}777;notify;{title.replace(';', ',')};{body}{_ST}"
        case "99":
            return f"{_OSC}99;i=cvtui:d=0;{title}{_ST}{_OSC}99;i=cvtui:d=1:p=body;{body}{_ST}"
    return ""


def kind_of(name: str) -> str:
    """Return the sequence of the terminal of that name, "" for an unknown one."""
    return next((kind for part, kind in KINDS.items() if part in name.lower()), "")


def kind_from(environment: Mapping[str, str], in_tmux: bool = False) -> str:
    """Return the sequence of the terminal that the environment tells of.

    Variables of a terminal are inherited by what is started in another one: TERM and TERM_PROGRAM come first.
    """
    names = [] if in_tmux else [environment.get("TERM_PROGRAM", ""), environment.get("TERM", "")]
    names.append(environment.get("LC_TERMINAL", ""))  # iTerm2's, which ssh passes on
    if not in_tmux and environment.get("VTE_VERSION"):
        names.append("vte")
    return next((kind for name in names if (kind := kind_of(name))), "")


def terminal_around_tmux(environment: Mapping[str, str]) -> str | None:
    """Ask tmux which terminal its client runs in; None outside tmux, or where it doesn't answer in half a second."""
    if not environment.get("TMUX"):
        return None
    words = ["tmux", "display-message", "-p", "#{client_termtype} #{client_termname}"]
    try:
        done = subprocess.run(words, stdin=subprocess.DEVNULL, capture_output=True, timeout=TMUX_SECONDS, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.decode("utf-8", "replace").strip() or None


def _safe(text: str) -> str:
    """Drop control characters: they would end the sequence, or be obeyed."""
    return re.sub(r"[\x00-\x1f\x7f-\x9f]+", " ", text)[:400]
