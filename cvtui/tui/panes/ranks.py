"""The ranks pane: the step of each process that trains along, its own work against its waits, and who is slow."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual.app import ComposeResult
from textual.content import Content

from cvtui.runlog.ranks import KEPT_STEPS, straggler, verdict
from cvtui.text import binary_size, clean, count, counted, duration, percent
from cvtui.tui.panes.pane import Pane
from cvtui.tui.panes.styled_lines import StyledLine, StyledLines
from cvtui.tui.panes.view_state import ViewState
from cvtui.tui.widgets import MUTED

if TYPE_CHECKING:
    from cvtui.runlog.history import History
    from cvtui.runlog.ranks import Rank

SLOW = "bold $text-warning"
HEADING = f"{'rank':>6} {'median':>9} {'worst':>9} {'data':>6} {'work':>6} {'others':>6} {'rest':>6}"
LEGEND = "data: waits for its batch · work: computes and updates · others: waits for them · rest: log, all else"


class RanksPane(Pane):
    NAME = "ranks"
    KEY = "K"
    TITLE = "Ranks"

    def compose(self) -> ComposeResult:
        yield StyledLines()

    @property
    def text(self) -> str:
        return self.query_one(StyledLines).text

    def has_content(self, history: History) -> bool:
        """Return True for a run of several processes."""
        return bool(history.ranks.ranks)

    def key(self, history: History, _view: ViewState) -> object:
        return (id(history.ranks), history.ranks.version)

    def draw(self, history: History, _view: ViewState) -> None:
        ranks = history.ranks.ranks
        slow = straggler(ranks)
        steps = max((len(rank.steps) for rank in ranks), default=0)
        told = Content.styled(verdict(ranks), MUTED) if slow is None else Content.styled(f"▲ {slow.sentence}", SLOW)
        lines = [_plain(told), _plain(Content.styled(HEADING, MUTED))]
        lines += [_row(rank, slow is not None and slow.rank == rank.started.rank) for rank in ranks]
        lines.append(_plain(Content.styled(LEGEND, MUTED)))
        lines += [_where(rank) for rank in ranks]
        if ranks and (missing := ranks[0].started.world_size - len(ranks)) > 0:
            lines.append(
                _plain(
                    Content.styled(f"{missing} of {count(ranks[0].started.world_size)} ranks recorded nothing", MUTED)
                )
            )
        self.query_one(StyledLines).set_lines(lines)
        last = "the last " if steps >= KEPT_STEPS else ""
        self.set_subtitle(f"{last}{counted(steps, 'step')} · all: cvtui ranks")


def _plain(body: Content) -> StyledLine:
    return StyledLine(Content(""), body)


def _row(rank: Rank, slow: bool) -> StyledLine:
    worst = rank.worst()
    found = rank.shares()
    shares = (found.data, found.work, found.others, found.rest)
    times = f"{_time(rank.median(lambda step: step.seconds))} {_time(None if worst is None else worst[1])}"
    text = f"{'▲' if slow else ' '}{rank.started.rank:>5} {times} " + " ".join(
        f"{'–' if one is None else percent(one, 0):>6}" for one in shares
    )
    return _plain(Content.styled(text, "$text-warning") if slow else Content(text))


def _time(seconds: float | None) -> str:
    if seconds is None:
        return f"{'–':>9}"
    return f"{duration(seconds, decimal=True) if seconds >= 10 else f'{1000 * seconds:,.1f} ms':>9}"


def _where(rank: Rank) -> StyledLine:
    started, images = rank.started, rank.median(lambda step: step.images)
    facts = [
        started.device,
        f"{images:g} images a step" if images else "",
        binary_size(rank.memory) if rank.memory else "",
    ]
    worst = rank.worst()
    facts += [f"worst step {count(worst[0])}" if worst is not None else "", f"{started.host}, process {started.pid}"]
    return StyledLine(
        Content.styled(f"{started.rank:>6} ", MUTED), Content.styled(clean(" · ".join(filter(None, facts))), MUTED)
    )
