"""The pictures of a run: filters, feature maps, samples, mistakes, and the confusion matrix."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Container, Horizontal, Vertical
from textual.content import Content
from textual.widgets import Input, Static

from cvtui import settings
from cvtui.runlog.other_hosts import bring_picture
from cvtui.runlog.tile_captions import captions_of, tail_of
from cvtui.text import clean, count, percent
from cvtui.tui.detail.explanation_request import ExplanationRequest, explained_picture, title_of
from cvtui.tui.detail.feature_map_request import FeatureMapRequest
from cvtui.tui.detail.picture_box import PictureBox
from cvtui.tui.detail.picture_index import (
    CONFUSION,
    FLOW,
    MAPS,
    MISTAKES,
    confusion_at,
    image_at,
    latest_image,
    map_layers,
    maps_at,
    picture_at,
    picture_names,
    read_png,
    validation_count,
)
from cvtui.tui.detail.pixels import NOT_HERE, NOT_INSTALLED, installed, pixels_of
from cvtui.tui.detail.text_pages import confusion, gradient_flow, layer_list, page_tabs
from cvtui.tui.widgets import MUTED
from cvtui.tui.widgets.bindings import hint
from cvtui.tui.widgets.modal import CardModal
from cvtui.tui.widgets.moves import PAGE_DOWN, PAGE_UP, capital

if TYPE_CHECKING:
    from cvtui.runlog.events import PictureSaved
    from cvtui.runlog.history import History
    from cvtui.tui.detail.pixels import Pixels

REFRESH_SECONDS = 0.2


class PicturesView(CardModal[None]):
    """One picture at a time; left and right turn the pages."""

    AUTO_FOCUS = ""
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "back", "Back", tooltip="Back to all panes"),
        Binding("right,tab", "page(1)", "Next", tooltip="The next picture"),
        Binding("left,shift+tab", "page(-1)", "Previous", tooltip="The picture before"),
        Binding("down,j", "down(1)", "Down", tooltip="Feature maps: the next layer (else the next picture)"),
        Binding("up,k", "down(-1)", "Up", tooltip="Feature maps: the layer before (else the picture before)"),
        Binding(PAGE_DOWN, "down(10)", "Page down", show=False),
        Binding(PAGE_UP, "down(-10)", "Page up", show=False),
        Binding("right_square_bracket", "image(1)", "Image", tooltip="Feature maps: the next validation image"),
        Binding("left_square_bracket", "image(-1)", "Image", tooltip="Feature maps: the validation image before"),
        Binding("v", "why", "Why?", tooltip="Why this answer: Grad-CAM, integrated gradients, occlusion, maps again"),
        Binding(
            capital("I"), "pixels", "Pixels", tooltip="The terminal's own pixels, where it has them, or half blocks"
        ),
        Binding(
            "enter", "mistakes", "Mistakes", tooltip="Every mistake with its file, worst first; enter shows one large"
        ),
        Binding("p", "predict", "Predict", tooltip="Predict a picture of your own, by its path"),
        Binding("h", "go", "Go to", tooltip="Feature maps: a validation image by its number"),
    ]
    DEFAULT_CSS = """
    PicturesView {
        & #side { width: 28; padding-right: 2; display: none; }
        & #side.-wide { width: 44; }
        & #looked { height: 11; }
        & #side.-wide #looked { height: 20; }
        & #said { height: auto; max-height: 6; }
        & #layers { height: 1fr; margin-top: 1; }
        & #note { height: auto; max-height: 8; margin-top: 1; }
        & #note.-alone { height: 1fr; max-height: 100%; margin-top: 0; }
        & #pages { height: 1; padding: 0 1; }
        & #number { display: none; width: 1fr; }
    }
    """

    def __init__(self, history: History, until: int | None = None) -> None:
        super().__init__()
        self.history, self.until = history, until
        self.page = ""
        """Its name; "": the first one."""
        self.chosen = ""
        """Whose feature maps are shown; "": the first one's."""
        self.image = latest_image(history)
        """And of which validation image."""
        self.request = FeatureMapRequest(history)
        self.why = ExplanationRequest(history.folder)
        self._drawn: tuple[object, ...] = ()
        self._coming = False
        """A picture is on its way from the run's host: draw again."""

    def compose(self) -> ComposeResult:
        yield Static(id="pages")
        with Container(id="card"):
            with Horizontal():
                with Vertical(id="side"):
                    yield PictureBox(id="looked")
                    yield Static(id="said")
                    yield Static(id="layers")
                with Vertical():
                    yield PictureBox(id="shown")
                    yield Static(id="note")
            yield Input(placeholder="number of a validation image", type="integer", id="number", compact=True)

    def on_mount(self) -> None:
        if settings.load().get("pixels", True) and installed():
            self.use(pixels_of(self.app))
        self._request_first()
        self._tick()
        self.set_interval(REFRESH_SECONDS, self._tick)

    def on_resize(self) -> None:
        self._drawn = ()
        self.call_after_refresh(self.draw)

    def on_unmount(self) -> None:
        self.why.close()

    def _tick(self) -> None:
        self.request.tick()
        self.why.tick()
        if self._coming:
            self._drawn, self._coming = (), False
        self.draw()

    @property
    def name_of_page(self) -> str:
        names = picture_names(self.history)
        return self.page if self.page in names else names[0] if names else ""

    # ------------------------------------------------------------------ keys

    def check_action(self, action: str, _parameters: tuple[object, ...]) -> bool | None:
        """Leave out the keys of other pages."""
        if action in ("image", "why", "go"):
            return self.name_of_page == MAPS
        return action != "mistakes" or self.name_of_page in (MISTAKES, CONFUSION)

    def action_back(self) -> None:
        if self.query_one("#number").display:
            self._close_number()
        else:
            self.dismiss()

    def action_page(self, by: int) -> None:
        self._close_number()
        names = picture_names(self.history)
        if names:
            self.page = names[(names.index(self.name_of_page) + by) % len(names)]
        self._request_first()
        self.draw()

    def _request_first(self) -> None:
        """Request feature maps when their page is opened and there are none."""
        if self.name_of_page == MAPS and not map_layers(self.history) and not self.request.waiting:
            self.request.ask(self.image)

    def action_down(self, by: int) -> None:
        if self.name_of_page != MAPS:
            self.action_page(1 if by > 0 else -1)
            return
        layers = map_layers(self.history)
        if layers:
            index = self._layer_index(layers) + by
            index = index % len(layers) if abs(by) == 1 else min(max(index, 0), len(layers) - 1)
            self.chosen = layers[index]
        self.draw()

    def action_image(self, by: int) -> None:
        if self.name_of_page == MAPS:
            self.show_image(self.image + by)

    def show_image(self, number: int) -> None:
        """Show the feature maps of a validation image; request them if missing or outdated."""
        known = validation_count(self.history)
        self.image = number % known if known is not None else max(0, number)
        if self.history.end is not None and image_at(self.history, self.image, None) is not None:
            self.request.forget()
        else:
            self.request.ask(self.image)
        self.draw()

    def use(self, pixels: Pixels | None) -> None:
        """Draw all pictures with the terminal's own pixels, or (None) with half blocks."""
        for box in self.query(PictureBox):
            box.use(pixels)

    def action_pixels(self) -> None:
        wanted = self.query_one("#shown", PictureBox).pixels is None
        pixels = pixels_of(self.app) if wanted else None
        if wanted and pixels is None:
            self.notify(NOT_HERE if installed() else NOT_INSTALLED, severity="warning", markup=False)
            return
        settings.keep(pixels=wanted)
        self.use(pixels)

    def action_why(self) -> None:
        if self.name_of_page == MAPS:
            self.why.next_method(bool(map_layers(self.history)))
            self.draw()

    def action_mistakes(self) -> None:
        if self.name_of_page in (MISTAKES, CONFUSION):
            from cvtui.tui.detail.mistakes_view import MistakesView

            self.app.push_screen(MistakesView(self.history.folder, self.query_one("#shown", PictureBox).pixels))

    def action_predict(self) -> None:
        from cvtui.tui.detail.predict_view import PredictView

        self.app.push_screen(PredictView(self.history.folder, self.query_one("#shown", PictureBox).pixels))

    def action_go(self) -> None:
        if self.name_of_page == MAPS:
            field = self.query_one("#number", Input)
            field.value, field.display = "", True
            field.focus()

    def _close_number(self) -> None:
        self.query_one("#number").display = False
        self.set_focus(None)

    @on(Input.Submitted, "#number")
    def _number_given(self, event: Input.Submitted) -> None:
        event.stop()
        known = validation_count(self.history)
        self._close_number()
        if not event.value.strip().isdecimal():
            return
        number = int(event.value)
        if known is not None and number >= known:
            numbers = f"images go from 0 to {count(known - 1)}" if known > 1 else "image has the number 0"
            self.notify(f"The validation {numbers}.", severity="warning")
            return
        self.show_image(number)

    # ------------------------------------------------------------------ drawing

    def draw(self) -> None:
        name = self.name_of_page
        request: tuple[object, ...] = (self.image, self.chosen, self.request.waiting, self.request.message)
        counts = (len(self.history.pictures), len(self.history.epochs), len(self.history.layer_steps))
        room = (self.query_one("#side").size, self.query_one("#layers").size) if name == MAPS else ()
        request += (self.why.method, self.why.found, self.why.words)
        key = (name, *counts, *request, *room, self.app.current_theme.dark)
        if key == self._drawn:
            return
        if self._drawn[:1] != key[:1]:
            self.refresh_bindings()
        self._drawn = key
        if name == MAPS:
            self.call_after_refresh(self.draw)  # with the room that the list of layers has got by then
        with self.app.batch_update():
            self.query_one("#pages", Static).update(page_tabs(picture_names(self.history), name, self.size.width - 2))
            card, note, box = self.query_one("#card"), self.query_one("#note", Static), self.query_one("#shown")
            card.border_title = clean(name) or "Pictures"
            card.border_subtitle = _keys()
            note.set_class(name in ("", CONFUSION, FLOW), "-alone")
            box.display = name not in ("", CONFUSION, FLOW)
            self.query_one("#side").display = name == MAPS
            if not name:
                note.update(Content.styled(no_pictures(self.history), MUTED))
            elif name == CONFUSION:
                self._draw_confusion(note)
            elif name == FLOW:
                self._draw_flow(note)
            elif name == MAPS:
                self._draw_maps(note)
            else:
                self._draw_picture(picture_at(self.history, name, self.until), note)

    def _set_subtitle(self, what: str, **keys: str) -> None:
        self.query_one("#card").border_subtitle = f"{what} · {_keys(**keys)}"

    def _draw_picture(self, picture: PictureSaved | None, note: Static) -> None:
        image = read_png(self.history.folder.path, picture.path) if picture is not None else None
        box = self.query_one("#shown", PictureBox)
        heading, captions = captions_of(picture) if picture is not None else ("", [])
        box.show(image, picture.columns if picture is not None else 1, captions)
        if picture is None:
            note.update("")
            return
        self._set_subtitle(f"at step {count(picture.step)}")
        if image is None:
            coming = clean(bring_picture(self.history.folder.path, picture.path))
            self._coming |= bool(coming)
            note.update(Content.styled(coming or f"{clean(picture.path)} can't be read.", "$text-warning"))
            return
        below = [] if box.shows_captions else captions
        across = max(1, picture.columns)
        lines = ["  ·  ".join(below[start : start + across]) for start in range(0, len(below), across)]
        note.update(Content.styled("\n".join([heading, *lines] if heading else lines), MUTED))
        if picture.name == MISTAKES:
            self._set_subtitle(f"at step {count(picture.step)}", mistakes="all, with files")

    def _layer_index(self, layers: list[str]) -> int:
        return layers.index(self.chosen) if self.chosen in layers else 0

    def _draw_maps(self, note: Static) -> None:
        """Draw the image with the model's prediction, the layers, and the maps of the chosen one."""
        side = self.query_one("#side")
        side.set_class(self.size.width >= 120 and self.size.height >= 36, "-wide")
        layers = map_layers(self.history)
        index = self._layer_index(layers)
        layer = layers[index] if layers else ""
        picture = maps_at(self.history, layer, self.image, self.until)
        self._draw_picture(picture, note)
        if picture is not None:
            self.query_one("#card").border_title = f"{MAPS} of {clean(layer)}, validation image {self.image}"
            self._set_subtitle(f"at step {count(picture.step)}", down="layer", image="image", go="number", why="why")
        if self.why.method:
            self._draw_explanation(layer, note)
        shown = image_at(self.history, self.image, self.until)
        pixels = read_png(self.history.folder.path, shown.path) if shown is not None else None
        if shown is not None and pixels is None:
            self._coming |= bool(bring_picture(self.history.folder.path, shown.path))
        self.query_one("#looked", PictureBox).show(pixels)
        known = validation_count(self.history)
        self.query_one("#said", Static).update(image_caption(shown, self.image, known, self.request))
        room = max(3, self.query_one("#layers").size.height)
        self.query_one("#layers", Static).update(layer_list(layers, index, room, side.size.width - 2))

    def _draw_explanation(self, layer: str, note: Static) -> None:
        """Draw the explanation in the place of the feature maps."""
        self.why.want(self.image, layer)
        found = self.why.found
        card = self.query_one("#card")
        card.border_title = title_of(self.why.method, found, self.image)
        card.border_subtitle = _keys(why="next method", down="layer", image="image")
        self.query_one("#shown", PictureBox).show(None if found is None else explained_picture(found))
        if found is None:
            note.update(Content.styled(self.why.words, "bold $text-warning"))
        else:
            note.update(Content.styled(f"{clean(found.note)}  ·  {clean(found.checkpoint)}", MUTED))

    def _draw_flow(self, note: Static) -> None:
        sample = self.history.latest_layers if self.until is None else self.history.layers_at(self.until)
        if sample is None:
            note.update(Content.styled("No layer has been sampled.", MUTED))
            return
        self._set_subtitle(f"at step {count(sample.step)}")
        note.update(gradient_flow(sample, max(20, self.size.width - 6)))

    def _draw_confusion(self, note: Static) -> None:
        epoch = confusion_at(self.history, self.until)
        if epoch is None:
            note.update(Content.styled("No epoch has ended.", MUTED))
            return
        self._set_subtitle(f"epoch {epoch.epoch}", mistakes="the files of a cell")
        classes = self.history.run.data.get("classes") if self.history.run is not None else None
        names = [clean(str(name)) for name in classes] if isinstance(classes, list) else []
        note.update(
            confusion(
                epoch.confusion, names, max(20, self.size.width - 6), self.size.height - 4, self.app.current_theme
            )
        )


def _keys(**words: str) -> str:
    """Return the hint at the foot: what a page adds, then turning the pages (or what it has instead) and back."""
    turning = {} if "down" in words else {"page": "other pictures"}
    return hint(PicturesView, **words, **turning, back="back")


def image_caption(shown: PictureSaved | None, image: int, known: int | None, request: FeatureMapRequest) -> Content:
    """Which image it is, its true class, and what the model says with its share."""
    lines = [Content.assemble(("image ", MUTED), str(image), (f" of 0 to {count(known - 1)}" if known else "", MUTED))]
    if shown is not None and shown.names and shown.names[0] != f"validation {image}":
        lines.append(Content.styled(tail_of(shown.names[0]), MUTED))
    if shown is not None and shown.truth:
        lines.append(Content.assemble(("true class ", MUTED), (clean(shown.truth), "bold")))
    if shown is not None and shown.said:
        tone = "$text-success" if shown.said == shown.truth else "$text-error" if shown.truth else ""
        share = f" {percent(shown.share)}" if shown.share is not None else ""
        lines.append(Content.assemble(("model says ", MUTED), (f"{clean(shown.said)}{share}", f"bold {tone}")))
    if request.waiting:
        lines.append(Content.styled("looking…", "bold $text-warning"))
    elif request.message:
        lines.append(Content.styled(request.message, "$text-warning"))
    return Content("\n").join(lines)


def no_pictures(history: History) -> str:
    """Say why there is no picture: not yet, or never."""
    if history.state() in ("starting", "running", "paused"):
        return "No pictures yet: the first come with an epoch's end, at the latest with the run's."
    return "No pictures: the run ended before it made any, or its recipe asks for none."
