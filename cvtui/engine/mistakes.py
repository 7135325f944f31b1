"""List the validation images that a run's best checkpoint gets wrong: `python -m cvtui.engine FOLDER --mistakes`."""

from __future__ import annotations

import base64
from collections.abc import Iterable
from pathlib import Path
from typing import IO

import msgspec
import torch
from torch import Tensor

from cvtui.engine.observe.image_writer import png, sheet_of
from cvtui.engine.runtime.stdout_records import tell_progress, tell_records, write_record
from cvtui.engine.train.evaluate import evaluate
from cvtui.engine.train.state import TrainingState
from cvtui.engine.train.validated import validated_run
from cvtui.recipe.datasets.image_folder import several_of
from cvtui.recipe.datasets.label_sets import words_of
from cvtui.runlog.folder import RunFolder
from cvtui.runlog.fork import checkpoint_file
from cvtui.runlog.mistakes import Evaluated, Mistake, Progress, Told, worst_first
from cvtui.text import encodable, rounded_or_none, rounded_share

PICTURED = 200
"""Mistakes whose pixels are told, where no file holds them."""
PICTURED_BYTES = 8 << 20


def tell_mistakes(path: Path, name: str = "") -> int:
    """Write progress, what was evaluated and its mistakes (worst first) on stdout; return the exit code.

    name: of a checkpoint; by default the best. Exit code 2 with a line on stderr that says why there are none.
    """

    def records(out: IO[bytes]) -> Iterable[Told]:
        training, about = _prepared(RunFolder.open(path), name)
        yield from _mistakes(training, about, out)

    return tell_records(records)


def _prepared(folder: RunFolder, name: str) -> tuple[TrainingState, Evaluated]:
    """Return the training with the checkpoint's weights that were validated, and what is known of them."""
    training, state, notes = validated_run(folder, name, tell_progress)
    return training, Evaluated(
        checkpoint=checkpoint_file(folder, name).name, epoch=int(state["epoch"]), step=int(state["step"]),
        images=training.data.validation.size, mistakes=0, classes=list(training.checked.data.classes),
        ema=bool(state.get("ema")), notes=notes,
    )  # fmt: skip


def _mistakes(training: TrainingState, about: Evaluated, out: IO[bytes]) -> list[Told]:
    """Evaluate as the run itself does; return what was evaluated, and its mistakes."""
    found: list[Mistake] = []
    loss_of = training.validation_loss
    names, classes, total = training.data.names.validation, about.classes, about.images
    yes_no, table = several_of(training.recipe), training.label_table

    def of_sets(start: int, logits: Tensor, labels: Tensor) -> None:
        assert table is not None
        truth, said = table[labels] > 0.5, logits > 0
        shares = logits.double().sigmoid()
        least = torch.where(truth, shares, 1 - shares).min(1).values  # of the right answer that it believes least
        for row in (truth != said).any(1).nonzero().flatten().tolist():
            name, exact = _encodable(names[start + row])
            true, other = (words_of(classes[number] for number in one[row].nonzero().flatten().tolist())
                           for one in (truth, said))  # fmt: skip
            found.append(
                Mistake(
                    image=name, number=start + row, truth=true, said=other,
                    share=rounded_share(1 - float(least[row]), 6),
                    truth_share=rounded_share(float(least[row]), 6),
                    loss=rounded_or_none(float(loss_of(logits[row : row + 1], truth[row : row + 1].float())), 6),
                    file=names.files and exact,
                )
            )  # fmt: skip
        write_record(out, Progress(done=min(total, start + len(labels)), of=total))

    def on_batch(start: int, logits: Tensor, labels: Tensor) -> None:
        said = logits.argmax(1)
        wrong = (said != labels).nonzero().flatten().tolist()
        shares = logits.double().sigmoid() if yes_no else logits.double().softmax(1)
        for row in wrong:
            true, other = int(labels[row]), int(said[row])
            name, exact = _encodable(names[start + row])
            found.append(
                Mistake(
                    image=name, number=start + row, truth=classes[true], said=classes[other],
                    share=rounded_share(float(shares[row, other]), 6),
                    truth_share=rounded_share(float(shares[row, true]), 6),
                    loss=rounded_or_none(float(loss_of(logits[row : row + 1], labels[row : row + 1])), 6),
                    file=names.files and exact,
                )
            )  # fmt: skip
        write_record(out, Progress(done=min(total, start + len(labels)), of=total))

    evaluate(training, lambda: None, on_batch if table is None else of_sets)
    return [msgspec.structs.replace(about, mistakes=len(found)), *_pictured(training, worst_first(found))]


def _encodable(name: str) -> tuple[str, bool]:
    """Return a name as UTF-8 can write it, and whether that is the name itself."""
    plain = encodable(name)
    return plain, plain == name


def _pictured(training: TrainingState, mistakes: list[Mistake]) -> list[Mistake]:
    """Give the first ones their pixels, where no file holds them."""
    part = training.data.validation
    if training.data.names.validation.files or not part.are_pictures:
        return mistakes
    told, room = [], PICTURED_BYTES
    for place, one in enumerate(mistakes):
        if place < PICTURED and room > 0:
            one = msgspec.structs.replace(one, png=_png(part.part(one.number, one.number + 1).pixels[0]))
            room -= len(one.png)
        told.append(one)
    return told


def _png(pixels: Tensor) -> str:
    """Base64 of a PNG; pixels: H x W x C, uint8, or numbers whose least is black."""
    low, high = (0.0, 255.0) if pixels.dtype == torch.uint8 else (None, None)
    sheet = sheet_of(pixels.cpu().float().permute(2, 0, 1)[None], around_zero=False, low=low, high=high)
    return base64.b64encode(png(sheet)).decode()
