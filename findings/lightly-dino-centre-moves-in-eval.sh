#!/usr/bin/env bash
# lightly 1.6.0: DINOLoss subtracts a running centre of the teacher's answers, which keeps it from collapsing. A validation
# loss, in eval() and without gradients, one could guess to leave that where it is, as batch norm's mean and the memory of
# NTXentLoss: the centre moves on by each validation batch, and training goes on from it. Centre and memory before and
# after validation:
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"; "$work/venv/bin/pip" install -q 'lightly==1.6.0' 'torch==2.14.1' 'torchvision==0.29.1' 'numpy==2.4.6'
cat >"$work/show.py" <<'PY'
import torch
from lightly.loss import DINOLoss, NTXentLoss

draws = torch.Generator().manual_seed(0)
views = [torch.randn(8, 4, generator=draws) + 3 for _ in range(2)]
dino, contrast = DINOLoss(output_dim=4), NTXentLoss(memory_bank_size=(16, 4))
dino(views, views, epoch=0)
contrast(*views)
centre, memory = ({key: value.clone() for key, value in loss.state_dict().items()} for loss in (dino, contrast))
dino.eval()
contrast.eval()
with torch.no_grad():
    dino([5 * view for view in views], [5 * view for view in views], epoch=0)
    contrast(*views)
print("training", f"{centre['center'].mean():.2f}", "and validation", f"{dino.state_dict()['center'].mean():.2f}")
print("memory stays", all(torch.equal(value, contrast.state_dict()[key]) for key, value in memory.items()))
PY
shown=$(cd "$work" && "$work/venv/bin/python" "$work/show.py" 2>/dev/null)
[[ $shown == $'training 0.31 and validation 1.82\nmemory stays True' ]] || { echo "it is otherwise now: $shown"; exit 1; }
echo "DINO's centre moves with validation, in eval() too"
