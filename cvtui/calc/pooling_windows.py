"""The arithmetic of a window that slides: how many places it has, along one axis.

n: length of the input, f: of the filter or window, s: stride, p: padding on both sides, d: dilation.
"""

from __future__ import annotations


def extent(f: int, d: int) -> int:
    """How far the filter reaches: d·(f − 1) + 1."""
    return d * (f - 1) + 1


def conv_output_size(n: int, f: int, s: int, p: int, d: int = 1) -> int:
    """⌊(n + 2p − d·(f − 1) − 1)/s⌋ + 1, or 0 where the filter does not fit at all (Conv2d, floor pooling)."""
    room = n + 2 * p - extent(f, d)
    return room // s + 1 if room >= 0 else 0


def pool_output_size(n: int, f: int, s: int, p: int, ceil: bool = False) -> int:
    """Return the same for pooling.

    With ceil_mode PyTorch drops the last window where it would start in the right padding.
    """
    if not ceil:
        return conv_output_size(n, f, s, p)
    places = (n + 2 * p - f + s - 1) // s + 1
    if (places - 1) * s >= n + p:
        places -= 1
    return max(places, 0)


def same_padding(f: int, d: int = 1) -> int:
    """d·(f − 1)/2: what keeps the size at stride 1; rounded down where it is not whole (an even filter)."""
    return d * (f - 1) // 2


def left_over(n: int, f: int, s: int, p: int, d: int = 1) -> int:
    """Places at the end of the padded input that no window reads."""
    return (n + 2 * p - extent(f, d)) % s


def taps_inside(n: int, places: int, f: int, s: int, p: int, d: int = 1) -> int:
    """Over all places: how many of the filter's f taps lie on the input and not on the padding.

    Tap k of place i reads i·s + k·d − p, which must be one of 0 … n − 1. Exact, and quick for a filter of any size.
    """
    return _at_most(n - 1 + p, places, f, s, d) - _at_most(p - 1, places, f, s, d)


def _at_most(m: int, places: int, f: int, s: int, d: int) -> int:
    """How many pairs (i, k) with 0 <= i < places and 0 <= k < f have i·s + k·d <= m."""
    if m < 0:
        return 0
    some = min(f, m // d + 1)  # taps that any place can have
    full = min(some, max(0, (m - (places - 1) * s) // d + 1))  # taps that every place has
    rest = some - full
    # The others, from the last on: tap some − 1 − j has ⌊(m − (some − 1 − j)·d)/s⌋ + 1 places.
    return full * places + rest + _floor_sum(rest, s, d, m - (some - 1) * d)


def _floor_sum(count: int, m: int, a: int, b: int) -> int:
    """Sum of ⌊(a·j + b)/m⌋ over j = 0 … count − 1, in the steps of Euclid's algorithm."""
    total = 0
    while count:
        total += (count - 1) * count // 2 * (a // m) + count * (b // m)
        a, b = a % m, b % m
        top = a * count + b
        if top < m:
            break
        count, b = divmod(top, m)
        m, a = a, m
    return total


def formula(n: int, f: int, s: int, p: int, d: int = 1, *, ceil: bool = False) -> str:
    """Write the output size worked out, in the lecture's form: `(32 + 2·2 − 5)/1 + 1 = 32`."""
    padded = f"{n} + 2·{p}" if p else f"{n}"
    reach = f"{f}" if d == 1 else f"{d}·({f} − 1) − 1"
    room = n + 2 * p - extent(f, d)
    whole = f"({padded} − {reach})/{s}"
    if room % s == 0:
        return f"{whole} + 1 = {room // s + 1}"
    if not ceil:
        return f"⌊{whole}⌋ + 1 = {room // s + 1}"
    places = pool_output_size(n, f, s, p, ceil=True)
    dropped = (room + s - 1) // s + 1 - places
    return f"⌈{whole}⌉ + 1{' − 1' if dropped else ''} = {places}"
