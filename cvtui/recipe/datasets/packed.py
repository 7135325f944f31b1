"""Names of pictures that lie inside another file, and what opens them."""

from __future__ import annotations

import io
from collections.abc import Iterable

from cvtui import door


class Packed(str):
    """The name of a picture in another file (`shard.tar:key.jpg`): a piece of that file's bytes."""

    container: str
    offset: int
    length: int

    def __new__(cls, name: str = "", container: str = "", offset: int = 0, length: int = 0) -> Packed:
        made = super().__new__(cls, name)
        made.container, made.offset, made.length = container, offset, length
        return made

    def opened(self) -> io.BytesIO:
        """Return its bytes as a file. OSError where they can't be read."""
        with door.opened_input(self.container) as file:
            file.seek(self.offset)
            return io.BytesIO(file.read(self.length))


def holds_packed(names: Iterable[str]) -> bool:
    """Return True if one of these is `Packed`: by the kinds that occur, which is quick of 100,000."""
    return any(issubclass(kind, Packed) for kind in set(map(type, names)))
