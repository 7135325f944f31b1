"""A run folder made by a stranger: pipes hang nobody, links lead nobody out; nothing made is writable for others."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest

from cvtui import door
from cvtui.engine.train.export_weights import write_safetensors
from cvtui.errors import RequestError
from cvtui.export import write_csv, write_html, write_svg
from cvtui.recipe.toml import dumps, load
from cvtui.runlog import fork, manage
from cvtui.runlog.commands import CommandReader
from cvtui.runlog.events import Command, Log
from cvtui.runlog.folder import RunFolder, list_runs
from cvtui.runlog.history import History
from cvtui.runlog.lottery_note import ticket_of
from cvtui.runlog.run_summary import summary
from cvtui.runlog.worker_process import launch
from cvtui.runlog.writer import EventWriter
from tests.cli.running import environment, within

from .engine.making import folder as fresh
from .engine.making import recipe, train

SECRET = b'# a secret of somebody else\nlr = 0.123\n{"run": "secret", "checkpoint": "secret", "step": 1, "epoch": 1}\n'


FILES = (
    "recipe.toml", "events.jsonl", "commands.jsonl", "worker.log", "worker.lock", "worker.note", "fork.json",
    "note.txt", "pinned", "ticket.json", "mask.pt", "rewind.pt", "look.lock", "checkpoints/last.pt",
    "checkpoints/best.pt", "checkpoints/last-1.pt", "checkpoints/start.pt", "checkpoints", "pictures",
)  # fmt: skip
"""Everything that cvtui ever opens in a run folder."""


@pytest.fixture(autouse=True)
def no_waiting() -> Iterator[None]:
    """End the test, not the suite, by an alarm if an open hangs."""

    def late(*_: object) -> None:
        raise TimeoutError("something waited for ever")

    before = signal.signal(signal.SIGALRM, late)
    signal.alarm(120)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    run = fresh(tmp_path_factory.mktemp("trained"), epochs=2)
    assert train(run)[0] == 0
    return run


def copy_of(run: RunFolder, base: Path, name: str) -> RunFolder:
    import shutil

    return RunFolder(Path(shutil.copytree(run.path, base / name)))


def put(path: Path, kind: str, outside: Path) -> None:
    """Something that is no file in a file's place."""
    import shutil

    if path.is_dir():
        shutil.rmtree(path)
    path.unlink(missing_ok=True)
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "socket":
        here = os.getcwd()
        os.chdir(path.parent)  # a socket's path must be short
        with socket.socket(socket.AF_UNIX) as made:
            made.bind(path.name)
        os.chdir(here)
    elif kind == "circle":
        path.symlink_to(path)
    else:
        path.symlink_to(outside)


def read_everything(run: RunFolder, base: Path) -> str:
    """Every reader of a run folder, and all that they say; a refusal is an answer too."""
    said: list[str] = []

    def told(work: Callable[[], object]) -> None:
        try:
            said.append(str(work()))
        except RequestError as error:
            said.append(error.message)

    history = History(run)
    history.poll()
    told(lambda: (history.state(), history.last_log_lines(), history.trouble, summary(run), fork.parent_of(run)))
    told(lambda: (manage.note_of(run), manage.is_pinned(run), run.alive(), run.age(), list_runs(run.path.parent)))
    told(lambda: CommandReader(run.commands).poll())
    told(lambda: ticket_of(run))
    told(lambda: load(run.recipe))
    told(lambda: fork.pick(history))
    told(lambda: fork.checkpoint_file(run))
    told(lambda: write_safetensors(run, base / "weights.st"))
    for write, place in ((write_html, "page.html"), (write_svg, "page.svg"), (write_csv, "csv")):
        told(partial(write, history, base / place))
    said.append((base / "page.html").read_text())
    return "\n".join(said)


@pytest.mark.parametrize("kind", ["pipe", "socket", "circle", "link"])
def test_no_reader_waits_or_is_led_out(trained: RunFolder, tmp_path: Path, kind: str) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "secret").write_bytes(SECRET)
    (outside / "last.pt").write_bytes(SECRET)
    for number, part in enumerate(FILES):
        run = copy_of(trained, tmp_path / "runs", f"run{number}")
        put(run.path / part, kind, outside if part in ("checkpoints", "pictures") else outside / "secret")
        said = read_everything(run, tmp_path)
        assert "secret" not in said.replace(str(outside), ""), part
        assert "0.123" not in said, part
    done = within("runs", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("\n") == len(FILES) + 1, "one such folder does not spoil the list"


@pytest.mark.parametrize("part", FILES)
def test_no_writer_is_led_out(trained: RunFolder, tmp_path: Path, part: str) -> None:
    """Notes, commands, a resume with its log, checkpoints and pictures, a fork: what a link leads to stays."""
    outside = tmp_path / "outside"
    outside.mkdir()
    for name in ("secret", "last.pt", ".last.pt.1.part", "best.pt"):
        (outside / name).write_bytes(SECRET)
    run = copy_of(trained, tmp_path, "run")
    run.recipe.write_text(dumps(recipe(epochs=3)))
    lines = run.events.read_bytes().splitlines(keepends=True)
    run.events.write_bytes(b"".join(line for line in lines if b'"type":"end"' not in line))
    put(run.path / part, "link", outside if part in ("checkpoints", "pictures") else outside / "secret")
    before = {path: path.read_bytes() for path in outside.iterdir()}
    for work in (
        lambda: manage.write_note(run, "hello"),
        lambda: manage.pin(run, True),
        lambda: manage.pin(run, False),
        lambda: run.send(Command(command="save", time=1.0)),
        lambda: train(run, resume=True),
        lambda: fork.fork(run, fork.pick(History(run)), tmp_path, "child", dumps(recipe())),
    ):
        with contextlib.suppress(RequestError):
            work()
    with EventWriter(run) as writer:
        writer.write(Log(time=1.0, text="written"))
    assert {path: path.read_bytes() for path in outside.iterdir()} == before


def test_what_a_record_names_stays_in_the_folder(trained: RunFolder, tmp_path: Path) -> None:
    run = copy_of(trained, tmp_path, "run")
    (tmp_path / "x.png").write_bytes(SECRET)
    (run.pictures / "in.png").symlink_to(tmp_path / "x.png")
    (run.path / "elsewhere").symlink_to(tmp_path)
    for place in ("../x.png", str(tmp_path / "x.png"), "pictures/in.png", "elsewhere/x.png", "", ".."):
        with pytest.raises(OSError, match=r"link|leads out|directory"):
            door.read_inside(run.path, place, 1000)


def test_a_run_folder_itself_may_be_a_link(trained: RunFolder, tmp_path: Path) -> None:
    """Runs on another disk are their owner's own choice."""
    (tmp_path / "runs").mkdir()
    (tmp_path / "runs" / "linked").symlink_to(trained.path)
    (found,) = list_runs(tmp_path / "runs")
    assert summary(found).state == "finished"
    assert fork.checkpoint_file(found).name == "best.pt"


def test_a_note_of_ten_gigabytes_is_not_read(tmp_path: Path) -> None:
    run = fresh(tmp_path)
    for name in ("fork.json", "note.txt"):
        with open(run.path / name, "wb") as file:
            file.truncate(10 << 30)
    assert fork.parent_of(run) is None
    assert manage.note_of(run) == ""
    assert summary(run).parent == ""


@pytest.mark.parametrize("command", [[], ["--no-ui"], ["check"], ["sweep", "--lr", "1,2"], ["lr-find"], ["lottery"]])
def test_a_recipe_that_is_no_file_is_refused_in_one_line(tmp_path: Path, command: list[str]) -> None:
    os.mkfifo(tmp_path / "pipe.toml")
    (tmp_path / "zero.toml").symlink_to("/dev/zero")
    (tmp_path / "real.toml").write_text("lr = -1")
    (tmp_path / "link.toml").symlink_to("real.toml")
    for name, says in (("pipe", "a pipe"), ("zero", "a device"), ("link", "above 0")):
        done = within(*command, f"{name}.toml", cwd=tmp_path)
        assert done.returncode == 2
        assert done.stderr.count("\n") == 1
        assert says in done.stderr
        assert f"{name}.toml" in done.stderr


def test_a_pipe_in_a_folder_of_images_is_no_image(tmp_path: Path) -> None:
    from PIL import Image

    from cvtui.recipe.datasets.image_folder import listing

    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        for number in range(3):
            Image.new("RGB", (8, 8)).save(tmp_path / name / f"{number}.png")
        os.mkfifo(tmp_path / name / "pipe.png")
    found = listing(tmp_path, 0.3)
    assert len(found.train) + len(found.validation) == 6
    assert found.others == 2


def test_a_folder_that_is_filled_takes_whole_files_and_follows_no_link(tmp_path: Path) -> None:
    secret, pictures = tmp_path / "secret", tmp_path / "run" / "pictures"
    secret.write_bytes(SECRET)
    pictures.parent.mkdir()
    with door.filling(pictures) as write:
        write("a.png", b"a longer one")
        write("a.png", b"short")
        (pictures / "b.png").symlink_to(secret)
        with pytest.raises(OSError, match="link"):
            write("b.png", b"x")
    assert ((pictures / "a.png").read_bytes(), secret.read_bytes()) == (b"short", SECRET)
    (tmp_path / "run" / "ranks").symlink_to(tmp_path)
    with pytest.raises(OSError, match="link"), door.filling(tmp_path / "run" / "ranks"):
        pass


# ---------------------------------------------------------------------- who can steer


@pytest.mark.parametrize(
    "mask", [pytest.param("000", marks=pytest.mark.long), "002", pytest.param("027", marks=pytest.mark.long)]
)
def test_nothing_in_a_run_folder_is_writable_for_others_whatever_the_umask(tmp_path: Path, mask: str) -> None:
    before = os.umask(int(mask, 8))
    try:
        run = fresh(tmp_path / "runs")
        run.send(Command(command="save", time=1.0))
        manage.write_note(run, "x")
        manage.pin(run, True)
        assert train(run)[0] == 0
    finally:
        os.umask(before)
    found = [tmp_path / "runs", *(tmp_path / "runs").rglob("*")]
    assert {path.name for path in found} >= {"events.jsonl", "commands.jsonl", "worker.note", "recipe.toml", "last.pt"}
    for path in found:
        assert not path.stat().st_mode & (stat.S_IWGRP | stat.S_IWOTH), path
        assert mask != "027" or not path.stat().st_mode & stat.S_IROTH, path


def test_appending_keeps_the_mode(tmp_path: Path) -> None:
    run = fresh(tmp_path)
    for path in (run.events, run.commands):
        path.touch(0o600)
    run.send(Command(command="save", time=1.0))
    with EventWriter(run) as writer:
        writer.write(Log(time=1.0, text="x"))
    assert [stat.S_IMODE(path.stat().st_mode) for path in (run.events, run.commands)] == [0o600, 0o600]


# ---------------------------------------------------------------------- while it starts


def test_a_run_is_alive_from_before_its_process_breathes(tmp_path: Path) -> None:
    """It can neither be deleted nor started twice while PyTorch loads; when its process dies, it is let go at once."""
    run = fresh(tmp_path, epochs=100000)
    process = launch(run, detached=True)
    try:
        assert run.alive()
        assert summary(run).state == "starting"
        with pytest.raises(RequestError, match="being trained"):
            manage.delete(run)
        with pytest.raises(RequestError, match="another process"):
            launch(run, detached=True)
        deadline = time.monotonic() + 60
        while not door.is_file(run.events):
            assert run.alive()
            assert time.monotonic() < deadline
            assert process.poll() is None
    finally:
        process.kill()
        process.wait()
    assert not run.alive()
    os.utime(run.lock_file, (1.0, 1.0))
    assert manage.delete(run).is_dir()


def test_a_run_that_waits_for_its_process_is_not_deleted(tmp_path: Path) -> None:
    run = fresh(tmp_path)
    with pytest.raises(RequestError, match="about to start"):
        manage.delete(run)
    os.utime(run.recipe, (1.0, 1.0))
    assert manage.delete(run).is_dir()


def test_a_recipe_from_the_future_is_not_starting_for_ever(tmp_path: Path) -> None:
    run = fresh(tmp_path)
    future = time.time() + 86400
    os.utime(run.recipe, (future, future))
    assert summary(run).state == "lost"
    os.utime(run.recipe, (time.time() + 2, time.time() + 2))  # another machine's clock
    assert summary(run).state == "starting"


def test_a_bin_that_is_a_link_is_not_used(tmp_path: Path) -> None:
    (tmp_path / "mine" / "precious").mkdir(parents=True)
    runs = tmp_path / "runs"
    run = fresh(runs)
    (runs / manage.BIN).symlink_to(tmp_path / "mine")
    os.utime(run.recipe, (1.0, 1.0))
    assert manage.in_bin(runs) == []
    with pytest.raises(RequestError, match="link"):
        manage.delete(run)
    assert (tmp_path / "mine" / "precious").is_dir()
    assert run.path.is_dir()


def test_a_lock_handed_on_for_another_file_means_nothing(tmp_path: Path) -> None:
    run = fresh(tmp_path)
    code = "import sys; from pathlib import Path; from cvtui.runlog.folder import RunFolder\n" \
           "with RunFolder(Path(sys.argv[1])).lock(): print('held')"  # fmt: skip
    for word in ("0", "1", "99", "-3", "x"):
        done = subprocess.run(
            [sys.executable, "-c", code, str(run.path)], env=environment(CVTUI_LOCK=word), capture_output=True,
            text=True,
        )  # fmt: skip
        assert done.stdout == "held\n", done.stderr
