"""csv, npz, parquet and tar files: each picture with its own label and name, also streamed, and resumed elsewhere."""

from __future__ import annotations

import os
import shutil
from importlib.util import find_spec
from pathlib import Path

import msgspec
import numpy as np
import pytest

from cvtui.cli.commands.data import data as data_command
from cvtui.engine.data.images import Images, Split
from cvtui.engine.data.loading import load
from cvtui.engine.data.streaming import Streamed
from cvtui.errors import RequestError
from cvtui.recipe.datasets.facts import facts
from cvtui.recipe.recipe import Recipe
from cvtui.recipe.toml import dumps
from cvtui.recipe.toml import load as load_recipe
from cvtui.recipe.validation import check
from cvtui.runlog.origin import recipe_of
from tests.engine.data.held_pictures import CLASSES, MAKERS, pictures
from tests.engine.making import folder as run_folder
from tests.engine.making import history, pixels_of, train

needs_pyarrow = pytest.mark.skipif(find_spec("pyarrow") is None, reason="pyarrow is not installed")
KINDS = [pytest.param(kind, marks=[needs_pyarrow] if kind == "parquet" else []) for kind in MAKERS]


def key_of(name: str, kind: str) -> str:
    """Return the key of held_pictures.py that a name means."""
    if kind == "npz":
        return pictures()[int(name.rpartition("[")[2].rstrip("]"))].key
    if kind == "parquet":
        return pictures()[int(name.rpartition(" row ")[2])].key
    return Path(name.rpartition(":")[2]).stem


def right(split: Split, kind: str) -> None:
    known = {one.key: one for one in pictures()}
    seen: list[str] = []
    for part, names in zip((split.train, split.validation), split.names, strict=True):
        for pixels, label, name in zip(part.part(0, part.size).pixels, part.labels.tolist(), names, strict=True):
            one = known[key_of(name, kind)]
            assert (pixels == one.grey).all(), name
            assert split.classes[label] in (CLASSES[one.label], str(one.label)), name
            seen.append(one.key)
        assert names.files == (kind == "csv")
    assert len(seen) == len(set(seen))


@pytest.mark.parametrize("kind", KINDS)
def test_every_picture_has_its_own_label_and_name(kind: str, tmp_path: Path) -> None:
    text = MAKERS[kind](tmp_path)
    whole = load(Recipe(data=text, size="4"))
    told = facts(Recipe(data=text, size="4", seed=5))
    assert (whole.train.size, whole.validation.size) == (told.train, told.validation) == (24, 6)
    assert (told.size, told.classes) == ((4, 4, 3), whole.classes)
    assert whole.train.labels.bincount().tolist() == list(told.counts()) == [8, 8, 8]
    right(whole, kind)
    right(load(Recipe(data=text, size="4", only="2,0", limit=9, seed=3)), kind)
    other = load(Recipe(data=text, size="4", seed=4))
    assert set(other.names.validation) != set(whole.names.validation), "which ones follows from the seed"
    assert pixels_of(load(Recipe(data=text, size="6x8")).train).shape[1:] == (6, 8, 3)


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind.values[0] != "npz"])
def test_streamed_pictures_are_the_same(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = MAKERS[kind](tmp_path)
    held = load(Recipe(data=text, size="4", seed=31))
    monkeypatch.setattr("cvtui.engine.data.image_folder.MEMORY_SHARE", 0.0)
    shutil.copytree(tmp_path, tmp_path / "again")
    streamed = load(Recipe(data=text.replace(str(tmp_path), str(tmp_path / "again")), size="4", seed=31))
    assert isinstance(streamed.train, Streamed)
    assert isinstance(held.train, Images)
    assert (streamed.train.part(0, 24).pixels == held.train.pixels).all()
    right(streamed, kind)


@pytest.mark.parametrize("kind", KINDS)
def test_a_run_trains_and_resumes_from_elsewhere(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A relative path is found again from another folder; other labels in the file are noticed."""
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    text = MAKERS[kind](Path("set")).replace(str(tmp_path / "here") + os.sep, "")
    run = run_folder(tmp_path, epochs=1, data=text, size="4", batch_size=8)
    assert train(run)[0] == 0
    record = history(run).run
    assert record is not None
    assert record.data["file"].startswith(str(tmp_path / "here"))
    assert recipe_of(run, "forked").data == text, "from the same folder nothing of a fork differs in its data"
    monkeypatch.chdir(tmp_path)
    again = recipe_of(run, "resumed")
    assert str(tmp_path / "here") in again.data
    run.recipe.write_text(dumps(msgspec.structs.replace(load_recipe(run.recipe), epochs=2)))
    assert train(run, resume=True)[0] == 0
    told = [log.text for log in history(run).logs]
    assert "resumed at step 3" in told
    assert not [text for text in told if "not the same files" in text]
    swapped = [one._replace(label=(one.label + 1) % 3) if one.label < 2 and one.grey % 2 else one for one in pictures()]
    shutil.rmtree(tmp_path / "here" / "set")
    monkeypatch.chdir(tmp_path / "here")
    MAKERS[kind](Path("set"), swapped)
    run.recipe.write_text(dumps(msgspec.structs.replace(load_recipe(run.recipe), epochs=3)))
    assert train(run, resume=True)[0] == 0
    assert [text for text in (log.text for log in history(run).logs) if "images to train on" in text]


@pytest.mark.parametrize("kind", KINDS)
def test_cvtui_data_shows_it(kind: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = MAKERS[kind](tmp_path)
    data_command.main([text], standalone_mode=False)
    shown = capsys.readouterr().out
    assert "24 to train on, 6 for validation" in shown
    assert "3 classes" in shown
    means = float(np.mean([one.grey for one in pictures()]))
    mean = float(next(line for line in shown.splitlines() if line.strip().startswith("mean")).split()[1])
    assert mean == pytest.approx(means, rel=0.1)


def test_a_file_that_changes_is_read_again(tmp_path: Path) -> None:
    text = MAKERS["csv"](tmp_path)
    assert load(Recipe(data=text, size="4")).classes == CLASSES
    table = tmp_path / "train.csv"
    table.write_text(table.read_text().replace("cat", "dog"))
    assert load(Recipe(data=text, size="4")).classes == ("ant", "bee", "dog")
    assert check(Recipe(data=text, size="4", net="fc", batch_size=4)).data.classes == ("ant", "bee", "dog")


def test_what_can_t_be_decoded_is_left_out_and_named(tmp_path: Path) -> None:
    text = MAKERS["csv"](tmp_path)
    (tmp_path / "train_images" / "p004.png").write_bytes(b"no picture")
    (tmp_path / "train_images" / "p005.png").unlink()
    split = load(Recipe(data=text, size="4"))
    assert split.train.size + split.validation.size == 28
    assert any("1 of 30 pictures that train.csv names is not there: p005" in note for note in split.notes)
    assert any("left out 1 file that can't be read: train_images/p004.png" in note for note in split.notes)


def test_too_large_a_parquet_file_is_refused_in_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("pyarrow")
    text = MAKERS["parquet"](tmp_path)
    monkeypatch.setattr("cvtui.engine.data.listed.free_memory", lambda: 100)
    with pytest.raises(RequestError, match="more than half of the free memory"):
        load(Recipe(data=text, size="4"))
