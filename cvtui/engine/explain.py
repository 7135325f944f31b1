"""Explain a prediction: `python -m cvtui.engine FOLDER --explain REQUEST` (JSON, see runlog/explanation.py)."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import msgspec
import numpy as np
import torch
from torch import Tensor

from cvtui.engine.attribution import attribute, grids
from cvtui.engine.data.decode import Unreadable, decode
from cvtui.engine.handover.trained import Trained, load_trained
from cvtui.engine.observe.image_writer import png, sheet_of
from cvtui.engine.runtime.stdout_records import tell_records
from cvtui.errors import RequestError, nearest
from cvtui.recipe.datasets.label_sets import words_of
from cvtui.runlog.explanation import Explained, Request, check_captum
from cvtui.runlog.folder import RunFolder
from cvtui.runlog.model_metadata import ModelMetadata
from cvtui.text import encodable


def explain_run(path: Path, request: str) -> int:
    """Write the record on stdout and return the exit code; see tell_records."""

    def records(_out: IO[bytes]) -> Iterator[Explained]:
        try:
            asked = msgspec.json.decode(request, type=Request)
        except msgspec.MsgspecError as error:
            raise RequestError(str(error)) from None
        check_captum()  # said before the data are read
        trained = load_trained(
            RunFolder.open(path), asked.checkpoint, image=0 if asked.path else asked.number, what="explained"
        )
        yield explained(trained, asked)

    return tell_records(records)


def explained(trained: Trained, asked: Request) -> Explained:
    """Explain the image that is asked for: a file, or the validation image that was loaded. RequestError."""
    about = trained.metadata
    if len(about.size) != 3:
        raise RequestError("explain: points are no images")
    pixels = file_pixels(asked.path, about.size, about.unit) if asked.path else trained.pixels[:1]
    image = trained.preprocess(pixels).contiguous()
    with torch.no_grad():
        logits = trained.model(image)[0].double()
    if not logits.isfinite().all():
        raise RequestError("explain: the model gives values that are not finite")
    classes = about.classes
    target = index_of(asked.target, classes) if asked.target else int(logits.argmax())
    warm = logits / about.temperature
    shares = warm.sigmoid() if about.activation == "sigmoid" else warm.softmax(0)
    there = grids(trained.model, image)
    method = asked.method or ("gradcam" if there else "saliency")
    found = attribute(trained.model, image, target, method, asked.layer)
    return Explained(
        method=method, layer=found.layer, layers=list(there),
        image=encodable(asked.path) if asked.path else str(asked.number), target=classes[target],
        share=float(shares[target]), said=_said(logits, about),
        truth="" if asked.path else trained.truth[0], height=about.size[0], width=about.size[1],
        values=[float(f"{value:.4g}") for value in found.values.flatten().tolist()], total=found.total,
        note=found.note, png=png_of(pixels[0]), checkpoint=about.checkpoint,
    )  # fmt: skip


def _said(logits: Tensor, about: ModelMetadata) -> str:
    """Return the predicted class, or all classes that are answered yes."""
    if not about.several:
        return about.classes[int(logits.argmax())]
    return words_of(about.classes[number] for number in (logits > 0).nonzero().flatten().tolist())


def index_of(name: str, classes: list[str]) -> int:
    if name not in classes:
        raise RequestError(f"--class: there is no class {name!r}{nearest(name, tuple(classes))}",
                           hint=f"there are: {', '.join(classes[:20])}")  # fmt: skip
    return classes.index(name)


def file_pixels(path: str, size: list[int], unit: float) -> Tensor:
    """Read an image file as the run's own images are read: 1 x H x W x C. RequestError."""
    if unit != 255 or size[2] not in (1, 3):
        raise RequestError(
            "explain: a file can't be read as this run's images were, which are not of 8 bits in grey or colour",
            hint="give the number of a validation image",
        )
    if not Path(path).is_file():
        raise RequestError(f"explain: there is no file {path!r}")
    try:
        rgb = decode(path, (size[0], size[1]))
    except Unreadable as error:
        raise RequestError(f"explain: {path!r}: {error}") from None
    if size[2] == 1:
        from PIL import Image

        rgb = np.asarray(Image.fromarray(rgb.astype(np.uint8)).convert("L"))[..., None]
    return torch.from_numpy(rgb.copy())[None]


def png_of(pixels: Tensor) -> str:
    """Base64 of a PNG; pixels: H x W x C, uint8, or numbers whose least is black."""
    low, high = (0.0, 255.0) if pixels.dtype == torch.uint8 else (None, None)
    sheet = sheet_of(pixels.float().permute(2, 0, 1)[None], around_zero=False, low=low, high=high)
    return base64.b64encode(png(sheet)).decode()
