#!/usr/bin/env bash
# hydra-core 1.3.8, omegaconf 2.3.1: a node that another one names as ${net} is copied as text, and `instantiate` makes
# an object for each place: an EMA, a teacher or an optimizer that is given ${net} holds a net of its own, with other
# weights. No warning. In a config of a net and a wrapper around ${net}, instantiated as a whole:
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"; "$work/venv/bin/pip" install -q 'hydra-core==1.3.8' 'omegaconf==2.3.1' 'torch==2.14.1' 'numpy==2.4.6'
cat >"$work/show.py" <<'PY'
from hydra.utils import instantiate
from omegaconf import OmegaConf

config = OmegaConf.create("""
net: {_target_: torch.nn.Linear, in_features: 4, out_features: 2}
average: {_target_: torch.optim.swa_utils.AveragedModel, model: "${net}"}
""")
made = instantiate(config)
print("the average begins with the net's weights:", bool((made.average.module.weight == made.net.weight).all()))
net = instantiate(config.net)
average = instantiate(config.average, model=net)
print("handed over as an object:", bool((average.module.weight == net.weight).all()))
PY
shown=$("$work/venv/bin/python" "$work/show.py" 2>/dev/null)
[[ $shown == $'the average begins with the net\'s weights: False\nhanded over as an object: True' ]] || { echo "it is otherwise now: $shown"; exit 1; }
echo "\${net} in a hydra config is a second net"
