#!/usr/bin/env bash
# accelerate 1.15.0 (torch 2.14.1): `accelerate launch --cpu --num_processes 2 script.py` starts one process, with no word of
# the 2: --cpu takes the launcher of a single process. A batch size and a rate that were set for two are wrong then.
# `python -m torch.distributed.run --nproc-per-node 2 script.py` starts two, and Accelerator(cpu=True) joins them.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"; "$work/venv/bin/pip" install -q 'torch==2.14.1' 'accelerate==1.15.0' numpy
export HF_HOME="$work/home" OMP_NUM_THREADS=1
cat >"$work/show.py" <<'PY'
from accelerate import Accelerator

accelerator = Accelerator(cpu=True)
print(f"process {accelerator.process_index} of {accelerator.num_processes}", flush=True)
accelerator.end_training()
PY
run=("$work/venv/bin/python" -m)
launched=$("${run[@]}" accelerate.commands.launch --cpu --num_processes 2 --num_machines 1 --mixed_precision no \
  --dynamo_backend no "$work/show.py" 2>&1)
torchrun=$("${run[@]}" torch.distributed.run --standalone --nproc-per-node 2 "$work/show.py" 2>&1)
[[ $launched == "process 0 of 1" ]] || { echo "it is otherwise now: $launched"; exit 1; }
[[ $torchrun == *"process 0 of 2"* && $torchrun == *"process 1 of 2"* ]] || { echo "it is otherwise now: $torchrun"; exit 1; }
echo "launch --cpu --num_processes 2: $launched; torchrun: two processes"
