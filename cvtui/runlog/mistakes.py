"""Mistakes of a run: which validation images a checkpoint gets wrong, as its process tells them, one JSON line each."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping, Sequence

import msgspec

from cvtui.errors import RequestError, nearest


class Progress(msgspec.Struct, tag_field="type", tag="progress", frozen=True, kw_only=True):
    """How far the evaluation is."""

    done: int
    """Images."""
    of: int


class Evaluated(msgspec.Struct, tag_field="type", tag="evaluated", frozen=True, kw_only=True):
    """What was evaluated; the mistakes follow."""

    checkpoint: str
    """The file's name."""
    epoch: int
    step: int
    images: int
    mistakes: int
    classes: list[str]
    ema: bool = False
    """The weights are the running mean."""
    notes: list[str] = []
    """What differs from the data that the checkpoint was trained on."""


class Mistake(msgspec.Struct, tag_field="type", tag="mistake", frozen=True, kw_only=True):
    """A validation image that is taken for another class."""

    image: str
    """Where it lies: a file's path, `pictures.npz[17]`, `shard.tar:key`, or the number of an item."""
    number: int
    """Of the validation image, from 0: the one that feature maps are asked for with."""
    truth: str
    said: str
    share: float | None
    """Probability of `said`; null where it is not finite. In several classes: of its surest wrong answer."""
    truth_share: float | None
    """And of `truth`; in several classes, of the right answer to the same question."""
    loss: float | None
    """The run's own loss of this image alone."""
    file: bool = False
    """`image` is the path of a file with this image alone."""
    png: str = ""
    """The image as it is held, base64, where there is no such file (of the first ones)."""


Told = Progress | Evaluated | Mistake
decode = msgspec.json.Decoder(Told).decode
"""A line of the process's stdout. msgspec.MsgspecError for anything else."""


def worst_first(mistakes: Iterable[Mistake], by: str = "confidence") -> list[Mistake]:
    """Sort by the probability of the wrong class, or by the loss; what is not finite comes first."""
    inf = float("inf")

    def badness(one: Mistake) -> tuple[float, int]:
        value = one.share if by == "confidence" else one.loss
        return (-(inf if value is None else value), one.number)

    return sorted(mistakes, key=badness)


def parse_cell(text: str, classes: Sequence[str]) -> tuple[str, str]:
    """`gravel,brick` -> those of class gravel that were taken for brick. RequestError names the classes there are.

    A name may hold commas; where that leaves two readings, names in quotes tell which: `"a,b",c`.
    """
    lower = {name.lower(): name for name in classes}
    pairs = [(text[:place], text[place + 1 :]) for place, sign in enumerate(text) if sign == ","]
    known = [pair for pair in pairs if all(_class(word, classes, lower) for word in pair)]
    if '"' in text and (quoted := _quoted(text)) is not None:
        pairs = known = [quoted]
    if len(known) > 1:
        ways = " or ".join(f'"{truth.strip()}","{said.strip()}"' for truth, said in known)
        raise RequestError(f"--cell: {text!r} has several readings", hint=f"quotes tell which: --cell '{ways}'")
    if not known and len(pairs) != 1:
        raise RequestError(
            f"--cell: {text!r} is not two classes; there are: {_shown(classes)}",
            hint="TRUE,PREDICTED, as in --cell gravel,brick",
        )
    truth, said = (known or pairs)[0]
    return _known_class(truth, classes, lower), _known_class(said, classes, lower)


def _quoted(text: str) -> tuple[str, str] | None:
    """Read `"a,b","c"` as a line of a table; None where that isn't two names."""
    words = next(csv.reader([text], skipinitialspace=True), [])
    return (words[0], words[1]) if len(words) == 2 else None


def _class(word: str, classes: Sequence[str], lower: Mapping[str, str]) -> str:
    """Return the class of that name, also in other letters; "" for none."""
    name = word.strip()
    return name if name in classes else lower.get(name.lower(), "")


def _known_class(word: str, classes: Sequence[str], lower: Mapping[str, str]) -> str:
    if found := _class(word, classes, lower):
        return found
    name = word.strip()
    raise RequestError(
        f"--cell: there is no class {name!r}; there are: {_shown(classes)}{nearest(name, tuple(classes))}"
    )


def _shown(classes: Sequence[str]) -> str:
    return ", ".join(classes[:20]) + (" …" if len(classes) > 20 else "")
