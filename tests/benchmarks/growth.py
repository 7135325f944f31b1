"""What costs grow with: `python -m tests.benchmarks.growth [--quick]`. Nothing may grow worse than in proportion.

    steps        opening a run's log, and a poll that finds 30 new steps (which must not grow), 10^3 to 10^7 (10^6)
    layers       a step of a net of 10 to 1,000 layers; a sample of all its layers; its record; the calculator
    image        a step per pixel, 16x16 to 128x128
    batch        a step per image, 8 to 512
    data set     gathering a batch, and the order of an epoch, 10^3 to 10^6 images

Each figure is the least of some rounds (what a quiet machine would take); one thread.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from cvtui.runlog.events import Steps
from cvtui.runlog.folder import RunFolder
from cvtui.runlog.history import History
from cvtui.runlog.writer import EventWriter

RECORD = 30
"""Steps a record: those of 100 ms at 300 steps a second."""


def least(work: Callable[[], Any], rounds: int = 5, seconds: float = 0.0) -> float:
    """Seconds of the quickest of `rounds` runs; each is repeated so that it lasts `seconds`."""
    begun = time.perf_counter()
    work()
    once = time.perf_counter() - begun
    repeats = max(1, int(seconds / max(once, 1e-7)))
    found = [once] if repeats == 1 else []
    for _ in range(rounds):
        begun = time.perf_counter()
        for _ in range(repeats):
            work()
        found.append((time.perf_counter() - begun) / repeats)
    return min(found)


def shown(seconds: float) -> str:
    for unit, size in (("s", 1.0), ("ms", 1e-3), ("µs", 1e-6)):
        if seconds >= size:
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds / 1e-9:.0f} ns"


def table(title: str, heads: list[str], rows: list[list[str]]) -> None:
    print(f"\n| {title} | {' | '.join(heads)} |")
    print("| --- |" + " ---: |" * len(heads))
    for row in rows:
        print(f"| {' | '.join(row)} |", flush=True)


def steps(quick: bool) -> None:
    rows = []
    for power in range(3, 7 if quick else 8):
        count = 10**power
        with tempfile.TemporaryDirectory() as base:
            folder = RunFolder.create(Path(base), "long", "")
            with EventWriter(folder) as writer:
                grow(writer, 0, count)
                size = folder.events.stat().st_size
                history = History(folder)
                opened = least(partial(lambda folder: History(folder).poll(), folder), rounds=1 if power > 6 else 3)
                history.poll()
                polls = []
                for number in range(20):
                    grow(writer, count + number * RECORD, count + (number + 1) * RECORD)
                    begun = time.perf_counter()
                    assert history.poll()
                    polls.append(time.perf_counter() - begun)
        rows.append(
            [f"10^{power}", f"{size / 1e6:.3g} MB", shown(opened), shown(opened / count), shown(sorted(polls)[10])]
        )
    table("steps", ["log", "opened in", "a step", "a poll of 30 new ones"], rows)


def grow(writer: EventWriter, first: int, end: int) -> None:
    for at in range(first, end, RECORD):
        count = min(RECORD, end - at)
        losses: list[float | None] = [0.123456789 + 1.0 / (1 + at + i) for i in range(count)]
        writer.write(
            Steps(
                first=at, loss=losses, lr=[0.001 + (at + i) * 1e-12 for i in range(count)],
                accuracy=[0.984375] * count, grad_norm=losses, seconds=[(at + i) * 0.0031 for i in range(count)],
            )
        )  # fmt: skip


class Trainer:
    """The engine's own parts in this process, without data of its own: a step on given images."""

    def __init__(self, net: str, side: int, batch: int) -> None:
        import torch

        from cvtui.calc import trace
        from cvtui.calc.net.parser import parse
        from cvtui.engine.nn.model import Net
        from cvtui.engine.observe.layer_watch import LayerWatch
        from cvtui.engine.optim.fused_adam import AdamW

        torch.set_num_threads(1)
        torch.manual_seed(0)
        self.table = trace(parse(net), (side, side, 3), 10)
        self.model = Net(self.table).to(memory_format=torch.channels_last)
        self.optimizer = AdamW([{"params": list(self.model.parameters())}], fused=True)
        self.watch = LayerWatch(self.model, self.optimizer, 1)
        self.images = torch.randn(batch, 3, side, side).to(memory_format=torch.channels_last)
        self.labels = torch.randint(10, (batch,))
        self.number = 0

    def step(self) -> None:
        from torch.nn import functional

        loss = functional.cross_entropy(self.model(self.images), self.labels)
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()

    def sampled(self) -> Any:
        self.watch.begin(self.number)
        self.step()
        self.watch.end()
        return self.watch.take()


def layers(quick: bool) -> None:
    import msgspec

    from cvtui.calc import trace
    from cvtui.calc.net.parser import parse

    rows = []
    for count in (10, 30, 100, 300) if quick else (10, 30, 100, 300, 1000):
        net = f"[conv8-relu]*{count // 2}-gap-fc"
        trainer = Trainer(net, 8, 16)
        trainer.step()
        plain = least(trainer.step, rounds=3, seconds=0.2)
        sampled = least(trainer.sampled, rounds=3, seconds=0.2)
        size = len(msgspec.json.encode(trainer.sampled()[0]))
        calculated = least(partial(lambda net: trace(parse(net), (8, 8, 3), 10), net), rounds=3, seconds=0.1)
        rows.append(
            [f"{count}", shown(plain), shown(plain / count), shown((sampled - plain) / count), f"{size / count:.0f} B",
             shown(calculated / count)]
        )  # fmt: skip
    table("layers", ["a step", "a layer", "watching, a layer", "record, a layer", "calculating, a layer"], rows)


def sizes(quick: bool) -> None:
    net = "[(conv16-relu)*2-pool]*2-fc"
    rows = []
    for side in (16, 32, 64) if quick else (16, 32, 64, 128):
        trainer = Trainer(net, side, 16)
        plain, sampled = least(trainer.step, 3, 0.3), least(trainer.sampled, 3, 0.3)
        rows.append([f"{side}x{side}", shown(plain), shown(plain / side**2), f"{sampled / plain:.2f} x"])
    table("image", ["a step", "a pixel", "a sampled step"], rows)
    rows = []
    for batch in (8, 32, 128) if quick else (8, 32, 128, 512):
        trainer = Trainer(net, 32, batch)
        plain, sampled = least(trainer.step, 3, 0.3), least(trainer.sampled, 3, 0.3)
        rows.append([f"{batch}", shown(plain), shown(plain / batch), f"{sampled / plain:.2f} x"])
    table("batch", ["a step", "an image", "a sampled step"], rows)


def data_set(quick: bool) -> None:
    import torch

    from cvtui.engine.data.batching import epoch_order

    rows = []
    for power in range(3, 6 if quick else 7):
        count = 10**power
        pixels = torch.zeros(count, 8, 8, 1, dtype=torch.uint8)
        order = epoch_order(count, 0, 1)
        gathered = least(partial(lambda pixels, order: pixels.index_select(0, order[:64]), pixels, order), 5, 0.05)
        ordered = least(partial(epoch_order, count, 0, 1), 3, 0.05)
        rows.append([f"10^{power}", shown(gathered), shown(ordered), shown(ordered / count)])
    table("images", ["a batch of 64", "an epoch's order", "an image"], rows)


def main() -> None:
    quick = "--quick" in sys.argv[1:]
    for part in (steps, layers, sizes, data_set):
        part(quick)


if __name__ == "__main__":
    main()
