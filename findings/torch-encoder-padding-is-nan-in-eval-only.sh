#!/usr/bin/env bash
# torch 2.14.1, CPU: nn.TransformerEncoderLayer in eval() gives NaN for a sequence whose every token is masked by
# src_key_padding_mask (the filler of a last batch) under no_grad, and finite numbers with gradients on: another way of
# computing is taken where none are wanted. So training is in peace, and a mean over the validation is NaN.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"; "$work/venv/bin/pip" install -q 'torch==2.14.1' numpy
cat >"$work/show.py" <<'PY'
import torch
from torch import nn

torch.manual_seed(0)
layer = nn.TransformerEncoderLayer(8, 2, batch_first=True).eval()
tokens, masked = torch.randn(2, 4, 8), torch.tensor([[False] * 4, [True] * 4])
for gradients in (True, False):
    with torch.set_grad_enabled(gradients):
        out = layer(tokens, src_key_padding_mask=masked)
    print(gradients, [bool(row.isfinite().all()) for row in out])
PY
shown=$("$work/venv/bin/python" "$work/show.py" 2>/dev/null)
[[ $shown == $'True [True, True]\nFalse [True, False]' ]] || { echo "it is otherwise now: $shown"; exit 1; }
echo "the masked sequence: finite with gradients, NaN without"
