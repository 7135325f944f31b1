"""Parse each style sheet once per process: every test that starts an app would parse the same sheets twice.

What comes out is what comes out of Textual's own parser, which still parses everything once: the key holds all that it
is given, and Textual shares rules in the same way within an app: nothing changes a rule after it was parsed.
"""

from __future__ import annotations

from typing import Any

from textual.css.model import RuleSet
from textual.css.stylesheet import Stylesheet

_parsed: dict[tuple[object, ...], list[RuleSet]] = {}
_parse = Stylesheet._parse_rules


def install() -> None:
    """For every app of this process."""
    Stylesheet._parse_rules = _parse_once  # type: ignore[method-assign]
    RuleSet.__hash__ = object.__hash__  # type: ignore[method-assign]
    """By identity as well, without a call of Python for each rule at each widget."""


def _parse_once(self: Stylesheet, css: str, *asked: Any, **more: Any) -> list[RuleSet]:
    used = tuple(self._variables.items()) if "$" in css else ()
    key = (used, css, *asked, *more.items())
    rules = _parsed.get(key)
    if rules is None:
        rules = _parsed[key] = _parse(self, css, *asked, **more)
    return rules
