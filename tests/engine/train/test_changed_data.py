"""Data that changed under a checkpoint: other classes are refused, other images are told, and the schedule follows."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from cvtui.cli.output.progress import started_facts
from cvtui.engine.data.image_folder import _read
from cvtui.engine.train import checkpoint
from cvtui.errors import RequestError
from cvtui.recipe.datasets.fingerprint import differences, fingerprint
from cvtui.recipe.datasets.image_folder import _known
from cvtui.recipe.toml import dumps, load
from cvtui.runlog.axes import position
from cvtui.runlog.folder import RunFolder
from cvtui.runlog.fork import fork, pick
from cvtui.runlog.history import History
from cvtui.runlog.origin import check_resumable
from cvtui.tui.panes.predictions import UpcomingRates, predict
from tests.cli.running import within
from tests.engine.data.deep_pictures import png16
from tests.engine.making import folder, history, recipe, train
from tests.engine.stopping import copy_of, edit, stop_after

CLASSES = ("ants", "bees", "cats")
SET: dict[str, Any] = {"net": "conv4s4-bn-relu-gap-fc", "size": "16", "batch_size": 8, "epochs": 4, "lr": 0.01}


def add(root: Path, name: str, numbers: range, brightness: int = 0) -> None:
    place = root / name
    place.mkdir(parents=True, exist_ok=True)
    for number in numbers:
        noise = np.random.default_rng(number).integers(0, 60, (16, 16, 3)).astype(np.uint8)
        noise[..., len(name) % 3] += 60 + brightness
        Image.fromarray(noise).save(place / f"{number:03d}.png")


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """pics/ with 3 x 20 images (48 to train on, 6 steps an epoch), and runs/mother, stopped in its second epoch."""
    base = tmp_path_factory.mktemp("world")
    for name in CLASSES:
        add(base / "pics", name, range(20))
    stop_after(folder(base / "runs", "mother", data=f"folder:{base / 'pics'}", **SET), 11)
    return base


@pytest.fixture
def place(world: Path, tmp_path: Path) -> Path:
    """Copy the folder, so that a test may change it."""
    shutil.copytree(world, tmp_path / "w")
    run = RunFolder(tmp_path / "w" / "runs" / "mother")
    edit(run, data=f"folder:{tmp_path / 'w' / 'pics'}")
    _known.clear()  # a listing is believed for five seconds
    return tmp_path / "w"


def mother(place: Path) -> RunFolder:
    return RunFolder(place / "runs" / "mother")


def words(found: History) -> str:
    return "\n".join(log.text for log in found.logs)


def test_the_checkpoint_holds_a_fingerprint(world: Path) -> None:
    state = checkpoint.load(mother(world).checkpoints / "last.pt")
    data = state["data"]
    assert data["classes"] == list(CLASSES)
    assert (data["train"], data["validation"]) == (48, 12)
    assert (data["train_counts"], data["validation_counts"]) == ("16,16,16", "4,4,4")
    assert data["folder"] == str(world / "pics")
    assert data["train_files"] != data["validation_files"]


def test_a_folder_that_moved_is_the_same_data_and_is_told(place: Path) -> None:
    run = mother(place)
    assert train(run, resume=True)[0] == 0
    found = history(run)
    assert f"the images are read from {place / 'pics'}; before: " in words(found)
    assert found.steps.end == 24
    assert "steps now" not in words(found)


@pytest.mark.parametrize("change", ["added", "gone", "renamed", "order"])
def test_other_classes_are_refused_by_the_command_and_by_the_trainer(place: Path, change: str) -> None:
    pics = place / "pics"
    if change == "added":
        add(pics, "bats", range(20))
    elif change == "gone":
        shutil.rmtree(pics / "bees")
    elif change == "renamed":
        (pics / "bees").rename(pics / "moths")
    else:  # the same number of classes, of which one now comes first
        (pics / "cats").rename(pics / "aardvarks")
    run = mother(place)
    before = run.events.read_bytes()
    done = within("resume", "mother", "--no-ui", cwd=place)
    assert done.returncode == 2
    assert "data: 'mother' was trained on 3 classes" in done.stderr
    assert "size mismatch" not in done.stderr
    assert run.events.read_bytes() == before
    forked = within("fork", "mother", "--no-ui", cwd=place)
    assert forked.returncode == 2
    assert "data: 'mother' was trained on 3 classes" in forked.stderr
    assert [path.name for path in (place / "runs").iterdir()] == ["mother"]
    _known.clear()
    code, _, error = train(run, resume=True)
    assert code == 2
    assert "data: 'mother' was trained on 3 classes" in error
    assert history(run).end.reason in error  # type: ignore[union-attr]


def test_images_that_came_are_told_and_the_schedule_follows(place: Path) -> None:
    add(place / "pics", "ants", range(20, 45))  # 20 more to train on: 68, 9 steps an epoch
    run = mother(place)
    begun = history(run).end.step  # type: ignore[union-attr]
    assert 6 < begun < 12
    done = within("resume", "mother", "--no-ui", cwd=place)
    assert done.returncode == 0, done.stderr
    found = history(run)
    assert "images to train on: 48 → 68" in words(found)
    assert f"an epoch has 9 steps now; epoch 2, of which {begun - 6} steps were done, begins anew" in words(found)
    assert "validation images: 12 → 17: accuracies before and after are not of the same images" in words(found)
    assert found.run is not None
    assert (found.run.steps_per_epoch, found.run.total_steps) == (9, begun + 27)
    assert found.steps.end == begun + 27, "three whole epochs more; no step is renumbered"
    assert [(done.epoch, done.step) for done in found.epochs] == [
        (1, 6), (2, begun + 9), (3, begun + 18), (4, begun + 27),
    ]  # fmt: skip
    expected = [0.5 * 0.01 * (1 + np.cos(np.pi * (9 + step) / 36)) for step in range(27)]
    assert found.steps.lr[begun:] == pytest.approx(expected, rel=1e-5), "epoch 2 of 4 to the end"
    assert position(found, "epochs", [6.0, float(begun + 9), float(begun + 27)]).tolist() == [1.0, 2.0, 4.0]
    assert train(run, resume=True)[0] == 2, "nothing is left to do"


def test_resumed_twice_and_forked_after_images_went(place: Path) -> None:
    for name in CLASSES:
        for number in range(10):
            (place / "pics" / name / f"{number:03d}.png").unlink()
    run = mother(place)  # 24 to train on: 3 steps an epoch
    _known.clear()
    from cvtui.engine.worker import train_folder
    from tests.engine.stopping import SignalAfter

    assert train_folder(run.path, SignalAfter(6), resume=True) == 143
    half = history(run)
    assert half.run is not None
    assert half.run.shift == 3 - half.run.step  # type: ignore[operator]
    steps, ahead = UpcomingRates(predict(half))(half)
    once = copy_of(run, place / "copy")
    child = fork(run, pick(history(run)), place / "forks", "", dumps(load(run.recipe)))
    runs = []
    for one, how in ((once, {"resume": True}), (child, {})):
        code, _, error = train(one, **how)
        assert code == 0, error
        runs.append(history(one))
    assert runs[1].steps.first == half.steps_done
    assert runs[0].steps.lr[half.steps_done :].tolist() == runs[1].steps.lr.tolist()
    assert "steps now" not in words(runs[1])
    last = len(runs[0].steps) - 1
    assert ahead == pytest.approx(runs[0].steps.lr[np.minimum(steps.astype(int), last)], rel=1e-5)
    assert runs[0].steps.lr[-1] < 0.002, "the schedule ends where the run ends"


def test_other_files_under_the_same_counts_are_told(place: Path) -> None:
    add(place / "pics", "ants", range(20), brightness=40)
    _known.clear()
    run = mother(place)
    assert train(run, resume=True)[0] == 0
    assert "images to train on: as many as before, but not the same files" in words(history(run))


def test_a_fork_with_a_split_of_its_own_says_that_accuracies_do_not_compare(place: Path) -> None:
    run = mother(place)
    text = dumps(recipe(data=f"folder:{place / 'pics'}", seed=5, **SET))
    child = fork(run, pick(history(run)), place / "runs", "child", text)
    assert train(child)[0] == 0
    assert "validation images: as many as before, but not the same files: accuracies" in words(history(child))


def test_a_class_that_swaps_images_with_another_is_told_without_a_folder() -> None:
    before = fingerprint(["a", "b"], [10, 20], [5, 5])
    assert differences(before, fingerprint(["a", "b"], [10, 20], [5, 5])) == []
    (line,) = differences(before, fingerprint(["a", "b"], [20, 10], [5, 5]))
    assert line == "images to train on: as many as before, but not of the same classes"


def test_a_relative_folder_is_found_from_elsewhere(
    place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the run saw is what is resumed and repeated, also where another folder of that name lies here."""
    monkeypatch.chdir(place)
    run = folder(place / "runs", "near", data="folder:pics", **{**SET, "epochs": 1})
    assert train(run)[0] == 0
    assert history(run).run.data["folder"] == str(place / "pics")  # type: ignore[union-attr]
    edit(run, epochs=2)
    elsewhere = tmp_path / "elsewhere"
    add(elsewhere / "pics", "ants", range(4))
    add(elsewhere / "pics", "wasps", range(4))
    done = within("resume", str(run.path), "--no-ui", cwd=elsewhere)
    assert done.returncode == 0, done.stderr
    assert "read from" not in words(history(run)), "they never moved"
    repeated = within("--no-ui", str(run.recipe), "--name", "again", cwd=elsewhere)
    assert repeated.returncode == 0, repeated.stderr
    again = history(RunFolder(elsewhere / "runs" / "again"))
    assert again.run.data["classes"] == list(CLASSES)  # type: ignore[union-attr]
    (place / "pics").rename(place / "moved")
    edit(run, epochs=3)
    shutil.rmtree(elsewhere / "pics")
    done = within("resume", str(run.path), "--no-ui", cwd=elsewhere)
    assert done.returncode == 2
    assert repr(str(place / "pics")) in done.stderr
    assert repr(str(elsewhere / "pics")) in done.stderr


def test_a_home_folder_is_written_with_a_tilde(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(place))
    run = folder(place / "runs", "home", data="folder:~/pics", only="ants,bees", **{**SET, "epochs": 1})
    code, _, error = train(run)
    assert code == 0, error
    told = history(run).run
    assert told is not None
    assert (told.data["folder"], told.data["classes"]) == (str(place / "pics"), ["ants", "bees"])
    shown = within("data", "folder:~/pics", cwd=place / "runs")
    assert shown.returncode == 0, shown.stderr


def test_the_rate_ahead_is_drawn_wherever_the_screen_stands(
    place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(place)
    run = stop_after(folder(place / "runs", "near", data="folder:pics", **SET), 9)
    monkeypatch.chdir(tmp_path)
    found = history(run)
    steps, ahead = UpcomingRates(predict(found))(found)
    assert len(ahead) == len(steps) > 5


def test_a_larger_value_makes_all_images_others_and_it_is_told(tmp_path: Path) -> None:
    """Same names, same sizes in bytes: only the scale that all images have in common says it."""
    pics = tmp_path / "pics"
    for name in CLASSES:
        (pics / name).mkdir(parents=True)
        for number in range(10):
            png16(pics / name / f"{number}.png", np.full((8, 8), 1000 + number, np.uint16))
    run = folder(tmp_path / "runs", "deep", data=f"folder:{pics}", **{**SET, "size": "8", "epochs": 1})
    assert train(run) == (0, "", "")
    assert checkpoint.load(run.checkpoints / "last.pt")["data"]["scale"] == "0 is black, 1,023 is white"
    begun = history(run).run
    assert begun is not None
    pixels = dict(started_facts(begun))["pixels"]
    values = np.array([1000 + number for number in range(10)]) / 1023 * 65535
    low, high = values.min(), values.max()
    mean = re.fullmatch(r"mean ([\d.]+) .+, std .+ \(of 0 to 65,535, training images\)", pixels)
    assert mean is not None, pixels
    assert low <= float(mean[1]) <= high
    path, size = pics / "ants" / "0.png", (pics / "ants" / "0.png").stat().st_size
    png16(path, np.full((8, 8), 5000, np.uint16))
    assert path.stat().st_size == size
    edit(run, epochs=2)
    _known.clear()
    _read.cache_clear()
    assert train(run, resume=True)[0] == 0
    assert "on another scale (0 is black, 1,023 is white → 0 is black, 8,191 is white)" in words(history(run))
    assert "not the same files" not in words(history(run))


def test_a_run_whose_size_was_ignored_goes_on_at_the_size_of_its_net(tmp_path: Path) -> None:
    """Built-in sets were not scaled once: the record says 16, the images were of 8x8. Behind gap any size fits."""
    run = stop_after(folder(tmp_path / "runs", "old", net="conv4-relu-gap-fc", limit=96, batch_size=32, epochs=2), 4)
    text = run.recipe.read_text()
    run.recipe.write_text(text.replace('size = ""', 'size = "16"'))
    run.events.write_bytes(run.events.read_bytes().replace(b'"size":""', b'"size":"16"'))
    state = torch.load(run.checkpoints / "last.pt", weights_only=True)
    state["recipe"]["size"] = "16"
    state["checksum"] = checkpoint.checksum(state)
    torch.save(state, run.checkpoints / "last.pt")
    assert train(run, resume=True)[0] == 0
    whole = folder(tmp_path / "runs", "whole", net="conv4-relu-gap-fc", limit=96, batch_size=32, epochs=2)
    assert train(whole)[0] == 0
    assert history(run).steps.loss.tolist() == history(whole).steps.loss.tolist()
    run.recipe.write_text(text.replace('size = ""', 'size = "12"'))
    with pytest.raises(RequestError, match=r"size: recipe\.toml says 12, the checkpoint was trained with nothing"):
        check_resumable(run, history(run).run, load(run.recipe))
