"""Words of a stranger on the command line: in recipes, logs, names of runs, classes, layers, files. None is obeyed."""

from __future__ import annotations

import io
import json
import re
import sys
import unicodedata
from pathlib import Path
from typing import Any

import pytest

from cvtui.cli import out
from cvtui.recipe.toml import dumps
from cvtui.runlog.events import (
    CheckpointSaved,
    CommandApplied,
    Finding,
    Layer,
    LayersSampled,
    LayerStats,
    Log,
    RunEnded,
)
from cvtui.runlog.folder import RunFolder
from cvtui.runlog.writer import EventWriter
from tests.cli.running import within
from tests.cli.terminal import Terminal
from tests.engine.making import recipe
from tests.runlog.making import epoch_done, started, write_steps

EVIL = "\x1b]0;owned\x07\x1b[2J\x1b[31mred\x9b31m\u202egnp.exe\u2066\u200e[bold]up[/nothing] \r\n\x7f"
"""A window title, a cleared screen, colours, C1 codes, reversed text, bidi controls, rich's markup."""


def foreign(base: Path, name: str, number: int) -> RunFolder:
    """Every text of it is EVIL, and another one in each run."""
    evil = EVIL + str(number)
    run = RunFolder(base / name)
    run.checkpoints.mkdir(parents=True)
    run.recipe.write_text(dumps(recipe()))
    fields: dict[str, Any] = {
        name: evil for name in ("data", "net", "name", "init", "optimizer", "schedule", "loss", "preprocess", "device")
    }
    with EventWriter(run) as writer:
        writer.write(
            started(
                device=evil, recipe=fields | {evil: evil, "lr": 0.1, "epochs": 3},
                libraries={"torch": evil, evil: evil},
                layers=[Layer(name=evil, expression=evil, output=[1], parameters=1, macs=1, watched=True)],
                data={"classes": [evil, "b"], "train": 3, "validation": 2}, parent={"run": evil, "checkpoint": evil},
            )
        )  # fmt: skip
        write_steps(writer, 0, 20, loss=float(number))
        layer = LayerStats(name=evil, kind=evil, mean=0.0, std=0.0, min=0.0, max=0.0, zeros=1.0, dead=1.0)
        writer.write(LayersSampled(step=10, layers=[layer]))
        writer.write(epoch_done(1, 20))
        writer.write(CommandApplied(step=3, time=1.0, command=evil, words=evil))
        writer.write(CheckpointSaved(step=20, epoch=1, path=evil, reason="last"))
        writer.write(Finding(step=3, id=evil, severity="warn", sentence=evil, layer=evil, evidence=evil, advice=evil))
        writer.write(Log(time=1.0, text=evil, level="error"))
        writer.write(RunEnded(time=2.0, step=20, status="failed", reason=evil))
    for path in (run.log, run.path / "note.txt", run.note):
        path.write_text(evil)
    return run


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Path:
    base = tmp_path_factory.mktemp("foreign")
    foreign(base / "runs", "one", 1)
    foreign(base / "runs", "\u202egnp\x1b[2J[red]", 2)
    (base / "evil\x1b[2J\u202e.toml").write_text("lr = -1")
    (base / "words.toml").write_text('net = "\\u001b[2J\\u202e"\n')
    (base / "key.toml").write_text('"\\u001b[2J\\u202e" = 1\n')
    for name in ("a\x1b[2J\u202e", "b"):
        (base / "images" / name).mkdir(parents=True)
        (base / "images" / name / "1\x1b[2J.png").write_bytes(b"no image")
        (base / "images" / name / "2.png").write_bytes(b"no image")
    return base


COMMANDS = (
    ("runs",), ("runs", "--filter", EVIL), ("compare", "one", "\u202egnp\x1b[2J[red]"), ("doctor", "one"),
    ("doctor", "one", "--all"), ("doctor", "one", "--fix"), ("fork", "one", "--no-ui"), ("resume", "one", "--no-ui"),
    ("export", "one", "--html", "page\x1b[2J\u202e.html", "--csv", "csv"), ("attach", "\x1b[2J\u202e"),
    ("evil\x1b[2J\u202e.toml", "--no-ui"), ("words.toml", "--no-ui"), ("key.toml", "--no-ui"),
    ("data", "folder:images"),
    ("check", "--data", "folder:images", "--net", "fc"), ("sweep", "--net", "\x1b[2J\u202e,fc"),
    ("\x1b[2J\u202e",), ("calc", "conv8-\x1b[2J\u202e", "--input", "8x8x1"), ("lab", "\x1b[2J\u202e"),
)  # fmt: skip


def dangerous(text: str) -> set[str]:
    return {sign for sign in text if unicodedata.category(sign) in ("Cc", "Cf") and sign not in "\n\t"}


@pytest.mark.parametrize("words", COMMANDS, ids=lambda words: ascii(" ".join(words))[1:30])
def test_no_command_passes_a_control_sign_on(here: Path, words: tuple[str, ...]) -> None:
    done = within(*words, cwd=here)
    assert "Traceback" not in done.stderr
    assert "fault of cvtui" not in done.stderr
    assert not dangerous(done.stdout)
    assert not dangerous(done.stderr)


def test_on_a_terminal_the_only_escapes_are_colours_of_our_own(here: Path) -> None:
    """Three commands, one after the other in one process."""
    each = [["compare", "one", "\u202egnp\x1b[2J[red]"], ["runs"], ["doctor", "one", "--all"]]
    script = f"from cvtui.cli.main import _run; print([_run(words, False) for words in {each!a}])"
    with Terminal(cwd=here, size=(160, 40), NO_COLOR=None, script=script) as terminal:
        assert terminal.end() == 0
    without = re.sub(r"\x1b\[[0-9;]*m", "", terminal.said.replace("\r\n", "\n"))
    assert without.endswith("[0, 0, 0]\n")
    assert "\x1b[" in terminal.said, "colours of our own"
    assert not dangerous(without)
    assert "\x1b[31mred" not in terminal.said
    assert "owned" not in terminal.said or "\ufffd]0;owned" in without


def test_a_debug_traceback_is_harmless_too(here: Path) -> None:
    done = within("--debug", "words.toml", "--no-ui", cwd=here)
    assert "Traceback" in done.stderr
    assert not dangerous(done.stderr)


def test_html_holds_no_direction_signs(here: Path) -> None:
    done = within("export", "one", "--html", "x.html", "--svg", "x.svg", cwd=here)
    assert done.returncode == 0, done.stderr
    for name in ("x.html", "x.svg"):
        assert not dangerous((here / name).read_text())


class Tty(io.StringIO):
    """What a table for a script is printed to."""

    def __init__(self, tty: bool) -> None:
        super().__init__()
        self._tty = tty

    def isatty(self) -> bool:
        return self._tty


@pytest.mark.parametrize("tty", [True, False])
def test_csv_is_harmless_on_a_terminal_and_json_everywhere(tty: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """A terminal would obey ESC, C1 (U+009B) and turn text around at U+202E; a file keeps each name as it is."""
    name = "a\x1b[31m\x9b2J\u202e\U000e0001.png"
    written = Tty(tty)
    monkeypatch.setattr(sys, "stdout", written)
    out.csv_writer().writerows([["image", "é,"], [name, 1]])
    assert written.getvalue().splitlines()[0] == 'image,"é,"'
    assert (name in written.getvalue()) is not tty
    assert written.getvalue().replace("\n", "").isprintable() is tty
    written.truncate(written.seek(0))
    out.json_line({name: "é"})
    assert written.getvalue().removesuffix("\n").isprintable()
    assert "é" in written.getvalue()
    assert json.loads(written.getvalue()) == {name: "é"}
