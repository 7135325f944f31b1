"""`cvtui lab` as a person runs it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from cvtui.cli.commands.lab import lab
from cvtui.errors import RequestError
from cvtui.labs.lookup import labs
from tests.cli.running import within
from tests.waiting import wait_until


def cvtui(*words: str, folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "cvtui", "lab", *words], capture_output=True, text=True, timeout=120, cwd=folder
    )


def test_the_list_names_them_all_and_needs_no_torch(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "cvtui", "lab"],
        capture_output=True, text=True, timeout=60, cwd=tmp_path,
    )  # fmt: skip
    imported = {line.rsplit("|", 1)[-1].strip().split(".")[0] for line in done.stderr.splitlines()}
    assert "rich" in imported
    assert not imported & {"torch", "textual", "numpy"}
    for name in labs():
        assert f"\n{name} " in "\n" + done.stdout
    assert list(tmp_path.iterdir()) == []


@pytest.mark.usefixtures("forks")
def test_a_lab_prints_its_picture_its_numbers_and_its_claim(tmp_path: Path) -> None:
    done = cvtui("sharing", "--depth", "2", folder=tmp_path)
    assert done.returncode == 0
    assert "The claim holds. A unit sees 3 inputs, through 2 layers 5" in " ".join(done.stdout.split())
    assert "What to look for:" in done.stdout
    assert "--depth 2" in done.stdout
    assert "\x1b" not in done.stdout  # no terminal, no colours
    assert max(map(len, done.stdout.splitlines())) <= 80
    assert done.stderr == ""
    (folder,) = (tmp_path / "runs" / "labs").iterdir()
    assert (folder / "events.jsonl").read_text().rstrip().endswith("}")


@pytest.mark.long
def test_json_is_one_object_with_numbers_and_figures(tmp_path: Path) -> None:
    done = cvtui("sharing", "--json", "--runs", "elsewhere", folder=tmp_path)
    answer = json.loads(done.stdout)
    assert answer["lab"] == "sharing"
    assert answer["claim_holds"] is True
    assert answer["numbers"]["receptive field"] == [3, 5, 7]
    assert answer["knobs"]["width"] == 11
    assert {figure["kind"] for figure in answer["figures"]} == {"links", "table", "curves"}
    assert Path(tmp_path / answer["folder"]).is_dir()
    assert (tmp_path / "elsewhere" / "labs").is_dir()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["optm"], "there is no lab 'optm'"),
        (["optim", "--net-steps", "1"], "--net-steps: '1' is not allowed; allowed: 10 to 5000"),
        (["landscape", "--left", "conv8-(relu"], "--left: "),
        (["gradcheck", "--net", "conv8s9-conv8s9f5p0-fc"], "--net: "),
    ],
)
def test_wrong_requests_give_one_line_and_code_2(tmp_path: Path, words: list[str], message: str) -> None:
    done = within("lab", *words, cwd=tmp_path)
    assert done.returncode == 2
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""


def test_help_of_every_lab_lists_its_knobs() -> None:
    for name, entry in labs().items():
        shown = CliRunner().invoke(lab, [name, "--help"], terminal_width=120)
        assert shown.exit_code == 0
        for knob in entry.all_knobs:
            assert f"--{knob.name} " in shown.output


def test_every_knob_reaches_the_checker() -> None:
    """Also those with hyphens: a wrong value is refused by the table, not taken for another option's."""
    for name, entry in labs().items():
        for knob in entry.all_knobs:
            wrong = "fc16-(" if knob.kind == "net" else "nonsense"
            result = CliRunner().invoke(lab, [name, f"--{knob.name}", wrong])
            assert isinstance(result.exception, RequestError), (name, knob.name)
            assert f"--{knob.name}" in result.exception.message


@pytest.mark.long
def test_ctrl_c_stops_the_lab_as_well(tmp_path: Path) -> None:
    words = ["lab", "init", "--depth", "100", "--width", "1024", "--batch", "512", "--threads", "1"]
    process = subprocess.Popen(
        [sys.executable, "-m", "cvtui", *words], cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    base = tmp_path / "runs" / "labs"

    def working() -> bool:
        logs = list(base.glob("*/events.jsonl"))
        return bool(logs) and b'"doing":"forward"' in logs[0].read_bytes()

    wait_until(working, 60, "the lab to begin")
    os.kill(process.pid, signal.SIGINT)
    process.communicate(timeout=60)
    assert process.returncode == 130
    (log,) = base.glob("*/events.jsonl")
    assert json.loads(log.read_text().splitlines()[-1])["status"] == "stopped"
