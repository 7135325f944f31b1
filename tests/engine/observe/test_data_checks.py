"""The data checks name the images that they find: copies in both parts, wrong labels, values that are not finite."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from cvtui.doctor import Doctor
from cvtui.engine.data.images import Images, Split
from cvtui.engine.data.loading import load
from cvtui.engine.data.names import NamePair, Names
from cvtui.engine.data.streaming import Streamed
from cvtui.engine.observe.data_checks import Named, data_facts
from cvtui.engine.observe.live_doctor import DataScan
from cvtui.recipe.recipe import Recipe
from cvtui.runlog.events import Facts


def halves(root: Path, each: int = 60) -> Path:
    """Three classes of noisy greys with a split of their own, a tenth of the training labels wrong, two copies."""
    random = np.random.default_rng(1)
    for part, count in (("train", each), ("val", 20)):
        for label, name in enumerate("abc"):
            (root / part / name).mkdir(parents=True)
            for number in range(count):
                values = np.clip(40 + 80 * label + random.normal(0, 8, (8, 8, 3)), 0, 255).astype(np.uint8)
                Image.fromarray(values).save(root / part / name / f"{name}{number:02d}.png")
    for number in range(12):
        (root / "train" / "a" / f"a{number:02d}.png").rename(root / "train" / "c" / f"wrong{number:02d}.png")
    for number in (20, 30):
        shutil.copy(root / "train" / "b" / f"b{number}.png", root / "val" / "b" / f"again{number}.png")
    return root


def scanned(split: Split) -> Facts:
    found = DataScan(split, len(split.classes)).close()
    assert found is not None
    return found


def told(facts: Facts) -> dict[str, tuple[str, ...]]:
    doctor = Doctor()
    doctor.take(facts)
    doctor.update()
    return {one.id: one.files for one in doctor.all}


@pytest.mark.parametrize("streams", [False, True])
def test_copies_and_wrong_labels_are_named(streams: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = halves(tmp_path / f"set{streams}")
    if streams:
        monkeypatch.setattr("cvtui.engine.data.image_folder.MEMORY_SHARE", 0.0)
    split = load(Recipe(data=f"folder:{root}", size="8"))
    assert isinstance(split.train, Streamed if streams else Images)
    facts = scanned(split)
    names = [tuple(pair) for pair in facts.overlap_names]
    assert sorted(names) == [
        (str(root / "train" / "b" / f"b{number}.png"), str(root / "val" / "b" / f"again{number}.png"))
        for number in (20, 30)
    ]
    assert [split.names.train[one] for one, _ in facts.overlap_pairs] == [one for one, _ in names]
    wrong = {str(path) for path in (root / "train" / "c").glob("wrong*")}
    assert {name for name, _, _ in facts.doubtful[: len(wrong)]} == wrong, "those that most neighbours deny come first"
    assert {tuple(words) for _, *words in facts.doubtful[: len(wrong)]} == {("c", "a")}
    files = told(facts)
    assert set(files["F20"]) == {" = ".join(pair) for pair in names}
    assert all("(c; its neighbours: a)" in file for file in files.get("F14", ())[:12])


def test_values_that_are_not_finite_are_named() -> None:
    pixels = torch.rand(80, 4, 4, 1)
    pixels[[3, 41], 0, 0, 0] = torch.tensor([float("nan"), float("inf")])
    labels = torch.arange(80) % 2
    names = Names([f"scan{number}.dcm" for number in range(80)], range(80))
    chosen = names.chosen(torch.arange(79, -1, -1))
    named = Named(NamePair(chosen, names), ("a", "b"))
    facts = data_facts(Images(pixels.flip(0), labels), Images(pixels, labels), named=named)
    assert facts is not None
    assert facts.bad_items == [38, 76]
    assert facts.bad_names == ["scan41.dcm", "scan3.dcm"]
    assert told(facts)["F28"] == ("scan41.dcm", "scan3.dcm")


def test_images_without_files_are_named_by_their_numbers() -> None:
    facts = scanned(load(Recipe(only="3,8")))
    whole = load(Recipe())
    for name, label, said in facts.doubtful:
        assert {label, said} == {"3", "8"}
        assert whole.train.labels[int(name.removeprefix("train "))] == int(label)
