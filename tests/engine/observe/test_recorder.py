"""When training steps reach the log: in records of at most 1,000, or 100 ms, and before any other record."""

from __future__ import annotations

from pathlib import Path

import msgspec
import torch
from torch import nn

import cvtui
from cvtui.runlog.events import AnyRecord, Log, Steps


def test_steps_are_written_a_thousand_at_most_and_before_any_other_record(tmp_path: Path) -> None:
    model = nn.Linear(4, 2)
    with cvtui.watch(model, torch.optim.SGD(model.parameters(), 0.1), name="own", every=0, runs=tmp_path) as run:
        for number in range(2500):
            run.step(loss=1.0 + number)
        run.log("after 2,500")
        run.step(loss=7.0)
    records = [msgspec.json.decode(line, type=AnyRecord) for line in run.folder.events.read_bytes().splitlines()]
    steps = [record for record in records if isinstance(record, Steps)]
    assert [value for record in steps for value in record.loss] == [*(1.0 + number for number in range(2500)), 7.0]
    assert [record.first for record in steps] == [sum(len(each.loss) for each in steps[:n]) for n in range(len(steps))]
    assert max(len(record.loss) for record in steps) <= 1000
    place = next(n for n, record in enumerate(records) if isinstance(record, Log) and record.text == "after 2,500")
    assert sum(len(record.loss) for record in records[:place] if isinstance(record, Steps)) == 2500
