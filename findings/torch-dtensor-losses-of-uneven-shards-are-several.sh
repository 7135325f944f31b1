#!/usr/bin/env bash
# torch 2.14.1: the mean loss of a DTensor is right whatever its shards' sizes for l1_loss and kl_div. For mse_loss,
# smooth_l1_loss, binary_cross_entropy_with_logits and soft_margin_loss it is the mean of the shards' means: 5 rows on 2
# ranks are 3 and 2, and a row of the smaller shard weighs half as much again, in the loss and in its gradient. 6 rows are
# right. The losses of a plain tensor of 5 and 6 rows and of one split by rows, and the gradients of mse_loss, whose errors
# are all 1, at a row of each shard:
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"; "$work/venv/bin/pip" install -q 'torch==2.14.1' 'numpy==2.4.6'
cat >"$work/show.py" <<'PY'
import os

import torch
import torch.distributed as dist
import torch.nn.functional as F
from torch.distributed.tensor import Shard, distribute_tensor, init_device_mesh

losses = {
    "l1_loss": F.l1_loss,
    "kl_div": F.kl_div,
    "mse_loss": F.mse_loss,
    "smooth_l1_loss": F.smooth_l1_loss,
    "bce with logits": F.binary_cross_entropy_with_logits,
    "soft_margin_loss": F.soft_margin_loss,
}


def main(rank, store):
    dist.init_process_group("gloo", init_method=f"file://{store}", rank=rank, world_size=2)
    mesh, lines = init_device_mesh("cpu", (2,)), []
    for rows in (5, 6):
        x = torch.arange(4.0 * rows).reshape(rows, 4) / 10
        y = torch.ones(rows, 4) / 2
        for name, loss in losses.items():
            split = loss(distribute_tensor(x, mesh, [Shard(0)]), distribute_tensor(y, mesh, [Shard(0)])).full_tensor()
            lines.append(f"{rows} {name} {loss(x, y).item():.3f} {split.item():.3f}")
    x = torch.arange(20.0).reshape(5, 4)
    leaf = distribute_tensor(x, mesh, [Shard(0)]).requires_grad_()
    F.mse_loss(leaf, distribute_tensor(x - 1, mesh, [Shard(0)])).backward()
    lines.append("gradients " + " ".join(f"{value:.3f}" for value in leaf.grad.full_tensor()[[0, 4], 0].tolist()))
    if rank == 0:
        print(*lines, sep="\n")
    dist.destroy_process_group()


if __name__ == "__main__":
    torch.multiprocessing.spawn(main, (os.path.abspath("store"),), nprocs=2)
PY
shown=$(cd "$work" && "$work/venv/bin/python" "$work/show.py" 2>/dev/null)
[[ $shown == $'5 l1_loss 0.600 0.600\n5 kl_div -0.822 -0.822\n5 mse_loss 0.535 0.638\n5 smooth_l1_loss 0.260 0.310\n5 bce with logits 0.835 0.858\n5 soft_margin_loss 0.493 0.475\n6 l1_loss 0.775 0.775\n6 kl_div -0.922 -0.922\n6 mse_loss 0.902 0.902\n6 smooth_l1_loss 0.408 0.408\n6 bce with logits 0.893 0.893\n6 soft_margin_loss 0.460 0.460\ngradients 0.167 0.250' ]] || { echo "it is otherwise now: $shown"; exit 1; }
echo "losses of a DTensor of uneven shards are the mean of the shards' means"
