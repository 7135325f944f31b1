#!/usr/bin/env bash
# torch 2.14.1: beginning to iterate over a DataLoader draws a number from torch's global generator, also without
# shuffling and without workers, where nothing is random. So evaluating once more changes every dropout mask, shuffle and
# augmentation that follows: a run with a validation after each epoch and one without train other weights from the same
# seed. A generator of the loader's own (DataLoader(generator=...)) keeps the global one as it was.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"; "$work/venv/bin/pip" install -q 'torch==2.14.1' numpy
cat >"$work/show.py" <<'PY'
import torch
from torch.utils.data import DataLoader, TensorDataset

data = TensorDataset(torch.arange(4))


def after(loader):
    torch.manual_seed(0)
    if loader is not None:
        list(loader)
    return torch.rand(1).item()


print("shuffle=False, num_workers=0:", "the same" if after(DataLoader(data, 2)) == after(None) else "changed")
own = DataLoader(data, 2, generator=torch.Generator())
print("with its own generator:", "the same" if after(own) == after(None) else "changed")
PY
shown=$("$work/venv/bin/python" "$work/show.py" 2>/dev/null)
[[ $shown == $'shuffle=False, num_workers=0: changed\nwith its own generator: the same' ]] || { echo "it is otherwise now: $shown"; exit 1; }
echo "one pass over an unshuffled loader changes all random numbers after it"
