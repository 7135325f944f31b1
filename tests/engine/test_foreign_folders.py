"""Run folders made by somebody else: nothing outside is read or written, no code runs, no escape reaches a terminal."""

from __future__ import annotations

import io
import os
import pickle
import unicodedata
from pathlib import Path
from typing import Any

import pytest
from textual.app import App

from cvtui.engine.train.export_weights import write_safetensors
from cvtui.errors import RequestError
from cvtui.recipe.toml import dumps
from cvtui.runlog.events import Finding, Log, RunEnded
from cvtui.runlog.folder import RunFolder, list_runs
from cvtui.runlog.writer import EventWriter
from cvtui.tui.train import LiveView
from tests.cli.running import within
from tests.engine.making import recipe, train
from tests.runlog.making import started, write_steps

EVIL = "\x1b]0;owned\x07\x1b[2J\x1b[31mred\x1b[0m\r\n\x9b31m\u202e[bold]up[/bold]"
"""A window title, a cleared screen, colours, C1 codes, a reversed text, Textual's markup."""
NAMES = ["naïve 🐍 [red]", "a\nb", "esc\x1b[2J", "\u202egnp.exe"]


def foreign(base: Path, name: str, **record: Any) -> RunFolder:
    """Make a folder whose every text is EVIL, without our own checks."""
    folder = RunFolder(base / name)
    folder.path.mkdir(parents=True)
    folder.checkpoints.mkdir()
    folder.recipe.write_text(dumps(recipe()))
    with EventWriter(folder) as writer:
        writer.write(started(device=EVIL, recipe={"data": EVIL, "net": EVIL, "name": EVIL}, **record))
        write_steps(writer, 0, 20)
        writer.write(Finding(step=3, id=EVIL, severity="warn", sentence=EVIL, layer=EVIL))
        writer.write(Log(time=1.0, text=EVIL, level="error"))
        writer.write(RunEnded(time=2.0, step=20, status="failed", reason=EVIL))
    folder.log.write_text(EVIL)
    return folder


def assert_harmless(text: str) -> None:
    bad = {char for char in text if unicodedata.category(char) in ("Cc", "Cf") and char not in "\n\t"}
    assert not bad, f"{bad!r} in {text!r}"


@pytest.mark.parametrize("name", NAMES)
def test_the_command_line_shows_no_control_characters(tmp_path: Path, name: str) -> None:
    folder = foreign(tmp_path / "runs", name)
    for words in (
        ["runs", "--runs", "runs"],
        ["compare", str(folder.path), str(folder.path)],
        ["resume", str(folder.path) + "x", "--no-ui"],
    ):
        found = within(*words, cwd=tmp_path)
        assert "Traceback" not in found.stderr
        assert_harmless(found.stdout)
        assert_harmless(found.stderr)


class Host(App[None]):
    def __init__(self, run: RunFolder) -> None:
        super().__init__()
        self.live = LiveView(run)

    def compose(self) -> Any:
        yield self.live


@pytest.mark.parametrize("name", NAMES)
async def test_the_screen_shows_no_control_characters(tmp_path: Path, name: str) -> None:
    app = Host(foreign(tmp_path, name))
    async with app.run_test(size=(120, 40)) as pilot:
        for pane in ("log", "layers", "prediction"):
            app.live.show_pane(pane)
            await pilot.pause()
            shown = "".join(segment.text for line in app.screen._compositor.render_strips() for segment in line)
            assert_harmless(shown)
            assert "red" in shown or pane != "log"


def test_paths_that_lead_out_of_the_folder_are_not_followed(tmp_path: Path) -> None:
    """A checkpoint, picture or name of `..` in the log is a text; what is loaded has fixed names inside the folder."""
    from cvtui.runlog.events import CheckpointSaved, PictureSaved

    outside = tmp_path / "outside.pt"
    outside.write_bytes(b"secret")
    folder = foreign(tmp_path / "runs", "run")
    with EventWriter(folder) as writer:
        writer.write(CheckpointSaved(step=20, epoch=1, path="../../outside.pt", reason="last"))
        writer.write(PictureSaved(step=20, name="x", path="../../../etc/passwd"))
    found = within("export", str(folder.path), "--html", "page.html", cwd=tmp_path)
    assert "Traceback" not in found.stderr
    if (tmp_path / "page.html").exists():
        page = (tmp_path / "page.html").read_text()
        assert "root:" not in page
        assert "secret" not in page
        assert "\x1b" not in page
    assert outside.read_bytes() == b"secret"


def test_a_link_as_checkpoint_is_replaced_not_written_through(tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_bytes(b"mine")
    folder = RunFolder.create(tmp_path, "run", dumps(recipe(epochs=1)))
    (folder.checkpoints / "last.pt").symlink_to(victim)
    (folder.checkpoints / "best.pt").symlink_to(victim)
    assert train(folder)[0] == 0
    assert victim.read_bytes() == b"mine"
    assert not (folder.checkpoints / "last.pt").is_symlink()


class Planted:
    def __init__(self, flag: Path) -> None:
        self.flag = flag

    def __reduce__(self) -> Any:
        return (Path.touch, (self.flag,))


def test_no_code_in_a_checkpoint_runs(tmp_path: Path) -> None:
    """By `resume` and by `export`, as bare pickle and in torch's own format."""
    import torch

    flag, name = tmp_path / "ran", "last.pt"
    folder = RunFolder.create(tmp_path / "runs", "run", dumps(recipe(epochs=1)))
    torched = io.BytesIO()
    torch.save({"model": Planted(flag), "checksum": 0, "format": "1.0"}, torched)
    for data in (pickle.dumps(Planted(flag)), torched.getvalue()):
        (folder.checkpoints / name).write_bytes(data)
        code, _, err = train(folder, resume=True)
        assert code == 2
        assert "damaged" in err
        with pytest.raises(RequestError, match="damaged"):
            write_safetensors(folder, tmp_path / "x.st", name)
        assert not flag.exists()


def test_what_is_no_file_does_not_hang_a_reader(tmp_path: Path) -> None:
    """A pipe, a folder, a link in a circle in place of each file of a run."""
    for number, part in enumerate(("events", "commands", "note", "lock_file", "log")):
        for kind in ("pipe", "folder", "circle"):
            folder = RunFolder.create(tmp_path, f"{number}{kind}", dumps(recipe()))
            path: Path = getattr(folder, part)
            if kind == "pipe":
                os.mkfifo(path)
            elif kind == "folder":
                path.mkdir()
            else:
                path.symlink_to(path)
            from cvtui.runlog.commands import CommandReader
            from cvtui.runlog.history import History
            from cvtui.runlog.run_summary import summary

            history = History(folder)
            history.poll()
            assert history.state()
            assert CommandReader(folder.commands).poll() == []
            assert summary(folder).state
            history.last_log_lines()
    assert len(list_runs(tmp_path)) == 15
