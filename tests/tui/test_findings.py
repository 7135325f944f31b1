"""The Doctor pane on real runs that are ill on purpose, and on a healthy one."""

from __future__ import annotations

from pathlib import Path

import pytest
from textual.widgets import Input

from cvtui.doctor import examine
from cvtui.doctor.pages import apart
from cvtui.engine.train.control import Signals
from cvtui.engine.worker import train_folder
from cvtui.runlog.folder import RunFolder
from cvtui.tui.app import CvtuiApp
from cvtui.tui.panes.findings import FindingsPane
from cvtui.tui.train import LiveView
from cvtui.tui.train.finding_modal import FindingModal, changes_of
from cvtui.tui.train.fork_modal import ForkModal, parse_changes
from tests.engine.making import folder, history
from tests.waiting import wait_until_async


@pytest.fixture(scope="module")
def wild(tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    run = folder(
        tmp_path_factory.mktemp("ill"), "wild", net="fc32-relu-fc", optimizer="momentum", lr=3.0, weight_decay=0.0,
        epochs=3, schedule="constant",
    )  # fmt: skip
    train_folder(run.path, Signals())
    return run


async def opened(app: CvtuiApp) -> LiveView:
    await wait_until_async(lambda: list(app.screen.query(LiveView)), what="the run")
    view = app.screen.query_one(LiveView)
    await wait_until_async(lambda: view.history.end is not None, what="its end")
    return view


@pytest.mark.parametrize("size", [(80, 24), pytest.param((160, 45), marks=pytest.mark.long)])
async def test_a_finding_with_its_evidence_and_its_cure(wild: RunFolder, size: tuple[int, int]) -> None:
    root = examine(history(wild))[0]
    assert root.cure, "the rate"
    app = CvtuiApp(runs=wild.path.parent, attach=wild.path, prewarm=False)
    async with app.run_test(size=size) as pilot:
        view = await opened(app)
        await wait_until_async(lambda: view.view.findings, what="a finding")
        assert "fault" in view.header.text
        view.show_pane("doctor")
        pane = view.pane("doctor")
        assert isinstance(pane, FindingsPane)
        await wait_until_async(lambda: root.name in pane.text, what="its name")
        assert root.sentence in pane.text
        await pilot.press("enter")
        await wait_until_async(lambda: isinstance(app.screen, FindingModal), what="why")
        assert isinstance(app.screen, FindingModal)
        told = "\n".join(line.plain for line in app.screen.lines())
        assert root.source in told
        assert apart(root.id) in [line.plain for line in app.screen.neighbours()]
        assert changes_of(root.cure) in told
        await pilot.press("h")
        await wait_until_async(lambda: view.view.cursor == max(root.step, 0), what="the cursor at its step")
        await pilot.press("end")
        view.show_pane("doctor")
        pane.list.focus()
        every = pane.list.findings
        await pilot.press("slash", *root.name)
        await wait_until_async(lambda: len(pane.list.findings) < len(every), what="the findings of that name")
        assert pane.list.finding == root
        await pilot.press("ctrl+u", *"nowhere", "enter")
        await wait_until_async(lambda: not pane.list.findings, what="none of them")
        assert pane.text == ""  # not: no problems found
        await pilot.press("escape")
        assert pane.list.findings == every
        await pilot.press("f")
        await wait_until_async(lambda: isinstance(app.screen, ForkModal), what="the fork")
        typed = app.screen.query_one("#fork-changes", Input).value
        assert parse_changes(typed) == {name: str(value) for name, value in root.cure.items()}
        await pilot.press("escape")


async def test_the_test_of_the_first_finding_has_a_key_of_its_own(wild: RunFolder) -> None:
    app = CvtuiApp(runs=wild.path.parent, attach=wild.path, prewarm=False)
    async with app.run_test(size=(80, 24)) as pilot:
        view = await opened(app)
        await wait_until_async(lambda: any(one.test == "rate/10" for one in view.view.findings), what="a finding")
        await pilot.press("T")
        await wait_until_async(lambda: isinstance(app.screen, ForkModal), what="the fork at a tenth of the rate")
        assert "epochs=1" in app.screen.query_one("#fork-changes", Input).value


async def test_a_healthy_run_is_said_to_be_so(tmp_path: Path) -> None:
    run = folder(tmp_path, "well", net="conv8-relu-pool-fc", epochs=4)
    assert train_folder(run.path, Signals()) == 0
    app = CvtuiApp(runs=tmp_path, attach=run.path, prewarm=False)
    async with app.run_test(size=(120, 40)) as pilot:
        view = await opened(app)
        view.show_pane("doctor")
        await pilot.pause()
        assert not [one for one in view.view.findings if one.severity != "note"]
        assert "fault" not in view.header.text


def test_a_cure_is_typed_as_changes() -> None:
    cure = {"lr": 0.01, "augment": "flip, crop(4)", "init": "he"}
    assert parse_changes(changes_of(cure)) == {"lr": "0.01", "augment": "flip, crop(4)", "init": "he"}
