"""The net expression: `[(conv32-relu)*2-pool]*3-(fc128-relu)-fc` to a tree of layers and back.

    chain  :=  part (("-" | ",") part)*          spaces are free, case does not matter
    part   :=  block ["*" COUNT]
    block  :=  layer | "[" chain "]" | "(" chain ")" | "res(" chain ")" | "cat(" chain ("|" chain)+ ")"
    layer  :=  convK[fF][sS][pP][dD][gG][nobias] | (pool | avgpool | sumpool)[F][sS][pP][ceil] | gap
             | fc[N][nobias] | flatten | relu | leakyrelu | tanh | sigmoid | gelu | silu | elu | bn | ln
             | drop[P] | softmax

F, S, P and D take one number or two (`f3x5`: height x width); in a conv, `f?`, `s?` and `p?` ask what fits. The comma
is the lecture's, before SOFTMAX. Every mistake is a `RequestError` with the column where it stands.

A parser by hand, recursive, one method per rule of the grammar. It bounds what it is given (text, nesting, numbers,
layers after unrolling), so that a hostile line costs no more than a friendly one.
"""

from __future__ import annotations

import re
from typing import Literal

from cvtui.calc.net.nodes import (
    ACTIVATIONS,
    Activation,
    BatchNorm,
    Chain,
    Concat,
    Conv,
    Dropout,
    Flatten,
    GlobalPool,
    LayerNorm,
    Linear,
    Node,
    Pool,
    Repeat,
    Residual,
    Softmax,
)
from cvtui.calc.net.printer import net_expression
from cvtui.errors import RequestError, nearest

MAX_TEXT = 100_000
MAX_DEPTH = 64
MAX_LAYERS = 10_000
MAX_NUMBER = 10**9

_POOLS: dict[str, Literal["max", "average", "sum"]] = {
    "pool": "max",
    "maxpool": "max",
    "avgpool": "average",
    "sumpool": "sum",
}
_WORDS: dict[str, type[Node]] = {
    "gap": GlobalPool,
    "flatten": Flatten,
    "bn": BatchNorm,
    "ln": LayerNorm,
    "softmax": Softmax,
}
_OPTIONS = {"conv": ("f", "s", "p", "d", "g", "nobias"), "fc": ("nobias",)} | dict.fromkeys(_POOLS, ("s", "p", "ceil"))
LAYERS = ("conv", *_POOLS, "fc", "drop", *_WORDS, *ACTIVATIONS)
"""Every word that begins a layer."""

# Longest first, so that `flatten` is not read as another word with a tail.
_NAMES = tuple(sorted((*LAYERS, "res", "cat"), key=len, reverse=True))
_CLOSING = {"(": ")", "[": "]"}
_ALIKE = str.maketrans({"–": "-", "−": "-", "·": "*", "∗": "*"})  # one to one: columns stay
_DIGITS = frozenset("0123456789")
_CODE = re.compile(r"([A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*)\.([A-Za-z_]\w*(?:\(.*\))?)")
"""Python's own way to name what a module holds; no net expression looks so."""
_LETTERS = frozenset("abcdefghijklmnopqrstuvwxyz")

PairOrUnknown = tuple[int | None, int | None]


def parse(text: str) -> Chain:
    """Parse a net expression. RequestError with `source` and `column` when it is not one."""
    if len(text) > MAX_TEXT:
        raise RequestError(f"the expression has {len(text):,} characters; at most {MAX_TEXT:,} are read")
    return _Parser(text).whole()


def format(chain: Chain) -> str:  # noqa: A001 - the face that the rooms agreed on: net.parse, net.format
    """Return the canonical text of a net; `parse(format(chain)) == chain`."""
    return net_expression(chain)


class _Parser:
    def __init__(self, text: str) -> None:
        self.source = text
        self.text = "".join(c.lower() if c.isascii() else c for c in text).translate(_ALIKE)
        self.at = 0
        self.depth = 0
        self.open: list[int] = []
        self.softmax: int | None = None

    # The grammar, one method per rule. Each returns its node and the number of layers in it after unrolling.

    def whole(self) -> Chain:
        self.space()
        if self.at == len(self.text):
            raise self.fail("the expression is empty", 0, hint="for example: [(conv32-relu)*2-pool]*2-fc128-relu-fc")
        chain, _ = self.chain()
        if self.at < len(self.text):
            raise self.fail(f"expected '-' or the end, found {self.found()}")
        return chain

    def chain(self) -> tuple[Chain, int]:
        start = self.skip()
        node, layers = self.part()
        parts = [node]
        while self.peek() in ("-", ","):
            self.at += 1
            node, more = self.part()
            parts.append(node)
            layers += more
            self.bound(layers, node.span[0])
        return Chain(parts=tuple(parts), span=(start, parts[-1].span[1])), layers

    def part(self) -> tuple[Node, int]:
        self.skip()
        earlier = self.softmax
        if earlier is not None:
            raise self.fail("softmax belongs to the loss: it may stand only at the very end", earlier)
        block, layers = self.block()
        if self.peek() not in ("*", "×"):
            return block, layers
        self.at += 1
        column = self.skip()
        count = self.number("a count after '*'")
        if count < 1:
            raise self.fail("a part is repeated at least once: *1", column)
        if count > 1 and self.softmax is not None:
            raise self.fail("softmax belongs to the loss: it may not be repeated", self.softmax)
        self.bound(layers * count, column)
        body = block if isinstance(block, Chain) else Chain(parts=(block,), span=block.span)
        return Repeat(body=body, count=count, span=(block.span[0], self.at)), layers * count

    def block(self) -> tuple[Node, int]:
        start = self.at
        opening = self.peek()
        if opening in _CLOSING:
            (chain,), layers = self.group(start)
            return Chain(parts=chain.parts, span=(start, self.at)), layers
        name = self.name()
        if name not in ("res", "cat"):
            return self.layer(name, start), 1
        if self.peek() != "(":
            raise self.fail(
                f"expected '(' after {name}, found {self.found()}", hint="res(conv8-relu), cat(conv8f1|conv8)"
            )
        branches, layers = self.group(self.at, branching=name == "cat")
        if self.softmax is not None:
            raise self.fail(f"softmax belongs to the loss: it may not stand inside {name}(…)", self.softmax)
        span = (start, self.at)
        if name == "res":
            return Residual(body=branches[0], span=span), layers + 1
        if len(branches) < 2:
            raise self.fail("cat joins at least two branches: cat(conv8f1|conv8)", start)
        return Concat(branches=branches, span=span), layers + 1

    def group(self, start: int, *, branching: bool = False) -> tuple[tuple[Chain, ...], int]:
        """Parse a bracket and what is in it, up to and with the bracket that closes it."""
        if self.depth == MAX_DEPTH:
            raise self.fail(f"brackets nest deeper than {MAX_DEPTH}", start)
        closing = _CLOSING[self.text[start]]
        self.at = start + 1
        self.depth += 1
        chain, layers = self.chain()
        branches = [chain]
        while branching and self.peek() == "|":
            self.at += 1
            chain, more = self.chain()
            branches.append(chain)
            layers += more
            self.bound(layers, chain.span[0])
        if self.peek() == "|":
            raise self.fail("'|' parts the branches of cat(…|…) only")
        if self.at == len(self.text):
            raise self.fail(f"'{self.text[start]}' is never closed: expected '{closing}'", start)
        if self.text[self.at] != closing:
            raise self.fail(f"expected '-' or '{closing}', found {self.found()}")
        self.at += 1
        self.depth -= 1
        return tuple(branches), layers

    def layer(self, name: str, start: int) -> Node:
        if name == "conv":
            return self.conv(start)
        if name in _POOLS:
            return self.pool(_POOLS[name], start)
        if name == "fc":
            outputs = self.positive("fc's number of outputs") if self.peek() in _DIGITS else None
            bias = "nobias" not in self.options("fc")
            return Linear(outputs=outputs, bias=bias, span=(start, self.end()))
        if name == "drop":
            return Dropout(probability=self.probability(), span=(start, self.end()))
        if name == "softmax":
            self.softmax = start
        span = (start, self.at)
        node: Node = Activation(kind=name, span=span) if name in ACTIVATIONS else _WORDS[name](span=span)
        self.after(name)
        return node

    def conv(self, start: int) -> Conv:
        if self.peek() not in _DIGITS:
            raise self.fail(f"conv needs its number of filters (conv32), found {self.found()}")
        filters = self.positive("the number of filters")
        options = self.options("conv")
        dilation, groups = options.get("d", (1, 1)), options.get("g", (1, 1))
        assert dilation[0] is not None
        assert dilation[1] is not None
        assert groups[0] is not None
        return Conv(
            filters=filters,
            size=options.get("f", (3, 3)),
            stride=options.get("s", (1, 1)),
            padding=options.get("p"),
            dilation=(dilation[0], dilation[1]),
            groups=groups[0],
            bias="nobias" not in options,
            span=(start, self.end()),
        )

    def pool(self, kind: Literal["max", "average", "sum"], start: int) -> Pool:
        size: PairOrUnknown = (2, 2)
        if self.peek() in _DIGITS:
            size = self.pair("the window", unknown=False, least=1)
        options = self.options("pool")
        stride, padding = options.get("s"), options.get("p", (0, 0))
        return Pool(
            kind=kind,
            size=_known(size),
            stride=None if stride is None else _known(stride),
            padding=_known(padding),
            ceil="ceil" in options,
            span=(start, self.end()),
        )

    def options(self, name: str) -> dict[str, PairOrUnknown]:
        """Parse the letters with numbers after a layer's name, each at most once and in any order."""
        allowed = _OPTIONS[name]
        given: dict[str, PairOrUnknown] = {}
        while True:
            column = self.skip()
            option = next((o for o in allowed if self.text.startswith(o, column)), None)
            if option is None:
                self.after(name)
                return given
            if option in given:
                raise self.fail(f"{name} has '{option}' twice", column)
            self.at += len(option)
            if option in ("nobias", "ceil"):
                given[option] = (1, 1)
            elif option == "g":
                groups = self.positive("a number of groups after 'g'")
                given[option] = (groups, groups)
            else:
                unknown = name == "conv" and option in "fsp"
                least = 0 if option == "p" else 1
                given[option] = self.pair(f"a number after '{option}'", unknown=unknown, least=least)

    # The words and numbers.

    def name(self) -> str:
        """Parse a layer's name: the longest known one that what follows allows (`pools2` is `pool` with `s2`)."""
        start = self.at
        end = start
        while end < len(self.text) and self.text[end] in _LETTERS:
            end += 1
        word = self.text[start:end]
        if not word:
            raise self.fail(f"expected a layer or a bracket, found {self.found()}")
        for name in _NAMES:
            if word == name or (word.startswith(name) and word[len(name) :].startswith(_OPTIONS.get(name, ("\0",)))):
                self.at = start + len(name)
                return name
        shown = word if len(word) <= 20 else word[:20] + "…"
        if code := _CODE.fullmatch(self.source.strip()):
            raise self.fail(f"unknown layer '{shown}'", start, hint=f"code is written {code[1]}:{code[2]}")
        raise self.fail(
            f"unknown layer '{shown}'{nearest(word[:40], LAYERS)}", start, hint="layers: " + " ".join(LAYERS)
        )

    def pair(self, what: str, *, unknown: bool, least: int) -> PairOrUnknown:
        first = self.one(what, unknown=unknown, least=least)
        if self.peek() not in ("x", "×"):
            return first, first
        self.at += 1
        self.skip()
        return first, self.one(f"{what.split(' after')[0]} after 'x'", unknown=unknown, least=least)

    def one(self, what: str, *, unknown: bool, least: int) -> int | None:
        column = self.skip()
        if self.peek() == "?":
            if not unknown:
                raise self.fail("'?' asks for a conv's f, s or p only", column)
            self.at += 1
            return None
        value = self.number(what)
        if value < least:
            raise self.fail(f"{what}: at least {least}, not {value}", column)
        return value

    def positive(self, what: str) -> int:
        column = self.skip()
        value = self.number(what)
        if value < 1:
            raise self.fail(f"{what}: at least 1, not {value}", column)
        return value

    def number(self, what: str) -> int:
        start = self.skip()
        self.digits()
        if self.at == start:
            raise self.fail(f"expected {what}, found {self.found()}")
        if self.at - start > 10 or int(self.text[start : self.at]) > MAX_NUMBER:
            raise self.fail(f"the number is too large: at most {MAX_NUMBER:,}", start)
        return int(self.text[start : self.at])

    def probability(self) -> float:
        start = self.skip()
        if self.peek() not in _DIGITS and self.peek() != ".":
            self.after("drop")
            return 0.5
        self.digits()
        if self.peek() == ".":
            self.at += 1
            self.digits()
        text = self.text[start : self.at]
        if text == "." or len(text) > 30 or not 0 <= float(text) < 1:
            raise self.fail("drop takes the share that is put to 0: at least 0 and less than 1 (drop0.5)", start)
        self.after("drop")
        return float(text)

    # Where we are.

    def digits(self) -> None:
        while self.at < len(self.text) and self.text[self.at] in _DIGITS:
            self.at += 1

    def space(self) -> None:
        while self.at < len(self.text) and self.text[self.at].isspace():
            self.at += 1

    def skip(self) -> int:
        """Return the column of the next character that is no space."""
        self.space()
        return self.at

    def peek(self) -> str:
        """Return the next character that is no space; "" at the end."""
        self.space()
        return self.text[self.at] if self.at < len(self.text) else ""

    def end(self) -> int:
        """Return the column after the last character that is no space."""
        end = self.at
        while end > 0 and self.text[end - 1].isspace():
            end -= 1
        return end

    def after(self, name: str) -> None:
        """Return True if this may follow a layer: anything that is no part of a word or number."""
        found = self.peek()
        if found == "?" and name in _POOLS:
            raise self.fail("'?' asks for a conv's f, s or p; write the pool or leave it out")
        if found in _LETTERS or found in _DIGITS or found in ("?", "."):
            options = " ".join(_OPTIONS.get(name, ()))
            also = f" or one of {name}'s options ({options})" if options else ""
            raise self.fail(f"expected '-'{also}, found {self.found()}")

    def found(self) -> str:
        """Return the word or character here, for a message; or the end."""
        self.space()
        if self.at >= len(self.text):
            return "the end"
        end = self.at
        while end < len(self.text) and self.text[end] in _LETTERS | _DIGITS and end - self.at < 20:
            end += 1
        return repr(self.source[self.at : max(end, self.at + 1)])

    def bound(self, layers: int, column: int) -> None:
        if layers > MAX_LAYERS:
            raise self.fail(f"the net has {layers:,} layers when unrolled; at most {MAX_LAYERS:,} are read", column)

    def fail(self, message: str, column: int | None = None, *, hint: str = "") -> RequestError:
        return RequestError(message, hint=hint, source=self.source, column=self.at if column is None else column)


def _known(pair: PairOrUnknown) -> tuple[int, int]:
    first, second = pair
    assert first is not None
    assert second is not None
    return first, second
