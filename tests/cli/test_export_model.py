"""`cvtui export` of a trained run's model: what it says, what lies beside it, and its use without cvtui."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
from pathlib import Path

import numpy as np
import PIL
import pytest
import torch
from PIL import Image

from cvtui.engine.data.decode import decode
from cvtui.engine.handover.extras import ONNX
from cvtui.engine.handover.trained import load_trained
from cvtui.engine.train import checkpoint
from cvtui.export.loader_script import MARK, loader_script
from cvtui.runlog.folder import RunFolder
from tests.cli.running import within
from tests.engine.making import folder as run_folder
from tests.engine.making import history, train

pytestmark = pytest.mark.torch


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    """Two epochs on files, with a running mean of the weights."""
    base, random = tmp_path_factory.mktemp("export"), np.random.default_rng(0)
    for label, name in enumerate(("brick", "gravel|fine")):
        (base / "pictures" / name).mkdir(parents=True)
        for number in range(24):
            values = np.clip(90 + 30 * label + random.normal(0, 35, (12, 15, 3)), 0, 255).astype(np.uint8)
            Image.fromarray(values).save(base / "pictures" / name / f"{number:02d}.png")
    run = run_folder(
        base / "runs", net="conv4-bn-relu-sumpool2ceil-fc", data=f"folder:{base / 'pictures'}", size="7x9",
        batch_size=8, lr=0.02, ema=0.9, val_share=0.5, epochs=2,
    )  # fmt: skip
    assert train(run)[0] == 0
    return run


@pytest.mark.filterwarnings("ignore:`torch.jit")
def test_files_and_words(trained: RunFolder, tmp_path: Path) -> None:
    done = within(
        "export", str(trained.path), "--pt2", "m.pt2", "--torchscript", "m.pt", "--card", "card.md", cwd=tmp_path
    )
    assert (done.returncode, done.stderr) == (0, ""), "a pipe gets no progress"
    assert sorted(one.name for one in tmp_path.iterdir()) == [
        "card.md",
        "m.pt",
        "m.pt2",
        "m_pt2.py",
        "m_torchscript.py",
    ]
    epoch = next(one.epoch for one in reversed(history(trained).epochs) if one.best)
    told = f"best.pt, epoch {epoch}, running mean of the weights; on 24 validation images at most 0 from PyTorch"
    assert done.stdout.count(told) == 2
    (tmp_path / "m_pt2.py").write_text("mine")
    again = within("export", str(trained.path), "--pt2", "m.pt2", "--checkpoint", "last", cwd=tmp_path)
    assert again.returncode == 2
    assert "'m_pt2.py' was not written by cvtui" in again.stderr
    assert (tmp_path / "m_pt2.py").read_text() == "mine"
    assert "last.pt, epoch 2" in again.stdout
    for words, wrong in (
        (["--with-preprocess", "--card", "c.md"], "--with-preprocess goes with --onnx, --pt2 or --torchscript"),
        (["--pt2", "m.pt2", "--checkpoint", "epoch-0007"], "--checkpoint: 'epoch-0007' not found"),
        ([], "say what to write"),
    ):
        refused = within("export", str(trained.path), *words, cwd=tmp_path)
        assert (refused.returncode, refused.stderr.count("\n")) == (2, 1)
        assert wrong in refused.stderr


def test_the_weights_that_were_validated(trained: RunFolder) -> None:
    """The model is the running mean's; on the checked images it says what the run's own preprocessing and net say."""
    made = load_trained(trained)
    state = checkpoint.load(trained.checkpoints / "best.pt")
    assert made.metadata.ema
    assert torch.equal(made.model.state_dict()["conv1.weight"], state["ema"]["conv1.weight"])
    assert not torch.equal(made.model.state_dict()["conv1.weight"], state["model"]["conv1.weight"])
    said = made.model(made.preprocess(made.pixels)).argmax(1).tolist()
    right = np.mean([made.metadata.classes[one] == true for one, true in zip(said, made.truth, strict=True)])
    assert float(right) == pytest.approx(state["val_accuracy"])
    assert made.metadata.classes == ["brick", "gravel|fine"]
    assert made.metadata.size == [7, 9, 3]


def test_model_card_has_the_run_s_own_numbers(trained: RunFolder, tmp_path: Path) -> None:
    assert within("export", str(trained.path), "--card", "card.md", cwd=tmp_path).returncode == 0
    text = (tmp_path / "card.md").read_text()
    found = history(trained)
    epoch = next(one for one in reversed(found.epochs) if one.best)
    assert epoch.val_accuracy is not None
    assert f"- validation accuracy {epoch.val_accuracy * 100:.2f} % (95 % interval " in text
    for index, name in enumerate(("brick", "gravel\\|fine")):
        row = epoch.confusion[index]
        assert f"| {name} | 12 | {row[index] / 12 * 100:.1f} % |" in text
    assert "- 24 training images, 24 validation images" in text
    assert "Probabilities are not calibrated." in text
    assert "Fewer than 30 validation images: brick, gravel|fine" in text
    assert "imbalanced" not in text


def test_the_python_file_is_short(trained: RunFolder) -> None:
    about = load_trained(trained).metadata
    for kind in ("onnx", "pt2", "torchscript"):
        text = loader_script(kind, Path("x/m'\"{}.onnx"), about, False)
        compile(text, "x.py", "exec")
        assert MARK in text
        assert "cvtui" not in text.replace(MARK, "").replace("cvtui.json", "")
        assert len(text.splitlines()) <= 22


@pytest.mark.long
@pytest.mark.parametrize(
    ("kind", "with_preprocess"),
    [*((kind, inside) for kind in ("onnx", "pt2", "torchscript") for inside in (False, True)), ("safetensors", False)],
)
def test_in_a_venv_without_cvtui(trained: RunFolder, tmp_path: Path, kind: str, with_preprocess: bool) -> None:
    """The file beside the model, run by a Python that has no cvtui, says what PyTorch says of the same files."""
    if kind == "onnx":
        for package in ONNX:
            pytest.importorskip(package)
    more = ["--with-preprocess"] if with_preprocess else []
    done = within("export", str(trained.path), f"--{kind}", "m.x", *more, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", "v"], cwd=tmp_path, check=True)
    site = tmp_path / "v" / sysconfig.get_path("purelib", vars={"base": "", "platbase": ""}).lstrip("/")
    for folder in {Path(str(module.__file__)).parent.parent for module in (torch, np, PIL)}:
        for found in folder.iterdir():  # the libraries that are installed here, but for cvtui
            if "cvtui" not in found.name and found.suffix != ".pth" and not (site / found.name).exists():
                (site / found.name).symlink_to(found)
    (site / "more.pth").write_text("\n".join(filter(None, os.environ.get("PYTHONPATH", "").split(":"))))
    python = str(tmp_path / "v" / "bin" / "python")
    environment = {"PATH": os.environ["PATH"], "OMP_NUM_THREADS": "1"}
    gone = subprocess.run(
        [python, "-c", "import cvtui"], cwd=tmp_path, env=environment, capture_output=True, check=False
    )
    assert gone.returncode == 1
    made = load_trained(trained)
    pictures = [
        Path(trained.path.parent.parent, "pictures", "brick", "03.png"),
        Path(trained.path.parent.parent, "pictures", "gravel|fine", "05.png"),
    ]
    Image.fromarray(np.full((30, 20, 4), (200, 10, 10, 128), np.uint8), "RGBA").save(tmp_path / "half.png")
    Image.fromarray(np.arange(120, dtype=np.uint8).reshape(10, 12)).save(tmp_path / "grey.jpg")
    pictures += [tmp_path / "half.png", tmp_path / "grey.jpg"]
    ran = subprocess.run(
        [python, f"m_{kind}.py", *map(str, pictures)], cwd=tmp_path, env=environment, capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stderr
    for line, path in zip(ran.stdout.splitlines(), pictures, strict=True):
        pixels = torch.from_numpy(decode(str(path), (7, 9)).copy())[None]
        wanted = made.model(made.preprocess(pixels)).softmax(1)[0]
        shown, *said = line.split("\t")
        assert shown == str(path)
        for entry in said:
            label, share = entry.rsplit(" ", 1)
            assert float(share) == pytest.approx(float(wanted[made.metadata.classes.index(label)]), abs=1e-4)
