"""Per-image and whitened pixels against numpy; statistics of the training images alone, kept with the run."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from safetensors import safe_open
from torch import Tensor

from cvtui.engine.data import preprocess as module
from cvtui.engine.data.images import ChannelStats, Images, channel_stats
from cvtui.engine.data.preprocess import Preprocess, learn_zca
from cvtui.engine.train.control import Signals
from cvtui.engine.train.export_weights import write_safetensors
from cvtui.engine.train.resume import restore
from cvtui.engine.worker import train_folder
from cvtui.errors import RequestError
from cvtui.recipe.datasets.catalog import DATA
from cvtui.recipe.recipe import Recipe
from cvtui.recipe.validation import check, checked_on
from tests.engine.choosing import preprocess
from tests.engine.making import folder, history, training

CPU = torch.device("cpu")
NAMES = ["none", "scale", "centre", "standardise", "per-image", "zca", "zca(0.1)"]


def correlated(count: int = 3000, height: int = 3, width: int = 4, channels: int = 2, seed: int = 0) -> Images:
    """Pictures whose values hang together: mixtures of a few waves, with every value alive."""
    rng = np.random.default_rng(seed)
    values = height * width * channels
    mixed = rng.normal(size=(count, values)) @ (rng.normal(size=(values, values)) + 2.0) * 6 + 128
    pixels = torch.from_numpy(mixed.clip(0, 255).astype(np.uint8)).view(count, height, width, channels)
    return Images(pixels, torch.arange(count) % 3)


def made(text: str, images: Images) -> Preprocess:
    return preprocess(text, channel_stats(images), CPU, images)


def numpy_zca(images: Images, eps: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Mean and matrix, by the singular values of the centred data.

    That is another way than the covariance's eigenvalues.
    """
    x = images.pixels.flatten(1).numpy().astype(np.float64) / 255
    mean = x.mean(0)
    _, lengths, axes = np.linalg.svd(x - mean, full_matrices=False)
    variances = lengths**2 / (len(x) - 1)
    return mean, (axes.T / np.sqrt(variances + eps)) @ axes


def flat(x: Tensor) -> NDArray[np.float64]:
    """N x C x H x W -> N x (H W C), the order of the pixels."""
    values: NDArray[np.float64] = x.permute(0, 2, 3, 1).flatten(1).numpy().astype(np.float64)
    return values


# ---------------------------------------------------------------- formulas


@pytest.mark.parametrize("eps", [0.1, 0.01, 1e-5])
def test_zca_is_numpys(eps: float) -> None:
    images = correlated()
    mean, matrix = numpy_zca(images, eps)
    found = made(f"zca({eps})", images)(images.pixels)
    assert found.is_contiguous(memory_format=torch.channels_last)
    oracle = (images.pixels.flatten(1).numpy() / 255.0 - mean) @ matrix
    np.testing.assert_allclose(flat(found), oracle, atol=2e-3)


def test_after_zca_the_covariance_is_the_identity() -> None:
    images = correlated()
    raw = np.cov(images.pixels.flatten(1).numpy().T / 255.0)
    assert np.linalg.cond(raw) > 100
    whitened = np.cov(flat(made("zca(1e-7)", images)(images.pixels)).T)
    np.testing.assert_allclose(whitened, np.eye(24), atol=5e-3)


def test_zca_of_large_images_is_no_worse_for_being_single() -> None:
    """Above EXACT_VALUES float32 does the algebra: it still whitens."""
    images = correlated(1500, 20, 18, 3)
    assert images.pixels[0].numel() > module.EXACT_VALUES
    mean, matrix = numpy_zca(images, 0.01)
    oracle = (images.pixels[:50].flatten(1).numpy() / 255.0 - mean) @ matrix
    np.testing.assert_allclose(flat(made("zca", images)(images.pixels[:50])), oracle, atol=2e-2)


def test_per_image_is_tensorflows() -> None:
    images = correlated(50)
    pixels = images.pixels.clone()
    pixels[0] = 17
    x = pixels.numpy().astype(np.float64) / 255
    mean, std = x.mean((1, 2, 3), keepdims=True), x.std((1, 2, 3), keepdims=True)
    oracle = (x - mean) / np.maximum(std, 1 / np.sqrt(24))
    found = made("per-image", images)(pixels).permute(0, 2, 3, 1).numpy()
    np.testing.assert_allclose(found, oracle, atol=1e-5)


@pytest.mark.parametrize("text", NAMES)
def test_floats_keep_their_own_unit(text: str) -> None:
    """The same pictures as bytes and as floats of 0..1: nothing but `none` tells them apart."""
    images = correlated(200)
    floats = Images(images.pixels.float() / 255, images.labels)
    if text == "none":
        assert torch.equal(made(text, floats)(floats.pixels), floats.pixels.permute(0, 3, 1, 2))
    else:
        assert torch.allclose(made(text, images)(images.pixels), made(text, floats)(floats.pixels), atol=2e-3)


# ---------------------------------------------------------------- where the statistics come from


def test_a_large_set_in_the_order_of_its_classes_is_sampled_evenly(monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder's images lie class by class: the first ones alone would be of one class."""
    monkeypatch.setattr(module, "ZCA_IMAGES", 1000)
    images = correlated(2500)
    images.pixels[1250:] //= 2
    mean = learn_zca(images, 255.0, 0.01).mean
    assert torch.allclose(mean, images.pixels.flatten(1).float().mean(0) / 255, atol=0.02)


def test_learnt_once_for_the_same_images_and_anew_for_others() -> None:
    one, other = correlated(100), correlated(100, seed=1)
    first = learn_zca(one, 255.0, 0.01)
    assert learn_zca(Images(one.pixels.clone(), one.labels), 255.0, 0.01) is first
    assert not torch.equal(learn_zca(one, 255.0, 0.1).matrix, first.matrix)
    assert not torch.equal(learn_zca(other, 255.0, 0.01).matrix, first.matrix)


@pytest.mark.parametrize("text", ["standardise", "centre", "zca"])
def test_validation_images_have_no_say(text: str) -> None:
    t = training(preprocess=text)
    oracle = made(text, t.data.train)  # type: ignore[arg-type]
    pixels = t.data.validation.part(0, 40).pixels
    assert torch.equal(t.preprocess(pixels), oracle(pixels))


def test_larger_images_are_refused_before_anything_starts() -> None:
    allowed = Recipe(data="shapes", net="fc", preprocess="zca")
    check(allowed)  # 3,072 values: the most
    larger = Recipe(data="shapes", net="fc", preprocess="zca(0.1)")
    with pytest.raises(RequestError, match=r"preprocess: zca is for images of at most 3,072 values; .* 4,096"):
        checked_on(larger, replace(DATA["shapes"], size=(64, 64, 1)))


# ---------------------------------------------------------------- kept with the run


def stored(state: Any) -> Any:
    """As it comes out of a checkpoint."""
    file = io.BytesIO()
    torch.save(state, file)
    file.seek(0)
    return torch.load(file, weights_only=True)


@pytest.mark.parametrize("text", NAMES)
def test_its_state_does_the_same_without_any_image(text: str) -> None:
    images = correlated(200)
    there = made(text, images)
    again = Preprocess.of_state(stored(there.state()))
    assert torch.equal(again(images.pixels), there(images.pixels))
    assert set(again.state()) == set(there.state())


def test_an_older_state_has_scale_and_shift_alone() -> None:
    images = correlated(20)
    there = made("standardise", images)
    state = {key: value for key, value in there.state().items() if key != "name"}
    assert torch.equal(Preprocess.of_state(state)(images.pixels), there(images.pixels))


def test_a_resumed_run_takes_what_its_checkpoint_says() -> None:
    t = training(preprocess="zca")
    assert t.preprocess.zca is not None
    state = stored(t.state())
    state["preprocess"]["matrix"] = state["preprocess"]["matrix"] * 2
    fresh = training(preprocess="zca")
    restore(fresh, state)
    pixels = t.data.train.part(0, 8).pixels
    assert torch.allclose(fresh.preprocess(pixels), 2 * t.preprocess(pixels), atol=1e-5)


def test_a_whitened_run_is_logged_and_exported_whole(tmp_path: Path) -> None:
    run = folder(tmp_path, preprocess="zca", epochs=1, limit=200)
    assert train_folder(run.path, Signals()) == 0
    told = history(run).run
    assert told is not None
    oracle = training(preprocess="zca", epochs=1, limit=200)
    assert told.data["mean"] == [round(value, 4) for value in oracle.stats.mean]
    assert told.data["std"] == [round(value, 4) for value in oracle.stats.std]
    write_safetensors(run, tmp_path / "w.safetensors")
    with safe_open(tmp_path / "w.safetensors", "pt") as file:
        state = msgspec.json.decode(file.metadata()["preprocess"])
        state |= {key: file.get_tensor(f"preprocess.{key}") for key in ("mean", "matrix")}
    pixels = oracle.data.validation.part(0, 9).pixels
    assert torch.equal(Preprocess.of_state(state)(pixels), oracle.preprocess(pixels))


def test_half_precision_does_not_reach_the_whitening() -> None:
    images = correlated(100)
    there = made("zca(1e-5)", images)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = there(images.pixels)
    assert found.dtype == torch.float32
    assert torch.equal(found, there(images.pixels))


def test_zca_without_images_is_a_fault_of_the_caller() -> None:
    with pytest.raises(ValueError, match="training images"):
        preprocess("zca", ChannelStats([0.0], [1.0]), CPU)


@pytest.mark.parametrize("shape", [(1, 1, 1, 1), (3, 5, 7, 3), (16, 8, 8, 1), (33, 13, 9, 4), (64, 32, 32, 3)])
def test_rows_at_once_keep_every_bit(shape: tuple[int, ...]) -> None:
    """Against PyTorch's addcmul over the channels, at the end of an image; whatever order the pixels lie in."""
    pixels = torch.randint(0, 256, shape, dtype=torch.uint8, generator=torch.Generator().manual_seed(1))
    stats = ChannelStats([120.5 + n for n in range(shape[-1])], [61.25 + n for n in range(shape[-1])])
    rule = preprocess("standardise", stats, CPU)
    expected = torch.addcmul(rule.shift, pixels.float(), rule.scale).permute(0, 3, 1, 2)
    before = pixels.clone()
    for given in (pixels, pixels.transpose(1, 2).contiguous().transpose(1, 2), pixels.float()):
        assert torch.equal(rule(given), expected)
        assert torch.equal(given, before.to(given.dtype)), "the images themselves stay"
    assert rule(pixels).stride() == expected.stride()
