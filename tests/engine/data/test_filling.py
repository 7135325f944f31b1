"""Large sets: the first step comes before all is decoded, and no bit depends on how the images come."""

from __future__ import annotations

import os
import signal
import sys
import threading
from multiprocessing.context import ForkProcess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from cvtui.engine.data import image_folder, pixel_store, streaming
from cvtui.engine.data.batching import epoch_order
from cvtui.engine.data.decode import decode, look
from cvtui.engine.data.decoded_cache import cache_folder
from cvtui.engine.data.filling import Filling, settle
from cvtui.engine.data.images import Images, Split, channel_stats
from cvtui.engine.data.loading import load
from cvtui.engine.data.pixel_store import PixelStore
from cvtui.engine.train.control import Signals
from cvtui.engine.train.preparation import prepare
from cvtui.engine.worker import train_folder
from cvtui.recipe.recipe import Recipe
from cvtui.recipe.validation import check
from tests.engine.data.deep_pictures import png16
from tests.engine.data.test_streaming import assert_same, at_step
from tests.engine.infer.making import seen_by_run
from tests.engine.making import folder, history, train

EACH = 60
RECIPE: dict[str, Any] = {
    "net": "conv4-bn-relu-drop0.25-gap-fc", "size": "8", "batch_size": 32, "epochs": 2, "watch_every": 0,
    "augment": "flip",
}  # fmt: skip


@pytest.fixture
def pictures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Make 180 pictures in three classes, 4 of which can't be read; 100 are a large set, of which 60 are a sample."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(image_folder, "LARGE", 100)
    monkeypatch.setattr(streaming, "SAMPLE", 60)
    random = np.random.default_rng(0)
    root = tmp_path / "pictures"
    for label in range(3):
        (root / "abc"[label]).mkdir(parents=True)
        for number in range(EACH):
            pixels = random.integers(60, 200, (8, 8, 3), np.uint8)
            pixels[..., label] += 50
            Image.fromarray(pixels).save(root / "abc"[label] / f"{number:03}.png")
    for name in ("a/057.png", "b/033.png", "c/003.png", "c/004.png"):
        (root / name).write_bytes(b"nothing")
    image_folder._read.cache_clear()
    return root


def begun(root: Path, **changes: Any) -> Split:
    """Load as a new process would, without waiting."""
    image_folder._read.cache_clear()
    return load(Recipe(data=f"folder:{root}", size="8", **changes), settled=False)


def test_losses_are_those_of_the_cache_of_streaming_and_of_a_resume(
    pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fields = {**RECIPE, "data": f"folder:{pictures}"}
    first, kept, stopped, streamed = (
        folder(tmp_path / "runs", name, **fields) for name in ("first", "kept", "stopped", "streamed")
    )
    assert train(first) == (0, "", "")
    told = [log.text for log in history(first).logs]
    assert "180 images are decoded while the training runs, in the order of its first epoch" in told
    assert any("of 60 of the 144 training images" in text for text in told)
    lost = [text for text in told if "can't be read" in text]
    assert sum(int(text.removeprefix("left out ").split()[0]) for text in lost) == 4, "each once"
    assert (cache_folder() / os.listdir(cache_folder())[0] / "index.npz").is_file()

    image_folder._read.cache_clear()
    _, names, accuracy = seen_by_run(first)  # what evaluate, mistakes and exports look at
    assert len(names) == 36 - sum(int(text.split()[2]) for text in told if text.startswith("left out"))
    assert accuracy == max(epoch.val_accuracy or 0 for epoch in history(first).epochs)

    image_folder._read.cache_clear()
    assert train(kept) == (0, "", "")
    assert any("180 decoded images are taken from" in log.text for log in history(kept).logs)
    assert_same(first, kept)

    image_folder._read.cache_clear()
    monkeypatch.setattr(image_folder, "DecodedCache", lambda *_, **__: None)  # nothing is kept
    signals = Signals()
    with monkeypatch.context() as patch:
        at_step(patch, 2, lambda: setattr(signals, "number", 15))
        assert train_folder(stopped.path, signals) == 143
    image_folder._read.cache_clear()
    assert train(stopped, resume=True) == (0, "", "")
    assert not any("images" in log.text and "→" in log.text for log in history(stopped).logs), "the same data"
    assert_same(first, stopped)

    image_folder._read.cache_clear()
    monkeypatch.setattr(image_folder, "free_memory", lambda: 0)
    assert train(streamed) == (0, "", "")
    assert any("decoded anew in every epoch" in log.text for log in history(streamed).logs)
    assert_same(first, streamed)


def test_the_first_batch_waits_for_no_other_file(pictures: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(PixelStore, "begin", lambda *_: None)  # nothing is decoded ahead
    for name in ("a/057.png", "b/033.png", "c/003.png", "c/004.png"):
        (pictures / name).unlink()
    made = check(Recipe(**{**RECIPE, "data": f"folder:{pictures}", "device": "cpu", "cache": "off"}))
    training = prepare(made, early=True)
    part = training.data.train
    assert isinstance(part, Filling)
    sample = set(streaming.sample_places(part.size))
    assert set(np.flatnonzero(part.store.state).tolist()) == sample
    pixels, _ = next(training.batches(1))
    order = epoch_order(part.size, 0, 1)[:32].tolist()
    assert set(np.flatnonzero(part.store.state).tolist()) == sample | set(order)
    for number, image in zip(order, pixels, strict=True):
        assert np.array_equal(image.numpy(), decode(part.paths[number], (8, 8)))


@pytest.mark.parametrize("selected", [{}, {"only": "a,c"}, {"limit": 70}, {"label_noise": 0.2}])
def test_a_selection_is_the_same_from_files_from_the_cache_and_streaming(
    pictures: Path, selected: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    load(Recipe(data=f"folder:{pictures}", size="8"))
    kept = begun(pictures, **selected)
    image_folder._read.cache_clear()
    fresh = begun(pictures, cache="off", **selected)
    monkeypatch.setattr(image_folder, "free_memory", lambda: 0)
    streams = begun(pictures, cache="off", **selected)
    assert isinstance(kept.train, Filling)
    assert kept.train.store.from_cache
    assert not isinstance(streams.train, Filling)
    stats = [channel_stats(one.train) for one in (kept, fresh, streams)]
    assert stats[0] == stats[1] == stats[2]
    wanted = 144 if not selected else kept.train.size
    assert [one.train.size for one in (kept, fresh, streams)] == [wanted] * 3
    index = torch.arange(wanted)
    for one in (fresh, streams):
        for part in ("train", "validation"):
            mine, other = getattr(settle(one), part), getattr(settle(kept), part)
            assert torch.equal(mine.labels, other.labels)
            assert mine.size == other.size
        assert torch.equal(one.train.batch(index).pixels, kept.train.batch(index).pixels)


def test_statistics_are_those_of_the_sampled_images(pictures: Path) -> None:
    split = begun(pictures)
    places = [place * 144 // 60 for place in range(60)]
    paths = [split.names.train[place] for place in places]
    bad = {str(pictures / name) for name in ("a/057.png", "b/033.png", "c/003.png", "c/004.png")}
    pixels = np.stack([np.asarray(Image.open(path)) for path in paths if path not in bad]).reshape(-1, 3)
    stats = channel_stats(split.train)
    np.testing.assert_allclose(stats.mean, pixels.mean(0), rtol=1e-12)
    np.testing.assert_allclose(stats.std, pixels.std(0), rtol=1e-12)


def test_what_can_be_read_is_in_memory_afterwards(pictures: Path) -> None:
    for path in ("a/057.png", "b/033.png", "c/004.png"):
        (pictures / path).unlink()
    split = settle(begun(pictures))
    kinds = {type(split.train), type(split.validation)}
    assert all(issubclass(kind, Images) or kind is Filling for kind in kinds)
    assert isinstance(split.validation, Images)
    names = split.names.validation
    for place, image in enumerate(split.validation.pixels):
        assert np.array_equal(image.numpy(), decode(names[place], (8, 8)))
    assert [Path(path).name for path, _ in split.unreadable] == ["003.png"]


def test_pictures_of_16_bits_in_the_sample_are_read_on_one_scale(pictures: Path) -> None:
    for number in range(EACH):
        png16(pictures / "a" / f"{number:03}.png", np.full((8, 8), 1000 + number, np.uint16))
    split = begun(pictures)
    assert split.depth is not None
    assert split.depth.top == 2047
    assert split.train.part(0, 1).pixels.dtype == torch.uint16


def test_one_of_16_bits_that_the_sample_missed_is_told(pictures: Path) -> None:
    split = begun(pictures)
    sampled = {split.names.train[place * 144 // 60] for place in range(60)}
    missed = next(path for path in split.names.train if path not in sampled)
    values = np.arange(64, dtype=np.uint16).reshape(8, 8) * 60
    png16(Path(missed), values)
    for _ in range(2):  # decoded, then from the cache
        split = settle(begun(pictures))
        (note,) = [note for note in split.notes if "more than 8 bits" in note]
        assert "1 image has" in note
        assert Path(missed).name in note
        place = list(split.names.train).index(missed)
        assert np.array_equal(split.train.part(place, place + 1).pixels[0].numpy(), decode(missed, (8, 8)))


def test_where_many_of_the_sample_cant_be_read_all_are_looked_at_first(pictures: Path) -> None:
    for number in range(0, EACH, 4):
        (pictures / "b" / f"{number:03}.png").write_bytes(b"nothing")
    split = begun(pictures)
    assert isinstance(split.train, Images)
    assert split.train.size + split.validation.size == 180 - 19


def test_a_class_of_which_nothing_can_be_read_is_refused_before_the_validation(pictures: Path, tmp_path: Path) -> None:
    (pictures / "d").mkdir()
    for name in ("1", "2"):
        (pictures / "d" / f"{name}.png").write_bytes(b"nothing")
    run = folder(tmp_path / "runs", **{**RECIPE, "data": f"folder:{pictures}"})
    code, _, err = train(run)
    assert code == 2
    assert "none of the 1 train file of the class 'd' can be read" in err


@pytest.mark.parametrize("how", ["dies", "hangs"])
def test_the_rest_is_decoded_here_when_a_process(pictures: Path, monkeypatch: pytest.MonkeyPatch, how: str) -> None:
    here, whole = os.getpid(), look

    def dying(path: str, shape: tuple[int, int]) -> Any:
        if os.getpid() != here and path.endswith("02.png"):
            os._exit(9) if how == "dies" else os.kill(os.getpid(), signal.SIGSTOP)
        return whole(path, shape)

    monkeypatch.setattr(pixel_store, "look", dying)
    if how == "hangs":
        monkeypatch.setattr(pixel_store, "LONGEST_SILENCE", 0.5)
    paths = sorted(map(str, pictures.glob("*/*.png")))
    store = PixelStore(paths, (8, 8))
    store.begin(range(len(paths)))
    store.ensure(range(len(paths)))
    assert len(store.wrong) == 4
    for number, path in enumerate(paths):
        if number not in store.wrong:
            assert np.array_equal(store.pixels[number], decode(path, (8, 8)))


@pytest.mark.parametrize("fate", ["", "one dies", "one dies with the lock"])
def test_processes_that_decoded_the_sample_wait_for_the_order_of_the_others(
    pictures: Path, monkeypatch: pytest.MonkeyPatch, fate: str
) -> None:
    paths = sorted(map(str, pictures.glob("*/*.png")))
    store = PixelStore(paths, (8, 8))
    sample = list(range(0, len(paths), 2))
    monkeypatch.setattr(pixel_store, "CHUNK", 4)
    store.begin_with(sample)
    store.ensure(sample)
    assert np.flatnonzero(store.state).tolist() == sample
    team = store._team
    assert team is not None
    assert team.waits
    if fate == "one dies":
        team._processes[0].kill()
        team._processes[0].join()
    elif fate:
        monkeypatch.setattr(pixel_store, "LONGEST_LOCK", 0.01)
        holder = threading.Thread(target=team._place.get_lock().acquire)  # as it stays when its owner is gone
        holder.start()
        holder.join()
    store.begin(range(len(paths))[::-1])
    if "lock" in fate:
        assert store._team is not team
    else:
        assert team.order == [number for number in range(len(paths))[::-1] if number % 2]
    store.ensure(range(len(paths)))
    assert len(store.wrong) == 4
    for number, path in enumerate(paths):
        if number in store.wrong:
            continue
        assert np.array_equal(store.pixels[number], decode(path, (8, 8)))
        assert store.sums[number, 0].tolist() == store.pixels[number].reshape(-1, 3).sum(0, dtype=int).tolist()
    for process in team._processes:
        process.join()


def test_a_store_that_is_closed_ends_processes_that_wait(pictures: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    paths = sorted(map(str, pictures.glob("*/*.png")))
    store = PixelStore(paths, (8, 8))
    monkeypatch.setattr(pixel_store, "CHUNK", 4)
    store.begin_with(range(20))
    store.ensure(range(20))
    team = store._team
    assert team is not None
    store.close()
    for process in team._processes:
        process.join()
    assert store._team is None


def teams_of(monkeypatch: pytest.MonkeyPatch) -> list[pixel_store._Team]:
    """Return where each team will be put that starts: a store forgets one that has ended."""
    teams: list[pixel_store._Team] = []
    start = pixel_store._Team.__init__

    def watched(self: Any, *args: Any) -> None:
        teams.append(self)
        start(self, *args)

    monkeypatch.setattr(pixel_store._Team, "__init__", watched)
    return teams


def test_a_run_that_is_stopped_leaves_no_process_and_no_half_a_cache(
    pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    teams = teams_of(monkeypatch)
    monkeypatch.setattr(PixelStore, "complete", False)  # as if much were left to do
    run, signals = folder(tmp_path / "runs", **{**RECIPE, "data": f"folder:{pictures}"}), Signals()
    with monkeypatch.context() as patch:
        at_step(patch, 1, lambda: setattr(signals, "number", 15))
        assert train_folder(run.path, signals) == 143
    assert teams
    for team in teams:
        for process in team._processes:
            process.join()
    assert os.listdir(cache_folder()) == []


@pytest.mark.skipif(sys.platform != "linux", reason="no processes are forked")
def test_a_process_that_is_ended_right_after_its_fork_ends(pictures: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The handler of the one that forks is not its own: it went on, and waited at its gate for good."""
    started: list[Any] = []
    start = ForkProcess.start

    def start_and_end(process: Any) -> None:
        start(process)
        process.terminate()  # at once: it may come before the process runs any line of Python
        started.append(process)

    monkeypatch.setattr(ForkProcess, "start", start_and_end)
    teams = teams_of(monkeypatch)
    before = signal.signal(signal.SIGTERM, lambda *_: None)
    store = PixelStore(sorted(map(str, pictures.glob("*/*.png"))), (8, 8))
    try:
        store.begin_with(range(20))
        (team,) = teams
        assert team.listener is not None
        team.listener.join(30)
        assert {process.exitcode for process in started} == {-signal.SIGTERM}
    finally:
        signal.signal(signal.SIGTERM, before)
        store.close()
        for process in started:
            process.kill()
