"""A callable's two data sets with class lists of their own: matched by name, or refused where they contradict.

The oracle is torchvision's ImageFolder on both halves, and the colour of every image.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

from cvtui.engine.data.user_dataset import read_callable
from cvtui.errors import RequestError
from tests.engine.making import pixels_of

COLOURS = {"cat": (250, 0, 0), "dog": (0, 250, 0), "emu": (0, 0, 250)}
MODULE = """
from torchvision.datasets import ImageFolder

def pair():
    return ImageFolder("pics/train"), ImageFolder("pics/val")

class Named:
    def __init__(self, folder, classes):
        self.items, self.classes = ImageFolder(folder), classes
    def __len__(self): return len(self.items)
    def __getitem__(self, number):
        image, label = self.items[number]
        name = self.items.classes[label]
        names = getattr(self, "classes", None) or ["cat", "dog", "emu"]
        return image, [one.lower() for one in names].index(name)

def turned():
    return Named("pics/train", ["cat", "dog"]), Named("pics/val", ["dog", "cat"])

def case():
    return Named("pics/train", ["Cat", "Dog"]), Named("pics/val", ["dog", "cat"])

def more_names():
    return Named("pics/train", ["cat", "dog"]), Named("pics/val", ["emu", "dog", "cat"])

def one_nameless():
    held = Named("pics/val", None)
    del held.classes
    return Named("pics/train", ["cat", "dog"]), held

def strangers():
    return Named("pics/train", ["cat", "dog"]), Foreign()

class Foreign(Named):
    def __init__(self): super().__init__("pics/val", ["dog", "cat"]); self.classes = ["katze", "hund"]
    def __getitem__(self, number): return self.items[number]

def twice():
    return Named("pics/train", ["cat", "dog"]), Foreign2()

class Foreign2(Foreign):
    def __init__(self): super().__init__(); self.classes = ["dog", "dog"]
"""


@pytest.fixture(autouse=True)
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    (tmp_path / "halves_of_mine.py").write_text(MODULE)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    sys.modules.pop("halves_of_mine", None)
    read_callable.cache_clear()
    pytest.importorskip("torchvision")
    yield tmp_path
    read_callable.cache_clear()


def make(root: Path, train: str, validation: str) -> None:
    for half, names in (("train", train), ("val", validation)):
        for name in names.split():
            place = root / "pics" / half / name
            place.mkdir(parents=True)
            for number in range(3):
                Image.new("RGB", (4, 4), COLOURS[name]).save(place / f"{number}.png")


def colours_by_class(text: str) -> dict[str, set[tuple[int, ...]]]:
    """{class: colours of its images in both halves}."""
    split = read_callable(f"halves_of_mine:{text}", "", 0.2, 0)
    found: dict[str, set[tuple[int, ...]]] = {name: set() for name in split.classes}
    for part in (split.train, split.validation):
        for pixels, label in zip(pixels_of(part), part.labels.tolist(), strict=True):
            found[split.classes[label]].add(tuple(pixels[0, 0].tolist()))
    return found


@pytest.mark.parametrize(
    ("text", "train", "validation"),
    [
        ("pair", "cat dog", "cat dog"),
        ("pair", "cat dog emu", "dog emu"),  # its numbers are 0 and 1 there, and mean 1 and 2
        ("turned", "cat dog", "cat dog"),
        ("case", "cat dog", "cat dog"),
        ("more_names", "cat dog", "cat dog"),
        ("one_nameless", "cat dog", "cat dog"),
    ],
)
def test_equal_names_are_the_same_class(module: Path, text: str, train: str, validation: str) -> None:
    make(module, train, validation)
    found = {name.lower(): colours for name, colours in colours_by_class(text).items()}
    assert found == {name: {COLOURS[name]} for name in train.split()}


@pytest.mark.parametrize(
    ("text", "train", "validation", "words"),
    [
        ("pair", "cat dog", "cat dog emu", "items of the class 'emu', which training doesn't name: 'cat', 'dog'"),
        ("strangers", "cat dog", "cat dog", "items of the class 'hund', which training doesn't name: 'cat', 'dog'"),
        ("twice", "cat dog", "cat dog", "its `classes` name 'dog' twice"),
    ],
)
def test_lists_that_contradict_are_refused(module: Path, text: str, train: str, validation: str, words: str) -> None:
    make(module, train, validation)
    with pytest.raises(RequestError) as caught:
        read_callable(f"halves_of_mine:{text}", "", 0.2, 0)
    assert words in caught.value.message
    assert "\n" not in caught.value.message
