"""Each random change against what numpy says it should be; and the same images for a step, whenever it is done."""

from __future__ import annotations

import base64
import io
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from cvtui.engine.augment_preview import preview
from cvtui.engine.data.augment import CHANGES, cut, draw_factors, jitter, rotate, turns, windows
from cvtui.engine.prewarm import answer
from cvtui.engine.runtime.seeds import AUGMENT, generator
from cvtui.engine.train.control import Signals
from cvtui.engine.train.evaluate import evaluate
from cvtui.engine.train.forecast import forecast
from cvtui.engine.train.state import first_batch
from cvtui.engine.worker import train_folder
from cvtui.recipe.choices.augments import AUGMENTS
from cvtui.runlog.folder import RunFolder
from tests.engine.choosing import augment
from tests.engine.making import folder, history, training
from tests.engine.optim.test_ema import StopsAfter
from tests.engine.train.test_resume import assert_equal_runs

EVERY = "flip, shift(2), crop(1), rotate(20), cutout(3), jitter(0.3)"


def pictures(count: int = 64, height: int = 6, width: int = 9, channels: int = 3) -> Tensor:
    random = torch.Generator().manual_seed(1)
    return torch.randint(0, 256, (count, height, width, channels), dtype=torch.uint8, generator=random)


def changed(text: str, images: Tensor, step: int = 5, seed: int = 0) -> Tensor:
    found = augment(text, seed)(images, step)
    assert found.dtype == torch.uint8
    assert found.shape == images.shape
    return found


def test_every_change_of_the_recipe_is_there() -> None:
    assert set(CHANGES) == set(AUGMENTS)
    assert not augment("none", 0)
    assert not augment("", 0)
    assert augment("flip, crop(2)", 0)


@pytest.mark.parametrize(
    "text", ["flip", "shift(2)", "crop(2)", "rotate(20)", "cutout(3)", "jitter(0.3)", "flip,crop(1)"]
)
def test_a_step_has_its_own_numbers_and_always_the_same(text: str) -> None:
    images = pictures()
    before = images.clone()
    first = changed(text, images)
    assert torch.equal(first, changed(text, images)), "so that a resumed run sees what the other saw"
    assert not torch.equal(first, changed(text, images, step=6))
    assert not torch.equal(first, changed(text, images, seed=1))
    assert torch.equal(images, before), "the set itself is not touched"


def test_flip_mirrors_about_half() -> None:
    images = pictures(400)
    found = changed("flip", images)
    flipped = (found == images.flip(2)).flatten(1).all(1)
    same = (found == images).flatten(1).all(1)
    assert (flipped | same).all()
    assert 140 < int(flipped.sum()) < 260


@pytest.mark.parametrize(("text", "fill"), [("shift(2)", "edge"), ("crop(2)", "constant")])
def test_moved_images_are_windows_of_the_padded_one(text: str, fill: str) -> None:
    images = pictures(200)
    found = changed(text, images)
    padded = np.pad(images.numpy(), ((0, 0), (2, 2), (2, 2), (0, 0)), mode=fill)  # type: ignore[call-overload]
    seen = set()
    for number in range(200):
        places = [
            (top, left) for top in range(5) for left in range(5)
            if np.array_equal(padded[number, top : top + 6, left : left + 9], found[number].numpy())
        ]  # fmt: skip
        assert places, number
        seen.update(places[:1])
    assert len(seen) > 15, "all moves come up"


def test_rotating_turns_by_the_angle_about_the_centre() -> None:
    """A quarter turn of a square is exact; a small one moves a spot along its circle."""
    images = torch.zeros(300, 33, 33, 1, dtype=torch.uint8)
    images[:, 16, 26] = 255  # ten pixels to the right of the centre
    found = changed("rotate(30)", images)[..., 0].double()
    rows, columns = torch.arange(33.0).double()[None, :, None], torch.arange(33.0).double()[None, None, :]
    total = found.sum((1, 2))
    y, x = (found * rows).sum((1, 2)) / total - 16, (found * columns).sum((1, 2)) / total - 16
    assert torch.allclose((x**2 + y**2).sqrt(), torch.full((300,), 10.0).double(), atol=0.3)
    angles = torch.rad2deg(torch.atan2(y, x))
    assert angles.abs().max() <= 31
    assert angles.min() < -20
    assert angles.max() > 20


def test_cutout_takes_a_square_of_the_mean() -> None:
    images = pictures(100, 16, 16)
    found = changed("cutout(4)", images)
    for before, after in zip(images, found, strict=True):
        differs = (before != after).any(-1)
        rows, columns = differs.any(1).nonzero().flatten(), differs.any(0).nonzero().flatten()
        assert 1 <= len(rows) <= 4
        assert 1 <= len(columns) <= 4
        grey = before.double().mean((0, 1)).round()
        hole = after[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1].double()
        assert torch.allclose(hole, grey.expand_as(hole), atol=1)


def test_jitter_stays_within_its_strength_and_0_changes_nothing() -> None:
    grey = torch.full((50, 4, 4, 3), 100, dtype=torch.uint8)
    found = changed("jitter(0.2)", grey).double()
    assert found.min() >= 79
    assert found.max() <= 121
    assert len(torch.unique(found.amin((1, 2, 3)))) > 20, "each image its own"
    images = pictures()
    assert (changed("jitter(0)", images).int() - images.int()).abs().max() <= 1


@pytest.mark.parametrize("zeros", [False, True])
def test_moves_beyond_the_image_leave_its_edge_or_nothing(zeros: bool) -> None:
    images = pictures(9)
    down, right = torch.tensor([0, 6, -6, 900, -900, 3, 0, 0, 0]), torch.tensor([0, 0, 0, 0, 0, -2, 9, -900, 1])
    found = cut(images, *windows(down, right, images.shape, 900), 900, zeros=zeros).numpy()
    for number, (before, dy, dx) in enumerate(zip(images.numpy(), down.tolist(), right.tolist(), strict=True)):
        for y in range(6):
            for x in range(9):
                inside = 0 <= y - dy < 6 and 0 <= x - dx < 9
                oracle = before[min(5, max(0, y - dy)), min(8, max(0, x - dx))]
                assert (found[number, y, x] == (oracle if inside or not zeros else 0)).all()


def test_turns_by_right_angles_move_pixels_and_change_none() -> None:
    oblong, square = pictures(4, 6, 10), pictures(4, 7, 7)
    assert torch.equal(rotate(oblong, turns(torch.full((4,), math.pi), oblong.shape)), oblong.flip(1, 2))
    assert torch.equal(rotate(oblong, turns(torch.zeros(4), oblong.shape)), oblong)
    angles = torch.tensor([0.0, 0.5, -0.5, 1.0]) * math.pi
    oracle = [square[0], square[1].rot90(1), square[2].rot90(-1), square[3].rot90(2)]
    assert torch.equal(rotate(square, turns(angles, square.shape)), torch.stack(oracle))


@pytest.mark.parametrize("channels", [1, 3])
def test_jitter_is_the_formula_step_by_step(channels: int) -> None:
    images = pictures(40, channels=channels)
    factors = 1 + 0.4 * (2 * torch.rand(3, 40, generator=generator(0, 3, 1)) - 1)
    x = images.numpy().astype(np.float64)
    for image, (brightness, contrast, saturation) in zip(x, factors.T.tolist(), strict=True):
        image *= brightness
        image[:] = image.mean() + (image - image.mean()) * contrast
        if channels == 3:
            grey = image @ [0.299, 0.587, 0.114]
            image[:] = grey[..., None] + (image - grey[..., None]) * saturation
    found = jitter(images, *draw_factors(generator(0, 3, 1), images.shape, 0.4)).numpy().astype(np.float64)
    assert np.abs(found - x.clip(0, 255)).max() <= 0.51


def test_the_same_whatever_the_kind_of_number_or_the_precision_around_it() -> None:
    images = pictures(30)
    found = changed(EVERY, images)
    floats = augment(EVERY, 0)(images.float(), 5)
    assert floats.dtype == torch.float32
    assert (augment("rotate(20)", 0)(images.float(), 5) - changed("rotate(20)", images).float()).abs().max() <= 0.5
    assert torch.equal(augment("flip, crop(2)", 0)(images.float(), 5), changed("flip, crop(2)", images).float())
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(changed(EVERY, images), found)


def test_one_image_alone_and_the_largest_values() -> None:
    for text in ("shift(1024)", "crop(1024)", "cutout(1024)", "rotate(180)", "jitter(1)", "shift(0)", "crop(0)"):
        found = changed(text, pictures(1, 1, 1, 1))
        assert found.shape == (1, 1, 1, 1)


# ---------------------------------------------------------------- in a run


def test_images_that_are_validated_are_not_changed() -> None:
    plain, other = training(), training(augment=EVERY)
    assert evaluate(plain, between=lambda: None) == evaluate(other, between=lambda: None)
    assert torch.equal(plain.data.train.part(0, 50).pixels, other.data.train.part(0, 50).pixels)


def test_a_step_sees_the_changed_images_and_what_is_foretold_is_of_them() -> None:
    t = training(augment="cutout(4)", batch_size=1437)
    (plain,) = t.data.train.stream(torch.arange(1437), 1437)
    first, second = (t.augmented(plain, step).pixels for step in (0, 1))
    assert ((first != plain.pixels).flatten(1).any(1).float().mean()) > 0.9
    assert not torch.equal(first, second)
    assert forecast(t)["start_loss"] != forecast(training(batch_size=1437))["start_loss"]
    oracle = t.loss(t.model(t.preprocess(first_batch(t).pixels)), first_batch(t).labels).item()
    assert forecast(t)["start_loss"] == pytest.approx(oracle, rel=1e-5)


RESUMED: list[dict[str, Any]] = [
    {"augment": "flip, shift(1), jitter(0.2)", "preprocess": "zca", "label_noise": 0.1},
    {"augment": "crop(1), rotate(15), cutout(2)", "preprocess": "per-image", "imbalance": 0.3, "limit": 700},
    {"augment": "trivialaugment, resized-crop(0.5), erasing", "limit": 300, "batch_size": 24},
    {"data": "spiral(3)", "net": "fc16-tanh-drop0.2-fc", "batch_size": 16},
]


@pytest.mark.parametrize("changes", RESUMED, ids=["zca", "per-image", "torchvision", "points"])
def test_stopped_anywhere_and_resumed_it_equals_the_run_that_nobody_stopped(tmp_path: Path, changes: Any) -> None:
    changes = {"net": "conv4s2-bn-relu-drop0.3-fc", "epochs": 3, **changes}
    whole, stopped = folder(tmp_path, "whole", **changes), folder(tmp_path, "stopped", **changes)
    assert train_folder(whole.path, Signals()) == 0
    assert train_folder(stopped.path, StopsAfter(9)) == 143
    assert train_folder(stopped.path, StopsAfter(6), resume=True) == 143
    assert train_folder(stopped.path, Signals(), resume=True) == 0
    assert_equal_runs(whole, stopped)


def weights_after(run: RunFolder) -> Tensor:
    found: Tensor = torch.load(run.checkpoints / "last.pt", weights_only=True)["model"]["fc1.weight"]
    return found


def test_augmentation_draws_from_its_own_numbers(tmp_path: Path) -> None:
    """jitter(0) changes no image: dropout and order must not notice that it drew."""
    changes = {"net": "conv4s2-relu-drop0.3-fc", "epochs": 1}
    plain, other, changing = (
        folder(tmp_path, name, augment=augment, **changes)
        for name, augment in (("plain", "none"), ("other", "jitter(0)"), ("changing", "jitter"))
    )
    for run in (plain, other, changing):
        assert train_folder(run.path, Signals()) == 0
    assert history(plain).steps.loss.tobytes() == history(other).steps.loss.tobytes()
    assert torch.equal(weights_after(plain), weights_after(other))
    assert not torch.equal(weights_after(plain), weights_after(changing))


def test_the_stream_is_one_of_its_own() -> None:
    assert len({generator(0, stream, 1).initial_seed() for stream in range(AUGMENT + 3)}) == AUGMENT + 3


# ---------------------------------------------------------------- shown before it begins


def opened(text: str) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(text))))


@pytest.mark.parametrize("data", ["digits", "shapes"])
def test_the_preview_shows_the_first_images_of_the_first_step(data: str) -> None:
    t = training(data=data, augment="flip, cutout(4)")
    found = preview(t)
    assert found is not None
    after = first_batch(t)
    assert len(found["before"]) == len(found["after"]) == 8
    for number in range(8):
        assert np.array_equal(opened(found["after"][number]), after.pixels[number].numpy().squeeze())
        assert opened(found["before"][number]).shape == opened(found["after"][number]).shape
    assert found["before"] != found["after"]
    assert sum(map(len, found["before"] + found["after"])) < 100_000


def test_the_engine_that_waits_answers_with_it_only_where_something_changes() -> None:
    plain = {"net": "fc", "threads": 1, "device": "cpu"}
    assert "preview" not in answer(plain)
    assert len(answer({**plain, "augment": "flip"})["preview"]["after"]) == 8
    assert "augment: " in answer({**plain, "augment": "flop"})["error"]
