#!/usr/bin/env bash
# torchmetrics 1.9.0, netcal 1.4.0: the calibration error of two classes is two things. torchmetrics' "binary" compares
# the probability of class 1 with how often it is class 1; "multiclass" with two columns compares the probability of the
# answer with how often it is right. A net that says class 1 too often has 0.17 and 0.00: it is too sure of one answer
# and too unsure of the other, and these cancel in the second. netcal gives the first for two columns as well. So the
# error vanishes where a head with one output is made one with two.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"; "$work/venv/bin/pip" install -q 'torchmetrics==1.9.0' 'netcal==1.4.0' 'torch==2.14.1' 'numpy==2.4.6'
cat >"$work/show.py" <<'PY'
import torch
from netcal.metrics import ECE
from torchmetrics.functional.classification import binary_calibration_error, multiclass_calibration_error

torch.manual_seed(0)
share = torch.rand(50000)
rows = torch.stack([1 - share, share], 1)
for name, chance in (("calibrated", share), ("too often class 1", share**2), ("overconfident", share * 0.4 + 0.3)):
    truth = (torch.rand(50000) < chance).long()
    binary = binary_calibration_error(share, truth, n_bins=10)
    columns = multiclass_calibration_error(rows, truth, num_classes=2, n_bins=10)
    print(f"{name}: binary {binary:.2f}, two columns {columns:.2f}, netcal {ECE(10).measure(rows.numpy(), truth.numpy()):.2f}")
PY
shown=$("$work/venv/bin/python" "$work/show.py" 2>/dev/null)
[[ $shown == $'calibrated: binary 0.00, two columns 0.00, netcal 0.00\ntoo often class 1: binary 0.17, two columns 0.00, netcal 0.17\noverconfident: binary 0.15, two columns 0.15, netcal 0.15' ]] || { echo "it is otherwise now: $shown"; exit 1; }
echo "the calibration error of one net is 0.17 as binary and 0.00 with two columns"
