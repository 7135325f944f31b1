"""What is known of a data set before it is loaded."""

from __future__ import annotations

from dataclasses import dataclass, replace

from cvtui.errors import RequestError
from cvtui.recipe.datasets.label_sets import LabelSets

DEFAULT_SIDE = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class DataFacts:
    """What is known of a data set before it is loaded."""

    name: str
    summary: str
    size: tuple[int, int, int] | tuple[int]
    """(H, W, C) of one image, or (features,) of a point."""
    classes: tuple[str, ...]
    train: int
    """Images to train on."""
    validation: int
    train_counts: tuple[int, ...] = ()
    """Training images of each class; empty: equally many."""
    validation_counts: tuple[int, ...] = ()
    opened: bool = True
    """Its images were looked at. Else the counts are of files by their names: what can't be read is not known yet, and
    there are at most so many."""
    label_sets: LabelSets = ()
    """Where pictures are in several classes: the classes of each label; counts are of images in a class."""
    notes: tuple[str, ...] = ()
    """What is to be told of it: what is used, what is left out, classes that validation lacks."""

    @property
    def at_most(self) -> str:
        """What stands before a count of images, or of steps: "at most ", or nothing."""
        return "" if self.opened else "at most "

    def counts(self) -> tuple[int, ...]:
        """Return the training images of each class."""
        return self.train_counts or evenly(self.train, len(self.classes))

    def held_out(self) -> tuple[int, ...]:
        """Return the validation images of each class."""
        return self.validation_counts or evenly(self.validation, len(self.classes))


def evenly(total: int, classes: int) -> tuple[int, ...]:
    """Divide a number among classes; the first ones get one more where it leaves a rest."""
    return tuple(total // classes + (number < total % classes) for number in range(classes))


def parse_size(text: str) -> tuple[int, int]:
    """`64` -> (64, 64), `48x96` -> (48, 96): height and width. "" is 64. RequestError for a side of 0."""
    high, _, wide = (text.lower() or str(DEFAULT_SIDE)).partition("x")
    sides = int(high), int(wide or high)
    if 0 in sides:
        raise RequestError(f"size: {text!r} is not possible; allowed: a side in pixels such as 64, or 48x96")
    return sides


def at_size(facts: DataFacts, text: str) -> DataFacts:
    """Return the facts of a set whose images are brought to a recipe's `size`; "" leaves them. RequestError."""
    if not text:
        return facts
    if len(facts.size) == 1:
        raise RequestError(f"size: {facts.name} has points, no images; leave size empty")
    return replace(facts, size=(*parse_size(text), facts.size[-1]))
