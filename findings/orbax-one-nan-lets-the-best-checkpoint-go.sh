#!/usr/bin/env bash
# orbax-checkpoint 0.12.8: CheckpointManager(max_to_keep=2, best_fn=..., best_mode="min") keeps the two checkpoints of the
# lowest loss. One epoch whose loss is NaN one could guess to be the first to go. It does go, and takes the order of the
# others along: the best checkpoint of before is deleted, for good, and a worse one is best_step(). The losses of six
# epochs, of the best step and of the checkpoints that are kept, without and with a NaN, for "min" and "max":
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"; "$work/venv/bin/pip" install -q 'orbax-checkpoint==0.12.8' 'jax==0.10.2' 'numpy==2.4.6'
cat >"$work/show.py" <<'PY'
import logging

import jax.numpy as jnp
import orbax.checkpoint as ocp
from pathlib import Path

logging.disable(logging.CRITICAL)
nan = float("nan")
for number, (mode, losses) in enumerate(
    (
        ("min", [0.9, 0.5, 0.75, 0.7, 0.6, 0.8]),
        ("min", [0.9, 0.5, nan, 0.7, 0.6, 0.8]),
        ("max", [0.9, 0.5, 0.75, 0.7, 0.6, 0.8]),
        ("max", [0.9, 0.5, nan, 0.7, 0.6, 0.8]),
    )
):
    options = ocp.CheckpointManagerOptions(max_to_keep=2, best_fn=lambda metrics: metrics["loss"], best_mode=mode)
    with ocp.CheckpointManager(Path.cwd() / f"run{number}", options=options) as manager:
        for epoch, loss in enumerate(losses):
            manager.save(epoch, args=ocp.args.StandardSave({"epoch": jnp.array(epoch)}), metrics={"loss": loss})
            manager.wait_until_finished()
        print(mode, *losses, "best", losses[manager.best_step()], "kept", *(losses[epoch] for epoch in manager.all_steps()))
PY
shown=$(cd "$work" && "$work/venv/bin/python" "$work/show.py" 2>/dev/null)
[[ $shown == $'min 0.9 0.5 0.75 0.7 0.6 0.8 best 0.5 kept 0.5 0.6\nmin 0.9 0.5 nan 0.7 0.6 0.8 best 0.6 kept 0.7 0.6\nmax 0.9 0.5 0.75 0.7 0.6 0.8 best 0.9 kept 0.9 0.8\nmax 0.9 0.5 nan 0.7 0.6 0.8 best 0.8 kept 0.7 0.8' ]] || { echo "it is otherwise now: $shown"; exit 1; }
echo "one NaN loss, and orbax deletes the best checkpoint"
