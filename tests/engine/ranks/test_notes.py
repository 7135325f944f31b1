"""Why the ranks of a run have ended, of what each of them has left."""

from __future__ import annotations

from pathlib import Path

import pytest

from cvtui.engine.ranks import notes
from cvtui.engine.ranks.notes import LastWords, cause, exit_code, last_words, leave_exit_code, leave_words

GONE = LastWords(rank=0, restart=0, time=1.0, text="another rank is gone", lost=True)
OWN = LastWords(rank=2, restart=0, time=2.0, text="OSError: a disk", lost=False)
SILENT = LastWords(rank=1, restart=0, time=3.0, text="rank 3 did not answer for 5s (--rank-timeout)", lost=True,
                   silent=True)  # fmt: skip


@pytest.mark.parametrize(
    ("words", "killed", "expected"),
    [
        ([GONE, OWN], [], "rank 2: OSError: a disk"),
        ([GONE], [(1, "SIGKILL")], "rank 1 was ended by SIGKILL"),
        ([SILENT], [(3, "SIGKILL")], SILENT.text),  # the agent kills it at last
        ([GONE], [], "another rank is gone"),
        ([], [], "the ranks ended without a word; see worker.log"),
    ],
)
def test_the_cause_goes_before_its_consequences(
    words: list[LastWords], killed: list[tuple[int, str]], expected: str
) -> None:
    assert cause(words, killed) == expected


def test_words_of_an_earlier_life_are_not_taken_for_the_last(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(notes.NOTES, str(tmp_path))
    for words in (OWN, LastWords(rank=1, restart=1, time=9.0, text="later", lost=True), SILENT):
        leave_words(words, RuntimeError(words.text))
    assert [one.text for one in last_words(tmp_path)] == ["later"]
    assert exit_code(tmp_path) is None
    leave_exit_code(130)
    assert exit_code(tmp_path) == 130
    assert notes.has_ended()
