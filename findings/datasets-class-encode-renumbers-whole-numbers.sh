#!/usr/bin/env bash
# datasets 5.2.0: train_test_split(stratify_by_column="label") wants a ClassLabel and raises for whole numbers;
# class_encode_column("label") makes one. Labels of 0 to 11 one could guess to stay what they are: they are sorted as
# text, so 2 becomes 4, 10 becomes 2 and so on, without a word; and -1, "no label", becomes class 0. To labels of 0 to 9
# nothing happens. cast_column("label", ClassLabel(num_classes=12)) keeps the numbers. Labels after it:
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"; "$work/venv/bin/pip" install -q 'datasets==5.2.0' 'numpy==2.4.6'
cat >"$work/show.py" <<'PY'
import datasets

numbers = datasets.Dataset.from_dict({"label": list(range(12))})
try:
    numbers.train_test_split(test_size=6, stratify_by_column="label")
except ValueError:
    print("a split of whole numbers raises")
datasets.disable_progress_bars()
print("0 to 11:", *numbers.class_encode_column("label")["label"])
print("0 to 9:", *numbers.select(range(10)).class_encode_column("label")["label"])
print("-1, 0, 1:", *datasets.Dataset.from_dict({"label": [-1, 0, 1]}).class_encode_column("label")["label"])
print("cast:", *numbers.cast_column("label", datasets.ClassLabel(num_classes=12))["label"])
PY
shown=$(cd "$work" && "$work/venv/bin/python" "$work/show.py" 2>/dev/null)
[[ $shown == $'a split of whole numbers raises\n0 to 11: 0 1 4 5 6 7 8 9 10 11 2 3\n0 to 9: 0 1 2 3 4 5 6 7 8 9\n-1, 0, 1: 0 1 2\ncast: 0 1 2 3 4 5 6 7 8 9 10 11' ]] || { echo "it is otherwise now: $shown"; exit 1; }
echo "class_encode_column of labels 0 to 11 makes 4 of class 2"
