#!/usr/bin/env bash
# torch 2.14.1: LBFGS(lr=0.01, max_iter=50) is how a temperature is fitted in much published code. The rate multiplies
# each of its Newton steps, so one goes a hundredth of the way: after the 50 steps it has gone two fifths of it and
# returns as if it had found the minimum, and the calibrated net is still far too sure. One would expect a method of
# second order to be there after 50 steps on one number. lr=1 without a line search gets there from above, and may run
# off to a negative temperature from a net that is too careful; with line_search_fn="strong_wolfe" both are found. Nets
# that are 2.5 times too sure and 2 times too careful, the best temperature and those that are found from 1.5 on:
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"; "$work/venv/bin/pip" install -q 'torch==2.14.1' 'numpy==2.4.6'
cat >"$work/show.py" <<'PY'
import torch
import torch.nn.functional as F

torch.manual_seed(0)
labels = torch.randint(10, (5000,))
answers = torch.randn(5000, 10) + 2 * F.one_hot(labels, 10)
answers = answers * 2


def fitted(logits, **options):
    temperature = torch.nn.Parameter(torch.tensor(1.5))
    optimizer = torch.optim.LBFGS([temperature], max_iter=50, **options)

    def loss():
        optimizer.zero_grad()
        value = F.cross_entropy(logits / temperature, labels)
        value.backward()
        return value

    optimizer.step(loss)
    return temperature.item()


for factor in (2.5, 0.5):
    logits = answers * factor
    tried = torch.linspace(0.2, 5, 481).tolist()
    best = min(tried, key=lambda t: F.cross_entropy(logits / t, labels))
    small, wolfe = fitted(logits, lr=0.01), fitted(logits, line_search_fn="strong_wolfe")
    print(f"best {best:.1f}, lr=0.01 {small:.1f}, lr=1 {'below 0' if fitted(logits) < 0 else round(fitted(logits), 1)}, strong_wolfe {wolfe:.1f}")
PY
shown=$("$work/venv/bin/python" "$work/show.py" 2>/dev/null)
[[ $shown == $'best 2.5, lr=0.01 1.7, lr=1 2.5, strong_wolfe 2.5\nbest 0.5, lr=0.01 1.3, lr=1 below 0, strong_wolfe 0.5' ]] || { echo "it is otherwise now: $shown"; exit 1; }
echo "LBFGS with a rate of 0.01 goes two fifths of the way in 50 steps"
