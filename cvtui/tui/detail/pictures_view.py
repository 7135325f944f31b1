"""The pictures of a run: filters, feature maps, samples, mistakes, and the confusion matrix."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

import numpy as np
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Container
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Static

from cvtui.tui.detail.raster_view import Image, RasterView
from cvtui.tui.panes.pane import MUTED
from cvtui.tui.panes.words import clean, count, significant
from cvtui.tui.widgets.blocks import log_bar
from cvtui.tui.widgets.heat import colour_map

if TYPE_CHECKING:
    from cvtui.runlog import History
    from cvtui.runlog.events import EpochDone, LayersSampled, PictureSaved

CONFUSION = "confusion matrix"
FLOW = "gradient flow"
LARGEST_PNG = 4 << 20
REFRESH_SECONDS = 1.0


def picture_names(history: History) -> list[str]:
    """What can be shown, in the order of their first pictures; the confusion matrix last."""
    names = list(dict.fromkeys(picture.name for picture in history.pictures))
    if any(epoch.confusion for epoch in history.epochs):
        names.append(CONFUSION)
    if len(history.layer_steps):
        names.append(FLOW)
    return names


def picture_at(history: History, name: str, until: int | None) -> PictureSaved | None:
    """The newest picture of that name, at or before step `until`; the first one where none is that old."""
    found = [picture for picture in history.pictures if picture.name == name]
    before = [picture for picture in found if until is None or picture.step <= until]
    return before[-1] if before else found[0] if found else None


def read_png(root: Path, path: str) -> Image | None:
    """The pixels of a PNG inside the run folder; None for what leads out of it, is too large, or is no picture."""
    try:
        base = root.resolve()
        file = (base / path).resolve()
        if not file.is_relative_to(base) or file.suffix.lower() != ".png" or file.stat().st_size > LARGEST_PNG:
            return None
        from PIL import Image as Pillow

        with Pillow.open(file, formats=["PNG"]) as opened:
            if opened.width * opened.height > LARGEST_PNG:
                return None
            return np.asarray(opened.convert("RGB"), dtype=np.uint8)
    except (OSError, ValueError, SyntaxError):
        return None


def confusion_at(history: History, until: int | None) -> EpochDone | None:
    epochs = [epoch for epoch in history.epochs if epoch.confusion and (until is None or epoch.step <= until)]
    return epochs[-1] if epochs else None


class PicturesView(ModalScreen[None]):
    """One picture at a time; left and right turn the pages."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q,p", "dismiss", "Back", tooltip="Back to all panes"),
        Binding("right,down,tab", "page(1)", "Next", tooltip="The next picture"),
        Binding("left,up,shift+tab", "page(-1)", "Before", tooltip="The picture before"),
    ]
    DEFAULT_CSS = """
    PicturesView {
        background: $background;
        & #card {
            border: round $foreground 25%; padding: 0 1; height: 1fr;
            border-title-color: $foreground; border-subtitle-color: $foreground 60%;
        }
        & RasterView { height: 1fr; }
        & #note { height: auto; max-height: 8; margin-top: 1; }
        & #note.-alone { height: 1fr; max-height: 100%; margin-top: 0; }
        & #pages { height: 1; padding: 0 1; }
    }
    """

    def __init__(self, history: History, until: int | None = None) -> None:
        super().__init__()
        self.history, self.until = history, until
        self.page = 0
        self._drawn: tuple[object, ...] = ()

    def compose(self) -> ComposeResult:
        yield Static(id="pages")
        with Container(id="card"):
            yield RasterView(sharp=True)
            yield Static(id="note")

    def on_mount(self) -> None:
        self.draw()
        self.set_interval(REFRESH_SECONDS, self.draw)

    def on_resize(self) -> None:
        self._drawn = ()
        self.draw()

    def action_page(self, by: int) -> None:
        names = picture_names(self.history)
        self.page = (self.page + by) % max(1, len(names))
        self.draw()

    def draw(self) -> None:
        names = picture_names(self.history)
        key = (self.page, len(self.history.pictures), len(self.history.epochs), self.app.current_theme.dark)
        if key == self._drawn:
            return
        self._drawn = key
        name = names[self.page % len(names)] if names else ""
        self.query_one("#pages", Static).update(_pages(names, name))
        card, note, view = (
            self.query_one("#card", Container),
            self.query_one("#note", Static),
            self.query_one(RasterView),
        )
        card.border_title = clean(name) or "Pictures"
        note.set_class(name in ("", CONFUSION, FLOW), "-alone")
        view.display = name not in ("", CONFUSION, FLOW)
        if not name:
            words = "No pictures yet: the first come with the first epoch's end."
            note.update(Content.styled(words, MUTED))
        elif name == CONFUSION:
            self._draw_confusion(note, card)
        elif name == FLOW:
            self._draw_flow(note, card)
        else:
            self._draw_picture(name, view, note, card)

    def _draw_picture(self, name: str, view: RasterView, note: Static, card: Container) -> None:
        picture = picture_at(self.history, name, self.until)
        assert picture is not None
        image = read_png(self.history.folder.path, picture.path)
        view.show(image)
        card.border_subtitle = f"at step {count(picture.step)} · escape back · ← → other pictures"
        if image is None:
            note.update(Content.styled(f"{clean(picture.path)} can't be read.", "$text-warning"))
            return
        parts = [clean(part) for part in picture.note.split("; ")]
        lines = [
            "  ·  ".join(parts[start : start + picture.columns])
            for start in range(0, len(parts), max(1, picture.columns))
        ]
        note.update(Content.styled("\n".join(lines), MUTED))

    def _draw_flow(self, note: Static, card: Container) -> None:
        sample = self.history.latest_layers if self.until is None else self.history.layers_at(self.until)
        if sample is None:
            note.update(Content.styled("No layer has been sampled yet.", MUTED))
            return
        card.border_subtitle = f"at step {count(sample.step)} · escape back · ← → other pictures"
        note.update(gradient_flow(sample, max(20, self.size.width - 6)))

    def _draw_confusion(self, note: Static, card: Container) -> None:
        epoch = confusion_at(self.history, self.until)
        if epoch is None:
            note.update(Content.styled("No epoch has ended yet.", MUTED))
            return
        card.border_subtitle = f"epoch {epoch.epoch} · escape back · ← → other pictures"
        classes = self.history.run.data.get("classes") if self.history.run is not None else None
        names = [clean(str(name)) for name in classes] if isinstance(classes, list) else []
        note.update(confusion(epoch.confusion, names, max(20, self.size.width - 6), self.app.current_theme.dark))


def gradient_flow(sample: LayersSampled, width: int) -> Content:
    """One bar a layer from first to last, its length the logarithm of its gradient's norm: vanishing and exploding
    gradients are seen as a slope."""
    norms = [(layer.name, layer.grad_norm) for layer in sample.layers if layer.grad_norm is not None]
    known = [norm for _, norm in norms if norm > 0]
    if not known:
        return Content.styled("No gradient was recorded.", MUTED)
    low, high = min(known) / 3, max(known)
    label = min(24, max(len(name) for name, _ in norms))
    room = max(8, width - label - 14)
    lines = [Content.styled("norm of each layer's gradient, log scale; first layer first", MUTED)]
    for name, norm in norms:
        filled = log_bar(norm, low, high, room)
        title = (f"{clean(name)[:label]:<{label}}  ", MUTED)
        lines.append(Content.assemble(title, (f"{filled:<{room}}", "$primary"), f"  {significant(norm)}"))
    first, last = norms[0][1], norms[-1][1]
    if first and last:
        lines.append(Content.styled(f"first / last: {significant(first / last)}", MUTED))
    return Content("\n").join(lines)


def _pages(names: list[str], here: str) -> Content:
    parts: list[Content | tuple[str, str]] = []
    for name in names:
        parts.append((f" {clean(name)} ", "bold $foreground on $primary 35%" if name == here else MUTED))
    return Content.assemble(*parts)


def confusion(matrix: list[list[int]], names: list[str], width: int, dark: bool) -> Content:
    """Rows the true class, columns the predicted one: counts, on a ground as strong as the share of the row."""
    size = len(matrix)
    names = names if len(names) == size else [str(number) for number in range(size)]
    cell = max(3, max(len(str(number)) for row in matrix for number in row) + 1)
    cell = max(cell, min(max(map(len, names)) + 1, (width - 26) // max(1, size)))
    label = min(max(map(len, names)), 12)
    if label + 2 + size * cell > width:
        cell = max(2, (width - label - 2) // size)
    table = colour_map("viridis", dark)
    head = " " * (label + 2) + "".join(f"{name[: cell - 1]:>{cell}}" for name in names)
    lines = [Content.styled(f"{'true':<{label}}  predicted", MUTED), Content.styled(head, MUTED)]
    for name, row in zip(names, matrix, strict=True):
        total = max(1, sum(row))
        parts: list[Content | tuple[str, str]] = [(f"{name[:label]:<{label}}  ", MUTED)]
        for number in row:
            red, green, blue = (int(part) for part in table[min(255, round(255 * number / total))])
            ink = "#000000" if 0.3 * red + 0.59 * green + 0.11 * blue > 128 else "#ffffff"
            text = (str(number) if number else "·").rjust(cell)[:cell]
            parts.append((text, f"{ink} on #{red:02x}{green:02x}{blue:02x}"))
        right = row[names.index(name)] if name in names else 0
        parts.append((f"  {right / total:>5.0%} right", MUTED))
        lines.append(Content.assemble(*parts))
    return Content("\n").join(line.truncate(width, ellipsis=True) for line in lines)
