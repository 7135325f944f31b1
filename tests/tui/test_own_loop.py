"""The screen on a loop that said neither how far it goes nor how many images a step has."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import nn

import cvtui
from cvtui.tui.app import CvtuiApp
from cvtui.tui.live.live_view import LiveView
from cvtui.tui.panes.foretold import Ahead, foretell
from cvtui.tui.panes.header import RunHeader
from tests.waiting import wait_until_async


async def test_no_percentage_and_no_schedule_where_nobody_knows_the_end(tmp_path: Path) -> None:
    model = nn.Sequential(nn.Flatten(), nn.Linear(4, 2))
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    with cvtui.watch(model, optimizer, name="own", runs=tmp_path) as run:
        for _ in range(30):
            loss = model(torch.ones(1, 4)).sum()
            loss.backward()
            optimizer.step()
            run.step(loss=loss)
        run._journal.flush()
        app = CvtuiApp(runs=tmp_path, attach=run.folder.path, warm=False)
        async with app.run_test(size=(80, 24)):
            await wait_until_async(lambda: app.screen.query(LiveView) and app.screen.query_one(LiveView).alive)
            first, second = app.screen.query_one(RunHeader).text.splitlines()
            assert "step 30 · for" in first
            assert "left" not in first
            assert "steps/s" in second
            assert "images/s" not in second
            assert "%" not in second.partition("watching costs")[0]
            history = app.screen.query_one(LiveView).history
            assert all(len(part) == 0 for part in Ahead(foretell(history))(history))
