#!/usr/bin/env bash
# netcal 1.4.0: TemperatureScaling fitted on float32 probabilities, torch's own, finds 1.0 and changes nothing, without
# a word. The same numbers in float64 give the right one. And what it calls its temperature is 1 / T: 0.3 for a net that
# is three times too sure, so to divide the logits by it, as the papers do, makes the loss worse: 3.0 after 1.2 as it
# was. netcal's temperature by float32 and by float64, the loss after its own scaling, and with the logits divided by
# it:
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"; "$work/venv/bin/pip" install -q 'netcal==1.4.0' 'torch==2.14.1' 'numpy==2.4.6'
cat >"$work/show.py" <<'PY'
import torch
import torch.nn.functional as F
from netcal.scaling import TemperatureScaling

torch.manual_seed(0)
true = torch.randn(5000, 3)
labels = torch.distributions.Categorical(logits=true).sample()
print(f"as it was {F.cross_entropy(3 * true, labels):.1f}, with T = 3 {F.cross_entropy(true, labels):.1f}")
for kind in (torch.float32, torch.float64):
    shares = (3 * true).softmax(1).to(kind)
    method = TemperatureScaling()
    method.fit(shares.numpy(), labels.numpy())
    scaled = torch.from_numpy(method.transform(shares.numpy()))
    told = float(method.temperature[0])
    divided = F.cross_entropy(3 * true / told, labels)
    print(kind, f"temperature {told:.1f} loss {F.nll_loss(scaled.log(), labels):.1f} divided {divided:.1f}")
PY
shown=$("$work/venv/bin/python" "$work/show.py" 2>/dev/null)
[[ $shown == $'as it was 1.2, with T = 3 0.9\ntorch.float32 temperature 1.0 loss 1.2 divided 1.2\ntorch.float64 temperature 0.3 loss 0.9 divided 3.0' ]] || { echo "it is otherwise now: $shown"; exit 1; }
echo "netcal's temperature scaling of float32 probabilities changes nothing"
