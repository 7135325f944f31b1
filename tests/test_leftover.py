"""A failed test's trainings end with it, however they were told where their run is."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.leftover import end_processes_in


@pytest.mark.parametrize("inside", [True, False], ids=["a relative path", "a path"])
def test_what_works_in_the_folder_or_on_it_is_ended(tmp_path: Path, inside: bool) -> None:
    mine, other = tmp_path / "mine", tmp_path / "mine-too"
    for folder in (mine, other):
        folder.mkdir()
        (folder / "long").write_text("")
    words = ["tail", "-f", "long"]
    asked = [(words, folder) if inside else ([*words[:2], str(folder / "long")], tmp_path) for folder in (mine, other)]
    processes = [subprocess.Popen(words, cwd=cwd, stdout=subprocess.DEVNULL) for words, cwd in asked]
    try:
        end_processes_in(mine)
        assert processes[0].wait(60) == -9
        assert processes[1].poll() is None
    finally:
        for process in processes:
            process.kill()
            process.wait()


def test_a_process_that_went_into_the_folder_does_not_end_itself(tmp_path: Path) -> None:
    script = "import os, sys; from pathlib import Path; from tests.leftover import end_processes_in\n"
    script += "os.chdir(sys.argv[1]); end_processes_in(Path(sys.argv[1])); print('here')"
    root = Path(__file__).parents[1]
    words = [sys.executable, "-c", script, str(tmp_path / "inside")]
    (tmp_path / "inside").mkdir()
    done = subprocess.run(words, cwd=root, capture_output=True, text=True, check=False, timeout=60)
    assert (done.returncode, done.stdout) == (0, "here\n"), done.stderr
