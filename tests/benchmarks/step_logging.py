"""What a step's logging costs in the training process: `python -m tests.benchmarks.step_logging`.

Budgets: 20 µs a step, and 40 bytes a step on disk for loss, rate and accuracy.

`engine` is what our own loop spends: loss, logits, labels and the norm of six gradients are kept on the device, and
worked out, rounded, encoded and written once in 1,000 steps or 100 ms. `writer` is the log alone, with numbers that are
there; beside it one `json.dumps` and one write a step, as a simple logger does it, TensorBoard and W&B,
where they are.
CPU time, the least of seven rounds.
"""

from __future__ import annotations

import json
import math
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from cvtui.runlog.commands import CommandReader
from cvtui.runlog.events import Steps
from cvtui.runlog.folder import RunFolder
from cvtui.runlog.writer import EventWriter

STEPS = 20_000
ROUNDS = 7


def least(work: Callable[[], int]) -> float:
    """µs a step of the quickest of some rounds; `work` gives its number of steps."""
    found = []
    for _ in range(ROUNDS):
        begun = time.process_time()
        steps = work()
        found.append((time.process_time() - begun) / steps * 1e6)
    return min(found)


def writer(base: Path) -> float:
    def work() -> int:
        folder = RunFolder.create(base, f"writer{time.monotonic_ns()}", "")
        with EventWriter(folder) as out:
            for first in range(0, STEPS, 100):
                steps = range(first, first + 100)
                out.write(
                    Steps(
                        first=first, loss=[1 / (step + 1) for step in steps], lr=[0.1] * 100, accuracy=[0.5] * 100,
                        grad_norm=[2.345] * 100, seconds=[step * 0.003 for step in steps],
                    )
                )  # fmt: skip
        return STEPS

    return least(work)


def simple(base: Path) -> float:
    def work() -> int:
        with open(base / "simple.jsonl", "w", buffering=1) as file:
            for step in range(STEPS):
                record = {"step": step, "loss": 1 / (step + 1), "lr": 0.1, "accuracy": 0.5, "grad_norm": 2.345}
                file.write(json.dumps(record) + "\n")
        return STEPS

    return least(work)


def tensorboard(base: Path) -> float | None:
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        return None

    def work() -> int:
        with SummaryWriter(base / "tensorboard") as out:
            for step in range(1000):
                out.add_scalar("loss", 1 / (step + 1), step)
                out.add_scalar("lr", 0.1, step)
                out.add_scalar("accuracy", 0.5, step)
        return 1000

    return least(work)


def wandb(base: Path) -> tuple[float, float] | None:
    """W&B offline: µs a step (on the wall: most of it is another process's), and bytes a step."""
    try:
        import wandb
    except ImportError:
        return None
    settings = wandb.Settings(silent=True, console="off", x_disable_stats=True)
    run = wandb.init(mode="offline", dir=str(base), project="x", settings=settings)
    found = []
    for number in range(ROUNDS):
        begun = time.perf_counter()
        for step in range(number * 1000, number * 1000 + 1000):
            run.log({"loss": 1 / (step + 1), "lr": 0.1, "accuracy": 0.5})
        found.append((time.perf_counter() - begun) * 1000)
    run.finish()
    size = sum(path.stat().st_size for path in base.glob("wandb/**/*.wandb") if not path.is_symlink())
    return min(found), size / (ROUNDS * 1000)


def engine(base: Path) -> tuple[float, float]:
    """Measure µs of logging, and of the gradients' norm.

    By the recorder of a real training, told of steps that cost nothing.
    """
    import torch

    from cvtui.engine.observe.layer_watch import LayerWatch
    from cvtui.engine.observe.recorder import StepRecorder
    from cvtui.engine.train.preparation import prepare
    from cvtui.recipe.recipe import Recipe
    from cvtui.recipe.toml import dumps
    from cvtui.recipe.validation import check

    recipe = Recipe(net="conv4-relu-conv4-relu-fc", threads=1, device="cpu", batch_size=32)
    training = prepare(check(recipe))
    folder = RunFolder.create(base, "engine", dumps(recipe))
    logits, labels, loss = torch.randn(32, 10), torch.randint(10, (32,)), torch.tensor(0.123456789)
    for parameter in training.model.parameters():
        parameter.grad = torch.ones_like(parameter)
    with EventWriter(folder) as out:
        recorder = StepRecorder(out, training, LayerWatch(training.model, training.optimizer, 0))

        recorder.norm._take_norm(training.optimizer)
        norm = recorder.norm.whole

        def work() -> int:
            for number in range(5_000):
                recorder.norm._norm = norm
                training.step += 1
                recorder.step(0.001 + training.step * 1e-9, loss, logits=logits, labels=labels)
                if number % 100 == 99:  # 100 ms of steps of 1 ms
                    recorder.flush()
            return 5_000

        def measure() -> int:
            for _ in range(5_000):
                recorder.norm._take_norm(training.optimizer)
            return 5_000

        found = least(work), least(measure)
        recorder.close()
    return found


def bytes_on_disk(base: Path, name: str, rate: Callable[[int], float]) -> float:
    """Of loss, rate and accuracy alone, a step, in records of 100."""
    folder = RunFolder.create(base, name, "")
    with EventWriter(folder) as out:
        for first in range(0, 10_000, 100):
            steps = range(first, first + 100)
            out.write(
                Steps(
                    first=first,
                    loss=[float(f"{math.exp(-step / 3e3) + 0.0123:.9g}") for step in steps],
                    lr=[float(f"{rate(step):.7g}") for step in steps],
                    accuracy=[float(f"{(step * 7 % 33) / 32:.6g}") for step in steps],
                )
            )
    return folder.events.stat().st_size / 10_000


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        base = Path(name)
        logging, norm = engine(base)
        print(f"engine      {logging:6.2f} µs a step (budget 20); measuring the norm of six gradients {norm:.2f} µs")
        print(f"writer      {writer(base):6.2f} µs")
        print(f"json.dumps  {simple(base):6.2f} µs")
        board = tensorboard(base)
        print("TensorBoard not installed" if board is None else f"TensorBoard {board:6.2f} µs (three scalars)")
        weights = wandb(base)
        words = "not installed" if weights is None else f"{weights[0]:6.2f} µs, {weights[1]:.0f} bytes a step (offline)"
        print(f"W&B         {words}")
        reader = CommandReader(RunFolder.create(base, "commands", "").commands)
        begun = time.perf_counter()
        for _ in range(10_000):
            reader.poll()
        print(f"asking for commands {(time.perf_counter() - begun) * 100:.2f} µs, 20 times a second")
        constant = bytes_on_disk(base, "constant", lambda _: 0.005)
        cosine = bytes_on_disk(base, "cosine", lambda step: 0.0025 * (1 + math.cos(step / 5000)))
        print(f"on disk     {constant:.1f} bytes a step at a constant rate, {cosine:.1f} with a cosine (budget 40)")


if __name__ == "__main__":
    main()
