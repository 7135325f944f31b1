"""Page of a fault: paragraphs of pages.toml, filled with the catalogue's limits and what the benchmark measured."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Sequence
from importlib.resources import files

import msgspec

from cvtui.doctor.catalogue import FAULTS, Fault
from cvtui.doctor.confidence import TABLE
from cvtui.doctor.cures import CURES
from cvtui.doctor.doctor import AT_ONCE

KINDS = {
    "exact": "an invariant is broken",
    "static": "it is seen before the first step, or in it",
    "heuristic": "a signal crossed a limit",
}
SEVERITIES = {
    "stop": "stop (what comes of the run is worth nothing)",
    "warn": "warn (a fault)",
    "note": "note (worth knowing, or a state)",
}
SECTIONS = ("What it looks like", "Why", "How to tell it from its neighbours", "How to cure it", "Real programs")
_LIMIT = re.compile(r"\{(?:([FL]\d\d)\.)?(\w+)(%?)\}")


class Paragraphs(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What pages.toml says of one fault."""

    looks: str
    why: str
    apart: str
    cure: str


class RealProgram(msgspec.Struct, frozen=True):
    """A faulty classifier of other people whose cause was this fault."""

    id: str
    """The post's or thread's number."""
    source: str
    title: str
    """What its owner saw."""
    why: str
    """What was wrong, and how that is known."""
    first: str = ""
    """Of one that was kept back: what the doctor said first, by its id, or "nothing above a note"."""


class Measured(msgspec.Struct, frozen=True):
    """What the benchmark measured of one fault."""

    first: str = ""
    """Share of the injected runs in which it was named first."""
    programs: list[RealProgram] = []


def read(text: str) -> dict[str, Paragraphs]:
    return msgspec.convert(tomllib.loads(text), dict[str, Paragraphs])


def _text(name: str) -> str:
    return files("cvtui.doctor").joinpath(name).read_text(encoding="utf-8")


PARAGRAPHS = read(_text("pages.toml"))
MEASURED = msgspec.convert(tomllib.loads(_text("measured.toml")), dict[str, Measured])
"""Id -> what was measured; written by `python -m tests.make_docs` from the benchmark's results."""


def filled(text: str, fault_id: str) -> str:
    """Return a paragraph as one line, with the catalogue's limits in place of `{name}` and `{F01.name%}`.

    Raises KeyError for a limit that the catalogue does not have.
    """

    def number(found: re.Match[str]) -> str:
        value = FAULTS[found[1] or fault_id].limits[found[2]]
        return f"{100 * value:.6g} %" if found[3] else f"{value:,.6g}" if value >= 1 else f"{value:g}"

    return _LIMIT.sub(number, " ".join(text.split()))


def apart(fault_id: str) -> str:
    """Return the paragraph that tells a fault from its neighbours; "" for an id that has none."""
    known = PARAGRAPHS.get(fault_id)
    return filled(known.apart, fault_id) if known is not None else ""


def explained_by(fault_id: str) -> list[str]:
    """Return the faults that are named in its place where both are seen."""
    own = FAULTS[fault_id]
    return [one.id for one in FAULTS.values() if fault_id in one.causes and one.order < own.order]


def followed_by(fault_id: str) -> list[str]:
    """Return the faults that are named behind it where both are seen."""
    own = FAULTS[fault_id]
    return sorted((one for one in own.causes if FAULTS[one].order > own.order), key=lambda one: FAULTS[one].order)


def page(fault_id: str, pictures: Sequence[str] = ()) -> list[str]:
    """Return the blocks of a fault's page, in Markdown: headings, paragraphs and lines of lists.

    pictures: blocks that show a run of it.
    """
    fault, words = FAULTS[fault_id], PARAGRAPHS[fault_id]
    looks, why, told, cure, real = SECTIONS
    return [
        f"# {fault_id}: {fault.name}",
        f"{_capital(fault.what)}. Kind: {fault.kind} ({KINDS[fault.kind]}). Severity: {SEVERITIES[fault.severity]}, "
        "where its rule sets no other.",
        f"## {looks}",
        filled(words.looks, fault_id),
        *pictures,
        f"## {why}",
        filled(words.why, fault_id),
        f"## {told}",
        filled(words.apart, fault_id),
        *_order(fault_id),
        *_limits(fault),
        f"## {cure}",
        f"{fault.advice} {filled(words.cure, fault_id)}",
        *_cures(fault_id),
        *_sure(fault),
        *_programs(fault_id, real),
    ]


def _order(fault_id: str) -> list[str]:
    before, after = explained_by(fault_id), followed_by(fault_id)
    named = []
    if before:
        named.append(f"- Named in its place, where seen too: {_names(before)}.")
    if after:
        named.append(f"- Named behind it, as its consequences: {_names(after)}.")
    if not named:
        return []
    late = f"{AT_ONCE} steps" + (f" and its {FAULTS[fault_id].span} steps of evidence" if FAULTS[fault_id].span else "")
    when = f"A cause must have been seen by then, or at most {late} later, and a note explains no fault:"
    return [when, *named]


def _names(ids: Sequence[str]) -> str:
    return ", ".join(f"{FAULTS[one].name} ({one})" if len(ids) <= 6 else one for one in ids)


def _limits(fault: Fault) -> list[str]:
    numbers = ", ".join(f"`{name}` {value:,.6g}" for name, value in fault.limits.items())
    words = f"Limits in the catalogue: {numbers}. " if numbers else ""
    return [f"{words}Source: {fault.source}."]


def _cures(fault_id: str) -> list[str]:
    """Say what the benchmark measured of changes of the recipe."""
    rows = []
    for fields, tried in CURES.get(fault_id, {}).items():
        names = " and ".join(f"`{name}`" for name in fields.split("+"))
        rows.append(
            f"- A change of {names} made {tried.better} of {tried.runs} runs of the benchmark better; the validation "
            f"accuracy changed by {100 * tried.gain:+.3g} points (median; at worst {100 * tried.worst:+.3g}). "
            + ("It is offered." if tried.helps else "It is not offered.")
        )
    return rows or ["No change of the recipe was measured as its cure, so none is offered."]


def _sure(fault: Fault) -> list[str]:
    known, seen = MEASURED.get(fault.id, Measured()), TABLE.faults.get(fault.id)
    words = []
    if known.first:
        words.append(
            f"Share of the benchmark's runs with this fault in which it, or a name that is as right, came first: "
            f"{known.first}."
        )
    if fault.severity == "note":
        return [" ".join([*words, "A note states what is seen and carries no confidence."])]
    words.append(f"Confidence of a finding: {TABLE.confidence(fault.id):.2f}")
    if seen is None or not (seen.injected[0] or seen.real[0]):
        words[-1] += ", the share of all real programs, as nothing was counted for it alone."
        return [" ".join(words)]
    counts = [(seen.injected, "injected and healthy runs"), (seen.real, "real programs")]
    told = [f"in {right} of {said} {what}" for (said, right), what in counts if said]
    words[-1] += f" (told first it named a true cause {' and '.join(told)})."
    return [" ".join(words)]


def _programs(fault_id: str, heading: str) -> list[str]:
    programs = MEASURED.get(fault_id, Measured()).programs
    if not programs:
        return []
    return [
        f"## {heading}",
        "In other people's programs (in some one cause of several):",
        *map(_program, programs),
    ]


def _program(one: RealProgram) -> str:
    said = f" Kept back; the doctor said first: {one.first}." if one.first else ""
    return f"- {one.id} ({one.source}): {one.title}. What was wrong: {one.why}.{said}"


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
