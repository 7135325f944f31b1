"""What fits in place of each `?` of a net in the Calc place."""

from __future__ import annotations

from textual.content import Content
from textual.widget import Widget

from cvtui.calc import size_text
from cvtui.calc.pooling_windows import same_padding
from cvtui.calc.solve import Answer, Fit
from cvtui.tui.widgets import MUTED


class Solved(Widget):
    """What fits in place of each `?`."""

    DEFAULT_CSS = "Solved { height: auto; width: 1fr; margin-left: 10; display: none; }"

    def __init__(self, *, id: str) -> None:  # noqa: A002
        super().__init__(id=id)
        self._answers: list[Answer] = []

    def show(self, answers: list[Answer]) -> None:
        self._answers = answers
        self.display = bool(answers)
        self.refresh(layout=True)

    def render(self) -> Content:
        return Content("\n").join(line.truncate(max(1, self.size.width), ellipsis=True) for line in self.lines())

    def lines(self) -> list[Content]:
        """Return two lines for each `?`: how many settings fit, and the first of them."""
        lines = []
        for answer in self._answers[:2]:
            fits = ", ".join(f"{setting(fit)} → {size_text(fit.output)}" for fit in answer.fits[:6])
            more = f" … ({len(answer.fits)})" if len(answer.fits) > 6 else ""
            lines += [Content.styled(answer.summary, MUTED), Content(f"{fits}{more}")]
        return lines


def setting(fit: Fit) -> str:
    """Return F, S and P of a conv, each once where both axes have the same."""
    f, s, p = (
        size_text(pair) if pair[0] != pair[1] else f"{pair[0]}"
        for pair in (_known(fit.node.size), _known(fit.node.stride), _padding(fit))
    )
    return f"F{f} S{s} P{p}"


def _known(pair: tuple[int | None, int | None]) -> tuple[int, int]:
    return pair[0] or 0, pair[1] or 0


def _padding(fit: Fit) -> tuple[int, int]:
    if fit.node.padding is not None:
        return _known(fit.node.padding)
    size, dilation = _known(fit.node.size), fit.node.dilation
    return same_padding(size[0], dilation[0]), same_padding(size[1], dilation[1])
