"""A race as jobs of submitit (its local executor) and over several GPUs; what is refused, in one line."""

from __future__ import annotations

import os
import subprocess
from importlib.util import find_spec
from pathlib import Path

import pytest

from cvtui.compare.cluster import PLACE, Cluster, parameters_of
from cvtui.compare.gpus import Gpus
from cvtui.compare.grid import expand
from cvtui.compare.race import Race
from cvtui.errors import RequestError
from cvtui.recipe.recipe import Recipe
from cvtui.runlog.folder import list_runs
from tests.cli.running import within
from tests.waiting import wait_until

RECIPE = Recipe(net="fc16-relu-fc", epochs=2, optimizer="sgd", device="cpu", threads=1)
THERE = find_spec("submitit") is not None
needs_submitit = pytest.mark.skipif(not THERE, reason="submitit is not installed (extra slurm)")


@pytest.mark.skipif(THERE, reason="it is installed")
def test_without_submitit_the_way_out_is_told(tmp_path: Path) -> None:
    done = within("sweep", "--runs", str(tmp_path), "--lr", "0.1,0.2", "--launcher", "submitit", cwd=tmp_path)
    assert done.returncode == 2
    assert "submitit is not installed" in done.stderr
    assert "pip install 'cvtui[slurm]'" in done.stderr
    assert not list(tmp_path.iterdir())


def test_slurm_parameters_are_keys_and_values() -> None:
    texts = ["partition=gpu", "--gpus-per-node=1", "constraint=a100|h100", "comment=a=b"]
    assert parameters_of(texts) == {
        "partition": "gpu", "gpus_per_node": "1", "constraint": "a100|h100", "comment": "a=b",
    }  # fmt: skip
    for wrong in ("partition", "=gpu", "partition=", "a b=c"):
        with pytest.raises(RequestError, match="KEY=VALUE is wanted"):
            parameters_of([wrong])


def test_slurm_parameters_need_the_launcher(tmp_path: Path) -> None:
    done = within("sweep", "--runs", str(tmp_path), "--lr", "0.1,0.2", "--slurm", "partition=gpu", cwd=tmp_path)
    assert (done.returncode, "--launcher submitit" in done.stderr) == (2, True)


def test_each_gpu_is_given_to_those_that_wait() -> None:
    gpus = Gpus(["0", "3"])
    assert [gpus.take() for _ in range(3)] == ["0", "3", "0"]
    gpus.give_back("3")
    assert gpus.take() == "3"
    assert Gpus([]).take() == ""


@pytest.mark.long
def test_a_run_sees_its_own_gpu_alone_and_a_recipe_that_names_one_keeps_it(tmp_path: Path) -> None:
    entrants = [entrant for device in ("auto", "cpu") for entrant in expand(RECIPE, {"device": [device]})]
    entrants += expand(RECIPE, {"device": ["auto"]})
    seen: dict[str, str] = {}
    with Race(entrants, tmp_path, "r", 3, gpus=["4", "MIG-7"]) as race:
        race.step()
        for racer in race.racers:
            assert isinstance(racer.process, subprocess.Popen)
            environment = Path(f"/proc/{racer.process.pid}/environ").read_bytes().decode().split("\0")
            seen[racer.folder.name] = next((one for one in environment if one.startswith("CUDA_VIS")), "")
        wait_until(lambda: not race.step(), timeout=120, what="the race")
    ours = "".join(f"{name}={value}" for name, value in os.environ.items() if name == "CUDA_VISIBLE_DEVICES")
    assert list(seen.values()) == ["CUDA_VISIBLE_DEVICES=4", ours, "CUDA_VISIBLE_DEVICES=MIG-7"]
    assert [racer.history.state() for racer in race.racers] == ["finished"] * 3


@needs_submitit
@pytest.mark.parametrize(
    ("parameters", "words"),
    [
        ({"cluster": "moon"}, "slurm and local"),
        ({"cluster": "local", "partitoin": "gpu"}, "partitoin"),
        ({"cluster": "local", "timeout_min": "soon"}, "a int is wanted"),
        ({"cluster": "local", "nodes": "2"}, "one process"),
    ],
)
def test_wrong_parameters_are_refused(tmp_path: Path, parameters: dict[str, str], words: str) -> None:
    with pytest.raises(RequestError, match=words):
        Cluster(tmp_path, parameters)


@needs_submitit
@pytest.mark.long
def test_jobs_train_the_runs_and_one_that_fails_says_why(tmp_path: Path) -> None:
    entrants = expand(RECIPE, {"lr": ["0.1", "0.01", "0.5"]})
    with Race(entrants, tmp_path, "r", 2, cluster=Cluster(tmp_path, {"cluster": "local"})) as race:
        race.racers[1].folder.recipe.unlink()
        race.step()
        assert [racer.state.split()[0] for racer in race.racers] == ["queued", "queued", "waiting"]
        assert race.racers[0].where.startswith("as job ")
        wait_until(lambda: not race.step(), timeout=120, what="the jobs")
    first, broken, last = (racer.history for racer in race.racers)
    assert (first.state(), broken.state(), last.state()) == ("finished", "failed", "finished")
    assert len(first.epochs) == len(last.epochs) == 2
    assert broken.end is not None
    assert "recipe.toml" in broken.end.reason
    assert {folder.name for folder in list_runs(tmp_path)} == {"r-01", "r-02", "r-03"}  # the jobs' files are no run
    assert (tmp_path / PLACE).is_dir()


@needs_submitit
@pytest.mark.long
def test_ctrl_c_cancels_the_jobs(tmp_path: Path) -> None:
    entrants = expand(RECIPE, {"lr": ["0.1", "0.01"], "epochs": ["5000"]})
    race = Race(entrants, tmp_path, "r", 1, cluster=Cluster(tmp_path, {"cluster": "local"}))

    def interrupted() -> None:
        with race:
            wait_until(lambda: race.step() and race.racers[0].history.steps_done, timeout=120, what="its first step")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    first, second = race.racers
    assert (first.history.state(), second.history.state()) == ("stopped", "stopped")
    assert (first.folder.checkpoints / "last.pt").is_file()
    assert second.history.end is not None
    assert second.history.end.reason == "the race was stopped before it began"
    wait_until(lambda: first.process is not None and first.process.poll() == 0, what="the end of the job")


@needs_submitit
@pytest.mark.long
def test_a_killed_job_is_told(tmp_path: Path) -> None:
    entrants = expand(RECIPE, {"lr": ["0.1"], "epochs": ["5000"]})
    with Race(entrants, tmp_path, "r", 1, cluster=Cluster(tmp_path, {"cluster": "local"})) as race:
        racer = race.racers[0]
        wait_until(lambda: race.step() and racer.history.steps_done, timeout=120, what="its first step")
        os.kill(int(racer.where.split()[-1]), 9)  # a local job's number is its controller's
        for child in _children_training(racer.folder.path):
            os.kill(child, 9)
        wait_until(lambda: not race.step(), timeout=60, what="the end")
    assert racer.history.end is not None
    assert (racer.history.end.status, racer.history.end.reason.startswith("job ")) == ("failed", True)


def _children_training(folder: Path) -> list[int]:
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            try:
                words = (entry / "cmdline").read_bytes().split(b"\0")
            except OSError:
                continue
            if str(folder).encode() in words:
                found.append(int(entry.name))
    return found
