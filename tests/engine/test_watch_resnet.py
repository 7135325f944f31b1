"""The example of somebody's own loop, a torchvision ResNet-18 in a process of its own, attached live by the screen."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from textual.widgets import Static

from cvtui.assets import asset
from cvtui.engine.observe.layer_watch import watched_layers
from cvtui.runlog.folder import RunFolder
from cvtui.runlog.history import History
from cvtui.tui.app import CvtuiApp
from cvtui.tui.detail.picture_index import map_layers
from cvtui.tui.detail.pictures_view import PicturesView
from cvtui.tui.train.live_view import LiveView
from tests.engine.making import layers_at
from tests.waiting import wait_until, wait_until_async

CHANGES = {
    "plain": (),
    "compiled": ((", num_classes=10)\n", ', num_classes=10)\nmodel = torch.compile(model, backend="eager")\n'),),
    "autocast": (
        (
            "            logits = model(x)\n",
            "            with torch.autocast('cpu', torch.bfloat16): logits = model(x)\n",
        ),
        ("cross_entropy(logits, y)", "cross_entropy(logits.float(), y)"),
    ),
}
SIZES = {"plain": (320, 16), "compiled": (320, 16), "autocast": (8, 2)}
"""Images and batch size: 60 steps, and 12 where a step of bfloat16 takes seconds (a CPU that has no such numbers)."""


@pytest.fixture(params=CHANGES)
def script(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """(which, its process); its runs lie in tmp_path/runs."""
    text = asset("examples/resnet18.py").read_text()
    images, batch = SIZES[request.param]
    short = (
        ("import torch\n", "import torch\ntorch.set_num_threads(1)\n"),
        ("part.pixels.", f"part.pixels[:{images}]."),
        ("part.labels)", f"part.labels[:{images}])"),
        ("batch_size=64", f"batch_size={batch}"),
    )
    for old, new in (*short, *CHANGES[request.param]):
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    (tmp_path / "script.py").write_text(text)
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "GOMP_SPINCOUNT": "10000"}
    with open(tmp_path / "said", "wb") as output:
        process = subprocess.Popen([sys.executable, "script.py"], cwd=tmp_path, stderr=output, env=environment)
    yield request.param, process
    process.kill()
    process.wait()


@pytest.mark.long
async def test_a_strangers_resnet_is_attached_live(script: tuple[str, subprocess.Popen[bytes]], tmp_path: Path) -> None:
    which, process = script
    folder = RunFolder(tmp_path / "runs" / "resnet18")
    wait_until(lambda: folder.events.exists() or process.poll() is not None, 60, "the run folder")
    assert process.poll() is None, (tmp_path / "said").read_text()
    app = CvtuiApp(runs=tmp_path / "runs", attach=folder.path, prewarm=False)
    async with app.run_test(size=(120, 36)) as pilot:
        await wait_until_async(lambda: app.screen.query(LiveView) and app.screen.query_one(LiveView).view.alive)
        view = app.screen.query_one(LiveView)
        await wait_until_async(lambda: view.history.steps_done > 2, 60, "the first steps")
        await wait_until_async(lambda: "steps/s" in view.header.text, what="the pace")
        assert "%" not in view.header.text.replace("monitoring overhead", "").split("·")[0]
        assert "images/s" not in view.header.text
        assert "left" not in view.header.text
        await pilot.press("space")
        await wait_until_async(lambda: view.view.state == "paused", what="the pause")
        await pilot.press("i")  # feature maps, asked for while it stands still
        pictures = app.screen
        assert isinstance(pictures, PicturesView)
        for _ in range(3):
            if pictures.name_of_page != "feature maps":
                await pilot.press("right")
        await wait_until_async(lambda: len(map_layers(view.history)) == 59, what="the feature maps")
        assert {"conv1", "bn1", "relu", "maxpool", "layer1.0.relu#2", "layer4.1.bn2"} <= set(map_layers(view.history))
        await wait_until_async(
            lambda: "model says" in str(pictures.query_one("#said", Static).content), what="the answer"
        )
        await pilot.press("escape", "space")
        before = view.history.steps_done
        await wait_until_async(lambda: view.history.steps_done > before + 3, what="more steps")
        await wait_until_async(lambda: view.view.state == "finished", 120, "the end")
    assert process.wait(60) == 0, (tmp_path / "said").read_text()
    history = History(folder)
    history.poll()
    assert (history.state(), history.steps_done, len(history.epochs)) == (
        "finished",
        12 if which == "autocast" else 60,
        3,
    )
    layers = layers_at(history, 0)
    import torchvision  # 1.6 s, which the usual run need not pay

    model = torchvision.models.resnet18(weights=None, num_classes=10)
    called = {layer.name.partition("#")[0] for layer in layers}
    assert called == set(watched_layers(model))
    assert any("torch.compile" in log.text for log in history.logs) == (which == "compiled")
    assert called <= {name for name, _ in model.named_modules()}
    assert all(layer.grad_norm for layer in layers if layer.kind == "conv")
    assert torch.tensor(history.steps.loss).isfinite().all()
