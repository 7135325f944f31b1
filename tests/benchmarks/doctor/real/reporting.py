"""The report: each program, recall, precision and confusion by kind, those kept back apart."""

from __future__ import annotations

from collections import Counter

from tests.benchmarks.doctor.real.judging import Outcome

VERDICTS = ("right", "wrong", "symptom", "nothing")


def report(outcomes: list[Outcome]) -> str:
    """Return all tables in Markdown: with data, labels and classes given, and with nothing given."""
    parts = []
    for told in (True, False):
        of_kind = [one for one in outcomes if one.told is told]
        if of_kind:
            parts.append(f"## Given {'data, labels and classes' if told else 'nothing'}\n")
            parts.append(counts(of_kind))
            parts.append(by_kind(of_kind))
            parts.append(each(of_kind))
    return "\n\n".join(parts)


def counts(outcomes: list[Outcome]) -> str:
    """Return how often the cause was named first, of those that limits were chosen on, and of those kept back."""
    lines = [
        "| programs | faulty | right | wrong | symptom | nothing | recall | repaired | left in peace |",
        "|---" * 9 + "|",
    ]
    for name, group in (
        ("for limits", [one for one in outcomes if not one.program.held and not _is_ours(one)]),
        ("kept back", [one for one in outcomes if one.program.held and not _is_ours(one)]),
    ):
        faulty = [one.verdict for one in group if one.program.truth]
        repaired = [one.verdict for one in group if not one.program.truth]
        numbers = " | ".join(str(faulty.count(verdict)) for verdict in VERDICTS)
        recall = f"{faulty.count('right') / len(faulty):.2f}" if faulty else "–"
        lines.append(f"| {name} | {len(faulty)} | {numbers} | {recall} | {len(repaired)} | {repaired.count('peace')} |")
    ours = [one.verdict for one in outcomes if _is_ours(one)]
    if ours:
        lines.append(f"\nHealthy and unusual: {ours.count('peace')} of {len(ours)} left in peace.")
    return "\n".join(lines)


def by_kind(outcomes: list[Outcome]) -> str:
    """Return recall and precision of each kind, and what was said in its place.

    A program counts under the first id of its truth. Precision: of all runs of which the id was said first (repaired
    and healthy ones too), the share in which it is a true cause.
    """
    faulty = [one for one in outcomes if one.program.truth]
    kinds = sorted({one.program.truth[0] for one in faulty} | {one.first for one in outcomes if one.first})
    lines = ["| kind | programs | named first | said first in all | precision | said in its place |", "|---" * 6 + "|"]
    for kind in kinds:
        own = [one for one in faulty if one.program.truth[0] == kind]
        right = sum(one.verdict == "right" for one in own)
        said = [one for one in outcomes if one.first == kind]
        true = sum(kind in one.program.truth for one in said)
        other = Counter(one.first or "nothing" for one in own if one.verdict != "right")
        words = ", ".join(f"{name} {count}" for name, count in other.most_common())
        share = f"{true / len(said):.2f}" if said else "–"
        lines.append(f"| {kind} | {len(own)} | {right} | {len(said)} | {share} | {words} |")
    return "\n".join(lines)


def each(outcomes: list[Outcome]) -> str:
    """Return what was said of each."""
    lines = ["| program | kept back | true cause | said first | verdict | accuracy |", "|---" * 6 + "|"]
    for one in outcomes:
        first = " ".join(one.said[0][:2]) if one.said else "–"
        truth = ", ".join(one.program.truth) or "none"
        held = "yes" if one.program.held else ""
        lines.append(f"| {one.program.id} | {held} | {truth} | {first} | {one.verdict} | {one.accuracy:.2f} |")
    return "\n".join(lines)


def _is_ours(outcome: Outcome) -> bool:
    return outcome.program.id.startswith("ok-")
