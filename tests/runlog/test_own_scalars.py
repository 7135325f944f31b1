"""Own scalars and machine records as a reader holds them: bounded, and cut where a resume begins."""

from __future__ import annotations

from pathlib import Path

from cvtui.runlog.events import Machine, RunStarted, ScalarRow, Scalars
from cvtui.runlog.folder import RunFolder
from cvtui.runlog.history import History
from cvtui.runlog.scalar_curves import MOST_POINTS, ScalarCurve, ScalarTable
from cvtui.runlog.thinning import MOST_MACHINES
from cvtui.runlog.writer import EventWriter
from tests.docs.log_examples import RECORDS


def row(name: str, *steps: int) -> ScalarRow:
    return ScalarRow(name=name, steps=list(steps), values=[float(step) for step in steps])


def test_a_long_curve_keeps_its_newest_half_and_its_range() -> None:
    curve = ScalarCurve()
    for start in range(0, 100_000, 1000):
        curve.add(row("x", *range(start, start + 1000)))
    assert len(curve.steps) <= MOST_POINTS
    assert curve.count == 100_000
    assert curve.steps[-5000:].tolist() == list(range(95_000, 100_000))
    assert curve.steps[0] < 5000
    assert curve.values.tolist() == curve.steps.tolist()


def test_a_damaged_row_is_left_out_and_names_are_bounded() -> None:
    table = ScalarTable()
    table.add(Scalars(rows=[row("x", 5, 3), ScalarRow(name="y", steps=[1, 2], values=[1.0]), row("z", -4)]))
    assert [name for name, curve in table.curves.items() if len(curve.steps)] == []
    table.add(Scalars(rows=[row(f"n{number}", 1) for number in range(300)]))
    assert len(table.names) == 100


def test_what_a_resume_does_again_replaces_what_was_there(tmp_path: Path) -> None:
    folder = RunFolder.create(tmp_path, "mine", "")
    begun = RECORDS[0]
    assert isinstance(begun, RunStarted)
    from msgspec.structs import replace

    with EventWriter(folder) as writer:
        writer.write(begun)
        writer.write(RECORDS[1])  # three steps
        writer.write(Scalars(rows=[row("iou", 1, 2, 3)]))
        writer.write(Machine(time=1.0, step=3, cpu=0.5))
        writer.write(replace(begun, step=1))
        writer.write(Scalars(rows=[row("iou", 2)]))
    history = History(folder)
    history.poll()
    assert history.scalars.curves["iou"].steps.tolist() == [1, 2]
    assert history.machines == []


def test_records_of_the_machine_are_thinned(tmp_path: Path) -> None:
    folder = RunFolder.create(tmp_path, "mine", "")
    with EventWriter(folder) as writer:
        writer.write(RECORDS[0])
        for step in range(3 * MOST_MACHINES):
            writer.write(Machine(time=1.0, step=step, cpu=0.5))
    history = History(folder)
    history.poll()
    assert len(history.machines) <= MOST_MACHINES
    assert history.machines[-1].step == 3 * MOST_MACHINES - 1
    assert history.machines[0].step < MOST_MACHINES
