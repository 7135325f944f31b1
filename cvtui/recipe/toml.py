"""Recipe files: TOML in and out."""

from __future__ import annotations

import errno
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from cvtui import door
from cvtui.errors import RequestError
from cvtui.recipe.choices.optimizers import OPTIMIZERS
from cvtui.recipe.choices.spec import normalized
from cvtui.recipe.fields import FIELDS, Value, field
from cvtui.recipe.net_target import usual_init, usual_preprocess
from cvtui.recipe.recipe import AUTO, Recipe

LARGEST_FILE = 1 << 20


def load(path: Path | str) -> Recipe:
    """Load a recipe file; keys that it leaves out have their defaults. RequestError names file, key and value.

    Each value is checked by itself; `check` looks at them together.
    """
    path = Path(path)
    try:
        # Beside a log it is a run's own, which a stranger may have put there: then a link is not followed.
        own = path.name == "recipe.toml" and door.is_file(path.with_name("events.jsonl"))
        data = door.read(path, LARGEST_FILE) if own else door.read_input(path, LARGEST_FILE)
    except OSError as error:
        if error.errno == errno.EFBIG:
            raise RequestError(f"{str(path)!r} is no recipe: it is larger than 1 MiB") from None
        raise RequestError(f"can't read the recipe {str(path)!r}: {error.strerror}") from None
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise RequestError(f"{str(path)!r} is no recipe: it is not UTF-8 text") from None
    return loads(text, path.name)


def loads(text: str, source: str = "recipe") -> Recipe:
    """Load a recipe from TOML text; `source` is what errors call it."""
    try:
        table = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError, ValueError) as error:
        raise RequestError(f"{source} is not valid TOML: {_one_line(str(error))}") from None
    return from_table(table, source)


def from_table(table: dict[str, Any], source: str = "") -> Recipe:
    """Make a recipe from a dict of plain values (a TOML table, the record `run`). RequestError as in `load`."""
    before = f"{source}: " if source else ""
    values: dict[str, Any] = {}
    for key, value in table.items():
        found = field(key, f"{before}{_one_line(key)}")
        if found.name in values:
            raise RequestError(f"{before}{found.name}: is there twice (with a hyphen and with an underscore)")
        values[found.name] = found.check(value, f"{before}{found.name}")
    if "net" in values:
        values.setdefault("init", usual_init(values["net"]))
    if values.get("weights"):
        values.setdefault("preprocess", usual_preprocess(values["weights"]))
    return Recipe(**values)


def usual_decay(optimizer: str) -> float:
    """Return the weight decay that is usual with an update rule."""
    entry = OPTIMIZERS.get(normalized(optimizer.partition("(")[0]))
    return (entry or OPTIMIZERS["sgd"]).usual_decay


def override(recipe: Recipe, changes: Mapping[str, str]) -> Recipe:
    """Set some fields of a recipe from text, as typed on the command line or into the form.

    Keys are fields' names (hyphens are free). A weight decay that was the usual one of the optimizer before becomes
    that of the new one, and so do the usual initialization of the net and the usual preprocessing of weights.
    RequestError names the option: "--lr: 'fast' is not a number; allowed: …".
    """
    values = {}
    for name, text in changes.items():
        found = field(name)
        values[found.name] = found.convert(text)
    usual = "weight_decay" not in values and recipe.weight_decay == usual_decay(recipe.optimizer)
    if "optimizer" in values and usual:
        values["weight_decay"] = usual_decay(str(values["optimizer"]))
    if "net" in values and "init" not in values and recipe.init == usual_init(recipe.net):
        values["init"] = usual_init(str(values["net"]))
    if "weights" in values and "preprocess" not in values and recipe.preprocess == usual_preprocess(recipe.weights):
        values["preprocess"] = usual_preprocess(str(values["weights"]))
    return msgspec.structs.replace(recipe, **values)


def dumps(recipe: Recipe) -> str:
    """Write the recipe as TOML: every field, each below its description. `loads` gives it back."""
    texts = {"batch_size": _quoted("auto")} if recipe.batch_size == AUTO else {}
    lines = ["# A recipe of cvtui: `cvtui THIS_FILE` trains it.", ""]
    for name, entry in FIELDS.items():
        lines += [f"# {entry.doc}", f"{name} = {texts.get(name) or _value(getattr(recipe, name))}", ""]
    return "\n".join(lines)


def _value(value: Value) -> str:
    if isinstance(value, float):
        return repr(value)  # the shortest text that gives the same number; TOML knows Python's nan and inf
    return str(value) if isinstance(value, int) else _quoted(value)


_ESCAPES = {'"': '\\"', "\\": "\\\\", "\b": "\\b", "\t": "\\t", "\n": "\\n", "\f": "\\f", "\r": "\\r"}


def _quoted(text: str) -> str:
    """Write a TOML basic string."""
    return '"' + "".join(_ESCAPES.get(sign) or (sign if _is_plain(sign) else _escape(sign)) for sign in text) + '"'


def _is_plain(sign: str) -> bool:
    return sign >= " " and sign != "\x7f" and not "\ud800" <= sign <= "\udfff"


def _escape(sign: str) -> str:
    """Write control characters by number; lone surrogates (a broken file name), not allowed in TOML, as U+FFFD."""
    return "\\uFFFD" if "\ud800" <= sign <= "\udfff" else f"\\u{ord(sign):04X}"


def _one_line(text: str) -> str:
    return text if text.isprintable() else ascii(text)[1:-1]
