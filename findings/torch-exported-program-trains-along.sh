#!/usr/bin/env bash
# torch 2.14.1, openvino 2026.4.1: what torch.export.export, torch.onnx.export(dynamo=True) and OpenVINO's convert_model
# return holds the net's own weights, not a copy. One would expect a program that was exported at the best epoch to be
# the net of that epoch; kept in memory and saved after the training it is the net of the last one, and used as a
# teacher or a baseline it learns along. (torch.jit.trace does so too.) Saved at once it is right, as is one exported
# from copy.deepcopy(net). A net that answers 4 as it is exported and 12 after a step: the answers of the three, saved
# and loaded afterwards, and of a program of a copy:
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"; "$work/venv/bin/pip" install -q 'torch==2.14.1' 'numpy==2.4.6' 'onnx==1.23.2' 'onnxscript==0.7.2' 'openvino==2026.4.1'
cat >"$work/show.py" <<'PY'
import copy
import tempfile

import onnx
import openvino
import torch
from onnx.reference import ReferenceEvaluator

folder = tempfile.mkdtemp()
x = torch.ones(1, 4)
net = torch.nn.Linear(4, 1, bias=False)
torch.nn.init.ones_(net.weight)
kept = torch.export.export(copy.deepcopy(net), (x,))
program = torch.export.export(net, (x,))
graph = torch.onnx.export(net, (x,), dynamo=True, verbose=False)
model = openvino.convert_model(net, example_input=x)
before = net(x).item()
optimizer = torch.optim.SGD(net.parameters(), lr=2.0)
(-net(x)).sum().backward()
optimizer.step()

torch.export.save(program, f"{folder}/net.pt2")
torch.export.save(kept, f"{folder}/kept.pt2")
graph.save(f"{folder}/net.onnx")
openvino.save_model(model, f"{folder}/net.xml")
loaded = onnx.load(f"{folder}/net.onnx")
answers = {
    "as it was exported": before,
    "torch.export": torch.export.load(f"{folder}/net.pt2").module()(x).item(),
    "onnx": ReferenceEvaluator(loaded).run(None, {loaded.graph.input[0].name: x.numpy()})[0].item(),
    "openvino": openvino.compile_model(f"{folder}/net.xml", "CPU")(x.numpy())[0].item(),
    "of a copy": torch.export.load(f"{folder}/kept.pt2").module()(x).item(),
}
print(", ".join(f"{name} {answer:.0f}" for name, answer in answers.items()))
PY
shown=$("$work/venv/bin/python" "$work/show.py" 2>/dev/null)
[[ $shown == $'as it was exported 4, torch.export 12, onnx 12, openvino 12, of a copy 4' ]] || { echo "it is otherwise now: $shown"; exit 1; }
echo "an exported program that is kept in memory is trained along"
