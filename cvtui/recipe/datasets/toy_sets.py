"""Toy sets on a plane: what is known of them before they are drawn (by the engine, under these names)."""

from __future__ import annotations

from dataclasses import replace

from cvtui.errors import RequestError
from cvtui.recipe.datasets.data_facts import DataFacts, at_size, evenly
from cvtui.recipe.datasets.source import DataSource
from cvtui.recipe.recipe import Recipe

TRAIN, VALIDATION = 400, 100
"""Points."""

CLASS_RANGE: dict[str, tuple[int, int]] = {
    "blobs": (3, 5),
    "moons": (2, 2),
    "circles": (2, 5),
    "xor": (2, 2),
    "spiral": (2, 5),
}
"""Name -> (usual number of classes, most); the least is 2."""

_SUMMARIES = {
    "blobs": "round clouds; a line separates them",
    "moons": "two half circles that reach into each other",
    "circles": "rings around each other",
    "xor": "opposite corners belong together",
    "spiral": "arms wound around each other",
}


def shares(classes: int) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Points of each class, to train on and to validate: as even as can be, and 400 and 100 in all."""
    every, train = evenly(TRAIN + VALIDATION, classes), evenly(TRAIN, classes)
    return train, tuple(both - own for both, own in zip(every, train, strict=True))


def _facts(name: str, classes: int) -> DataFacts:
    most = CLASS_RANGE[name][1]
    more = f"; {name}(C) for 2 to {most} classes" if most > 2 else ""
    return DataFacts(
        name=name,
        summary=f"500 points of two features: {_SUMMARIES[name]}{more}",
        size=(2,),
        classes=tuple(map(str, range(classes))),
        train=TRAIN,
        validation=VALIDATION,
        train_counts=shares(classes)[0],
        validation_counts=shares(classes)[1],
    )


TOYS: dict[str, DataFacts] = {name: _facts(name, usual) for name, (usual, _) in CLASS_RANGE.items()}


def parse_toy(text: str, label: str = "data") -> tuple[str, int]:
    """`spiral(3)` -> ("spiral", 3). RequestError for a number of classes that the set has not."""
    name, bracket, rest = text.strip().lower().partition("(")
    usual, most = CLASS_RANGE[name]
    if not bracket:
        return name, usual
    inside = rest.removesuffix(")").strip().removeprefix("classes=").strip()
    if not rest.endswith(")") or not inside.isdecimal() or not 2 <= int(inside) <= most:
        allowed = f"2 to {most}" if most > 2 else "2"
        raise RequestError(f"{label}: {text!r}: the number of classes of {name} is {allowed}, as in '{name}({most})'")
    return name, int(inside)


def toy_facts(text: str) -> DataFacts:
    """Return the facts of `spiral(3)`."""
    name, classes = parse_toy(text)
    found = TOYS[name]
    if classes == len(found.classes):
        return found
    return replace(_facts(name, classes), name=f"{name}({classes})")


class ToySets(DataSource):
    """Sets of points, with a number of classes in brackets: `spiral(3)`."""

    reader = "toy_sets"
    sets = TOYS

    def owns(self, text: str) -> bool:
        return super().owns(text.partition("(")[0])

    def check(self, text: str, label: str) -> str:
        name, classes = parse_toy(text, label)
        return name if classes == CLASS_RANGE[name][0] else f"{name}({classes})"

    def facts(self, recipe: Recipe) -> DataFacts:
        return at_size(toy_facts(recipe.data), recipe.size)

    def hint(self, choice: str) -> str:
        most = CLASS_RANGE[choice][1]
        return f"classes, 2 to {most}" if most > 2 else ""
