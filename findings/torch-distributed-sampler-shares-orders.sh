#!/usr/bin/env bash
# torch 2.14.1: DistributedSampler shuffles by seed + epoch. So seeds 0, 1 and 2 don't give three orders of the
# pictures: a run of seed 1 sees in each epoch what a run of seed 0 sees one epoch later, all their batches but those of
# the first and last epoch are the same, and an average over seeds 0 to 4 doesn't average over orders. A DataLoader that
# shuffles by torch.manual_seed gives each seed its own. How many of epochs 0 to 9 of seed 0 are also epochs of seed 1?
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"; "$work/venv/bin/pip" install -q 'torch==2.14.1' 'numpy==2.4.6'
cat >"$work/show.py" <<'PY'
import torch
from torch.utils.data import DataLoader, DistributedSampler

data = list(range(1000))


def by_sampler(seed):
    sampler = DistributedSampler(data, num_replicas=1, rank=0, seed=seed)
    for epoch in range(10):
        sampler.set_epoch(epoch)
        yield tuple(sampler)


def by_loader(seed):
    torch.manual_seed(seed)
    loader = DataLoader(data, batch_size=1000, shuffle=True)
    for _ in range(10):
        yield tuple(next(iter(loader)).tolist())


for orders in (by_sampler, by_loader):
    print(orders.__name__, len({*orders(0)} & {*orders(1)}))
PY
shown=$("$work/venv/bin/python" "$work/show.py" 2>/dev/null)
[[ $shown == $'by_sampler 9\nby_loader 0' ]] || { echo "it is otherwise now: $shown"; exit 1; }
echo "DistributedSampler of seed 1 has the orders of seed 0, an epoch earlier"
