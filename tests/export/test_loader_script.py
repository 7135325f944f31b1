"""The Python file beside an exported model, run on every kind of input: an answer, or one line on what is wanted."""

from __future__ import annotations

import json
import runpy
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from cvtui.export.loader_script import write_loader_script
from cvtui.runlog.model_metadata import EXTRA_FILE, ModelMetadata, encode

torch = pytest.importorskip("torch")
pytestmark = [pytest.mark.torch, pytest.mark.filterwarnings("ignore:.*torch.jit")]

MODELS = {"pictures": ([4, 4, 3], 255.0), "16 bits": ([4, 4, 3], 65535.0), "points": ([2], 1.0)}
DEEP = np.full((4, 4), 60_000, np.uint16)
INPUTS: dict[str, Callable[[Path], Any]] = {
    "x.png": lambda path: Image.new("RGB", (6, 4)).save(path),
    "grey.png": lambda path: Image.new("L", (4, 4)).save(path),
    "deep.png": lambda path: Image.fromarray(DEEP).save(path),
    "x.npy": lambda path: np.save(path, np.zeros((4, 4, 3), np.uint16)),
    "point.npy": lambda path: np.save(path, np.zeros(2)),
    "objects.npy": lambda path: np.save(path, np.array([{}, None])),
    "x.npz": lambda path: np.savez(path, x=np.zeros(2)),
    "text.jpg": lambda path: path.write_text("no image"),
    "empty.npy": lambda path: path.write_bytes(b""),
    "missing.png": lambda _: None,
    "folder": lambda path: path.mkdir(),
}
ANSWERED = {"pictures": {"x.png", "grey.png"}, "16 bits": {"x.npy"}, "points": {"point.npy"}}


@pytest.mark.parametrize("kind", MODELS)
def test_each_kind_of_model_on_each_kind_of_input(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    size, unit = MODELS[kind]
    about = ModelMetadata(
        cvtui="", net="fc", classes=["a", "b"], size=size, unit=unit, preprocess={"name": "none"},
        mean=[0.0] * size[-1], std=[1.0] * size[-1],
    )  # fmt: skip
    model = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(int(np.prod(size)), 2))
    shape = (1, size[2], *size[:2]) if len(size) == 3 else (1, *size)
    path = tmp_path / "m.pt"
    traced = torch.jit.trace(model, torch.zeros(shape))
    torch.jit.save(traced, str(path), _extra_files={EXTRA_FILE: json.dumps(encode(about))})
    script = write_loader_script("torchscript", path, about, False)
    for name, make in INPUTS.items():
        make(tmp_path / name)
        monkeypatch.setattr(sys, "argv", [str(script), str(tmp_path / name)])
        if name in ANSWERED[kind]:
            runpy.run_path(str(script))
            assert capsys.readouterr().out.startswith(f"{tmp_path / name}\t")
            continue
        with pytest.raises(SystemExit) as raised:
            runpy.run_path(str(script))
        said = str(raised.value.code)
        assert said.startswith(f"{tmp_path / name}: "), name
        assert ("no image that can be read" if kind == "pictures" else "wanted is an .npy file of") in said
        assert "\n" not in said
