"""Kinds of files and classes that folders have: decoded as Pillow does; a class that one half lacks, through a run."""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image, features

from cvtui.engine.data import image_folder
from cvtui.engine.data.image_folder import read
from cvtui.engine.data.loading import load
from cvtui.errors import RequestError
from cvtui.recipe.datasets.facts import facts
from cvtui.recipe.datasets.image_files import PLUGINS, SUFFIXES
from cvtui.recipe.datasets.image_folder import _known
from cvtui.recipe.recipe import Recipe
from tests.cli.running import within
from tests.engine.making import folder, history, pixels_of, train
from tests.engine.stopping import edit

FORMATS = {".jfif": "JPEG", ".jpe": "JPEG", ".jpx": "JPEG2000", ".hif": "HEIF"}
MODES = {".pgm": "L", ".pbm": "1", ".gif": "P"}
SET = {"size": "8", "net": "conv4s2-relu-fc", "batch_size": 6, "epochs": 1}


@pytest.fixture(autouse=True)
def fresh() -> Iterator[None]:
    _known.clear()
    image_folder._read.cache_clear()
    yield
    _known.clear()
    image_folder._read.cache_clear()


def add(root: Path, *names: str, count: int = 4, suffix: str = ".png") -> Path:
    """Write classes of one colour each, with a little noise."""
    for number, name in enumerate(names):
        (root / name).mkdir(parents=True, exist_ok=True)
        for image in range(count):
            pixels = np.random.default_rng(image).integers(0, 60, (8, 8, 3)).astype(np.uint8)
            pixels[..., number % 3] += 120
            Image.fromarray(pixels).convert(MODES.get(suffix, "RGB")).save(
                root / name / f"{image}{suffix}", FORMATS.get(suffix)
            )
    return root


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_what_pillow_reads_is_read_as_pillow_reads_it(tmp_path: Path, suffix: str) -> None:
    if (suffix == ".avif" and not features.check("avif")) or (suffix[:3] == ".j2" and not features.check("jpg_2000")):
        pytest.skip("this Pillow can't write it")
    add(tmp_path, "a", "b", suffix=suffix)
    for path in (tmp_path / "a").iterdir():
        path.rename(path.with_suffix(suffix.upper()))
    split = read(Recipe(data=f"folder:{tmp_path}", size="8", val_share=0.25))
    assert (split.train.size, split.validation.size, split.notes) == (6, 2, ())
    for pixels, file in zip(pixels_of(split.train), split.files[0], strict=True):
        with Image.open(file) as image:
            assert np.array_equal(pixels.numpy(), np.asarray(image.convert("RGB")))


@pytest.mark.parametrize(("suffix", "module"), [(suffix, module) for suffix, (module, _) in PLUGINS.items()])
def test_what_a_plugin_reads_is_read_where_it_is_installed(tmp_path: Path, suffix: str, module: str) -> None:
    plugin = pytest.importorskip(module)
    getattr(plugin, "register_heif_opener", lambda: None)()
    add(tmp_path, "a", "b", suffix=suffix)
    split = read(Recipe(data=f"folder:{tmp_path}", size="8", val_share=0.25))
    assert (split.train.size, split.validation.size, split.notes) == (6, 2, ())
    assert pixels_of(split.train)[0].double().mean((0, 1)).argmax() == 0


@pytest.mark.parametrize("suffix", [".gif", ".tif"])
def test_of_several_frames_the_first_is_taken(tmp_path: Path, suffix: str) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        frames = [Image.new("RGB", (8, 8), colour) for colour in ((255, 0, 0), (0, 255, 0), (0, 0, 255))]
        for number in range(2):
            frames[0].save(tmp_path / name / f"{number}{suffix}", save_all=True, append_images=frames[1:])
    split = read(Recipe(data=f"folder:{tmp_path}", size="8", val_share=0.5))
    assert pixels_of(split.train).reshape(-1, 3).unique(dim=0).tolist() == [[255, 0, 0]]


def test_what_is_behind_links_is_read(tmp_path: Path) -> None:
    add(tmp_path / "store", "a", "b")
    root = tmp_path / "set"
    root.mkdir()
    for name in ("a", "b"):
        (root / name).symlink_to(tmp_path / "store" / name)
    linked, real = (
        read(Recipe(data=f"folder:{path}", size="8", val_share=0.25)) for path in (root, tmp_path / "store")
    )
    assert torch.equal(pixels_of(linked.train), pixels_of(real.train))


def test_facts_engine_and_fingerprint_know_the_same_files(tmp_path: Path) -> None:
    add(tmp_path, "train/a", "train/b", "train/c", "Val/b", "Val/C", "Val/@eaDir")
    (tmp_path / "train" / "b" / "more").symlink_to(tmp_path / "train" / "c")
    recipe = Recipe(data=f"folder:{tmp_path}", size="8")
    told, split = facts(recipe), load(recipe)
    assert told.classes == split.classes == ("a", "b", "c")
    for counts, part, files in zip(
        (told.counts(), told.held_out()), (split.train, split.validation), split.files, strict=True
    ):
        assert part.labels.bincount(minlength=3).tolist() == list(counts)
        assert len(files) == part.size
    assert told.notes == split.notes
    assert told.held_out() == (0, 4, 4)


def test_a_class_of_which_nothing_can_be_read_is_named_with_the_reason(tmp_path: Path) -> None:
    add(tmp_path, "train/a", "train/b", "val/a", "val/b")
    for half, count in (("val", 4), ("train", 4)):
        for path in (tmp_path / half / "b").iterdir():
            path.write_text("no image")
        with pytest.raises(RequestError) as caught:
            read(Recipe(data=f"folder:{tmp_path}", size="8", val_share=0.2))
        assert caught.value.message.endswith(
            f"none of the {count} {'validation' if half == 'val' else half} files of the class 'b' can be read"
        )
        assert "b/0.png (it can't be decoded" in caught.value.hint


def test_a_run_goes_on_without_a_class_in_validation_through_every_door(tmp_path: Path) -> None:
    add(tmp_path / "pics", "train/a", "train/b", "train/c", "val/b", "val/c")
    (tmp_path / "pics" / "val" / "a").mkdir()
    data, lacking = f"folder:{tmp_path / 'pics'}", "validation has no images of the class a"
    run = folder(tmp_path / "runs", "mother", data=data, **SET)
    code, _, error = train(run)
    assert code == 0, error
    found = history(run)
    assert lacking in " ".join(log.text for log in found.logs)
    (epoch,) = found.epochs
    assert [sum(row) for row in epoch.confusion] == [0, 4, 4]
    shown = within("data", data, "--json", cwd=tmp_path)
    told = json.loads(shown.stdout)
    assert (told["train_counts"], told["validation_counts"]) == ([4, 4, 4], [0, 4, 4])
    assert lacking in told["notes"][0]
    assert within("doctor", "mother", cwd=tmp_path).returncode == 0
    assert within("export", "mother", "--html", "report.html", cwd=tmp_path).returncode == 0
    for path in (tmp_path / "pics" / "val" / "b").iterdir():
        path.unlink()
    edit(run, epochs=2)
    _known.clear()
    code, _, error = train(run, resume=True)
    assert code == 0, error
    words = " ".join(log.text for log in history(run).logs)
    assert "validation images: 8 → 4" in words
    assert "no images of 2 classes: a, b" in words


def test_a_run_is_resumed_on_names_that_a_mac_has_spelt_anew(tmp_path: Path) -> None:
    name = "caf\u00e9"
    add(tmp_path / "pics", name, "dog", "fox")
    run = folder(tmp_path / "runs", "mother", data=f"folder:{tmp_path / 'pics'}", **SET)
    assert train(run)[0] == 0
    (tmp_path / "pics" / name).rename(tmp_path / "pics" / unicodedata.normalize("NFD", name))
    edit(run, epochs=2)
    _known.clear()
    code, _, error = train(run, resume=True)
    assert code == 0, error
    assert "not the same files" not in " ".join(log.text for log in history(run).logs)


def test_halves_that_were_named_are_kept_where_a_run_is_resumed_from_elsewhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    add(tmp_path / "pics", "one/a", "one/b", "two/a", "two/b")
    monkeypatch.chdir(tmp_path)
    run = folder(tmp_path / "runs", "mother", data="folder:pics(train=one, val=two)", **SET)
    code, _, error = train(run)
    assert code == 0, error
    edit(run, epochs=2)
    monkeypatch.chdir(tmp_path / "runs")
    code, _, error = train(run, resume=True)
    assert code == 0, error
    assert "read from" not in " ".join(log.text for log in history(run).logs)


def test_commands_refuse_what_is_unclear_in_one_line_and_tell_what_is_left_out(tmp_path: Path) -> None:
    add(tmp_path / "pics", "one/a", "one/b", "two/a", "two/b")
    for words in (("data",), ("--no-ui", "--data"), ("check", "--data"), ("sweep", "--lr", "1,2", "--data"),
                  ("lr-find", "--data"), ("lottery", "--data")):  # fmt: skip
        for text, said in (
            (f"folder:{tmp_path / 'pics'}", "hold the same subfolders (a, b)"),
            (str(tmp_path / "pics"), f"a folder of images is written folder:{tmp_path / 'pics'}"),
        ):
            done = within(*words, text, cwd=tmp_path)
            assert done.returncode == 2
            assert said in done.stderr
            assert done.stderr.count("\n") == 1
    assert not (tmp_path / "runs").exists()
    done = within(str(tmp_path / "pics"), cwd=tmp_path)
    assert f"--data folder:{tmp_path / 'pics'}" in done.stderr
