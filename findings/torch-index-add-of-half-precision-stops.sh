#!/usr/bin/env bash
# torch 2.14.1, CPU: index_add_, index_put_ with accumulate=True and the gradients of indexing a weight and of an
# embedding add in the tensor's own type, where sum and scatter_add_ add in float32. Of 10,000 ones in bfloat16 they
# stop at 256, in float16 at 2,048: class means of features, prototypes and centres come out too small, and an
# embedding row that is used often gets a fraction of its gradient. No word. Each sum:
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"; "$work/venv/bin/pip" install -q 'torch==2.14.1' 'numpy==2.4.6'
cat >"$work/show.py" <<'PY'
import torch
import torch.nn.functional as F

index = torch.zeros(10_000, dtype=torch.long)
for dtype in (torch.float32, torch.float16, torch.bfloat16):
    ones, zeros = torch.ones(10_000, dtype=dtype), lambda dtype=dtype: torch.zeros(2, dtype=dtype)
    weight = torch.ones(2, 1, dtype=dtype, requires_grad=True)
    weight[index].sum().backward()
    table = torch.ones(2, 1, dtype=dtype, requires_grad=True)
    F.embedding(index, table).sum().backward()
    sums = {
        "sum": ones.sum(),
        "scatter_add_": zeros().scatter_add_(0, index, ones)[0],
        "index_add_": zeros().index_add_(0, index, ones)[0],
        "index_put_": zeros().index_put_((index,), ones, accumulate=True)[0],
        "gradient of w[i]": weight.grad[0, 0],
        "of embedding": table.grad[0, 0],
    }
    print(dtype, *(f"{name} {value.item():.0f}" for name, value in sums.items()))
PY
shown=$("$work/venv/bin/python" "$work/show.py" 2>/dev/null)
[[ $shown == $'torch.float32 sum 10000 scatter_add_ 10000 index_add_ 10000 index_put_ 10000 gradient of w[i] 10000 of embedding 10000\ntorch.float16 sum 10000 scatter_add_ 10000 index_add_ 2048 index_put_ 2048 gradient of w[i] 2048 of embedding 2048\ntorch.bfloat16 sum 9984 scatter_add_ 9984 index_add_ 256 index_put_ 256 gradient of w[i] 256 of embedding 256' ]] || { echo "it is otherwise now: $shown"; exit 1; }
echo "index_add_ of bfloat16 stops at 256, of float16 at 2,048"
