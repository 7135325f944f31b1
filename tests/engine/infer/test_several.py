"""After training on pictures in several classes, and with a yes or no for each class where they are in one."""

from __future__ import annotations

import csv
import json
import runpy
import shutil
import sys
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from cvtui.draw.evaluation_text import sections
from cvtui.engine.explain import explained
from cvtui.engine.handover.programs import write_torchscript
from cvtui.engine.handover.trained import load_trained
from cvtui.engine.infer.evaluate import evaluations
from cvtui.engine.infer.files import FileReader
from cvtui.engine.infer.opened import open_model
from cvtui.engine.infer.predict import answers
from cvtui.engine.mistakes import tell_mistakes
from cvtui.engine.train.export_weights import write_safetensors
from cvtui.errors import RequestError
from cvtui.export.evaluation_page import evaluation_html
from cvtui.export.loader_script import write_loader_script
from cvtui.export.model_card import model_card
from cvtui.runlog.evaluation import Comparison, EvaluateAsk, Evaluation
from cvtui.runlog.explanation import Request
from cvtui.runlog.folder import RunFolder
from cvtui.runlog.predictions import Ask, Predicted
from tests.engine.infer.making import seen_by_run, trained
from tests.engine.making import history

pytestmark = pytest.mark.torch
CLASSES = ["left", "right", "top"]
FIELDS: dict[str, Any] = {"loss": "bce", "net": "conv4s2-relu-fc", "epochs": 3, "lr": 0.02, "batch_size": 16}


def table(root: Path, several: bool) -> Path:
    """Write 80 pictures and a table of their classes (of one each, or of any number)."""
    root.mkdir(parents=True)
    random = np.random.default_rng(0)
    rows = [["path", "label"]]
    for number in range(80):
        members = [name for place, name in enumerate(CLASSES) if number >> place & 1] if several else [
            CLASSES[number % 3]
        ]  # fmt: skip
        pixels = random.integers(0, 90, (8, 8, 3), np.uint8)
        pixels[:, :3] += np.uint8(80 * ("left" in members))
        pixels[:, 5:] += np.uint8(80 * ("right" in members))
        pixels[:3] += np.uint8(80 * ("top" in members))
        Image.fromarray(pixels).save(root / f"{number:02}.png")
        if members:
            rows.append([f"{number:02}.png", ";".join(members)])
    with open(root / "labels.csv", "w", newline="") as file:
        csv.writer(file).writerows(rows)
    return root / "labels.csv"


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    base = tmp_path_factory.mktemp("several")
    return trained(base, data=f"csv:{table(base / 'pictures', several=True)}", **FIELDS)


@pytest.fixture(scope="module")
def one_each(tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    base = tmp_path_factory.mktemp("one")
    return trained(base, data=f"csv:{table(base / 'pictures', several=False)}", **FIELDS)


def predicted(path: Path, names: list[str], top: int = 5) -> list[Predicted]:
    found = list(answers(open_model(path), Ask(model=str(path), top=top), iter(names)))
    assert all(isinstance(one, Predicted) for one in found)
    return [one for one in found if isinstance(one, Predicted)]


def evaluated(run: RunFolder, **changes: Any) -> list[Evaluation | Comparison]:
    return list(evaluations(EvaluateAsk(run=str(run.path), **changes), lambda _: None))


@pytest.mark.parametrize("kind", ["run", "safetensors"])
def test_predict_names_the_classes_above_a_half(run: RunFolder, tmp_path: Path, kind: str) -> None:
    logits, names, _ = seen_by_run(run)
    path = run.path
    if kind == "safetensors":
        path = tmp_path / "model.safetensors"
        write_safetensors(run, path)
    shares = logits.double().sigmoid()
    for row, one in zip(shares, predicted(path, names, top=2), strict=True):
        assert one.classes == [name for name, share in zip(CLASSES, row, strict=True) if share > 0.5]
        assert [name for name, _ in one.top] == [CLASSES[place] for place in row.argsort(descending=True)[:2]]
        assert [share for _, share in one.top] == pytest.approx(row.sort(descending=True).values[:2].tolist(), abs=1e-9)


@pytest.mark.parametrize("kind", ["run", "safetensors"])
def test_one_class_an_image_trained_by_bce_has_sigmoids_too(one_each: RunFolder, tmp_path: Path, kind: str) -> None:
    logits, names, _ = seen_by_run(one_each)
    path = one_each.path
    if kind == "safetensors":
        path = tmp_path / "model.safetensors"
        write_safetensors(one_each, path)
    best = logits.double().sigmoid().max(1)
    for share, place, one in zip(best.values.tolist(), best.indices.tolist(), predicted(path, names), strict=True):
        assert one.classes is None
        assert one.top[0][0] == CLASSES[place]
        assert one.top[0][1] == pytest.approx(share, abs=1e-9)


def test_its_evaluation_has_the_loss_of_its_validation(one_each: RunFolder, tmp_path: Path) -> None:
    (found,) = evaluated(one_each)
    assert isinstance(found, Evaluation)
    best = max(history(one_each).epochs, key=lambda epoch: (epoch.val_accuracy or 0, -epoch.epoch))
    assert found.log_loss == pytest.approx(best.val_loss, rel=1e-5)
    assert found.activation == "sigmoid"
    other = RunFolder(Path(shutil.copytree(one_each.path, tmp_path / "other")))  # which keeps its temperature
    (warm,) = evaluated(other, calibrate=True)
    assert isinstance(warm, Evaluation)
    assert warm.calibrated_log_loss is not None
    assert found.log_loss is not None
    assert warm.calibrated_log_loss < found.log_loss


def test_numbers_equal_scikit_learns(run: RunFolder) -> None:
    sk = pytest.importorskip("sklearn.metrics", reason="scikit-learn is not installed")
    logits, names, accuracy = seen_by_run(run)
    (found,) = evaluated(run)
    assert isinstance(found, Evaluation)
    with open(Path(names[0]).parent / "labels.csv") as file:
        labels = {row["path"]: row["label"].split(";") for row in csv.DictReader(file)}
    truth = np.array([[name in labels[Path(path).name] for name in CLASSES] for path in names])
    said, shares = (logits > 0).numpy(), logits.double().sigmoid().numpy()
    same = partial(pytest.approx, abs=1e-9, rel=0)
    assert found.accuracy == same(sk.accuracy_score(truth, said))
    assert found.hamming_loss == same(sk.hamming_loss(truth, said))
    assert accuracy == pytest.approx(1 - sk.hamming_loss(truth, said))
    assert found.micro_f1 == same(sk.f1_score(truth, said, average="micro"))
    for word in ("precision", "recall", "f1"):
        score = getattr(sk, f"{word}_score")
        assert getattr(found, word) == same(score(truth, said, average="macro", zero_division=0))
        wanted = score(truth, said, average=None, zero_division=0)
        assert [getattr(one, word) or 0 for one in found.per_class] == same(wanted)
    assert found.pr_auc == same(sk.average_precision_score(truth, shares, average="macro"))
    assert found.roc_auc == same(sk.roc_auc_score(truth, shares, average="macro"))
    losses = [sk.log_loss(truth[:, place], shares[:, place]) for place in range(3)]
    assert found.log_loss == same(np.mean(losses))


def test_an_evaluation_is_told_kept_and_compared(run: RunFolder) -> None:
    found, other, compared = evaluated(run, other=str(run.path))
    assert isinstance(found, Evaluation)
    assert isinstance(other, Evaluation)
    assert isinstance(compared, Comparison)
    assert compared.both_right == found.right
    assert compared.only_first == compared.only_second == 0
    text = "\n".join(line for part in sections(found) for line in [part.title, *part.lines])
    for words in ("subset accuracy", "Hamming loss", "mAP", "the largest loss first", "closest to 1/2"):
        assert words in text
    assert "top-" not in text
    assert "Confusion" not in text
    assert "subset accuracy" in evaluation_html(run)
    worst = found.worst[0]
    assert worst.truth != worst.said
    for asked in ({"split": "test"}, {"data": "folder:nowhere"}):
        with pytest.raises(RequestError, match="in several classes: evaluated are the run's own"):
            evaluated(run, **asked)
    with pytest.raises(RequestError, match="--calibrate: pictures are in several classes"):
        evaluated(run, calibrate=True)


def test_mistakes_name_all_classes_of_a_picture(run: RunFolder, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    assert tell_mistakes(run.path) == 0
    lines = [json.loads(line) for line in capfdbinary.readouterr().out.splitlines() if b'"mistake"' in line]
    logits, names, _ = seen_by_run(run)
    (found,) = evaluated(run)
    assert isinstance(found, Evaluation)
    assert len(lines) == found.images - found.right
    assert lines == sorted(lines, key=lambda one: (-one["share"], one["number"]))
    by_name = dict(zip(names, logits, strict=True))
    for one in lines:
        said = (
            ", ".join(name for name, value in zip(CLASSES, by_name[one["image"]], strict=True) if value > 0) or "none"
        )
        assert one["said"] == said != one["truth"]
        assert one["share"] > 0.5
    worst = {one.image: one for one in found.worst}
    assert all(one["share"] == pytest.approx(worst[one["image"]].share, abs=1e-6) for one in lines)


@pytest.mark.filterwarnings("ignore:`torch.jit")
def test_the_program_and_its_script(
    run: RunFolder,
    one_each: RunFolder,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for number, (made, several) in enumerate(((run, True), (one_each, False))):
        model = load_trained(made)
        assert (model.metadata.activation, model.metadata.several) == ("sigmoid", several)
        logits, names, _ = seen_by_run(made)
        for with_preprocess in (False, True):
            path = tmp_path / f"{number}{with_preprocess}.pt"
            write_torchscript(model, path, with_preprocess)
            script = write_loader_script("torchscript", path, model.metadata, with_preprocess)
            capsys.readouterr()
            monkeypatch.setattr(sys, "argv", [str(script), *names[:4]])
            runpy.run_path(str(script))
            shares = (logits[:4] / model.metadata.temperature).sigmoid()
            for row, line in zip(shares, capsys.readouterr().out.splitlines(), strict=True):
                order = row.argsort(descending=True).tolist()
                wanted = [f"{CLASSES[place]} {row[place]:.4f}" for place in order if row[place] > 0.5 or not several]
                assert line.split("\t")[1:] == wanted


def test_onnx(run: RunFolder, tmp_path: Path) -> None:
    for name in ("onnx", "onnxruntime", "onnxscript"):
        pytest.importorskip(name, reason="the extra onnx is not installed")
    from cvtui.engine.handover.onnx_file import write_onnx

    logits, names, _ = seen_by_run(run)
    for with_preprocess in (False, True):
        path = tmp_path / f"{with_preprocess}.onnx"
        write_onnx(load_trained(run), path, with_preprocess)
        model = open_model(path)
        (batch,) = FileReader(model).batches(names, len(names))
        assert batch.pixels is not None
        assert torch.allclose(model.logits(batch.pixels).float().sigmoid(), logits.sigmoid(), atol=1e-5)
        assert [one.classes for one in predicted(path, names)] == [one.classes for one in predicted(run.path, names)]


def test_the_card(run: RunFolder) -> None:
    text = model_card(history(run))
    assert "of the yes-or-no answers to validation images right" in text
    assert "mean average precision (mAP)" in text
    assert "an image is in each whose probability is above 1/2" in text
    assert "Every image gets one" not in text


def test_an_explanation_has_the_probability_of_its_class(run: RunFolder) -> None:
    pytest.importorskip("captum", reason="the extra explain is not installed")
    logits, _, _ = seen_by_run(run)
    found = explained(load_trained(run), Request(number=0, method="saliency", target="top"))
    assert found.share == pytest.approx(float(logits[0, 2].double().sigmoid()), abs=1e-6)
    assert found.said == (", ".join(name for name, one in zip(CLASSES, logits[0], strict=True) if one > 0) or "none")
