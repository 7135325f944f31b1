"""Random transforms of a user's dataset: other draws in every epoch, the same bits after a resume."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import random
import signal
import sys
import time
from collections import Counter
from pathlib import Path
from threading import Event, Thread
from typing import Any, cast

import numpy as np
import pytest
import torch
from PIL import Image

from cvtui.engine.data import live, streaming, user_dataset, user_pass
from cvtui.engine.data.batching import batches
from cvtui.engine.data.images import Images
from cvtui.engine.data.live import LiveImages
from cvtui.engine.data.streaming import Streamed
from cvtui.engine.data.user_dataset import read_callable
from cvtui.engine.runtime.stop_asked import looked_for
from cvtui.engine.train.checkpoint import load
from cvtui.engine.train.control import Signals
from cvtui.engine.worker import train_folder
from cvtui.errors import RequestError
from cvtui.recipe.recipe import Recipe
from cvtui.recipe.validation import check
from cvtui.runlog.commands import send
from cvtui.runlog.events import Command
from tests.engine.data.test_streaming import assert_same, at_step
from tests.engine.making import folder, history, recipe, train
from tests.engine_within import engines_within

MODULE = """
import random
import numpy as np
import torch
from PIL import Image
from torch.utils.data import Dataset, Subset

class Set(Dataset):
    classes = ["a", "b", "c"]
    def __init__(self, draw, count=60):
        self.count, self.draw, self.rng, self.reads = count, draw, np.random.default_rng(), 0
        self.private = iter(range(10**9))
    def __len__(self): return self.count
    def __getitem__(self, i):
        x = torch.full((3, 8, 8), i % 3 * 60, dtype=torch.uint8)
        x[0, 0, 0] = i
        x[1, 0, 0] = self.draw(self)
        return x, i % 3

def of_python(): return Set(lambda s: random.randrange(256))
def of_numpy(): return Set(lambda s: np.random.randint(256))
def of_torch(): return Set(lambda s: int(torch.randint(256, ())))
def of_its_own(): return Set(lambda s: int(s.rng.integers(256)))
SHARED = np.random.default_rng()
def of_a_global(): return Set(lambda s: int(SHARED.integers(256)))
def of_a_closure():
    rng = random.Random()
    return Set(lambda s: rng.randrange(256))
def of_a_default(rng=np.random.default_rng()):
    def draw(s, rng=np.random.default_rng()): return int(rng.integers(256))
    return Set(draw)
def of_a_partial():
    from functools import partial
    return Set(partial(lambda rng, s: int(torch.randint(256, (), generator=rng)), torch.Generator()))
class Slots:
    __slots__ = ("rng",)
    def __init__(self): self.rng = np.random.default_rng()
    def draw(self, s): return int(self.rng.integers(256))
def of_a_method(): return Set(Slots().draw)
class Held(Set):
    rng2 = np.random.RandomState()
    def __getitem__(self, i): self.draw = lambda s: Held.rng2.randint(256); return super().__getitem__(i)
def of_its_class(): return Held(None)
def of_a_counter(): return Set(lambda s: next(s.private) % 256)
def of_nothing(): return Set(lambda s: 7)
def seldom(): return Set(lambda s: 0, 200)
def seldom_draws():
    made = Set(lambda s: 0, 200)
    class Some(Set):
        def __getitem__(self, i):
            x, y = super().__getitem__(i)
            if i == 77: x[1, 0, 0] = random.randrange(256)
            return x, y
    return Some(lambda s: 0, 200)

def halves():
    return Set(lambda s: int(torch.randint(256, ()))), Set(lambda s: 7, 30)

def turned():
    class Turned(Set):
        def __getitem__(self, i):
            turn = random.randrange(3)
            return torch.rot90(super().__getitem__(i)[0], turn, (1, 2)), turn
    return Turned(lambda s: 0)

def fails_later():
    class Failing(Set):
        def __getitem__(self, i):
            if random.random() < 0.02 and self.reads > 150: raise OSError("the disk is gone")
            self.reads += 1
            return super().__getitem__(i)
    return Failing(lambda s: 0)

def hangs():
    class Hanging(Set):
        def __getitem__(self, i):
            if torch.utils.data.get_worker_info() is not None and i == 20:
                with open("gate") as pipe: pipe.read()
            return super().__getitem__(i)
    return Hanging(lambda s: random.randrange(256))

def of_v2():
    from torchvision.transforms import v2
    from torchvision import tv_tensors
    change = v2.Compose([v2.ToImage(), v2.RandomCrop(8, padding=2), v2.RandomHorizontalFlip(), v2.ColorJitter(0.4),
                         v2.ToDtype(torch.float32, scale=True), v2.Normalize([0.5], [0.5])])
    class Pictures(Dataset):
        def __len__(self): return 12
        def __getitem__(self, i):
            grey = (np.arange(64).reshape(8, 8) * 3 + i).astype(np.uint8)
            return change(Image.fromarray(grey)), torch.tensor([i % 2])
    return Pictures()
"""
RECIPE: dict[str, Any] = {
    "net": "conv4-bn-relu-pool-drop0.25-fc", "batch_size": 16, "epochs": 3, "watch_every": 5, "preprocess": "scale",
}  # fmt: skip


@pytest.fixture(autouse=True)
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    (tmp_path / "livesets.py").write_text(MODULE)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    sys.modules.pop("livesets", None)
    read_callable.cache_clear()
    with engines_within():
        yield
    read_callable.cache_clear()


def drawn(part: Any, epoch: int) -> dict[int, int]:
    """Return what each item drew in an epoch, by the item's number."""
    found: dict[int, int] = {}
    for images in batches(part, 16, 0, epoch):
        found |= dict(zip(images.pixels[:, 0, 0, 0].tolist(), images.pixels[:, 0, 0, 1].tolist(), strict=True))
    return found


PLACES = ("a_global", "a_closure", "a_default", "a_partial", "a_method", "its_class")
DRAWN = [
    *((f"of_{kind}", workers) for kind in ("python", "numpy", "torch", "its_own") for workers in (False, True)),
    *((f"of_{place}", False) for place in PLACES),
]


@pytest.mark.parametrize(("name", "workers"), DRAWN)
def test_every_generator_draws_anew_in_every_epoch_and_alike_in_every_reading(
    name: str, workers: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live, "WORTH_WORKERS", -1.0 if workers else 1e9)
    before = random.getstate(), torch.get_rng_state()
    split = read_callable(f"livesets:{name}", "", 0.2, 0)
    assert isinstance(split.train, LiveImages)
    assert any("anew in every epoch" in note for note in split.notes)
    epochs = [drawn(split.train, epoch) for epoch in (1, 2, 3)]
    assert [len(one) for one in epochs] == [48, 48, 48]
    changed = sum(epochs[0][item] != epochs[1][item] for item in epochs[0])
    assert changed > 40, "by chance 1 of 256 is equal"
    assert len(Counter(epochs[0].values())) > 30, "items draw apart"
    read_callable.cache_clear()
    again = read_callable(f"livesets:{name}", "", 0.2, 0)
    monkeypatch.setattr(live, "WORTH_WORKERS", 1e9)
    assert drawn(again.train, 2) == epochs[1], "another process, with or without workers, draws the same"
    other = read_callable(f"livesets:{name}", "", 0.2, 1)
    assert drawn(other.train, 2) != epochs[1], "another seed draws others"
    assert random.getstate() == before[0]
    assert torch.equal(torch.get_rng_state(), before[1])


def test_what_draws_nothing_is_read_once_and_kept() -> None:
    split = read_callable("livesets:of_nothing", "", 0.2, 0)
    assert isinstance(split.train, Images)
    assert split.notes == ()


def test_one_item_of_many_that_draws_is_noticed() -> None:
    assert isinstance(read_callable("livesets:seldom", "", 0.2, 0).train, Images)
    assert isinstance(read_callable("livesets:seldom_draws", "", 0.2, 0).train, LiveImages)


def test_what_changes_without_a_generator_lives_and_says_that_a_resume_may_differ() -> None:
    split = read_callable("livesets:of_a_counter", "", 0.2, 0)
    assert isinstance(split.train, LiveImages)
    assert "may not see the same images" in split.notes[0]


def test_each_half_lives_by_itself() -> None:
    split = read_callable("livesets:halves", "", 0.2, 0)
    assert isinstance(split.train, LiveImages)
    assert isinstance(split.validation, Images)


def test_cache_draws_once() -> None:
    split = read_callable("livesets:of_torch", "", 0.2, 0, 0, True)
    assert isinstance(split.train, Images)
    assert drawn(split.train, 1) == drawn(split.train, 2)
    assert "--cache" in split.notes[0]


def test_what_does_not_fit_is_read_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    resident = read_callable("livesets:of_nothing", "", 0.2, 0)
    monkeypatch.setattr(user_dataset, "free_memory", lambda: 1000)
    read_callable.cache_clear()
    split = read_callable("livesets:of_nothing", "", 0.2, 0)
    assert isinstance(split.train, LiveImages)
    assert "don't fit into the memory" in split.notes[0]
    pairs = zip(batches(resident.train, 16, 0, 1), batches(split.train, 16, 0, 1), strict=True)
    assert all(torch.equal(a.pixels, b.pixels) and torch.equal(a.labels, b.labels) for a, b in pairs)


def test_a_label_that_is_drawn_is_refused() -> None:
    with pytest.raises(RequestError, match=r"the label of item . changes from reading to reading: .*--cache"):
        read_callable("livesets:turned", "", 0.2, 0)
    assert isinstance(read_callable("livesets:turned", "", 0.2, 0, 0, True).train, Images)


def test_a_run_that_was_stopped_and_resumed_has_the_bits_of_one_that_was_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fields = {**RECIPE, "data": "livesets:of_torch"}
    whole, stopped = folder(tmp_path, "whole", **fields), folder(tmp_path, "stopped", **fields)
    assert train(whole) == (0, "", "")
    signals = Signals()
    with monkeypatch.context() as patch:
        at_step(patch, 5, lambda: setattr(signals, "number", 15))  # SIGTERM in the second epoch
        assert train_folder(stopped.path, signals) == 143
    read_callable.cache_clear()
    assert train(stopped, resume=True) == (0, "", "")
    assert_same(whole, stopped)


def test_an_item_that_fails_later_ends_the_run_in_one_line(tmp_path: Path) -> None:
    run = folder(tmp_path, **{**RECIPE, "data": "livesets:fails_later", "epochs": 50})
    assert train(run) == (1, "", "")
    end = history(run).end
    assert end is not None
    assert "data: livesets:fails_later: reading item" in end.reason
    assert "raised OSError: the disk is gone" in end.reason


def test_pipelines_of_torchvision_work_inside(tmp_path: Path) -> None:
    pytest.importorskip("torchvision")
    split = read_callable("livesets:of_v2", "", 0.34, 0)
    assert isinstance(split.train, LiveImages)
    one, two = (next(split.train.in_epoch(epoch).in_order(16)).pixels for epoch in (1, 2))
    assert (one.dtype, one.shape) == (torch.float32, (8, 8, 8, 1))
    assert not torch.equal(one, two)
    assert train(folder(tmp_path, **{**RECIPE, "data": "livesets:of_v2", "batch_size": 4, "epochs": 1})) == (0, "", "")
    assert np.isfinite(split.train.stats.mean).all()


def test_labels_that_are_drawn_once_are_those_of_the_facts(tmp_path: Path) -> None:
    """The process that tells the facts draws what the run does, or the counts would not be those promised."""
    run = folder(tmp_path, **{**RECIPE, "epochs": 1, "data": "livesets:turned", "cache": "on", "seed": 3})
    assert train(run) == (0, "", "")
    expected = read_callable("livesets:turned", "", 0.2, 3, 0, True).train.labels.bincount().tolist()
    found = check(recipe(**RECIPE, data="livesets:turned", cache="on", seed=3)).data
    assert list(found.train_counts) == expected


def test_a_long_reading_tells_how_far_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(user_pass, "TELL_SECONDS", 0.0)
    told: list[str] = []
    user_dataset.read(Recipe(data="livesets:of_nothing"), told.append)
    assert "reading items: 30 of 60 (50%)" in told


def test_a_signal_is_heard_while_items_are_read(tmp_path: Path) -> None:
    run, signals = folder(tmp_path, **RECIPE, data="livesets:of_nothing"), Signals()
    signals.number = signal.SIGINT
    assert train_folder(run.path, signals) == 130
    found = history(run)
    assert found.run is None, "it had not begun"
    assert found.end is not None
    assert (found.end.status, found.end.step) == ("stopped", 0)


@pytest.mark.parametrize("kind", ["items", "files"])
def test_a_signal_to_all_processes_ends_no_worker(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As a batch system sends it: the run stops with a checkpoint, but failed for want of a worker."""
    monkeypatch.setattr(live, "WORTH_WORKERS", -1.0)
    for module in (live, streaming):
        monkeypatch.setattr(module, "usable_cores", lambda: 2)  # one worker, which is at work after its first batch
    part: Any = read_callable("livesets:of_torch", "", 0.2, 0).train
    if kind == "files":
        for number in range(48):
            Image.new("RGB", (8, 8)).save(tmp_path / f"{number}.png")
        paths = [str(tmp_path / f"{number}.png") for number in range(48)]
        part = Streamed(paths, torch.zeros(48, dtype=torch.int64), (8, 8), ("a",), ([0.0] * 3, [1.0] * 3))
    read = part.stream(torch.arange(48), 4)
    next(read)
    workers = multiprocessing.active_children()
    assert workers
    for worker in workers:
        worker.terminate()
    assert sum(images.size for images in read) == 44


@pytest.mark.parametrize("way", ["signal", "command"])
def test_a_stop_is_heard_while_a_batch_is_waited_for(way: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a disk that hangs it was heard when the batch came; then each of the workers was waited for ten seconds."""
    monkeypatch.setattr(live, "WORTH_WORKERS", -1.0)
    gate, run, signals, ended = tmp_path / "gate", folder(tmp_path, **RECIPE, data="livesets:hangs"), Signals(), Event()
    os.mkfifo(gate)
    in_time = []

    def ask() -> None:
        opened = None
        while opened is None and not ended.wait(0.01):
            with contextlib.suppress(OSError):  # no worker is at it yet
                opened = os.open(gate, os.O_WRONLY | os.O_NONBLOCK)
        if opened is not None:
            if way == "signal":
                signals.number = signal.SIGTERM
            else:
                send(run.commands, Command(command="stop", time=time.time()))
            in_time.append(ended.wait(60))
            os.close(opened)

    asker = Thread(target=ask)
    asker.start()
    code = train_folder(run.path, signals)
    left = multiprocessing.active_children()
    ended.set()
    asker.join()
    assert in_time == [True]
    assert not left
    assert code == (143 if way == "signal" else 0)
    end = history(run).end
    assert end is not None
    assert (end.status, end.reason) == ("stopped", "stopped by SIGTERM" if way == "signal" else "stopped when asked")
    assert load(run.checkpoints / "last.pt")["step"] == end.step


def test_a_stop_is_heard_between_items_that_this_process_reads(monkeypatch: pytest.MonkeyPatch) -> None:
    """A checkpoint may be saved in it: the generators are then the run's own, not the item's."""
    monkeypatch.setattr(live, "LOOK_EVERY", -1.0)
    state, states = torch.get_rng_state(), []

    class Reading:
        def __getitem__(self, number: int) -> torch.Tensor:
            return torch.rand(2) + number

    with looked_for(lambda: states.append(torch.get_rng_state())):
        found = list(live._here(cast(Any, Reading()), [[0, 1, 2], [3]]))
    assert [[int(one[0]) for one in batch] for batch in found if not isinstance(batch, str)] == [[0, 1, 2], [3]]
    assert len(states) == 4
    assert all(torch.equal(state, one) for one in states)
