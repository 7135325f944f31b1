#!/usr/bin/env bash
# torch 2.14.1, CPU: torch.compile leaves out a cast to half precision and back: x.bfloat16().float() is x. So a net
# that is rounded on purpose (to see what half precision costs, for quantization noise) is compiled without it, and what
# overflows float16 doesn't become infinite. No warning. (It needs a C++ compiler.) Is anything rounded, and what is
# 1e6:
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"; "$work/venv/bin/pip" install -q 'torch==2.14.1' 'numpy==2.4.6'
cat >"$work/show.py" <<'PY'
import torch


def rounded(x, dtype):
    return x.to(dtype).float() * 1.0


x = torch.cat([torch.linspace(0, 1, 99), torch.tensor([1e6])])
for name, run in (("eager", rounded), ("compiled", torch.compile(rounded))):
    for dtype in (torch.bfloat16, torch.float16):
        y = run(x, dtype)
        print(name, dtype, f"rounded {not torch.equal(y[:99], x[:99])}, 1e6 is {y[99].item():.0f}")
PY
shown=$("$work/venv/bin/python" "$work/show.py" 2>/dev/null)
[[ $shown == $'eager torch.bfloat16 rounded True, 1e6 is 999424\neager torch.float16 rounded True, 1e6 is inf\ncompiled torch.bfloat16 rounded False, 1e6 is 1000000\ncompiled torch.float16 rounded False, 1e6 is 1000000' ]] || { echo "it is otherwise now: $shown"; exit 1; }
echo "torch.compile leaves out x.bfloat16().float()"
