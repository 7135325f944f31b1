"""Help, version, completion, pipes: what a command line owes to its shell."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from cvtui import __version__
from cvtui.cli.process import wait_for_end
from cvtui.cli.registry import COMMANDS
from cvtui.recipe.fields import FIELDS
from tests.cli.running import command, cvtui, environment, within


def test_version(tmp_path: Path) -> None:
    assert within("--version", cwd=tmp_path).stdout == f"cvtui {__version__}\n"


END = """
import atexit, sys, threading
from cvtui.cli.main import main
class Late:
    def __del__(self):
        print("taken apart")
late = Late()
atexit.register(print, "at exit")
if sys.argv.pop() == "thread":
    threading.Thread(target=lambda: (threading.main_thread().join(), print("a thread has ended"))).start()
main()
"""


@pytest.mark.parametrize(
    ("what", "told"), [("alone", ["at exit"]), ("thread", ["a thread has ended", "at exit", "taken apart"])]
)
def test_a_command_ends_without_taking_python_apart(what: str, told: list[str], tmp_path: Path) -> None:
    """Into a pipe, which buffers: all is written. A thread that is left is waited for, in Python's own way."""
    words = [sys.executable, "-c", END, "--no-such-option", what]
    done = subprocess.run(words, capture_output=True, text=True, cwd=tmp_path, timeout=60, check=False)
    assert (done.returncode, done.stdout.splitlines()) == (2, told)


def test_a_process_is_waited_for_until_it_ends() -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as child:
        wait_for_end(child, 0.01)
        assert child.poll() is None
        child.communicate(b"\n")
    wait_for_end(child, 60.0)  # it has been reaped
    with subprocess.Popen([sys.executable, "-c", ""]) as child:
        wait_for_end(child, 60.0)
        assert child.poll() == 0, "woken by its end, which can be asked for at once"


def test_help_lists_every_option_and_every_choice_with_a_line_each(tmp_path: Path) -> None:
    done = within("--help", cwd=tmp_path)
    assert done.returncode == 0
    lines = done.stdout.splitlines()
    for field in FIELDS.values():
        assert any(line.startswith(f"  {field.option} ") for line in lines), field.option
        for word in field.table or {}:
            assert any(line.startswith(f"      {word}") for line in lines), word
    for option in ("--runs", "--no-ui", "--json", "--quiet", "--debug", "--version", "--help"):
        assert option in done.stdout
    for name in COMMANDS:
        assert any(line.startswith(f"  {name} ") for line in lines), name


@pytest.mark.parametrize("name", COMMANDS)
def test_each_command_is_there_and_has_its_help(name: str, tmp_path: Path) -> None:
    done = within(name, "--help", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith(f"Usage: cvtui {name} ")
    assert "INTEGER" not in done.stdout  # N, as everywhere else
    assert "FLOAT" not in done.stdout


@pytest.mark.parametrize(
    ("words", "incomplete", "offers", "never"),
    [
        ("cvtui", "ca", "calc", "runs"),
        ("cvtui", "--opt", "--optimizer", "--lr"),
        ("cvtui", "--deb", "--debug", "--lr"),
        ("cvtui --optimizer", "ada", "adam", "sgd"),
        ("cvtui --lr 0.1 --data", "", "shapes", "adam"),
        ("cvtui --device", "cu", "cuda", "cpu"),
        ("cvtui train --precision", "bf", "bfloat16", "float32"),
        ("cvtui --lr 0.1", "--sch", "--schedule-per", "--lr"),
        ("cvtui attach", "fir", "first-run", "second-run"),
        ("cvtui attach --runs other", "", "third-run", "first-run"),
    ],
)
def test_completion(words: str, incomplete: str, offers: str, never: str, tmp_path: Path) -> None:
    for name in ("runs/first-run", "runs/second-run", "other/third-run"):
        (tmp_path / name).mkdir(parents=True)
        (tmp_path / name / "recipe.toml").write_text("")
    done = (cvtui if incomplete == "ca" else within)(
        cwd=tmp_path, _CVTUI_COMPLETE="zsh_complete", COMP_WORDS=f"{words} {incomplete}".strip(),
        COMP_CWORD=str(len(words.split())),
    )  # fmt: skip
    offered = done.stdout.splitlines()
    assert offers in offered, done
    assert never not in offered


def test_a_reader_that_goes_away_is_no_error(tmp_path: Path) -> None:
    done = subprocess.run(
        ["bash", "-c", '"$@" --help | head -1; exit "${PIPESTATUS[0]}"', "bash", *command()],
        cwd=tmp_path,
        env=environment(PYTHONUNBUFFERED="1"),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.stdout.startswith("Usage:")
    assert done.stderr == ""
    assert done.returncode in (0, 141)


def test_a_reader_that_goes_away_in_the_middle_is_quiet_in_any_command(tmp_path: Path) -> None:
    done = subprocess.run(
        ["bash", "-c", '"$@" | true; exit "${PIPESTATUS[0]}"', "bash", *command("calc", "conv8-pool-fc")],
        cwd=tmp_path, env=environment(PYTHONUNBUFFERED="1"), capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stdout, done.stderr) == (141, "", "")


def test_a_fault_of_the_program_is_one_line_and_exit_code_1(tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text(
        "import cvtui.runlog.folder\n"
        "def broken(bases):\n    raise ZeroDivisionError('oh\\x1b[31m')\n"
        "cvtui.runlog.folder.runs_below = broken\n"
    )
    done = cvtui("runs", cwd=tmp_path, PYTHONPATH=str(tmp_path))
    assert done.returncode == 1
    assert done.stderr.startswith("cvtui: internal error: ZeroDivisionError: oh")
    assert done.stderr.count("\n") == 1
    assert "\x1b" not in done.stderr
