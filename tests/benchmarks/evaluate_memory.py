"""What evaluating a net of many classes takes: `python -m tests.benchmarks.evaluate_memory [--classes 10000]`.

Two processes, each with the same net and images: one evaluates as cvtui does, one as it did before (it counted a
confusion matrix whatever its size, in int64, and handed it on as lists). Told is how much the process's peak grew in
it, by the kernel's own count.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys

import torch
from torch.utils.data import TensorDataset

from cvtui.engine.train.evaluate import ValidationResult, evaluate
from cvtui.engine.train.preparation import prepare
from cvtui.engine.train.state import TrainingState
from cvtui.engine.train.validation_batch import LARGEST_BATCH
from cvtui.recipe.recipe import Recipe
from cvtui.recipe.validation import check
from tests.peak import peak_bytes

CLASSES = int(os.environ.get("CVTUI_BENCH_CLASSES", "10000"))
IMAGES = int(os.environ.get("CVTUI_BENCH_IMAGES", "1000"))
"""Said by the environment: the process that asks the callable what it gives must hear of it too."""


def many() -> tuple[TensorDataset, TensorDataset]:
    """One training image of each class, and some to validate; 8x8, drawn once."""
    random = torch.Generator().manual_seed(0)
    parts = [(CLASSES, torch.arange(CLASSES)), (IMAGES, torch.arange(IMAGES) % CLASSES)]
    return tuple(TensorDataset(torch.rand(count, 1, 8, 8, generator=random), labels) for count, labels in parts)  # type: ignore[return-value]


def as_before(training: TrainingState) -> ValidationResult:
    """Evaluate as commit 1ef052f did."""
    images, classes = training.data.validation, len(training.checked.data.classes)
    losses = []
    pairs = torch.zeros(classes * classes, dtype=torch.int64, device=training.device)
    model = training.eval_model
    model.eval()
    for start in range(0, images.size, LARGEST_BATCH):
        pixels, labels = images.part(start, start + LARGEST_BATCH)
        with torch.inference_mode(), training.autocast():
            logits = model(training.preprocess(pixels))
            losses.append(training.loss(logits, labels).float() * len(labels))
            pairs += torch.bincount(labels * classes + logits.argmax(1), minlength=classes * classes)
    model.train()
    confusion = pairs.view(classes, classes).tolist()
    right = sum(row[index] for index, row in enumerate(confusion))
    return ValidationResult(sum(torch.stack(losses).tolist()) / images.size, right / images.size, confusion)


def grown(way: str) -> tuple[int, float]:
    """In this process: (bytes that the peak grew by, accuracy)."""
    recipe = Recipe(data=f"{__name__}:many", net="fc8-relu-fc", epochs=1, device="cpu", threads=1)
    training = prepare(check(recipe))
    before = peak_bytes()
    found = as_before(training) if way == "before" else evaluate(training, between=lambda: None)
    return peak_bytes() - before, found.accuracy


def measured(way: str, classes: int, images: int) -> tuple[int, float]:
    """Measure the same in a process of its own."""
    code = f"from tests.benchmarks.evaluate_memory import grown; print(*grown({way!r}))"
    environment = {**os.environ, "CVTUI_BENCH_CLASSES": str(classes), "CVTUI_BENCH_IMAGES": str(images)}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment)
    size, accuracy = done.stdout.split()
    return int(size), float(accuracy)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--classes", type=int, default=CLASSES)
    parser.add_argument("--images", type=int, default=IMAGES)
    asked = parser.parse_args()
    sizes = {way: measured(way, asked.classes, asked.images)[0] for way in ("before", "now")}
    print(f"{asked.classes:,} classes, {asked.images:,} images: before {sizes['before'] / 1e6:,.0f} MB, ", end="")
    print(f"now {sizes['now'] / 1e6:,.0f} MB ({sizes['now'] / sizes['before']:.3f} x)")


if __name__ == "__main__":
    main()
