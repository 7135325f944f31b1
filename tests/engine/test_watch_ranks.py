"""`cvtui.watch` under a real torchrun on gloo: one run, equal bits, the slow rank named, restarts, refusals."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
import torch

from cvtui.doctor import Doctor
from cvtui.runlog.folder import RunFolder, list_runs
from cvtui.runlog.history import History
from cvtui.runlog.ranks import read_ranks, straggler

pytestmark = pytest.mark.torch

JOB = """
    import hashlib, os, signal, sys, time
    from pathlib import Path
    import torch
    from torch import distributed as dist, nn
    from torch.distributed.algorithms.ddp_comm_hooks.default_hooks import fp16_compress_hook
    import cvtui
    from cvtui.runlog.events import Command

    out, how = Path(sys.argv[1]), sys.argv[2:]
    dist.init_process_group("gloo")
    rank, world = dist.get_rank(), dist.get_world_size()

    def train(step, steps=24):
        torch.manual_seed(3)
        net = nn.Sequential(nn.Conv2d(1, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(), nn.Dropout(0.3), nn.Flatten(),
                            nn.Linear(144, 3))
        options = {"static_graph": True, "gradient_as_bucket_view": True} if "options" in how else {}
        model = nn.parallel.DistributedDataParallel(net, **options)
        if "options" in how:
            model.register_comm_hook(None, fp16_compress_hook)
        if "unequal" in how and rank == 1:
            net[0].weight.data.mul_(1.5)
        optimizer = torch.optim.SGD(model.parameters(), 0.1, momentum=0.9)
        torch.manual_seed(10 + rank)
        with step(model, optimizer) as run:
            for number in range(steps):
                generator = torch.Generator().manual_seed(number if "same" in how else 100 * rank + number)
                x = torch.randn(8, 1, 6, 6, generator=generator)
                y = torch.randint(3, (8,), generator=generator)
                if "slow" in how and rank == world - 1:
                    time.sleep(0.02)
                loss = nn.functional.cross_entropy(model(x), y)
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
                run.step(loss=loss, labels=y)
                if "commands" in how and rank == 0 and number == 2 and hasattr(run, "folder"):
                    for word in ("pause", "stop", "save"):
                        run.folder.send(Command(command=word, time=0.0))
                    run.folder.send(Command(command="set_lr", time=0.0, value=7.0))
                if "kill" in how and rank == int(how[1]) and number == 9 and os.environ[COUNT] == "0":
                    os.kill(os.getpid(), signal.SIGKILL)
            run.epoch(val_loss=1.0, val_accuracy=0.5)
        state = [value.numpy().tobytes() for value in model.state_dict().values()]
        return hashlib.sha256(b"".join(state) + torch.get_rng_state().numpy().tobytes()).hexdigest()

    class Plain:
        def __init__(self, *_): self.step = self.epoch = lambda **_: None
        def __enter__(self): return self
        def __exit__(self, *_): pass

    COUNT = "TORCHELASTIC_RESTART_COUNT"
    watch = lambda model, optimizer: cvtui.watch(model, optimizer, name="ddp", every=1, runs=out / "runs")
    if "alone" in how:
        watched = train(watch if rank == 0 else Plain)
    else:
        watched = train(watch)
    if "kill" not in how:
        (out / f"bits-{rank}").write_text(f"{watched} {train(Plain)}")
    dist.destroy_process_group()
"""


def torchrun(base: Path, *how: str, ranks: int = 2, restarts: int = 0) -> History:
    script = base / "job.py"
    script.write_text(textwrap.dedent(JOB))
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(ranks),
               "--max-restarts", str(restarts), str(script), str(base), *how]  # fmt: skip
    # Else a restart meets the dead ranks' addresses (findings/torchrun-restart-meets-the-dead-ranks.sh).
    surroundings = {**os.environ, "OMP_NUM_THREADS": "1", "TORCH_DISABLE_SHARE_RDZV_TCP_STORE": str(min(restarts, 1))}
    done = subprocess.run(command, env=surroundings, capture_output=True, text=True, timeout=180, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    assert [run.name for run in list_runs(base / "runs")] == ["ddp"]
    history = History(RunFolder.open(base / "runs" / "ddp"))
    history.poll()
    assert history.run is not None
    assert history.run.ranks["world_size"] == ranks
    return history


def equal_bits(base: Path, ranks: int) -> bool:
    pairs = [(base / f"bits-{rank}").read_text().split() for rank in range(ranks)]
    return all(watched == plain for watched, plain in pairs)


@pytest.mark.long  # 11 CPU seconds
def test_two_ranks_are_one_run_with_equal_bits_and_the_slow_rank_is_named(tmp_path: Path) -> None:
    history = torchrun(tmp_path, "slow", "commands")
    assert equal_bits(tmp_path, 2)  # at a rate of 7 on one rank they would not be
    assert history.run is not None
    assert [layer.name for layer in history.run.layers if layer.watched] == ["0", "1", "2", "5"]
    assert (history.steps.end, len(history.epochs), history.end and history.end.status) == (24, 1, "finished")
    refused = [log.text.split(":")[0] for log in history.logs if "refused" in log.text]
    assert refused == ["pause", "stop", "a new rate"]
    assert [command.command for command in history.commands] == ["save"]
    ranks = read_ranks(history.folder)
    assert [(rank.started.rank, len(rank.steps)) for rank in ranks] == [(0, 24), (1, 24)]
    assert {step.images for rank in ranks for step in rank.steps.values()} == {8}
    assert ranks[0].started.pid != ranks[1].started.pid
    slow = straggler(ranks)
    assert slow is not None
    assert (slow.rank, slow.why) == (1, "data")
    assert [one.id for one in Doctor(history).update() if one.id in ("F52", "F53", "F54", "F55")] == ["F52"]


@pytest.mark.long
def test_the_doctor_tells_unequal_weights_and_equal_batches(tmp_path: Path) -> None:
    history = torchrun(tmp_path, "unequal", "same")
    ranks = read_ranks(history.folder)
    looks = [rank.checks for rank in ranks]
    assert all(one is not None and one.wrapped == "ddp" and sum(one.labels) == 80 for one in looks)
    assert looks[0] is not None
    torch.manual_seed(3)
    weights = [one.detach() for one in torch.nn.Conv2d(1, 4, 3, padding=1).parameters()]
    weights += [torch.ones(4), torch.zeros(4), *(one.detach() for one in torch.nn.Linear(144, 3).parameters())]
    numbers = torch.cat([one.flatten() for one in weights]).double()
    first = looks[0].weights[0]
    assert (first.sum, first.norm) == pytest.approx((float(numbers.sum()), float(numbers.norm())))
    found = {one.id: one for one in Doctor(history).update()}
    assert found["F54"].sentence.startswith("The weights of rank 1 are not those of rank 0 (before the first step)")
    assert found["F54"].consequences == ("F53",)


@pytest.mark.long
def test_three_ranks_are_one_run(tmp_path: Path) -> None:
    history = torchrun(tmp_path, "slow", ranks=3)
    assert equal_bits(tmp_path, 3)
    slow = straggler(read_ranks(history.folder))
    assert slow is not None
    assert slow.rank == 2


@pytest.mark.long
def test_rank_0_alone_may_watch(tmp_path: Path) -> None:
    history = torchrun(tmp_path, "alone")
    assert equal_bits(tmp_path, 2)
    assert len(read_ranks(history.folder)) == 1


@pytest.mark.long
def test_options_of_ddp_leave_the_bits(tmp_path: Path) -> None:
    torchrun(tmp_path, "options")
    assert equal_bits(tmp_path, 2)


@pytest.mark.long
@pytest.mark.parametrize("victim", [0, 1])
def test_a_killed_rank_comes_back_in_the_same_run(tmp_path: Path, victim: int) -> None:
    history = torchrun(tmp_path, "kill", str(victim), restarts=1)
    assert history.run is not None
    assert history.run.ranks["restart"] == 1
    begun = history.run.step or 0
    assert history.steps.end == begun + 24
    assert any("torchrun restarted the job (restart 1)" in log.text for log in history.logs)
    assert history.end is not None
    assert history.end.status == "finished"
    for rank in read_ranks(history.folder):
        assert (rank.started.restart, rank.started.step, max(rank.steps)) == (1, begun, begun + 23)
