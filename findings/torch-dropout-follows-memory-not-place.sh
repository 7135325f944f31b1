#!/usr/bin/env bash
# torch 2.14.1, CPU: dropout (and bernoulli, rand_like, randn_like) fill a tensor in the order of its memory. With one
# seed and equal values a channels_last batch loses other values than a contiguous one: .to(memory_format=channels_last)
# is another training run, not a faster one of the same. Dropout over whole channels (Dropout2d) is the same in both.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"; "$work/venv/bin/pip" install -q 'torch==2.14.1' numpy
cat >"$work/show.py" <<'PY'
import torch
import torch.nn.functional as F

x = torch.ones(2, 3, 4, 4)
for name, draw in (("dropout", F.dropout), ("rand_like", torch.rand_like), ("dropout2d", F.dropout2d)):
    drawn = []
    for memory_format in (torch.contiguous_format, torch.channels_last):
        torch.manual_seed(0)
        drawn.append(draw(x.to(memory_format=memory_format)))
    print(f"{name}:", "the same" if torch.equal(*drawn) else "other values")
PY
shown=$("$work/venv/bin/python" "$work/show.py" 2>/dev/null)
[[ $shown == $'dropout: other values\nrand_like: other values\ndropout2d: the same' ]] || { echo "it is otherwise now: $shown"; exit 1; }
echo "one seed drops other values in channels_last"
