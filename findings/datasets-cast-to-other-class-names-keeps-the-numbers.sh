#!/usr/bin/env bash
# datasets 5.2.0: two sets whose classes have the same names in another order can't be put together: concatenate_datasets
# raises that the features can't be aligned. Casting one to the other's features, which then works, one could guess to
# move the numbers by the names: it renames the classes. A picture of a dog is a cat afterwards, without a word.
# align_labels_with_mapping moves the numbers. The class of the dog's picture in the set that was put together:
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"; "$work/venv/bin/pip" install -q 'datasets==5.2.0' 'numpy==2.4.6'
cat >"$work/show.py" <<'PY'
import datasets

ours = datasets.Features({"picture": datasets.Value("string"), "label": datasets.ClassLabel(names=["cat", "dog"])})
theirs = datasets.Features({"picture": datasets.Value("string"), "label": datasets.ClassLabel(names=["dog", "cat"])})
first = datasets.Dataset.from_dict({"picture": ["a cat", "a dog"], "label": ["cat", "dog"]}, features=ours)
second = datasets.Dataset.from_dict({"picture": ["another cat", "another dog"], "label": ["cat", "dog"]}, features=theirs)
datasets.disable_progress_bars()
try:
    datasets.concatenate_datasets([first, second])
except ValueError:
    print("raises")


def shown(name, both):
    print(name, *(f"{row['picture']}: {both.features['label'].int2str(row['label'])}" for row in both), sep=" | ")


shown("cast", datasets.concatenate_datasets([first, second.cast(ours)]))
shown("align", datasets.concatenate_datasets([first, second.align_labels_with_mapping({"cat": 0, "dog": 1}, "label")]))
PY
shown=$(cd "$work" && "$work/venv/bin/python" "$work/show.py" 2>/dev/null)
[[ $shown == $'raises\ncast | a cat: cat | a dog: dog | another cat: dog | another dog: cat\nalign | a cat: cat | a dog: dog | another cat: cat | another dog: dog' ]] || { echo "it is otherwise now: $shown"; exit 1; }
echo "a cast to other class names renames the classes"
