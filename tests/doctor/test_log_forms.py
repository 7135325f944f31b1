"""Logs in the forms of many programs: which curves are read, and what is found in them."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from cvtui.doctor.other_logs import LogReport, examine_log
from cvtui.errors import RequestError
from cvtui.runlog.foreign.find import read_log
from cvtui.runlog.foreign.roles import choose
from tests.doctor.log_forms import EPOCHS, FORMS, FOUND, STORES, Row, curves, mlflow, write

HEALTHY = curves("healthy")
CURVES = {"loss": 0, "val_loss": 1, "accuracy": 2, "val_accuracy": 3, "lr": 4}


def ids(report: LogReport) -> list[str]:
    return [one.id for one in report.findings]


def told_of(rows: list[Row], role: str) -> list[float]:
    return [row[CURVES[role]] for row in rows]


@pytest.mark.parametrize("name", FORMS)
def test_the_curves_that_were_written_are_read(name: str, tmp_path: Path):
    """Each role's values are those of the made-up run, epoch by epoch (per cent or share)."""
    form = FORMS[name]
    log = read_log(write(form, HEALTHY, tmp_path))
    assert form.kind in log.kind
    chosen = choose(log, {})
    assert {role: one.words for role, one in chosen.items() if role != "epoch"} == {
        role: column for role, column in form.roles.items() if column
    }
    for role, one in chosen.items():
        if role == "epoch":
            continue
        values = [value for _, value in sorted(one.values.items())]
        each = list(dict.fromkeys(values))  # several rows an epoch have one value
        factor = 100 if max(values) > 1 and role.endswith("accuracy") else 1
        assert each == pytest.approx([factor * value for value in told_of(HEALTHY, role)], abs=2e-6 * factor), role
        assert len(values) % len(each) == 0, "rows of an epoch were lost"


@pytest.mark.parametrize("name", STORES)
def test_runs_that_are_folders_or_archives(name: str, tmp_path: Path):
    for kind in ("healthy", "NaN"):
        (tmp_path / kind).mkdir()
        rows = curves(kind)
        chosen = choose(read_log(STORES[name](rows, tmp_path / kind)), {})
        for role in ("loss", "val_loss"):
            assert list(chosen[role].values.values()) == pytest.approx(told_of(rows, role), nan_ok=True)


@pytest.mark.parametrize("kind", FOUND)
def test_what_the_curves_show(kind: str, tmp_path: Path):
    """The same run, as steps with several rows an epoch and as epochs."""
    for name in ("timm's prints", "fastai"):
        assert ids(examine_log(write(FORMS[name], curves(kind), tmp_path), {})) == FOUND[kind], name


@pytest.mark.long
@pytest.mark.parametrize("kind", FOUND)
def test_what_the_curves_show_in_each_form(kind: str, tmp_path: Path):
    for name, form in FORMS.items():
        report = examine_log(write(form, curves(kind), tmp_path), {})
        assert ids(report) == (FOUND[kind] if kind != "overfits" or form.roles.get("val_loss") else []), name
        (tmp_path / form.file).unlink()
    for name, store in STORES.items():
        (tmp_path / name).mkdir()
        assert ids(examine_log(store(curves(kind), tmp_path / name), {})) == FOUND[kind], name


def test_a_loss_that_had_fallen_is_not_said_to_have_learnt_nothing(tmp_path: Path):
    """Rows are held until the next: the first epoch's value is at a guess for long; later ones are not."""
    for kind in ("diverges", "NaN"):
        text = "".join(
            f"Epoch [{e}/20], Step [{step}/600], Loss: {row.loss:.4f}\n"
            for e, row in enumerate(curves(kind), 1)
            for step in range(100, 601, 100)
        )
        (tmp_path / "out.txt").write_text(text)
        assert ids(examine_log(tmp_path / "out.txt", {})) == FOUND[kind]


def test_few_single_steps_show_a_divergence_and_are_too_few_for_the_rest(tmp_path: Path):
    report = examine_log(write(FORMS["Neptune"], curves("diverges"), tmp_path), {})
    assert ids(report) == ["F01"]
    assert report.unasked["F36"] == f"{EPOCHS} single steps may be too few to learn"
    flat = [row._replace(loss=2.3) for row in HEALTHY]
    assert ids(examine_log(write(FORMS["Neptune"], flat, tmp_path), {})) == []


def test_a_nan_that_clearml_wrote_as_zero(tmp_path: Path):
    report = examine_log(write(FORMS["ClearML"], curves("NaN"), tmp_path), {})
    assert [(one.id, one.step) for one in report.findings] == [("F03", 8)]
    assert any("which ClearML writes for NaN" in note for note in report.log.notes)
    learnt = [row._replace(loss=row.loss if e < 15 else 0.0) for e, row in enumerate(curves("overfits"))]
    learnt[14] = learnt[14]._replace(loss=0.004)
    assert "F03" not in ids(examine_log(write(FORMS["ClearML"], learnt, tmp_path), {})), "0 after 0.004 was learnt"


def test_a_run_of_a_database_is_named(tmp_path: Path):
    path = mlflow(HEALTHY, tmp_path, ("calm-cat", "bold-bee"))
    before = path.read_bytes()
    with pytest.raises(RequestError, match="2 runs of MLflow: bold-bee, calm-cat") as refused:
        read_log(path)
    assert str(path / "bold-bee") in str(refused.value.hint)
    for name in ("calm-cat", "id0"):
        assert read_log(path / name).columns["train_loss"][3] == HEALTHY[3].loss
    with pytest.raises(RequestError, match="holds no run 'calm-ca'"):
        read_log(path / "calm-ca")
    assert path.read_bytes() == before
    assert sorted(one.name for one in tmp_path.iterdir()) == ["mlflow.db"], "no journal beside it"
    path.write_bytes(before[:100] + b"\xff" * 400)
    with pytest.raises(RequestError, match="is no database of MLflow"):
        read_log(path)


@pytest.mark.parametrize(
    ("file", "text", "words", "way"),
    [
        ("runs.csv", "Name,State,train/loss\na,finished,0.3\nb,finished,0.2\n", "a row for each run", "chart"),
        ("m.csv", "run_id,key,value,step\na,loss,1,0\nb,loss,2,0\n", "holds 2 runs: a, b", "one 'run_id'"),
        ("e.csv", "Step,a - loss,a - loss__MIN,b - loss,b - loss__MIN\n0,1,1,2,2\n", "2 columns could be", "--column"),
        ("all_results.json", '{"epoch": 3.0, "eval_loss": 0.3}', "no rows of numbers", "JSON lines"),
        (".aim/meta", "", "a repository of Aim", "dataframe"),
        ("run.zip", "PK", "no zip archive", ""),
    ],
)  # fmt: skip
def test_what_has_no_curve_is_refused_with_the_way_out(file: str, text: str, words: str, way: str, tmp_path: Path):
    path = tmp_path / file
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    with pytest.raises(RequestError, match=words) as refused:
        examine_log(tmp_path if file.startswith(".aim") else path, {})
    assert way in str(refused.value.hint or "")


def test_of_a_chart_of_two_runs_a_column_names_the_run(tmp_path: Path):
    """The validation of the run that the loss is of, not of the first in the file."""
    names = [f"{run} - {of}{bound}" for run in ("a", "b") for of in ("loss", "val/loss") for bound in ("", "__MIN")]
    cells = "".join(f"{step},1,1,2,2,3,3,4,4\n" for step in range(9))
    (tmp_path / "e.csv").write_text(",".join(["Step", *names]) + "\n" + cells)
    chosen = choose(read_log(tmp_path / "e.csv"), {"loss": "b - loss"})
    assert chosen["val_loss"].names == ("b - val/loss",)
    assert not math.isnan(chosen["val_loss"].values[0])
