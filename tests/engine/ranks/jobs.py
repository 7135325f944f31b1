"""Run folders trained by a real torchrun on gloo, one after another in the same processes."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from collections.abc import Sequence
from pathlib import Path

from cvtui.runlog.folder import RunFolder

JOB = """
    import os, signal, sys
    from pathlib import Path
    from cvtui.engine.ranks.rank_team import RankTeam
    from cvtui.engine.runtime.fast_start import end
    from cvtui.engine.runtime.job_rank import told_rank
    from cvtui.engine.train.control import Signals
    from cvtui.engine.worker import train_folder

    from cvtui import door
    from cvtui.engine import worker
    from cvtui.engine.ranks.trainer import RankTrainer
    from cvtui.engine.train.snapshots import Snapshots

    me, signals = told_rank(), Signals()
    victim, at = (int(word) for word in os.environ.get("DIE", "-1 0").split())

    class Team(RankTeam):
        def trainer(self, *how):
            trainer = super().trainer(*how)
            step = trainer.stepper.step

            def step_or_die(batch):
                if me.rank == victim and trainer.training.step == at and not me.restart:
                    os.kill(os.getpid(), signal.SIGKILL)
                step(batch)

            trainer.stepper.step = step_or_die
            return trainer

    def die_in(owner, name, calls):
        real = getattr(owner, name)

        def counted(*words, **more):
            seen.append(name)
            if len(seen) == calls:
                os.kill(os.getpid(), signal.SIGKILL)
            return real(*words, **more)

        seen = []
        setattr(owner, name, counted)

    MOMENTS = {
        "validation": (RankTrainer, "_between_validation"), "checkpoint": (door, "replace"),
        "data": (worker, "prepare_run"), "pictures": (Snapshots, "take_answers"),
    }
    moment, victim_there, calls = os.environ.get("DIE_IN", "none -1 0").split()
    if me.rank == int(victim_there) and not me.restart:
        die_in(*MOMENTS[moment], int(calls))

    team = Team(me, signals)
    assert team.meet(Path(sys.argv[1])) == 0
    for path in sys.argv[1:]:
        resume = team.me.restart > 0 or bool(os.environ.get("RESUME"))
        code = train_folder(Path(path), signals, resume=resume, team=team)
        assert code == 0, (path, code)
        team = Team(team.me, signals)
    team.link.leave()
    end(0)  # as the engine does: torn down object by object, a rank aborted once in some ten
"""


def torchrun(base: Path, runs: Sequence[RunFolder], ranks: int, *, restarts: int = 0, **environment: str) -> None:
    """Train run folders, each on so many ranks.

    DIE="1 12": rank 1 is killed at step 12; DIE_IN="data 0 1": rank 0 at the first call of that moment (MOMENTS);
    RESUME=1 resumes them.
    """
    script = base / "job.py"
    script.write_text(textwrap.dedent(JOB))
    command = [
        sys.executable, "-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={ranks}",
        f"--max-restarts={restarts}", str(script), *(str(run.path) for run in runs),
    ]  # fmt: skip
    surroundings = {**os.environ, "OMP_NUM_THREADS": "1", "GOMP_SPINCOUNT": "10000", **environment}
    done = subprocess.run(command, env=surroundings, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
