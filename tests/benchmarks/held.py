"""Nets that nobody tuned for: `python -m tests.benchmarks.held --seed N`.

    --seed N         other nets with every seed (1)
    --count N        how many (12)
    --rounds N       interleaved rounds in which everybody has one turn (5)
    --starts N       everybody is started anew so often (2)
    --who A,B        as in `python -m tests.benchmarks` (plain,cvtui,screen)
    --device cuda    (cpu)
    --only A,B       of the nets, by number
    --out FILE       the table as Markdown, too

Each case is a convolutional net or a perceptron of random depth and width, with and without batch norm and dropout, on
1 or 3 channels of 8 to 64 pixels, in batches of 16 to 256; as a net expression for cvtui, and built by hand for the
plain loop. Goals: median at least 1.2 times the plain loop and worst at least 1.0; with a screen, median 1.1.
"""

from __future__ import annotations

import argparse
import random
import statistics
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.benchmarks.cases import Case
from tests.benchmarks.machine import facts

if TYPE_CHECKING:
    from torch import nn

GOALS = {"cvtui": (1.2, 1.0), "screen": (1.1, 0.0)}
"""(median, worst), as times the plain loop."""


@dataclass
class Drawn:
    """One net as it was drawn: what both builders read."""

    side: int
    channels: int
    batch: int
    blocks: list[tuple[int, int, bool]] = field(default_factory=list)
    """Of convolutions: (filters, how many, with batch norm); each ends with a pooling of 2."""
    hidden: list[int] = field(default_factory=list)
    drop: float = 0.0

    def expression(self) -> str:
        words = []
        for filters, count, norm in self.blocks:
            words += [f"conv{filters}{'-bn' if norm else ''}-relu"] * count
            words.append("pool")
        words += [f"drop{self.drop:g}"] if self.drop else []
        words += [f"fc{width}-relu" for width in self.hidden]
        return "-".join([*words, "fc"])

    def module(self) -> nn.Module:
        from torch import nn

        layers: list[nn.Module] = []
        channels, side = self.channels, self.side
        for filters, count, norm in self.blocks:
            for _ in range(count):
                layers.append(nn.Conv2d(channels, filters, 3, padding=1))
                layers += [nn.BatchNorm2d(filters)] if norm else []
                layers.append(nn.ReLU())
                channels = filters
            layers.append(nn.MaxPool2d(2))
            side //= 2
        layers += [nn.Dropout(self.drop)] if self.drop else []
        layers.append(nn.Flatten())
        width = channels * side * side
        for hidden in self.hidden:
            layers += [nn.Linear(width, hidden), nn.ReLU()]
            width = hidden
        return nn.Sequential(*layers, nn.Linear(width, 10))


def draw(seed: int, number: int) -> Drawn:
    """Draw the net of that number under a seed."""
    dice = random.Random(f"{seed}/{number}")
    side = dice.choice([8, 8, 16, 28, 32, 32, 64])
    net = Drawn(side, dice.choice([1, 3]), dice.choice([16, 32, 64, 64, 128, 256]))
    if dice.random() < 0.2:
        net.hidden = [dice.choice([64, 128, 256, 512]) for _ in range(dice.randint(1, 3))]
    else:
        norm = dice.random() < 0.5
        filters = dice.choice([8, 16, 16, 32])
        for _ in range(dice.randint(1, 2 if side == 8 else 3)):
            net.blocks.append((filters, dice.randint(1, 2), norm))
            filters = min(64, filters * dice.choice([1, 2]))
        net.hidden = [dice.choice([32, 64, 128])] if dice.random() < 0.5 else []
    net.drop = dice.choice([0.0, 0.0, 0.25, 0.5])
    return net


def case_of(name: str) -> Case:
    """Return the case of a name such as `held-7-3`: seed 7, net 3."""
    _, seed, number = name.split("-")
    net = draw(int(seed), int(number))
    fields: dict[str, Any] = {
        "data": f"tests.benchmarks.sets:patterns_{net.side}x{net.channels}",
        "net": net.expression(),
        "batch_size": net.batch,
        **{"optimizer": "adamw", "lr": 1e-3, "weight_decay": 0.01},
    }
    what = f"{net.side}x{net.side}x{net.channels}, {net.expression()}, batch {net.batch}"
    return Case(name, what, fields, partial(Drawn.module, net))


def report(ratios: dict[str, list[float]]) -> list[str]:
    """Say the share of the nets at or above the goal, median and worst, each beside its goal."""
    lines = []
    for name, found in ratios.items():
        middle, worst = GOALS.get(name, GOALS["cvtui"])
        enough = sum(ratio >= middle for ratio in found)
        median, least = statistics.median(found), min(found)
        words = [
            f"median {median:.2f} x plain (goal {middle}{'' if median >= middle else ', MISSED'})",
            f"worst {least:.2f} (goal {worst}{'' if least >= worst else ', MISSED'})",
            f"{enough} of {len(found)} nets at {middle} or more",
        ]
        lines.append(f"- {name}: {'; '.join(words)}")
    return lines


def main() -> None:
    from tests.benchmarks.__main__ import race, table_of

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--count", type=int, default=12)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--starts", type=int, default=2)
    parser.add_argument("--who", default="plain,cvtui,screen")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--only", default="")
    parser.add_argument("--out", type=Path)
    asked = parser.parse_args()
    numbers = [int(word) for word in asked.only.split(",") if word] or list(range(asked.count))
    who = asked.who.split(",")
    races = []
    for number in numbers:
        case = case_of(f"held-{asked.seed}-{number}")
        races.append(race(case, who, asked.rounds, asked.device, False, 0, asked.starts))
    lines = [f"- {line}" for line in facts(asked.device)]
    lines += [f"- seed {asked.seed}: {found.case.name.rpartition('-')[2]} is {found.case.what}" for found in races]
    lines += ["", *table_of(races), ""]
    lines += report({name: [found.ratio(name) for found in races] for name in who if name != "plain"})
    text = "\n".join(lines)
    print(text)
    if asked.out is not None:
        asked.out.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
