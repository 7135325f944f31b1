"""The machine on the screen, the time left with its spread, and the panes of a loop's own scalars."""

from __future__ import annotations

from pathlib import Path

import pytest

from cvtui.runlog.events import Facts, Gpu, Machine, ScalarRow, Scalars
from cvtui.tui.panes.machine import gpu_text, short_text
from tests.tui.live_host import LiveHost
from tests.tui.written_runs import WrittenRun

GIB = 1 << 30


def record(step: int, waited: float | None) -> Machine:
    return Machine(
        time=1000.0 + step, step=step, cores=4, cpu=0.81, process=1.9, memory=GIB, memory_free=8 * GIB,
        disk_free=100 * GIB, waited=waited, step_seconds=0.0041,
        gpus=[Gpu(name="NVIDIA X", memory=4 * GIB, memory_total=40 * GIB, use=0.57)],
    )  # fmt: skip


@pytest.mark.parametrize("size", [(80, 24), pytest.param((160, 45), marks=pytest.mark.long)])
async def test_the_pane_shows_the_machine_as_it_was_at_the_cursor(tmp_path: Path, size: tuple[int, int]) -> None:
    run = WrittenRun(tmp_path)
    run.step(20)
    run.write(record(10, 0.38))
    run.write(record(20, 0.03))
    run.close()
    app = LiveHost(run.folder)
    async with app.run_test(size=size) as pilot:
        await pilot.pause()
        app.live.show_pane("machine")
        await pilot.pause()
        now = app.text("machine").split("\n")
        assert "3 % of a step of 4.1 ms waits for data" in now[0]
        assert "81 % of 4 cores busy, this process 1.9 cores" in now[1]
        assert "1.0 GiB held, 8.0 GiB free" in now[2]
        assert "57 % busy, 4.0 GiB of 40.0 GiB" in now[3]
        assert "100 GiB left" in now[4]
        app.live.show_step(12)
        await pilot.pause()
        assert "input-bound: 38 % of a step of 4.1 ms waits for data" in app.text("machine")
        assert app.subtitle("machine") == "at step 10"
        assert "input-bound 38 %" in app.live.header.text
        app.live.show_step(3)
        await pilot.pause()
        assert "nothing recorded before this step" in app.text("machine")


def test_the_short_word_is_the_wait_where_it_is_much() -> None:
    assert short_text(record(1, 0.38)) == "input-bound 38 %"
    assert short_text(record(1, 0.1)) == "GPU 57 %"
    assert short_text(Machine(time=1.0, step=1, cpu=0.5)) == "CPU 50 %"
    assert short_text(None) == ""
    assert gpu_text(Gpu(name="x", memory=GIB, memory_total=2 * GIB, why="NVML: Not Supported")).startswith(
        "use unknown (NVML: Not Supported), "
    )


async def test_six_names_have_a_pane_each_and_the_rest_shares_one(tmp_path: Path) -> None:
    run = WrittenRun(tmp_path)
    run.step(20)
    names = ["iou", "f1", "[red]x", "d", "e", "f", "g", "h"]
    run.write(Scalars(rows=[ScalarRow(name=name, steps=[4, 8], values=[0.25, 0.5]) for name in names]))
    run.write(Facts(step=2, accuracy_unit="percent", output_sizes={"fc1": [16]}))
    run.close()
    app = LiveHost(run.folder)
    async with app.run_test(size=(120, 40)) as pilot:
        await pilot.pause()
        panes = {name for slot in app.live.grid.slots() for name in slot.panes}
        assert {name for name in panes if name.startswith("own")} == {*(f"own-{n}" for n in range(6)), "own-rest"}
        app.live.show_pane("own-0")
        await pilot.pause()
        line = app.lines("own-0")["iou"]
        assert (line.x.tolist(), line.y.tolist()) == ([4, 8], [0.25, 0.5])
        assert app.subtitle("own-0") == "iou 0.500"
        assert app.live.pane("own-2").heading == "[red]x"
        app.live.show_step(5)
        await pilot.pause()
        assert app.subtitle("own-0") == "iou 0.250"
        app.live.show_pane("own-rest")
        await pilot.pause()
        assert list(app.lines("own-rest")) == ["g", "h"]
        app.live.show_pane("accuracy")
        await pilot.pause()
        assert "told in percent" in app.subtitle("accuracy")


async def test_a_run_without_either_has_no_such_panes(tmp_path: Path) -> None:
    run = WrittenRun(tmp_path)
    run.step(3)
    run.close()
    app = LiveHost(run.folder)
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.pause()
        panes = {name for slot in app.live.grid.slots() for name in slot.panes}
        assert not [name for name in panes if name.startswith(("own", "machine"))]
