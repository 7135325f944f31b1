"""Images that stream from a folder: the same bits as in memory whatever the net draws, and no black pictures."""

from __future__ import annotations

import multiprocessing
import os
import tempfile
from collections import deque
from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch.utils.data import TensorDataset, default_collate

from cvtui.engine.data import image_folder
from cvtui.engine.data.batch_workers import read_ahead
from cvtui.engine.data.batching import batches
from cvtui.engine.data.decode import decode
from cvtui.engine.data.loading import load
from cvtui.engine.data.missing_files import ImagesGone
from cvtui.engine.data.streaming import Streamed
from cvtui.engine.observe.recorder import StepRecorder
from cvtui.engine.runtime.stop_asked import looked_for
from cvtui.engine.train.control import Signals
from cvtui.engine.worker import train_folder
from cvtui.recipe.recipe import Recipe
from cvtui.runlog.folder import RunFolder
from cvtui.runlog.history import History
from tests.engine.making import folder, history, train

CLASSES, EACH = 3, 40
RECIPE: dict[str, Any] = {
    "net": "conv8-bn-relu-pool-drop0.25-fc", "size": "8", "batch_size": 8, "epochs": 2, "watch_every": 5,
    "augment": "flip, shift(1)",
}  # fmt: skip


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """120 PNGs of 8x8, none of them dark."""
    root = tmp_path_factory.mktemp("set") / "pictures"
    random = np.random.default_rng(0)
    for label in range(CLASSES):
        place = root / "abc"[label]
        place.mkdir(parents=True)
        for number in range(EACH):
            pixels = random.integers(60, 200, (8, 8, 3), np.uint8)
            pixels[..., label] += 50
            Image.fromarray(pixels).save(place / f"{number:03d}.png")
    return root


@pytest.fixture
def pictures(made: Path, tmp_path: Path) -> Path:
    """Copy the pictures, to take files away from (a copy of links would be passed over)."""
    import shutil

    return Path(shutil.copytree(made, tmp_path / "pictures"))


@pytest.fixture(autouse=True)
def fresh() -> Any:
    image_folder._read.cache_clear()
    yield
    image_folder._read.cache_clear()


@pytest.fixture
def streams(monkeypatch: pytest.MonkeyPatch) -> None:
    """No memory is free."""
    monkeypatch.setattr(image_folder, "free_memory", lambda: 0)


def at_step(monkeypatch: pytest.MonkeyPatch, step: int, act: Callable[[], object]) -> None:
    """Call `act` right after a step."""
    whole = StepRecorder.step

    def stepping(self: StepRecorder, *args: Any, **more: Any) -> None:
        whole(self, *args, **more)
        if self.training.step == step:
            act()

    monkeypatch.setattr(StepRecorder, "step", stepping)


def assert_same(one: RunFolder, other: RunFolder) -> None:
    a, b = history(one), history(other)
    np.testing.assert_array_equal(a.steps.loss, b.steps.loss)
    assert [epoch.val_loss for epoch in a.epochs] == [epoch.val_loss for epoch in b.epochs]
    weights = [torch.load(run.checkpoints / "last.pt", weights_only=True)["model"] for run in (one, other)]
    assert all(torch.equal(weights[0][name], weights[1][name]) for name in weights[0])


def test_streamed_resident_and_resumed_are_equal_with_dropout(
    made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fields = {**RECIPE, "data": f"folder:{made}"}
    resident = folder(tmp_path, "resident", **fields)
    assert train(resident) == (0, "", "")
    image_folder._read.cache_clear()
    monkeypatch.setattr(image_folder, "free_memory", lambda: 0)
    streamed, stopped = folder(tmp_path, "streamed", **fields), folder(tmp_path, "stopped", **fields)
    assert train(streamed) == (0, "", "")
    assert any("decoded anew" in log.text for log in history(streamed).logs)
    assert_same(resident, streamed)
    signals = Signals()
    with monkeypatch.context() as patch:
        at_step(patch, 17, lambda: setattr(signals, "number", 15))  # SIGTERM in the second epoch
        assert train_folder(stopped.path, signals) == 143
    assert history(stopped).steps_done == 17
    assert train(stopped, resume=True) == (0, "", "")
    assert_same(resident, stopped)


@pytest.mark.usefixtures("streams")
def test_a_last_image_joins_the_batch_before_it_here_too(made: Path) -> None:
    split = load(Recipe(data=f"folder:{made}", size="8"))
    assert split.train.size == 96
    sizes = [labels.numel() for _, labels in batches(split.train, 95, 0, 1, joins=True)]
    assert sizes == [96]


def take_away(root: Path, count: int) -> list[Path]:
    """Remove `count` files, evenly spread; those removed."""
    files = sorted(root.glob("*/*.png"))
    chosen = files[:: len(files) // count][:count]
    for path in chosen:
        path.unlink()
    return chosen


@pytest.mark.usefixtures("streams")
@pytest.mark.parametrize("size", [16, 1])
def test_what_is_gone_is_never_a_black_picture(pictures: Path, size: int) -> None:
    """Every pixel handed out is that of a file which is there, with that file's label."""
    split = load(Recipe(data=f"folder:{pictures}", size="8"))
    assert isinstance(split.train, Streamed)
    take_away(pictures, 4)
    there = {decode(str(path), (8, 8)).tobytes(): "abc".index(path.parent.name) for path in pictures.glob("*/*.png")}
    count = 0
    for pixels, labels in [*batches(split.train, size, 0, 1), split.validation.part(0, 1000)]:
        for image, label in zip(pixels, labels.tolist(), strict=True):
            assert there[image.numpy().tobytes()] == label
            count += 1
    assert count == split.train.size + split.validation.size, "each batch keeps its size"


@pytest.mark.usefixtures("streams")
def test_a_few_that_vanish_are_counted_and_named(
    pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = folder(tmp_path, **{**RECIPE, "data": f"folder:{pictures}"})
    gone: list[Path] = []
    at_step(monkeypatch, 3, lambda: gone.extend(take_away(pictures, 9)))
    assert train(run) == (0, "", "")
    told = [log.text for log in history(run).logs if "can't be read any more" in log.text]
    assert sum(int(text.split()[0]) for text in told) == len(gone) == 9, "each once"
    assert "No such file" in told[0]
    names = {f"{path.parent.name}/{path.name}" for path in gone}
    assert any(name in told[0] for name in names)


@pytest.mark.usefixtures("streams")
@pytest.mark.parametrize("part", ["train", "validation"])
def test_many_that_vanish_end_the_run_and_it_goes_on_when_they_are_back(
    pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, part: str
) -> None:
    run = folder(tmp_path, **{**RECIPE, "data": f"folder:{pictures}"})
    split = load(Recipe(data=f"folder:{pictures}", size="8"))
    paths = getattr(split, part).paths
    kept = {path: Path(path).read_bytes() for path in paths[: len(paths) // 4]}
    with monkeypatch.context() as patch:
        at_step(patch, 3, lambda: deque(map(os.unlink, kept)))
        code, out, err = train(run)
    assert (code, out, err) == (1, "", "")
    end = history(run).end
    assert end is not None
    assert end.status == "failed"
    assert f"can't be read any more: {Path(paths[0]).parent.name}/" in end.reason
    assert "more than 10%" in end.reason
    assert run.log.exists() is False or "Traceback" not in run.log.read_text()
    for path, data in kept.items():
        Path(path).write_bytes(data)
    image_folder._read.cache_clear()
    assert train(run, resume=True) == (0, "", "")
    again = History(run)
    again.poll()
    assert again.steps_done == RECIPE["epochs"] * -(-split.train.size // RECIPE["batch_size"])


@pytest.mark.usefixtures("streams")
def test_what_comes_back_counts_no_more(pictures: Path) -> None:
    """A share that hiccups: 15 % gone, but never more than 10 % at once."""
    split = load(Recipe(data=f"folder:{pictures}", size="8"))
    paths = split.train.paths  # type: ignore[attr-defined]
    for some in (paths[:7], paths[7:14]):
        kept = {path: Path(path).read_bytes() for path in some}
        for path in kept:
            Path(path).unlink()
        list(batches(split.train, 16, 0, 1))
        for path, data in kept.items():
            Path(path).write_bytes(data)
        list(batches(split.train, 16, 0, 2))
    for path in paths[:10]:
        Path(path).unlink()
    with pytest.raises(ImagesGone, match="10 images can't be read any more"):
        list(batches(split.train, 16, 0, 3))


def test_batches_come_also_where_tmpdir_has_a_long_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A socket's name takes 107 bytes: a worker that could make none told nobody, and the run waited for good."""
    place = tmp_path / ("a" * 100)
    place.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(place))
    monkeypatch.setitem(vars(multiprocessing.current_process())["_config"], "tempdir", None)  # none was made so far
    looks = count()

    def waited() -> None:
        assert next(looks) < 150, "half a minute"

    with looked_for(waited):
        found = list(read_ahead(TensorDataset(torch.arange(6)), [[0, 1], [5]], 1, default_collate))
    assert [batch.tolist() for (batch,) in found] == [[0, 1], [5]]
    assert not list(place.iterdir())
