#!/usr/bin/env bash
# torch 2.14.1: torchrun's store outlives a restart of the ranks, and init_process_group reads it without a prefix for the
# restart. A key of the first start is there in the second one. So is gloo's address of a dead rank: where rank 1 comes a
# second after rank 0, rank 0 connects to it and --max-restarts ends in "connectFullMesh failed … Connection refused". With
# TORCH_DISABLE_SHARE_RDZV_TCP_STORE=1 each start has a store of its own, and the same script comes back.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"; "$work/venv/bin/pip" install -q 'torch==2.14.1' numpy
cat >"$work/show.py" <<'PY'
import os, time
import torch.distributed as dist

rank, start = int(os.environ["RANK"]), int(os.environ["TORCHELASTIC_RESTART_COUNT"])
store, _, _ = next(dist.rendezvous("env://"))
if start == 0:
    store.set(f"rank {rank} was here", "yes")
elif rank == 0:
    print("left from the first start:", store.check(["rank 0 was here"]), flush=True)
if start and rank == 1:
    time.sleep(1)
dist.init_process_group("gloo")
dist.barrier()
if start == 0:
    os._exit(1)  # both ranks fail once
print("rank", rank, "came back", flush=True)
dist.destroy_process_group()
PY
job() { "$work/venv/bin/python" -m torch.distributed.run --standalone --nproc-per-node=2 --max-restarts=1 "$work/show.py" 2>&1; }
shared=$(job) && { echo "it is otherwise now: the shared store came back"; exit 1; }
alone=$(TORCH_DISABLE_SHARE_RDZV_TCP_STORE=1 job) || { echo "it is otherwise now: $alone"; exit 1; }
[[ $shared == *"left from the first start: True"* && $shared == *"connectFullMesh failed"*"Connection refused"* ]] \
  || { echo "it is otherwise now: $shared"; exit 1; }
[[ $alone == *"left from the first start: False"* && $(grep -c "came back" <<<"$alone") == 2 ]] \
  || { echo "it is otherwise now: $alone"; exit 1; }
echo "after a restart the dead ranks' keys are still there, and gloo's connection to one of them is refused"
