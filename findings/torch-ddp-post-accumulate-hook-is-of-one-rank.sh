#!/usr/bin/env bash
# torch 2.14.1, gloo, two processes: register_post_accumulate_grad_hook, which is what an optimizer step in the backward
# pass is built on, fires before DistributedDataParallel has averaged: the hook sees the gradient of its own process. So
# each rank steps by its own pictures, the ranks' weights drift apart from the first step on, and nothing says so;
# evaluation and checkpoints are of rank 0 alone. After backward() the gradient is the average. What the hook and the
# program after backward() see on rank 0 and 1, whose gradients are 1 and 3, and the weights after two steps taken in
# the hook:
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"; "$work/venv/bin/pip" install -q 'torch==2.14.1' 'numpy==2.4.6'
cat >"$work/show.py" <<'PY'
import socket

import torch
import torch.distributed as dist
import torch.multiprocessing as mp
from torch import nn
from torch.nn.parallel import DistributedDataParallel


def main(rank, port):
    dist.init_process_group("gloo", init_method=f"tcp://127.0.0.1:{port}", rank=rank, world_size=2)
    x, seen = torch.full((1, 1), 1.0 + 2 * rank), []
    plain = DistributedDataParallel(nn.Linear(1, 1, bias=False))
    plain.module.weight.register_post_accumulate_grad_hook(lambda weight: seen.append(weight.grad.item()))
    plain(x).sum().backward()
    stepped = DistributedDataParallel(nn.Linear(1, 1, bias=False))
    nn.init.zeros_(stepped.module.weight)

    @torch.no_grad
    def step(weight):
        weight -= weight.grad
        weight.grad = None

    stepped.module.weight.register_post_accumulate_grad_hook(step)
    for _ in range(2):
        stepped(x).sum().backward()
    mine = torch.tensor([seen[0], plain.module.weight.grad.item(), stepped.module.weight.item()])
    both = [torch.zeros(3), torch.zeros(3)]
    dist.all_gather(both, mine)
    if rank == 0:
        words = "hook {:.0f} and {:.0f}, after {:.0f} and {:.0f}, weights {:.0f} and {:.0f}"
        print(words.format(*torch.stack(both, 1).flatten().tolist()))
    dist.destroy_process_group()


if __name__ == "__main__":
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    mp.spawn(main, (port,), nprocs=2)
PY
shown=$("$work/venv/bin/python" "$work/show.py" 2>/dev/null)
[[ $shown == $'hook 1 and 3, after 2 and 2, weights -2 and -6' ]] || { echo "it is otherwise now: $shown"; exit 1; }
echo "a post-accumulate hook under DistributedDataParallel sees the gradient of its own rank"
