#!/usr/bin/env bash
# torch 2.14.1: cdist takes another way above 25 rows (|a|^2 + |b|^2 - 2ab in float32): 26 random pictures of 0..255
# have distances of up to several levels to themselves, 25 of them exactly 0. Of 100 normalised features that lie
# together (512 values, as a net gives them for one class) a few percent have another nearest neighbour. So duplicates
# are not at 0, and k-NN accuracy depends on the chunk size. compute_mode="donot_use_mm_for_euclid_dist" is right for
# all.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"; "$work/venv/bin/pip" install -q 'torch==2.14.1' 'numpy==2.4.6'
cat >"$work/show.py" <<'PY'
import torch
import torch.nn.functional as F

torch.manual_seed(0)
torch.set_num_threads(1)
exact = {"compute_mode": "donot_use_mm_for_euclid_dist"}
pictures = torch.randint(0, 256, (26, 3072)).float()
for rows in (25, 26):
    x = pictures[:rows]
    print(rows, torch.cdist(x, x).diagonal().max().item() > 1, torch.cdist(x, x, **exact).diagonal().max().item())
features = F.normalize(1 + 0.01 * torch.randn(100, 512))
near = [torch.cdist(features, features, **mode).fill_diagonal_(9).argmin(1) for mode in ({}, exact)]
print("other neighbours:", (near[0] != near[1]).sum().item() > 0)
PY
shown=$("$work/venv/bin/python" "$work/show.py" 2>/dev/null)
[[ $shown == $'25 False 0.0\n26 True 0.0\nother neighbours: True' ]] || { echo "it is otherwise now: $shown"; exit 1; }
echo "from 26 rows on a picture's distance to itself isn't 0, and nearest neighbours change"
