"""What can be looked at: filters, feature maps, samples as the net sees them, and its most confident mistakes.

Small PNGs in the run folder, told by `picture` records. Made between epochs, never in a step, and harmless: no random
number is drawn, batch-norm statistics and mode stay as they are.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn

from cvtui.engine.journal import Journal
from cvtui.engine.predict import untouched
from cvtui.engine.training import Training, first_batch
from cvtui.runlog.events import PictureSaved
from cvtui.runlog.folder import RunFolder

TIMES = 10
"""So many sets of pictures a run, spread evenly over its epochs (the first and the last among them)."""
MOST_TILES = 64
MOST_MAPS = 16
MOST_MISTAKES = 12
LARGEST_TILE = 64


class Pictures:
    def __init__(self, training: Training, folder: RunFolder, journal: Journal) -> None:
        self.training = training
        self.folder = folder
        self.journal = journal
        self._apart = max(1, training.recipe.epochs // TIMES)

    def due(self) -> bool:
        """After this epoch? (`training.epoch` epochs are done.)"""
        epoch, epochs = self.training.epoch, self.training.recipe.epochs
        return bool(self.training.recipe.watch_every) and (epoch == epochs or (epoch - 1) % self._apart == 0)

    @torch.no_grad()
    def save(self) -> None:
        """All pictures of this moment. A disk that refuses costs the pictures, not the run."""
        t = self.training
        if not t.data.train.are_pictures:  # points on a plane are no pictures
            return
        try:
            if t.epoch == 1:
                images = t.preprocess(first_batch(t).pixels[:16])
                after = "augmentation and preprocessing" if t.augment else "preprocessing"
                self._write("samples", images, f"the first batch as the net sees it, after {after}")
            self._filters()
            self._maps_and_mistakes()
        except OSError:
            return

    def _filters(self) -> None:
        """The first conv layer's filters: RGB for three channels, else the mean over the channels."""
        found = next(((n, m) for n, m in self.training.model.named_modules() if isinstance(m, nn.Conv2d)), None)
        if found is None:
            return
        name, conv = found
        weights = conv.weight.detach().float()[:MOST_TILES]
        if weights.shape[1] not in (1, 3):
            weights = weights.mean(1, keepdim=True)
        self._write(f"filters of {name}", weights, f"{len(conv.weight)} filters; grey is 0", around_zero=True)

    def _maps_and_mistakes(self) -> None:
        """One pass over the validation images: feature maps of its first one, and what it got most surely wrong."""
        t = self.training
        maps: dict[str, Tensor] = {}
        handles = []

        def hook(name: str) -> Any:
            def seen(module: nn.Module, inputs: Any, output: Tensor) -> None:
                maps.setdefault(name, output[0, :MOST_MAPS].float())

            return seen

        model = t.judged
        for name, module in model.named_modules():
            if isinstance(module, nn.Conv2d):
                handles.append(module.register_forward_hook(hook(name)))
        images = t.data.validation
        training = model.training
        try:
            with untouched(model), t.autocast():
                model.eval()
                chunks = [
                    model(t.preprocess(images.part(start, start + 500).pixels)).float()
                    for start in range(0, images.size, 500)
                ]
        finally:
            for handle in handles:
                handle.remove()
            model.train(training)
        for name, activation in maps.items():
            self._write(f"feature maps of {name}", activation[:, None], "of the first validation image")
        self._mistakes(torch.cat(chunks).softmax(1))

    def _mistakes(self, shares: Tensor) -> None:
        """shares: N x classes. The wrong answers of the highest probability, with words for each."""
        t = self.training
        images = t.data.validation
        sure, said = shares.max(1)
        labels = images.labels.to(said.device)  # those of images in files stay on the CPU
        wrong = torch.where(said != labels, sure, torch.full_like(sure, -1.0))
        chosen = wrong.topk(min(MOST_MISTAKES, len(wrong))).indices
        chosen = chosen[wrong[chosen] >= 0]
        if not len(chosen):
            return
        classes = t.checked.data.classes
        words = "; ".join(f"{classes[labels[i]]} taken for {classes[said[i]]} ({sure[i]:.0%})" for i in chosen.tolist())
        pixels = images.batch(chosen).pixels.permute(0, 3, 1, 2)
        high = 255.0 if pixels.dtype == torch.uint8 else None  # floats have a range of their own
        self._write("mistakes", pixels.float(), words, low=high and 0.0, high=high)

    def _write(
        self,
        name: str,
        tiles: Tensor,
        note: str,
        *,
        around_zero: bool = False,
        low: float | None = None,
        high: float | None = None,
    ) -> None:
        """tiles: N x (1 or 3) x H x W of any range, as one PNG and its record."""
        from PIL import Image

        if tiles.shape[-1] > LARGEST_TILE or tiles.shape[-2] > LARGEST_TILE:
            tiles = nn.functional.adaptive_avg_pool2d(tiles, (min(tiles.shape[-2], 64), min(tiles.shape[-1], 64)))
        sheet = sheet_of(tiles.cpu(), around_zero=around_zero, low=low, high=high)
        step = self.training.step
        file = f"{name.replace(' ', '-').replace('/', '-')}-{step:06d}.png"
        self.folder.pictures.mkdir(exist_ok=True)
        Image.fromarray(sheet.numpy()).save(self.folder.pictures / file)
        path = f"{self.folder.pictures.name}/{file}"
        self.journal.write(PictureSaved(step=step, name=name, path=path, note=note, columns=columns_of(len(tiles))))


def columns_of(count: int) -> int:
    """Tiles a row: wider than high, as screens are."""
    return min(count, max(1, math.ceil(math.sqrt(count * 2))))


def sheet_of(tiles: Tensor, *, around_zero: bool, low: float | None = None, high: float | None = None) -> Tensor:
    """uint8 H x W x 3: the tiles in rows, one black pixel apart, the smallest value black, the largest white; with
    `around_zero` 0 is the middle grey."""
    finite = tiles[tiles.isfinite()]
    if around_zero:
        reach = float(finite.abs().max()) if len(finite) else 1.0
        low, high = -reach, reach
    low = low if low is not None else float(finite.min()) if len(finite) else 0.0
    high = high if high is not None else float(finite.max()) if len(finite) else 1.0
    span = high - low if high > low else 1.0
    grey = ((tiles - low) / span * 255).nan_to_num(0).clamp(0, 255).round().to(torch.uint8)
    grey = grey.expand(-1, 3, -1, -1) if grey.shape[1] == 1 else grey
    count, _, height, width = grey.shape
    columns = columns_of(count)
    rows = -(-count // columns)
    sheet = torch.zeros(rows * (height + 1) - 1, columns * (width + 1) - 1, 3, dtype=torch.uint8)
    for number in range(count):
        top, left = (number // columns) * (height + 1), (number % columns) * (width + 1)
        sheet[top : top + height, left : left + width] = grey[number].permute(1, 2, 0)
    return sheet
