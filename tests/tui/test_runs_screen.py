"""The Runs place on run folders written by hand."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest
from textual.widgets import Static

from cvtui.recipe.recipe import Recipe
from cvtui.runlog import disk_note
from cvtui.runlog.axes import Smoothed
from cvtui.runlog.history import History
from cvtui.runlog.run_names import order_of
from cvtui.runlog.run_summary import summary
from cvtui.runlog.tiny_loss import SMOOTHING, tiny_loss
from cvtui.tui.app import CvtuiApp
from cvtui.tui.panes.header import RunHeader
from cvtui.tui.panes.log_entries import next_step
from cvtui.tui.screens.run_curves import RunCurves
from cvtui.tui.screens.runs import RunsScreen
from cvtui.tui.screens.runs_table import SORTS, age
from cvtui.tui.screens.train import TrainScreen
from cvtui.tui.widgets.key_bar import KeyBar
from tests.tui.places import begun_at
from tests.tui.written_runs import WrittenRun, finished_run
from tests.waiting import wait_until_async

pytestmark = pytest.mark.walked


def session(runs: Path) -> CvtuiApp:
    return begun_at("runs", runs)


def place(app: CvtuiApp) -> RunsScreen:
    screen = app.screen
    assert isinstance(screen, RunsScreen)
    return screen


def three(base: Path) -> list[str]:
    """Write a finished, a diverged and a lost run, of different lengths; the newest first."""
    finished_run(base, "good")
    bad = WrittenRun(base, "bad", Recipe(epochs=4, data="shapes", net="conv8-relu-fc", lr=3.0))
    bad.step(10)
    bad.end("diverged", "the loss is not finite at step 10")
    bad.close()
    lost = WrittenRun(base, "lost", Recipe(epochs=2, optimizer="sgd"))
    for _ in range(lost.per_epoch):
        lost.step()
    lost.epoch()
    lost.close()
    for number, name in enumerate(["good", "bad", "lost"]):
        os.utime(base / name / "recipe.toml", (1e9 + number, 1e9 + number))
    return ["lost", "bad", "good"]


@pytest.mark.parametrize("size", [(80, 24), pytest.param((160, 45), marks=pytest.mark.long)])
async def test_each_run_with_its_state_and_result(tmp_path: Path, size: tuple[int, int]) -> None:
    names = three(tmp_path)
    app = session(tmp_path)
    async with app.run_test(size=size):
        await wait_until_async(lambda: len(place(app).table.rows) == 3, what="three runs")
        text = place(app).table.text
        for row in place(app).table.rows:
            known = summary(row.folder)
            assert row.best_val_accuracy == known.best_val_accuracy
            line = next(line for line in text.splitlines() if f" {row.name} " in line)
            assert f"{known.epochs}/{known.epochs_asked}" in line
            assert ("✓" in line) == (row.name == "good")
            assert ("✗" in line) == (row.name != "good")
            if size[0] == 160:
                assert {"good": "finished", "bad": "diverged", "lost": "lost"}[row.name] in line
                assert known.data in line
        assert "best val" in text.splitlines()[0]
        assert set(names) == {row.name for row in place(app).table.rows}


async def test_what_differs_stands_right_after_the_name_in_80_columns(tmp_path: Path) -> None:
    for name, lr in (("pics-1", 0.1), ("pics-2", 0.01)):
        run = WrittenRun(tmp_path, name, Recipe(epochs=1, lr=lr, batch_size=64, seed=7 if lr == 0.1 else 8))
        run.step(run.total)
        run.end()
        run.close()
    app = session(tmp_path)
    async with app.run_test(size=(80, 24)) as pilot:
        await wait_until_async(lambda: len(place(app).table.rows) == 2, what="two runs")
        table = place(app).table
        assert table.columns[:3] == ["glyph", "name", "differs"]
        lines = {row.name: line for row, line in zip(table.rows, table.text.splitlines()[1:], strict=False)}
        for name, words in (("pics-1", "lr 0.1 · seed 7"), ("pics-2", "lr 0.01 · seed 8")):
            assert words in lines[name]
        assert "batch" not in table.text  # it is the same in both
        await pilot.press("slash", *"pics-1")
        await wait_until_async(lambda: len(table.rows) == 1, what="one run")
        assert "differs" not in table.columns  # one run alone differs from none


async def test_small_multiples_of_the_listed_runs(tmp_path: Path) -> None:
    """`w`: a tiny curve each; the cursor is the table's, and keys act on its run."""
    three(tmp_path)
    app = session(tmp_path)
    async with app.run_test(size=(80, 24)) as pilot:
        await wait_until_async(lambda: len(place(app).table.rows) == 3, what="three runs")
        names = [row.name for row in place(app).table.rows]
        await pilot.press("w")
        curves = place(app).query_one(RunCurves)
        await wait_until_async(lambda: all(name in curves.text for name in names), what="the curves")
        assert not place(app).table.region.size
        assert curves.text.startswith("training loss, smoothed")
        finished = place(app).table.rows[names.index("good")]
        assert f"{finished.best_val_accuracy:.1%}".replace("%", " %") in curves.text
        assert any("\u2801" <= character <= "\u28ff" for character in curves.text)
        await pilot.press("right")
        await wait_until_async(lambda: place(app).table.cursor == 1, what="the next run")
        chosen = place(app).chosen_run
        assert chosen is not None
        assert chosen.name == names[1]
        assert names[1] in str(place(app).query_one("#net-line", Static).render())
        await pilot.press("w")
        await wait_until_async(lambda: bool(place(app).table.region.size), what="the table")
        assert place(app).table.has_focus


def test_a_tiny_curve_of_a_run_that_grows_works_on_its_new_steps_alone(tmp_path: Path) -> None:
    """Each second of a living run took as long as all its steps: 0.2 s for 50,000."""
    run = WrittenRun(tmp_path, "grows")
    history, kept = History(run.folder), Smoothed("loss")
    for _ in range(3):
        run.step(40)
        history.poll()
        for grown, anew in zip(tiny_loss(history, kept), tiny_loss(history), strict=True):
            assert list(grown) == pytest.approx(list(anew))
        assert len(kept.values(history, SMOOTHING)) == len(history.steps)


def test_names_are_sorted_by_their_numbers() -> None:
    names = ["Digits-1", "digits-2", "digits-2-lr1e-2", "digits-10", "shapes", "10", "٣-x", ""]
    assert sorted(names[::-1], key=order_of) == ["", "10", *names[:5], "٣-x"]


async def test_sorting_by_key_and_by_mouse(tmp_path: Path) -> None:
    three(tmp_path)
    app = session(tmp_path)
    async with app.run_test(size=(160, 45)) as pilot:
        await wait_until_async(lambda: len(place(app).table.rows) == 3, what="three runs")
        table = place(app).table
        for key in [key for key in table.columns if key in SORTS]:
            place(app).sort_by(key)
            values = [SORTS[key](row) for row in table.rows]
            known = [value for value in values if value is not None]
            assert values[: len(known)] == known  # what is not known comes last
            assert known == sorted(known, reverse=table.reverse)
            assert table.text.splitlines()[0].count("▾" if table.reverse else "▴") == 1, f"{key}: the arrow"
        before = table.sort_key
        await pilot.press("greater_than_sign")
        await wait_until_async(lambda: table.sort_key != before, what="the next column")
        heading = table.text.splitlines()[0]
        await pilot.click(table, offset=(heading.index("best val") + 2, 0))
        await wait_until_async(lambda: table.sort_key == "best", what="the column of the heading")
        best = [row.name for row in table.rows]
        await pilot.press("S")
        await wait_until_async(lambda: not table.reverse, what="the other order")
        assert [row.name for row in table.rows if row.best_val_accuracy is not None] == [
            name for name in reversed(best) if name != "bad"
        ]
        await pilot.resize_terminal(80, 24)
        for key in [key for key in table.columns if key in SORTS]:
            place(app).sort_by(key)
            assert key not in table.columns or table.text.splitlines()[0].count("▾" if table.reverse else "▴") == 1, key


async def test_enter_opens_a_run_and_the_bar_tells_it(tmp_path: Path) -> None:
    three(tmp_path)
    app = session(tmp_path)
    async with app.run_test(size=(160, 45)) as pilot:
        await wait_until_async(lambda: len(place(app).table.rows) == 3, what="three runs")
        place(app).sort_by("name")
        await pilot.press("home", "down", "enter")
        await wait_until_async(lambda: app.current_mode == "train", what="the Train place")
        train = app.screen
        assert isinstance(train, TrainScreen)
        await wait_until_async(lambda: train.shows_run, what="the run")
        assert train.view is not None
        assert train.view.folder.name == "good"
        await pilot.press("4")
        await wait_until_async(lambda: app.current_mode == "runs", what="the Runs place")
        assert "good" in str(place(app).bar.render())
        assert "finished" in str(place(app).bar.render())
        # Another one takes its place.
        await pilot.press("up", "enter")
        await wait_until_async(lambda: train.view is not None and train.view.folder.name == "bad", what="another run")


async def test_the_list_is_alive_while_it_is_visible_and_only_then(tmp_path: Path) -> None:
    app = session(tmp_path)
    async with app.run_test(size=(80, 24)) as pilot:
        await wait_until_async(lambda: place(app).has_class("-none"), what="the word about no runs")
        assert "ctrl+r" in str(place(app).query_one("#none").render())
        run = WrittenRun(tmp_path, "fresh")
        await wait_until_async(lambda: len(place(app).table.rows) == 1, what="the new run")
        run.step(run.per_epoch)
        run.epoch()
        await wait_until_async(lambda: place(app).table.rows[0].epochs == 1, what="its first epoch")
        screen = place(app)
        await pilot.press("2")
        await wait_until_async(lambda: app.current_mode == "calc", what="another place")
        assert screen._timer is not None
        assert not screen._timer._active.is_set()
        run.close()
        (tmp_path / "fresh").rename(tmp_path / ".fresh")
        await pilot.press("escape", "4")
        await wait_until_async(lambda: place(app).has_class("-none"), what="the empty list")


async def test_what_lies_beside_the_runs_does_no_harm(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("x")
    (tmp_path / "folder").mkdir()
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "events.jsonl").write_bytes(b'\xff{"type":"run"\n\x1b[31mred\n{"type":"epoch"}\n')
    (tmp_path / "odd\x1b[31m").mkdir()
    (tmp_path / "odd\x1b[31m" / "recipe.toml").write_text("net = 3\nlr = 'x'\n")
    app = session(tmp_path)
    async with app.run_test(size=(80, 24)):
        await wait_until_async(lambda: len(place(app).table.rows) == 2, what="two broken runs")
        assert "\x1b" not in place(app).table.text


async def test_many_runs_don_t_freeze_the_keys(tmp_path: Path) -> None:
    for number in range(300):
        (tmp_path / f"run-{number}").mkdir()
        (tmp_path / f"run-{number}" / "recipe.toml").write_text('net = "fc"\n')
    app = CvtuiApp(runs=tmp_path, prewarm=False)
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("4")
        screen = place(app)
        longest = 0.0
        while len(screen.table.rows) < 300:
            began = time.process_time()
            await pilot.pause()
            longest = max(longest, time.process_time() - began)
        assert longest < 2.0


@pytest.mark.parametrize(
    ("seconds", "text"), [(2, "just now"), (42, "42 s ago"), (130, "2 min ago"), (7300, "2 h ago"), (2e5, "2 d ago")]
)
def test_ages(seconds: float, text: str) -> None:
    assert age(seconds) == text


async def test_care_for_runs(tmp_path: Path) -> None:
    """Filter, note, pin, rename, delete and its undoing, each by its key."""
    three(tmp_path)
    app = session(tmp_path)
    async with app.run_test(size=(160, 45)) as pilot:
        await wait_until_async(lambda: len(place(app).table.rows) == 3, what="three runs")
        table = place(app).table
        await pilot.press("slash", *"state", "equals_sign", *"diverged")
        bar = str(app.screen.query_one(KeyBar).render())
        assert "esc All runs" in bar
        assert "/ Filter" not in bar, "it is text there"
        await pilot.press("enter")
        await wait_until_async(lambda: [row.name for row in table.rows] == ["bad"], what="the run that passes")
        await pilot.press("c", *"too", "space", *"fast", "enter")
        await wait_until_async(lambda: table.rows[0].note == "too fast", what="the note")
        await pilot.press("o")
        await wait_until_async(lambda: table.rows[0].pinned, what="the pin")
        await pilot.press("N", "home", "shift+end", *"worse", "enter")
        await wait_until_async(lambda: (tmp_path / "worse").is_dir(), what="the new name")
        await pilot.press("escape")
        await wait_until_async(lambda: len(table.rows) == 3, what="all runs")
        table.cursor = next(n for n, row in enumerate(table.rows) if row.name == "worse")
        await pilot.press("backspace")
        await wait_until_async(lambda: len(table.rows) == 2, what="one run less")
        assert not (tmp_path / "worse").exists()
        await pilot.press("U")
        await wait_until_async(lambda: len(table.rows) == 3, what="the run again")
        await pilot.press("?")
        await wait_until_async(lambda: type(app.screen).__name__ == "HelpScreen", what="the keys")


async def test_forks_stand_below_their_parents(tmp_path: Path) -> None:
    parent = finished_run(tmp_path, "parent")
    finished_run(tmp_path, "other")
    child = WrittenRun(tmp_path, "child", parent={"run": "parent", "checkpoint": "last.pt", "step": 0, "epoch": 0})
    child.close()
    app = session(tmp_path)
    async with app.run_test(size=(160, 45)):
        await wait_until_async(lambda: len(place(app).table.rows) == 3, what="three runs")
        names = [row.name for row in place(app).table.rows]
        assert names.index("child") == names.index("parent") + 1
        assert "└ child" in place(app).table.text
        assert parent.path.is_dir()


WORDS = "finished at step 23, but its log could not be written to its end: No space left on device"


async def test_what_a_full_disk_let_a_run_say_is_shown_here_and_in_the_run(tmp_path: Path) -> None:
    """The log ends early; worker.note, whose room was taken at the start, has the last word."""
    lost = WrittenRun(tmp_path, "full", Recipe(epochs=2))
    lost.step(23)
    lost.close()
    disk_note.write(lost.folder.note, WORDS)
    assert summary(lost.folder).trouble == WORDS
    app = session(tmp_path)
    async with app.run_test(size=(200, 45)):
        await wait_until_async(lambda: len(place(app).table.rows) == 1, what="the run")
        await wait_until_async(lambda: WORDS in str(app.screen.query_one("#net-line", Static).render()), what="words")
        await place(app).action_open()
        await wait_until_async(lambda: isinstance(app.screen, TrainScreen), what="the run's own screen")
        await wait_until_async(lambda: app.screen.query(RunHeader), what="its header")
        header = app.screen.query_one(RunHeader)
        await wait_until_async(lambda: WORDS in header.text, what="the same there")
    history = History(lost.folder)
    history.poll()
    assert "killed, or out of memory" not in next_step("lost", history)
    assert WORDS in next_step("lost", history)


async def test_a_list_without_news_is_not_drawn_anew_and_one_with_news_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    three(tmp_path)
    app = session(tmp_path)
    async with app.run_test():
        await wait_until_async(lambda: len(place(app).table.rows) == 3, what="the runs")
        drawn: list[int] = []
        monkeypatch.setattr(place(app), "draw", lambda: drawn.append(1))
        monkeypatch.setattr(place(app), "_drawn", float("inf"))  # its times do not age
        for _ in range(3):
            place(app).refresh_runs()
        assert not drawn
        finished_run(tmp_path, "new")
        place(app).refresh_runs()
        assert drawn
