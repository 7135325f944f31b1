"""The recipe `finetune` on six sets that it was not chosen on: `python -m tests.benchmarks.finetune_other --seeds 2`.

The weights, the steps and the options are those of `finetune_few`; the sets were fixed before any of them was trained
on: numerals and signs in many fonts, faces (scikit-image's part of LFW), crops of four other pictures, drawn patterns,
and how many dots there are. Again 5 pictures to train on and 40 to validate of each class.
"""

from __future__ import annotations

import sys
from collections.abc import Callable

import numpy as np
from PIL import Image, ImageDraw

from tests.benchmarks import finetune_few
from tests.benchmarks.finetune import SIDE, Pictures, crops
from tests.benchmarks.finetune_few import FEW, HELD, Draw, drawn, letter, noisy, source_set


def pattern(kind: str) -> Draw:
    """Draw a pattern over the whole picture, in any two colors, size and turn."""
    made: dict[str, Callable[[np.ndarray, np.ndarray], np.ndarray]] = {
        "checks": lambda u, v: np.sign(np.sin(u) * np.sin(v)),
        "stripes": lambda u, _: np.sign(np.sin(u)),
        "rings": lambda u, v: np.sin(np.hypot(u, v)),
        "dots": lambda u, v: np.where(np.cos(u) + np.cos(v) > 0.8, 1.0, -1.0),
        "bricks": lambda u, v: np.where((np.cos(v) > 0.85) | (np.cos(u / 2 + (v // 6.28 % 2) * 3.14) > 0.9), 1.0, -1.0),
    }

    def draw(maker: np.random.Generator) -> Image.Image:
        y, x = np.mgrid[:SIDE, :SIDE] * maker.uniform(0.7, 1.4)
        angle, shift = maker.uniform(0, np.pi), maker.uniform(0, 6.28, 2)
        u, v = x * np.cos(angle) + y * np.sin(angle) + shift[0], y * np.cos(angle) - x * np.sin(angle) + shift[1]
        share = (made[kind](u, v)[..., None] + 1) / 2
        colors = maker.uniform(0, 255, (2, 3))
        return noisy(share * colors[0] + (1 - share) * colors[1], maker, 30)

    return draw


def dots(count: int) -> Draw:
    """Draw so many dots that do not touch."""

    def draw(maker: np.random.Generator) -> Image.Image:
        ground, ink = (tuple(int(value) for value in maker.integers(0, 256, 3)) for _ in range(2))
        page = Image.new("RGB", (SIDE, SIDE), ground)
        pen = ImageDraw.Draw(page)
        for place in maker.permutation(9)[:count]:
            x, y = (6 + 10 * int(part) + float(maker.uniform(-1, 1)) for part in divmod(int(place), 3))
            size = float(maker.uniform(2, 3.5))
            pen.ellipse((x - size, y - size, x + size, y + size), fill=ink)
        return noisy(np.asarray(page, float), maker, 15)

    return draw


def sets() -> tuple[Pictures, dict[str, Pictures]]:
    """Return the set that weights are trained on, and the six targets."""
    from skimage import data

    source = source_set(np.random.default_rng(0))
    maker = np.random.default_rng(1)
    few = (FEW, HELD)
    faces = [
        Image.fromarray(np.uint8(255 * array)).resize((SIDE, SIDE), Image.Resampling.BILINEAR).convert("RGB")
        for array in data.lfw_subset()
    ]
    halves = {"face": faces[:100], "none": faces[100:]}
    logo = Image.fromarray(data.logo())
    others = {"cell": data.cell(), "tissue": data.immunohistochemistry(), "motorcycle": data.stereo_motorcycle()[0]}
    others["logo"] = np.asarray(Image.alpha_composite(Image.new("RGBA", logo.size, "white"), logo).convert("RGB"))
    signs = {"hash": "#", "percent": "%", "and": "&", "query": "?", "at": "@", "dollar": "$"}
    patterns = ("checks", "stripes", "rings", "dots", "bricks")
    return source, {
        "numerals": drawn({text: letter(text) for text in "0123456789"}, maker, few),
        "signs": drawn({name: letter(text) for name, text in signs.items()}, maker, few),
        "faces": {name: (part[:FEW], part[FEW : FEW + HELD]) for name, part in halves.items()},
        "other pictures": crops(others, maker, few),
        "patterns": drawn({kind: pattern(kind) for kind in patterns}, maker, few),
        "how many": drawn({str(count): dots(count) for count in range(1, 6)}, maker, few),
    }


if __name__ == "__main__":
    sys.exit(finetune_few.main(sets, __doc__))
