"""`cvtui.watch` of a model under fully_shard: rank 0's shard is shown, and nothing is sent. Others are refused."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import distributed, nn
from torch.distributed.device_mesh import init_device_mesh

import cvtui
from cvtui.doctor import Doctor
from cvtui.engine.custom_loop.ranks import check_whole
from cvtui.engine.observe.shards import own_shard
from cvtui.runlog.events import Command
from cvtui.runlog.folder import RunFolder
from cvtui.runlog.history import History
from cvtui.runlog.ranks import UNKNOWN, read_ranks, verdict

pytestmark = pytest.mark.torch


@pytest.fixture
def group() -> Iterator[None]:
    distributed.init_process_group("gloo", store=distributed.HashStore(), rank=0, world_size=1)  # type: ignore[attr-defined]
    yield
    distributed.destroy_process_group()


@pytest.fixture
def rank_0_of_2() -> Iterator[None]:
    """Make a group whose collectives return at once: this process is rank 0, and there is no rank 1."""
    from torch.testing._internal.distributed.fake_pg import FakeStore

    distributed.init_process_group("fake", store=FakeStore(), rank=0, world_size=2)
    yield
    distributed.destroy_process_group()


def net() -> nn.Sequential:
    return nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2))


def sharded(model: nn.Module, mesh: Any = None) -> nn.Module:
    """Shard it; imported here and in each test: with it comes the compiler, a second of each process that collects."""
    from torch.distributed.fsdp import fully_shard

    fully_shard(model, mesh=mesh)
    return model


def parallel(model: nn.Module, mesh: Any) -> nn.Module:
    """Make its first layer one of tensor parallelism."""
    from torch.distributed.tensor.parallel import ColwiseParallel, parallelize_module

    found: nn.Module = parallelize_module(model, mesh, {"0": ColwiseParallel()})
    return found


@pytest.mark.usefixtures("group")
def test_other_sharded_models_are_refused_by_their_kind() -> None:
    from torch.distributed.fsdp import FullyShardedDataParallel

    mesh = init_device_mesh("cpu", (1,))
    with pytest.raises(ValueError, match=r"\(DTensor, as of tensor parallelism\).*fully_shard \(FSDP2\) can"):
        check_whole(parallel(net(), mesh))
    with pytest.raises(ValueError, match=r"\(FSDP1, FullyShardedDataParallel\)"):
        check_whole(FullyShardedDataParallel(net(), device_id=torch.device("cpu")))
    zero = net()
    next(zero.parameters()).ds_id = 0  # type: ignore[attr-defined]  # as DeepSpeed marks a parameter whose values lie on other ranks
    with pytest.raises(ValueError, match=r"\(DeepSpeed's ZeRO stage 3\)"):
        check_whole(zero)
    check_whole(nn.parallel.DistributedDataParallel(net()))
    check_whole(sharded(net(), mesh=mesh))


def test_tensor_parallel_layers_that_are_sharded_too_are_refused() -> None:
    from torch.testing._internal.distributed.fake_pg import FakeStore

    distributed.init_process_group("fake", store=FakeStore(), rank=0, world_size=4)
    try:
        mesh = init_device_mesh("cpu", (2, 2), mesh_dim_names=("data", "tensor"))
        both = sharded(parallel(net(), mesh["tensor"]), mesh=mesh["data"])
        with pytest.raises(ValueError, match="DTensor"):
            check_whole(both)
        check_whole(
            sharded(net(), mesh=init_device_mesh("cpu", (2, 2), mesh_dim_names=("copies", "shards")))
        )  # a replica of each shard: hybrid
    finally:
        distributed.destroy_process_group()


@pytest.mark.usefixtures("rank_0_of_2")
def test_watching_a_sharded_model_sends_nothing(tmp_path: Path) -> None:
    """One collective of rank 0 alone would hang the job, or give other ranks what was meant for its gradients."""
    from torch.distributed.tensor.debug import CommDebugMode

    counts = []
    for every in (None, 1):
        torch.manual_seed(0)
        model = nn.Sequential(nn.Conv2d(1, 5, 3), nn.BatchNorm2d(5), nn.ReLU(), nn.Flatten(), nn.Linear(80, 3))
        for layer in (model[0], model[4]):
            sharded(layer)
        sharded(model)
        optimizer = torch.optim.Adam(model.parameters(), 0.01)
        model(torch.ones(2, 1, 6, 6))  # leaves the root's own weights gathered
        run: Any = cvtui.watch(model, optimizer, name="run", every=every, runs=tmp_path) if every else None
        with CommDebugMode() as sent:
            norms = _train(model, optimizer, run)
        counts.append({str(kind): count for kind, count in sent.get_comm_counts().items()})
    assert counts[0] == counts[1]
    assert sum(counts[0].values()) > 30
    history = History(RunFolder.open(tmp_path / "run"))
    history.poll()
    assert history.run is not None
    assert [(one.name, one.expression.partition("(")[0]) for one in history.run.layers] == [
        ("0", "Conv2d"), ("1", "BatchNorm2d"), ("2", "ReLU"), ("4", "Linear")
    ]  # fmt: skip
    assert (history.run.parameters, history.run.ranks["shard"]) == (50 + 10 + 243, True)
    sampled = history.latest_layers
    assert sampled is not None
    last = {one.name: one for one in sampled.layers}
    for name, place in (("0", 0), ("4", 4)):
        assert len(own_shard(model[place].get_parameter("weight"))) == (3 if place == 0 else 2)
        assert last[name].weight_norm == pytest.approx(norms[sampled.step][place], rel=1e-5)
        assert last[name].grad_norm is not None
        assert last[name].mean is not None
    assert history.facts is not None
    assert history.facts.foreign_leaves is None
    assert history.facts.left_out_count is None  # the gathered weights are none that the optimizer has
    refused = [line.text.split(":")[0] for line in history.logs if "refused" in line.text]
    assert refused == ["save", "feature maps", "stop"]
    assert sum("rank 0's shard (of 2)" in line.text for line in history.logs) == 1


def _train(model: nn.Module, optimizer: torch.optim.Optimizer, run: Any) -> list[dict[int, float]]:
    """Train 12 steps; return the norms of both layers' shards after each."""
    norms = []
    if run is not None:
        run.__enter__()
        for word in ("save", "look", "stop"):
            run.folder.send(Command(command=word, time=0.0, value=0 if word == "look" else None))
    for number in range(12):
        generator = torch.Generator().manual_seed(number)
        loss = nn.functional.cross_entropy(model(torch.randn(6, 1, 6, 6, generator=generator)), torch.arange(6) % 3)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        norms.append({place: float(own_shard(model.get_parameter(f"{place}.weight")).norm()) for place in (0, 4)})
        if run is not None:
            run.step(loss=loss, labels=torch.arange(6) % 3)
    if run is not None:
        run.epoch(val_loss=1.0)
        run.__exit__(None, None, None)
    return norms


JOB = """
    import hashlib, sys
    from pathlib import Path
    import torch
    from torch import distributed as dist, nn
    from torch.distributed.fsdp import fully_shard
    import cvtui

    out = Path(sys.argv[1])
    dist.init_process_group("gloo")
    rank = dist.get_rank()

    def train(step):
        torch.manual_seed(3)
        net = nn.Sequential(nn.Conv2d(1, 5, 3, padding=1), nn.ReLU(), nn.Flatten(), nn.Linear(180, 7),
                            nn.LayerNorm(7), nn.GELU(), nn.Dropout(0.2), nn.Linear(7, 3))
        for layer in net:
            if list(layer.parameters()):
                fully_shard(layer)
        fully_shard(net)
        optimizer = torch.optim.AdamW(net.parameters(), 0.003)
        torch.manual_seed(10 + rank)
        with step(net, optimizer) as run:
            for number in range(24):
                y = torch.randint(3, (8,))
                x = torch.randn(8, 1, 6, 6) + y.view(-1, 1, 1, 1)
                loss = nn.functional.cross_entropy(net(x), y)
                optimizer.zero_grad()
                loss.backward()
                nn.utils.clip_grad_norm_(net.parameters(), 1.0)
                optimizer.step()
                run.step(loss=loss, labels=y)
                if number % 8 == 7:
                    net.eval()
                    with torch.no_grad():
                        known = nn.functional.cross_entropy(net(x), y)
                    net.train()
                    run.epoch(val_loss=known)
        state = [one.to_local().detach().numpy().tobytes() for one in net.parameters()]
        return hashlib.sha256(b"".join(state) + torch.get_rng_state().numpy().tobytes()).hexdigest()

    class Plain:
        def __init__(self, *_): self.step = self.epoch = lambda **_: None
        def __enter__(self): return self
        def __exit__(self, *_): pass

    watched = train(lambda model, optimizer: cvtui.watch(model, optimizer, name="run", every=1, runs=out))
    (out / f"bits-{rank}").write_text(f"{watched} {train(Plain)}")
    dist.destroy_process_group()
"""


@pytest.mark.long  # 10 CPU seconds
def test_two_ranks_under_fully_shard_are_one_run_with_equal_bits(tmp_path: Path) -> None:
    script = tmp_path / "job.py"
    script.write_text(textwrap.dedent(JOB))
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", str(script)]
    done = subprocess.run(
        [*command, str(tmp_path)], env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True, text=True, timeout=180, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    for rank in range(2):
        watched, plain = (tmp_path / f"bits-{rank}").read_text().split()
        assert watched == plain
    history = History(RunFolder.open(tmp_path / "run"))
    history.poll()
    assert history.end is not None
    assert (history.end.status, history.steps.end, len(history.epochs)) == ("finished", 24, 3)
    ranks = read_ranks(history.folder)
    assert [(one.started.rank, len(one.steps)) for one in ranks] == [(0, 24), (1, 24)]
    assert all(one.checks is not None and one.checks.wrapped == "fsdp" and not one.checks.weights for one in ranks)
    assert verdict(ranks).startswith(UNKNOWN)  # each layer's pass waits for all ranks: own work is not seen
    assert not [one for one in Doctor(history).update() if one.severity != "note"]
