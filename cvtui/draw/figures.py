"""What a lab shows, as data: figures that any screen can draw, and the record `lab` that carries them.

Lists of numbers are finite or null. Figures are small (a record is a picture that replaces the last one, at most five
a second), so values are rounded to four digits by those who make them.
"""

from __future__ import annotations

from typing import Any

import msgspec

from cvtui.runlog.events import Record


class Figure(msgspec.Struct, tag_field="kind", frozen=True, kw_only=True, omit_defaults=True):
    title: str = ""
    note: str = ""
    """One line under the picture."""
    abreast: int = 1
    """How many such figures may stand side by side in 80 columns; neighbours of one kind share a row."""


class Curve(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    name: str
    x: list[float]
    y: list[float | None]
    dim: bool = False
    """Drawn behind the others: what is ahead, or what is only there to compare with."""


class Curves(Figure, tag="curves", frozen=True, kw_only=True):
    x_label: str = ""
    y_label: str = ""
    log_x: bool = False
    log_y: bool = False
    whole_x: bool = False
    """x counts something: its ticks are whole numbers."""
    curves: list[Curve]


class Points(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A class of points, or (joined) a path from its first to its last point."""

    name: str
    x: list[float | None]
    y: list[float | None]
    joined: bool = False


class Heat(Figure, tag="heat", frozen=True, kw_only=True):
    """A function of two numbers as colour, with points and paths over it; without values, only the points."""

    values: list[list[float | None]] = []
    """Rows from the lowest y (values[0]) to the highest, columns from the lowest x."""
    x_low: float = 0.0
    x_high: float = 1.0
    y_low: float = 0.0
    y_high: float = 1.0
    x_label: str = ""
    y_label: str = ""
    value_label: str = ""
    colours: str = "sequential"
    """sequential (low is near the ground); two (shades of the first two classes' colours, near the ground where they
    meet); classes (whole numbers from 0)."""
    low: float | None = None
    """The value of the first colour; None is the lowest value there."""
    high: float | None = None
    levels: list[float] = []
    """Contours."""
    points: list[Points] = []
    paths: list[Points] = []
    steps: int = 0
    """Updates that the paths stand for, where they are walks: a screen may move along them."""


class HistogramRow(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    name: str
    low: float
    high: float
    counts: list[int]
    text: str = ""
    """What stands beside it: "std 0.49"."""
    column: str = ""
    """Rows of one column stand under one heading; columns stand side by side."""


class Histograms(Figure, tag="histograms", frozen=True, kw_only=True):
    rows: list[HistogramRow]


class Table(Figure, tag="table", frozen=True, kw_only=True):
    columns: list[str]
    rows: list[list[str]]


class Bar(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    name: str
    value: float | None
    text: str = ""
    """How the value is written; empty: with four digits."""


class Bars(Figure, tag="bars", frozen=True, kw_only=True):
    """Lengths beside names; `log`: the bar's length follows the logarithm of the value."""

    bars: list[Bar]
    log: bool = False


class Picture(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    name: str
    pixels: list[list[int]]
    """Rows from the top; each entry 0xRRGGBB."""


class Image(Figure, tag="image", frozen=True, kw_only=True):
    """Small pictures side by side."""

    pictures: list[Picture]


class Matrix(Figure, tag="matrix", frozen=True, kw_only=True):
    """A table of numbers of which many may share one parameter (and its colour)."""

    values: list[list[float]]
    """Rows from the top."""
    groups: list[list[int]] = []
    """Of the same shape: 0 for no parameter (a zero that is always there), else the parameter's number from 1."""
    rows: str = ""
    """What a row stands for."""
    columns: str = ""


class Link(msgspec.Struct, frozen=True, array_like=True):
    """An edge from unit `source` of layer `layer` to unit `target` of the layer above."""

    layer: int
    source: int
    target: int
    group: int = 0
    """Edges of one group share one parameter; 0 is none."""
    lit: bool = False


class Links(Figure, tag="links", frozen=True, kw_only=True):
    """Rows of units with edges between, the input at the bottom."""

    sizes: list[int]
    """Units per layer, the input first."""
    links: list[Link]
    lit: list[list[int]] = []
    """Per layer the units that are lit."""
    names: list[str] = []
    """Per layer."""


class Paragraph(Figure, tag="words", frozen=True, kw_only=True):
    text: str


AnyFigure = Curves | Heat | Histograms | Table | Bars | Image | Matrix | Links | Paragraph


class LabShown(Record, tag="lab", frozen=True, kw_only=True):
    """What a lab has to show so far. A later record replaces it whole; the last one has `done`."""

    name: str
    figures: list[AnyFigure] = msgspec.field(default_factory=list)
    numbers: dict[str, Any] = msgspec.field(default_factory=dict)
    """What was measured: finite numbers, null, text, or lists of them."""
    claim_holds: bool | None = None
    """None while it is not known, and where the knobs were turned to where the claim says nothing."""
    sentence: str = ""
    """What came out, in one sentence with its numbers."""
    progress: float = 0.0
    """Share of the work done, 0..1."""
    done: bool = False
    doing: str = ""
    """What it is at, in a word or two: "training the MLP"."""
    seconds: float = 0.0
    """Since the lab began."""
