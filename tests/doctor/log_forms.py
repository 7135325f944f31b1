"""What other programs write of one made-up run: files in the form of each, from the same curves."""

from __future__ import annotations

import io
import json
import math
import sqlite3
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

EPOCHS = 20


class Row(NamedTuple):
    """One epoch."""

    loss: float
    val_loss: float
    accuracy: float
    val_accuracy: float
    lr: float


def curves(kind: str) -> list[Row]:
    """Return a run that is healthy, overfits, diverges, or becomes NaN in its ninth epoch."""
    rows = []
    for e in range(EPOCHS):
        loss, val, right, val_right = 0.15 + 2.1 * math.exp(-e / 5), 0.25 + 2 * math.exp(-e / 5), 0.0, 0.0
        right = 0.96 - 0.8 * math.exp(-e / 4)
        val_right = right - 0.03
        if kind == "overfits":
            loss, val = 0.01 + 2.2 * math.exp(-e / 3), 0.6 + 1.6 * math.exp(-e / 2) + max(0, e - 5) * 0.07
            right, val_right = 1 - 0.9 * math.exp(-e / 2.5), 0.74 - 0.5 * math.exp(-e / 2)
        elif kind == "diverges":
            loss = 0.9 + 1.4 * math.exp(-e / 2) if e < 7 else 1.5 ** (e - 6)
            val = 1.1 * loss
        elif kind == "NaN" and e >= 8:
            loss = val = math.nan
        rows.append(Row(loss, val, right, val_right, 0.05 * (1 + math.cos(math.pi * e / 40))))
    return rows


FOUND = {"healthy": [], "overfits": ["F18"], "diverges": ["F01"], "NaN": ["F03"]}
"""What of each run a log of all its curves shows."""


class Form(NamedTuple):
    """How one program writes a run."""

    file: str
    text: Callable[[list[Row]], str]
    kind: str
    """Part of what the reader calls it."""
    roles: dict[str, str]
    """Role → column that is taken for it, "" for none."""


def lines(template: str, first: int = 0) -> Callable[[list[Row]], str]:
    """Return a form: a text for each epoch ({e}), of loss {t}, val_loss {v}, accuracies {a} {b}, rate {lr}."""

    def text(rows: list[Row]) -> str:
        return "".join(
            template.format(
                e=e, t=row.loss, v=row.val_loss, a=row.accuracy, b=row.val_accuracy, lr=row.lr,
                a100=100 * row.accuracy, b100=100 * row.val_accuracy, s=10 * e, i=100 * (e - first),
            )
            for e, row in enumerate(rows, first)
        )  # fmt: skip

    return text


def headed(head: str, template: str, first: int = 0) -> Callable[[list[Row]], str]:
    return lambda rows: head + "\n" + lines(template + "\n", first)(rows)


def objects(make: Callable[[int, Row], Sequence[Mapping[str, object]]]) -> Callable[[list[Row]], str]:
    return lambda rows: "".join(json.dumps(one) + "\n" for e, row in enumerate(rows) for one in make(e, row))


def _mmengine(e: int, row: Row) -> Sequence[Mapping[str, object]]:
    train = [{"lr": row.lr, "data_time": 0.01, "loss": row.loss, "epoch": e + 1, "iter": 30 * e + i, "step": 30 * e + i}
             for i in (10, 20, 30)]  # fmt: skip
    return [*train, {"accuracy/top1": 100 * row.val_accuracy, "data_time": 0.01, "step": e + 1}]


def _mmcv(e: int, row: Row) -> Sequence[Mapping[str, object]]:
    train = [{"mode": "train", "epoch": e + 1, "iter": i, "lr": row.lr, "loss": row.loss} for i in (100, 200)]
    return [
        *train,
        {"mode": "val", "epoch": e + 1, "iter": 79, "loss": row.val_loss, "accuracy_top-1": row.val_accuracy},
    ]


def _detectron(e: int, row: Row) -> Sequence[Mapping[str, object]]:
    steps = [{"eta_seconds": 9.0, "iteration": 100 * e + i, "loss_box_reg": 0.4 * row.loss, "lr": row.lr,
              "loss_cls": 0.6 * row.loss, "total_loss": row.loss} for i in (19, 39, 59, 79, 99)]  # fmt: skip
    return [*steps, {"bbox/AP": 30.0, "iteration": 100 * e + 99}]


def _clearml(rows: list[Row]) -> str:
    def event(e: int, metric: str, variant: str, value: float) -> dict[str, object]:
        kept = value if math.isfinite(value) else 0.0  # as ClearML 2.1.12 does
        return {"type": "training_stats_scalar", "iter": e, "metric": metric, "variant": variant, "value": kept}

    return "".join(
        json.dumps([event(e, "loss", "train", row.loss), event(e, "loss", "val", row.val_loss),
                    event(e, "accuracy", "val", row.val_accuracy)]) + "\n" for e, row in enumerate(rows)
    )  # fmt: skip


def _bars(rows: list[Row]) -> str:
    """Return what a much copied CIFAR-10 program prints: two bars an epoch, the second of the test set."""
    text = ""
    for e, row in enumerate(rows):
        text += f"\nEpoch: {e}\n"
        for of, loss, right in ((391, row.loss, row.accuracy), (100, row.val_loss, row.val_accuracy)):
            text += "".join(
                f" [=====>...]  Step: 33ms | Tot: 1s2ms | Loss: {loss:.6f} | "
                f"Acc: {100 * right:.4f}% (64/128) {i}/{of} \r"
                for i in (1, of // 2, of)
            )
        text += "\nSaving..\n"
    return text


def _tqdm(rows: list[Row]) -> str:
    return "".join(
        "".join(
            f"\rEpoch {e}/20:  50%|###   | {i}/100 [00:03<00:04, 20.00it/s, loss={row.loss:.6f}]" for i in (50, 100)
        )
        + f"\nval loss {row.val_loss:.6f} acc {100 * row.val_accuracy:.4f}%\n"
        for e, row in enumerate(rows, 1)
    )


WHOLE = {"loss": "train_loss", "val_loss": "val_loss", "val_accuracy": "val_acc"}
OWN = {"loss": "loss", "accuracy": "acc", "val_loss": "val/loss", "val_accuracy": "val/acc"}
FORMS = {
    "mmengine": Form("scalars.json", objects(_mmengine), "mmengine's scalars",
                     {"loss": "loss", "accuracy": "", "val_accuracy": "val/accuracy/top1", "lr": "lr"}),
    "MMCV": Form("2022_12.log.json", objects(_mmcv), "MMCV's log",
                 {"loss": "train/loss", "val_loss": "val/loss", "lr": "train/lr",
                  "val_accuracy": "val/accuracy_top-1"}),
    "detectron2": Form("metrics.json", objects(_detectron), "detectron2's", {"loss": "total_loss", "lr": "lr"}),
    "Keras's CSVLogger": Form(
        "training.log", headed("epoch,accuracy,loss,val_accuracy,val_loss", "{e},{a},{t},{b},{v}"), "a CSV file",
        {"loss": "loss", "accuracy": "accuracy", "val_loss": "val_loss", "val_accuracy": "val_accuracy"}),
    "fastai": Form("history.csv", headed("epoch,train_loss,valid_loss,accuracy,time", "{e},{t},{v},{b},0:1"),
                   "fastai's",
                   {"loss": "train_loss", "accuracy": "", "val_loss": "valid_loss", "val_accuracy": "accuracy"}),
    "timm": Form("summary.csv", headed("epoch,train_loss,eval_loss,eval_top1,lr", "{e},{t},{v},{b100},{lr}"), "timm's",
                 {"loss": "train_loss", "val_loss": "eval_loss", "val_accuracy": "eval_top1", "lr": "lr"}),
    "W&B's chart": Form(
        "wandb_export_2026.csv",
        headed('"Step","swift-sun-1 - train/loss","swift-sun-1 - train/loss__MIN","swift-sun-1 - train/loss__MAX",'
               '"swift-sun-1 - val/loss","swift-sun-1 - val/loss__MIN","swift-sun-1 - val/loss__MAX"',
               '"{s}","{t}","0","9","{v}","0","9"'), "W&B's export", {"loss": "train/loss", "val_loss": "val/loss"}),
    "one value a row": Form(
        "export.csv",
        headed(",experimentKey,metricName,metricValue,timestamp,step",
               "0,abc,train_loss,{t},17,{s}\n1,abc,val_loss,{v},17,{s}\n2,abc,val_acc,{b},17,{s}"),
        "one value a row", WHOLE),
    "TensorBoard's page": Form("run-.-tag-Loss_train.csv", headed("Wall time,Step,Value", "17.5,{s},{t}"), "one metric",
                               {"loss": "Loss_train"}),
    "Neptune": Form("train_loss.csv", headed("step,value,timestamp", "{e}.0,{t},2026-01-01"), "one metric",
                    {"loss": "train_loss"}),
    "semicolons": Form("log.csv", headed("epoch;loss;val_loss", "{e};{t};{v}"), "a CSV file",
                       {"loss": "loss", "val_loss": "val_loss"}),
    "Ultralytics": Form(
        "results.csv",
        headed("  epoch,    train/loss,  metrics/accuracy_top1, metrics/accuracy_top5,   val/loss,  lr/pg0",
               "  {e},  {t},   {b},  0.99,  {v},   {lr}"), "Ultralytics'",
        {"loss": "train/loss", "val_loss": "val/loss", "val_accuracy": "metrics/accuracy_top1", "lr": "lr/pg0"}),
    "ClearML": Form("metrics.jsonl", _clearml, "ClearML",
                    {"loss": "loss/train", "val_loss": "loss/val", "val_accuracy": "accuracy/val"}),
    "Hugging Face 5": Form(
        "nohup.out", lines("{{'loss': '{t:.8g}', 'grad_norm': '1.2', 'learning_rate': '{lr:.8g}', 'epoch': '{e}'}}\n"
                           "{{'eval_loss': '{v:.8g}', 'eval_accuracy': '{b:.8g}', 'epoch': '{e}'}}\n", 1),
        "a plain log", {"loss": "loss", "val_loss": "eval_loss", "val_accuracy": "eval_accuracy",
                         "lr": "learning_rate"}),
    "nanoGPT": Form("out.log", lines("step {i}: train loss {t:.6f}, val loss {v:.6f}\n"
                                     "iter {i}: loss {t:.6f}, time 12.34ms, mfu 1.23%\n"), "a plain log",
                    {"loss": "loss", "val_loss": "val loss"}),
    "tqdm": Form("nohup.out", _tqdm, "a plain log", OWN | {"accuracy": "", "val_loss": "val loss"}),
    "bars of two lengths": Form("nohup.out", _bars, "a plain log", OWN),
    "PyTorch's quickstart": Form(
        "out.txt", lines("Epoch {e}\n----------\nloss: {t:>7f}  [   64/60000]\nloss: {t:>7f}  [44864/60000]\n"
                         "Test Error: \n Accuracy: {b100:.4f}%, Avg loss: {v:>8f} \n\n", 1), "a plain log",
        {"loss": "loss", "accuracy": "", "val_loss": "test/avg loss", "val_accuracy": "test/accuracy"}),
    "PyTorch's first tutorial": Form("out.txt", lines("[{e},  2000] loss: {t:.6f}\n[{e},  4000] loss: {t:.6f}\n", 1),
                                     "a plain log", {"loss": "loss"}),
    "transfer tutorial": Form(
        "out.txt", lambda rows: lines("Epoch {e}/19\n------\ntrain Loss: {t:.6f} Acc: {a:.6f}\n"
                                      "val Loss: {v:.6f} Acc: {b:.6f}\n\n")(rows) + "Best val Acc: 0.947\n",
        "a plain log", {"loss": "train loss", "accuracy": "acc", "val_loss": "val loss", "val_accuracy": "val/acc"}),
    "timm's prints": Form(
        "out.log", lines("Train: {e} [   0/101 (  0%)]  Loss: {t:.6f} (1.2)  Time: 0.1s  LR: {lr:.6e}\n"
                         "Train: {e} [ 100/101 (100%)]  Loss: {t:.6f} (1.2)  Time: 0.1s  LR: {lr:.6e}\n"
                         "Test: [   0/50]  Time: 0.1 (0.1)  Loss: {v:>9.6f} (1.0)  Acc@1: {b100:>8.4f} ( 9.0)\n"),
        "a plain log", {"loss": "loss", "val_loss": "test/loss", "val_accuracy": "test/acc@1", "lr": "lr"}),
    "batches without a number": Form(
        "out.log", lines("Epoch {e} Batch 0 Loss {t:.6f}\nEpoch {e} Batch 100 Loss {t:.6f}\n", 1), "a plain log",
        {"loss": "loss"}),
    "fastai's prints": Form(
        "out.log", headed("epoch     train_loss  valid_loss  accuracy  time    ",
                          "{e:<10}{t:<12.6f}{v:<12.6f}{b:<10.6f}00:12     "), "a table in a plain log",
        {"loss": "train_loss", "accuracy": "", "val_loss": "valid_loss", "val_accuracy": "accuracy"}),
    "both halves in a line": Form(
        "out.log", lines("2026-11-01 10:03:00,123 - INFO - trainer.py:88 - [Epoch {e:>3}/20] lr={lr:.6e} | "
                         "train: loss={t:.6f}, acc={a100:.4f}% | valid: loss={v:.6f}, acc={b100:.4f}%\n", 1),
        "a plain log", OWN | {"val_loss": "valid/loss", "val_accuracy": "valid/acc", "lr": "lr"}),
    "halves before their first number": Form(
        "out.log", lines("Epoch {e}: train loss {t:.6f} acc {a:.6f}, val loss {v:.6f} acc {b:.6f}\n"), "a plain log",
        OWN | {"loss": "train loss", "val_loss": "val loss"}),
    "halves in brackets": Form(
        "out.log", lines("epoch {e} [train] loss: {t:.6f} acc: {a:.6f} [val] loss: {v:.6f} acc: {b:.6f}\n"),
        "a plain log", OWN),
    "halves behind the numbers": Form(
        "out.log", lines("epoch {e}: loss {t:.6f} (train), loss {v:.6f} (val), "
                         "acc {a:.6f} (train), acc {b:.6f} (val)\n"), "a plain log", OWN),
    "halves behind the names": Form(
        "out.log", lines("epoch {e} Loss (train): {t:.6f}, Loss (val): {v:.6f}, "
                         "Acc train = {a:.6f}, Acc val = {b:.6f}\n"), "a plain log",
        {"loss": "train loss", "accuracy": "train acc", "val_loss": "val loss", "val_accuracy": "val acc"}),
    "the validation first": Form(
        "out.log", lines("epoch {e}\nValidation: loss {v:.6f}, acc {b:.6f} | Train: loss {t:.6f}, acc {a:.6f}\n"),
        "a plain log", OWN | {"val_loss": "validation/loss", "val_accuracy": "validation/acc"}),
    "a best value before": Form(
        "out.log", lines("epoch {e} best val acc {b:.6f}, loss {t:.6f}\n"), "a plain log",
        {"loss": "loss", "accuracy": "", "val_loss": "", "val_accuracy": "val acc"}),
    "an accuracy without a half": Form(
        "log.csv", headed("epoch,train_loss,test_loss,acc", "{e},{t},{v},{b}"), "a CSV file",
        {"loss": "train_loss", "accuracy": "", "val_loss": "test_loss", "val_accuracy": "acc"}),
    "MATLAB": Form(
        "out.log", headed("| Epoch | Iteration | Mini-batch | Validation | Mini-batch | Validation | Base |\n"
                          "|       |           |  Accuracy  |  Accuracy  |    Loss    |    Loss    | Rate |\n"
                          "|===============================================================================|",
                          "| {e:>7} | {s:>11} | {a100:.4f}% | {b100:.4f}% | {t:>12.6f} | {v:>12.6f} |  0.0100 |", 1),
        "a table in a plain log", {"loss": "mini-batch loss", "accuracy": "mini-batch accuracy",
                                   "val_loss": "validation loss", "val_accuracy": "validation accuracy"}),
    "Flax's examples": Form(
        "out.log", lines("I1101 10:00:00.12 139 logging_writer.py:48] [{i}] accuracy={a:.6f}, loss={t:.6f}\n"
                         "I1101 10:00:00.12 139 logging_writer.py:48] [{i}] eval_accuracy={b:.6f}, "
                         "eval_loss={v:.6f}\n"),
        "a plain log", {"loss": "loss", "accuracy": "accuracy", "val_loss": "eval_loss",
                        "val_accuracy": "eval_accuracy"}),
    "PaddleClas": Form(
        "train.log", lines(
            "[2026/11/01 10:00:00] ppcls INFO: [Train][Epoch {e}/20][Avg]top1: {a:.6f}, top5: 1, loss: {t:.6f}\n"
            "[2026/11/01 10:00:00] ppcls INFO: [Eval][Epoch {e}][Avg]loss: {v:.6f}, top1: {b:.6f}, top5: 1\n", 1),
        "a plain log", {"loss": "loss", "accuracy": "top1", "val_loss": "eval/loss", "val_accuracy": "eval/top1"}),
    "Composer": Form(
        "out.log", lines(
            "[batch={e}/20]:\n\t Train loss/train/total: {t:.6f}\n\t Train metrics/train/MulticlassAccuracy: {a:.6f}\n"
            "[Eval batch=1/1] Eval on eval data:\n\t Eval metrics/eval/CrossEntropy: {v:.6f}\n"
            "\t Eval metrics/eval/MulticlassAccuracy: {b:.6f}\n"), "a plain log",
        {"loss": "loss/train/total", "accuracy": "metrics/train/multiclassaccuracy",
         "val_loss": "metrics/eval/crossentropy", "val_accuracy": "metrics/eval/multiclassaccuracy"}),
    "a table of rich": Form(
        "out.log", headed("┏━━━┳━━━┓\n┃ Epoch ┃ Train Loss ┃ Val Loss ┃ Val Acc ┃\n┡━━━╇━━━┩",
                          "│ {e:<5} │ {t:.6f}   │ {v:.6f} │ {b:.6f} │"), "a table in a plain log",
        {"loss": "train loss", "val_loss": "val loss", "val_accuracy": "val acc"}),
    "MXNet": Form("out.log", lines("INFO:root:Epoch[{e}] Batch [0-100]\tSpeed: 5 samples/sec\tloss={t:.6f}\n"
                                   "INFO:root:Epoch[{e}] Validation-accuracy={b:.6f}\n"), "a plain log",
                  {"loss": "loss", "val_accuracy": "validation-accuracy"}),
    "Caffe": Form("out.log", lines(
        "I0101 12:00:00.12 99 solver.cpp:337] Iteration {i}, Testing net (#0)\n"
        "I0101 12:00:00.12 99 solver.cpp:404]     Test net output #1: loss = {v:.6f} (* 1 = 9 loss)\n"
        "I0101 12:00:00.12 99 solver.cpp:228] Iteration {i}, loss = {t:.6f}\n"), "a plain log",
        {"loss": "loss", "val_loss": "test/loss"}),
}  # fmt: skip
"""Of mmengine 0.10.7, timm 1.0.31, fastai 2.8.12, Keras 3.15.1, ClearML 2.1.12 and transformers 5.24.0 the real ones
were compared; the others are as documentation and sources have them."""


def write(form: Form, rows: list[Row], folder: Path) -> Path:
    """Write a file in a form."""
    path = folder / form.file
    path.write_text(form.text(rows))
    return path


def dvclive(rows: list[Row], folder: Path) -> Path:
    """Write as DVCLive 3.49.1: a table for each metric, and the last values."""
    metrics = folder / "dvclive" / "plots" / "metrics"
    for name, values in (("train/loss", [row.loss for row in rows]), ("val/loss", [row.val_loss for row in rows])):
        file = metrics / f"{name}.tsv"
        file.parent.mkdir(parents=True)
        file.write_text("step\tloss\n" + "".join(f"{step}\t{value}\n" for step, value in enumerate(values)))
    (folder / "dvclive" / "metrics.json").write_text('{"train": {"loss": 0.19}, "step": 19}')
    return folder


def catalyst(rows: list[Row], folder: Path) -> Path:
    """Write as Catalyst 22.4: a CSV file for each loader."""
    for name, values in (("train", [row.loss for row in rows]), ("valid", [row.val_loss for row in rows])):
        (folder / f"{name}.csv").write_text(
            "step,loss\n" + "".join(f"{step},{value}\n" for step, value in enumerate(values, 1))
        )
    return folder


def comet(rows: list[Row], folder: Path) -> Path:
    """Write as comet_ml 3.58.8 does offline."""

    def messages() -> Iterator[str]:
        yield json.dumps({"payload": {"param": {"paramName": "lr", "paramValue": 0.1}}, "type": "parameter_msg"})
        for e, row in enumerate(rows):
            for name, value in (("train_loss", row.loss), ("val_loss", row.val_loss)):
                metric = {"epoch": e, "metricName": name, "metricValue": value, "step": 10 * e}
                yield json.dumps({"payload": {"message_id": e, "metric": metric}, "type": "metric_msg"})

    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as archive:
        archive.writestr("experiment.json", "{}")
        archive.writestr("messages.json", "\n".join(messages()))
    path = folder / "f1b4.zip"
    path.write_bytes(data.getvalue())
    return path


def mlflow(rows: list[Row], folder: Path, runs: tuple[str, ...] = ("calm-cat",)) -> Path:
    """Write the tables of MLflow 3.17's SQLite store that hold curves: NaN is 0 with a flag."""
    path = folder / "mlflow.db"
    with sqlite3.connect(path) as base:
        base.execute("CREATE TABLE runs (run_uuid, name, status, start_time, lifecycle_stage)")
        base.execute("CREATE TABLE metrics (key, value, timestamp, run_uuid, step, is_nan)")
        for number, name in enumerate(runs):
            base.execute("INSERT INTO runs VALUES (?, ?, 'FINISHED', ?, 'active')", (f"id{number}", name, number))
            for e, row in enumerate(rows):
                for key, value in (("train_loss", row.loss), ("val_loss", row.val_loss)):
                    bad = math.isnan(value)
                    base.execute("INSERT INTO metrics VALUES (?, ?, ?, ?, ?, ?)",
                                 (key, 0.0 if bad else value, e, f"id{number}", e, bad))  # fmt: skip
    base.close()
    return path


STORES = {"DVCLive": dvclive, "Catalyst": catalyst, "Comet": comet, "MLflow": mlflow}
"""Programs whose runs are folders or archives."""
