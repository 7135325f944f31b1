#!/usr/bin/env bash
# keras 3.15.1: a validation loss that is NaN in the first epoch (a batch norm that has seen too little) and falls from the
# second on could be guessed to be no best one, as a NaN in a later epoch isn't. It is the best for good: ModelCheckpoint
# (save_best_only) saves the first epoch and none after it, EarlyStopping ends a run that gets better and brings the
# weights of the first epoch back, ReduceLROnPlateau cuts the rate. Weights are 0 in epoch 0, 1 in epoch 1 and so on; the
# epochs that were saved, the weight that was restored, where it ended and the rate then, of 0.01 at first:
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"; "$work/venv/bin/pip" install -q 'keras==3.15.1' 'jax==0.10.2' 'numpy==2.4.6'
cat >"$work/show.py" <<'PY'
from pathlib import Path

import keras
import numpy as np

nan, saved = float("nan"), Path("best.weights.h5")
for losses in ([0.9, 0.8, 0.7, 0.6, 0.5], [0.9, nan, 0.7, 0.6, 0.5], [nan, 0.8, 0.7, 0.6, 0.5]):
    net = keras.Sequential([keras.layers.Input((1,)), keras.layers.Dense(1, use_bias=False)])
    net.compile("sgd", "mse")
    calls = [
        keras.callbacks.EarlyStopping("val_loss", patience=3, restore_best_weights=True),
        keras.callbacks.ModelCheckpoint(str(saved), "val_loss", save_best_only=True, save_weights_only=True),
        keras.callbacks.ReduceLROnPlateau("val_loss", patience=2),
    ]
    for call in calls:
        call.set_model(net)
        call.on_train_begin()
    epochs = []
    for epoch, loss in enumerate(losses):
        net.set_weights([np.full((1, 1), float(epoch))])
        saved.unlink(missing_ok=True)
        for call in calls:
            call.on_epoch_begin(epoch)
            call.on_epoch_end(epoch, {"val_loss": loss})
        epochs += [epoch] if saved.exists() else []
        if net.stop_training:
            break
    calls[0].on_train_end()
    print(losses, "saved", epochs, "ended after", epoch, "with the weight", net.get_weights()[0].item(), f"rate {float(net.optimizer.learning_rate):.4f}")
PY
shown=$(cd "$work" && KERAS_BACKEND=jax "$work/venv/bin/python" "$work/show.py" 2>/dev/null)
[[ $shown == $'[0.9, 0.8, 0.7, 0.6, 0.5] saved [0, 1, 2, 3, 4] ended after 4 with the weight 4.0 rate 0.0100\n[0.9, nan, 0.7, 0.6, 0.5] saved [0, 2, 3, 4] ended after 4 with the weight 4.0 rate 0.0100\n[nan, 0.8, 0.7, 0.6, 0.5] saved [0] ended after 3 with the weight 0.0 rate 0.0010' ]] || { echo "it is otherwise now: $shown"; exit 1; }
echo "a first validation loss of NaN is keras's best for good"
