"""Decoded sets in the cache folder: taken where nothing changed, made anew where something did."""

from __future__ import annotations

import errno
import os
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from cvtui.engine.data import decoded_cache, file_decoding
from cvtui.engine.data.decoded_cache import cache_folder
from cvtui.engine.data.image_folder import ReadingProgress, _read, read_listing
from cvtui.engine.data.images import Split, channel_stats
from cvtui.recipe.datasets.image_folder import _known as listed
from cvtui.recipe.datasets.image_folder import listing
from cvtui.recipe.datasets.packed import Packed
from tests.engine.data.deep_pictures import png16
from tests.engine.making import pixels_of

COUNT = 12


@pytest.fixture(autouse=True)
def pictures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Make twelve pictures of two classes, and a cache folder of their own."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    random = np.random.default_rng(0)
    for number in range(COUNT):
        place = tmp_path / "set" / "ab"[number % 2]
        place.mkdir(parents=True, exist_ok=True)
        Image.fromarray(random.integers(0, 256, (8, 8, 3), np.uint8)).save(place / f"{number:02}.png")
    return tmp_path / "set"


def read(root: Path, cache: str = "on", size: str = "8", bits: int = 0) -> tuple[Split, str]:
    """Read as a new process would; return the split and what was told."""
    _read.cache_clear()
    listed.clear()
    told: list[str] = []
    return _read(listing(root, 0.5), size, ReadingProgress(told.append), bits, cache), "\n".join(told)


def pixels(split: Split) -> torch.Tensor:
    return torch.cat([part.part(0, 100).pixels for part in split[:2]])


def test_the_second_start_takes_what_the_first_has_kept(pictures: Path) -> None:
    first, told = read(pictures)
    assert "decoding" in told
    second, told = read(pictures)
    assert "12 decoded images are taken from" in told
    assert "decoding" not in told
    assert torch.equal(pixels(first), pixels(second))
    assert torch.equal(pixels(second), pixels(read(pictures, "off")[0]))
    assert channel_stats(second.train) == channel_stats(first.train)
    plain = second.train.part(0, 100)
    assert channel_stats(plain) == channel_stats(second.train), "of the pixels themselves, to the last bit"


@pytest.mark.parametrize("change", ["content", "time", "new", "gone", "size", "bits"])
def test_what_changed_is_decoded_anew(pictures: Path, change: str) -> None:
    read(pictures)
    path = pictures / "a" / "00.png"
    more: dict[str, Any] = {}
    if change == "content":
        status = path.stat()
        Image.new("RGB", (8, 8), (1, 2, 3)).save(path)
        os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    elif change == "time":
        os.utime(path, ns=(1, 1))
    elif change == "new":
        shutil.copy(path, path.with_name("99.png"))
    elif change == "gone":
        path.unlink()
    else:
        more = {"size": "6"} if change == "size" else {"bits": 12}
    split, told = read(pictures, **more)
    assert "decoding" in told
    assert torch.equal(pixels(split), pixels(read(pictures, "off", **more)[0]))


def test_unreadable_files_and_depth_are_remembered(pictures: Path) -> None:
    (pictures / "a" / "98.png").write_bytes(b"no picture")
    for name in ("96", "97"):
        png16(pictures / "b" / f"{name}.png", np.full((8, 8), 3000, np.uint16))
    first, _ = read(pictures)
    second, told = read(pictures)
    assert "taken from" in told
    assert first.notes == second.notes
    assert first.unreadable == second.unreadable
    assert [part.labels.tolist() for part in first[:2]] == [part.labels.tolist() for part in second[:2]]
    assert pixels(second).dtype == torch.uint16
    assert torch.equal(pixels(first), pixels(second))


def test_few_files_are_kept_only_when_asked_for_and_none_with_no_cache(pictures: Path) -> None:
    for cache in ("auto", "off"):
        read(pictures, cache)
        assert not cache_folder().exists()


def test_a_set_with_one_picture_inside_another_file_is_not_kept(pictures: Path) -> None:
    whole = listing(pictures, 0.5)
    packed = pictures.parent / "shard.tar"
    shutil.copy(whole.train[1][0], packed)
    inside = Packed(f"{packed}:1.png", str(packed), 0, packed.stat().st_size)
    found = replace(whole, train=(whole.train[0], (inside, whole.train[1][1]), *whole.train[2:]))
    read_listing(found, "8", ReadingProgress(None), cache="on")
    Image.new("RGB", (8, 8), "red").save(packed, "PNG")
    inside.length = packed.stat().st_size
    pixels = pixels_of(read_listing(found, "8", ReadingProgress(None), cache="on").train)
    assert pixels[1].unique(dim=1).tolist() == [[[255, 0, 0]]] * 8, "as it is now"


@pytest.mark.parametrize("harm", ["index.npz", "pixels", "cut", "cut index", "other index"])
def test_a_damaged_cache_is_made_anew(pictures: Path, harm: str) -> None:
    read(pictures)
    (kept,) = cache_folder().iterdir()
    if harm == "cut":
        os.truncate(kept / "pixels", 100)
    elif harm == "cut index":  # as a machine leaves it that lost its power
        os.truncate(kept / "index.npz", 300)
    elif harm == "other index":
        with np.load(kept / "index.npz") as index:
            np.savez(kept / "index.npz", **{**index, "about": np.array('{"dtype": "uint8", "shape": 3}')})
    else:
        (kept / harm).write_bytes(b"" if harm == "pixels" else b"PK nothing")
    split, told = read(pictures)
    assert "decoding" in told
    assert torch.equal(pixels(split), pixels(read(pictures, "off")[0]))
    assert [one.name for one in cache_folder().iterdir()] == [kept.name]


def test_a_disk_without_room_costs_the_cache_and_not_the_run(pictures: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decoded_cache, "DISK_SHARE", 0.0)
    split, told = read(pictures)
    assert "not kept for the next start: the disk of the cache folder has too little room" in told
    assert split.train.size == COUNT // 2


@pytest.mark.skipif(not hasattr(os, "posix_fallocate"), reason="no disk space is asked for ahead here")
def test_a_disk_that_fills_up_keeps_nothing_half_made(pictures: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "posix_fallocate", full)
    split, told = read(pictures)
    assert "not kept for the next start: No space left on device" in told
    assert split.train.size + split.validation.size == COUNT
    assert not list(cache_folder().iterdir())


def test_a_cache_folder_that_can_not_be_made_costs_the_cache(pictures: Path, tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("a file")
    split, told = read(pictures)
    assert "not kept for the next start" in told
    assert split.train.size == COUNT // 2


def test_old_sets_make_room(pictures: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decoded_cache, "MOST_SETS", 2)
    for size in ("4", "5", "6"):
        read(pictures, size=size)
    assert len(list(cache_folder().iterdir())) == 2
    assert "decoding" in read(pictures, size="4")[1]
    assert "taken from" in read(pictures, size="6")[1]


def test_processes_decode_what_threads_do(pictures: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    threads, _ = read(pictures, "off")
    monkeypatch.setattr(file_decoding, "WORTH_PROCESSES", 1)
    monkeypatch.setattr(file_decoding, "CHUNK", 5)
    monkeypatch.setattr(file_decoding, "usable_cores", lambda: 2)
    for cache in ("off", "on"):
        processes, _ = read(pictures, cache)
        assert torch.equal(pixels(threads), pixels(processes))
        assert channel_stats(threads.train) == channel_stats(processes.train)
