"""What the shipped recipes promise, trained for real; the nets of the lecture learn."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from cvtui.assets import asset
from cvtui.engine.train.control import Signals
from cvtui.engine.worker import train_folder
from cvtui.recipe.recipe import Recipe
from cvtui.recipe.toml import dumps, load
from cvtui.runlog.folder import RunFolder
from tests.engine.making import folder, history, train


def validation(run: RunFolder) -> list[float]:
    return [epoch.val_accuracy or 0.0 for epoch in history(run).epochs]


@pytest.mark.parametrize(
    ("net", "least"),
    [
        ("fc", 0.90),  # softmax regression
        ("fc64-relu-fc", 0.93),
        ("conv6f5-tanh-pool-conv16-tanh-pool-fc60-tanh-fc40-tanh-fc", 0.90),  # like LeNet
        ("[(conv8-relu)*2-pool]*2-(fc32-relu)-fc", 0.90),  # the lecture's pattern
        ("conv8-bn-relu-res(conv8-bn-relu-conv8-bn)-relu-res(conv16s2-bn-relu-conv16-bn)-relu-gap-fc", 0.90),
        ("conv8-relu-cat(conv4f1|conv4f1-conv8|conv4f1-conv4f5|pool3s1p1-conv4f1)-relu-pool-fc", 0.90),
    ],
)
def test_the_lectures_nets_learn_digits_in_four_epochs(tmp_path: Path, net: str, least: float) -> None:
    run = folder(tmp_path, net=net, epochs=4, lr=0.02, batch_size=32, watch_every=0)
    assert train_folder(run.path, Signals()) == 0  # in this process, which has loaded torch already
    assert max(validation(run)) >= least


@pytest.mark.long
@pytest.mark.parametrize("seed", range(5))
def test_the_default_recipe_reaches_98_5_percent_in_15_seconds(tmp_path: Path, seed: int) -> None:
    """The time is what this process and no other took: the tests' machine may be busy."""
    run = RunFolder.create(tmp_path, "default", dumps(Recipe(seed=seed)))
    begun = os.times()
    assert train(run)[0] == 0
    used = os.times()
    assert validation(run)[-1] >= 0.985
    assert used.children_user + used.children_system - begun.children_user - begun.children_system < 15.0 + 8.0


@pytest.mark.long
def test_shapes_are_beyond_a_linear_layer_and_within_a_small_cnn(tmp_path: Path) -> None:
    linear = folder(tmp_path, "linear", data="shapes", net="fc", epochs=10, optimizer="adam", lr=1e-3)
    assert train(linear)[0] == 0
    assert max(validation(linear)) < 0.6
    cnn = RunFolder.create(tmp_path, "cnn", dumps(load(asset("recipes/shapes.toml"))))
    assert subprocess.run([sys.executable, "-m", "cvtui.engine", str(cnn.path)], timeout=900).returncode == 0
    assert validation(cnn)[-1] > 0.95
