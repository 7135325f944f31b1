"""`cvtui doctor PATH` on logs of other programs.

other_logs/ holds files of the real libraries: Lightning 2.6.6's CSVLogger, the history records of a W&B 0.31.0 offline
run, trainer_state.json of transformers 5.24.0, whole and with a loss that became NaN. TensorBoard files are written by
the package itself, Ultralytics' and Keras' tables in their own form.
"""

from __future__ import annotations

import contextlib
import json
import math
import random
import struct
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from cvtui.cli.main import main
from cvtui.doctor.other_logs import BY_CURVES, LogReport, examine_log
from cvtui.errors import RequestError
from cvtui.runlog.foreign.convert import share
from cvtui.runlog.foreign.find import read_log
from cvtui.runlog.foreign.listing import logs_below
from cvtui.runlog.foreign.roles import choose

LOGS = Path(__file__).with_name("other_logs")
RECORDINGS = Path(__file__).parents[1] / "recordings"
Curve = Callable[[float], float]


def examined(path: Path, **columns: str) -> LogReport:
    return examine_log(path, columns)


def ids(report: LogReport) -> list[str]:
    return [one.id for one in report.findings]


def columns_of(path: Path) -> dict[str, tuple[str, ...]]:
    return {role: one.names for role, one in choose(read_log(path), {}).items()}


# ---------------------------------------------------------------------- files of the real libraries


def test_lightning_takes_the_last_filled_value_of_each_column_and_step():
    """Rows of one step are joined; the numbers are those of the file (facts: val's row comes before train's)."""
    log = read_log(LOGS / "metrics.csv")
    assert log.kind == "Lightning's metrics.csv"
    assert log.columns["val_loss"][15] == 0.5051428079605103
    assert log.columns["train_loss_epoch"][15] == 0.8698409199714661
    assert list(log.columns["train_loss_step"])[:3] == [4, 9, 14]
    report = examined(LOGS / "metrics.csv")
    assert {role: one.names[0] for role, one in report.chosen.items()} == {
        "loss": "train_loss_step", "accuracy": "train_acc", "val_loss": "val_loss", "val_accuracy": "val_acc",
        "lr": "lr-SGD", "epoch": "epoch",
    }  # fmt: skip
    assert ids(report) == []
    assert report.evaluations == 6


@pytest.mark.parametrize(
    ("text", "columns"),
    [
        ("accuracy,loss\n0.1,2.0\n0.4,1.5\n", {"accuracy": [0.1, 0.4], "loss": [2.0, 1.5]}),
        ("\r\n\r\nloss,val_loss\r\n2.0,2.5\r\n\r\n1.5,1.75\r\n", {"loss": [2.0, 1.5], "val_loss": [2.5, 1.75]}),
        ("loss\n2.0\n1.5\n", {"loss": [2.0, 1.5]}),
        ("loss;val_loss\n2,0;2,5e-1\n1,5;-0,75\n", {"loss": [2.0, 1.5], "val_loss": [0.25, -0.75]}),
    ],
    ids=["no steps", "empty lines first", "one column", "decimal commas"],
)
def test_tables_without_a_column_of_steps_keep_each_column(text: str, columns: dict[str, list[float]], tmp_path: Path):
    path = tmp_path / "log.csv"
    path.write_bytes(text.encode())
    log = read_log(path)
    assert {name: list(values.values()) for name, values in log.columns.items()} == columns


def test_a_text_of_one_column_is_no_table(tmp_path: Path):
    path = tmp_path / "log.csv"
    path.write_text("loss\nis falling\n")
    with pytest.raises(RequestError, match="no header"):
        read_log(path)


def test_wandb_offline_run_and_its_nan():
    report = examined(LOGS / "run-curves.wandb")
    values = report.log.columns["train/loss"]
    assert all(values[step] == 2.3 * math.exp(-step / 20) for step in range(25) if step != 40)
    assert columns_of(LOGS / "run-curves.wandb")["val_loss"] == ("val.loss",)
    (finding,) = report.findings
    assert (finding.id, finding.step) == ("F03", 40)
    assert "at step 39 it was 0.327" in finding.sentence


def test_trainer_state_whole_and_with_the_nan_that_the_trainer_hides():
    assert ids(examined(LOGS / "ok")) == []
    report = examined(LOGS / "nan")
    assert report.log.columns["loss"][8] == 0.0, "what Trainer logged in place of the NaN"
    assert [(one.id, one.step) for one in report.findings] == [("F03", 4)]
    assert any("logging_nan_inf_filter" in note for note in report.log.notes)


# ---------------------------------------------------------------------- TensorBoard


def falling(step: float) -> float:
    return 0.2 + 2.1 * math.exp(-step / 60)


def noisy(curve: Curve, seed: int = 0) -> Curve:
    draw = random.Random(seed)
    return lambda step: curve(step) * (1 + 0.05 * draw.uniform(-1, 1))


def write_events(folder: Path, curves: dict[str, Iterator[tuple[int, float]]]) -> Path:
    """Write scalars with the package tensorboard."""
    pytest.importorskip("tensorboard", reason="the package tensorboard is not installed")
    from tensorboard.compat.proto.event_pb2 import Event
    from tensorboard.compat.proto.summary_pb2 import Summary
    from tensorboard.summary.writer.event_file_writer import EventFileWriter

    writer = EventFileWriter(str(folder))
    for tag, points in curves.items():
        for step, value in points:
            summary = Summary(value=[Summary.Value(tag=tag, simple_value=value)])
            writer.add_event(Event(wall_time=1.0, step=step, summary=summary))
    writer.close()
    return folder


def points(curve: Curve, steps: int, every: int = 5) -> Iterator[tuple[int, float]]:
    return ((step, curve(step)) for step in range(0, steps, every))


CURVES: dict[str, tuple[Curve, str]] = {
    "healthy": (noisy(falling), ""),
    "diverges": (lambda step: falling(step) if step < 200 else min(50.0, 0.3 * 1.05 ** (step - 200)), "F01"),
    "rate too high": (lambda step: 2.3 + min(12.0, step / 4), "F01"),
    "stays at a guess": (noisy(lambda _: 2.3), "F36"),
    "plateau": (lambda step: max(1.6, falling(step)), "F19"),
    "NaN": (lambda step: falling(step) if step < 250 else math.nan, "F03"),
}


@pytest.mark.parametrize("name", CURVES)
def test_faults_that_a_curve_alone_shows(tmp_path: Path, name: str):
    curve, fault = CURVES[name]
    report = examined(write_events(tmp_path, {"train/loss": points(curve, 500)}))
    assert ids(report)[:1] == ([fault] if fault else [])
    for one in report.findings:
        assert one.id in BY_CURVES
        assert (one.threshold, one.cure) == (None, {})
        assert "`cvtui" not in one.advice
    if name == "NaN":
        assert report.findings[0].step == 250
    if fault == "F01":
        assert "(up to" not in report.findings[0].sentence, "no rate is in the log, so none is named"
        assert "nan" not in report.findings[0].sentence


def test_what_a_resumed_run_says_anew_is_read_as_tensorboard_does(tmp_path: Path):
    """A run became NaN at step 250 and went on to 400; it was resumed from 200 and has come to 300."""
    pytest.importorskip("tensorboard", reason="the package tensorboard is not installed")
    pytest.importorskip("torch", reason="PyTorch is not installed")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
    from torch.utils.tensorboard import SummaryWriter

    for first, last, purge in ((0, 400, None), (200, 300, 200)):
        with SummaryWriter(tmp_path, purge_step=purge) as writer:
            for step in range(first, last, 5):
                dead = purge is None and step >= 250
                writer.add_scalar("loss", math.nan if dead else noisy(falling)(step), step)
    report = examined(tmp_path)
    tensorboard = EventAccumulator(str(tmp_path)).Reload().Scalars("loss")
    assert report.log.columns["loss"] == {one.step: one.value for one in tensorboard}
    assert (max(report.log.columns["loss"]), report.findings) == (295, [])


@pytest.mark.parametrize("counted", ["steps", "epochs"])
def test_overfitting_shows_in_the_two_losses_alone(counted: str, tmp_path: Path):
    """Also where the program counts its validations in epochs, beside steps of training."""
    validation = [(step, 0.5 + 0.5 * math.exp(-step / 60) + max(0, step - 150) / 200) for step in range(49, 500, 50)]
    told = iter(validation if counted == "steps" else [(epoch, loss) for epoch, (_, loss) in enumerate(validation)])
    report = examined(write_events(tmp_path, {"loss/train": points(falling, 500), "loss/validation": told}))
    assert any("spread evenly" in note for note in report.log.notes) == (counted == "epochs")
    (finding,) = report.findings
    assert finding.id == "F18"
    assert finding.severity == "note"
    assert 295 <= finding.step <= 299
    assert "The best epoch is 3 (validation loss 0.542)." in finding.sentence


def test_one_high_value_is_no_divergence(tmp_path: Path):
    """A value that is held until the next is still one value."""
    report = examined(write_events(tmp_path, {"loss": points(lambda s: 9.0 if s == 250 else falling(s), 500, 25)}))
    assert ids(report) == []


def test_every_step_of_a_sentence_is_the_log_s_own(tmp_path: Path):
    """Steps from 100 on, every 100th logged, and a log far longer than a run's axis."""
    report = examined(write_events(tmp_path / "a", {"loss": points(noisy(lambda _: 2.3), 4_000_000, 40_000)}))
    finding = report.findings[0]
    assert finding.id == "F36"
    assert 40 * 100 < finding.step < 4_000_000
    assert f"to {finding.step:,} the loss was" in finding.sentence
    losses = {step + 100: value for step, value in points(lambda s: math.inf if s >= 700 else falling(s), 1000, 100)}
    report = examined(write_events(tmp_path / "b", {"loss": iter(losses.items())}))
    assert [one.step for one in report.findings] == [800]
    assert report.findings[0].sentence.startswith("At step 800 the loss was NaN or infinite")


@pytest.mark.parametrize("fault", ["easy first batch", "spike"])
def test_chance_is_no_fault(tmp_path: Path, fault: str):
    """A first value far below the rest, or values of a spike that the run got over, make no finding."""
    curves = {
        "easy first batch": lambda s: 0.1 if s == 0 else noisy(falling, 3)(s),
        "spike": lambda s: 50.0 if 200 <= s < 230 else falling(s),
    }
    assert ids(examined(write_events(tmp_path, {"loss": points(curves[fault], 500, 10)}))) == []


def test_a_row_that_is_being_written_is_left_out(tmp_path: Path):
    path = tmp_path / "log.csv"
    path.write_text("step,loss,lr\n0,1.5,0.1\n1,1.25,0.1\n2,1.")
    assert list(read_log(path).columns["loss"].values()) == [1.5, 1.25]


def test_damaged_files_are_refused_in_one_line_or_read_as_far_as_they_go(tmp_path: Path):
    draw = random.Random(0)
    for number in range(25):
        source = draw.choice([LOGS / "metrics.csv", LOGS / "run-curves.wandb", LOGS / "ok" / "trainer_state.json"])
        data = bytearray(source.read_bytes())
        for _ in range(3):
            place = draw.randrange(len(data))
            data[place : place + draw.randrange(3)] = draw.choice(
                [b"1e999", b"nan", b"\0", b'"', b"\r", b"[[[[", b"\xff"]
            )
        path = tmp_path / str(number) / source.name
        path.parent.mkdir()
        path.write_bytes(data)
        with contextlib.suppress(RequestError):
            examined(path)


def test_a_log_that_begins_in_mid_run_is_not_compared_with_its_beginning(tmp_path: Path):
    report = examined(write_events(tmp_path, {"loss": ((step, 2.3) for step in range(5000, 6000, 5))}))
    assert ids(report) == []
    assert set(report.unasked) == {"F01", "F18", "F19", "F32", "F36"}
    assert "begins at step 5,000" in report.unasked["F36"]


def test_two_runs_in_a_folder_are_not_mixed_but_train_and_validation_belong_together(tmp_path: Path):
    for name in ("a", "b"):
        write_events(tmp_path / "two" / name, {"loss": points(falling, 100)})
    with pytest.raises(RequestError, match=r"holds 2 logs: a, b"):
        examined(tmp_path / "two")
    for name in ("train", "validation"):
        write_events(tmp_path / "keras" / name, {"epoch_loss": points(falling, 20, 1)})
    report = examined(tmp_path / "keras")
    assert report.chosen["loss"].names == ("train/epoch_loss",)
    assert report.chosen["val_loss"].names == ("validation/epoch_loss",)
    assert ids(report) == []


def test_tensors_are_read_and_damage_is_told(tmp_path: Path):
    """Keras writes scalars as tensors; a file that is cut off is read to its last whole event."""
    write_events(tmp_path, {"loss": points(falling, 100, 1)})
    (path,) = tmp_path.iterdir()
    data = path.read_bytes()
    path.write_bytes(data[:-7])
    log = read_log(path)
    assert (len(log.columns["loss"]), log.notes) == (99, [])
    path.write_bytes(data[:2000] + b"\xff" + data[2001:])
    log = read_log(path)
    assert 0 < len(log.columns["loss"]) < 99
    assert "is damaged" in log.notes[0]
    from tensorboard.compat.proto.tensor_pb2 import TensorProto

    from cvtui.runlog.foreign.tensorboard import _number

    assert _number(TensorProto(dtype=1, float_val=[0.5]).SerializeToString()) == 0.5
    assert _number(TensorProto(dtype=1, tensor_content=struct.pack("<f", 0.25)).SerializeToString()) == 0.25
    assert _number(TensorProto(dtype=2, double_val=[0.1]).SerializeToString()) == 0.1
    assert _number(TensorProto(dtype=7, string_val=[b"no"]).SerializeToString()) is None


# ---------------------------------------------------------------------- tables and plain text


def ultralytics(path: Path, rows: list[dict[str, float]]) -> Path:
    """Write results.csv in the form of Ultralytics 8.4 (engine/trainer.py, save_metrics)."""
    lines = [",".join(["epoch", "time", *rows[0]])]
    lines += [
        ",".join(f"{value:.6g}" for value in (place + 1, 3.0 * place, *row.values())) for place, row in enumerate(rows)
    ]
    path.write_text("\n".join(lines) + "\n")
    return path


def epochs(loss: Curve, validation: Curve, count: int = 20) -> list[dict[str, float]]:
    return [
        {
            "train/loss": loss(epoch), "metrics/accuracy_top1": 0.9, "metrics/accuracy_top5": 1.0,
            "val/loss": validation(epoch), "lr/pg0": 0.01, "lr/pg1": 0.01,
        }
        for epoch in range(count)
    ]  # fmt: skip


def test_ultralytics_rows_are_epochs(tmp_path: Path):
    path = tmp_path / "results.csv"
    report = examined(ultralytics(path, epochs(lambda e: falling(10 * e), lambda e: 0.1 + falling(10 * e))))
    assert (ids(report), report.rows.word, report.log.kind) == ([], "epoch", "Ultralytics' results.csv")
    assert report.chosen["val_accuracy"].names == ("metrics/accuracy_top1",)
    report = examined(ultralytics(path, epochs(lambda e: falling(10 * e), lambda e: 0.5 + abs(e - 6) / 20)))
    (finding,) = report.findings
    assert finding.id == "F18"
    assert "The best epoch is 7 (validation loss 0.5)" in finding.sentence
    report = examined(ultralytics(path, epochs(lambda e: math.nan if e > 3 else 4.0 - e, lambda _: 1.0)))
    assert [(one.id, one.step) for one in report.findings] == [("F03", 5)]
    assert report.findings[0].sentence == "At epoch 5 the loss was NaN or infinite; at epoch 4 it was 1."


def test_ultralytics_parts_of_a_detector_s_loss_are_added(tmp_path: Path):
    rows = [{"train/box_loss": 1.0, "train/cls_loss": 2.0, "train/dfl_loss": 0.5, "metrics/mAP50(B)": 0.3}] * 8
    report = examined(ultralytics(tmp_path / "results.csv", rows))
    assert report.chosen["loss"].words == "train/box_loss + train/cls_loss + train/dfl_loss"
    assert set(report.chosen["loss"].values.values()) == {3.5}
    assert "val_accuracy" not in report.chosen, "a mean average precision is no accuracy"


@pytest.mark.parametrize(
    ("lines", "loss", "axis"),
    [
        (["step 12 loss 0.53", "step 13 loss 0.5", "INFO step 14 loss nan"], {12: 0.53, 13: 0.5, 14: math.nan}, "step"),
        (
            ["Epoch 3: train_loss=0.8, val_loss=0.9, acc: 0.91", "Epoch 4: train_loss=7e-1, val_loss=0.85, acc: 0.92"],
            {3: 0.8, 4: 0.7},
            "epoch",
        ),
        (
            [f"Epoch [{e}/2], Step [{s}/600], Loss: {e + s / 1000:.4f}" for e in (1, 2) for s in (300, 600)],
            {300: 1.3, 600: 1.6, 900: 2.3, 1200: 2.6},
            "step",
        ),
        (["Epoch 1/2", "9/9 - loss: 0.5 - accuracy: 91%", "Epoch 2/2", "9/9 - loss: 0.4"], {1: 0.5, 2: 0.4}, "epoch"),
        (["\x1b[32m{'loss': 1.5, 'epoch': 1}\x1b[0m", "{'loss': 1.25, 'epoch': 2}"], {1: 1.5, 2: 1.25}, "epoch"),
    ],
)  # fmt: skip
def test_plain_logs(tmp_path: Path, lines: list[str], loss: dict[int, float], axis: str):
    path = tmp_path / "train.log"
    path.write_text("starting\n" + "\n".join(lines) + "\ndone\n")
    log = read_log(path)
    column = choose(log, {})["loss"].values
    assert list(column) == list(loss)
    assert [str(value) for value in column.values()] == [str(value) for value in loss.values()]
    assert log.axis == axis


PRINTED = {
    "PyTorch's digits": (
        ["Train Epoch: {e} [{i}/60000 ({p}%)]\tLoss: {loss:.6f}",
         "Train Epoch: {e} [{j}/60000 ({p}%)]\tLoss: {loss:.6f}",
         "Test set: Average loss: {val:.4f}, Accuracy: 9{e}00/10000 (9{e}%)"],
        [6400, 12800, 66400, 72800], 0.92,
    ),
    "PyTorch's ImageNet": (
        ["Epoch: [{z}][  1/20]\tTime  0.5 ( 0.6)\tLoss {loss:.4e} (9e+00)\tAcc@1   1.00 (  1.00)",
         "Epoch: [{z}][ 11/20]\tTime  0.5 ( 0.6)\tLoss {loss:.4e} (9e+00)\tAcc@1   2.00 (  2.00)",
         "Test: [ 1/79]\tTime  1.0 ( 1.0)\tLoss {val:.4e} (9e+00)\tAcc@1  33.00 ( 33.00)",
         " *   Acc@1 4{e}.000 Acc@5 80.0"],
        [1, 11, 21, 31], 42.0,
    ),
    "mmengine": (
        ["2024/01/01 12:00:01 - mmengine - INFO - Epoch(train) [{e}][10/20]  lr: 1e-01  time: 0.05  loss: {loss:.4f}",
         "2024/01/01 12:00:02 - mmengine - INFO - Epoch(train) [{e}][20/20]  lr: 1e-01  time: 0.05  loss: {loss:.4f}",
         "2024/01/01 12:00:03 - mmengine - INFO - Epoch(val) [{e}][79/79]    accuracy/top1: 5{e}.1200  time: 0.03"],
        [10, 20, 30, 40], 52.12,
    ),
    "a progress bar": (
        ["\rEpoch {e}/2:  50%|█████     | 5/10 [00:03<00:04, 12.30it/s, loss={loss:.4f}]"
         "\rEpoch {e}/2: 100%|██████████| 10/10 [00:07<00:00, 12.30it/s, loss={loss:.4f}]",
         "val_loss: {val:.4f} val_acc: 0.5{e}"],
        [5, 10, 15, 20], 0.52,
    ),
    "words": (
        ["Epoch {e} took 1.3s. Training loss is {loss:.4f}, validation loss is {val:.4f}, val. accuracy is 5{e}%"],
        [1, 2], 0.52,
    ),
}  # fmt: skip
"""What programs print in one epoch ({e} from 1, {z} from 0): the steps of the losses, and the last validation."""


@pytest.mark.parametrize("name", PRINTED)
def test_what_programs_print(name: str, tmp_path: Path):
    """A validation's loss is none of training's, and steps that begin anew in each epoch are counted on."""
    lines, steps, right = PRINTED[name]
    path = tmp_path / "nohup.out"
    text = "".join(
        line.format(e=e, z=e - 1, i=6400, j=12800, p=10, loss=3 - e, val=7 - e) + "\n" for e in (1, 2) for line in lines
    )
    path.write_text("starting\n" + text)
    chosen = choose(read_log(path), {})
    half = len(steps) // 2
    assert chosen["loss"].values == dict(zip(steps, [2.0] * half + [1.0] * half, strict=True))
    assert list(chosen["val_accuracy"].values.values())[-1] == pytest.approx(right)
    if "val_loss" in chosen:
        assert list(chosen["val_loss"].values.values()) == [6.0, 5.0]


ROWS = [{"epoch": e, "train": {"loss": 3.0 - e}, "val": {"loss": 4.0 - e, "acc": e / 10}} for e in (1, 2)]
TABLE = "epoch  train_loss  valid_loss  time\n1  2.0  3.0  00:12\n2  1.0  2.0  00:12\n3  0.5  1.5  00:12\n"
LINES = "".join(f'{json.dumps(row)[:-1]}, "by": "a\u2028b"}}\n' for row in ROWS)
FILES = {
    "JSON lines": ("log.jsonl", LINES, "epoch", {1: 2.0, 2: 1.0}),
    "a list": ("log.json", json.dumps(ROWS), "epoch", {1: 2.0, 2: 1.0}),
    "a history": ("history.json", json.dumps({"loss": [2.0, 1.0], "val_loss": [3.0, 2.0]}), "epoch", {1: 2.0, 2: 1.0}),
    "steps that begin anew": (
        "scalars.json",
        "".join(json.dumps({"iter": i, "epoch": e, "step": 10 * e + i, "loss": 3.0 - e}) + "\n"
                for e in (0, 1) for i in (5, 10)),
        "step", {5: 3.0, 10: 3.0, 15: 2.0, 20: 2.0},
    ),
    "epochs as fractions": (
        "out.log", "{'loss': 2.0, 'epoch': 0.5}\n{'loss': 1.0, 'epoch': 1.0}\n", "step", {0: 2.0, 1: 1.0},
    ),
    "a table": ("out.log", TABLE, "epoch", {1: 2.0, 2: 1.0, 3: 0.5}),
    "timm": ("summary.csv", "epoch,train_loss,eval_loss,eval_top1\n1,2.0,3.0,10\n2,1.0,2.0,20\n", "epoch",
             {1: 2.0, 2: 1.0}),
    "MLflow": ("mlruns/0/8f3c/metrics/train_loss", "1700000 2.0 1\n1700001 1.0 2\n", "step", {1: 2.0, 2: 1.0}),
}  # fmt: skip


EPOCHS = "epoch 1 loss 2.0 val_loss 3.0 val_acc 0.1\nepoch 2 loss 1.0 val_loss 2.0 val_acc 0.2\n"
COMMAS = "epoch,loss,val_loss,val_acc\n1,2.0,3.0,0.1\n2,1.0,2.0,0.2\n"
CELLS = [{"outputs": [{"output_type": "stream", "text": line}]} for line in EPOCHS.splitlines(keepends=True)]
TEXTS = {
    "UTF-16 of PowerShell": ("log.txt", EPOCHS.encode("utf-16")),
    "UTF-16, a table": ("log.csv", COMMAS.encode("utf-16")),
    "a mark before UTF-8": ("log.txt", EPOCHS.encode("utf-8-sig")),
    "zeros of a crash": ("log.txt", EPOCHS.encode() + bytes(5000)),
    "a notebook": ("train.ipynb", json.dumps({"cells": [{"source": []}, *CELLS]}).encode()),
    "remarks above": ("log.csv", b"# seed 1\n# lr 0.1\n" + COMMAS.encode()),
    "a header behind #": ("log.csv", b"# " + COMMAS.encode()),
    "tabs at the ends": ("log.txt", COMMAS.replace(",", "\t").replace("\n", "\t\n").encode()),
    "per cent": ("log.csv", COMMAS.replace("0.1\n", "10%\n").replace("0.2\n", "20 %\n").encode()),
    "Markdown": (
        "notes.md",
        b"| epoch | train loss | val loss | val acc |\n|---|---|---|---|\n| 1 | 2.0 | 3.0 | 0.1 |\n"
        b"| 2 | 1.0 | 2.0 | 0.2 |\n| 3 | 1.0 | 2.0 | 0.2 |\n",
    ),
}


@pytest.mark.parametrize("name", TEXTS)
def test_texts_however_they_were_written(name: str, tmp_path: Path):
    file, data = TEXTS[name]
    (tmp_path / file).write_bytes(data)
    chosen = choose(read_log(tmp_path / file), {})
    assert list(chosen["loss"].values.items())[:2] == [(1, 2.0), (2, 1.0)]
    assert list(chosen["val_loss"].values.values())[:2] == [3.0, 2.0]
    part = share(chosen, "val_accuracy")
    assert [part * one for one in chosen["val_accuracy"].values.values()][:2] == pytest.approx([0.1, 0.2])


@pytest.mark.parametrize("name", FILES)
def test_files_of_other_programs(name: str, tmp_path: Path):
    place, text, axis, loss = FILES[name]
    path = tmp_path / place
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    if name == "MLflow":
        for folder in (tmp_path / "mlruns/0", tmp_path / "mlruns/0/8f3c"):
            (folder / "meta.yaml").write_text("name: x\n")
        path = tmp_path / "mlruns"
    log = read_log(path.parent if name == "timm" else path)
    assert (log.axis, choose(log, {})["loss"].values) == (axis, loss)


def test_several_runs_of_mlflow_are_not_mixed(tmp_path: Path):
    for run in ("0/a", "0/b"):
        (tmp_path / run / "metrics").mkdir(parents=True)
        (tmp_path / run / "meta.yaml").touch()
        (tmp_path / "0/meta.yaml").touch()
        (tmp_path / run / "metrics/loss").write_text("1 2.0 1\n")
    with pytest.raises(RequestError, match="2 runs of MLflow"):
        read_log(tmp_path)


# ---------------------------------------------------------------------- the command


Command = Callable[..., tuple[int, str]]


@pytest.fixture
def invoked(capsys: pytest.CaptureFixture[str]) -> Command:
    """`cvtui doctor …` in this process: its exit code and output."""

    def run(*arguments: Any) -> tuple[int, str]:
        with pytest.raises(SystemExit) as ended:
            main(["doctor", *map(str, arguments)])
        told = capsys.readouterr()
        return int(ended.value.code or 0), told.out + told.err

    return run


def test_the_command_says_what_was_taken_for_what_and_what_it_cannot_know(invoked: Command):
    code, output = invoked(LOGS / "run-curves.wandb")
    assert code == 0
    assert "loss         train/loss, 60 values" in output
    assert "another column: --column loss=NAME" in output
    assert "looked for: F01, F03, F18, F19, F32, F36" in output
    assert "confidence" not in output, "it was measured on runs whose layers were seen"
    _, output = invoked(LOGS / "run-curves.wandb", "--json", "--column", "loss=val.loss", "--column", "lr=")
    told = json.loads(output)
    assert told["log"]["columns"]["loss"] == ["val.loss"]
    assert "lr" not in told["log"]["columns"]
    assert told["log"]["not_asked"] == {"F32": "the log has no learning rate"}


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["run-curves.wandb", "--column", "loss"], "it is ROLE=NAME"),
        (["run-curves.wandb", "--column", "los=x"], "did you mean 'loss'?"),
        (["run-curves.wandb", "--column", "loss=train/los"], "did you mean 'train/loss'?"),
        (["run-curves.wandb", "--fix"], "another program's log"),
        (["../test_other_logs.py/x"], "there is no run"),
        ([".."], "there is no log in"),
    ],
)
def test_one_line_for_what_cannot_be(arguments: list[str], words: str, tmp_path: Path, invoked: Command):
    (tmp_path / "empty").mkdir()
    path = tmp_path / "empty" if arguments == [".."] else LOGS / arguments[0]
    code, output = invoked(path, *arguments[1:])
    assert code == 2
    assert words in output
    assert "Traceback" not in output


def test_a_folder_with_a_text_of_any_name_says_how_to_name_it(tmp_path: Path):
    (tmp_path / "log.txt").write_text(EPOCHS)
    with pytest.raises(RequestError, match="no log of a known name") as told:
        read_log(tmp_path)
    assert told.value.hint.endswith(f"cvtui doctor {tmp_path / 'log.txt'}")


@pytest.mark.parametrize("name", ["nll", "cross_entropy", "CrossEntropy", "epoch/xent"])
def test_a_loss_may_have_its_function_s_name(name: str, tmp_path: Path):
    (tmp_path / "log.csv").write_text(f"epoch,train/{name},val/{name},val/{name}_weight\n1,2.0,3.0,9\n2,1.0,2.0,9\n")
    chosen = choose(read_log(tmp_path / "log.csv"), {})
    assert (chosen["loss"].names, chosen["val_loss"].names) == ((f"train/{name}",), (f"val/{name}",))


def test_several_losses_are_asked_for(tmp_path: Path):
    path = tmp_path / "log.csv"
    path.write_text("step,loss_a,loss_b\n" + "\n".join(f"{step},1,2" for step in range(9)))
    with pytest.raises(RequestError, match="2 columns could be the loss: loss_a, loss_b"):
        examined(path)
    assert examined(path, loss="loss_b").chosen["loss"].values[3] == 2.0


@pytest.mark.parametrize(
    ("path", "least", "code"),
    [
        (LOGS / "run-curves.wandb", "stop", 1), (LOGS / "run-curves.wandb", "note", 1), (LOGS / "ok", "note", 0),
        (RECORDINGS / "diverged", "warn", 1), (RECORDINGS / "diverged", "stop", 0), (RECORDINGS / "digits", "warn", 0),
    ],
)  # fmt: skip
def test_ci_exits_with_1_on_a_finding_that_is_severe_enough(path: Path, least: str, code: int, invoked: Command):
    ended, output = invoked(path, "--ci", least)
    assert ended == code
    severities = {one["severity"] for one in json.loads(output)["findings"]}
    order = ["note", "warn", "stop"]
    assert any(order.index(one) >= order.index(least) for one in severities) == bool(code)


def test_one_column_is_told_as_one(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "one.log").write_text("step 1 loss 2.3\n")
    with pytest.raises(SystemExit):
        main(["doctor", str(tmp_path / "one.log")])
    assert "1 column, 1 value," in capsys.readouterr().out


def test_folders_with_logs_are_found_by_the_names_of_their_files(tmp_path: Path) -> None:
    """Each of them can be read; a run, a hidden folder, a link and a lab are none."""
    csv = (LOGS / "metrics.csv").read_bytes()
    runs = tmp_path / "runs"
    for name in ("a/version_0", "a/version_1", "b", "keras/train", ".hidden", "labs/x", "run", "one/two/three/four"):
        (runs / name).mkdir(parents=True)
        (runs / name / "metrics.csv").write_bytes(csv)
    (runs / "run" / "recipe.toml").touch()
    (runs / "link").symlink_to(runs / "b")
    (runs / "empty").mkdir()
    found = logs_below([runs, tmp_path / "none"])
    assert [str(path.relative_to(runs)) for path in found] == ["a/version_0", "a/version_1", "b", "keras"]
    assert all(read_log(path).values for path in found)
    assert logs_below([runs / "b"]) == [runs / "b"], "where the folder of runs is one itself"


def test_curves_of_a_log_are_drawn_in_its_own_steps(tmp_path: Path, invoked: Command) -> None:
    log = tmp_path / "metrics.csv"
    rows = (f"{step},{1 / (step + 1)},{2 / (step + 1)}" for step in range(3000, 9001, 3))
    log.write_text("\n".join(["step,train_loss,val_loss", *rows]))
    code, output = invoked(log, "--curves")
    assert code == 0
    assert "training" in output
    assert "validation" in output
    ticks = next(words for line in output.splitlines() if (words := line.split())[:1] == ["3k"])
    assert ticks[-1] == "9k"
    assert invoked(log, "--curves", "--json")[0] == 2
    code, output = invoked(RECORDINGS / "digits", "--curves")
    assert (code, "`cvtui attach` shows a run of cvtui" in output) == (2, True)
