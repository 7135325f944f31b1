#!/usr/bin/env bash
# torch 2.14.1, CPU: torch.rand in bfloat16 is exactly 0 twice in a thousand numbers, in float16 twice in ten thousand:
# what rounds up to 1 is made 0. So -log(rand), as in Gumbel noise or times to an event, is infinite in every batch, and
# a hand-written mask rand(...) < 0.001 (token or path dropping in the type of the activations) drops 0.3 % in place of
# 0.1 %. exponential_ stays finite. Zeros among ten thousand, and the share below 0.001:
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"; "$work/venv/bin/pip" install -q 'torch==2.14.1' 'numpy==2.4.6'
cat >"$work/show.py" <<'PY'
import torch

torch.manual_seed(0)
for dtype in (torch.float32, torch.float16, torch.bfloat16):
    drawn = torch.rand(16_000_000, dtype=dtype)
    zero, below = (drawn == 0).double().mean(), (drawn < 0.001).double().mean()
    finite = torch.empty(1_000_000, dtype=dtype).exponential_().isfinite().all()
    print(dtype, f"{zero * 1e4:.0f} in 10,000 are 0, {below:.1%} below 0.001, exponential_ finite {bool(finite)}")
PY
shown=$("$work/venv/bin/python" "$work/show.py" 2>/dev/null)
[[ $shown == $'torch.float32 0 in 10,000 are 0, 0.1% below 0.001, exponential_ finite True\ntorch.float16 2 in 10,000 are 0, 0.1% below 0.001, exponential_ finite True\ntorch.bfloat16 20 in 10,000 are 0, 0.3% below 0.001, exponential_ finite True' ]] || { echo "it is otherwise now: $shown"; exit 1; }
echo "rand of bfloat16 is 0 twice in a thousand numbers"
