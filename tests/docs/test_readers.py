"""docs/data.md's table of where Pillow, torchvision and cvtui read one picture differently: each row is run."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from cvtui.engine.data.image_folder import ReadingProgress, _read
from cvtui.recipe.datasets.image_folder import listing
from tests.engine.data.deep_pictures import png16

PAGE = Path(__file__).parents[2] / "docs" / "data.md"
VERSIONS = "Pillow 13.0.0, torchvision 0.29.1"
RAMP = np.linspace(0, 4000, 64).round().reshape(8, 8).astype(np.uint16)


def turned(path: Path) -> None:
    half = np.zeros((8, 8, 3), np.uint8)
    half[:4] = 255
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(half).save(path, exif=exif, quality=100)


def palette(path: Path, **more: Any) -> None:
    made = Image.new("P", (8, 8), 1)
    made.putpalette([255, 0, 0, 0, 0, 255, *[0] * 762])
    made.save(path, **more)


def frames(path: Path) -> None:
    first, second = (Image.new("L", (8, 8), value) for value in (10, 200))
    first.save(path, save_all=True, append_images=[second])


def colour(path: Path) -> None:
    small = np.random.default_rng(0).integers(0, 255, (4, 4, 3), np.uint8)
    Image.fromarray(small).resize((8, 8), Image.Resampling.BICUBIC).save(path, quality=90)


PICTURES: dict[str, tuple[str, Callable[[Path], None]]] = {
    "grey PNG of 16 bits, 12 in use (0 to 4,000)": ("png", lambda path: png16(path, RAMP)),
    "the same in colour": ("png", lambda path: png16(path, np.stack([RAMP] * 3, 2))),
    "float TIFF, 0 to 1": ("tif", lambda path: Image.fromarray((RAMP / 4000).astype(np.float32)).save(path)),
    "JPEG with EXIF orientation 6, upper half white": ("jpg", turned),
    "palette PNG, all blue": ("png", palette),
    "palette PNG, all transparent": ("png", lambda path: palette(path, transparency=1)),
    "RGBA PNG, all transparent black": ("png", lambda path: Image.new("RGBA", (8, 8), (0, 0, 0, 0)).save(path)),
    "CMYK JPEG, red": ("jpg", lambda path: Image.new("CMYK", (8, 8), (0, 255, 255, 0)).save(path, quality=95)),
    "GIF of two frames, 10 and 200": ("gif", frames),
    "colour JPEG": ("jpg", colour),
}


def number(value: Any) -> str:
    return f"{value:.3g}" if value % 1 else f"{value:.0f}"


def words(array: Any) -> str:
    """Tell shape, range, number of levels, and the pixel top left."""
    array = np.asarray(array)
    levels = len(np.unique(array))
    corner = array[0, 0] if array.shape[-1] == 3 else array.reshape(-1, *array.shape[-3:])[0][:, 0, 0]
    shown = sorted(set(map(number, corner))) if len(set(map(number, corner))) == 1 else map(number, corner)
    span = f"{number(array.min())} to {number(array.max())}, {levels} level{'s' * (levels > 1)}"
    return f"{' x '.join(map(str, array.shape))}; {span}; top left {' '.join(shown)}"


def by_pillow(path: Path) -> str:
    return words(Image.open(path).convert("RGB"))


def by_folder(path: Path) -> str:
    from torchvision.datasets.folder import default_loader
    from torchvision.transforms import ToTensor

    return words(ToTensor()(default_loader(str(path))))


def by_decode_image(path: Path) -> str:
    from torchvision.io import decode_image

    try:
        return words(decode_image(str(path)))
    except RuntimeError:
        return "RuntimeError"


def by_cvtui(path: Path) -> str:
    """As the only kind of picture of a folder."""
    root = path.parent / f"set of {path.stem}"
    for name in ("a/1", "a/2", "b/1", "b/2"):
        copy = (root / name).with_suffix(".png")  # Pillow looks at the content
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_bytes(path.read_bytes())
    _read.cache_clear()
    split = _read(listing(root, 0.5), "8", ReadingProgress(None))
    return words(split.train.part(0, 1).pixels[0].numpy())


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # torchvision, of its own decoding
@pytest.mark.parametrize("name", list(PICTURES))
def test_each_row_of_the_page_is_what_comes_of_it(name: str, tmp_path: Path) -> None:
    suffix, make = PICTURES[name]
    path = tmp_path / f"picture.{suffix}"
    make(path)
    page = PAGE.read_text(encoding="utf-8")
    ours = by_cvtui(path)
    if not same_versions():
        assert any(line.startswith(f"| {name} |") and f"| {ours} |" in line for line in page.splitlines())
        return
    row = f"| {name} | {by_pillow(path)} | {by_folder(path)} | {by_decode_image(path)} | {ours} |"
    assert row in page, row


def same_versions() -> bool:
    if importlib.util.find_spec("torchvision") is None:
        return False
    import PIL
    import torchvision

    return f"Pillow {PIL.__version__}, torchvision {torchvision.__version__.partition('+')[0]}" == VERSIONS


def test_the_page_names_the_versions() -> None:
    assert VERSIONS in PAGE.read_text(encoding="utf-8")


def test_grey_of_a_colour_jpeg_differs_between_pillow_and_torchvision(tmp_path: Path) -> None:
    """The page says so; cvtui keeps three channels and never makes that grey."""
    if not same_versions():
        pytest.skip(f"the page is of {VERSIONS}")
    from torchvision.io import ImageReadMode, decode_image

    path = tmp_path / "x.jpg"
    values = np.random.default_rng(0).integers(0, 255, (64, 64, 3), np.uint8)
    Image.fromarray(values).save(path, quality=50)
    pillow = np.asarray(Image.open(path).convert("L")).astype(int)
    vision = decode_image(str(path), ImageReadMode.GRAY).numpy()[0].astype(int)
    assert np.abs(pillow - vision).max() > 1
    np.testing.assert_array_equal(np.asarray(Image.open(path)), decode_image(str(path)).permute(1, 2, 0).numpy())
