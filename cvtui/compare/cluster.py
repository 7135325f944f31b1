"""Jobs on a Slurm cluster through submitit (extra `slurm`): each trains one run folder, which this host sees too."""

from __future__ import annotations

import contextlib
import shutil
import signal
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from cvtui.errors import RequestError
from cvtui.runlog.folder import RunFolder
from cvtui.runlog.history import History

TIMEOUT_MINUTES = 24 * 60
"""Of a job, where none is given; submitit's own is 5 minutes."""
PLACE = ".submitit"
"""Folder of the jobs' own files, in that of the runs."""
OURS = ("nodes", "tasks_per_node", "name", "cluster")
"""Parameters that aren't the user's: a run is one process (`cluster` chooses where)."""


class ClusterJob:
    """A job of submitit, asked and ended as a process is."""

    def __init__(self, job: Any) -> None:
        self._job = job

    @property
    def number(self) -> str:
        """The scheduler's number of the job."""
        return str(self._job.job_id)

    def poll(self) -> int | None:
        """Return 0 once the job is over, however it ended; None before."""
        return 0 if self._job.done() else None

    def wait(self, seconds: float | None = None) -> None:
        """Wait until the job is over, or so long."""
        deadline = None if seconds is None else time.monotonic() + seconds
        while self.poll() is None and (deadline is None or time.monotonic() < deadline):
            time.sleep(0.1)

    def cancel(self) -> None:
        """Cancel the job (`scancel`): a run that has begun saves and stops."""
        with contextlib.suppress(OSError):
            self._job.cancel(check=False)

    def state(self, history: History) -> str:
        """Return the run's state, where the job is not over; `queued` before it begins."""
        if history.end is not None:
            return history.end.status
        return f"queued (job {self.number})" if history.run is None else "running"

    def trouble(self) -> str:
        """Return why a job that is over came to nothing; "" where submitit knows of nothing."""
        try:
            error = self._job.exception()  # (its state says FINISHED whatever came)
        except Exception as asked:
            error = asked
        lines = [line.strip() for line in str(error).splitlines() if line.strip()] if error is not None else []
        return "" if not lines else (lines[-1] if "Traceback" in str(error) else lines[0])


class Cluster:
    """Submits run folders as jobs. RequestError where submitit or Slurm is missing, or a parameter isn't known."""

    def __init__(self, runs: Path, parameters: Mapping[str, str]) -> None:
        try:
            import submitit
        except ImportError:
            raise RequestError(
                "--launcher submitit: submitit is not installed", hint="pip install 'cvtui[slurm]'"
            ) from None
        where = parameters.get("cluster", "slurm")
        if where not in ("slurm", "local"):
            raise RequestError(f"--slurm cluster={where}: there are slurm and local (jobs on this machine)")
        if where == "slurm" and shutil.which("srun") is None:
            raise RequestError(
                "--launcher submitit: there is no Slurm here (no srun)",
                hint="run it on a login node of the cluster; --slurm cluster=local tries it on this machine",
            )
        folder = Path(runs).absolute() / PLACE / "%j"
        self._executor = submitit.AutoExecutor(folder=folder, cluster=where)
        self._update({"timeout_min": TIMEOUT_MINUTES, "name": "cvtui", "stderr_to_stdout": True})
        self._update(_typed(parameters, submitit.AutoExecutor._typed_parameters()))

    def _update(self, parameters: Mapping[str, Any]) -> None:
        try:
            self._executor.update_parameters(**parameters)
        except (NameError, ValueError, AssertionError, TypeError) as error:
            raise RequestError(f"--slurm: {str(error).splitlines()[0]}") from None

    def start(self, folder: RunFolder) -> ClusterJob:
        """Submit a run folder. RequestError where the scheduler refuses it."""
        try:
            return ClusterJob(self._executor.submit(train, str(folder.path.absolute())))
        except Exception as error:  # submitit's own errors, and those of sbatch
            lines = [line for line in str(error).splitlines() if line.strip()] or [type(error).__name__]
            raise RequestError(f"{folder.name!r} was not submitted: {lines[-1].strip()}") from None


def _typed(parameters: Mapping[str, str], generic: Mapping[str, type]) -> dict[str, Any]:
    """Return the parameters as submitit wants them: `partition=gpu` as slurm_partition, numbers as numbers."""
    typed: dict[str, Any] = {}
    for name, text in parameters.items():
        if name in OURS:
            if name != "cluster":
                raise RequestError(f"--slurm {name}: not yours to choose: each run of a sweep is one process")
            continue
        value: Any = int(text) if text.isdecimal() else text
        if name in generic and not isinstance(value, generic[name]):
            try:
                value = generic[name](value)
            except ValueError:
                raise RequestError(f"--slurm {name}={text}: a {generic[name].__name__} is wanted") from None
        known = name in generic or name.startswith("slurm_")
        typed[name if known else f"slurm_{name}"] = value
    return typed


def parameters_of(texts: Sequence[str]) -> dict[str, str]:
    """Return {key: value} of `KEY=VALUE` texts. RequestError for one without a key or a value."""
    found = {}
    for text in texts:
        key, sign, value = text.partition("=")
        key = key.strip().lstrip("-").replace("-", "_")
        if not sign or not key.isidentifier() or not value.strip():
            raise RequestError(f"--slurm {text!r}: KEY=VALUE is wanted, as in --slurm partition=gpu")
        found[key] = value.strip()
    return found


def train(path: str) -> int:
    """Train a run folder in a process of its own: what a job does. Return its exit code.

    Whatever ends the job (a cancel, the time limit) is passed on as SIGTERM: the run saves and stops.
    """
    from cvtui.runlog.worker_process import launch

    # Slurm sends USR2 to every process of a job before its time limit; submitit makes an error of it, here.
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR2})
    process = launch(RunFolder(Path(path)), detached=True)  # (the signal stays blocked there)
    try:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGUSR2})
        return process.wait()
    except BaseException:
        process.terminate()
        process.wait()
        raise
