#!/usr/bin/env bash
# torch 2.14.1, gloo, two processes: under fully_shard (FSDP2) a norm, a mean or the largest value of a parameter's
# gradient is a DTensor whose item() gives the part of the own shard: each rank logs another number, and a loop that
# stops at a gradient above a threshold stops on one rank alone. full_tensor() first is right, and so is
# clip_grad_norm_. Ranks 0 and 1, for a gradient of 1 in the first half of the rows and 3 in the second: item(), and of
# the whole tensor:
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"; "$work/venv/bin/pip" install -q 'torch==2.14.1' 'numpy==2.4.6'
cat >"$work/show.py" <<'PY'
import socket

import torch
import torch.distributed as dist
import torch.multiprocessing as mp
from torch import nn
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import fully_shard


def main(rank, port):
    dist.init_process_group("gloo", init_method=f"tcp://127.0.0.1:{port}", rank=rank, world_size=2)
    layer = nn.Linear(1, 4, bias=False)
    fully_shard(layer, mesh=init_device_mesh("cpu", (2,)))
    (layer(torch.ones(1, 1)) * torch.tensor([1.0, 1.0, 3.0, 3.0])).sum().backward()
    gradient = layer.weight.grad
    looks = {"norm": lambda g: g.norm(), "mean": lambda g: g.mean(), "largest": lambda g: g.abs().max()}
    mine = torch.tensor([look(gradient).item() for look in looks.values()])
    both = [torch.zeros(3), torch.zeros(3)]
    dist.all_gather(both, mine)
    whole = gradient.full_tensor()
    clipped = nn.utils.clip_grad_norm_(layer.parameters(), 100.0).item()
    if rank == 0:
        for at, (name, look) in enumerate(looks.items()):
            print(f"{name} {both[0][at]:.1f} and {both[1][at]:.1f}, of the whole {look(whole).item():.1f}")
        print(f"clip_grad_norm_ {clipped:.1f}")
    dist.destroy_process_group()


if __name__ == "__main__":
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    mp.spawn(main, (port,), nprocs=2)
PY
shown=$("$work/venv/bin/python" "$work/show.py" 2>/dev/null)
[[ $shown == $'norm 1.4 and 4.2, of the whole 4.5\nmean 1.0 and 3.0, of the whole 2.0\nlargest 1.0 and 3.0, of the whole 3.0\nclip_grad_norm_ 4.5' ]] || { echo "it is otherwise now: $shown"; exit 1; }
echo "item() of the norm of a sharded gradient is that of one rank's shard"
