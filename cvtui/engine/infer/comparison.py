"""Two models' answers to the same images: who is right where, and whether the difference may be chance."""

from __future__ import annotations

import os

import numpy as np
from numpy.typing import NDArray

from cvtui.engine.infer.answers import Answers
from cvtui.errors import RequestError
from cvtui.metrics.paired import mcnemar
from cvtui.runlog.evaluation import Comparison, Difference
from cvtui.text import encodable

MOST = 1000
"""Images that are named."""


def compare(first: Answers, second: Answers, name: str, other: str) -> Comparison:
    """Return McNemar's test over the images that both were asked about. RequestError where there are none."""
    pairs, notes = shared(first, second)
    if not len(pairs):
        raise RequestError(
            f"{name!r} and {other!r} were evaluated on no image in common",
            hint="--data PATH evaluates both on the same ones",
        )
    one, two = pairs.T
    if not _same_truth(first, one, second, two):
        raise RequestError(f"{name!r} and {other!r} know the same images under different labels")
    right, also = first.right[one], second.right[two]
    only_first, only_second = int((right & ~also).sum()), int((~right & also).sum())
    differ = np.flatnonzero(right != also)[:MOST].tolist()
    return Comparison(
        first=name, second=other, images=len(pairs), notes=notes, both_right=int((right & also).sum()),
        only_first=only_first, only_second=only_second, both_wrong=int((~right & ~also).sum()),
        p=mcnemar(only_first, only_second),
        differ=[
            Difference(
                image=encodable(first.names[one[place]]), truth=first.truth_words(one[place]),
                first=first.said_words(one[place]), second=second.said_words(two[place]),
                first_right=bool(right[place]),
            )
            for place in differ
        ],
    )  # fmt: skip


def _same_truth(first: Answers, one: NDArray[np.int64], second: Answers, two: NDArray[np.int64]) -> bool:
    if (first.table is None) != (second.table is None):
        return False
    if first.table is None:
        return bool((first.truth[one] == second.truth[two]).all())
    return bool((first.sets[one] == second.sets[two]).all())


def shared(first: Answers, second: Answers) -> tuple[np.ndarray, list[str]]:
    """Return pairs of places of the images that both have, by their names (files by their real paths)."""
    keys, others = _keys(first), _keys(second)
    places = {key: place for place, key in enumerate(others)}
    pairs = [(place, places[key]) for place, key in enumerate(keys) if key in places]
    notes = []
    if len(pairs) < max(len(keys), len(others)):
        notes.append(f"{len(pairs):,} images are in both validation sets (of {len(keys):,} and {len(others):,}): they "
                     "are compared")  # fmt: skip
    return np.array(pairs, np.int64).reshape(-1, 2), notes


def _keys(answers: Answers) -> list[str]:
    return [os.path.realpath(name) for name in answers.names] if answers.files else list(map(str, answers.names))
