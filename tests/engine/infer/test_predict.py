"""A trained model predicts files as it was validated: bit for bit, from a run, a checkpoint or an exported file."""

from __future__ import annotations

import csv
import io
import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from cvtui.engine.data.loading import load
from cvtui.engine.infer.files import AHEAD, MOST_AHEAD, FileReader, grey
from cvtui.engine.infer.opened import open_model
from cvtui.engine.infer.predict import answers
from cvtui.engine.infer.trained import TrainedModel
from cvtui.engine.train import checkpoint
from cvtui.engine.train.export_weights import write_safetensors
from cvtui.errors import RequestError
from cvtui.recipe.recipe import Recipe
from cvtui.runlog.folder import RunFolder
from cvtui.runlog.predictions import Ask, Predicted, Unread
from tests.cli.running import cvtui, within
from tests.engine.infer.making import halves, seen_by_run, trained

pytestmark = pytest.mark.torch


def logits_of(model: TrainedModel, paths: list[str]) -> Tensor:
    batches = FileReader(model).batches(paths, model.batch_size)
    return torch.cat([model.logits(batch.pixels) for batch in batches if batch.pixels is not None])


def test_logits_are_those_of_the_run_s_own_evaluation(run: RunFolder) -> None:
    for name in ("", "last"):
        logits, names, _ = seen_by_run(run, name)
        model = open_model(run.path, name)
        assert model.ema
        assert model.batch_size == checkpoint.load(run.checkpoints / model.checkpoint)["validation_batch"]
        assert torch.equal(logits_of(model, names), logits)


@pytest.mark.parametrize(
    ("bits", "fields"),
    [(8, {"preprocess": "zca", "size": "6x8"}), (16, {"preprocess": "per-image"}), (16, {"precision": "bfloat16"}),
     (16, {"bits": 16, "preprocess": "scale"}), (8, {"net": "conv4-ln-relu-gap-fc", "preprocess": "centre"})],
)  # fmt: skip
def test_with_any_preprocessing_and_more_than_8_bits(tmp_path: Path, bits: int, fields: dict[str, Any]) -> None:
    data = f"folder:{halves(tmp_path / 'pictures', bits, count=6)}"
    run = trained(tmp_path, data=data, **{"epochs": 1, "net": "conv4s2-bn-relu-fc", **fields})
    logits, names, _ = seen_by_run(run)
    assert torch.equal(logits_of(open_model(run.path), names), logits)
    write_safetensors(run, tmp_path / "model.safetensors")  # it knows the scale of files with more than 8 bits too
    assert torch.equal(logits_of(open_model(tmp_path / "model.safetensors"), names), logits)


def test_grey_pictures_of_a_net_with_one_channel(tmp_path: Path) -> None:
    run = trained(tmp_path, data="digits", size="", epochs=1, limit=200)
    part = load(Recipe(data="digits")).validation
    paths = []
    for number in range(64):
        paths.append(str(tmp_path / f"{number}.png"))
        Image.fromarray(part.part(number, number + 1).pixels[0, :, :, 0].numpy()).save(paths[-1])
    logits, _, _ = seen_by_run(run)
    model = open_model(run.path)
    pixels = next(iter(FileReader(model).batches(paths, 64))).pixels
    assert pixels is not None
    assert torch.equal(pixels, part.part(0, 64).pixels)
    assert torch.allclose(model.logits(pixels), logits[:64])  # another batch size may be other bits


def test_grey_is_pillow_s_own() -> None:
    colour = np.random.default_rng(0).integers(0, 256, (40, 40, 3), dtype=np.uint8)
    assert np.array_equal(grey(colour)[..., 0], np.asarray(Image.fromarray(colour).convert("L")))


def test_a_checkpoint_of_before_says_neither_white_nor_depth(run: RunFolder, tmp_path: Path) -> None:
    logits, names, _ = seen_by_run(run)
    old = tmp_path / "old"
    shutil.copytree(run.path, old)
    state = checkpoint.load(run.checkpoints / "best.pt")
    for name in ("unit", "depth", "checksum", "format", "validation_batch"):
        del state[name]
    checkpoint.save(state, old / "checkpoints" / "best.pt")
    assert torch.equal(logits_of(open_model(old), names), logits)
    assert torch.equal(logits_of(open_model(old / "checkpoints" / "best.pt"), names), logits)
    assert torch.equal(logits_of(open_model(run.path, str(old / "checkpoints" / "best.pt")), names), logits)


def test_from_safetensors(run: RunFolder, tmp_path: Path) -> None:
    logits, names, _ = seen_by_run(run)
    file = tmp_path / "model.safetensors"
    write_safetensors(run, file)
    assert torch.equal(logits_of(open_model(file), names), logits)
    with pytest.raises(RequestError, match="holds one model"):
        open_model(file, "last")
    file.write_bytes(file.read_bytes()[:-5])
    with pytest.raises(RequestError, match="no whole safetensors file"):
        open_model(file)
    from safetensors.torch import save_file

    save_file({"weight": torch.zeros(2)}, file)
    with pytest.raises(RequestError, match=r"was not written by cvtui.*"):
        open_model(file)


def test_what_can_t_be_read_is_named_in_its_place(run: RunFolder, tmp_path: Path) -> None:
    good = str(next((Path(run.path).parents[1] / "pictures/val").rglob("*.png")))
    text, pipe, link = tmp_path / "no.png", tmp_path / "pipe.png", tmp_path / "link.png"
    text.write_text("no picture")
    os.mkfifo(pipe)
    link.symlink_to(tmp_path / "gone.png")
    paths = [str(text), good, str(pipe), str(tmp_path), str(link), str(tmp_path / "none.png"), good]
    for one_by_one in (False, True):
        ask = Ask(model=str(run.path), top=2, one_by_one=one_by_one)
        told = list(answers(open_model(run.path), ask, iter(paths)))
        assert [one.number for one in told] == list(range(7))
        assert [one.image for one in told] == paths
        why = [one.why if isinstance(one, Unread) else "" for one in told]
        assert why[0].startswith("it can't be decoded")
        assert why[2:6] == [
            "it is not a regular file",
            "it is a folder",
            "it is a link to nowhere",
            "it does not exist",
        ]
        first = told[1]
        assert isinstance(first, Predicted)
        assert len(first.top) == 2
        assert first.top[0][1] is not None
        assert told[6] == Predicted(image=good, number=6, top=first.top)


def test_no_more_than_some_images_are_under_way(run: RunFolder) -> None:
    good = str(next((Path(run.path).parents[1] / "pictures/val").rglob("*.png")))
    asked = 0

    def paths() -> Iterator[str]:
        nonlocal asked
        for _ in range(10_000):
            asked += 1
            yield good

    size = 64
    batches = FileReader(open_model(run.path)).batches(paths(), size)
    next(batches)
    assert asked <= size + min(AHEAD * size, MOST_AHEAD)


def test_points_and_other_channels_are_refused(tmp_path: Path) -> None:
    run = trained(tmp_path, data="spiral", size="", net="fc8-relu-fc", epochs=1)
    with pytest.raises(RequestError, match="points of 2 features"):
        FileReader(open_model(run.path))


@pytest.mark.usefixtures("forks")
def test_the_command_line(run: RunFolder, tmp_path: Path) -> None:
    """A real process: a folder, a pattern, names on stdin, a file that can't be read."""
    pictures = Path(run.path).parents[1] / "pictures"
    bad = tmp_path / "bad.png"
    bad.write_text("no")
    words = ("predict", str(run.path), str(pictures / "val"), str(pictures / "test/sand/day/*.png"), str(bad))
    done = cvtui(*words, "--json", "--top", "2", cwd=tmp_path)
    assert done.returncode == 1
    assert "bad.png: it can't be decoded" in done.stderr
    assert "1 of 45 images could not be read" in done.stderr
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(lines) == 36 + 8
    logits, names, accuracy = seen_by_run(run)
    by_name = {line["image"]: line for line in lines}
    shares = logits.double().softmax(1)
    assert np.mean([Path(name).parts[-3] == by_name[name]["class"] for name in names]) == accuracy
    for name, row in zip(names, shares, strict=True):
        assert by_name[name]["probability"] == pytest.approx(float(row.max()), rel=1e-5)
        assert len(by_name[name]["top"]) == 2


def test_the_command_line_refuses_in_one_line(run: RunFolder, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "note.txt").write_text("no run")
    (tmp_path / "m.pt2").write_bytes(b"PK")
    where = str(run.path)
    for words, message in (
        ((where, "x.png", "--checkpoint", "nix"), "has best.pt"),
        ((where, "x.png", "--csv", "--json"), "exclude each other"),
        ((where, "empty"), "holds no images"),
        ((where, "*.jpg"), "no file matches"),
        ((where, "-"), "no image was named on stdin"),
        (("note.txt", "x.png"), "neither a run nor an exported file"),
        (("gone.onnx", "x.png"), "does not exist"),
        (("m.pt2", "x.png"), "python m_pt2.py IMAGE…"),
        ((where, "x.png", "--device", "tpu"), "device"),
    ):
        done = within("predict", *words, cwd=tmp_path)
        assert done.returncode == 2, words
        assert message in done.stderr
        assert len(done.stderr.splitlines()) == 1


@pytest.mark.filterwarnings("ignore:`torch.jit")
def test_torchscript_is_no_damaged_checkpoint(run: RunFolder, tmp_path: Path) -> None:
    path = tmp_path / "m.pt"
    torch.jit.save(torch.jit.trace(torch.nn.Linear(2, 2), torch.zeros(1, 2)), str(path))
    with pytest.raises(RequestError, match="is TorchScript") as refused:
        open_model(path)
    assert "python m_torchscript.py" in refused.value.hint
    with pytest.raises(RequestError, match="is TorchScript"):
        open_model(run.path, str(path))
    path.write_bytes(b"PK\x03\x04")
    with pytest.raises(RequestError, match="is damaged"):
        open_model(path)


def test_csv_has_a_column_for_each_of_the_top() -> None:
    from cvtui.cli.commands.predict import _Csv
    from cvtui.runlog.predictions import Loaded

    out = io.StringIO()
    import contextlib

    with contextlib.redirect_stdout(out):
        printer = _Csv(5)
        printer.take(Loaded(checkpoint="best.pt", classes=["a", "b"], size=[8, 8, 3]))
        printer.take(Predicted(image="x,1.png", number=0, top=[("a", 0.75), ("b", None)]))
    rows = list(csv.reader(io.StringIO(out.getvalue())))
    assert rows == [["image", "class", "probability", "class_2", "probability_2"], ["x,1.png", "a", "0.75", "b", ""]]
