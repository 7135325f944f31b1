"""MixUp and CutMix in training against torchvision's, and what is told of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch.nn import functional

from cvtui.engine.augment_preview import preview
from cvtui.engine.data.images import Images
from cvtui.engine.runtime.seeds import MIX, stream_seed
from cvtui.engine.train.control import Signals
from cvtui.engine.train.evaluate import evaluate
from cvtui.engine.train.forecast import forecast
from cvtui.engine.train.graph import why_not
from cvtui.engine.train.step import training_step
from cvtui.engine.worker import train_folder
from cvtui.errors import RequestError
from cvtui.recipe.recipe import Recipe
from cvtui.recipe.validation import check
from tests.engine.making import folder, history, training
from tests.engine.optim.test_ema import StopsAfter
from tests.engine.train.test_resume import assert_equal_runs

ORACLES = {"mixup(0.4)": ("MixUp", {"alpha": 0.4}), "cutmix": ("CutMix", {"alpha": 1.0})}


@pytest.mark.parametrize("text", ORACLES)
@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_a_step_is_that_of_a_plain_loop_with_torchvisions(text: str, smoothing: float) -> None:
    t = training(mix=text, augment="shift(1)", loss=f"cross-entropy({smoothing})")
    batch = next(t.batches(1))
    t.step, before = 3, torch.get_rng_state()
    pixels = t.preprocess(t.augment(batch.pixels, 3))
    torch.manual_seed(stream_seed(0, MIX, 3))
    torch.randint(1, ())  # which of the choices
    from torchvision.transforms import v2  # 3 CPU seconds

    name, options = ORACLES[text]
    inputs, labels = getattr(v2, name)(**options, num_classes=10)(pixels, batch.labels)
    torch.set_rng_state(before)
    expected = functional.cross_entropy(t.model(inputs), labels, label_smoothing=smoothing)
    loss, _ = training_step(t, batch)
    assert loss.item() == expected.item()
    assert torch.equal(torch.get_rng_state(), before)  # dropout draws from it
    assert torch.equal(t.counted(batch.labels), labels.argmax(1))


def test_accuracy_counts_the_larger_share_so_that_a_net_that_knows_all_reaches_it() -> None:
    """Against its own label it would stop at about 1/2 + 1/2C under MixUp(1), 0.86 under CutMix(1)."""
    t = training(mix="mixup(1)")
    labels = torch.randint(10, (64,), generator=torch.Generator().manual_seed(0))
    own = counted = 0.0
    for step in range(60):
        t.step = step
        _, mixed = t.mixed(torch.zeros(64, 1, 8, 8), labels)
        own += (mixed.argmax(1) == labels).float().mean().item() / 60
        counted += (mixed.argmax(1) == t.counted(labels)).float().mean().item() / 60
    assert counted == pytest.approx(1)
    assert own == pytest.approx(1 / 2 + 1 / 20, abs=0.15)


def test_validation_is_not_mixed_and_the_forecast_is() -> None:
    t, plain = training(mix="mixup(8)"), training()
    assert evaluate(t, lambda: None) == evaluate(plain, lambda: None)
    first = next(t.batches(1))
    assert forecast(t)["start_loss"] == pytest.approx(training_step(t, first).loss.item(), rel=1e-5)
    assert forecast(plain)["start_loss"] != forecast(training(mix="mixup(8)"))["start_loss"]


def test_both_are_drawn_and_only_the_seed_and_the_step_decide() -> None:
    t, again = training(mix="mixup(1), cutmix"), training(mix="mixup(1),cutmix", batch_size=64)
    pixels, kinds = torch.rand(8, 1, 8, 8) + torch.arange(8).view(8, 1, 1, 1) * 10, set()
    for step in range(12):
        t.step = again.step = step
        found, _ = t.mixed(pixels, torch.arange(8))
        assert torch.equal(found, again.mixed(pixels, torch.arange(8))[0])
        whole = torch.isin(found, pixels).all().item()  # CutMix moves pixels, MixUp makes new ones
        kinds.add(whole)
    assert kinds == {True, False}


def test_the_preview_shows_mixed_images_and_no_graph_captures_them() -> None:
    t = training(data="shapes", mix="cutmix")
    found = preview(t)
    assert found is not None
    assert found["before"] != found["after"]
    assert why_not(t) == "cutmix draws on the CPU"


def test_stopped_anywhere_and_resumed_it_equals_the_run_that_nobody_stopped(tmp_path: Path) -> None:
    changes = {
        "net": "conv4s2-relu-drop0.3-fc", "mix": "mixup, cutmix", "balance": "sampler", "imbalance": 0.2,
        "loss": "cross-entropy(0.1)", "limit": 300, "batch_size": 32,
    }  # fmt: skip
    whole, stopped = folder(tmp_path, "whole", **changes), folder(tmp_path, "stopped", **changes)
    assert train_folder(whole.path, Signals()) == 0
    assert train_folder(stopped.path, StopsAfter(4)) == 143
    assert train_folder(stopped.path, Signals(), resume=True) == 0
    assert_equal_runs(whole, stopped)
    words = "\n".join(log.text for log in history(whole).logs)
    assert "mix: mixup, cutmix in training alone: its loss has a floor above 0" in words
    assert "balance: an epoch draws about 30 images of each class" in words or "balance: an epoch draws" in words


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"mix": "mixup", "loss": "hinge"}, "mix: a mixed image has two classes, hinge takes one"),
        ({"mix": "cutmix", "data": "spiral", "net": "fc"}, "mix: cutmix mixes pictures; .* has points"),
        ({"mix": "mixup, mixup(0.2)"}, "mix: mixup stands there twice; .* name it once"),
        ({"mix": "mixup(0)"}, "mix: alpha of mixup .* can't be 0"),
        ({"mix": "mixip"}, "mix: 'mixip' is not known; allowed: mixup, cutmix; did you mean 'mixup'"),
    ],
)
def test_what_does_not_go_together_is_refused_in_one_line(fields: dict[str, Any], words: str) -> None:
    with pytest.raises(RequestError, match=words):
        check(Recipe(**{"net": "fc", **fields}))


def test_a_batch_of_one_image_stays_as_it_is() -> None:
    t = training(mix="mixup, cutmix")
    inputs, labels = t.mixed(torch.ones(1, 1, 8, 8), torch.tensor([4]))
    assert torch.allclose(inputs, torch.ones(1, 1, 8, 8))
    assert torch.allclose(labels, functional.one_hot(torch.tensor([4]), 10).float())
    assert Images(inputs, labels).size == 1
