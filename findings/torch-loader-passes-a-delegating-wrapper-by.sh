#!/usr/bin/env bash
# torch 2.14.1: a DataLoader fetches a batch by __getitems__ where the data set has one, Subset and Hugging Face's data
# sets among them. A wrapper whose __getitem__ augments or relabels, and that hands on all else by __getattr__, has its
# inner set's __getitems__: the loader goes past the wrapper, and trains on plain pictures. So does a class that
# inherits from such a set and overrides __getitem__ alone. wrapper[i] by hand is right, so a look at some pictures
# doesn't tell. (Inheriting from Subset itself raises.)
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"; "$work/venv/bin/pip" install -q 'torch==2.14.1' 'numpy==2.4.6'
cat >"$work/show.py" <<'PY'
from torch.utils.data import DataLoader, Subset


class Augmented:
    def __init__(self, inner):
        self.inner = inner

    def __getitem__(self, index):
        return self.inner[index] + 100

    def __getattr__(self, name):
        return getattr(self.inner, name)

    def __len__(self):
        return len(self.inner)


class Batched(list):
    def __getitems__(self, indices):
        return [list.__getitem__(self, index) for index in indices]


class Inherited(Batched):
    def __getitem__(self, index):
        return super().__getitem__(index) + 100


for name, data in (
    ("wrapped list", Augmented([0, 1, 2])),
    ("wrapped Subset", Augmented(Subset([0, 1, 2], [0, 1, 2]))),
    ("inherited", Inherited([0, 1, 2])),
):
    print(f"{name}: {data[0]} by hand, {next(iter(DataLoader(data, batch_size=3))).tolist()} from the loader")
PY
shown=$("$work/venv/bin/python" "$work/show.py" 2>/dev/null)
[[ $shown == $'wrapped list: 100 by hand, [100, 101, 102] from the loader\nwrapped Subset: 100 by hand, [0, 1, 2] from the loader\ninherited: 100 by hand, [0, 1, 2] from the loader' ]] || { echo "it is otherwise now: $shown"; exit 1; }
echo "a DataLoader goes past a wrapper whose inner set has __getitems__"
