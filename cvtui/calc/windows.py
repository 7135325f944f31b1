"""The arithmetic of a window that slides: how many places it has, along one axis.

n: length of the input, f: of the filter or window, s: stride, p: padding on both sides, d: dilation.
"""

from __future__ import annotations


def extent(f: int, d: int) -> int:
    """How far the filter reaches: d·(f − 1) + 1."""
    return d * (f - 1) + 1


def conv_places(n: int, f: int, s: int, p: int, d: int = 1) -> int:
    """⌊(n + 2p − d·(f − 1) − 1)/s⌋ + 1, or 0 where the filter does not fit at all (Conv2d, floor pooling)."""
    room = n + 2 * p - extent(f, d)
    return room // s + 1 if room >= 0 else 0


def pool_places(n: int, f: int, s: int, p: int, ceil: bool = False) -> int:
    """The same for pooling. With ceil_mode PyTorch drops the last window where it would start in the right padding."""
    if not ceil:
        return conv_places(n, f, s, p)
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
    """Over all places: how many of the filter's f taps lie on the input and not on the padding."""
    total = 0
    for tap in range(f):
        shift = tap * d - p  # tap of place i reads i·s + shift
        first = max(0, -(shift // s))
        last = min(places - 1, (n - 1 - shift) // s)
        total += max(0, last - first + 1)
    return total


def formula(n: int, f: int, s: int, p: int, d: int = 1, *, ceil: bool = False) -> str:
    """The number of places worked out, in the lecture's form: `(32 + 2·2 − 5)/1 + 1 = 32`."""
    padded = f"{n} + 2·{p}" if p else f"{n}"
    reach = f"{f}" if d == 1 else f"{d}·({f} − 1) − 1"
    room = n + 2 * p - extent(f, d)
    whole = f"({padded} − {reach})/{s}"
    if room % s == 0:
        return f"{whole} + 1 = {room // s + 1}"
    if not ceil:
        return f"⌊{whole}⌋ + 1 = {room // s + 1}"
    places = pool_places(n, f, s, p, ceil=True)
    dropped = (room + s - 1) // s + 1 - places
    return f"⌈{whole}⌉ + 1{' − 1' if dropped else ''} = {places}"
