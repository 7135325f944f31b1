"""`cvtui.watch` refuses a model that is sharded over the ranks, and says by what."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from torch import distributed, nn
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import fully_shard
from torch.distributed.tensor.parallel import ColwiseParallel, parallelize_module

from cvtui.engine.watch_ranks import check_whole

pytestmark = pytest.mark.torch


@pytest.fixture
def group() -> Iterator[None]:
    distributed.init_process_group("gloo", store=distributed.HashStore(), rank=0, world_size=1)  # type: ignore[attr-defined]
    yield
    distributed.destroy_process_group()


def net() -> nn.Sequential:
    return nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2))


@pytest.mark.usefixtures("group")
def test_a_sharded_model_is_refused_by_its_kind() -> None:
    mesh = init_device_mesh("cpu", (1,))
    sharded = net()
    fully_shard(sharded, mesh=mesh)
    with pytest.raises(ValueError, match=r"sharded over the ranks \(FSDP, fully_shard\)"):
        check_whole(sharded)
    with pytest.raises(ValueError, match=r"\(DTensor, as of tensor parallelism\)"):
        check_whole(parallelize_module(net(), mesh, {"0": ColwiseParallel()}))
    zero = net()
    next(zero.parameters()).ds_id = 0  # type: ignore[attr-defined]  # as DeepSpeed marks a parameter whose values lie on other ranks
    with pytest.raises(ValueError, match=r"\(DeepSpeed's ZeRO stage 3\)"):
        check_whole(zero)
    check_whole(nn.parallel.DistributedDataParallel(net()))
