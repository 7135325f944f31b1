"""Every wrong request: exit code 2, one clear line, no traceback, and no run folder left behind."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from cvtui.cli.registry import COMMANDS
from tests.cli.running import cvtui, within
from tests.cli.terminal import Terminal

LONG = "conv8-" * 60 + "conv8x-fc"


@pytest.mark.parametrize(
    ("words", "says"),
    [
        # what was given, what is allowed, the nearest
        (["--data", "digit"], ["--data", "'digit'", "digits, shapes", "did you mean 'digits'?"]),
        (["--data", "mars"], ["--data", "'mars'", "digits, shapes", "stl10, folder:PATH, csv:PATH"]),
        (["--optimizer", "adm"], ["--optimizer", "'adm'", "sgd", "did you mean 'adam'?"]),
        (["--optimizer", "adam(beta1=2)"], ["beta1", "2", "0 <= x < 1"]),
        (["--init", "hee"], ["--init", "did you mean 'he'?"]),
        (["--init", "normal(-1)"], ["--init", "std", "-1"]),
        (["--loss", "crossentrop"], ["--loss", "did you mean 'cross-entropy'?"]),
        (["--schedule", "cosin"], ["--schedule", "did you mean 'cosine'?"]),
        (["--preprocess", "center2"], ["--preprocess", "did you mean 'centre'?"]),
        (["--lr", "-1"], ["--lr", "-1", "above 0"]),
        (["--lr", "0"], ["--lr", "0", "above 0"]),
        (["--lr", "nan"], ["--lr", "nan", "above 0"]),
        (["--lr", "inf"], ["--lr", "inf"]),
        (["--lr", "fast"], ["--lr", "'fast'", "not a number"]),
        (["--lr"], ["--lr", "needs a value"]),
        (["--batch-size", "0"], ["--batch-size", "0", "1 to"]),
        (["--batch-size", "2.5"], ["--batch-size", "'2.5'", "whole number"]),
        (["--batch-size", "99999"], ["--batch-size", "99,999", "1,437"]),
        (["--epochs", "0"], ["--epochs", "0"]),
        (["--epochs", "-3"], ["--epochs", "-3"]),
        (["--momentum", "1"], ["--momentum", "1", "0 <= x < 1"]),
        (["--weight-decay", "-0.1"], ["--weight-decay", "-0.1"]),
        (["sweep", "--jobs", "x"], ["--jobs: 'x' is not a whole number; allowed: a whole number, 1 to 200"]),
        (["run", "--watch-every", "-1", "x.py"], ["--watch-every: -1 is not possible", "a whole number, 0 or more"]),
        (["lottery", "--prune", "1"], ["--prune: 1.0 is not possible; allowed: a number above 0 and below 1"]),
        (["lottery", "--nproc", "2"], ["--nproc: 2 is not allowed", "in one process"]),
        (["--warmup", "soon"], ["--warmup", "'soon'", "500", "2ep"]),
        (["--warmup", "99ep"], ["--warmup", "99ep", "epochs"]),
        (["--device", "gpu"], ["--device", "'gpu'", "cuda"]),
        (["--precision", "float8"], ["--precision", "'float8'", "bfloat16"]),
        (["--threads", "-1"], ["--threads", "-1"]),
        (["--seed", "x"], ["--seed", "'x'"]),
        (["--keep", "first"], ["--keep", "'first'", "last, best"]),
        (["--name", "a/b"], ["--name", "a/b", "--runs"]),
        (["--name", "\x1b[31mred"], ["--name", "control"]),
        # words that click itself does not take
        (["--lrr", "1"], ["--lrr", "no such option", "did you mean '--lr'?"]),
        (["--epoch", "3", "--no-ui"], ["--epoch", "no such option", "'--epochs'"]),
        (["resume", "taken", "--batch-size", "8"], ["--batch-size", "keeps its recipe", "cvtui fork RUN --batch-size"]),
        (["lr-find", "--epochs", "3"], ["--epochs: lr-find sets it itself; cvtui lr-find --help"]),
        (["evaluate", "taken", "--epochs", "3"], ["--epochs: evaluate trains nothing", "cvtui evaluate --help"]),
        (["run", "--lr", "3", "x.py"], ["--lr: cvtui has no such option there", "behind its name"]),
        (["lab", "init", "--epochs", "3"], ["--epochs: there is no such option"]),
        (["resume", "taken", "--los", "8"], ["--los", "no such option"]),
        (["calc"], ["calc", "NET"]),
        (["a.toml", "b.toml"], ["b.toml"]),
        # nets
        (["--net", "conv32-conv"], ["--net", "number of filters"]),
        (["--net", "(conv32-relu"], ["--net", ")"]),
        (["--net", ""], ["--net"]),
        (["--net", "conv8-pool-pool-pool-pool-fc"], ["--net", "layer 5, pool", "1x1", "2x2"]),
        (["--net", "conv8-relu-fc7"], ["--net", "7", "10 classes"]),
        (["--net", LONG], ["--net"]),
        (["--freeze", "wrong*"], ["--freeze", "'wrong*' freezes no parameter", "its layers: conv1, bn1"]),
        (["--freeze", "until:convv1"], ["--freeze", "did you mean 'conv1'"]),
        (["--mix", "mixup,mixup"], ["--mix", "mixup stands there twice", "name it once"]),
        # files
        (["clac"], ["'clac'", "neither a command nor a recipe", "did you mean 'calc'?"]),
        (["nowhere.toml"], ["nowhere.toml", "No such file"]),
        (["folder"], ["'folder'", "a folder"]),
        (["--runs", "x", "calc"], ["'calc'", "comes first"]),
        (["binary.toml"], ["binary.toml"]),
        (["broken.toml"], ["broken.toml", "TOML"]),
        (["unknown-key.toml"], ["unknown-key.toml", "learning_rate", "did you mean 'lr'?"]),
        (["wrong-type.toml"], ["wrong-type.toml", "epochs", "'many'"]),
        (["wrong-value.toml"], ["wrong-value.toml", "lr", "above 0"]),
        (["wrong-net.toml"], ["wrong-net.toml", "net"]),
        # places
        (["--runs", "file"], ["--runs", "'file'", "not a folder"]),
        (["--name", "taken", "--runs", "taken-runs"], ["--name", "taken", "exists already", "another --name"]),
        (["attach", "nobody"], ["'nobody'", "cvtui runs"]),
        (["attach", "take", "--runs", "taken-runs"], ["'take'", "did you mean 'taken'?"]),
        (["attach"], ["no run in 'runs'"]),
    ],
    ids=lambda value: " ".join(value)[:40] if value and isinstance(value, list) else None,
)  # fmt: skip
def test_one_line_and_exit_code_2(words: list[str], says: list[str], wrong_files: Path) -> None:
    before = sorted(wrong_files.rglob("*"))
    done = within(*([] if words[0] in COMMANDS else ["--no-ui"]), *words, cwd=wrong_files)
    assert done.returncode == 2, done.stderr
    assert done.stdout == ""
    lines = done.stderr.splitlines()
    assert lines[0].startswith("cvtui: ")
    for text in says:
        assert text in lines[0]
    assert "Traceback" not in done.stderr
    if len(lines) > 1:  # a net with a caret below it
        assert len(lines) == 3, done.stderr
        assert lines[2].strip() == "^"
        assert len(lines[1]) < 110
    assert "\x1b" not in done.stderr
    assert sorted(wrong_files.rglob("*")) == before, "a wrong request leaves nothing behind"


@pytest.fixture(scope="module")
def wrong_files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a working directory with recipes that are wrong, each in its way."""
    here = tmp_path_factory.mktemp("wrong")
    (here / "folder").mkdir()
    (here / "file").write_text("")
    (here / "taken-runs" / "taken").mkdir(parents=True)
    (here / "taken-runs" / "taken" / "recipe.toml").write_text("")
    (here / "binary.toml").write_bytes(bytes(range(256)))
    (here / "broken.toml").write_text("lr = = 3")
    (here / "unknown-key.toml").write_text("learning_rate = 0.1")
    (here / "wrong-type.toml").write_text('epochs = "many"')
    (here / "wrong-value.toml").write_text("lr = -1")
    (here / "wrong-net.toml").write_text('net = "conv8-relu-fc7"')
    return here


def test_the_caret_stands_below_the_place(tmp_path: Path) -> None:
    net = "conv32-relu-konv16-fc"
    lines = within("--no-ui", "--net", net, cwd=tmp_path).stderr.splitlines()
    assert lines[1].strip() == net
    assert lines[2].index("^") == lines[1].index("konv16")


def test_a_value_from_the_command_line_is_called_by_its_option_one_from_a_file_by_its_file(wrong_files: Path) -> None:
    (file,) = wrong_files.glob("wrong-net.toml")
    assert "cvtui: wrong-net.toml: net: " in within(str(file), "--no-ui", cwd=wrong_files).stderr
    assert "cvtui: --net: " in within(str(file), "--no-ui", "--net", "conv8-fc7", cwd=wrong_files).stderr


def test_the_screen_without_a_terminal_names_no_ui(tmp_path: Path) -> None:
    done = within(cwd=tmp_path)
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert "terminal" in done.stderr
    assert "--no-ui" in done.stderr


def test_a_notebook_s_cell_is_no_terminal_though_it_has_one(tmp_path: Path) -> None:
    """What `!cvtui` gets of ipykernel 7.4: a pseudo-terminal, where the screen waited for keys until the interrupt."""
    done = within("--lr", "1e-3", cwd=tmp_path, TERM="xterm-color", GIT_PAGER="cat")
    assert done.returncode == 2
    assert "a notebook's cell is none" in done.stderr
    assert "--no-ui" in done.stderr


@pytest.mark.parametrize(("columns", "lines"), [(39, 24), (80, 9)])
@pytest.mark.usefixtures("forks")
def test_a_terminal_that_is_too_small_is_told_both_sizes(tmp_path: Path, columns: int, lines: int) -> None:
    with Terminal(cwd=tmp_path, size=(columns, lines)) as terminal:
        assert terminal.end() == 2
        assert f"{columns}x{lines}" in terminal.said
        assert "40x10" in terminal.said
        assert "--no-ui" in terminal.said
        assert terminal.said.count("\n") == 1


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_is_not_writable(tmp_path: Path) -> None:
    (tmp_path / "closed").mkdir(mode=0o500)
    done = cvtui("--no-ui", "--runs", "closed", cwd=tmp_path)
    assert done.returncode == 2
    assert "not writable" in done.stderr
    assert "--runs" in done.stderr


def test_a_read_only_file_system_is_refused_before_anything_starts(tmp_path: Path) -> None:
    if not os.path.isdir("/proc/self"):
        pytest.skip("no file system here that refuses everybody")
    done = within("--no-ui", "--runs", "/proc/self/runs", cwd=tmp_path)
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert "--runs" in done.stderr


def test_debug_shows_the_traceback_wherever_it_stands(tmp_path: Path) -> None:
    for run, words in ((cvtui, ["--debug", "--no-ui", "--lr", "-1"]), (within, ["--no-ui", "--lr", "-1", "--debug"])):
        done = run(*words, cwd=tmp_path)
        assert done.returncode == 2
        assert "Traceback" in done.stderr
        assert "cvtui: --lr" in done.stderr.splitlines()[-1]


def test_an_ascii_terminal_gets_question_marks_not_a_traceback(tmp_path: Path) -> None:
    done = cvtui("--no-ui", "--net", "conv8-×", cwd=tmp_path, PYTHONIOENCODING="ascii")
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
