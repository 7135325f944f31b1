"""Data sets written in the formats in which they are published, with few images."""

from __future__ import annotations

import gzip
import struct
import zlib
from pathlib import Path

import numpy as np

from cvtui.recipe.datasets.torchvision_files import STORAGE
from cvtui.recipe.datasets.torchvision_sets import STORED

Part = tuple[np.ndarray, np.ndarray]
"""Pixels uint8 N x H x W x C, labels N from 0."""


def images(name: str, count: int, seed: int = 0) -> Part:
    """Random pictures of the set's size; every class that fits in has one."""
    random, facts = np.random.default_rng(seed), STORED[name]
    labels = random.permutation(np.arange(count) % len(facts.classes)).astype(np.int64)
    return random.integers(0, 256, (count, *facts.size), dtype=np.uint8), labels


def write(name: str, root: Path, train: Part, test: Part, packed: bool = False) -> Path:
    """Write the set where torchvision looks for it below `root`; gives its folder."""
    folder = root / STORAGE[name].folders[0]
    folder.mkdir(parents=True, exist_ok=True)
    names = [file.name for file in STORAGE[name].files]
    if name == "cifar10":
        sizes = np.array_split(np.arange(len(train[1])), 5)
        parts = [(train[0][part], train[1][part]) for part in sizes] + [test]
        contents = [python2_pickle(*part, "labels") for part in parts]
    elif name == "cifar100":
        contents = [python2_pickle(*part, "fine_labels") for part in (train, test)]
    elif name == "svhn":
        contents = [matlab(*part) for part in (train, test)]
    elif name == "stl10":
        contents = [
            content
            for pixels, labels in (train, test)
            for content in (pixels.transpose(0, 3, 2, 1).tobytes(), (labels + 1).astype(np.uint8).tobytes())
        ]
    else:
        contents = [
            content
            for pixels, labels in (train, test)
            for content in (idx(pixels[..., 0].transpose(0, 2, 1) if name == "emnist" else pixels[..., 0]), idx(labels))
        ]
    for file, content in zip(names, contents, strict=True):
        if packed:
            (folder / f"{file}.gz").write_bytes(gzip.compress(content, 1))
        else:
            (folder / file).write_bytes(content)
    return folder


def idx(values: np.ndarray) -> bytes:
    """As yann.lecun.com described it."""
    return struct.pack(f">BBBB{values.ndim}I", 0, 0, 8, values.ndim, *values.shape) + values.astype(np.uint8).tobytes()


def python2_pickle(pixels: np.ndarray, labels: np.ndarray, key: str) -> bytes:
    """Pickle CIFAR's dictionary as Python 2's cPickle.dumps does, protocol 2 (without the memo)."""
    rows = pixels.transpose(0, 3, 1, 2).reshape(len(pixels), -1)
    raw = rows.tobytes()

    def text(word: str) -> bytes:
        return b"U" + bytes([len(word)]) + word.encode()

    def number(value: int) -> bytes:
        return b"K" + bytes([value]) if value < 256 else b"J" + struct.pack("<i", value)

    numbers = b"](" + b"".join(number(int(label)) for label in labels) + b"e"
    start = (
        b"cnumpy.core.multiarray\n_reconstruct\n" + b"cnumpy\nndarray\n" + number(0) + b"\x85" + text("b") + b"\x87R"
    )
    kind = b"cnumpy\ndtype\n" + text("u1") + number(0) + number(1) + b"\x87R"
    kind += b"(" + number(3) + text("|") + b"NNN" + number(-1 % 2**31) + number(0) + number(0) + b"tb"
    shape = number(len(rows)) + number(rows.shape[1]) + b"\x86"
    state = b"(" + number(1) + shape + kind + b"\x89" + b"T" + struct.pack("<i", len(raw)) + raw + b"tb"
    entries = text("batch_label") + text("training batch 1 of 5") + text(key) + numbers + text("data") + start + state
    return b"\x80\x02}(" + entries + b"u."


def matlab(pixels: np.ndarray, labels: np.ndarray, compress: bool = True, order: str = "<") -> bytes:
    """SVHN's .mat: X and y (10 for 0), MATLAB 5, each array packed by itself."""
    digits = np.where(labels == 0, 10, labels).astype(np.uint8)[:, None]
    head = b"MATLAB 5.0 MAT-file, Platform: GLNXA64".ljust(116) + bytes(8)
    head += struct.pack(f"{order}HH", 0x0100, 0x4D49)
    return head + b"".join(
        _packed(_matrix(name, values, order), compress, order)
        for name, values in (("X", pixels.transpose(1, 2, 3, 0)), ("y", digits))
    )


def _matrix(name: str, values: np.ndarray, order: str) -> bytes:
    body = _element(6, struct.pack(f"{order}II", 9, 0), order)  # 9: uint8
    body += _element(5, np.array(values.shape, f"{order}i4").tobytes(), order)
    body += struct.pack(f"{order}I", len(name) << 16 | 1) + name.encode().ljust(4, b"\0")  # short: within the tag
    body += _element(2, values.tobytes(order="F"), order)
    return struct.pack(f"{order}II", 14, len(body)) + body


def _element(kind: int, data: bytes, order: str) -> bytes:
    return struct.pack(f"{order}II", kind, len(data)) + data + bytes(-len(data) % 8)


def _packed(element: bytes, compress: bool, order: str) -> bytes:
    if not compress:
        return element
    data = zlib.compress(element)
    return struct.pack(f"{order}II", 15, len(data)) + data
