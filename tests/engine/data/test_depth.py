"""Images of more than 8 bits: one scale for the whole set, no grey level lost."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image

from cvtui.engine.data import image_folder
from cvtui.engine.data.augment import CHANGES, Augment
from cvtui.engine.data.decode import Unreadable, decode, look
from cvtui.engine.data.depth import Depth, ValueRange, unit_of
from cvtui.engine.data.each_image import TRANSFORMS
from cvtui.engine.data.image_folder import ReadingProgress, _read
from cvtui.engine.data.images import Images, Split
from cvtui.engine.data.loading import load
from cvtui.engine.data.streaming import Streamed
from cvtui.engine.runtime.seeds import generator
from cvtui.errors import RequestError
from cvtui.recipe.choices.augments import AUGMENTS
from cvtui.recipe.choices.spec import parse_chain
from cvtui.recipe.datasets.image_folder import listing
from cvtui.recipe.recipe import Recipe
from tests.engine.data.deep_pictures import png16
from tests.engine.making import folder, history, pixels_of, train


@pytest.fixture(autouse=True)
def fresh() -> Any:
    _read.cache_clear()
    yield
    _read.cache_clear()


def ramp(low: int, high: int) -> Any:
    return np.linspace(low, high, 64).round().reshape(8, 8).astype(np.uint16)


def made(root: Path, pictures: dict[str, Any]) -> Path:
    """Write pictures by `class/name`: arrays of uint16 as PNG, other arrays by Pillow."""
    for name, values in pictures.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if values.dtype == np.uint16:
            png16(path.with_suffix(".png"), values)
        elif values.dtype == np.uint8:
            Image.fromarray(values).save(path.with_suffix(".png"))
        else:
            Image.fromarray(values).save(path.with_suffix(".webp" if values.dtype == np.uint8 else ".tif"))
    return root


def read(root: Path, bits: int = 0) -> tuple[dict[float, Any], Split]:
    """Return the first plane of each image as it is kept, by its sum, and the split."""
    split = _read(listing(root, 0.5), "8", ReadingProgress(None), bits)
    planes = [image[..., 0] for part in split[:2] for image in part.part(0, 100).pixels]
    return {float(plane.double().sum()): plane for plane in planes}, split


def test_neighbours_keep_their_order_and_all_grey_levels(tmp_path: Path) -> None:
    """A file with a maximum of 255 beside one of 256 and one of 12 bits: dark, dark and bright."""
    values = [ramp(0, 255), ramp(0, 256), ramp(100, 190), ramp(0, 4000)]
    made(tmp_path, {f"{'ab'[number % 2]}/{number}": one for number, one in enumerate(values)})
    found, split = read(tmp_path)
    assert pixels_of(split.train).dtype == torch.uint16
    expected = [np.rint(one / 4095 * 65535) for one in values]
    for one in expected:
        np.testing.assert_array_equal(found[float(one.sum())].int().numpy(), one)
    assert any("12 bits, 4,095 is white (--bits sets it)" in note for note in split.notes)
    assert len(np.unique(found[float(expected[2].sum())].int())) == len(np.unique(values[2]))


@pytest.mark.parametrize(
    ("pictures", "dtype", "whites"),
    [
        ([ramp(0, 255), ramp(0, 100)], torch.uint8, (255, 100)),  # 8 bits in 16
        ([ramp(0, 65535), ramp(0, 100)], torch.uint16, (65535, 100)),
        ([ramp(0, 1023), (ramp(0, 255)).astype(np.uint8)], torch.uint16, (65535, 65535)),  # an 8-bit white is white
        ([(ramp(0, 1000) / 1000).astype(np.float32), (ramp(0, 500) / 1000).astype(np.float32)], torch.uint16,
         (65535, 32768)),
        ([ramp(0, 300).astype(np.int32) * 1000, ramp(0, 300).astype(np.int32)], torch.uint16, (37499, 37)),
        ([(ramp(0, 4000).astype(np.int32) - 1000), ramp(0, 100).astype(np.int32)], torch.uint16, (51516, 14390)),
        ([(ramp(0, 1)).astype(np.uint16), ramp(0, 1)], torch.uint8, (255, 255)),
    ],
    ids=["8 in 16", "16", "10 beside 8", "floats of 0..1", "32 bits", "negative", "black and white"],
)  # fmt: skip
def test_every_depth_is_read_on_one_scale(
    tmp_path: Path, pictures: list[Any], dtype: torch.dtype, whites: tuple[int, int]
) -> None:
    """Each picture twice, so that both parts have it; `whites`: their largest values as kept, worked by hand."""
    names = [f"{label}/{number}" for label in "ab" for number in "01"]
    for name, values in zip(names, [pictures[0], pictures[0], pictures[1], pictures[1]], strict=True):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        if values.dtype == np.uint16:
            png16(path.with_suffix(".png"), values)
        else:
            path = path.with_suffix(".png" if values.dtype == np.uint8 else ".tif")
            Image.fromarray(values).save(path)
            path.rename(path.with_suffix(".png"))  # an ending that is listed; Pillow looks at the content
    _, split = read(tmp_path)
    train = pixels_of(split.train)
    assert train.dtype == dtype
    assert tuple(int(image.int().max()) for image in train) == whites


def test_bits_set_the_scale(tmp_path: Path) -> None:
    made(tmp_path, {f"{label}/{number}": ramp(0, 3000) for label in "ab" for number in "01"})
    found, split = read(tmp_path, 16)
    assert int(next(iter(found.values())).int().max()) == 3000
    assert any("16 bits, 65,535 is white (as --bits says)" in note for note in split.notes)
    _read.cache_clear()
    assert any("larger ones are cut off" in note for note in read(tmp_path, 10)[1].notes)


JPEG2000 = {
    "white of 12 bits in colour": (
        "/0//UQAvAAAAAAAIAAAACAAAAAAAAAAAAAAACAAAAAgAAAAAAAAAAAADCwEBCwEBCwEB/1IADAAAAAEBAAQEAAH/XAAEQGD/ZAAlAAFDcmVh"
        "dGVkIGJ5IE9wZW5KUEVHIHZlcnNpb24gMi41LjT/kAAKAAAAAAAYAAH/k8/kFBQAXK+HgID/2Q=="
    ),
    "1000 of 12 bits in grey": (
        "/0//UQApAAAAAAAIAAAACAAAAAAAAAAAAAAACAAAAAgAAAAAAAAAAAABCwEB/1IADAAAAAEAAAQEAAH/XAAEQGD/ZAAlAAFDcmVhdGVkIGJ5"
        "IE9wZW5KUEVHIHZlcnNpb24gMi41LjT/kAAKAAAAAAAlAAH/k8/kUBFQVKNuUoQAAAABhIS7r1gAYSEv/9k="
    ),
}
"""8 x 8 each, by another program: Pillow gives 0 for the one and 16000 for the other."""


def test_jpeg_2000_of_12_bits_keeps_its_values_or_is_left_out(tmp_path: Path) -> None:
    colour, grey, bytes_ = (tmp_path / name for name in ("colour.jp2", "grey.jp2", "bytes.jp2"))
    for path, text in zip((colour, grey), JPEG2000.values(), strict=True):
        path.write_bytes(base64.b64decode(text))
    with pytest.raises(Unreadable, match="JPEG 2000 of 12 bits, whose white Pillow reads as black"):
        look(str(colour), (8, 8))
    assert look(str(grey), (8, 8)) == ValueRange(1000, 1000, True)
    Image.new("RGB", (8, 8), "white").save(bytes_)
    assert np.asarray(look(str(bytes_), (8, 8))).min() == 255


def test_streamed_and_resident_are_equal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    random = np.random.default_rng(0)
    pictures = {f"{'ab'[n % 2]}/{n}": random.integers(0, 3000, (8, 8, 3)).astype(np.uint16) for n in range(9)}
    pictures["a/9"] = random.integers(0, 255, (8, 8, 3)).astype(np.uint8)
    made(tmp_path, pictures)
    one = load(Recipe(data=f"folder:{tmp_path}", size="8"))
    _read.cache_clear()
    monkeypatch.setattr(image_folder, "free_memory", lambda: 0)
    two = load(Recipe(data=f"folder:{tmp_path}", size="8"))
    assert isinstance(two.train, Streamed)
    assert torch.equal(one.train.part(0, 99).pixels, two.train.part(0, 99).pixels)
    assert one.train.stats == two.train.stats  # type: ignore[attr-defined]
    values = pixels_of(one.train).double().reshape(-1, 3)
    assert one.train.stats.mean == pytest.approx(values.mean(0).tolist())  # type: ignore[attr-defined]
    assert one.train.stats.std == pytest.approx(values.std(0, correction=0).tolist())  # type: ignore[attr-defined]


@pytest.mark.parametrize("kind", ["grey", "RGB", "RGBA"])
@pytest.mark.parametrize("orientation", [1, 6])
def test_colour_of_16_bits_keeps_both_bytes(tmp_path: Path, kind: str, orientation: int) -> None:
    """Pillow gives the high byte alone; its own picture of 8 bits of the same values is the oracle for the turn."""
    random = np.random.default_rng(0)
    values = random.integers(0, 65536, (8, 12, {"grey": 1, "RGB": 3, "RGBA": 4}[kind])).astype(np.uint16)
    if kind == "RGBA":
        values[..., 3] = 65535
    path = tmp_path / "x.png"
    png16(path, values)
    if orientation != 1:
        data, place = path.read_bytes(), 33
        exif = Image.Exif()
        exif[0x0112] = orientation
        body = b"eXIf" + exif.tobytes()[6:]
        chunk = (len(body) - 4).to_bytes(4, "big") + body + __import__("zlib").crc32(body).to_bytes(4, "big")
        path.write_bytes(data[:place] + chunk + data[place:])
    upright = np.rot90(values, -1) if orientation == 6 else values
    found = decode(str(path), upright.shape[:2], Depth.fitting(ValueRange(0, 65535, True)))
    expected = np.repeat(upright, 3, 2) if kind == "grey" else upright[..., :3]
    np.testing.assert_array_equal(found, expected)


def test_what_holds_no_brightness_is_unreadable(tmp_path: Path) -> None:
    from cvtui.engine.data.decode import Unreadable

    for number, value in enumerate((np.nan, np.inf, -3.4e38)):
        values = np.full((8, 8), 0.5, np.float32)
        values[0, 0] = value
        Image.fromarray(values).save(tmp_path / f"{number}.tif")
        with pytest.raises(Unreadable, match="NaN, infinite or beyond 32 bits"):
            look(str(tmp_path / f"{number}.tif"), (8, 8))


@pytest.mark.parametrize("name", sorted(CHANGES.keys() - TRANSFORMS.keys()))  # those: test_augment_torchvision.py
def test_every_augmentation_takes_uint16(name: str) -> None:
    """The same change of the same pixels, 257 times as large, is 257 times as large (but for rounding)."""
    small = torch.randint(0, 256, (6, 8, 8, 3), generator=generator(0, 0), dtype=torch.uint8)
    large = (small.int() * 257).to(torch.uint16)
    text = {"shift": "shift(2)", "crop": "crop(2)", "rotate": "rotate(20)", "cutout": "cutout(3)"}.get(name, name)
    change = Augment(parse_chain(text, AUGMENTS), seed=1)
    a, b = (change(pixels, 0) for pixels in (small, large))
    assert b.dtype == torch.uint16
    assert (b.double() / 257 - a.double()).abs().max() <= 0.51


def test_a_run_of_16_bits_is_that_of_its_values(tmp_path: Path) -> None:
    """With `scale`, x / 65535: the same losses as of the 8-bit pictures of these values, which are multiples of 257."""
    random = np.random.default_rng(0)
    for number in range(24):
        values = random.integers(0, 256, (8, 8), np.uint8)
        made(tmp_path / "deep", {f"{'ab'[number % 2]}/{number}": values.astype(np.uint16) * 257})
        made(tmp_path / "flat", {f"{'ab'[number % 2]}/{number}": values})
    losses = []
    for kind in ("deep", "flat"):
        run = folder(
            tmp_path, kind + "-run", data=f"folder:{tmp_path / kind}", size="8", net="conv4-relu-fc", batch_size=8,
            preprocess="standardise", epochs=2,
        )  # fmt: skip
        assert train(run) == (0, "", "")
        found = history(run)
        losses.append(found.steps.loss)
        assert found.end is not None
    np.testing.assert_allclose(losses[0], losses[1], rtol=1e-5)


def test_units() -> None:
    assert [unit_of(dtype) for dtype in (torch.uint8, torch.uint16, torch.float32)] == [255, 65535, 1]
    images = Images(torch.arange(12).to(torch.uint16).view(3, 2, 2, 1), torch.arange(3))
    assert images.batch(torch.tensor([2, 0])).pixels.flatten().int().tolist() == [8, 9, 10, 11, 0, 1, 2, 3]


@pytest.mark.parametrize(
    ("train", "validation", "bits", "dtype", "whites"),
    [
        (np.uint16(4000), np.uint16(1000), 0, torch.uint16, (4000 / 4095, 1000 / 4095)),
        (np.uint16(200), np.uint16(1000), 0, torch.uint16, (200 / 1023, 1000 / 1023)),
        (np.uint16(4000), np.uint16(1000), 16, torch.uint16, (4000 / 65535, 1000 / 65535)),
        (np.uint8(255), np.int32(1000), 0, torch.uint16, (1, 1000 / 1023)),  # an 8-bit white is white
        (np.int64(255), np.uint8(51), 0, torch.uint8, (1, 0.2)),
        (np.uint8(255), np.uint8(51), 12, torch.uint8, (1, 0.2)),  # --bits is of images with more than 8
        (np.bool_(True), np.uint8(51), 0, torch.uint8, (1, 0.2)),
        (np.float32(1), np.float64(0.2), 0, torch.uint8, (1, 0.2)),
        (np.float32(0.5), np.float32(1.5), 0, torch.float32, (0.5, 1.5)),
    ],
)
@pytest.mark.parametrize("size", ["", "2"])
def test_both_parts_of_an_npz_file_have_one_scale(
    train: np.generic, validation: np.generic, bits: int, dtype: torch.dtype, whites: tuple[float, float], size: str,
    tmp_path: Path,
) -> None:  # fmt: skip
    images = [np.full((6, 4, 4), value) for value in (train, validation)]
    labels = np.arange(6) % 2
    np.savez(tmp_path / "set.npz", x_train=images[0], y_train=labels, x_val=images[1], y_val=labels)
    split = load(Recipe(data=f"npz:{tmp_path / 'set.npz'}", bits=bits, size=size))
    for part, white in zip((split.train, split.validation), whites, strict=True):
        pixels = pixels_of(part)
        assert pixels.dtype == dtype
        assert (pixels.double() / unit_of(dtype) - white).abs().max() <= 0.5 / unit_of(dtype) + 1e-9
    told = [note for note in split.notes if "more than 8 bits" in note]
    assert bool(told) == (dtype == torch.uint16)
    assert all(("as --bits says" in note) == bool(bits) for note in told)


def test_a_transparent_16_bit_npz_file_lies_on_white(tmp_path: Path) -> None:
    images = np.full((6, 4, 4, 4), 32768, np.uint16)
    images[..., 3] = 0
    np.savez(tmp_path / "set.npz", x=images, y=np.arange(6) % 2)
    split = load(Recipe(data=f"npz:{tmp_path / 'set.npz'}"))
    assert (pixels_of(split.train).int() == 65535).all()
    assert any(note.startswith("4 channels are taken for RGBA") for note in split.notes)


@pytest.mark.parametrize(
    ("other", "words"),
    [(np.full((6, 4, 4), 1.5), "some images are floats beyond 0..1"),
     (np.full((6, 4, 4), 2**40), "hold values beyond 32 bits")],
)  # fmt: skip
def test_an_npz_file_without_one_scale_is_refused(other: NDArray[Any], words: str, tmp_path: Path) -> None:
    images, labels = np.full((6, 4, 4), 9, np.uint8), np.arange(6) % 2
    np.savez(tmp_path / "set.npz", x_train=images, y_train=labels, x_val=other, y_val=labels)
    with pytest.raises(RequestError, match=words):
        load(Recipe(data=f"npz:{tmp_path / 'set.npz'}"))
