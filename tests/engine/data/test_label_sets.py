"""Pictures in several classes, from the file to the metrics; numbers against PyTorch and worked by hand."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch.nn import functional

from cvtui.cli.commands.data import _contents
from cvtui.engine.observe.accuracy import exact, mean_average_precision, right
from cvtui.engine.train.control import Signals
from cvtui.engine.train.evaluate import evaluate
from cvtui.engine.train.graph import why_not
from cvtui.engine.train.step import training_step
from cvtui.engine.worker import train_folder
from cvtui.errors import RequestError
from cvtui.recipe.datasets.facts import facts
from cvtui.recipe.recipe import Recipe
from cvtui.recipe.validation import check
from tests.engine.making import folder, history, training
from tests.engine.optim.test_ema import StopsAfter
from tests.engine.train.test_resume import assert_equal_runs

CLASSES = ("left", "right", "top")


def marks(number: int) -> list[int]:
    return [number & 1, number >> 1 & 1, number >> 2 & 1]


def picture(number: int) -> np.ndarray:
    """Bright where a class says so, so that each class can be told; 0 is in no class."""
    pixels = np.random.default_rng(number).integers(0, 60, (8, 8), np.uint8)
    left, across, top = marks(number)
    pixels[:, :3] += np.uint8(90 * left)
    pixels[:, 5:] += np.uint8(90 * across)
    pixels[:3] += np.uint8(90 * top)
    return pixels


@pytest.fixture
def chest(tmp_path: Path) -> Path:
    """MedMNIST's chestmnist layout: labels (N, C)."""
    found: dict[str, Any] = {}
    for part, numbers in (("train", range(96)), ("val", range(100, 140)), ("test", range(8))):
        found[f"{part}_images"] = np.stack([picture(number) for number in numbers])
        found[f"{part}_labels"] = np.array([marks(number) for number in numbers], np.uint8)
    np.savez(tmp_path / "chest.npz", **found)
    return tmp_path / "chest.npz"


def fields(path: Path, **changes: Any) -> dict[str, Any]:
    return {"data": f"npz:{path}", "loss": "bce", "net": "fc16-relu-fc", "batch_size": 16, "size": "8", **changes}


def test_an_npz_of_chestmnists_layout_is_trained(chest: Path) -> None:
    t = training(**fields(chest))
    assert t.checked.data.classes == ("0", "1", "2")
    assert t.checked.data.train_counts == (48, 48, 48)
    assert t.truth(t.data.train.labels).tolist() == [marks(number) for number in range(96)]
    batch = next(t.batches(1))
    truth = t.truth(batch.labels)
    logits = t.model(t.preprocess(batch.pixels))
    expected = functional.binary_cross_entropy_with_logits(logits, truth)
    loss, said = training_step(t, batch)
    assert loss.item() == expected.item()
    assert torch.equal(right(said, t.counted(batch.labels)), ((logits > 0) == truth.bool()).float().mean(1))
    assert why_not(t).startswith("pictures in several classes")


def test_evaluation_says_accuracy_exact_matches_and_map(chest: Path) -> None:
    t = training(**fields(chest))
    truth = torch.tensor([marks(number) for number in range(100, 140)])
    t.model.eval()
    with torch.no_grad():
        logits = torch.cat([t.model(t.preprocess(some.pixels)) for some in t.data.validation.in_order(40)])
    found = evaluate(t, lambda: None)
    assert found.accuracy == pytest.approx(((logits > 0) == truth.bool()).double().mean().item())
    assert found.loss == pytest.approx(functional.binary_cross_entropy_with_logits(logits, truth.float()).item())
    assert found.confusion == []
    both = ((logits > 0) == truth.bool()).all(1).double().mean()
    assert f"all of an image in {both:.2%}; mean average precision (mAP) " in found.words


def test_average_precision_is_the_worked_one() -> None:
    """scikit-learn's example (0, 0, 1, 1 at 0.1, 0.4, 0.35, 0.8) is 0.8333; equal scores are one threshold."""
    scores = torch.tensor([[0.1, 0.5, 0.2], [0.4, 0.5, 0.1], [0.35, 0.5, 0.3], [0.8, 0.1, 0.9]])
    truth = torch.tensor([[0, 1, 0], [0, 0, 0], [1, 0, 0], [1, 1, 0]])
    assert mean_average_precision(scores[:, :1], truth[:, :1]) == pytest.approx(5 / 6)
    assert mean_average_precision(scores[:, 1:2], truth[:, 1:2]) == pytest.approx(0.5 * 1 / 3 + 0.5 * 2 / 4)
    assert mean_average_precision(scores, truth) == pytest.approx((5 / 6 + 5 / 12) / 2)
    assert mean_average_precision(scores[:, 2:], truth[:, 2:]) is None
    assert exact(torch.tensor([[1.0, -1.0], [1.0, 1.0]]), torch.tensor([[1, 0], [1, 0]])) == 0.5


@pytest.mark.parametrize("changes", [{}, {"mix": "mixup", "augment": "shift(1)"}], ids=["plain", "mixed"])
def test_a_run_learns_resumes_and_is_left_in_peace(chest: Path, tmp_path: Path, changes: dict[str, Any]) -> None:
    asked = fields(chest, epochs=15, lr=0.03, weight_decay=0.0, **changes)
    whole, stopped = folder(tmp_path, "whole", **asked), folder(tmp_path, "stopped", **asked)
    assert train_folder(whole.path, Signals()) == 0
    assert train_folder(stopped.path, StopsAfter(9)) == 143
    assert train_folder(stopped.path, Signals(), resume=True) == 0
    assert_equal_runs(whole, stopped)
    found = history(whole)
    assert max(epoch.val_accuracy or 0 for epoch in found.epochs) > 0.9
    assert found.epochs[-1].confusion == []
    assert sum("mean average precision (mAP)" in log.text for log in found.logs) == 15
    assert [one.id for one in found.findings if one.severity != "note"] == []
    assert any("confusion matrix, feature maps and the pictures of mistakes" in log.text for log in found.logs)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"loss": "cross-entropy"}, "loss: pictures of .* are in several classes .*cross-entropy takes one"),
        ({"balance": "weights"}, "balance: is for one class a picture"),
        ({"imbalance": 0.5}, "imbalance: is for one class a picture"),
        ({"label_noise": 0.5}, "label_noise: is for one class a picture"),
        ({"only": "0,1"}, "only: is for one class a picture"),
    ],
)
def test_what_needs_one_class_a_picture_is_refused(chest: Path, changes: dict[str, Any], words: str) -> None:
    with pytest.raises(RequestError, match=words):
        check(Recipe(**fields(chest, **changes)))


def test_the_data_command_counts_images_in_each_class(chest: Path) -> None:
    found = _contents(Recipe(**fields(chest)), 3)
    assert found["train_counts"] == (48, 48, 48)
    assert found["validation_counts"] == (20, 20, 20)


def test_a_limit_takes_some_of_all(chest: Path) -> None:
    t = training(**fields(chest, limit=30))
    assert t.data.train.size == t.checked.data.train == 30


def written(base: Path, count: int = 48) -> list[str]:
    names = [f"{number:02}.png" for number in range(count)]
    for number, name in enumerate(names):
        Image.fromarray(picture(number)).save(base / name)
    return names


def test_a_table_says_several_classes_by_columns_or_in_one_cell(tmp_path: Path) -> None:
    names = written(tmp_path)
    rows = [",".join([name, *map(str, marks(number))]) for number, name in enumerate(names)]
    (tmp_path / "columns.csv").write_text("\n".join(["file,left,right,top", *rows]))
    words = [" ;".join(one for one, there in zip(CLASSES, marks(number), strict=True) if there) for number in range(48)]
    cells = [f"{name},{word}" for name, word in zip(names, words, strict=True)]
    (tmp_path / "cells.csv").write_text("\n".join(["file,label", *cells]))
    for table, images in (("columns.csv", 48), ("cells.csv", 42)):  # an empty cell is no label, as ever
        t = training(**fields(tmp_path / table, data=f"csv:{tmp_path / table}"))
        assert t.checked.data.classes == CLASSES
        assert t.data.train.size + t.data.validation.size == images
        for part, named in zip(t.data[:2], t.data.names, strict=True):
            for name, truth in zip(named, t.truth(part.labels).tolist(), strict=True):
                assert truth == marks(int(Path(name).stem))
        assert "with several classes or none" in " ".join(t.data.notes)
    assert all(
        1 <= count < 24 for count in facts(Recipe(**fields(tmp_path, data=f"csv:{tmp_path / 'cells.csv'}"))).held_out()
    )


def test_a_folder_says_it_by_links_to_the_same_file(tmp_path: Path) -> None:
    pool, base = tmp_path / "pool", tmp_path / "classes"
    pool.mkdir()
    names = written(pool)
    for number, name in enumerate(names):
        for one, there in zip(CLASSES, marks(number), strict=True):
            if there:
                (base / one).mkdir(parents=True, exist_ok=True)
                (os.link if number % 2 else os.symlink)(pool / name, base / one / name)
    t = training(**fields(base, data=f"folder:{base}"))
    assert t.checked.data.classes == CLASSES
    assert t.data.train.size + t.data.validation.size == 42
    for part, named in zip(t.data[:2], t.data.names, strict=True):
        for name, truth in zip(named, t.truth(part.labels).tolist(), strict=True):
            assert truth == marks(int(Path(name).stem))
    plain = training(**fields(base, data=f"folder:{base}", loss="cross-entropy"))
    assert plain.label_table is None
    assert plain.data.train.size + plain.data.validation.size == 72  # one picture, several times
