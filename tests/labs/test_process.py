"""A lab as a process of its own: its folder, its pictures while it works, how it is stopped."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from cvtui.errors import RequestError
from cvtui.labs.folder import LabFolder, LabHistory
from tests.waiting import wait_until

pytestmark = pytest.mark.long


def test_a_lab_writes_its_folder_and_its_last_picture(tmp_path: Path) -> None:
    folder = LabFolder.make(tmp_path, "init", {"width": 32, "threads": 1})
    process = folder.start()
    assert process.wait(60) == 0, folder.log.read_text()
    history = LabHistory(folder)
    assert history.poll()
    assert history.shown is not None
    assert history.shown.done
    assert history.shown.progress == 1.0
    assert history.shown.numbers["std relu he"]
    assert history.end is not None
    assert history.end.status == "finished"
    assert not folder.alive()
    for line in folder.events.read_text().splitlines():
        json.loads(line)


@pytest.mark.parametrize("how", ["command", "signal"])
def test_a_lab_stops_at_once(tmp_path: Path, how: str) -> None:
    folder = LabFolder.make(tmp_path, "init", {"depth": 100, "width": 1024, "batch": 512, "threads": 1})
    process = folder.start()
    history = LabHistory(folder)

    def working() -> bool:
        history.poll()
        return history.shown is not None and history.shown.doing == "forward"

    wait_until(working, 60, "the lab to begin")
    before = time.monotonic()
    if how == "command":
        folder.stop()
    else:
        process.send_signal(signal.SIGTERM)
    assert process.wait(10) == 130
    assert time.monotonic() - before < 2.0  # a loaded machine; it is about 0.1 s on a quiet one
    history.poll()
    assert history.end is not None
    assert history.end.status == "stopped"


def test_two_processes_never_share_a_folder(tmp_path: Path) -> None:
    folder = LabFolder.make(tmp_path, "init", {"width": 32, "threads": 1})
    with folder.lock():
        done = subprocess.run(
            [sys.executable, "-m", "cvtui.labs", str(folder.path)], capture_output=True, text=True, timeout=60
        )
    assert done.returncode == 2
    assert "holds worker.lock" in done.stderr


def test_two_labs_in_one_second_get_two_folders(tmp_path: Path) -> None:
    assert LabFolder.make(tmp_path, "init", {}).path != LabFolder.make(tmp_path, "init", {}).path


@pytest.mark.parametrize(
    "request_toml", ['lab = "inti"', "lab = 3", "= nonsense", 'lab = "init"\n[knobs]\ndepth = 1e9', None]
)
def test_a_broken_request_gives_one_line_and_code_2(tmp_path: Path, request_toml: str | None) -> None:
    if request_toml is not None:
        (tmp_path / "lab.toml").write_text(request_toml)
    done = subprocess.run(
        [sys.executable, "-m", "cvtui.labs", str(tmp_path)], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 2
    assert len(done.stderr.strip().splitlines()) == 1
    assert done.stderr.startswith("cvtui: ")


def test_a_place_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "labs").write_text("a file")
    with pytest.raises(RequestError, match="exists and is no folder"):
        LabFolder.make(tmp_path, "init", {})
