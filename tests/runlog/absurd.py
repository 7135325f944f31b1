"""Logs of which one value is absurd: each field of each record, however deep, with each of ABSURD in its place."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from typing import Any

HUGE = 10**400
ABSURD: tuple[Any, ...] = (
    1e308, -1e308, HUGE, -HUGE, -1, 0, 1 << 62, 0.5, True, None, "", "text", "\x1b[2J\u202e", [], [HUGE], [[1e308]],
    ["a", 1], {}, {"a": HUGE}, {"a": {"b": [1e308]}},
)  # fmt: skip

LAYER = {"name": "fc1", "expression": "fc", "output": [10], "parameters": 650, "macs": 640, "watched": True}
HISTOGRAM = {"low": -2.0, "high": 2.0, "counts": [1] * 32}
RECORDS: tuple[dict[str, Any], ...] = (
    {
        "type": "run", "version": "1.0", "time": 1000.0, "layers": [LAYER], "parameters": 650, "steps_per_epoch": 20,
        "recipe": {"data": "digits", "net": "fc", "epochs": 3, "lr": 0.1, "optimizer": "adam", "name": "x",
                   "batch_size": 64, "watch_every": 10, "schedule": "cosine", "loss": "cross-entropy"},
        "total_steps": 60, "device": "cpu", "threads": 1, "libraries": {"torch": "2"},
        "data": {"classes": ["a", "b"], "train": 10, "validation": 5, "input": [8, 8, 1], "mean": [1.0], "std": [1.0]},
        "parent": {"run": "x", "checkpoint": "last.pt", "step": 3, "epoch": 1},
        "prediction": {"first_loss": 2.3, "start_loss": 2.3, "activation_std": {"fc1": 1.0}, "memory": 1000},
    },
    {"type": "steps", "first": 0, "loss": [1.0] * 20, "lr": [0.1] * 20, "accuracy": [0.5] * 20, "grad_norm": [1.0] * 20,
     "seconds": [float(n) for n in range(20)]},
    {"type": "steps", "first": 20, "loss": [1.0] * 20, "rate": 0.1},
    {"type": "layers", "step": 10, "answers": 1.0, "watch_cost": 0.01, "layers": [
        {"name": "fc1", "kind": "fc", "mean": 0.0, "std": 1.0, "min": -2.0, "max": 2.0, "zeros": 0.1, "saturated": 0.1,
         "dead": 0.1, "histogram": HISTOGRAM, "grad_norm": 1.0, "weight_norm": 1.0, "update_ratio": 1e-3, "pinned": 0.1,
         "sampled": 2, "weight_mean": 0.0, "weight_std": 1.0, "weight_histogram": HISTOGRAM, "grad_zeros": 0.1,
         "grad_histogram": HISTOGRAM}]},
    {"type": "epoch", "epoch": 1, "step": 20, "time": 1001.0, "train_loss": 1.0, "train_accuracy": 0.5, "val_loss": 1.0,
     "val_accuracy": 0.5, "seconds": 1.0, "images_per_second": 100.0, "confusion": [[1, 2], [3, 4]], "best": True},
    {"type": "picture", "step": 20, "name": "filters", "path": "pictures/x.png", "note": "n", "columns": 2, "image": 1,
     "layer": "fc1", "truth": "a", "said": "b", "share": 0.5},
    {"type": "checkpoint", "step": 20, "epoch": 1, "path": "checkpoints/last.pt", "reason": "last",
     "val_accuracy": 0.5},
    {"type": "command", "step": 20, "time": 1002.0, "command": "set_lr", "value": 0.1, "words": "rate"},
    {"type": "finding", "step": 20, "id": "F01", "severity": "warn", "sentence": "s", "layer": "fc1", "evidence": "e",
     "name": "n", "threshold": 1.0, "source": "x", "sure": 0.5, "cure": {"lr": 0.1}, "advice": "a",
     "consequences": ["F02"]},
    {"type": "facts", "step": 0, "train": 10, "validation": 5, "classes": 2, "label_counts": [5, 5],
     "label_range": [0, 1], "batch_size": 5, "batch_classes": [2], "batch_sizes": [5], "bad_items": [1], "bad_count": 1,
     "bad_batch": 1,
     "overlap": 1, "overlap_pairs": [[1, 1]], "neighbours_train": 0.5, "neighbours_validation": 0.5,
     "neighbours_chance": 0.5, "neighbours_count": 10, "input_dtype": "float32", "input_shape": [1, 8, 8],
     "input_mean": 0.0, "input_std": 1.0, "input_min": 0.0, "input_max": 1.0, "validation_mean": 0.0,
     "validation_std": 1.0, "modules": [{"name": "fc1", "kind": "Linear", "options": {"p": 0.5}}],
     "weights": [{"name": "fc1.weight", "layer": "fc1", "fan_in": 64, "mean": 0.0, "std": 0.1}],
     "linear_pairs": [["a", "b"]], "spread": {"fc1": 1.0}, "outputs": 2, "rows_sum_to_one": False,
     "loss": "cross-entropy", "first_loss": 0.7, "cross_entropy": 0.7, "doubled": 0.7, "log_loss": 0.7,
     "optimizer": "adam", "momentum": 0.9, "weight_decay": 0.1, "parameters": 2, "left_out": ["a"], "foreign": 1,
     "frozen": ["a"], "no_gradient": ["a"], "stale_gradient": 0.1, "rates": [[0, 0.1]], "training_mode": True,
     "validation_mode": False, "train_mode_loss": 1.0, "eval_mode_loss": 1.0, "mode_losses": [[1, 1.0, 1.0]],
     "overfit_loss": 1.0, "overfit_accuracy": 0.5, "overfit_steps": 10, "overfit_images": 10,
     "overfit_rates": [[0.1, 1.0, 0.5]], "zeroed_loss": 1.0, "frozen_compared": 2, "frozen_changed": ["a"],
     "predicted": [1, 2]},
    {"type": "log", "time": 1003.0, "text": "t", "level": "info", "step": 20, "threads": 2},
    {"type": "end", "time": 1004.0, "step": 40, "status": "finished", "reason": "r"},
)  # fmt: skip


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Every value inside, and itself; of a list only the first and the last."""
    if path:
        yield path
    if isinstance(value, dict):
        for key, part in value.items():
            yield from places(part, (*path, key))
    elif isinstance(value, list):
        for index in sorted({0, len(value) - 1}):
            if value:
                yield from places(value[index], (*path, index))


def spoiled(record: dict[str, Any], path: tuple[Any, ...], value: Any) -> dict[str, Any]:
    found = copy.deepcopy(record)
    inner: Any = found
    for part in path[:-1]:
        inner = inner[part]
    inner[path[-1]] = value
    return found


def logs(values: tuple[Any, ...] = ABSURD) -> Iterator[tuple[str, bytes]]:
    """Whole logs of RECORDS with one value replaced: (what is absurd, the log)."""
    lines = [json.dumps(record).encode() for record in RECORDS]
    for number, record in enumerate(RECORDS):
        for path in places(record):
            if path == ("type",):
                continue
            for value in values:
                line = json.dumps(spoiled(record, path, value)).encode()
                what = f"{record['type']} {'.'.join(map(str, path))} = {value!r:.40}"
                yield what, b"\n".join([*lines[:number], line, *lines[number + 1 :]]) + b"\n"


def together(value: Any) -> bytes:
    """One log in which every value of every record has been replaced once: for what is slow to look at."""
    lines = [json.dumps(record).encode() for record in RECORDS]
    for record in RECORDS[1:]:
        lines += [json.dumps(spoiled(record, path, value)).encode() for path in places(record) if path != ("type",)]
    return b"\n".join(lines) + b"\n"
