"""The problems with SGD: six update rules walk on one surface from one start, and then train one real net.

1. Where the curvatures differ much (a high condition number) SGD jitters across the steep direction and creeps along
   the flat one. 2. At a saddle, and in a dent, the gradient is 0 and SGD stays. 3. A minibatch's gradient is noisy, and
   the walk never comes to rest.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from cvtui.draw.figures import AnyFigure, Curve, Curves, Heat, Points, Table
from cvtui.labs.experiments.data import digits
from cvtui.labs.experiments.surfaces import Surface, surface
from cvtui.labs.experiments.train import he, smooth, thin, train
from cvtui.labs.report import Knobs, LabResult, Report, round4
from cvtui.text import compact, counted, percent

Make = Callable[[list[Tensor], float], torch.optim.Optimizer]

RULES: dict[str, Make] = {
    "sgd": lambda weights, lr: torch.optim.SGD(weights, lr=lr),
    "momentum": lambda weights, lr: torch.optim.SGD(weights, lr=lr, momentum=0.9),
    # Nesterov's rule diverges on a quadratic from lr = (2 + 2ρ)/(1 + 2ρ)/κ = 1.36/κ on, SGD from 2/κ on.
    "nesterov": lambda weights, lr: torch.optim.SGD(weights, lr=0.6 * lr, momentum=0.9, nesterov=True),
    "adagrad": lambda weights, _lr: torch.optim.Adagrad(weights, lr=0.5),
    "rmsprop": lambda weights, _lr: torch.optim.RMSprop(weights, lr=0.05),
    "adam": lambda weights, _lr: torch.optim.Adam(weights, lr=0.1),
}
NET_RULES: dict[str, Make] = {
    "sgd": lambda weights, _lr: torch.optim.SGD(weights, lr=0.05),
    "momentum": lambda weights, _lr: torch.optim.SGD(weights, lr=0.05, momentum=0.9),
    "nesterov": lambda weights, _lr: torch.optim.SGD(weights, lr=0.05, momentum=0.9, nesterov=True),
    "adagrad": lambda weights, _lr: torch.optim.Adagrad(weights, lr=0.02),
    "rmsprop": lambda weights, _lr: torch.optim.RMSprop(weights, lr=0.002),
    "adam": lambda weights, _lr: torch.optim.Adam(weights, lr=0.004),
}
"""Rates that suit the digits' MLP, each the best of 1, 2, 4 x a power of ten."""
RACE_SURFACES = ("quadratic", "saddle", "minimum", "noisy")
MOST_POINTS = 200
"""Of a walk that are drawn; the first and the last among them."""
RHO = 0.9
"""Momentum's ρ where nothing else is asked for."""
ENOUGH = 80
"""Steps within which SGD comes to rest in the dent and along the steep axis; shorter walks tell nothing."""
CAME = 0.1
"""Below this share of its first height a walk without noise has come down; before, noise shows nothing."""
NEAR = 1e-2
"""Closer than this to the saddle is "still there"."""


@dataclass
class Walk:
    """A rule's way over a surface: its points [steps + 1, 2]."""

    rule: str
    points: Tensor

    @property
    def end(self) -> Tensor:
        return self.points[-1]

    def jitter(self) -> float:
        """Share of steps that undo the direction of the step before along y, the steep axis of the quadratics."""
        moves = torch.diff(self.points[:, 1])
        turned = moves[1:] * moves[:-1] < 0
        return float(turned.double().mean()) if len(turned) else 0.0


def with_rho(optimizer: torch.optim.Optimizer, rho: float) -> torch.optim.Optimizer:
    """Give a rule that has a momentum another."""
    for group in optimizer.param_groups:
        if group.get("momentum"):
            group["momentum"] = rho
    return optimizer


def walk(ground: Surface, rule: str, steps: int, seed: int, perturb: float = 0.0, rho: float = RHO) -> Walk:
    """Walk `steps` updates of the rule from the surface's start, in double precision.

    perturb: std of noise that is added to each gradient besides the surface's own; the same for every rule.
    """
    point = torch.tensor(ground.start, dtype=torch.float64, requires_grad=True)
    optimizer = with_rho(RULES[rule]([point], ground.lr), rho)
    noise = math.hypot(ground.noise, perturb)
    drawn = torch.randn(steps, 2, generator=torch.Generator().manual_seed(seed), dtype=torch.float64) * noise
    points = [point.detach().clone()]
    for number in range(steps):
        optimizer.zero_grad()
        ground.value(point).backward()  # type: ignore[no-untyped-call]
        assert point.grad is not None
        point.grad += drawn[number]
        optimizer.step()
        points.append(point.detach().clone())
    return Walk(rule, torch.stack(points))


def run(knobs: Knobs, report: Report) -> LabResult:
    names = list(RACE_SURFACES) if knobs["surface"] == "all" else [str(knobs["surface"])]
    rules = str(knobs["rules"]).split(",")
    race = bool(knobs["race"])
    grounds = [surface(name, knobs["condition"], knobs["offset"], knobs["noise"]) for name in names]
    walks: dict[str, list[Walk]] = {name: [] for name in names}
    shown: list[AnyFigure] = []

    def so_far() -> list[AnyFigure]:
        return [*maps(names, grounds, walks), *shown]

    for place, (name, ground) in enumerate(zip(names, grounds, strict=True)):
        for number, rule in enumerate(rules):
            steps = int(knobs["steps"]) * (10 if name == "rosenbrock" else 1)
            walks[name].append(walk(ground, rule, steps, int(knobs["seed"]), rho=knobs["rho"]))
            share = (place + number / len(rules)) / len(names)
            report(share * (0.3 if race else 1.0), f"walking on {name}", so_far)
    numbers, verdicts, words = measure(knobs, names, grounds, walks)
    shown.append(table(names, grounds, walks))
    if race:
        losses: dict[str, list[float]] = {}
        for number, rule in enumerate(rules):
            losses[rule] = []
            for loss in race_on_digits(rule, int(knobs["seed"]), int(knobs["net-steps"]), knobs["rho"]):
                losses[rule].append(loss)
                share = (number + len(losses[rule]) / int(knobs["net-steps"])) / len(rules)
                report(0.3 + 0.7 * share, f"training with {rule}", lambda: [*so_far(), race_figure(losses)])
        shown.append(race_figure(losses))
        numbers["net loss"] = [round4(smooth(values)[-1]) for values in losses.values()]
    untested = None in verdicts or not verdicts  # part of the claim is not tested at these knobs
    return LabResult(
        figures=so_far(),
        numbers={"rules": rules, **numbers},
        claim_holds=False if False in verdicts else None if untested else True,
        sentence=" ".join(words) or "The walks are drawn; the claim compares SGD with momentum.",
    )


def measure(
    knobs: Knobs, names: Sequence[str], grounds: Sequence[Surface], walks: dict[str, list[Walk]]
) -> tuple[dict[str, object], list[bool | None], list[str]]:
    """(numbers, whether each surface shows what the lecture says, in words)."""
    numbers: dict[str, object] = {}
    verdicts: list[bool | None] = []
    words: list[str] = []
    arrived = int(knobs["steps"]) >= ENOUGH
    for name, ground in zip(names, grounds, strict=True):
        goal = torch.tensor(ground.goal, dtype=torch.float64)
        ends = {way.rule: way.end for way in walks[name]}
        numbers[f"{name}: value at the end"] = [round4(float(ground.value(end))) for end in ends.values()]
        if "sgd" not in ends or "momentum" not in ends:
            continue
        sgd, momentum = ends["sgd"], ends["momentum"]
        match name:
            case "quadratic":
                jitter = next(way.jitter() for way in walks[name] if way.rule == "sgd")
                numbers["quadratic: SGD's steps that undo the last"] = round4(jitter)
                far, near = float(sgd.norm()), float(momentum.norm())
                verdicts.append((jitter > 0.9 and near < far) if knobs["condition"] >= 20 and arrived else None)
                words.append(
                    f"Quadratic: {percent(jitter, 0)} of SGD's steps undo the last along the steep axis; it ends "
                    f"{compact(far, 2)} from the minimum, momentum {compact(near, 2)}."
                )
            case "saddle":
                verdicts.append(_saddle(knobs, numbers, words, sgd, momentum))
            case "minimum":
                numbers["minimum: distance from the lowest"] = [round4(float(end.norm())) for end in ends.values()]
                verdicts.append(bool(sgd.norm() > 1.0 and momentum.norm() < 0.5) if arrived else None)
                words.append(f"Dent: SGD ends at x = {sgd[0]:.2f}, momentum at {momentum[0]:.2f} (lowest: 0).")
            case "noisy":
                verdicts.append(_noisy(knobs, numbers, words, ground, walks[name]))
            case _:
                distances = [float((end - goal).norm()) for end in ends.values()]
                numbers["rosenbrock: distance from the minimum"] = [round4(value) for value in distances]
                verdicts.append(bool((momentum - goal).norm() < 0.1 * (sgd - goal).norm()) if arrived else None)
                words.append(
                    f"Valley: SGD ends {compact(float((sgd - goal).norm()), 2)} from the minimum, momentum "
                    f"{compact(float((momentum - goal).norm()), 2)}."
                )
    return numbers, verdicts, words


def _noisy(
    knobs: Knobs, numbers: dict[str, object], words: list[str], ground: Surface, walks: Sequence[Walk]
) -> bool | None:
    late = {way.rule: float(ground.value(way.points[len(way.points) // 2 :]).mean()) for way in walks}
    quiet = walk(surface("quadratic", knobs["condition"], 0.0, 0.0), "sgd", int(knobs["steps"]), 0)
    still = float(ground.value(quiet.points[len(quiet.points) // 2 :]).mean())
    reached = float(ground.value(quiet.end))
    came = reached < CAME * float(ground.value(quiet.points[0]))
    numbers["noisy: mean value in the second half"] = [round4(value) for value in late.values()]
    words.append(
        f"Noise: in its second half SGD is at {compact(late['sgd'], 2)} on average (without noise at "
        f"{compact(still, 2)}), momentum at {compact(late['momentum'], 2)}."
    )
    tested = knobs["noise"] > 0.5 and int(knobs["steps"]) >= ENOUGH and came
    return late["sgd"] > 5 * reached if tested else None


def _saddle(knobs: Knobs, numbers: dict[str, object], words: list[str], sgd: Tensor, momentum: Tensor) -> bool | None:
    """SGD is still at the saddle after 100 steps, momentum is further, and with a perturbation both leave."""
    steps, seed = int(knobs["steps"]), int(knobs["seed"])
    ground = surface("saddle", knobs["condition"], knobs["offset"], 0.0)
    kicked = {
        rule: float(walk(ground, rule, steps, seed, perturb=0.05, rho=knobs["rho"]).end.norm())
        for rule in ("sgd", "momentum")
    }
    numbers["saddle: SGD's distance"] = round4(float(sgd.norm()))
    numbers["saddle: momentum's distance"] = round4(float(momentum.norm()))
    numbers["saddle: SGD's distance when perturbed"] = round4(kicked["sgd"])
    numbers["saddle: momentum's distance when perturbed"] = round4(kicked["momentum"])
    words.append(
        f"Saddle: after {counted(steps, 'step')} SGD is {compact(float(sgd.norm()), 2)} away from it, momentum "
        f"{compact(float(momentum.norm()), 2)}; with noisy gradients {compact(kicked['sgd'], 2)} and "
        f"{compact(kicked['momentum'], 2)}."
    )
    if steps != 100 or not 1e-7 <= knobs["offset"] <= 1e-4:
        return None
    return bool(sgd.norm() < NEAR < momentum.norm()) and min(kicked.values()) > 10 * NEAR


# ------------------------------------------------------------------ pictures


def maps(names: Sequence[str], grounds: Sequence[Surface], walks: dict[str, list[Walk]]) -> list[AnyFigure]:
    titles = {
        "quadratic": "Ill-conditioned quadratic",
        "saddle": "Saddle, from its ridge",
        "minimum": "A dent on the way down",
        "noisy": "The quadratic, noisy gradients",
        "rosenbrock": "Rosenbrock's valley",
    }
    many = len(names) > 1
    return [
        contour_map(ground, walks[name], titles[name], named=number + 2 >= len(names), abreast=2 if many else 1)
        for number, (name, ground) in enumerate(zip(names, grounds, strict=True))
    ]


def contour_map(ground: Surface, walks: Sequence[Walk], title: str, *, named: bool, abreast: int) -> Heat:
    """Draw the surface (logarithm of its height over the lowest point drawn) with every path on it."""
    x_low, x_high, y_low, y_high = ground.window
    columns, rows = (39, 20) if abreast == 2 else (80, 44)
    x, y = torch.linspace(x_low, x_high, columns), torch.linspace(y_low, y_high, rows)
    heights = ground.value(torch.stack(torch.meshgrid(x, y, indexing="xy"), -1))
    over = heights - heights.min()
    shown = torch.log10(over + 0.01 * float(over.quantile(0.5)) + 1e-12)
    low, high = float(shown.min()), float(shown.max())
    paths = []
    for way in walks:
        kept = torch.linspace(0, len(way.points) - 1, min(len(way.points), MOST_POINTS)).round().long()
        points = way.points[kept]
        paths.append(
            Points(
                name=way.rule if named else "",
                x=[_within(value, x_low, x_high) for value in points[:, 0].tolist()],
                y=[_within(value, y_low, y_high) for value in points[:, 1].tolist()],
                joined=True,
            )
        )
    return Heat(
        title=title,
        abreast=abreast,
        values=[[round4(value) for value in row] for row in shown.tolist()],
        x_low=x_low,
        x_high=x_high,
        y_low=y_low,
        y_high=y_high,
        x_label="x",
        y_label="y",
        levels=[low + (high - low) * share for share in (0.2, 0.4, 0.6, 0.8)],
        paths=paths,
        steps=max((len(way.points) - 1 for way in walks), default=0),
    )


def _within(value: float, low: float, high: float) -> float | None:
    """Return the value where it lies in or near the window; None where a walk has left it."""
    margin = high - low
    return round4(value) if low - margin < value < high + margin else None


def table(names: Sequence[str], grounds: Sequence[Surface], walks: dict[str, list[Walk]]) -> Table:
    rules = [way.rule for way in walks[names[0]]]
    rows = [
        [
            rule,
            *(
                compact(float(ground.value(walks[name][index].end)))
                for name, ground in zip(names, grounds, strict=True)
            ),
        ]
        for index, rule in enumerate(rules)
    ]
    return Table(title="Height at the end of each walk", columns=["rule", *names], rows=rows)


# ------------------------------------------------------------------ a real net


def race_on_digits(rule: str, seed: int, steps: int, rho: float = RHO) -> Iterator[float]:
    """Losses of each step of an MLP 64-64-10 on digits: the same weights and the same batches for every rule."""
    data = digits()
    model = he(nn.Sequential(nn.Flatten(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 10)), seed)
    optimizer = with_rho(NET_RULES[rule](list(model.parameters()), 0.0), rho)
    for step in train(model, data, optimizer, steps=steps, batch=64, seed=seed):
        yield step.loss


def race_figure(losses: dict[str, list[float]]) -> Curves:
    curves = []
    for rule, values in losses.items():
        places, shown = thin(smooth(values), 150)
        curves.append(Curve(name=rule, x=places, y=[round4(value) for value in shown]))
    return Curves(
        title="A real net (MLP 64-64-10 on digits), same weights, same batches: training loss",
        x_label="step",
        log_y=True,
        curves=curves,
    )
