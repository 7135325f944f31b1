"""Model card of a run (Mitchell 2019) as Markdown: data, recipe, numbers, limits; only what the log and recipe say."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from cvtui.calc.table import size_text
from cvtui.errors import RequestError
from cvtui.export.whole_file import written
from cvtui.metrics.counts import wilson
from cvtui.recipe.datasets.label_sets import is_several
from cvtui.recipe.recipe import Recipe
from cvtui.runlog.events import CheckpointSaved, EpochDone, RunStarted
from cvtui.runlog.fork import checkpoint_file
from cvtui.runlog.history import History
from cvtui.runlog.model_metadata import temperature_of
from cvtui.text import clean, count, counted, duration, percent, significant

MOST_CLASSES = 100
"""Classes that the table has rows for."""
MOST_CHANGES = 20
CHOSEN = {
    "only": "only of the classes {}",
    "limit": "at most {} training images",
    "imbalance": "made imbalanced: {}",
    "label_noise": "share of labels made wrong on purpose: {}",
}
LEAST = 30
"""Validation images of a class below which its row is called uncertain."""


def write_model_card(history: History, path: Path, checkpoint: str = "") -> Path:
    """Write the card of a checkpoint (by default the best). RequestError where there is none; OSError."""
    with written(path) as file:
        file.write_text(model_card(history, checkpoint), "utf-8")
    return path


def model_card(history: History, checkpoint: str = "") -> str:
    """Return the Markdown text."""
    run, file = history.run, checkpoint_file(history.folder, checkpoint).name
    if run is None:
        raise RequestError(f"{history.folder.name!r} has no record of a training yet")
    saved = next((one for one in reversed(history.checkpoints) if Path(one.path).name == file), None)
    epoch = next((one for one in reversed(history.epochs) if saved is not None and one.step == saved.step), None)
    parts = [
        [f"# {clean(history.folder.name)}", "", _what(run, file, saved)],
        ["## Data", "", *_data(run)],
        ["## Training", "", *_training(history, run)],
        ["## Numbers", "", *_numbers(history, run, file, epoch)],
        ["## Limits", "", *_limits(history, run, file, epoch)],
    ]
    return "\n\n".join("\n".join(part) for part in parts) + "\n"


def several(history: History) -> bool:
    """Return True if the run's pictures are in several classes."""
    return any(is_several(log.text) for log in history.logs)


def _activation(run: RunStarted) -> str:
    return "sigmoid" if str(run.recipe.get("loss", "")).startswith("bce") else "softmax"


def _code(value: Any) -> str:
    text = clean(str(value)).replace("`", "'")
    return f"`{text}`"


def _cell(text: str) -> str:
    return clean(text).replace("|", "\\|")


def _list_of(run: RunStarted, name: str) -> list[Any]:
    value = run.data.get(name)
    return value if isinstance(value, list) else []


def _what(run: RunStarted, file: str, saved: CheckpointSaved | None) -> str:
    size = ", ".join(f"{name} {value}" for name, value in run.libraries.items())
    at = f", step {count(saved.step)}, epoch {saved.epoch}" if saved is not None else ""
    mean = " It holds the running mean of the weights." if run.recipe.get("ema") else ""
    return (
        f"Image classifier, net {_code(run.recipe.get('net', '?'))}, {counted(run.parameters, 'parameter')}. "
        f"Checkpoint {_code(file)}{at}.{mean} "
        f"Trained {time.strftime('%Y-%m-%d', time.localtime(run.time))} with {clean(size)}."
    )


def _data(run: RunStarted) -> list[str]:
    lines = [f"- {_code(run.recipe.get('data', '?'))}"]
    if isinstance(train := run.data.get("train"), int) and isinstance(held := run.data.get("validation"), int):
        lines.append(f"- {count(train)} training images, {count(held)} validation images")
    if size := _list_of(run, "input"):
        lines.append(f"- input {size_text(size)}, preprocessing {_code(run.recipe.get('preprocess', '?'))}")
    classes = [clean(str(name)) for name in _list_of(run, "classes")]
    shown = ", ".join(classes[:MOST_CLASSES]) + (" …" if len(classes) > MOST_CLASSES else "")
    lines.append(f"- {counted(len(classes), 'class')}: {shown}")
    for name, text in CHOSEN.items():
        if (value := run.recipe.get(name)) and value != getattr(Recipe(), name):
            lines.append(f"- {text.format(_code(value))}")
    return lines


def _training(history: History, run: RunStarted) -> list[str]:
    last = history.epochs[-1] if history.epochs else None
    lines = [f"- {clean(run.device)}"]
    if last is not None:
        lines.append(f"- {counted(last.epoch, 'epoch')}, {counted(last.step, 'step')}, {duration(last.seconds)}")
    if history.end is not None:
        reason = f" ({clean(history.end.reason)})" if history.end.reason else ""
        lines.append(f"- ended: {history.end.status}{reason}")
    defaults = {field: getattr(Recipe(), field) for field in Recipe.__struct_fields__}
    changed = {name: value for name, value in run.recipe.items() if name not in defaults or defaults[name] != value}
    lines.append("- recipe, where it is not the default: " + (", ".join(
        _code(f"{name} = {value!r}") for name, value in changed.items()) or "nothing"))  # fmt: skip
    if run.parent:
        lines.append(
            f"- a fork of {_code(run.parent.get('run', '?'))}, from its {_code(run.parent.get('checkpoint', '?'))}"
        )
    changes = [one for one in history.commands if one.command == "set_lr"]
    lines += [
        f"- changed at step {count(one.step)}: {clean(one.words or one.command)}" for one in changes[:MOST_CHANGES]
    ]
    if len(changes) > MOST_CHANGES:
        lines.append(f"- and {count(len(changes) - MOST_CHANGES)} more changes of the rate")
    return lines


def _numbers(history: History, run: RunStarted, file: str, epoch: EpochDone | None) -> list[str]:
    if epoch is None or epoch.val_accuracy is None:
        return [f"{file} was not validated."]
    total = sum(map(sum, epoch.confusion)) or run.data.get("validation")
    interval = ""
    if isinstance(total, int) and total > 0:
        low, high = wilson(round(epoch.val_accuracy * total), total)
        interval = f" (95 % interval {percent(low)} to {percent(high)}, {count(total)} images)"
    lines = [f"- validation accuracy {percent(epoch.val_accuracy, 2)}{interval}"]
    if several(history):  # answers to one image's questions hang together: no interval of images
        share = percent(epoch.val_accuracy, 2)
        lines = [f"- {share} of the yes-or-no answers to validation images right, one for each class of each image"]
        lines += [f"- {clean(log.text)}" for log in history.logs
                  if log.step == epoch.step and log.text.startswith("validation: ")]  # fmt: skip
    if epoch.val_loss is not None:
        lines.append(f"- validation loss {significant(epoch.val_loss)} ({clean(str(run.recipe.get('loss', '?')))})")
    if epoch.train_accuracy is not None:
        lines.append(f"- training accuracy of that epoch {percent(epoch.train_accuracy, 2)}, while the weights moved")
    if (temperature := temperature_of(history.folder, file, epoch.step if epoch is not None else None)) != 1.0:
        lines.append(
            f"- temperature {significant(temperature)}: probabilities are {_activation(run)}(logits / temperature)"
        )
    return [*lines, *_per_class(run, epoch)]


def _per_class(run: RunStarted, epoch: EpochDone) -> list[str]:
    matrix, classes = epoch.confusion, _list_of(run, "classes")
    if not matrix or len(matrix) != len(classes) or len(classes) > MOST_CLASSES:
        return []
    lines = ["", "| class | images | recall | precision | most often taken for |", "|---|--:|--:|--:|---|"]
    for index, name in enumerate(classes):
        row, right = matrix[index], matrix[index][index]
        said = sum(other[index] for other in matrix)
        wrong = [(number, place) for place, number in enumerate(row) if place != index and number]
        most = max(wrong, key=lambda pair: (pair[0], -pair[1]), default=None)
        taken = f"{_cell(str(classes[most[1]]))} ({most[0]})" if most else "–"
        recall = percent(right / sum(row)) if sum(row) else "–"
        precision = percent(right / said) if said else "–"
        lines.append(f"| {_cell(str(name))} | {count(sum(row))} | {recall} | {precision} | {taken} |")
    return lines


def _limits(history: History, run: RunStarted, file: str, epoch: EpochDone | None) -> list[str]:
    lines = [
        "- Classes are independent: an image is in each whose probability is above 1/2, in any number of them."
        if several(history)
        else "- Every image gets one of these classes, also one that shows none of them.",
        "- The numbers are of the validation images above; no other images were tried here.",
    ]
    if file == "best.pt":
        lines.append(
            f"- Chosen by these same validation images out of {count(len(history.epochs))} epochs: the accuracy is an "
            "optimistic one."
        )
    if epoch is not None and epoch.confusion:
        classes = _list_of(run, "classes")
        few = [str(name) for name, row in zip(classes, epoch.confusion, strict=False) if sum(row) < LEAST]
        if few:
            lines.append(f"- Fewer than {LEAST} validation images: {', '.join(map(clean, few[:20]))}"
                         + (" …" if len(few) > 20 else "") + "; their rows say little.")  # fmt: skip
    if temperature_of(history.folder, file, epoch.step if epoch is not None else None) == 1.0:
        lines.append("- Probabilities are not calibrated.")
    for one in history.findings:
        if one.severity != "note":
            lines.append(f"- Found while it trained ({one.id}, step {count(one.step)}): {clean(one.sentence)}")
    return lines
