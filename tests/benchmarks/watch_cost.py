"""What watching costs a training: `python -m tests.benchmarks.watch_cost [--pairs N] [--steps N]`.

The same steps of the same net with `cvtui.watch` (every tenth step sampled) and without, turn by turn, so that a
machine that gets busier or hotter does so for both; the ratio is that of the medians of a block's time. Beside it what
the screen of the watched run says ("monitoring overhead 1.2 %"): samples, their records and the doctor's look at
them; the log of the steps themselves and the gradients' norm come on top.

Two figures each: `early`, the first samples (every tenth step, as the budget allows), and `steady`, once samples also
keep their distance in time (see FREE_SAMPLES in watch_budget.py). What the screen says belongs to `early`.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import nn

import cvtui
from cvtui.engine.observe.watch_budget import FREE_SAMPLES
from cvtui.engine.train.preparation import make_net
from cvtui.recipe.recipe import Recipe
from cvtui.recipe.validation import check
from cvtui.runlog.history import History

EVERY = 10
COMPILED = False
"""Both models run through torch.compile (`--compile`)."""


class Cost(NamedTuple):
    step: float
    """Milliseconds of a step without."""
    early: float
    steady: float
    """Time with / time without − 1."""
    said: float
    """What the screen says at the end of `early`."""


class Contender:
    """A net in training, on data drawn once; `block` trains some steps, told to `run` where it is watched."""

    def __init__(self, make: Callable[[], nn.Module], images: torch.Tensor, classes: int, device: torch.device) -> None:
        torch.manual_seed(0)
        self.model = make().to(device)
        if COMPILED:
            self.model.compile()
        self.optimizer = torch.optim.SGD(self.model.parameters(), 0.01, momentum=0.9)
        self.images = images.to(device)
        self.labels = (torch.arange(len(images)) % classes).to(device)
        self.device = device

    def block(self, steps: int, run: Any = None) -> float:
        """Seconds of so many steps.

        Of the CPU where one thread computes (other programs don't count), else by the clock.
        """
        clock = time.process_time if self.device.type == "cpu" and torch.get_num_threads() == 1 else time.perf_counter
        begun = clock()
        for _ in range(steps):
            loss = nn.functional.cross_entropy(self.model(self.images), self.labels)
            self.optimizer.zero_grad()
            loss.backward()
            self.optimizer.step()
            if run is not None:
                run.step(loss=loss)
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)
        return clock() - begun


def measure(
    make: Callable[[], nn.Module], images: torch.Tensor, classes: int, device: torch.device, pairs: int, steps: int
) -> Cost:
    """`pairs` blocks of `steps` steps of each, interleaved, while every tenth step is sampled; and as many again."""
    plain, watched = (Contender(make, images, classes, device) for _ in range(2))
    for contender in (plain, watched):
        contender.block(max(2, steps // 5))
    times: dict[str, list[float]] = {"plain": [], "early": [], "steady": []}
    with (
        tempfile.TemporaryDirectory() as base,
        cvtui.watch(watched.model, watched.optimizer, every=EVERY, runs=base, name="cost") as run,
    ):
        watched.block(EVERY, run)  # the doctor's probe looks at the first five steps
        for phase in ("early", "steady"):
            if phase == "steady":
                run._recorder.watch.budget._count = FREE_SAMPLES  # those that keep no distance are taken
                said = _told(run)
            for number in range(pairs):
                turns = [("plain", plain, None), (phase, watched, run)]
                for name, contender, told in turns if number % 2 else reversed(turns):
                    begun = time.perf_counter()
                    times[name].append(contender.block(steps, told))
                    if told is None:  # the watched loop stood still meanwhile
                        run._recorder.watch.exclude_time(time.perf_counter() - begun)
    median = {name: statistics.median(found) for name, found in times.items()}
    early, steady = (median[phase] / median["plain"] - 1 for phase in ("early", "steady"))
    return Cost(1000 * median["plain"] / steps, early, steady, said)


def _told(run: Any) -> float:
    """Return the cost of the watched trainer that the screen tells now."""
    run._recorder.flush()
    history = History(run.folder)
    history.poll()
    sample = history.latest_layers
    return sample.watch_cost if sample is not None and sample.watch_cost is not None else float("nan")


def resnet() -> nn.Module:
    import torchvision

    model: nn.Module = torchvision.models.resnet18(weights=None, num_classes=10)
    return model


def default_net() -> nn.Module:
    return make_net(check(Recipe()))


def main() -> None:
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words.add_argument("--pairs", type=int, default=7, help="blocks of each (7)")
    words.add_argument("--steps", type=int, default=0, help="steps of a block (10 of ResNet-18, 200 of the other)")
    words.add_argument("--device", default="cpu")
    words.add_argument("--compile", action="store_true", help="both through torch.compile (inductor)")
    words.add_argument("--nets", default="resnet18,default", help="of resnet18 and default (both)")
    asked = words.parse_args()
    global COMPILED
    COMPILED = asked.compile
    device = torch.device(asked.device)
    facts = check(Recipe()).data
    assert len(facts.size) == 3
    high, wide, channels = facts.size
    batch = Recipe().batch_size
    nets = {
        "resnet18, 32 x 3x32x32": (resnet, torch.randn(32, 3, 32, 32), 10, asked.steps or 10),
        f"default net, {batch} x {channels}x{high}x{wide}": (
            default_net, torch.randn(batch, channels, high, wide), len(facts.classes), asked.steps or 200,
        ),
    }  # fmt: skip
    print(f"torch {torch.__version__}, {torch.get_num_threads()} threads, {device}; every {EVERY}th step is sampled")
    print(f"{'':<28}{'step':>10}{'early':>10}{'steady':>10}{'the screen says':>18}")
    for name, (make, images, classes, steps) in nets.items():
        if name.partition(" ")[0].rstrip(",") not in asked.nets.split(","):
            continue
        cost = measure(make, images, classes, device, asked.pairs, steps)
        print(f"{name:<28}{cost.step:>7.2f} ms{cost.early:>10.1%}{cost.steady:>10.1%}{cost.said:>18.1%}")


if __name__ == "__main__":
    main()
