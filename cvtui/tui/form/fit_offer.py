"""What fits the chosen data, and which fields the user has set: what the form offers to fill in, and to take back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache

from cvtui.errors import RequestError
from cvtui.recipe.datasets.catalog import source_of
from cvtui.recipe.datasets.facts import DATA_FIELDS
from cvtui.recipe.fitted import FITTED, fitted
from cvtui.recipe.recipe import Recipe
from cvtui.recipe.toml import override
from cvtui.tui.form.field_values import field_texts

DEFAULTS = field_texts(Recipe())
COUNTED = ("optimizer", "accumulate", *FITTED)
"""Fields that a fit goes by where the user has set them."""


@dataclass
class FitOffer:
    """The offer of one form."""

    offered: dict[str, str] = field(default_factory=dict)
    """Fields that would change, with their new texts."""
    taken: dict[str, str] = field(default_factory=dict)
    """Fields that were filled in, as they still stand, with the texts that they had before."""
    _put: dict[str, set[str]] = field(default_factory=dict)
    """Texts that fits have filled in: not the user's own."""
    _before: dict[str, tuple[str, str]] = field(default_factory=dict)
    """Field -> text before the last fit, text of the fit."""
    _data: str | None = None
    """The data of the last fit."""

    def look(self, texts: Mapping[str, str]) -> None:
        """Work out what is offered for what stands in the form now."""
        first, data = self._data is None, texts["data"]
        if data != self._data:
            self._before, self._data = {}, data
        if first:
            self._adopt(texts)
        self.offered = self._offer(texts, self._own(texts))
        held = {name: before for name, (before, put) in self._before.items() if texts[name] == put}
        self.taken = {} if self.offered else held

    def take(self, texts: Mapping[str, str]) -> dict[str, str]:
        """Return the texts to fill in: what is offered, else what stood there before it was taken."""
        if not self.offered:
            back, self._before = dict(self.taken), {}
            return back
        held = {name: before for name, (before, put) in self._before.items() if texts[name] == put}
        self._before = {name: (before, texts[name]) for name, before in held.items()}
        for name, text in self.offered.items():
            self._before[name] = (held.get(name, texts[name]), text)
            self._put.setdefault(name, set()).add(text)
        return dict(self.offered)

    def _own(self, texts: Mapping[str, str]) -> set[str]:
        """Return the fields that the user has set: neither the default nor filled in by a fit."""
        return {name for name in COUNTED if texts[name] not in {DEFAULTS[name], *self._put.get(name, ())}}

    def _adopt(self, texts: Mapping[str, str]) -> None:
        """Take what a fit on the command line has filled in as its own.

        That may be a warm-up of the epochs that were given there: the fit to what is not from a fit.
        """
        free = _fit(texts, set())
        own = {name for name in COUNTED if texts[name] not in {DEFAULTS[name], free.get(name)}}
        for name in COUNTED:
            if name in own and _fit(texts, own - {name}).get(name) == texts[name]:
                own.remove(name)
        for name, text in _fit(texts, own).items():
            if texts[name] == text != DEFAULTS[name]:
                self._put[name] = {text}
                self._before[name] = (DEFAULTS[name], text)

    def _offer(self, texts: Mapping[str, str], own: set[str]) -> dict[str, str]:
        if own & {"net"} or texts["weights"].strip():
            return {}
        return {name: text for name, text in _fit(texts, own).items() if name not in own and text != texts[name]}


def _fit(texts: Mapping[str, str], own: set[str]) -> dict[str, str]:
    """Return the fitting text of each fitted field; {} while the data can't be told."""
    names = {*DATA_FIELDS, *own} - ({"size"} - own)
    return dict(_fitted(tuple((name, texts[name]) for name in sorted(names)), frozenset(own)))


@lru_cache(maxsize=1)  # a form asks again at every key
def _fitted(asked: tuple[tuple[str, str], ...], own: frozenset[str]) -> Mapping[str, str]:
    try:
        recipe = override(Recipe(), dict(asked))
        if source_of(recipe.data).runs_code:
            return {}  # asking it runs the user's code
        found = fitted(recipe, own)
    except RequestError:
        return {}
    return {name: found.changes.get(name, DEFAULTS[name]) for name in FITTED}
