#!/usr/bin/env bash
# tensordict 0.15.3, torch 2.14.1: `batch.to(torch.bfloat16)` and `batch.bfloat16()` turn all of a TensorDict's values,
# labels and masks too. One could guess that whole numbers stay, as they do in `nn.Module.to`: labels above 256 become
# others, 257 is 256 and 999 is 1000, out of 1,000 classes. Turned back by .long() they stay wrong. In float16
# whole numbers are exact to 2,048.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"; "$work/venv/bin/pip" install -q 'torch==2.14.1' 'tensordict==0.15.3' 'numpy==2.4.6'
cat >"$work/show.py" <<'PY'
import torch
from tensordict import TensorDict
from torch import nn

batch = TensorDict({"image": torch.rand(3, 4), "label": torch.tensor([255, 257, 999])}, batch_size=3)
for name, turned in (("to", batch.to(torch.bfloat16)), ("bfloat16", batch.bfloat16()), ("half", batch.half())):
    print(name, str(turned["label"].dtype)[6:], turned["label"].long().tolist())
net = nn.Module()
net.register_buffer("label", batch["label"])
print("Module", net.to(torch.bfloat16).label.tolist())
PY
shown=$("$work/venv/bin/python" "$work/show.py" 2>/dev/null)
[[ $shown == $'to bfloat16 [255, 256, 1000]\nbfloat16 bfloat16 [255, 256, 1000]\nhalf float16 [255, 257, 999]\nModule [255, 257, 999]' ]] || { echo "it is otherwise now: $shown"; exit 1; }
echo "a TensorDict made bfloat16 has other labels"
