"""Folders of small pictures with train, val and test halves, and runs trained on them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from cvtui.engine.train.evaluate import evaluate
from cvtui.engine.train.validated import validated_run
from cvtui.runlog.folder import RunFolder
from tests.engine.making import folder, train

CLASSES = ("brick", "gravel, fine", "sand")


def halves(root: Path, bits: int = 8, count: int = 12) -> Path:
    """Three classes of noisy greys, of two sizes, by day and by night."""
    random = np.random.default_rng(0)
    for half in ("train", "val", "test"):
        for label, name in enumerate(CLASSES):
            for number in range(count):
                place = root / half / name / ("night" if number % 3 == 0 else "day")
                place.mkdir(parents=True, exist_ok=True)
                high, wide = (8, 8) if number % 2 else (12, 10)
                grey = 60 + 40 * label + random.normal(0, 35) + random.normal(0, 20, (high, wide, 3))
                values = np.clip(grey, 0, 255)
                if bits == 16:
                    picture = Image.fromarray((values[..., 0] * 100).astype(np.uint16))  # up to 25,500: 15 bits
                else:
                    picture = Image.fromarray(values.astype(np.uint8))
                picture.save(place / f"{name[:2]}{number:02d}.png")
    return root


def trained(base: Path, name: str = "run", **changes: object) -> RunFolder:
    """Train a small net for a few epochs in this process."""
    fields = {"epochs": 4, "size": "8", "batch_size": 16, "lr": 0.02, **changes}
    run = folder(base, name, **fields)
    code, _, errors = train(run)
    assert code == 0, errors
    return run


def seen_by_run(run: RunFolder, name: str = "") -> tuple[Tensor, list[str], float]:
    """Return the logits of the run's own evaluation, the images' names, and its accuracy."""
    training, _, _ = validated_run(run, name, lambda _: None)
    found: list[Tensor] = []
    told = evaluate(training, lambda: None, lambda _start, logits, _labels: found.append(logits.clone()))
    names = [training.data.names.validation[number] for number in range(training.data.validation.size)]
    return torch.cat(found), names, told.accuracy
