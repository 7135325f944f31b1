#!/usr/bin/env bash
# lightgbm 4.7.0: labels of lgb.train that are NaN (no label) one could guess to raise, as -1 and infinity do there, or to
# be left out: they are class 0, without a word, and a target of 0 in a regression. Labels that aren't whole numbers are
# cut: 1.7 is class 1. Three clusters at 0, 5 and 10, of which the middle one is labelled NaN, or 0.3, 1.7 and 2.9: the
# class that each is answered with, and a regression's answers to 0 and 10 where the labels at 10 are NaN:
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"; "$work/venv/bin/pip" install -q 'lightgbm==4.7.0' 'numpy==2.4.6'
cat >"$work/show.py" <<'PY'
import lightgbm as lgb
import numpy as np

draws = np.random.default_rng(0)
middles = np.array([[0.0], [5.0], [10.0]])
points = np.repeat(middles, 100, axis=0) + draws.normal(size=(300, 1)) / 10
for labels in ([1, np.nan, 2], [0.3, 1.7, 2.9], [1, -1, 2], [1, np.inf, 2]):
    try:
        data = lgb.Dataset(points, label=np.repeat(labels, 100))
        net = lgb.train({"objective": "multiclass", "num_class": 3, "verbose": -1}, data, 20)
        print(labels, "are", net.predict(middles).argmax(1).tolist())
    except lgb.basic.LightGBMError:
        print(labels, "raises")
data = lgb.Dataset(points[np.r_[:100, 200:300]], label=np.repeat([8.0, np.nan], 100))
print("regression", lgb.train({"objective": "regression", "verbose": -1}, data, 200).predict(middles[[0, 2]]).round().astype(int).tolist())
PY
shown=$(cd "$work" && "$work/venv/bin/python" "$work/show.py" 2>/dev/null)
[[ $shown == $'[1, nan, 2] are [1, 0, 2]\n[0.3, 1.7, 2.9] are [0, 1, 2]\n[1, -1, 2] raises\n[1, inf, 2] raises\nregression [8, 0]' ]] || { echo "it is otherwise now: $shown"; exit 1; }
echo "a NaN label is class 0 in LightGBM"
