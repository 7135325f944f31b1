"""Layer detail and pictures, against a run that the engine makes here."""

from __future__ import annotations

import re
import time
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from textual.color import Color
from textual.theme import Theme
from textual.widgets import Static

from cvtui.engine.train.control import Signals
from cvtui.engine.worker import train_folder
from cvtui.recipe.recipe import Recipe
from cvtui.recipe.toml import dumps
from cvtui.runlog.commands import CommandReader
from cvtui.runlog.events import Command, CommandApplied, Histogram, LayersSampled, LayerStats, RunStarted
from cvtui.runlog.folder import RunFolder
from cvtui.runlog.history import History
from cvtui.runlog.writer import EventWriter
from cvtui.tui.app import CvtuiApp
from cvtui.tui.detail import feature_map_request
from cvtui.tui.detail.heat_colors import theme_color_map
from cvtui.tui.detail.layer_detail import LayerDetail
from cvtui.tui.detail.layer_series import layer_names, layer_series, spread
from cvtui.tui.detail.picture_index import CONFUSION, FLOW, MAPS, picture_names, read_png
from cvtui.tui.detail.pictures_view import PicturesView, no_pictures
from cvtui.tui.detail.text_pages import confusion, gradient_flow, layer_list, page_tabs
from cvtui.tui.screens.themes import DARK, LIGHT
from cvtui.tui.train import LiveView
from tests.tui.written_runs import WrittenRun
from tests.waiting import wait_until_async


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    recipe = Recipe(net="conv8f5-relu-pool-conv8-tanh-fc", epochs=2, threads=1, watch_every=3)
    folder = RunFolder.create(tmp_path_factory.mktemp("detail"), "run", dumps(recipe))
    folder.send(Command(command="look", time=0.0, value=11))
    assert train_folder(folder.path, Signals()) == 0, folder.log.read_text()[-2000:]
    return folder


def said(view: PicturesView) -> str:
    """Text below the picture."""
    return str(view.query_one("#said", Static).content)


def read(folder: RunFolder) -> History:
    history = History(folder)
    history.poll()
    return history


def test_filters_are_the_weights_of_the_checkpoint(run: RunFolder) -> None:
    history = read(run)
    picture = [picture for picture in history.pictures if picture.name == "filters of conv1"][-1]
    image = np.asarray(Image.open(run.path / picture.path).convert("RGB"))
    weights = next(iter(torch.load(run.checkpoints / "last.pt", weights_only=True)["model"].values()))
    reach = weights.abs().max()
    for number in range(8):
        top, left = (number // picture.columns) * 6, (number % picture.columns) * 6
        tile = image[top : top + 5, left : left + 5, 0].astype(float)
        expected = ((weights[number, 0] / reach + 1) / 2 * 255).numpy()
        assert np.abs(tile - expected).max() <= 1


def test_mistakes_are_true_and_named(run: RunFolder) -> None:
    history = read(run)
    wrong = sum(n for i, row in enumerate(history.epochs[-1].confusion) for j, n in enumerate(row) if i != j)
    (picture,) = [p for p in history.pictures if p.name == "mistakes" and p.step == history.steps_done]
    words = picture.note.split("; ")
    assert len(words) == min(12, wrong)
    assert all(word.split(" taken for ")[0] != word.split(" taken for ")[1].split()[0] for word in words)


def test_pictures_and_looks_change_no_loss(run: RunFolder, tmp_path: Path) -> None:
    """watch_every 0 takes neither statistics nor pictures. `run` was asked for feature maps at its first step too."""
    assert read(run).commands[0].words == "feature maps of validation image 11"
    recipe = Recipe(net="conv8f5-relu-pool-conv8-tanh-fc", epochs=2, threads=1, watch_every=0)
    plain = RunFolder.create(tmp_path, "plain", dumps(recipe))
    assert train_folder(plain.path, Signals()) == 0
    assert not read(plain).pictures
    np.testing.assert_array_equal(read(plain).steps.loss, read(run).steps.loss)


def test_a_histogram_is_spread_over_other_edges_and_keeps_its_shares() -> None:
    histogram = Histogram(0.0, 4.0, [1, 0, 0, 3])
    np.testing.assert_allclose(spread(histogram, np.array([0.0, 1.0, 3.0, 4.0])), [0.25, 0.0, 0.75])
    np.testing.assert_allclose(spread(histogram, np.array([0.0, 0.5, 3.5])), [0.125, 0.125 + 0.375])


def test_the_series_holds_every_sample(run: RunFolder) -> None:
    history = read(run)
    series = layer_series(history, "conv1")
    assert series.steps.tolist() == history.layer_steps.tolist()
    sample = history.layers_at(int(series.steps[3]))
    assert sample is not None
    assert series.column("std")[3] == next(layer.std for layer in sample.layers if layer.name == "conv1")
    for field in ("histogram", "grad_histogram", "weight_histogram"):
        assert series.heat(field) is not None
    assert layer_series(history, "relu1").heat("weight_histogram") is None


@pytest.mark.parametrize("path", ["../secret.png", "/etc/hostname", "pictures/none.png", "recipe.toml", "pictures"])
def test_only_pngs_inside_the_folder_are_read(run: RunFolder, path: str) -> None:
    Image.new("RGB", (2, 2)).save(run.path.parent / "secret.png")
    assert read_png(run.path, path) is None


def test_confusion_and_flow_in_words() -> None:
    text = confusion([[3, 1], [0, 4]], ["cat", "dog"], 60, 20, DARK).plain
    assert "75 % right" in text
    assert "100 % right" in text
    empty: dict[str, Any] = {"mean": None, "std": None, "min": None, "max": None, "zeros": None}
    norms = (1e-4, 1e-2, 1.0)
    layers = [LayerStats(name=f"fc{i}", kind="fc", grad_norm=norm, **empty) for i, norm in enumerate(norms)]
    lines = gradient_flow(LayersSampled(step=1, layers=layers), 60).plain.splitlines()
    lengths = [line.count("█") for line in lines[1:4]]
    assert lengths[0] < lengths[1] < lengths[2]
    assert lines[-1] == "first / last: 1.0e-4"


@pytest.mark.parametrize("size", [(80, 24), pytest.param((160, 45), marks=pytest.mark.long)])
async def test_keys_open_both_and_lead_back(run: RunFolder, size: tuple[int, int]) -> None:
    app = CvtuiApp(runs=run.path.parent, attach=run.path, prewarm=False)
    async with app.run_test(size=size) as pilot:
        await wait_until_async(lambda: app.screen.query(LiveView) and app.screen.query_one(LiveView).history.end)
        await pilot.press("d")
        await wait_until_async(lambda: isinstance(app.screen, LayerDetail), what="the layer's detail")
        detail = app.screen
        names = layer_names(read(run))
        assert isinstance(detail, LayerDetail)
        assert detail.shown in names
        told = str(detail.query_one("#activations").border_subtitle)
        assert re.search(r"^↑ \S+ to \d\S*( · → steps \d+ to \d+)?( · \w+ = more units)?$", told), "whole parts alone"
        before = detail.shown
        await pilot.press("down")
        assert detail.shown == names[(names.index(before) + 1) % len(names)]
        await pilot.press("escape", "i")
        await wait_until_async(lambda: isinstance(app.screen, PicturesView), what="the pictures")
        view = app.screen
        names = picture_names(read(run))
        assert names == ["samples", "filters of conv1", MAPS, "mistakes", CONFUSION, FLOW]
        for page in names:
            await wait_until_async(
                partial(lambda page: page in str(view.query_one("#card").border_title), page), what=page
            )
            await pilot.press("right")
        await pilot.press("escape")
        await wait_until_async(lambda: not isinstance(app.screen, PicturesView), what="the way back")


async def test_feature_maps_of_any_layer_and_image(run: RunFolder) -> None:
    """The run is over and knows its images 11 (the automatic ones keep to what was asked for) and no other yet."""
    app = CvtuiApp(runs=run.path.parent, attach=run.path, prewarm=False)
    async with app.run_test(size=(80, 24)) as pilot:
        await wait_until_async(lambda: app.screen.query(LiveView) and app.screen.query_one(LiveView).history.end)
        await pilot.press("i", "right", "right")
        view = app.screen
        assert isinstance(view, PicturesView)
        title = view.query_one("#card")
        for layer in ("conv1", "relu1", "pool1", "conv2", "tanh1", "conv1"):
            assert title.border_title == f"feature maps of {layer}, validation image 11"
            await pilot.press("down")
        history = view.history
        words = said(view).splitlines()
        newest = next(one for one in reversed(history.pictures) if one.name == "validation image")
        assert newest.share is not None
        assert words[:2] == ["image 11 of 0 to 359", f"true class {newest.truth}"]
        assert words[2] == f"model says {newest.said} {100 * newest.share:.1f} %"
        state = history.state()
        await pilot.press("h", "1", "2", "enter")
        assert "looking…" in said(view)
        await wait_until_async(lambda: title.border_title == "feature maps of relu1, validation image 12")
        await wait_until_async(lambda: "looking…" not in said(view), what="the end of it")
        assert "true class" in said(view)
        assert history.state() == state == "finished"
        await pilot.press("left_square_bracket")
        await wait_until_async(lambda: title.border_title == "feature maps of relu1, validation image 11")
        assert not view.request.waiting, "it is there already"
        await pilot.press("h", "9", "9", "9", "enter")
        assert view.image == 11
        assert any("from 0 to 359" in one.message for one in app._notifications)


async def test_a_living_run_is_asked_and_answers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The trainer is this test: it answers what the screen has sent."""
    folder = RunFolder.create(tmp_path, "run", dumps(Recipe()))
    with folder.lock(), EventWriter(folder) as writer:
        writer.write(started())
        app = CvtuiApp(runs=tmp_path, attach=folder.path, prewarm=False)
        async with app.run_test(size=(80, 24)) as pilot:
            await wait_until_async(lambda: app.screen.query(LiveView) and app.screen.query_one(LiveView).view.alive)
            await pilot.press("i")
            view = app.screen
            assert isinstance(view, PicturesView)
            reader, words = CommandReader(folder.commands), "there is no such image"
            for keys, number in (((), 0), (("right_square_bracket",) * 3, 3)):  # the page asks by itself at first
                for left, key in zip(range(len(keys) - 1, -1, -1), keys, strict=True):
                    quiet = 3600.0 if left else 0.25  # however slow this hand is
                    monkeypatch.setattr(feature_map_request, "DEBOUNCE_SECONDS", quiet)
                    await pilot.press(key)
                (command,) = await wait_until_async(reader.poll, what="the command")
                assert (command.command, command.value) == ("look", number)
                assert "looking…" in said(view)
                writer.write(CommandApplied(step=0, time=time.time(), command="look", value=number, words=words))
                writer.flush()
                await wait_until_async(lambda: words in said(view), what="the answer")


def started() -> RunStarted:
    return RunStarted(
        time=time.time(), recipe={}, layers=[], parameters=0, steps_per_epoch=0, total_steps=0, device="cpu",
        threads=1, libraries={}, data={},
    )  # fmt: skip


def test_the_line_of_pages_never_overflows() -> None:
    names = [f"filters{i} of layer{i}.conv" for i in range(60)]
    for width in (20, 40, 78):
        for here in (names[0], names[30], names[59]):
            line = page_tabs(names, here, width).plain
            assert len(line) <= width
            assert here.partition(" of ")[0] in line
    usual = ["samples", "filters of features.0.conv.0", MAPS, "mistakes", CONFUSION, FLOW]
    words = page_tabs(usual, MAPS, 78).plain.split()
    assert words == ["samples", "filters", "feature", "maps", "mistakes", "confusion", "gradient", "flow"]


def test_a_long_list_of_layers_shows_those_around_the_chosen_one() -> None:
    names = [f"layer{i // 4}.{i % 4}.a_module_with_a_long_name.conv" for i in range(60)]
    for place in (0, 30, 59):
        lines = layer_list(names, place, 8, 26).plain.splitlines()
        assert len(lines) == 8
        assert all(len(line) == 26 for line in lines)
        assert sum(line.startswith("▸") for line in lines) == 1


@pytest.mark.parametrize("theme", [DARK, LIGHT])
def test_heat_begins_with_the_themes_ground_and_leads_away_from_it(theme: Theme) -> None:
    table = theme_color_map(theme).astype(float)
    assert table[0].tolist() == list(Color.parse(theme.background).rgb)
    lightness = table @ [0.2126, 0.7152, 0.0722]
    away = lightness - lightness[0] if theme.dark else lightness[0] - lightness
    assert away[-1] > 200
    assert (np.diff(away[48:]) > -1).all(), "more is always further away"


@pytest.mark.parametrize(("status", "words"), [("failed", "ended before it made any"), ("", "the first come with")])
def test_why_there_is_no_picture(tmp_path: Path, status: str, words: str) -> None:
    run = WrittenRun(tmp_path)
    with run.folder.lock():
        if status:
            run.end(status)
        history = History(run.folder)
        history.poll()
        assert words in no_pictures(history)
