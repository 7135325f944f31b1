"""A picture of the user's own beside what the run's best checkpoint says of it; a process keeps the model loaded."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Container, Horizontal, Vertical
from textual.content import Content
from textual.widgets import Input, Static

from cvtui.draw.bars import filled_bar
from cvtui.errors import RequestError
from cvtui.recipe.datasets.named_images import named_images, pasted_path
from cvtui.runlog.predictions import Ask, Loaded, Predicted, Unread, decode, predict_command, request
from cvtui.runlog.tile_captions import tail_of
from cvtui.text import cells, clean, count, fill, percent
from cvtui.tui.child_process import ChildProcess
from cvtui.tui.detail.picture_box import PictureBox
from cvtui.tui.detail.picture_index import read_file
from cvtui.tui.widgets import MUTED
from cvtui.tui.widgets.bindings import hint
from cvtui.tui.widgets.modal import CardModal

if TYPE_CHECKING:
    from cvtui.runlog.folder import RunFolder
    from cvtui.runlog.predictions import Told
    from cvtui.tui.detail.pixels import Pixels

REFRESH_SECONDS = 0.1
TOP = 10


class PredictView(CardModal[None]):
    """A field for a path, the picture, and a bar for each of the likeliest classes."""

    AUTO_FOCUS = "#path"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "dismiss", "Back", tooltip="Back to the pictures"),
        Binding("p", "path", "Predict", tooltip="Predict another picture, by its path"),
        Binding("right_square_bracket,right", "image(1)", "Next", tooltip="The next image of a folder or pattern"),
        Binding("left_square_bracket,left", "image(-1)", "Previous", tooltip="The image before"),
    ]
    DEFAULT_CSS = """
    PredictView {
        & #picture { width: 1fr; }
        & #side { width: 1fr; padding-left: 2; }
        & #about { height: auto; }
    }
    """

    def __init__(self, folder: RunFolder, pixels: Pixels | None = None) -> None:
        super().__init__()
        self.folder, self.pixels = folder, pixels
        self.model: Loaded | None = None
        self.words = "starting PyTorch …"
        self.paths: list[str] = []
        """The images that were named last."""
        self.place = 0
        self.answers: dict[str, Predicted | Unread] = {}
        """By path, of all that were asked for."""
        self._asked: list[str] = []
        """Paths in the order in which the process was asked."""
        self._process: ChildProcess | None = None

    def compose(self) -> ComposeResult:
        with Container(id="card"):
            yield Input(placeholder="path of a picture or a folder; a pasted one may have quotes", id="path",
                        compact=True)  # fmt: skip
            with Horizontal():
                yield PictureBox(id="picture")
                with Vertical(id="side"):
                    yield Static(id="about")

    def on_mount(self) -> None:
        if self.pixels is not None:
            self.query_one(PictureBox).use(self.pixels)
        self.query_one("#card").border_subtitle = "enter: predict · " + hint(
            PredictView, image="other images of a folder", path="another", dismiss="back"
        )
        command, environment = predict_command(1)  # one picture; the cores belong to whatever trains meanwhile
        try:
            self._process = ChildProcess(command, environment, stdin=True)
            self._send(request(Ask(model=str(self.folder.path), top=TOP, one_by_one=True)))
        except OSError as error:
            self.words = error.strerror or str(error)
        self._timer = self.set_interval(REFRESH_SECONDS, self._poll)
        self._show()

    def on_unmount(self) -> None:
        if self._process is not None:
            self._process.close()

    def _send(self, data: bytes) -> None:
        if self._process is not None:
            self._process.send(data)

    # ------------------------------------------------------------------ keys

    def action_path(self) -> None:
        field = self.query_one("#path", Input)
        field.value = ""
        field.focus()

    def action_image(self, by: int) -> None:
        if self.paths:
            self.place = (self.place + by) % len(self.paths)
            self._ask()

    @on(Input.Submitted, "#path")
    def _path_given(self, event: Input.Submitted) -> None:
        event.stop()
        text = event.value.strip()
        if not text:
            return
        try:
            self.paths, self.place = list(named_images([text])), 0
        except RequestError as error:
            self.notify(clean(error.message), severity="warning", markup=False)
            return
        event.input.value = pasted_path(text)
        self.set_focus(None)
        self._ask()

    def _ask(self) -> None:
        path = self.paths[self.place]
        if path not in self.answers and path not in self._asked:
            try:
                self._send(os.fsencode(path) + b"\0")
                self._asked.append(path)
            except OSError:  # it has ended: its last line says why
                pass
        self._show()

    # ------------------------------------------------------------------ what its process tells

    def _poll(self) -> None:
        if self._process is None:
            return
        code, records = self._process.code, self._process.records(decode)
        for told in records:
            self._take(told)
        if code is not None:
            self._timer.stop()
            self.words = self._process.why_ended
            self.model = None
        if records or code is not None:
            self._show()

    def _take(self, told: Told) -> None:
        if isinstance(told, Loaded):
            self.model = told
            mean = ", running mean" if told.ema else ""
            self.words = f"{clean(told.checkpoint)}, epoch {told.epoch}{mean}"
        elif told.number < len(self._asked):
            self.answers[self._asked[told.number]] = told

    # ------------------------------------------------------------------ what is shown

    def _show(self) -> None:
        card = self.query_one("#card")
        card.border_title = f"Predict: {self.words}"
        about = self.query_one("#about", Static)
        if not self.paths:
            self.query_one(PictureBox).show(None)
            about.update(Content.styled("Type or paste the path of a picture, then enter.", MUTED))
            return
        path = self.paths[self.place]
        self.query_one(PictureBox).show(read_file(path))
        of = f"{count(self.place + 1)} of {count(len(self.paths))}  " if len(self.paths) > 1 else ""
        lines = [Content.assemble((of, MUTED), tail_of(path)), Content("")]
        found = self.answers.get(path)
        if found is None:
            waiting = self._process is not None and self._process.code is None
            lines.append(Content.styled("predicting …" if waiting else self.words, "$text-warning"))
        elif isinstance(found, Unread):
            lines.append(Content.styled(f"can't be read: {clean(found.why)}", "$text-error"))
        else:
            lines += bars(found, max(10, self.size.width // 2 - 8), max(1, self.size.height - 9))
            lines += self._notes()
        about.update(Content("\n").join(lines))

    def _notes(self) -> list[Content]:
        if self.model is None:
            return []
        high, wide, *_ = [*self.model.size, 0, 0]
        said = [f"as the run saw its images: {high}x{wide}, cut to the middle"]
        if self.model.temperature != 1:
            said.append(f"calibrated: temperature {self.model.temperature:.3g}")
        if self.model.several:
            said.append("several classes an image: the bold ones, above 50 %")
        said += map(clean, self.model.notes)
        return [Content(""), *(Content.styled(text, MUTED) for text in said)]


def bars(found: Predicted, width: int, most: int) -> list[Content]:
    """Return a line for each class: its name, a bar, its probability."""
    shown = found.top[:most]
    names = [clean(name) for name, _ in shown]
    wide = min(max(map(cells, names)), max(6, width // 2))
    room = max(4, width - wide - 10)
    lines = []
    for place, (name, (_, share)) in enumerate(zip(names, shown, strict=True)):
        tone = "bold" if (place == 0 if found.classes is None else shown[place][0] in found.classes) else ""
        lines.append(Content.assemble((fill(name, wide), tone), " ", (filled_bar(share or 0.0, room), "$primary"),
                                      f" {percent(share):>7}"))  # fmt: skip
    return lines
