"""One table of the recipe's fields: the command-line options, the form and the recipe file are all made from it."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any, Literal, TypeAlias, get_args, get_origin

from msgspec import Meta

from cvtui.errors import RequestError, nearest
from cvtui.recipe.choices.augments import AUGMENTS
from cvtui.recipe.choices.inits import INITS
from cvtui.recipe.choices.losses import LOSSES
from cvtui.recipe.choices.mixes import MIXES
from cvtui.recipe.choices.on_nan import ON_NAN
from cvtui.recipe.choices.optimizers import OPTIMIZERS
from cvtui.recipe.choices.preprocesses import PREPROCESSES
from cvtui.recipe.choices.schedules import SCHEDULES
from cvtui.recipe.choices.spec import Choice, parse_chain, parse_choice
from cvtui.recipe.datasets.catalog import DATA, USAGES, check_source
from cvtui.recipe.datasets.data_facts import DataFacts
from cvtui.recipe.recipe import AUTO, Recipe
from cvtui.recipe.run_name import check_name
from cvtui.recipe.span import Span
from cvtui.text import encodable

Value: TypeAlias = str | int | float
Kind: TypeAlias = Literal["text", "word", "choice", "whole", "number"]


class Field(Span):
    """One field of the recipe; the span is that of a number."""

    name: str
    doc: str
    """Its description in recipe.py, with the names of its choices."""
    kind: Kind
    """text; word (one of `allowed`); choice (one of `table`, perhaps with brackets); whole or (real) number."""
    default: Value
    table: Mapping[str, Choice] | Mapping[str, DataFacts] | None = None
    allowed: tuple[str, ...] = ()
    """The words of a `word` or a `choice`."""
    pattern: str = ""
    """What a text must look like."""
    example: str = ""
    """What is allowed, in words, for a text with a pattern."""

    @property
    def option(self) -> str:
        """`--batch-size`."""
        return "--" + self.name.replace("_", "-")

    def allowed_in_words(self) -> str:
        """Say what is allowed, for an error or a help line."""
        if self.kind in ("word", "choice"):
            return ", ".join(self.allowed)
        if self.kind in ("whole", "number"):
            words = self.in_words()
            words += _AUTO[self.name][1] if self.name in _AUTO else ""
            kind = "a whole number" if self.kind == "whole" else "a number"
            return f"{kind} {words}" if words.startswith("above") else f"{kind}, {words}"
        return self.example

    def convert(self, text: str, label: str = "") -> Value:
        """Convert what was typed. RequestError (naming `label`, by default the option) when it is wrong."""
        label = label or self.option
        text = text.strip()
        if self.kind not in ("whole", "number"):
            return self.check(text, label)
        if self.name in _AUTO and text == "auto":
            return _AUTO[self.name][0]
        try:
            number = int(text) if self.kind == "whole" else float(text)
        except ValueError:
            raise self._wrong(label, text, f"is not a {'whole ' if self.kind == 'whole' else ''}number") from None
        if not self.holds(number):
            raise self._wrong(label, text, "is not possible")
        return number

    def check(self, value: object, label: str = "") -> Value:
        """Return `value` in the field's own type and spelling (a whole number will do for a real one). RequestError."""
        label = label or self.name
        if self.name in _AUTO and value in ("auto", _AUTO[self.name][0]):
            return _AUTO[self.name][0]
        if self.kind in ("whole", "number"):
            return self._check_number(value, label)
        if self.name == "warmup" and isinstance(value, int) and not isinstance(value, bool):
            value = str(value)  # `warmup = 500` in a hand-written file
        if not isinstance(value, str):
            raise self._wrong(label, value, f"is {_type_in_words(value)}, not a text")
        if (plain := encodable(value)) != value:
            raise RequestError(f"{label}: {plain!r} holds bytes that are no Unicode text, which a recipe can't hold",
                               hint="rename it, or make a link to it with a plain name (ln -s)")  # fmt: skip
        if not value.isascii() and self.name not in _ANY_SIGNS:
            raise self._wrong(label, value, "holds signs that are not allowed here")
        return self._check_choice(value, label) if self.kind == "choice" else self._check_text(value, label)

    def _check_text(self, value: str, label: str) -> str:
        if self.kind == "word" and value not in self.allowed:
            raise self._wrong(label, value, "is not known", nearest(value, self.allowed))
        if self.pattern and not re.fullmatch(self.pattern, value.strip()):
            raise self._wrong(label, value, "is not understood")
        if self.name in CHAINS and self.table is not None:
            parse_chain(value, self.table, label)  # type: ignore[type-var]
        if self.name == "name" and value:
            check_name(value, label)
        return value

    def _check_number(self, value: object, label: str) -> int | float:
        whole = self.kind == "whole"
        if isinstance(value, bool) or not isinstance(value, int if whole else (int, float)):
            raise self._wrong(label, value, f"is {_type_in_words(value)}, not a {'whole ' if whole else ''}number")
        assert isinstance(value, int | float)
        try:
            number = value if whole else float(value)
        except OverflowError:  # a whole number of more than 308 digits
            number = math.inf
        if not self.holds(number):
            raise self._wrong(label, value, "is not possible")
        return number

    def _check_choice(self, value: str, label: str) -> str:
        assert self.table is not None
        if self.name == "data":
            return check_source(value, label)
        table: Mapping[str, Any] = self.table
        choice = parse_choice(value, table, label)
        _, bracket, rest = value.strip().partition("(")
        return choice.name + bracket + rest

    def _wrong(self, label: str, value: object, what: str, more: str = "") -> RequestError:
        if isinstance(value, bool):
            shown = str(value).lower()
        elif isinstance(value, str) and not value.isprintable():
            shown = ascii(value)
        elif isinstance(value, int) and abs(value) > 10**40:
            shown = "a number of more than 40 digits"  # Python refuses to write 4,300 digits and more
        else:
            shown = repr(value)
        if len(shown) > 80:
            shown = shown[:77] + "…"
        return RequestError(f"{label}: {shown} {what}; allowed: {self.allowed_in_words()}{more}")


def _type_in_words(value: object) -> str:
    names = {
        bool: "true or false",
        int: "a whole number",
        float: "a number",
        str: "a text",
        list: "a list",
        dict: "a table",
    }
    return names.get(type(value), f"a {type(value).__name__}")


_AUTO = {
    "threads": (0, " (0 or auto: as many as are quickest)"),
    "batch_size": (AUTO, ", or auto: the largest that fits"),
}
"""Fields that may be `auto`: the number that stands for it, and its words."""
_ANY_SIGNS = ("name", "net", "weights", "data", "data_dir", "only")
"""Paths and class names are written in every script."""

CHAINS = ("augment", "mix")
"""Fields of several choices, with commas between."""

_TABLES: dict[str, Mapping[str, Choice] | Mapping[str, DataFacts]] = {
    "data": DATA,
    "preprocess": PREPROCESSES,
    "augment": AUGMENTS,
    "mix": MIXES,
    "init": INITS,
    "loss": LOSSES,
    "optimizer": OPTIMIZERS,
    "schedule": SCHEDULES,
    "on_nan": ON_NAN,
}


def _make(name: str, default: Value) -> Field:
    kind, meta = get_args(Recipe.__annotations__[name])
    table = _TABLES.get(name)
    doc = str(meta.description)
    if table is not None:
        *names, last = (*table, *USAGES) if name == "data" else table
        doc = doc.replace("{names}", f"{', '.join(names)} or {last}")
    common: dict[str, Any] = {"name": name, "doc": doc, "default": default, "table": table}
    if get_origin(kind) is Literal:
        return Field(**common, kind="word", allowed=get_args(kind))
    if kind is not str:
        return Field(**common, kind="whole" if kind is int else "number", **_span_of(meta))
    if table is not None and name not in CHAINS:
        return Field(**common, kind="choice", allowed=tuple(table))
    example = (meta.extra or {}).get("allowed", "any text")
    return Field(**common, kind="text", pattern=meta.pattern or "", example=example)


def _span_of(meta: Meta) -> dict[str, Any]:
    low, high = (meta.gt if meta.ge is None else meta.ge), (meta.lt if meta.le is None else meta.le)
    return {
        "low": -math.inf if low is None else low,
        "high": math.inf if high is None else high,
        "open_low": meta.gt is not None,
        "open_high": meta.lt is not None,
    }


FIELDS: dict[str, Field] = {
    name: _make(name, default)
    for name, default in zip(Recipe.__struct_fields__, Recipe.__struct_defaults__, strict=True)
}
"""Every field by name, in the order of the recipe."""


_OTHERS_WORDS = {
    "learning_rate": "lr",
    "rate": "lr",
    "wd": "weight_decay",
    "l2": "weight_decay",
    "model": "net",
    "arch": "net",
    "pretrained": "weights",
    "dataset": "data",
    "scheduler": "schedule",
    "lr_schedule": "schedule",
    "initialisation": "init",
    "initialization": "init",
    "criterion": "loss",
    "dtype": "precision",
    "num_epochs": "epochs",
    "mixup": "mix",
    "cutmix": "mix",
    "class_weight": "balance",
    "class_weights": "balance",
    "sampler": "balance",
}
"""What other programs call our keys, where the spelling is too far off to be guessed."""


def field(name: str, label: str = "") -> Field:
    """Return the field of that name (hyphens are free). RequestError with the nearest name where there is none."""
    found = FIELDS.get(name.replace("-", "_"))
    if found is None:
        allowed = tuple(FIELDS)
        word = name.replace("-", "_").lower()
        close = f"; did you mean '{_OTHERS_WORDS[word]}'?" if word in _OTHERS_WORDS else nearest(word, allowed)
        raise RequestError(
            f"{label or repr(name)}: a recipe has no such key{close}"
            + ("" if close else f"; it has {', '.join(allowed)}")
        )
    return found


GROUPS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("Data", ("data", "preprocess", "augment", "mix", "balance", "batch_size", "accumulate")),
    ("Net", ("net", "weights", "init", "freeze", "unfreeze_at")),
    (
        "Training",
        (
            "loss", "optimizer", "lr", "momentum", "weight_decay", "schedule", "schedule_per", "warmup", "epochs",
            "patience", "clip", "ema", "scale_lr", "lr_backbone", "layer_decay",
        ),
    ),
    (
        "Run",
        (
            "name", "device", "threads", "precision", "deterministic", "graph", "seed", "watch_every", "keep",
            "save_every", "max_time", "on_nan",
        ),
    ),
    ("Several processes", ("nproc", "sync_bn", "max_restarts", "rank_timeout")),
    (
        "Which images",
        ("size", "bits", "val_share", "only", "limit", "label_noise", "imbalance", "cache", "data_dir"),
    ),
)  # fmt: skip
"""Which fields stand together, in the form and in --help; one that is named nowhere comes last, under More."""


def grouped(fields: Mapping[str, Field] = FIELDS) -> list[tuple[str, list[Field]]]:
    """All fields of the recipe by group."""
    groups = [(title, [fields[name] for name in names if name in fields]) for title, names in GROUPS]
    known = {name for _, names in GROUPS for name in names}
    more = [field for name, field in fields.items() if name not in known]
    return [(title, members) for title, members in [*groups, ("More", more)] if members]
