"""A walk through the screen in a real terminal, without a training: every place, pane, window and question.

Pilot tests run in Textual's own test harness; what a Python or a Textual does differently under `App.run` is seen here.
"""

from __future__ import annotations

import re
import shutil
import time
from importlib.util import find_spec
from pathlib import Path

import pyte
import pytest

from tests.cli.running import without_torch
from tests.cli.terminal import Terminal

RECORDINGS = Path(__file__).resolve().parent.parent / "recordings"
ESC, ENTER, TAB, UP, DOWN, LEFT, RIGHT = "\x1b", "\r", "\t", "\x1b[A", "\x1b[B", "\x1b[D", "\x1b[C"
CTRL_P, CTRL_Q = "\x10", "\x11"
ESCAPE = 0.15
"""Seconds after which a key is a new one: one that comes within 0.1 s is taken for a part of an escape sequence."""
HAS_TORCH = find_spec("torch") is not None
SIZES = [
    pytest.param((80, 24), marks=[pytest.mark.long] if HAS_TORCH else []),
    pytest.param((160, 45), marks=pytest.mark.torch),
]
"""The large one on README's Python, where it is drawn anew at every key; the small one on the others (.ci/light)."""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for run in RECORDINGS.iterdir():
        if run.is_dir():
            shutil.copytree(run, tmp_path / "runs" / run.name)
    return tmp_path


class Screen(Terminal):
    """A terminal that draws, so that what it shows can be read."""

    def __init__(self, *words: str, cwd: Path, size: tuple[int, int], **env: str | None) -> None:
        self._drawn = pyte.Screen(*size)
        self._stream = pyte.Stream(self._drawn)
        super().__init__(*words, cwd=cwd, size=size, stdout=None, stderr=None, script="", **env)

    def answer(self, piece: str) -> None:
        # pyte takes a private mode's report and kitty's keys for letters and for SGR
        self._stream.feed(re.sub(r"\x1b\[[?<>=][0-9;]*(\$p|[um])", "", piece))

    def resize(self, columns: int, lines: int) -> None:
        self._drawn.resize(lines, columns)
        super().resize(columns, lines)

    @property
    def shown(self) -> str:
        return "\n".join(self._drawn.display)

    def until(self, pattern: str, timeout: float = 60.0, quiet: float = 0.05) -> None:
        """Wait until the screen holds the pattern (one that begins with ! until it doesn't).

        It is read when nothing more comes for `quiet` seconds: a frame arrives in pieces, and a half-drawn one
        shows neither a window nor what is below it.
        """
        deadline = time.monotonic() + timeout
        while True:
            self.news.clear()
            if self.news.wait(quiet):
                continue
            if bool(re.search(pattern.removeprefix("!"), self.shown)) != pattern.startswith("!"):
                return
            assert self.process.poll() is None, f"it ended: {self.said}"
            left = deadline - time.monotonic()
            assert left > 0, f"waited {timeout:g} s for {pattern!r}; it shows\n{self.shown}"
            self.news.wait(left)

    def walk(self, *steps: tuple[str, str]) -> None:
        """Types each key and waits for what it brings."""
        for keys, wanted in steps:
            self.type(keys)
            self.until(wanted, quiet=ESCAPE if keys == ESC else 0.05)

    def leave(self) -> None:
        self.type(CTRL_Q)
        assert self.end() == 0
        assert "Traceback" not in self.said


@pytest.mark.parametrize("size", SIZES, ids=str)
def test_the_four_places_and_their_windows(size: tuple[int, int], folder: Path) -> None:
    jupyter = {"COLUMNS": f"{size[0]}", "LINES": f"{size[1]}", "PYXTERM_DIMENSIONS": "80x25", "NO_COLOR": None}
    with Screen(cwd=folder, size=size, PYTHONPATH=without_torch(folder), **jupyter) as screen:
        screen.until("standardise")
        assert "\x1b[38;2;" in screen.said  # all colours, which JupyterLab's terminal doesn't tell of
        it_is_drawn_while_the_terminal_grows_under_a_window(screen, size)
        screen.walk(
            ("?", "Train: keys"), (ESC, "!Train: keys"),
            (ENTER, "half circles"), (ESC, "!half circles"),
            (CTRL_P, "Search for commands"), (ESC, "!Search for commands"),
            ("2", "outputs of an fc without"), ("", "!w View"), (ESC, "w View"), ("w", "w: next picture"),
            ("?", "Calc: keys"), (ESC, "!Calc: keys"), (ESC, "w View"),
            ("3", "fc-vs-conv"), (DOWN, "linearly"), (ENTER, "esc Back"), (ESC, "E Edit"), (ESC, "enter Open"),
            ("?", "Labs: keys"), (ESC, "!Labs: keys"),
            ("4", "Runs in runs"), ("/", "acc>"), (ESC, "!acc>"), ("?", "Runs: keys"), (ESC, "!Runs: keys"),
            ("1", "standardise"), ("t", "standardise"), ("t", "standardise"),
        )  # fmt: skip
        screen.leave()


@pytest.mark.parametrize("size", SIZES, ids=str)
def test_a_run_with_its_panes_windows_and_questions(size: tuple[int, int], folder: Path) -> None:
    with Screen("attach", "digits", cwd=folder, size=size, PYTHONPATH=without_torch(folder)) as screen:
        screen.until("finished")
        screen.walk(
            *[(key, "digits") for key in (*[TAB] * 8, "a", "y", "m", LEFT, LEFT, RIGHT, ESC, "r")],
            ("z", "alone, z: back"), ("z", "!alone, z: back"),
            ("o", "esc: done"), (ESC, "!esc: done"),
            ("v", "Why can validation"), (ESC, "!Why can validation"),
            ("f", "Fork: a new run"), (ESC, "!Fork: a new run"),
            ("d", "activations over time"), (ESC, "!activations over time"),
            ("i", "feature maps  confusion"), (RIGHT, "confusion"), (ESC, "!feature maps  confusion"),
            ("?", "Train: keys"), (ESC, "!Train: keys"),
            ("4", "Runs in runs"), ("1", "finished"), ("n", "standardise"), ("b", "finished"),
        )  # fmt: skip
        screen.leave()


def it_is_drawn_while_the_terminal_grows_under_a_window(screen: Screen, size: tuple[int, int]) -> None:
    """Resize with help open: the screen below has its old size for a moment longer than the window over it."""
    columns, lines = size
    screen.walk(("?", "Train: keys"))
    for now in ((columns + 1, lines), (columns + 1, lines + 1), (columns + 40, lines + 16), (90, 30), size):
        screen.resize(*now)
        screen.until("Train: keys")
        screen.until(rf"(?m)^.{{{now[0] - 8}}}q Quit  $")  # up to its last column
    screen.walk((ESC, "!Train: keys"))
