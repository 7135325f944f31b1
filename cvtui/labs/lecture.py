"""The lecture's claims by number, their calculated facts, and which have been seen to hold (kept in settings)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from cvtui import settings
from cvtui.errors import RequestError
from cvtui.labs.claims import CLAIMS, Claim, InCalc, InLab
from cvtui.labs.lookup import check

_KEY = "lecture"
"""Of the settings: the numbers of the claims that have been seen to hold."""
_ASIDE = ("seed", "threads")
"""Knobs that a claim leaves open: it is the same experiment with another seed."""


def claim(text: str) -> Claim:
    """Return the claim of that number. RequestError where there is none."""
    if text.isascii() and text.isdigit() and 1 <= int(text[:6]) <= len(CLAIMS):
        return CLAIMS[int(text) - 1]
    raise RequestError(f"there is no claim {text[:40]!a}; allowed: 1 to {len(CLAIMS)} (`cvtui lecture` lists them)")


# ------------------------------------------------------------------ seen to hold


def held() -> set[int]:
    """Return the numbers of the claims that have been seen to hold on this machine."""
    kept = settings.load().get(_KEY, [])
    return {number for number in kept if type(number) is int} if isinstance(kept, list) else set()


def keep_held(numbers: set[int]) -> None:
    """Add to them."""
    before = held()
    if not numbers <= before:
        settings.keep(**{_KEY: sorted(before | numbers)})


def shown_by(name: str, knobs: Mapping[str, Any]) -> set[int]:
    """Return the claims that a run of lab `name` with these knobs is the experiment of, whatever its seed."""

    def relevant(values: Mapping[str, Any]) -> dict[str, Any]:
        return {key: value for key, value in values.items() if key not in _ASIDE}

    asked = relevant(check(name, knobs))
    return {
        one.number
        for one in CLAIMS
        if isinstance(one.opens, InLab) and one.opens.name == name and relevant(check(name, one.opens.knobs)) == asked
    }


def calculated(page: InCalc) -> tuple[bool, str]:
    """Calculate a Calc page; return whether its facts hold, and the facts as they are found, in one sentence."""
    from cvtui.calc.net.parser import parse
    from cvtui.calc.sizes import parse_size
    from cvtui.calc.solve import solve

    goal = parse_size(page.output, "--output") if page.output else None
    solution = solve(parse(page.net), parse_size(page.input, "--input"), 10, goal, source=page.net)
    found, holds = [], True
    for fact in page.expected:
        name, _, value = fact.partition("=")
        if name == "setting":
            seen, words = _setting(solution, value)
        else:
            seen, words = _of_layer(solution, *name.split("."))
        holds = holds and seen == value
        found.append(words)
    return holds, f"{'; '.join(found)}."


def _of_layer(solution: Any, layer: str, what: str) -> tuple[str, str]:
    """Return a layer's output, weights or parameters, or the weights of the fc in its place: alone, and in words."""
    from cvtui.calc import size_text
    from cvtui.calc.dense import against_dense

    row = next(row for row in solution.table.rows if row.name == layer)
    match what:
        case "output":
            seen = size_text(row.output)
            return seen, f"{layer} gives {seen}"
        case "fc":
            seen = f"{next(pair.dense for pair in against_dense(solution.table) if pair.row.name == layer):,}"
            return seen, f"{layer} as an fc layer has {seen} weights"
        case "weights":
            seen = f"{row.weights:,}"
        case _:
            seen = f"{row.parameters:,}"
    return seen, f"{layer} has {seen} {what}"


def _setting(solution: Any, value: str) -> tuple[str, str]:
    """Work out (N + 2P − F)/S + 1 for `F3S2P0→3`, a way to fill in a `?`; it fits if the solver offers just that."""
    setting, _, _ = value.partition("→")
    f, s, p = (int(number) for number in re.findall(r"\d+", setting))
    answer = solution.answers[0]
    n, offered = answer.size[0], {_numbers(fit): fit.output[0] for fit in answer.fits if fit.exact}
    places = f"{(n + 2 * p - f) / s + 1:.2f}".rstrip("0").rstrip(".")
    worked = f"({n}{f' + 2·{p}' if p else ''} − {f})/{s} + 1 = {places}"
    if (f, s, p) in offered:
        return f"{setting}→{offered[f, s, p]}", f"{worked} fits"
    return f"{setting}→{places}", f"{worked} does not fit"


def _numbers(fit: Any) -> tuple[int, int, int]:
    """F, S and P."""
    (f, _), (s, _) = fit.node.size, fit.node.stride
    return f, s, fit.node.padding[0] if fit.node.padding is not None else (f - 1) // 2
