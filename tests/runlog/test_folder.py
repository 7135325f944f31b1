"""The run folder: made once, listed newest first, and alive exactly as long as its process."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from cvtui.errors import RequestError
from cvtui.recipe.run_name import check_name
from cvtui.runlog.folder import RunFolder, list_runs, newest
from cvtui.runlog.origin import recipe_of
from cvtui.runlog.run_names import child_name, race_names
from cvtui.runlog.worker_process import launch, usable_cores, worker_environment, worker_threads
from tests.runlog.making import RECIPE, make_folder
from tests.waiting import wait_until

HOLD = """
import sys
from pathlib import Path
from cvtui.runlog.folder import RunFolder
with RunFolder(Path(sys.argv[1])).lock():
    print("held", flush=True)
    sys.stdin.read()
"""


def holder(folder: RunFolder) -> subprocess.Popen[bytes]:
    """Start a process that holds the folder's lock until its stdin ends."""
    process = subprocess.Popen([sys.executable, "-c", HOLD, folder.path], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stdout.readline() == b"held\n"
    return process


def test_a_new_folder_has_its_recipe_and_its_rooms(tmp_path: Path) -> None:
    folder = RunFolder.create(tmp_path / "deep" / "runs", "größer 🙂", RECIPE)
    assert folder.recipe.read_text(encoding="utf-8") == RECIPE
    assert folder.checkpoints.is_dir()
    assert folder.pictures.is_dir()
    assert folder.name == "größer 🙂"
    assert RunFolder.open(folder.path) == folder


def test_a_name_is_taken_once(tmp_path: Path) -> None:
    make_folder(tmp_path)
    with pytest.raises(RequestError, match="exists already"):
        make_folder(tmp_path)


def test_a_name_that_nobody_chose_gets_a_number(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        folders = list(pool.map(lambda _: RunFolder.fresh(tmp_path, "run", RECIPE), range(20)))
    assert sorted(folder.name for folder in folders) == sorted(["run"] + [f"run-{n}" for n in range(2, 21)])


def test_a_run_is_called_after_its_data_and_numbered_on(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        folders = list(pool.map(lambda _: RunFolder.numbered(tmp_path, "folder:/home/me/Pics/", RECIPE), range(20)))
    assert sorted(folder.name for folder in folders) == sorted(f"pics-{n}" for n in range(1, 21))
    shutil.rmtree(tmp_path / "pics-3")  # its number isn't given again
    (tmp_path / "pics-30-lr1e-3").mkdir()
    assert RunFolder.numbered(tmp_path, "npz:pics.npz", RECIPE).name == "pics-31"
    assert RunFolder.numbered(tmp_path / "new", "mine.sets:build(width=2)", RECIPE).name == "build-1"
    for data in ("folder:/home/me/Bilder äöü", "\n\x1b[31m" * 99, "folder:..", "folder:/"):
        check_name(RunFolder.numbered(tmp_path, data, RECIPE).name)


@pytest.mark.parametrize(
    ("parent", "change", "name"),
    [
        ("pics-3", "lr = 1e-3", "pics-3-lr1e-3"),
        ("pics-3-lr1e-3", "lr = 2.5e-4", "pics-3-lr2.5e-4"),
        ("pics-3", 'lr = 0.5\noptimizer = "sgd"\nepochs = 9', "pics-3-lr0.5-sgd"),
        ("mine", "batch_size = 1000000", "mine-batch-size1e6"),
        ("pics-3", 'net = "[(conv32-bn-relu)*2-pool]*2-fc"', "pics-3-net"),
        ("pics-3", 'name = "other"', "pics-3-fork"),
        ("pics-3", "", "pics-3-fork"),
        ("pics-3", 'data = "folder:../../else/pics"\nlr = 1e-3', "pics-3-lr1e-3"),
        ("pics-3", 'data = "folder:../flowers"', "pics-3-flowers"),
    ],
)
def test_a_fork_is_called_after_its_parent_and_what_differs(parent: str, change: str, name: str) -> None:
    assert child_name(parent, 'lr = 0.01\nname = ""\ndata = "folder:pics"\n', change, "fork") == name


@pytest.mark.parametrize(
    "name", ["", " ", "a/b", "..", ".", ".git", "a\\b", "a\nb", "a\x1b[31m", "x" * 256, " a", "\udcff"]
)
def test_names_that_are_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(RequestError) as caught:
        RunFolder.create(tmp_path, name, RECIPE)
    assert caught.value.message.isprintable()
    assert list(tmp_path.iterdir()) == []


def test_places_that_cant_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for base in (tmp_path / "file", tmp_path / "file" / "deeper", Path("/proc/none"), tmp_path / "a\0b"):
        with pytest.raises(RequestError, match="--runs: ") as caught:
            RunFolder.create(base, "run", RECIPE)
        assert caught.value.message.isprintable()
        with pytest.raises(RequestError):
            RunFolder.fresh(base, "run", RECIPE)


def test_what_is_no_run_folder(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    (tmp_path / "empty").mkdir()
    for name, words in [("none", "does not exist"), ("file", "is a file"), ("empty", "is not a run folder")]:
        with pytest.raises(RequestError, match=words) as caught:
            RunFolder.open(tmp_path / name)
        assert ("cvtui doctor PATH" in caught.value.hint) == (name != "none")


def test_runs_are_listed_newest_first(tmp_path: Path) -> None:
    assert list_runs(tmp_path / "none") == []
    assert newest(tmp_path) is None
    for number, name in enumerate(["b", "c", "a"]):
        os.utime(make_folder(tmp_path, name).recipe, (1000.0 + number, 1000.0 + number))
    (tmp_path / "notes").mkdir()
    (tmp_path / "file").write_text("")
    hidden = tmp_path / ".bin"
    hidden.mkdir()
    (hidden / "recipe.toml").write_text("")
    (tmp_path / "dangling").symlink_to(tmp_path / "nowhere")
    assert [folder.name for folder in list_runs(tmp_path)] == ["a", "c", "b"]
    latest = newest(tmp_path)
    assert latest is not None
    assert latest.name == "a"


def test_alive_ends_with_the_process_even_by_sigkill(tmp_path: Path) -> None:
    folder = make_folder(tmp_path)
    assert not folder.alive()
    process = holder(folder)
    try:
        assert folder.alive()
        with pytest.raises(RequestError, match="another process trains"):
            folder.lock(timeout=0.05)
        process.send_signal(signal.SIGKILL)
        process.wait(60)
        assert not folder.alive(), "at once: the kernel lets go, nobody cleans up"
        assert folder.lock_file.exists()
    finally:
        process.kill()
        process.wait()
        for stream in (process.stdin, process.stdout):
            assert stream is not None
            stream.close()
    with folder.lock():
        assert folder.alive()
    assert not folder.alive()


def test_many_who_ask_never_take_each_other_for_the_worker(tmp_path: Path) -> None:
    folder = make_folder(tmp_path)
    with folder.lock():
        pass
    with ThreadPoolExecutor(8) as pool:
        assert not any(pool.map(lambda _: folder.alive(), range(2000)))


def test_a_worker_gets_its_lock_while_screens_ask(tmp_path: Path) -> None:
    folder = make_folder(tmp_path)
    with ThreadPoolExecutor(4) as pool:
        asking = [pool.submit(lambda: [folder.alive() for _ in range(2000)]) for _ in range(4)]
        for _ in range(50):
            folder.lock().release()
        for question in asking:
            question.result()


def test_the_workers_environment() -> None:
    cores = usable_cores()
    assert 1 <= cores <= (os.cpu_count() or 1)
    assert worker_threads(0) == max(1, cores - 1)
    assert worker_threads(3) == 3
    environment = worker_environment(3)
    assert environment["GOMP_SPINCOUNT"] == "10000"
    assert environment["OMP_NUM_THREADS"] == "3"
    assert environment["PATH"] == os.environ["PATH"]


def test_a_worker_for_a_folder_that_is_gone(tmp_path: Path) -> None:
    with pytest.raises(RequestError, match="can't write"):
        launch(RunFolder(tmp_path / "gone"), detached=True)


@pytest.mark.usefixtures("forks")
def test_a_worker_that_can_do_nothing_says_so_in_its_log(tmp_path: Path) -> None:
    folder = RunFolder.create(tmp_path, "wrong", "learning = 'deep'\n")
    process = launch(folder, detached=True)
    try:
        wait_until(lambda: process.poll() is not None, 60, "the worker to give up")
    finally:
        process.kill()
        process.wait()
    assert process.returncode != 0
    assert folder.log.read_text().strip(), "its words are in worker.log, not on the terminal"


def test_a_broken_recipe_is_said_of_its_run(tmp_path: Path) -> None:
    folder = make_folder(tmp_path, "mine")
    folder.recipe.write_text("epochs = = 3\n")
    with pytest.raises(RequestError, match=r"^'mine' can't be resumed: recipe.toml is not valid TOML"):
        recipe_of(folder, "resumed")


def test_runs_of_a_sweep_are_called_after_the_data_and_what_differs() -> None:
    taken = ["pics-3", "pics-3-lr1e-2", "other-9"]
    varied = [{"lr": 0.01, "init": "he"}, {"lr": 0.001, "init": "normal(0.01)"}]
    assert race_names("folder:/a/pics", taken, varied) == ["pics-4-lr1e-2-he", "pics-4-lr1e-3-normal-0-01"]
    rates = [{"lr": 1.0, "dropout": 0.5}, {"lr": 0.1, "dropout": 0.25}, {"lr": 0.01, "dropout": 0.0}]
    spelt = ["other-10-lr1-dropout0.5", "other-10-lr1e-1-dropout0.25", "other-10-lr1e-2-dropout0"]
    assert race_names("other", taken, rates) == spelt, "one spelling a field"
