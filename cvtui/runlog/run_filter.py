"""Which of many runs: `acc>0.97 net~conv lr<=0.01 digits`, one condition a word, all of which must hold."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from cvtui.errors import RequestError, nearest
from cvtui.recipe.learning_rate import recorded_rate
from cvtui.runlog.run_summary import RunSummary

Keeps = Callable[[RunSummary], bool]

_OWN: dict[str, Callable[[RunSummary], Any]] = {
    "acc": lambda run: run.best_val_accuracy,
    "loss": lambda run: run.val_loss,
    "epochs": lambda run: run.epochs,
    "steps": lambda run: run.steps,
    "seconds": lambda run: run.seconds,
    "lr": lambda run: recorded_rate(run.recipe),
    "name": lambda run: run.name,
    "state": lambda run: run.state,
    "note": lambda run: run.note,
    "parent": lambda run: run.parent,
    "pinned": lambda run: "yes" if run.pinned else "no",
}
"""What a run came to; every other key is one of its recipe."""

_CONDITION = re.compile(r"([A-Za-z_-]+)(>=|<=|!=|=|>|<|~)(.*)")
_COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    ">": lambda a, b: a > b,
    "<": lambda a, b: a < b,
    ">=": lambda a, b: a >= b,
    "<=": lambda a, b: a <= b,
}


def parse_filter(text: str) -> Keeps:
    """Parse a filter into the test that a run must pass; an empty text keeps all.

    `key>number` (also < >= <=), `key=value`, `key!=value`, `key~text` (contains it); `tag:word` asks for `#word` in the
    note; any other word is looked for in name, data, net and note. `acc` is the best validation accuracy (0..1, or with
    %), `loss` the last validation loss. RequestError for a key that no run has, or a comparison with what is no number.
    """
    conditions = [_condition(word) for word in text.split()]
    return lambda run: all(keeps(run) for keeps in conditions)


def tags(note: str) -> list[str]:
    """Return the tags of a note, in lower case: the words that begin with `#`."""
    return [found.lower() for found in re.findall(r"(?<!\S)#([\w-]+)", note)]


def with_tag(tag: str) -> Keeps:
    """Return the test for a tag of the note, with or without its `#`."""
    return lambda run: tag.removeprefix("#").lower() in tags(run.note)


def checked_tag(tag: str) -> str:
    """Return the word of a tag, without its `#`. RequestError for what can't be one."""
    word = tag.removeprefix("#")
    if not re.fullmatch(r"[\w-]+", word):
        raise RequestError(f"--tag: {tag!r} is no tag; allowed: one word of letters, digits, _ and -")
    return word


def tagged(note: str, tag: str) -> str:
    """Return the note with a tag more. RequestError for what can't be one."""
    word = checked_tag(tag)
    return note if word.lower() in tags(note) else f"{note} #{word}".strip()


def untagged(note: str, tag: str) -> str:
    """Return the note without a tag. RequestError where it has none of that name."""
    word = tag.removeprefix("#").lower()
    if word not in tags(note):
        known = ", ".join(tags(note)) or "none"
        raise RequestError(f"--untag: the note has no tag {tag!r}; it has: {known}")
    return " ".join(part for part in note.split() if part.lower() != f"#{word}")


def _condition(word: str) -> Keeps:
    if word.lower().startswith("tag:"):
        return with_tag(word[4:])
    found = _CONDITION.fullmatch(word)
    if found is None:
        low = word.lower()
        return lambda run: any(low in part.lower() for part in (run.name, run.data, run.net, run.note))
    key, sign, text = found[1].lower().replace("-", "_"), found[2], found[3]
    value_of = _OWN.get(key) or _of_recipe(key)
    if sign == "~":
        return lambda run: text.lower() in str(value_of(run) or "").lower()
    if sign in _COMPARE:
        limit, compare = _number(key, text), _COMPARE[sign]
        return lambda run: isinstance(value := value_of(run), int | float) and compare(value, limit)
    same = _equals(text)
    return lambda run: same(value_of(run)) == (sign == "=")


def _of_recipe(key: str) -> Callable[[RunSummary], Any]:
    from cvtui.recipe.recipe import Recipe

    fields = Recipe.__struct_fields__
    if key not in fields:
        raise RequestError(
            f"filter: there is no key {key!r}{nearest(key, (*_OWN, *fields))}",
            hint=f"{', '.join(_OWN)}, and the keys of a recipe",
        )
    return lambda run: run.recipe.get(key)


def _number(key: str, text: str) -> float:
    share = text.endswith("%")
    try:
        value = float(text.removesuffix("%"))
    except ValueError:
        raise RequestError(f"filter: {key} is compared with {text!r}, which is not a number") from None
    return value / 100 if share else value


def _equals(text: str) -> Callable[[Any], bool]:
    def same(value: Any) -> bool:
        if isinstance(value, int | float):
            try:
                return value == _number("", text)
            except RequestError:
                return False
        return str(value or "").lower() == text.lower()

    return same
