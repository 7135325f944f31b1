"""Folders of pictures for `python -m tests.benchmarks.recipes`, made without a network.

Eight that the rule was chosen on (TUNED) and two that it was not (HELD): few and many pictures, 2 to 20 classes, 16 to
224 pixels, grey and colour, balanced and 10 : 1. Photographs come from scikit-image and scikit-learn, letters from the
fonts of DejaVu and Liberation; pictures to validate with are of other parts, other fonts, other draws.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from cvtui.assets import asset

Maker = np.random.Generator
Pictures = Iterator[tuple[str, str, Image.Image]]
"""(train or val, class, picture)."""
FONTS = Path("/usr/share/fonts/truetype")
HALVES = ("train", "val")


def _picture(values: np.ndarray) -> Image.Image:
    return Image.fromarray(values.clip(0, 255).astype(np.uint8))


def _grid(side: int) -> tuple[np.ndarray, np.ndarray]:
    y, x = np.mgrid[:side, :side].astype(float)
    return y, x


def _counted(counts: tuple[int, int], draw: Callable[[], Image.Image], name: str) -> Pictures:
    for half, count in zip(HALVES, counts, strict=True):
        for _ in range(count):
            yield half, name, draw()


# ------------------------------------------------------------------ sets to choose the rule on


def digits28(maker: Maker) -> Pictures:
    """Draw 20 of each handwritten digit, enlarged: 28 x 28, grey."""
    with np.load(asset("digits.npz")) as found:
        images, labels = found["train_images"], found["train_labels"]
    for digit in range(10):
        places = maker.permutation(np.flatnonzero(labels == digit))[:50]
        for number, place in enumerate(places):
            small = _picture(images[place] * (255 / images.max()))
            yield HALVES[number >= 20], str(digit), small.resize((28, 28), Image.Resampling.BICUBIC)


def _crops(names: dict[str, np.ndarray], maker: Maker, counts: tuple[int, int], side: int) -> Pictures:
    """Crop squares: of the left 3/5 of a photograph to train on, of the right 2/5 to validate."""
    for name, array in names.items():
        picture = Image.fromarray(array).convert("RGB")
        border = round(picture.width * 0.6)
        for half, left, right in (("train", 0, border), ("val", border, picture.width)):
            for _ in range(counts[HALVES.index(half)]):
                cut = int(maker.integers(min(64, picture.height // 3), min(right - left, picture.height) // 2 + 32))
                cut = min(cut, right - left, picture.height)
                x = int(maker.integers(left, right - cut + 1))
                y = int(maker.integers(0, picture.height - cut + 1))
                yield half, name, picture.crop((x, y, x + cut, y + cut)).resize((side, side))


def photos96(maker: Maker) -> Pictures:
    """Crop parts of eight photographs: 96 x 96, colour."""
    from skimage import data
    from sklearn.datasets import load_sample_images

    china, flower = load_sample_images().images
    names = ("chelsea", "astronaut", "coffee", "rocket", "hubble_deep_field", "retina")
    found = {name: getattr(data, name)() for name in names}
    return _crops({**found, "china": china, "flower": flower}, maker, (60, 30), 96)


def textures128(maker: Maker) -> Pictures:
    """Crop 20 parts of each of three textures: 128 x 128."""
    from skimage import data

    return _crops({name: getattr(data, name)() for name in ("brick", "grass", "gravel")}, maker, (20, 40), 128)


def shapes64(maker: Maker) -> Pictures:
    """Draw shapes of any colour on any colour, under noise: 64 x 64."""
    y, x = _grid(64)

    def draw(kind: str) -> Image.Image:
        size, angle = maker.uniform(10, 22), maker.uniform(0, np.pi)
        dx, dy = x - maker.uniform(22, 42), y - maker.uniform(22, 42)
        u, v = dx * np.cos(angle) + dy * np.sin(angle), dy * np.cos(angle) - dx * np.sin(angle)
        inside = {
            "circle": np.hypot(u, v) < size,
            "ring": abs(np.hypot(u, v) - size * 0.8) < size / 5,
            "square": np.maximum(abs(u), abs(v)) < size * 0.9,
            "triangle": (v > -size / 2) & (abs(u) < (size - v) * 0.58),
            "cross": (np.minimum(abs(u), abs(v)) < size / 4) & (np.maximum(abs(u), abs(v)) < size),
            "bar": (abs(u) < size / 3) & (abs(v) < size * 1.3),
        }[kind]
        colors = maker.uniform(0, 255, (2, 3))
        return _picture(np.where(inside[..., None], colors[0], colors[1]) + maker.normal(0, 35, (64, 64, 3)))

    for kind in ("circle", "ring", "square", "triangle", "cross", "bar"):
        yield from _counted((150, 50), partial(draw, kind), kind)


def stripes48(maker: Maker) -> Pictures:
    """Draw stripes in twelve directions, which a flip would change: 48 x 48, grey."""
    y, x = _grid(48)

    def draw(turn: int) -> Image.Image:
        angle = np.pi * (turn + maker.uniform(-0.4, 0.4)) / 12
        wave = np.sin((x * np.cos(angle) + y * np.sin(angle)) * maker.uniform(0.3, 1.2) + maker.uniform(0, 6.3))
        return _picture(128 + 60 * wave * maker.uniform(0.3, 1) + maker.normal(0, 50, (48, 48)))

    for turn in range(12):
        yield from _counted((60, 30), partial(draw, turn), f"{15 * turn:03}")


def letters32(maker: Maker) -> Pictures:
    """Write twenty letters, to validate in fonts that were not trained on: 32 x 32, grey."""
    files = sorted(FONTS.glob("*/*.ttf"))
    held = [file for file in files if "Mono" in file.name or "Narrow" in file.name]
    shown = [file for file in files if file not in held and "Math" not in file.name]
    if not held or not shown:
        raise SystemExit(f"letters32 needs the fonts of DejaVu and Liberation in {FONTS}")
    for letter in "ABCDEFGHKLMNPRSTXYZ&":
        for half, fonts, count in (("train", shown, 100), ("val", held, 25)):
            for _ in range(count):
                font = ImageFont.truetype(str(fonts[int(maker.integers(len(fonts)))]), int(maker.integers(16, 27)))
                page = Image.new("L", (32, 32), int(maker.integers(150, 256)))
                place = (16 + float(maker.uniform(-4, 4)), 16 + float(maker.uniform(-4, 4)))
                ImageDraw.Draw(page).text(place, letter, fill=int(maker.integers(0, 100)), font=font, anchor="mm")
                angle, paper = float(maker.uniform(-12, 12)), page.getpixel((0, 0))
                turned = page.rotate(angle, Image.Resampling.BILINEAR, fillcolor=paper)
                yield half, letter, _picture(np.asarray(turned, float) + maker.normal(0, 20, (32, 32)))


def cells224(maker: Maker) -> Pictures:
    """Draw round cells, of which in one picture of eleven some are spiky: 224 x 224, grey, 10 : 1."""
    y, x = _grid(224)

    def draw(ill: bool) -> Image.Image:
        field = _spectrum(maker, 224, 2.0) * 25 + 190
        for number in range(int(maker.integers(8, 16))):
            dx, dy = x - maker.uniform(10, 214), y - maker.uniform(10, 214)
            turn = np.arctan2(dy, dx) + maker.uniform(0, 6.3)
            spikes = 0.35 * np.cos(7 * turn) if ill and number < 5 else 0.06 * np.cos(3 * turn)
            edge = maker.uniform(11, 19) * (1 + spikes)
            field -= maker.uniform(40, 90) / (1 + np.exp((np.hypot(dx, dy) - edge) / 1.5))
        return _picture(field + maker.normal(0, 8, (224, 224)))

    yield from _counted((200, 80), lambda: draw(False), "healthy")
    yield from _counted((20, 8), lambda: draw(True), "ill")


def noises16(maker: Maker) -> Pictures:
    """Draw 1,000 fields of each of four spectra: 16 x 16, colour."""
    for number, power in enumerate((0.4, 0.8, 1.2, 1.6)):
        draw = partial(_noise, maker, power)
        yield from _counted((1000, 150), draw, f"noise{number}")


# ------------------------------------------------------------------ sets that the rule was not chosen on


def flowers80(maker: Maker) -> Pictures:
    """Draw flowers of three to seven petals, 5 : 1: 80 x 60, colour."""
    y, x = _grid(80)

    def draw(petals: int) -> Image.Image:
        dx, dy = x - maker.uniform(34, 46), y - maker.uniform(34, 46)
        turn = np.arctan2(dy, dx) + maker.uniform(0, 6.3)
        edge = maker.uniform(17, 25) * (1 + 0.35 * np.cos(petals * turn))
        back, front, middle = maker.uniform(20, 235, (3, 3))
        field = np.where((np.hypot(dx, dy) < edge)[..., None], front, back)
        field = np.where((np.hypot(dx, dy) < 6)[..., None], middle, field)
        return _picture((field + maker.normal(0, 20, (80, 80, 3)))[10:70])

    for petals, count in zip((3, 4, 5, 6, 7), (150, 100, 67, 45, 30), strict=True):
        yield from _counted((count, 40), partial(draw, petals), f"petals{petals}")


def grounds100(maker: Maker) -> Pictures:
    """Draw seven kinds of ground: 100 x 100, colour, 40 of each."""
    y, x = _grid(100)

    def cracked() -> np.ndarray:
        points = maker.uniform(0, 100, (25, 2))
        far = np.sort(np.hypot(x[..., None] - points[:, 0], y[..., None] - points[:, 1]), axis=-1)
        return (far[..., 1] - far[..., 0]).clip(0, 4) - 2

    def waves() -> np.ndarray:
        warp = _spectrum(maker, 100, 2.2) * 6
        return np.sin((x * maker.uniform(-1, 1) + y + warp) * maker.uniform(0.3, 0.6))

    def dots() -> np.ndarray:
        field = np.zeros((100, 100))
        for _ in range(30):
            field += np.hypot(x - maker.uniform(0, 100), y - maker.uniform(0, 100)) < maker.uniform(3, 6)
        return field * 2 - 1

    def bricks() -> np.ndarray:
        high, wide = maker.uniform(10, 18), maker.uniform(20, 36)
        row = y // high
        return np.where((y % high < 2) | ((x + row % 2 * wide / 2) % wide < 2), -1.5, 1.0)

    kinds: dict[str, Callable[[], np.ndarray]] = {
        "cracked": cracked, "waves": waves, "dots": dots, "bricks": bricks,
        "sand": lambda: _spectrum(maker, 100, 0.5), "hills": lambda: _spectrum(maker, 100, 1.8),
        "ridges": lambda: 1 - 2 * abs(_spectrum(maker, 100, 1.8)),
    }  # fmt: skip
    for name, field in kinds.items():
        yield from _counted((40, 30), partial(_ground, maker, field), name)


def _noise(maker: Maker, power: float) -> Image.Image:
    return _colored(_spectrum(maker, 16, power), maker)


def _ground(maker: Maker, field: Callable[[], np.ndarray]) -> Image.Image:
    return _colored(field() + 0.3 * _spectrum(maker, 100, 0.8), maker)


def _spectrum(maker: Maker, side: int, power: float) -> np.ndarray:
    """Return noise of mean 0 and deviation 1 whose amplitudes fall as 1 / frequency^power."""
    frequency = np.hypot(np.fft.fftfreq(side)[:, None], np.fft.rfftfreq(side))
    frequency[0, 0] = 1.0
    field = np.fft.irfft2(np.fft.rfft2(maker.normal(size=(side, side))) / frequency**power, (side, side))
    return (field - field.mean()) / field.std()


def _colored(field: np.ndarray, maker: Maker) -> Image.Image:
    """Draw a field between two colours."""
    low, high = maker.uniform(30, 225, (2, 3))
    return _picture(low + (high - low) * ((field[..., None] + 2) / 4) + maker.normal(0, 12, (*field.shape, 3)))


TUNED: dict[str, Callable[[Maker], Pictures]] = {
    "digits28": digits28, "noises16": noises16, "letters32": letters32, "stripes48": stripes48, "shapes64": shapes64,
    "photos96": photos96, "textures128": textures128, "cells224": cells224,
}  # fmt: skip
HELD: dict[str, Callable[[Maker], Pictures]] = {"flowers80": flowers80, "grounds100": grounds100}


def write(name: str, base: Path) -> Path:
    """Write a set below `base`, unless it is there; return its folder."""
    place = base / name
    if place.is_dir():
        return place
    counts: dict[tuple[str, str], int] = {}
    for half, kind, picture in {**TUNED, **HELD}[name](np.random.default_rng(sum(name.encode()))):
        number = counts[half, kind] = counts.get((half, kind), 0) + 1
        folder = base / f"{name}.new" / half / kind
        folder.mkdir(parents=True, exist_ok=True)
        picture.save(folder / f"{number:04}.png")
    return (base / f"{name}.new").rename(place)
