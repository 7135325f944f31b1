"""Window on a job: its command, a bar, its output, and cancelling it."""

from __future__ import annotations

from textwrap import TextWrapper
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.widgets import Button, Static

from cvtui.text import clean, duration
from cvtui.tui.jobs.job import Job
from cvtui.tui.widgets import MUTED
from cvtui.tui.widgets.bindings import hint
from cvtui.tui.widgets.modal import BoxModal
from cvtui.tui.widgets.scroll import Scroll

POLL_SECONDS = 0.2
BAR = 40


class JobView(BoxModal[None]):
    """Shows a job while it runs and when it is over. Leaving it lets the job go on; `J` shows it again."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,enter", "dismiss(None)", "Back"),
        Binding("x", "cancel", "Stop", tooltip="Cancel the job"),
    ]
    DEFAULT_CSS = """
    JobView {
        & > .box { width: 92%; max-width: 124; }
        & #job-output { height: auto; max-height: 60%; margin-top: 1; }
        & #job-text { width: auto; }
        & #job-output { overflow-x: auto; }
    }
    """

    def __init__(self, job: Job) -> None:
        super().__init__()
        self.job = job
        self._shown = ""
        self._turn = 0

    def compose(self) -> ComposeResult:
        with Vertical(classes="box") as box:
            box.border_title = clean(self.job.title)
            yield Static(clean(self.job.command), classes="quiet", markup=False)
            yield Static("", id="job-state")
            with Scroll(id="job-output"):
                yield Static("", id="job-text", markup=False)
            with Horizontal(classes="buttons"):
                yield Button("Cancel the job (x)", id="job-cancel", variant="warning", compact=True)
                yield Button("Back", id="job-back", variant="primary", compact=True)

    def on_mount(self) -> None:
        self.query_one("#job-output").focus()  # arrows scroll it
        self._timer = self.set_interval(POLL_SECONDS, self._poll)
        self._poll()

    def _poll(self) -> None:
        job = self.job
        running = job.poll()
        self._turn += 1
        self.query_one("#job-state", Static).update(state_line(job, self._turn))
        text = job.output
        if text != self._shown:
            self._shown = text
            self._show()
        box = self.query_one(".box", Vertical)
        box.border_subtitle = (
            hint(JobView, cancel="cancel", dismiss="back, it continues") if running else hint(JobView, dismiss="back")
        )
        self.query_one("#job-cancel", Button).display = running
        if not running:
            self._timer.stop()
            self.refresh_bindings()

    def check_action(self, action: str, _parameters: tuple[object, ...]) -> bool | None:
        """Leave out the key that stops a job once it is over."""
        return action != "cancel" or self.job.running

    def on_resize(self) -> None:
        self.call_after_refresh(self._show)

    def _show(self) -> None:
        place = self.query_one("#job-output", Scroll)
        width = place.scrollable_content_region.width
        self.query_one("#job-text", Static).update(Content(wrapped(self._shown, width)))
        if not self.job.from_top:
            place.scroll_end(animate=False)

    @on(Button.Pressed, "#job-cancel")
    def action_cancel(self) -> None:
        self.job.cancel()
        self._poll()

    @on(Button.Pressed, "#job-back")
    def _back(self) -> None:
        self.dismiss(None)


def wrapped(text: str, width: int) -> str:
    """Wrap the lines that are longer than the window: sentences, since a table has been made for its width."""
    lines = []
    for line in text.splitlines():
        margin = line[: len(line) - len(line.lstrip())]
        wrap = TextWrapper(
            max(20, width), subsequent_indent=margin, break_on_hyphens=False, break_long_words=False, tabsize=1
        )
        lines.append(wrap.fill(line) if len(line) > width else line)
    return "\n".join(lines)


def state_line(job: Job, turn: int = 0) -> Content:
    """Return the bar of a running job, or how it ended."""
    if job.running:
        told = job.share
        if job.cancelled:
            return Content.styled("cancelling … (x again ends it at once)", "$text-warning")
        if told is None:  # how far it is, it doesn't say
            at = turn % BAR
            bar = "╌" * at + "━━━━" + "╌" * BAR
            return Content.assemble((bar[:BAR], "$text-primary"), (f"  {duration(job.seconds)}", MUTED))
        share, words = told
        filled = round(share * BAR)
        bar = "━" * filled + "╌" * (BAR - filled)
        return Content.assemble(
            (f"{bar} {share:4.0%}", "$text-primary"), (f"  {words}  {duration(job.seconds)}", MUTED)
        )
    if job.ended_well:
        return Content.styled(f"✓ done in {duration(job.seconds)}", "$text-success")
    if job.cancelled:
        return Content.styled(f"✗ cancelled after {duration(job.seconds)}", "$text-warning")
    return Content.styled(f"✗ ended with exit code {job.code} after {duration(job.seconds)}", "$text-error")
