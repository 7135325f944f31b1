#!/usr/bin/env bash
# pytorch-ignite 0.5.5: for `EarlyStopping` a NaN score is an improvement each time: a run that diverged is trained to
# its last epoch, whatever the patience. No warning. Of 20 epochs, with patience 2, after two good ones:
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"; "$work/venv/bin/pip" install -q 'pytorch-ignite==0.5.5' 'torch==2.14.1' 'numpy==2.4.6'
cat >"$work/show.py" <<'PY'
from ignite.engine import Engine, Events
from ignite.handlers import EarlyStopping

for name, end in (("bad", 0.1), ("NaN", float("nan"))):
    trainer = Engine(lambda engine, batch: None)
    scores = [0.3, 0.5] + [end] * 18
    stopping = EarlyStopping(2, lambda engine: scores[engine.state.epoch - 1], trainer)
    trainer.add_event_handler(Events.EPOCH_COMPLETED, stopping)
    print(f"scores turn {name}: {trainer.run([0], max_epochs=20).epoch} epochs")
PY
shown=$("$work/venv/bin/python" "$work/show.py" 2>/dev/null)
[[ $shown == $'scores turn bad: 4 epochs\nscores turn NaN: 20 epochs' ]] || { echo "it is otherwise now: $shown"; exit 1; }
echo "a NaN score never stops a training"
