"""Two classifiers on the same images: McNemar's exact test on those that only one of them gets right."""

from __future__ import annotations

import math

EXACT = 1000
"""Images up to which whole numbers are summed; of more, logarithms of factorials."""


def mcnemar(only_first: int, only_second: int) -> float:
    """Return the exact two-sided p-value: the chance of a split at least as uneven, were both equally good.

    Binomial with probability 1/2 over the images that exactly one of them gets right (McNemar 1947).
    """
    total = only_first + only_second
    if total == 0 or only_first == only_second:
        return 1.0
    few = min(only_first, only_second)
    if total <= EXACT:
        return min(1.0, 2 * sum(math.comb(total, k) for k in range(few + 1)) / (1 << total))
    logs = [_log_choose(total, k) - total * math.log(2) for k in range(few + 1)]
    top = max(logs)
    return min(1.0, 2 * math.exp(top) * math.fsum(math.exp(one - top) for one in logs))


def _log_choose(n: int, k: int) -> float:
    return math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1)
