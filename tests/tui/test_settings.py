"""What a person chose is there the next time; a spoilt file is as none."""

from __future__ import annotations

from pathlib import Path

import pytest

from cvtui import settings
from cvtui.runlog.folder import RunFolder
from cvtui.tui.app import CvtuiApp
from cvtui.tui.panes.view_state import ViewState
from cvtui.tui.train import LiveView
from cvtui.tui.train.saved_view import remember, remembered
from tests.tui.live_host import LiveHost


def test_nothing_kept_means_the_usual_view() -> None:
    assert settings.load() == {}
    assert remembered() == (ViewState(), "")


def test_what_is_kept_comes_back_beside_what_others_kept(settings_elsewhere: Path) -> None:
    view = ViewState(x_axis="time", smoothing=2, log_y=frozenset({"loss", "gradient"}))
    remember(view, "accuracy")
    settings.keep(theme="cvtui-light")
    assert remembered() == (view, "accuracy")
    assert settings.load()["theme"] == "cvtui-light"
    assert [file.name for file in (settings_elsewhere / "cvtui").iterdir()] == ["view.json"]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[1, 2]",
        "null",
        '{"x_axis": "moons", "smoothing": 7, "log_y": "loss", "alone": "attic"}',
        '{"x_axis": ["steps"], "smoothing": {}, "log_y": [1], "alone": null}',
        "\x00\x00",
        "[" * 5000,
    ],
)
def test_a_spoilt_file_is_as_none(text: str) -> None:
    settings.path().parent.mkdir(parents=True)
    settings.path().write_text(text)
    assert remembered() == (ViewState(), "")
    settings.keep(x_axis="time")
    assert remembered()[0].x_axis == "time"


def test_bytes_that_are_no_text_are_as_none() -> None:
    settings.path().parent.mkdir(parents=True)
    settings.path().write_bytes(b"\xff\xfe\xfa")
    assert settings.load() == {}


def test_a_place_that_cannot_be_written_is_no_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "file"))
    settings.keep(x_axis="time")
    assert settings.load() == {}


async def test_the_next_view_looks_like_the_last(finished: RunFolder) -> None:
    first = LiveHost(finished)
    async with first.run_test(size=(160, 45)) as pilot:
        await pilot.press("a", "m", "y", "y", "tab", "y", "z")
        await pilot.pause()
    second = LiveHost(finished)
    async with second.run_test(size=(160, 45)) as pilot:
        await pilot.pause()
        live = second.query_one(LiveView)
        assert (live.view.x_axis, live.view.smoothing_name) == ("epochs", "medium")
        assert (live.view.log_y, live.view.full_y) == (frozenset({"loss"}), frozenset({"accuracy"}))
        assert [pane.NAME for pane in live.grid.visible_panes()] == ["accuracy"]
        assert live.overlay_runs.names == []
        await pilot.press("z")
        await pilot.pause()
        assert len(live.grid.visible_panes()) == 6
    assert remembered()[1] == ""


async def test_the_theme_is_kept(finished: RunFolder) -> None:
    themes = []
    for _ in range(2):
        app = CvtuiApp(runs=finished.path.parent, attach=finished.path, prewarm=False)
        async with app.run_test(size=(80, 24)) as pilot:
            themes.append(app.theme)
            await pilot.press("t")
            await pilot.pause()
            themes.append(app.theme)
    assert themes == ["cvtui-dark", "cvtui-light", "cvtui-light", "cvtui-dark"]
