#!/usr/bin/env bash
# torch 2.14.1: cross_entropy with class weights and label_smoothing weights the smoothed part by its own class, not by
# that of the picture. For classes of 99:1 with "balanced" weights and a smoothing of 0.1 the loss of a picture of the
# common class is lowest where the net answers the rare one with 84 %. Without smoothing the best answer is the true
# class. An untrained net's loss isn't ln 2 (0.69) either.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"; "$work/venv/bin/pip" install -q 'torch==2.14.1' 'numpy==2.4.6'
cat >"$work/show.py" <<'PY'
import torch
import torch.nn.functional as F

for common in (1, 9, 99):
    labels = torch.tensor([0] * common + [1])
    weight = (common + 1) / (2 * torch.tensor([float(common), 1.0]))
    for smoothing in (0.0, 0.1):
        scores = torch.zeros(1, 2, requires_grad=True)
        optimizer = torch.optim.LBFGS([scores], max_iter=200, line_search_fn="strong_wolfe")
        first = F.cross_entropy(scores, labels[:1], weight=weight, label_smoothing=smoothing).item()

        def closure():
            optimizer.zero_grad()
            loss = F.cross_entropy(scores, labels[:1], weight=weight, label_smoothing=smoothing)
            loss.backward()
            return loss

        optimizer.step(closure)
        best = scores.softmax(1)[0]
        print(f"{common}:1 smoothing {smoothing}: untrained {first:.2f}, best for a picture of class 0: {best[0]:.2f} {best[1]:.2f}")
PY
shown=$("$work/venv/bin/python" "$work/show.py" 2>/dev/null)
[[ $shown == $'1:1 smoothing 0.0: untrained 0.69, best for a picture of class 0: 1.00 0.00\n1:1 smoothing 0.1: untrained 0.69, best for a picture of class 0: 0.95 0.05\n9:1 smoothing 0.0: untrained 0.69, best for a picture of class 0: 1.00 0.00\n9:1 smoothing 0.1: untrained 0.97, best for a picture of class 0: 0.68 0.32\n99:1 smoothing 0.0: untrained 0.69, best for a picture of class 0: 1.00 0.00\n99:1 smoothing 0.1: untrained 4.09, best for a picture of class 0: 0.16 0.84' ]] || { echo "it is otherwise now: $shown"; exit 1; }
echo "with balanced weights of 99:1 and a smoothing of 0.1 the best answer for a common picture is the rare class"
