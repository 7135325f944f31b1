"""The list of mistakes behind Pictures: each with its file, by cell, and one of them large with its path."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from textual.widgets import OptionList, Static

from cvtui.runlog.folder import RunFolder
from cvtui.runlog.history import History
from cvtui.tui.app import CvtuiApp
from cvtui.tui.detail.mistakes_view import MistakesView
from cvtui.tui.detail.picture_box import PictureBox
from cvtui.tui.detail.picture_index import CONFUSION, MISTAKES, read_file
from cvtui.tui.detail.pictures_view import PicturesView
from cvtui.tui.train import LiveView
from tests.cli.test_mistakes import noisy_folder
from tests.engine.making import folder as run_folder
from tests.engine.making import train
from tests.waiting import wait_until_async

pytestmark = pytest.mark.torch


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    base = tmp_path_factory.mktemp("mistakes-view")
    data = f"folder:{noisy_folder(base / 'pictures')}"
    made = run_folder(base / "runs", epochs=2, data=data, size="8", batch_size=16, lr=0.02, val_share=0.5)
    assert train(made)[0] == 0
    return made


def test_the_pictures_name_their_files(run: RunFolder) -> None:
    history = History(run)
    history.poll()
    pictures = {picture.name: picture for picture in history.pictures}
    for name in ("samples", MISTAKES, "validation image"):
        assert pictures[name].names, name
        assert all(Path(place).is_file() for place in pictures[name].names), name
    words = pictures[MISTAKES].note.split("; ")
    assert len(words) == len(pictures[MISTAKES].names)
    for word, place in zip(words, pictures[MISTAKES].names, strict=True):
        assert word.startswith(f"{Path(place).parent.name} taken for ")
    assert len(pictures["samples"].names) == 16


@pytest.mark.parametrize("size", [(80, 24), pytest.param((160, 45), marks=pytest.mark.long)])
@pytest.mark.usefixtures("forks")
async def test_from_the_confusion_matrix_to_one_file_large(run: RunFolder, size: tuple[int, int]) -> None:
    app = CvtuiApp(attach=run.path, prewarm=False)
    async with app.run_test(size=size) as pilot:
        await wait_until_async(lambda: list(app.screen.query(LiveView)), what="the run")
        live = app.screen.query_one(LiveView)
        await wait_until_async(lambda: live.history.end is not None, what="its log")
        await pilot.press("i")
        await wait_until_async(lambda: isinstance(app.screen, PicturesView), what="the pictures")
        pictures = app.screen
        assert isinstance(pictures, PicturesView)
        while pictures.name_of_page != MISTAKES:
            await pilot.press("right")
        picture = next(one for one in reversed(live.history.pictures) if one.name == MISTAKES)
        file = "/".join(Path(picture.names[0]).parts[-2:])
        await wait_until_async(
            lambda: file in " ".join(pictures.query_one("#shown", PictureBox).captions), what="its place"
        )
        while pictures.name_of_page != CONFUSION:
            await pilot.press("right")
        await pilot.press("enter")
        await wait_until_async(lambda: isinstance(app.screen, MistakesView), what="the mistakes")
        view = app.screen
        assert isinstance(view, MistakesView)
        await wait_until_async(lambda: view.shown, what="the evaluation", timeout=60)
        assert view.about is not None
        epoch = next(one for one in live.history.epochs if one.epoch == view.about.epoch)
        wrong = sum(n for row, line in enumerate(epoch.confusion) for column, n in enumerate(line) if row != column)
        assert len(view.mistakes) == view.about.mistakes == wrong
        await pilot.press("right")
        assert view.cell is not None
        truth, said = view.cell
        classes = view.about.classes
        assert len(view.shown) == epoch.confusion[classes.index(truth)][classes.index(said)]
        assert view.query_one(OptionList).option_count == len(view.shown)
        await pilot.press("down", "enter")
        place = view.query_one(OptionList).highlighted
        assert place == min(1, len(view.shown) - 1)
        one = view.shown[place]
        await pilot.pause()
        assert not view.query_one(OptionList).display
        shown = view.query_one(PictureBox).image
        assert shown is not None
        assert np.array_equal(shown, np.asarray(Image.open(one.image)))
        painted = "".join(strip.text for strip in app.screen._compositor.render_strips())
        assert one.image in re.sub(r"[│\s]", "", painted), "whole, on as many lines as it takes"
        assert str(view.query_one("#about", Static).content).startswith(one.image)
        await pilot.press("escape")
        await pilot.pause()
        assert view.query_one(OptionList).display
        await pilot.press("escape")
        await wait_until_async(lambda: isinstance(app.screen, PicturesView), what="the way back")


@pytest.mark.usefixtures("forks")
async def test_what_can_t_be_evaluated_is_said(run: RunFolder, tmp_path: Path) -> None:
    made = run_folder(tmp_path)
    app = CvtuiApp(attach=run.path, prewarm=False)
    async with app.run_test(size=(80, 24)):
        await wait_until_async(lambda: list(app.screen.query(LiveView)), what="the run")
        view = MistakesView(made)
        app.push_screen(view)
        await wait_until_async(lambda: "has no checkpoint" in view.words, what="the reason", timeout=60)


def test_a_file_is_shown_as_it_was_meant_and_nothing_else_is_opened(tmp_path: Path) -> None:
    pixels = np.zeros((4, 2, 3), np.uint8)
    pixels[0] = 255
    turned = Image.fromarray(pixels)
    exif = turned.getexif()
    exif[0x0112] = 3
    turned.save(tmp_path / "turned.png", exif=exif)
    shown = read_file(str(tmp_path / "turned.png"))
    assert shown is not None
    assert np.array_equal(shown, pixels[::-1, ::-1])
    Image.new("RGB", (3000, 1000), (9, 8, 7)).save(tmp_path / "wide.png")
    shown = read_file(str(tmp_path / "wide.png"))
    assert shown is not None
    assert shown.shape == (171, 512, 3)
    import os

    os.mkfifo(tmp_path / "pipe.png")
    (tmp_path / "text.png").write_text("no picture")
    for name in ("pipe.png", "text.png", "gone.png"):
        assert read_file(str(tmp_path / name)) is None


@pytest.mark.parametrize(("name", "top"), [("x.png", 4000), ("x.png", 65535), ("x.tif", 1.0)])
def test_a_file_of_more_than_8_bits_keeps_its_greys(name: str, top: float, tmp_path: Path) -> None:
    ramp = np.linspace(0, top, 256).reshape(16, 16)
    Image.fromarray(ramp.astype(np.uint16 if name.endswith("png") else np.float32)).save(tmp_path / name)
    shown = read_file(str(tmp_path / name))
    assert shown is not None
    assert np.abs(shown.astype(int) - np.arange(256).reshape(16, 16, 1)).max() <= 1
