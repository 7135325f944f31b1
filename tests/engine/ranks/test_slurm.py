"""`assets/slurm.sbatch` under stand-ins for srun and scontrol, which run the job's two machines as processes here."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from cvtui.runlog.folder import RunFolder
from cvtui.runlog.history import History
from tests.engine.making import folder, history
from tests.waiting import wait_until

pytestmark = [pytest.mark.torch, pytest.mark.long]

ASSET = Path(__file__).parents[3] / "assets" / "slurm.sbatch"
JOB = str(os.getpid())
"""Jobs that run at once have numbers of their own, and so ports."""
TOOLS = {
    "scontrol": """
        case $1 in
        show) echo localhost ;;
        requeue) echo "$2" >>"$REQUEUED" ;;
        esac
    """,
    "srun": """
        while [ "${1#-}" != "$1" ]; do shift; done
        for node in 0 1; do
            SLURM_NODEID=$node "$@" &
            tasks="$tasks $!"
        done
        trap 'kill -USR1 $tasks' USR1
        code=0
        for task in $tasks; do
            wait $task || code=1
            while kill -0 $task 2>/dev/null; do wait $task && code=0 || code=1; done
        done
        exit $code
    """,
    "torchrun": """
        exec "$PYTHON" -m torch.distributed.run "$@"
    """,
}


@pytest.fixture
def cluster(tmp_path: Path) -> dict[str, str]:
    """Make the tools; return the environment of a job."""
    tools = tmp_path / "tools"
    tools.mkdir()
    for name, text in TOOLS.items():
        (tools / name).write_text(f"#!/bin/bash{text}")
        (tools / name).chmod(0o755)
    script = ASSET.read_text()
    assert "\nprocesses=4 " in script
    (tmp_path / "job").write_text(script.replace("\nprocesses=4 ", "\nprocesses=1 "))
    return {
        **os.environ, "PATH": f"{tools}:{os.environ['PATH']}", "PYTHON": sys.executable, "OMP_NUM_THREADS": "1",
        "REQUEUED": str(tmp_path / "requeued"), "SLURM_JOB_ID": JOB, "SLURM_JOB_NODELIST": "node[1-2]",
        "SLURM_NNODES": "2", "SLURM_CPUS_PER_TASK": "1",
    }  # fmt: skip


def start(tmp_path: Path, cluster: dict[str, str], run: RunFolder, **more: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(["bash", str(tmp_path / "job"), str(run.path)], env={**cluster, **more})


def test_a_job_is_queued_anew_before_its_time_is_up_and_goes_on(cluster: dict[str, str], tmp_path: Path) -> None:
    run = folder(tmp_path / "its runs", "run", net="conv4-relu-pool-fc", epochs=100_000, batch_size=64)
    found = History(run)

    def steps() -> int:
        found.poll()
        return found.steps.end

    job = start(tmp_path, cluster, run)
    try:
        wait_until(lambda: run.events.exists() and steps() > 30, 120.0, "the first steps")
        os.kill(job.pid, signal.SIGUSR1)  # as --signal=B:USR1@120: to the batch shell alone
        assert job.wait(120) == 0
    finally:
        job.kill()
    assert (tmp_path / "requeued").read_text() == f"{JOB}\n"
    stopped = history(run)
    assert stopped.end is not None
    assert (stopped.end.status, stopped.end.reason) == ("stopped", "stopped by SIGUSR1")
    step = torch.load(run.checkpoints / "last.pt", weights_only=True)["step"]
    assert step == stopped.end.step == stopped.steps.end
    epochs = step // 23 + 2
    run.recipe.write_text(run.recipe.read_text().replace("epochs = 100000", f"epochs = {epochs}"))
    job = start(tmp_path, cluster, run, SLURM_RESTART_COUNT="1")
    try:
        assert job.wait(120) == 0
    finally:
        job.kill()
    assert (tmp_path / "requeued").read_text() == f"{JOB}\n", "a run that has finished is not queued again"
    done = history(run)
    assert done.end is not None
    assert done.run is not None
    assert (done.end.status, done.run.step, done.steps.end) == ("finished", step, 23 * epochs)


def test_a_job_that_fails_says_so_to_slurm(cluster: dict[str, str], tmp_path: Path) -> None:
    run = folder(tmp_path, "run", net="conv4-relu-pool-fc", batch_size=1)
    job = start(tmp_path, cluster, run)
    try:
        assert job.wait(120) not in (0, None)
    finally:
        job.kill()
    assert not (tmp_path / "requeued").exists()
