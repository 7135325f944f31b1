"""Pictures of extreme sizes neither kill nor stall: refused by their header, or read a little at a time."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cvtui.engine.data.decode import Unreadable, decode
from cvtui.engine.data.loading import load
from cvtui.recipe.recipe import Recipe
from tests.peak import peak_bytes


def one_bit(path: Path, wide: int, high: int) -> None:
    """Write a whole PNG of one bit a pixel, all white: 400 million pixels are 50 MB of rows, and a file of 50 kB."""
    squeeze, rows = zlib.compressobj(1), b"\0" + b"\xff" * (-(-wide // 8))
    body = b"".join(squeeze.compress(rows * 100) for _ in range(high // 100)) + squeeze.flush()

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    head = struct.pack(">IIBBBBB", wide, high, 1, 0, 0, 0, 0)
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", body) + chunk(b"IEND", b""))


@pytest.mark.parametrize(("wide", "high"), [(20_000, 20_000), (30_000, 3_000)])
def test_a_picture_that_would_unpack_to_gigabytes_is_left_out_and_named(tmp_path: Path, wide: int, high: int) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        for number in range(3):
            Image.new("RGB", (8, 8), (number, 0, 0)).save(tmp_path / name / f"{number}.png")
    one_bit(tmp_path / "a" / "large.png", wide, high)
    before = peak_bytes()
    split = load(Recipe(data=f"folder:{tmp_path}", size="8"))
    assert peak_bytes() - before < 30 << 20, "nothing of it was decoded"
    (left_out,) = [note for note in split.notes if note.startswith("left out")]
    assert "a/large.png" in left_out
    assert "too many" in left_out
    assert split.train.size + split.validation.size == 6


def test_a_strip_is_cut_to_its_middle(tmp_path: Path) -> None:
    strip = np.zeros((10, 30_000, 3), np.uint8)
    strip[:, 14_990:15_010] = 200
    Image.fromarray(strip).save(tmp_path / "strip.png")
    Image.fromarray(strip.transpose(1, 0, 2)).save(tmp_path / "tower.png")
    before = peak_bytes()
    for name in ("strip", "tower"):
        assert (decode(str(tmp_path / f"{name}.png"), (16, 16)) == 200).all()
    assert peak_bytes() - before < 30 << 20


@pytest.mark.long
def test_a_jpeg_of_400_million_pixels_is_refused_before_it_is_decoded(tmp_path: Path) -> None:
    path = tmp_path / "large.jpg"
    Image.new("L", (20_000, 20_000), 90).save(path)
    before = peak_bytes()
    with pytest.raises(Unreadable, match="too many"):
        decode(str(path), (64, 64))
    assert peak_bytes() - before < 30 << 20


@pytest.mark.long
def test_a_jpeg_of_100_million_pixels_is_decoded_at_an_eighth(tmp_path: Path) -> None:
    path = tmp_path / "large.jpg"
    Image.new("L", (10_000, 10_000), 90).save(path)
    before = peak_bytes()
    assert (decode(str(path), (64, 64)) == 90).all()
    assert peak_bytes() - before < 60 << 20
