"""Every mistake of a run's best checkpoint, worst first, with its file; one of them large."""

from __future__ import annotations

import base64
import io
from collections import Counter
from typing import TYPE_CHECKING, ClassVar

import numpy as np
from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Container, Horizontal, Vertical
from textual.content import Content
from textual.widgets import Input, OptionList, Static

from cvtui.runlog.mistakes import Evaluated, Mistake, Progress, decode
from cvtui.runlog.tile_captions import tail_of
from cvtui.runlog.worker_process import mistakes_command
from cvtui.text import clean, count, percent, significant
from cvtui.tui.child_process import ChildProcess
from cvtui.tui.detail.picture_box import PictureBox
from cvtui.tui.detail.picture_index import read_file
from cvtui.tui.widgets import MUTED
from cvtui.tui.widgets.bindings import hint
from cvtui.tui.widgets.filter_field import FilterField
from cvtui.tui.widgets.item_list import ItemList
from cvtui.tui.widgets.modal import CardModal

if TYPE_CHECKING:
    from cvtui.runlog.folder import RunFolder
    from cvtui.runlog.mistakes import Told
    from cvtui.tui.detail.pixels import Pixels
    from cvtui.tui.detail.raster_view import Image

REFRESH_SECONDS = 0.2


class MistakesView(CardModal[None]):
    """A list of mistakes beside the picture of the chosen one."""

    AUTO_FOCUS = "#list"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("slash", "filter", "Filter", tooltip="Show some mistakes: words of the file or of a class"),
        Binding("escape", "back", "Back", tooltip="Back to the list, and from there to the pictures"),
        Binding("right", "cell(1)", "Cell", tooltip="The mistakes of the next cell of the confusion matrix"),
        Binding("left", "cell(-1)", "Cell", tooltip="The mistakes of the cell before"),
    ]
    DEFAULT_CSS = """
    MistakesView {
        & #list { width: 3fr; border: none; padding: 0; background: $background; }
        & #side { width: 2fr; padding-left: 2; }
        & #about { height: auto; max-height: 8; }
        & .-large #list { display: none; }
    }
    """

    def __init__(self, folder: RunFolder, pixels: Pixels | None = None) -> None:
        super().__init__()
        self.folder, self.pixels = folder, pixels
        self.about: Evaluated | None = None
        self.mistakes: list[Mistake] = []
        """Worst first, as they come."""
        self.shown: list[Mistake] = []
        """Those of the chosen cell."""
        self.cell: tuple[str, str] | None = None
        """(true class, predicted class); None: all."""
        self.words = "starting PyTorch …"
        self._process: ChildProcess | None = None

    def compose(self) -> ComposeResult:
        with Container(id="card"):
            yield FilterField("words of the file, the true or the said class")
            with Horizontal():
                yield ItemList(id="list")
                with Vertical(id="side"):
                    yield PictureBox(id="picture")
                    yield Static(id="about")

    def on_mount(self) -> None:
        if self.pixels is not None:
            self.query_one(PictureBox).use(self.pixels)
        card = self.query_one("#card")
        card.border_title, card.border_subtitle = f"Mistakes: {self.words}", _keys()
        command, environment = mistakes_command(self.folder)
        try:
            self._process = ChildProcess(command, environment)
        except OSError as error:
            card.border_title = f"Mistakes: {error.strerror}"
            return
        self._timer = self.set_interval(REFRESH_SECONDS, self._poll)

    def on_unmount(self) -> None:
        if self._process is not None:
            self._process.close()

    # ------------------------------------------------------------------ what its process tells

    def _poll(self) -> None:
        assert self._process is not None
        code = self._process.code
        for told in self._process.records(decode):
            self._take(told)
        if code is not None:
            self._timer.stop()
            if self.about is None:
                self.words = self._process.why_ended
            self._fill()
        self.query_one("#card").border_title = f"Mistakes: {self.words}"

    def _take(self, told: Told) -> None:
        if isinstance(told, Progress):
            self.words = f"evaluated {count(told.done)} of {count(told.of)} validation images"
        elif isinstance(told, Evaluated):
            self.about = told
            self.words = summary(told)
        else:
            self.mistakes.append(told)

    # ------------------------------------------------------------------ what is shown

    def cells(self) -> list[tuple[str, str] | None]:
        """Return all, then the cells of the confusion matrix with mistakes, the largest first."""
        counts = Counter((one.truth, one.said) for one in self.mistakes)
        return [None, *(cell for cell, _ in counts.most_common())]

    def action_cell(self, by: int) -> None:
        cells = self.cells()
        self.cell = cells[(cells.index(self.cell) + by) % len(cells)] if self.cell in cells else None
        self._fill()

    def action_filter(self) -> None:
        self.query_one(FilterField).reveal()

    @on(Input.Changed, "FilterField")
    def _filter(self) -> None:
        self._fill()

    @on(Input.Submitted, "FilterField")
    def _filtered(self) -> None:
        self.query_one(OptionList).focus()

    def action_back(self) -> None:
        card = self.query_one("#card")
        if self.query_one(FilterField).close():
            self.query_one(OptionList).focus()
            return
        if card.has_class("-large"):
            card.remove_class("-large")
            self.query_one(OptionList).focus()
        else:
            self.dismiss()

    def _fill(self) -> None:
        keeps = self.query_one(FilterField).keeps
        self.shown = [
            one
            for one in self.mistakes
            if self.cell in (None, (one.truth, one.said)) and keeps(one.image, one.truth, one.said)
        ]
        box = self.query_one(OptionList)
        box.clear_options()
        box.add_options([row_of(one) for one in self.shown])
        if self.shown:
            box.highlighted = 0
        what = "all" if self.cell is None else f"{clean(self.cell[0])} taken for {clean(self.cell[1])}"
        card = self.query_one("#card")
        card.border_subtitle = f"{what}: {count(len(self.shown))} · {_keys()}"
        self._show()

    @on(OptionList.OptionHighlighted, "#list")
    def _highlighted(self) -> None:
        self._show()

    @on(OptionList.OptionSelected, "#list")
    def _selected(self) -> None:
        self.query_one("#card").add_class("-large")
        self._show()

    def _show(self) -> None:
        place = self.query_one(OptionList).highlighted
        one = self.shown[place] if place is not None and place < len(self.shown) else None
        self.query_one(PictureBox).show(None if one is None else picture_of(one))
        words = self.query_one(FilterField).value.strip()
        empty = Content.styled(f"no match for {words!r}", "$text-warning") if words else Content("")
        self.query_one("#about", Static).update(empty if one is None else about_of(one))


def _keys() -> str:
    return "enter: large · " + hint(MistakesView, cell="cell", filter="filter", back="back")


def summary(about: Evaluated) -> str:
    mean = ", running mean" if about.ema else ""
    share = percent(about.mistakes / max(1, about.images))
    return f"{count(about.mistakes)} of {count(about.images)} ({share}), {about.checkpoint}, epoch {about.epoch}{mean}"


def row_of(one: Mistake) -> Content:
    share = "" if one.share is None else f" {percent(one.share)}"
    return Content.assemble(
        tail_of(one.image), (f"  {clean(one.truth)} → ", MUTED), (clean(one.said), "$text-error"), (share, MUTED)
    )


def about_of(one: Mistake) -> Content:
    """Say where it lies, what it is and what it was taken for."""
    said = "" if one.share is None else f" {percent(one.share)}"
    true = "" if one.truth_share is None else f" {percent(one.truth_share)}"
    return Content("\n").join([
        Content(clean(one.image)),
        Content.assemble(("true class ", MUTED), (f"{clean(one.truth)}{true}", "bold")),
        Content.assemble(("model says ", MUTED), (f"{clean(one.said)}{said}", "bold $text-error")),
        Content.assemble(("loss ", MUTED), significant(one.loss), (f"  image {one.number}", MUTED)),
    ])  # fmt: skip


def picture_of(one: Mistake) -> Image | None:
    """Return its pixels: of its file, or as its process told them."""
    if one.file:
        return read_file(one.image)
    try:
        from PIL import Image as Pillow

        with Pillow.open(io.BytesIO(base64.b64decode(one.png)), formats=["PNG"]) as opened:
            return np.asarray(opened.convert("RGB"), dtype=np.uint8)
    except (OSError, ValueError, SyntaxError):
        return None
