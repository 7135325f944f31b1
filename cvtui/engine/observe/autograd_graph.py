"""Autograd's graph, node by node.

It can be read after backward too: what is freed are the tensors that it kept.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection, Iterator
from typing import Any

Node = Any


def stem(node: Node) -> str:
    """Return a node's name without its number."""
    return str(node.name()).rstrip("0123456789")


def inputs(node: Node) -> list[Node]:
    """Return the nodes before this one."""
    return [before for before, _ in node.next_functions if before is not None]


def first_input(node: Node) -> Node | None:
    """Return the node of the first argument; None where that has no gradient."""
    return node.next_functions[0][0] if node.next_functions else None


def walk(start: Node | None, most: int, is_end: Callable[[Node], bool] | None = None) -> Iterator[Node]:
    """Yield the nodes from `start` on, the nearest first, until `most` are seen; behind an end nothing is looked at."""
    if start is None:
        return
    waiting, seen = deque([start]), {start}
    while waiting and len(seen) < most:
        node = waiting.popleft()
        yield node
        if is_end is not None and is_end(node):
            continue
        for before in inputs(node):
            if before not in seen:
                seen.add(before)
                waiting.append(before)


def through(node: Node | None, passed: Collection[str]) -> Node | None:
    """Return the first node before this one, itself included, whose operation is none of `passed`."""
    while node is not None and stem(node).removesuffix("Backward") in passed:
        node = first_input(node)
    return node
