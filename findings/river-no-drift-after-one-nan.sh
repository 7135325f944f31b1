#!/usr/bin/env bash
# river 0.26.1: after one NaN among the values ADWIN and PageHinkley, which watch a loss or a score for drift, never
# find one again: their sums are NaN for good, and NaN is above no limit. No warning or error. Whether a rise by 2 after
# 1,000 of 2,000 values, whose spread is 0.3, is found within 100 values, without and with one NaN at 500:
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"; "$work/venv/bin/pip" install -q 'river==0.26.1' 'numpy==2.4.6' 'pandas==3.1.1' 'scipy==1.17.1'
cat >"$work/show.py" <<'PY'
import random

from river import drift

for make in (drift.ADWIN, drift.PageHinkley):
    found = []
    for broken in (False, True):
        random.seed(0)
        detector = make()
        at = []
        for step in range(2000):
            value = random.gauss(0 if step < 1000 else 2, 0.3)
            detector.update(float("nan") if broken and step == 500 else value)
            if detector.drift_detected:
                at.append(step)
        found.append(any(1000 <= step < 1100 for step in at))
    print(make.__name__, *found)
PY
shown=$("$work/venv/bin/python" "$work/show.py")
[[ $shown == $'ADWIN True False\nPageHinkley True False' ]] || { echo "it is otherwise now: $shown"; exit 1; }
echo "river's drift detectors are blind after one NaN"
