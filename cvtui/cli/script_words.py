"""Where the command line of `cvtui run` ends and that of the script begins."""

from __future__ import annotations

from collections.abc import Sequence

WITH_VALUE = ("--name", "--runs", "--watch-every", "--ci")


def own_count(words: Sequence[str]) -> int:
    """Count the leading words (behind `run`) that are cvtui's; all behind them belong to the script, untouched.

    `-m MODULE` is the last of them, as Python has it.
    """
    number = 0
    while number < len(words):
        word = words[number]
        if word == "-m":
            return min(number + 2, len(words))
        if word.startswith("-m") and not word.startswith("--"):
            return number + 1
        if word in WITH_VALUE:
            number += 2
        elif word.startswith("-") and word not in ("-", "--"):
            number += 1
        else:
            break
    return min(number, len(words))
