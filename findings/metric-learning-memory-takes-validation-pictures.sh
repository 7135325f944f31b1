#!/usr/bin/env bash
# pytorch-metric-learning 2.9.0: CrossBatchMemory keeps the embeddings of the last batches for a loss against them. A
# validation loss with it, in eval() and without gradients, one could guess to leave it alone: it is put into the memory
# as well, and the next training batches learn against validation pictures and their labels. The labels in a
# memory of 8 after a training batch of 4, and after a validation batch of 4 too; the next training loss with and without:
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"; "$work/venv/bin/pip" install -q 'pytorch-metric-learning==2.9.0' 'torch==2.14.1' 'numpy==2.4.6'
cat >"$work/show.py" <<'PY'
import torch
from pytorch_metric_learning import losses

memory = losses.CrossBatchMemory(losses.ContrastiveLoss(), embedding_size=2, memory_size=8)
memory(torch.randn(4, 2, generator=torch.Generator().manual_seed(0)), torch.tensor([0, 0, 1, 1]))
print("training", memory.label_memory.tolist())
memory.eval()
with torch.no_grad():
    memory(torch.randn(4, 2, generator=torch.Generator().manual_seed(1)), torch.tensor([7, 7, 8, 8]))
memory.train()
print("and validation", memory.label_memory.tolist())
batch = torch.tensor([[1.0, 0.0], [1.0, 0.1]])
fresh = losses.CrossBatchMemory(losses.ContrastiveLoss(), embedding_size=2, memory_size=8)
fresh(torch.randn(4, 2, generator=torch.Generator().manual_seed(0)), torch.tensor([0, 0, 1, 1]))
print("next training loss", f"{memory(batch, torch.tensor([0, 0])).item():.2f}", "without it", f"{fresh(batch, torch.tensor([0, 0])).item():.2f}")
PY
shown=$(cd "$work" && "$work/venv/bin/python" "$work/show.py" 2>/dev/null)
[[ $shown == $'training [0, 0, 1, 1, 0, 0, 0, 0]\nand validation [0, 0, 1, 1, 7, 7, 8, 8]\nnext training loss 0.55 without it 0.79' ]] || { echo "it is otherwise now: $shown"; exit 1; }
echo "validation pictures are in the memory that training learns against"
