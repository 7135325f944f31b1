#!/usr/bin/env bash
# torch 2.14.1, CPU: of one seed, randn(20) and randn(32) agree in their first 4 numbers alone, and randn(15) and randn(16)
# in none: below 16 numbers another method is used, and of a length that is no multiple of 16 the last 16 are drawn again.
# So noise drawn for a batch is other noise for its first pictures when the batch has a few more, and a layer's first
# weights change with its size. Uniform numbers do agree.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"; "$work/venv/bin/pip" install -q 'torch==2.14.1' numpy
cat >"$work/show.py" <<'PY'
import torch


def agree(draw, few, many):
    torch.manual_seed(0)
    short = draw(few)
    torch.manual_seed(0)
    return int((short == draw(many)[:few]).sum())


print("randn(15) in randn(16):", agree(torch.randn, 15, 16))
print("randn(20) in randn(32):", agree(torch.randn, 20, 32))
print("randn(32) in randn(48):", agree(torch.randn, 32, 48))
print("rand(20) in rand(32):", agree(torch.rand, 20, 32))
PY
shown=$("$work/venv/bin/python" "$work/show.py" 2>/dev/null)
[[ $shown == $'randn(15) in randn(16): 0\nrandn(20) in randn(32): 4\nrandn(32) in randn(48): 32\nrand(20) in rand(32): 20' ]] || { echo "it is otherwise now: $shown"; exit 1; }
echo "the first normal numbers of a seed depend on how many are asked for"
