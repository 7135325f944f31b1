"""cvtui as a service meets it: signals stop all that a command has started, streams may be missing or full."""

from __future__ import annotations

import ast
import contextlib
import os
import signal
import subprocess
import time
from functools import partial
from pathlib import Path

import pytest

import cvtui as package
from cvtui.engine.train.control import Signals
from cvtui.engine.worker import train_folder
from cvtui.recipe.toml import dumps, load
from cvtui.runlog.folder import RunFolder, list_runs
from cvtui.runlog.history import History
from cvtui.runlog.run_summary import summary
from tests.cli.running import TINY, command, environment, start
from tests.engine.making import folder, recipe
from tests.waiting import wait_until

LONG = ("--net", "fc8-relu-fc", "--epochs", "100000", "--threads", "1", "--device", "cpu", "--batch-size", "8")


def runs_in(place: Path) -> list[History]:
    found = [History(run) for run in (*list_runs(place), *(r for p in place.glob("*/") for r in list_runs(p)))]
    for history in found:
        history.poll()
    return found


def wait_for_training(place: Path, process: subprocess.Popen[str], count: int) -> None:
    """So many of them have made steps."""

    def going() -> bool:
        assert process.poll() is None, process.communicate()
        return sum(history.steps_done > 0 and history.folder.alive() for history in runs_in(place)) >= count

    wait_until(going, 90.0, "the trainers")


def assert_all_stopped(place: Path, count: int) -> None:
    histories = runs_in(place)
    assert len(histories) == count
    for history in histories:
        assert not history.folder.alive()
        assert history.end is not None, history.folder.name
        assert history.state() == "stopped"
        assert history.steps_done == 0 or (history.folder.checkpoints / "last.pt").is_file(), (
            "what was trained is saved"
        )


def end_by_signal(process: subprocess.Popen[str], number: signal.Signals, runs: Path, running: int) -> None:
    """Signals it once so many trainers train; it must end by the signal's own code, without a traceback."""
    try:
        wait_for_training(runs, process, running)
        process.send_signal(number)
        _, err = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == 128 + number, err
    assert "Traceback" not in err


@pytest.mark.parametrize(
    ("words", "number", "running", "folders"),
    [
        (("sweep", "--lr", "1e-1,1e-2,1e-3", "--jobs", "2", *LONG), signal.SIGTERM, 2, 3),
        pytest.param(("sweep", "--lr", "1e-1,1e-2", "--jobs", "1", *LONG), signal.SIGHUP, 1, 2, marks=pytest.mark.long),
        pytest.param(
            ("lr-find", "--steps", "100000", *LONG[:2], *LONG[4:]), signal.SIGHUP, 1, 1, marks=pytest.mark.long
        ),
        pytest.param(("lottery", *LONG), signal.SIGTERM, 1, 1, marks=pytest.mark.long),
    ],
    ids=["sweep", "sweep-hangup", "lr-find", "lottery"],
)
@pytest.mark.usefixtures("forks")
def test_a_signal_stops_what_was_started(
    tmp_path: Path, words: tuple[str, ...], number: signal.Signals, running: int, folders: int
) -> None:
    """The trainers save and stop, those that wait never begin, and all folders say so."""
    process = start(*words, cwd=tmp_path)
    end_by_signal(process, number, tmp_path / "runs", running)
    assert_all_stopped(tmp_path / "runs", folders)


@pytest.mark.parametrize("number", [pytest.param(signal.SIGTERM, marks=pytest.mark.long), signal.SIGHUP])
@pytest.mark.usefixtures("forks")
def test_a_signal_stops_the_cure(tmp_path: Path, number: signal.Signals) -> None:
    ill = folder(tmp_path / "runs", "ill", net="fc32-relu-fc", optimizer="momentum", lr=3.0, weight_decay=0.0, epochs=2)
    train_folder(ill.path, Signals())
    ill.recipe.write_text(dumps(recipe(**{**to_dict(ill), "epochs": 100000})))
    process = start("doctor", "ill", "--fix", cwd=tmp_path)
    end_by_signal(process, number, tmp_path / "runs", 1)
    (child,) = [history for history in runs_in(tmp_path / "runs") if history.folder != ill]
    assert child.state() == "stopped"
    assert not child.folder.alive()


def to_dict(run: RunFolder) -> dict[str, object]:
    import msgspec

    return msgspec.structs.asdict(load(run.recipe))


def test_a_signal_stops_the_check_and_the_lab(tmp_path: Path) -> None:
    """Their processes end with them."""
    for words, inner in ((("check", *LONG), "--check"), (("lab", "optim"), "cvtui.labs")):
        process = start(*words, cwd=tmp_path)
        try:
            child = wait_until(partial(child_with, process.pid, inner), what="its process")
            process.terminate()
            _, err = process.communicate(timeout=60)
        finally:
            process.kill()
        assert process.returncode == 143, err
        assert "Traceback" not in err
        wait_until(partial(lambda child: not Path(f"/proc/{child}").exists(), child), what="the end of its process")


def child_with(parent: int, word: str) -> int:
    """Return the process id of a child whose command line holds the word; 0 where there is none."""
    for line in Path(f"/proc/{parent}/task/{parent}/children").read_text().split():
        with contextlib.suppress(OSError):  # one that has just ended
            if word in Path(f"/proc/{line}/cmdline").read_text():
                return int(line)
    return 0


@pytest.mark.parametrize("number", [signal.SIGHUP, pytest.param(signal.SIGKILL, marks=pytest.mark.long)])
@pytest.mark.usefixtures("forks")
def test_a_run_without_a_screen_outlives_its_terminal(tmp_path: Path, number: signal.Signals) -> None:
    """SIGHUP ends the command, not the training, as docs/reliability.md promises for a lost SSH connection.

    SIGKILL likewise, and a resumed run as one that was started.
    """
    run, done = RunFolder(tmp_path / "runs" / "long"), 0
    commands = [["--no-ui", "--name", "long", *LONG], ["resume", "long", "--no-ui"]]
    for words in commands[: 2 if number == signal.SIGKILL else 1]:
        process = start(*words, cwd=tmp_path)
        try:
            wait_until(partial(has_gone_on, run, done), 90.0, "its steps")
            process.send_signal(number)
            assert process.wait(60) == -number
            assert run.alive()
        finally:
            process.kill()
            stop(run)
        done = summary(run).steps


def has_gone_on(run: RunFolder, done: int) -> bool:
    return run.alive() and summary(run).steps > done


def stop(run: RunFolder) -> None:
    from cvtui.runlog.events import Command

    run.send(Command(command="stop", time=time.time()))
    wait_until(lambda: not run.alive(), what="the end")


@pytest.mark.long
def test_nohup_stays_nohup(tmp_path: Path) -> None:
    """A signal that whoever started us ignores is ignored on."""
    process = subprocess.Popen(
        command("sweep", "--lr", "1e-1,1e-2", "--jobs", "1", *LONG), cwd=tmp_path, env=environment(),
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN),
    )  # fmt: skip
    try:
        wait_for_training(tmp_path / "runs", process, 1)
        process.send_signal(signal.SIGHUP)
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == 128 + signal.SIGTERM


# ---------------------------------------------------------------------- streams


@pytest.fixture(scope="module")
def two_runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    here = tmp_path_factory.mktemp("streams")
    for name, rate in (("a", 0.1), ("b", 0.2)):
        assert train_folder(folder(here / "runs", name, epochs=1, lr=rate).path, Signals()) == 0
    return here


def shell(here: Path, words: str, after: str, **env: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["bash", "-c", f'"$@" {after}', "bash", *command(*words.split())], cwd=here, env=environment(**env),
        stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip


SAYING = (
    "runs", "runs --json", "calc conv8-fc --input 8x8x1", "--help",
    *(pytest.param(words, marks=pytest.mark.long) for words in ("compare a b", "doctor a", "data", "lab")),
)  # fmt: skip
"""A table, JSON, what needs no run, and click's own words; the others say theirs by the same ways."""


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no /dev/full here")
@pytest.mark.parametrize("unbuffered", ["", pytest.param("1", marks=pytest.mark.long)])
@pytest.mark.parametrize("words", SAYING)
def test_a_full_disk_below_stdout_is_one_line(two_runs: Path, words: str, unbuffered: str) -> None:
    done = shell(two_runs, words, ">/dev/full", PYTHONUNBUFFERED=unbuffered)
    assert done.returncode == 1
    assert done.stderr == "cvtui: the output can't be written: No space left on device\n"


@pytest.mark.parametrize("words", SAYING)
def test_a_closed_stdout_is_no_fault(two_runs: Path, words: str) -> None:
    done = shell(two_runs, words, ">&-")
    assert (done.returncode, done.stderr) == (0, "")


def test_closed_streams_take_nobody_elses_number(two_runs: Path) -> None:
    """The first files that are opened would become standard output, and a line would land in a log."""
    done = shell(two_runs, f"--no-ui --name closed {' '.join(TINY)}", ">&- 2>&- <&-")
    assert done.returncode == 0
    run = RunFolder(two_runs / "runs" / "closed")
    history = History(run)
    history.poll()
    assert (history.state(), history.skipped) == ("finished", 0)
    assert run.log.read_text() == ""
    done = shell(two_runs, "no-such-thing", "2>&-")
    assert (done.returncode, done.stdout) == (2, ""), "an error does not land in the result"


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no /dev/full here")
@pytest.mark.parametrize("more", ["", pytest.param("--json", marks=pytest.mark.long)])
def test_a_training_goes_on_where_its_lines_find_no_room(tmp_path: Path, more: str) -> None:
    done = shell(tmp_path, f"--no-ui --name full {' '.join(TINY)} {more}", ">/dev/full")
    history = History(RunFolder(tmp_path / "runs" / "full"))
    history.poll()
    assert history.state() == "finished"
    assert done.returncode == 1, "not all was said"
    assert done.stderr.count("can't be written: No space left on device; training continues") == 1


# ---------------------------------------------------------------------- one way out


def test_no_command_prints_around_the_way_out() -> None:
    """`print` and `click.echo` are for JSON and for what was made harmless; consoles come from cvtui.cli.out."""
    root = Path(package.__file__).parent / "cli"
    for path in sorted(root.rglob("*.py")):
        if path.name == "out.py":
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            if not isinstance(node, ast.Call):
                continue
            called = ast.unparse(node.func)
            assert called != "Console", f"{path.name}:{node.lineno}: out.console()"
            if called in ("print", "click.echo", "click.secho", "sys.stdout.write", "sys.stderr.write"):
                (word,) = node.args
                assert is_plain(word, path), f"{path.name}:{node.lineno}: {ast.unparse(word)}: out.line()"


def is_plain(word: ast.expr, path: Path) -> bool:
    if isinstance(word, ast.Constant):
        return True
    if isinstance(word, ast.Name):  # the first is made harmless by whoever calls `EpochBar.above`, a path is a script's
        return word.id in ("text", "__version__") or (word.id == "path" and path.name == "mistakes.py")
    if isinstance(word, ast.JoinedStr):
        return all(
            isinstance(part, ast.Constant) or (isinstance(part, ast.FormattedValue) and is_plain(part.value, path))
            for part in word.values
        )
    made = ast.unparse(word.func) if isinstance(word, ast.Call) else ""
    return made in ("harmless", "with_caret", "json.dumps") or (made.endswith(".decode") and "msgspec.json" in made)
