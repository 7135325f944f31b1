#!/usr/bin/env bash
# torch 2.14.1: DataLoader workers replace the handler of SIGTERM that they inherit from the program by fork with one
# that ends them. A batch system that is about to take the machine sends SIGTERM to all processes of a job: a program
# that only notes it, to finish its epoch and save, gets an error from the loader a few batches later ("DataLoader
# worker exited unexpectedly", or one of the connection). It must catch that as well and save then, or have the signal
# sent to its first process alone. A child of multiprocessing does keep the handler. Batches that come after SIGTERM to
# the process group, of 1,000:
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"; "$work/venv/bin/pip" install -q 'torch==2.14.1' 'numpy==2.4.6'
cat >"$work/show.py" <<'PY'
import multiprocessing
import os
import signal

import torch
from torch.utils.data import DataLoader

asked = []
signal.signal(signal.SIGTERM, lambda *_: asked.append(True))
fork = multiprocessing.get_context("fork")
go = fork.Event()
child = fork.Process(target=go.wait)
child.start()
batches = iter(DataLoader(torch.zeros(1001), num_workers=2, multiprocessing_context="fork"))
next(batches)
os.killpg(0, signal.SIGTERM)
came = 0
try:
    for _ in batches:
        came += 1
    print("all", came)
except (RuntimeError, OSError, EOFError):
    print("the loader raises after", "fewer than 100" if came < 100 else came)
go.set()
child.join(10)
print("noted", len(asked), "a child of multiprocessing ends with", child.exitcode)
PY
shown=$(setsid -w "$work/venv/bin/python" "$work/show.py" 2>/dev/null)
[[ $shown == $'the loader raises after fewer than 100\nnoted 1 a child of multiprocessing ends with 0' ]] || { echo "it is otherwise now: $shown"; exit 1; }
echo "the workers of a loader end by SIGTERM though the program handles it"
