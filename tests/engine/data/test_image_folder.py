"""Folders of real image files: what is decoded, what is left out and said, and the same numbers when it streams."""

from __future__ import annotations

import signal
import struct
import time
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from cvtui.engine.data import file_decoding, image_folder
from cvtui.engine.data.batching import batches
from cvtui.engine.data.decode import Unreadable, decode, look
from cvtui.engine.data.image_folder import read
from cvtui.engine.data.images import Images, channel_stats
from cvtui.engine.data.loading import load
from cvtui.engine.data.streaming import Streamed
from cvtui.engine.train.control import Signals
from cvtui.engine.worker import train_folder
from cvtui.errors import RequestError
from cvtui.recipe.datasets.image_folder import _known, folder_facts, listing
from cvtui.recipe.recipe import Recipe
from cvtui.recipe.validation import check
from tests.engine.making import folder as run_folder
from tests.engine.making import history, pixels_of

COLOURS = {"red cats": (220, 30, 30), "blue \U0001f415": (30, 30, 220), "line\nbreak": (30, 220, 30)}


def fill(root: Path, each: int = 10) -> Path:
    """Three classes of plain colours with a little noise, as PNG, JPEG, WebP and BMP of different sizes."""
    random = np.random.default_rng(0)
    for name, colour in COLOURS.items():
        place = root / name / "deeper"
        place.mkdir(parents=True)
        for number in range(each):
            high, wide = random.integers(10, 40, 2)
            pixels = np.clip(np.array(colour) + random.normal(0, 12, (high, wide, 3)), 0, 255).astype(np.uint8)
            suffix = ("png", "jpg", "webp", "bmp")[number % 4]
            Image.fromarray(pixels).save(place / f"{number:03d}.{suffix}")
    return root


def test_classes_counts_and_the_split(tmp_path: Path) -> None:
    root = fill(tmp_path / "pictures")
    (root / "red cats" / "notes.txt").write_text("x")
    (root / "red cats" / "away.png").symlink_to(root / "nowhere.png")
    facts = folder_facts(root, "8x12", 0.2)
    assert facts.classes == tuple(sorted(COLOURS))
    assert (facts.size, facts.train, facts.validation) == ((8, 12, 3), 24, 6)
    first, again, other = (listing(root, 0.2, seed) for seed in (0, 0, 1))
    assert first == again
    assert first.validation != other.validation
    assert not {path for path, _ in first.train} & {path for path, _ in first.validation}
    assert first.others == 2, "the text and the link that leads nowhere"
    split = read(Recipe(data=f"folder:{root}", size="8x12", val_share=0.2))
    assert (split.train.size, split.validation.size) == (24, 6)
    assert split.notes == ("passed over 2 files: 1 that ends in .txt, 1 link to nowhere or in a circle",)
    for number, name in enumerate(facts.classes):
        mean = pixels_of(split.train)[split.train.labels == number].double().mean((0, 1, 2))
        assert torch.allclose(mean, torch.tensor(COLOURS[name]).double(), atol=8)


def test_its_own_split_is_taken(tmp_path: Path) -> None:
    fill(tmp_path / "set" / "train", 6)
    fill(tmp_path / "set" / "val", 2)
    facts = folder_facts(tmp_path / "set", "", 0.5)
    assert (facts.train, facts.validation, facts.size) == (18, 6, (64, 64, 3))
    (tmp_path / "set" / "val" / "stranger").mkdir()
    _known.clear()  # a listing is believed for five seconds
    with pytest.raises(RequestError, match="has the class 'stranger'"):
        listing(tmp_path / "set", 0.4)


@pytest.mark.parametrize("mode", ["L", "RGBA", "CMYK", "I;16", "P", "1", "LA"])
def test_every_kind_of_pixel_becomes_rgb(tmp_path: Path, mode: str) -> None:
    path = tmp_path / ("x.jpg" if mode == "CMYK" else "x.png")
    if mode == "I;16":
        Image.fromarray(np.full((20, 20), 128 * 257, np.uint16)).save(path)
    else:
        grey = Image.new("RGB", (20, 20), (128, 128, 128))
        (grey.quantize(2) if mode == "P" else grey.convert(mode)).save(path)
    pixels = decode(str(path), (8, 8)).astype(int)
    if mode != "1":  # dithered
        assert np.abs(pixels - 128).max() <= 2
    transparent = tmp_path / "clear.png"
    Image.new("RGBA", (20, 20), (9, 9, 9, 0)).save(transparent)
    assert (decode(str(transparent), (8, 8)) == 255).all(), "what is clear shows a white ground"


def test_a_photograph_that_lies_on_its_side_is_turned(tmp_path: Path) -> None:
    pixels = np.zeros((10, 20, 3), np.uint8)
    pixels[:, :10] = 255
    exif = Image.Exif()
    exif[0x0112] = 6  # turn by 90 degrees to the right
    Image.fromarray(pixels).save(tmp_path / "x.png", exif=exif)
    found = decode(str(tmp_path / "x.png"), (20, 10))
    assert found[:8].min() > 200
    assert found[-8:].max() < 50


def bomb(path: Path) -> None:
    """Write a PNG of 40,000 x 40,000 pixels in a few kB."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return len(data).to_bytes(4, "big") + kind + data + zlib.crc32(kind + data).to_bytes(4, "big")

    side = (40_000).to_bytes(4, "big")
    header = chunk(b"IHDR", side + side + bytes([8, 0, 0, 0, 0]))
    data = chunk(b"IDAT", zlib.compress(bytes(100_000)))
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + header + data + chunk(b"IEND", b""))


def test_what_cannot_be_read_is_counted_named_and_left_out(tmp_path: Path) -> None:
    root = fill(tmp_path / "pictures")
    place = root / "red cats"
    whole = (place / "deeper" / "001.jpg").read_bytes()
    (place / "cut.jpg").write_bytes(whole[: len(whole) // 2])
    (place / "empty.png").write_bytes(b"")
    (place / "text.bmp").write_text("hello")
    bomb(place / "bomb.png")
    run = run_folder(tmp_path / "runs", data=f"folder:{root}", size="8", net="conv4-relu-fc", batch_size=8)
    assert train_folder(run.path, Signals()) == 0, run.log.read_text()
    found = history(run)
    assert found.run is not None
    assert found.run.data["train"] + found.run.data["validation"] == 30
    told = " ".join(log.text for log in found.logs)
    assert "left out 4 files that can't be read" in told
    for name in ("cut.jpg", "empty.png", "text.bmp", "bomb.png (its pixels are too many)"):
        assert name in told
    assert found.state() == "finished"
    assert found.steps_done == found.run.total_steps == 2 * found.run.steps_per_epoch


def test_it_streams_the_same_batches_where_memory_is_short(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = fill(tmp_path / "pictures")
    recipe = Recipe(data=f"folder:{root}", size="8", net="fc", batch_size=7, label_noise=0.3, limit=20)
    resident = load(recipe)
    image_folder._read.cache_clear()
    monkeypatch.setattr(image_folder, "MEMORY_SHARE", 0.0)
    streaming = load(recipe)
    image_folder._read.cache_clear()
    assert isinstance(resident.train, Images)
    assert isinstance(streaming.train, Streamed)
    assert any("decoded anew" in note for note in streaming.notes)
    for one, other in zip(batches(resident.train, 7, 3, 2), batches(streaming.train, 7, 3, 2), strict=True):
        assert torch.equal(one.pixels, other.pixels)
        assert torch.equal(one.labels, other.labels)
    assert torch.equal(resident.validation.part(0, 3).pixels, streaming.validation.part(0, 3).pixels)
    assert channel_stats(streaming.train) == channel_stats(resident.train), "of the images that are trained on"
    monkeypatch.undo()
    some = Recipe(data=recipe.data, size="8", net="fc", only=",".join(streaming.classes[:2]), limit=9)
    resident = load(some)
    image_folder._read.cache_clear()
    monkeypatch.setattr(image_folder, "MEMORY_SHARE", 0.0)
    assert channel_stats(load(some).train) == channel_stats(resident.train)
    image_folder._read.cache_clear()


def test_a_run_that_streams_trains_like_one_that_does_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = fill(tmp_path / "pictures")
    runs = []
    for name, share in (("resident", 0.25), ("streaming", 0.0)):
        monkeypatch.setattr(image_folder, "MEMORY_SHARE", share)
        image_folder._read.cache_clear()
        run = run_folder(tmp_path / "runs", name, data=f"folder:{root}", size="8", net="conv4-relu-fc", batch_size=8)
        assert train_folder(run.path, Signals()) == 0, run.log.read_text()
        runs.append(history(run))
    image_folder._read.cache_clear()
    assert runs[0].steps.loss.tobytes() == runs[1].steps.loss.tobytes()
    assert [e.val_loss for e in runs[0].epochs] == [e.val_loss for e in runs[1].epochs]


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda _: None, "does not exist"),
        (lambda root: root.write_text("x"), "is a file"),
        (lambda root: root.mkdir(), "no subfolders"),
        (lambda root: (root / "one").mkdir(parents=True), "0 subfolders with images"),
    ],
)
def test_what_is_no_set_is_one_line(tmp_path: Path, make: object, words: str) -> None:
    root = tmp_path / "set"
    make(root)  # type: ignore[operator]
    with pytest.raises(RequestError, match=words):
        check(Recipe(data=f"folder:{root}"))


def test_a_picture_of_a_satellite_says_how_many_bands_it_has(tmp_path: Path) -> None:
    """As EuroSAT's: 13 bands of 16 bits, which Pillow can't identify."""
    pixels = np.zeros((4, 4, 13), "<u2").tobytes()
    at = 8 + len(pixels) + 2 + 10 * 12 + 4
    tags = [
        (256, 4),
        (257, 4),
        (258, at, 13),
        (259, 1),
        (262, 1),
        (273, 8),
        (277, 13),
        (278, 4),
        (279, len(pixels)),
        (338, 0),
    ]
    entries = b"".join(struct.pack("<HHII", tag, 3 if tag not in (273, 279) else 4, *(more or (1,)), value)
                       for tag, value, *more in tags)  # fmt: skip
    head = b"II*\0" + struct.pack("<I", 8 + len(pixels))
    body = head + pixels + struct.pack("<H", 10) + entries + bytes(4) + struct.pack("<13H", *[16] * 13)
    (tmp_path / "forest_1.tif").write_bytes(body)
    with pytest.raises(Unreadable, match="it has 13 bands; 1, 3 and 4 are read"):
        decode(str(tmp_path / "forest_1.tif"), (4, 4))


@pytest.mark.parametrize("processes", [False, True])
def test_a_signal_is_heard_while_files_are_decoded(
    processes: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After the file that each is at: 3,000 photos went on for half a minute."""
    root = fill(tmp_path / "pictures")
    monkeypatch.setattr(file_decoding, "WORTH_PROCESSES", 1 if processes else 1000)
    monkeypatch.setattr(file_decoding, "CHUNK", 8)
    monkeypatch.setattr(file_decoding, "usable_cores", lambda: 2)
    signals, log = Signals(), tmp_path / "decoded"

    def looked(path: str, shape: tuple[int, int]) -> Any:
        with open(log, "a") as file:
            file.write(".")
        signals.number = signal.SIGTERM
        time.sleep(0 if log.stat().st_size < 4 else 1.5 * file_decoding.LOOK_EVERY)
        return look(path, shape)

    monkeypatch.setattr(file_decoding, "look", looked)
    run = run_folder(tmp_path, data=f"folder:{root}", size="8", net="fc", batch_size=8, epochs=1)
    if processes:  # the handler runs in the process that waits
        signals.number = signal.SIGTERM
    assert train_folder(run.path, signals) == 143
    assert log.stat().st_size < 16, "of 30"
    end = history(run).end
    assert end is not None
    assert (end.status, end.reason) == ("stopped", "stopped by SIGTERM")
    monkeypatch.setattr(file_decoding, "look", look)
    assert train_folder(run.path, Signals(), resume=True) == 0
