"""An ONNX file predicts as the run that it came from; extra `onnx` (run with PYTHONPATH where it isn't installed)."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import msgspec
import pytest
import torch
from torch import Tensor, nn

from cvtui.engine.infer.opened import open_model
from cvtui.engine.infer.trained import TrainedModel
from cvtui.errors import RequestError
from cvtui.runlog.calibration import Calibration, write_calibration
from cvtui.runlog.folder import RunFolder
from cvtui.runlog.model_metadata import ModelMetadata, encode
from tests.engine.infer.making import halves, trained

pytestmark = pytest.mark.torch


class Whole(nn.Module):
    """Pixels in, probabilities out."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, pixels: Tensor) -> Tensor:
        return self.model((pixels.float() / 255).permute(0, 3, 1, 2)).softmax(1)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    base = tmp_path_factory.mktemp("onnx")
    return trained(base, data=f"folder:{halves(base / 'pictures', count=6)}", epochs=1, preprocess="scale", net="fc")


@pytest.mark.parametrize("with_preprocess", [False, True])
def test_an_onnx_file(run: RunFolder, tmp_path: Path, with_preprocess: bool) -> None:
    onnx = pytest.importorskip("onnx", reason="the extra onnx is not installed")
    pytest.importorskip("onnxruntime", reason="the extra onnx is not installed")
    pytest.importorskip("onnxscript", reason="the extra onnx is not installed")
    weights = torch.load(run.checkpoints / "best.pt", weights_only=True)["model"]
    net = nn.Sequential(nn.Flatten(), nn.Linear(8 * 8 * 3, 3))
    net.load_state_dict({f"1.{name.partition('.')[2]}": value for name, value in weights.items()})
    model = Whole(net) if with_preprocess else net
    example = torch.zeros(2, 8, 8, 3, dtype=torch.uint8) if with_preprocess else torch.zeros(2, 3, 8, 8)
    file = tmp_path / "model.onnx"
    torch.onnx.export(model.eval(), (example,), file, dynamic_shapes=({0: "batch"},), verbose=False)
    about = ModelMetadata(
        cvtui="1", net="fc", classes=["brick", "gravel, fine", "sand"], size=[8, 8, 3], unit=255.0,
        preprocess={"name": "scale", "scale": [1 / 255] * 3, "shift": [0.0] * 3}, mean=[0.0] * 3, std=[1.0] * 3,
        with_preprocess=with_preprocess, temperature=2.0,
    )  # fmt: skip
    held = onnx.load(str(file))
    for key, value in encode(about).items():
        entry = held.metadata_props.add()
        entry.key, entry.value = key, value
    onnx.save(held, str(file))
    opened = open_model(file)
    pixels = torch.randint(0, 256, (5, 8, 8, 3), dtype=torch.uint8)
    assert opened.classes == open_model(run.path).classes
    assert opened.temperature == (1.0 if with_preprocess else 2.0)  # with it, it is in the graph
    expected = open_model(run.path).logits(pixels).softmax(1)
    assert torch.allclose(opened.logits(pixels).float().softmax(1), expected, atol=1e-6)
    state = {**about.preprocess, "name": "zca"}
    entries = encode(msgspec.structs.replace(about, with_preprocess=False, preprocess=state))
    for entry in held.metadata_props:
        entry.value = entries[entry.key]
    onnx.save(held, str(file))
    with pytest.raises(RequestError, match="lack the matrix of zca"):
        open_model(file)


def test_without_onnxruntime_the_way_out_is_said(tmp_path: Path) -> None:
    if importlib.util.find_spec("onnxruntime") is not None:
        pytest.skip("onnxruntime is installed")
    (tmp_path / "x.onnx").write_bytes(b"")
    with pytest.raises(RequestError, match="onnxruntime, which is not installed") as refused:
        open_model(tmp_path / "x.onnx")
    assert refused.value.hint == "pip install 'cvtui[onnx]'"


def test_safetensors_say_the_temperature(run: RunFolder, tmp_path: Path) -> None:
    from cvtui.engine.train.export_weights import write_safetensors

    def opened() -> TrainedModel:
        write_safetensors(run, tmp_path / "x.safetensors")
        return open_model(tmp_path / "x.safetensors")

    before = opened()
    assert (before.temperature, before.size, before.unit) == (1.0, (8, 8, 3), 255.0)
    write_calibration(run, Calibration(temperature=1.5, checkpoint="best.pt", step=before.step))
    assert opened().temperature == 1.5
    write_calibration(run, Calibration(temperature=1.5, checkpoint="last.pt", step=before.step))
    assert opened().temperature == 1.0
