"""`npz:PATH`: images and labels of one NumPy file, in the layouts of MedMNIST, Keras and `np.savez`."""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Mapping
from itertools import compress
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from cvtui import door
from cvtui.errors import RequestError
from cvtui.recipe.datasets import class_names, label_sets
from cvtui.recipe.datasets.asked_folder import named
from cvtui.recipe.datasets.data_facts import DataFacts, parse_size
from cvtui.recipe.datasets.file_source import FileSource, Signature, check_names, check_strangers
from cvtui.recipe.datasets.image_files import names_in
from cvtui.recipe.datasets.label_sets import LabelSets, counts_of, is_set, joined
from cvtui.recipe.datasets.labels import (
    bytes_text,
    classes_of,
    halves_of,
    held_out,
    part_of_name,
    parted,
    two_spellings,
)
from cvtui.recipe.datasets.npz_names import find_pairs
from cvtui.recipe.recipe import Recipe

if TYPE_CHECKING:
    from numpy.typing import NDArray

MOST_CHANNELS = 16
"""Satellites have 13; a fourth axis of more is depth."""
BROKEN = (OSError, ValueError, KeyError, EOFError, RuntimeError, zipfile.BadZipFile, zlib.error)
"""What is raised for files that are damaged, or packed in another way."""
CLASS_NAMES = ("class_names", "classes", "label_names", "names")


class Arrays(NamedTuple):
    """What a file holds, its images by their shape alone."""

    path: Path
    images: tuple[str, ...]
    """Names of the arrays of images: training and validation, or both in one."""
    shape: tuple[int, ...]
    """Of one image, H x W or H x W x C as it stands there."""
    classes: tuple[str, ...]
    train: list[int]
    """The number of each training image in its array."""
    validation: list[int]
    train_labels: list[int]
    validation_labels: list[int]
    notes: tuple[str, ...]
    label_sets: LabelSets = ()


class NpzFile(FileSource):
    """`npz:PATH`."""

    reader = "npz_file"
    prefix = "npz"
    usage = "npz:PATH"
    summary = "images and labels of a NumPy file"
    placeholder = "pathmnist.npz"
    endings = (".npz",)
    options = ("images", "labels")

    def facts(self, recipe: Recipe) -> DataFacts:
        found = self.arrays(recipe.data, recipe.val_share, recipe.seed, only=bool(recipe.only.strip()))
        high, wide, *channels = image_shape(found.shape)
        if recipe.size:
            high, wide = parse_size(recipe.size)
        labels = found.train_labels, found.validation_labels
        counts = [counts_of(one, found.label_sets, len(found.classes)) for one in labels]
        return DataFacts(
            name=recipe.data,
            summary=f"{len(found.train) + len(found.validation):,} images of {found.path.name}",
            size=(high, wide, channels[0]),
            classes=found.classes,
            train=len(found.train),
            validation=len(found.validation),
            train_counts=counts[0],
            validation_counts=counts[1],
            label_sets=found.label_sets,
            notes=found.notes,
        )

    def arrays(self, text: str, val_share: float, seed: int, *, only: bool = False) -> Arrays:
        """Read labels, and the images' shape. RequestError in one line for what is none of the layouts.

        only: the recipe names the classes that are meant: one that only validation has is no obstacle.
        """
        key = (text, self.signature(text), val_share, seed, only)
        if key not in _known:
            files = self.files(text)
            if len(files) > 1:
                raise RequestError(
                    f"data: {str(self.place(text))!r} names {len(files):,} files: {named([one.name for one in files])}",
                    hint=f"one is read: npz:{files[0]}; joined into one by np.savez('set.npz', x_train=…, y_train=…, "
                    "x_val=…, y_val=…)",
                )
            found = _arrays_of(files[0], self.asked(text).options, (val_share, seed, only))
            _known.clear()
            _known[key] = found
        return _known[key]


_known: dict[tuple[str, Signature, float, int, bool], Arrays] = {}


def _beside(path: Path) -> list[str]:
    """Tell of files of other parts beside one of the training part."""
    if part_of_name(path.stem) != "train":
        return []
    others = sorted(name for name in names_in(str(path.parent)) if name.lower().endswith(".npz"))
    held = [name for name in others if part_of_name(Path(name).stem) in ("validation", "test")]
    return [f"not used: {named(held)} beside it (np.savez joins the arrays of both into one file)"] if held else []


def image_shape(shape: tuple[int, ...]) -> tuple[int, int, int]:
    """Return height, width and channels: of H x W, H x W x C or C x H x W (4 channels, RGBA, become 3)."""
    if len(shape) == 2:
        return shape[0], shape[1], 1
    high, wide, channels = shape if not channels_first(shape) else (*shape[1:], shape[0])
    return high, wide, 3 if channels == 4 else channels


def channels_first(shape: tuple[int, ...]) -> bool:
    return len(shape) == 3 and shape[0] in (1, 3, 4) and shape[2] not in (1, 3, 4)


def read_array(path: Path, name: str) -> NDArray[Any]:
    """Read one array. RequestError where it can't be: nothing is unpickled."""
    import numpy as np

    try:
        with door.opened_input(path) as file, np.load(file, allow_pickle=False) as arrays:
            held: NDArray[Any] = arrays[name]
            return held
    except BROKEN as error:
        words = (
            f"it holds Python objects (save {name}.astype(str), or numbers)"
            if "pickle" in str(error)
            else str(error) or type(error).__name__
        )
        raise RequestError(f"data: {name!r} of {str(path)!r} can't be read: {words}") from None


def _shapes(path: Path) -> dict[str, tuple[int, ...]]:
    """Return the shape of every array, by their headers alone."""
    import numpy as np

    found = {}
    try:
        with door.opened_input(path) as file, zipfile.ZipFile(file) as archive:
            for name in archive.namelist():
                if name.endswith(".npy"):
                    with archive.open(name) as entry:
                        version = np.lib.format.read_magic(entry)
                        read = np.lib.format.read_array_header_1_0 if version == (1, 0) else (
                            np.lib.format.read_array_header_2_0)  # fmt: skip
                        found[name.removesuffix(".npy")] = tuple(read(entry)[0])
    except BROKEN as error:
        words = getattr(error, "strerror", None) or str(error) or type(error).__name__
        raise RequestError(f"data: {str(path)!r} is no NumPy file of arrays: {words}") from None
    return found


def _arrays_of(path: Path, asked: Mapping[str, str], how: tuple[float, int, bool]) -> Arrays:
    shapes = _shapes(path)
    by_lower = {name.lower(): name for name in shapes}
    images, labels, notes = find_pairs(path, {name: shape for name, shape in shapes.items()
                                              if name.lower() not in CLASS_NAMES}, asked)  # fmt: skip
    for name in images:
        _check_images(path, name, shapes)
    if len(images) == 1:
        notes += _beside(path)
    if len({image_shape(shapes[name][1:]) for name in images}) > 1:
        both = " and ".join("x".join(map(str, shapes[name][1:])) for name in images)
        raise RequestError(f"data: training and validation images of {path.name!r} differ: {both}")
    texts = [_labels(path, name, images[place], shapes, notes) for place, name in enumerate(labels)]
    names_of_classes = _class_names(path, by_lower)
    if any(is_set(text) for part in texts for text in part):
        wide = shapes[labels[0]][1]
        names_of_classes = (
            names_of_classes if len(names_of_classes) == wide else [str(number) for number in range(wide)]
        )
    return _divided(path, images, shapes[images[0]][1:], texts, names_of_classes, notes, how)


def _check_images(path: Path, name: str, shapes: dict[str, tuple[int, ...]]) -> None:
    shape = shapes[name]
    if len(shape) not in (3, 4) or 0 in shape:
        words = "x".join(map(str, shape)) or "no shape"
        raise RequestError(f"data: {name!r} of {path.name!r} is {words}, no images (N x H x W, or N x H x W x C)",
                           hint="rows of pixels are brought to it by .reshape(len(x), H, W)")  # fmt: skip
    if image_shape(shape[1:])[2] > MOST_CHANNELS:
        words = "x".join(map(str, shape[1:]))
        raise RequestError(
            f"data: {name!r} of {path.name!r} holds volumes of {words}, not pictures of up to {MOST_CHANNELS} channels",
            hint="one slice of each is a picture: x[:, x.shape[1] // 2]",
        )


def _labels(path: Path, name: str, images: str, shapes: dict[str, tuple[int, ...]], notes: list[str]) -> list[str]:
    """Return the label of each image as text. Of several labels a picture: a set (label_sets.py). RequestError."""
    values = read_array(path, name)
    if not values.ndim or values.dtype.kind not in "buifSU":
        kind = "one value" if not values.ndim else f"{values.dtype}"
        raise RequestError(f"data: {name!r} of {path.name!r} is {kind}, not a whole number or a word for each image")
    if len(values) != shapes[images][0]:
        raise RequestError(f"data: {path.name!r} has {shapes[images][0]:,} {images} and {len(values):,} {name}")
    if values.ndim == 2 and values.shape[1] == 1:  # MedMNIST's
        values = values[:, 0]
    if values.ndim == 2:
        if bool((((values == 0) | (values == 1)).all(1) & (values.sum(1) == 1)).all()):
            notes.append(f"{name} is one-hot: the class is the column that holds 1")
            values = values.argmax(1)
        elif bool(((values == 0) | (values == 1)).all()):
            columns = [str(number) for number in range(values.shape[1])]
            return [joined(compress(columns, row)) for row in values.tolist()]
        else:
            raise RequestError(f"data: {name!r} of {path.name!r} has {values.shape[1]} columns of other numbers than 0 "
                               "and 1: neither classes nor marks of several")  # fmt: skip
    if values.ndim != 1:
        shape = "x".join(map(str, values.shape))
        raise RequestError(f"data: {name!r} of {path.name!r} is {shape}: one label per image is needed")
    if values.dtype.kind in "SU":
        return [bytes_text(value) if isinstance(value, bytes) else value for value in values.tolist()]
    if values.dtype.kind == "f" and len(broken := values[values != values.round()]):
        raise RequestError(f"data: {name!r} of {path.name!r} holds numbers such as {broken[0]:g}, not classes")
    return [str(int(value)) for value in values.tolist()]


def _class_names(path: Path, by_lower: dict[str, str]) -> list[str]:
    name = next((by_lower[name] for name in CLASS_NAMES if name in by_lower), None)
    if name is None:
        return []
    values = read_array(path, name)
    if values.ndim != 1 or values.dtype.kind not in "SU":
        return []
    return [bytes_text(value) if isinstance(value, bytes) else value for value in values.tolist()]


def _divided(
    path: Path, images: tuple[str, ...], shape: tuple[int, ...], texts: list[list[str]], names: list[str],
    notes: list[str], how: tuple[float, int, bool],
) -> Arrays:  # fmt: skip
    """Give the classes their numbers, and divide the images into both parts."""
    val_share, seed, only = how
    if any(is_set(text) for part in texts for text in part):
        return _divided_sets(path, images, shape, texts, names, notes, val_share, seed)
    what, count = repr(path.name), len(texts[0])
    every = [text for part in texts for text in part]
    notes += two_spellings(every)
    if len(texts) == 2:
        both = halves_of(texts[0], texts[1], what)
        check_strangers(both.strange, what, both.classes, only)
        notes += both.notes
        parts = list(range(count)), [place for place, label in enumerate(both.held) if label >= 0]
        labels = both.train, [both.held[place] for place in parts[1]]
        classes = both.classes
    else:
        classes, numbers = classes_of(every, what)
        held = held_out(numbers, classes, range(count), val_share, seed)
        parts = [place for place in range(count) if place not in held], sorted(held)
        labels = [numbers[place] for place in parts[0]], [numbers[place] for place in parts[1]]
    classes = _named(classes, [] if len(names) in (count, len(every)) and len(names) > len(classes) else names, notes)
    check_names(classes, what)
    notes += class_names.alike(classes)
    return Arrays(path, images, shape, classes, *parts, *labels, tuple(notes))


def _named(classes: tuple[str, ...], names: list[str], notes: list[str]) -> tuple[str, ...]:
    """Return the names of classes that are numbers: by their place, else as many names as classes in rising order."""
    numbers = all(name.lstrip("-").isdecimal() for name in classes)
    if names and numbers and all(name.isdecimal() and int(name) < len(names) for name in classes):
        return tuple(names[int(name)] for name in classes)
    if names and numbers and len(names) == len(classes):
        pairs = ", ".join(f"{number} is {class_names.shown(name)}" for number, name in zip(classes, names, strict=True))
        notes.append(f"labels in rising order are the classes in theirs: {pairs}"[:300])
        return tuple(names)
    if names and set(classes) - set(names):
        notes.append(f"the {len(names):,} names of classes are not used: the labels are of {len(classes):,} others")
    if numbers and classes != tuple(map(str, range(len(classes)))):
        shown = f"{classes[0]} to {classes[-1]}" if len(classes) > 4 else ", ".join(classes)
        notes.append(f"the classes are called as their labels: {shown}")
    return classes


def _divided_sets(
    path: Path, images: tuple[str, ...], shape: tuple[int, ...], texts: list[list[str]], names: list[str],
    notes: list[str], val_share: float, seed: int,
) -> Arrays:  # fmt: skip
    """Divide images in several classes, which are the columns of the labels."""
    columns = [str(number) for number in range(len(names))]
    _, sets, numbers = label_sets.numbered([text for part in texts for text in part], columns, repr(path.name))
    classes = tuple(names)
    notes.append(f"pictures of {path.name} are in several classes: the accuracy is that of a yes or no for each class")
    count = len(texts[0])
    if len(texts) == 2:
        return Arrays(path, images, shape, classes, list(range(count)), list(range(len(texts[1]))), numbers[:count],
                      numbers[count:], tuple(notes), sets)  # fmt: skip
    parts = parted(range(count), label_sets.held_out(numbers, sets, range(count), val_share, seed))
    return Arrays(path, images, shape, classes, list(parts[0]), list(parts[1]), [numbers[place] for place in parts[0]],
                  [numbers[place] for place in parts[1]], tuple(notes), sets)  # fmt: skip
