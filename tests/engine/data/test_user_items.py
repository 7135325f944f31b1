"""What a user's function may return and its items may hold: what each becomes, or the one line that refuses it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch.utils.data import ConcatDataset, DataLoader, Dataset, IterableDataset, Subset, TensorDataset, random_split

from cvtui.engine.data import user_dataset
from cvtui.engine.data.images import Split
from cvtui.engine.data.user_dataset import read_callable
from cvtui.errors import RequestError
from tests.doctor.test_check import run_precheck
from tests.engine.making import pixels_of


class Items(Dataset[Any]):
    """Four items (or so many) with these images, of two classes."""

    def __init__(self, *images: Any, labels: Any = (0, 1), **more: Any) -> None:
        self.images, self.labels = images, labels
        for name, value in more.items():
            setattr(self, name, value)

    def __len__(self) -> int:
        return max(8, len(self.images))

    def __getitem__(self, number: int) -> Any:
        return self.images[number % len(self.images)], self.labels[number % len(self.labels)]


@pytest.fixture(autouse=True)
def fresh() -> Any:
    read_callable.cache_clear()
    yield
    read_callable.cache_clear()


def read(given: Any, monkeypatch: pytest.MonkeyPatch, size: str = "", **more: Any) -> Split:
    monkeypatch.setattr(user_dataset, "called", lambda _: given)
    read_callable.cache_clear()
    return read_callable("my.set:f", size, 0.25, 0, **more)


def ramp(*shape: int) -> Any:
    return np.linspace(0, 1, int(np.prod(shape))).reshape(shape)


@pytest.mark.parametrize(
    ("image", "shape", "dtype", "top"),
    [
        (np.zeros((8, 6, 4), np.uint8), (8, 6, 4), torch.uint8, 0),
        (torch.zeros(4, 8, 6), (8, 6, 4), torch.uint8, 0),
        (np.zeros((4, 6, 4), np.uint8), (4, 6, 4), torch.uint8, 0),
        (torch.zeros((12, 8, 6), dtype=torch.uint8), (8, 6, 12), torch.uint8, 0),
        (np.zeros((8, 9, 5), np.uint8), (8, 9, 5), torch.uint8, 0),
        (ramp(8, 8).astype(np.float32), (8, 8, 1), torch.uint8, 255),
        (ramp(8, 8) * 0.01, (8, 8, 1), torch.float32, 0.01),  # 3 grey levels of 8 bits
        (ramp(8, 8) - 0.5, (8, 8, 1), torch.float32, 0.5),
        ((ramp(8, 8) * 255).astype(np.int64), (8, 8, 1), torch.uint8, 255),
        ((ramp(8, 8) * 4095).astype(np.uint16), (8, 8, 1), torch.uint16, 65535),
        ((ramp(8, 8) * 4095).astype(">u2"), (8, 8, 1), torch.uint16, 65535),
        (torch.tensor(ramp(3, 8, 8) * 1023).to(torch.uint16), (8, 8, 3), torch.uint16, 65535),
        (ramp(8, 8) > 0.5, (8, 8, 1), torch.uint8, 255),
        (Image.fromarray(ramp(8, 8).astype(np.float32)), (8, 8, 1), torch.uint16, 65535),  # PIL's F in 0..1
        (Image.fromarray((ramp(8, 8) * 4095).astype(np.uint16)), (8, 8, 1), torch.uint16, 65535),
        (Image.fromarray((ramp(8, 8) * 255).astype(np.int32)), (8, 8, 1), torch.uint8, 255),
        (Image.new("RGBA", (6, 8), (9, 9, 9, 0)), (8, 6, 3), torch.uint8, 255),  # on white
        (Image.new("1", (6, 8), 1), (8, 6, 1), torch.uint8, 255),
        (Image.new("CMYK", (6, 8)), (8, 6, 3), torch.uint8, 255),
        (ramp(5), (5,), torch.float32, 1),
    ],
)
def test_what_an_image_becomes(
    image: Any, shape: tuple[int, ...], dtype: torch.dtype, top: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    pixels = pixels_of(read(Items(image), monkeypatch).train)
    assert (tuple(pixels.shape[1:]), pixels.dtype) == (shape, dtype)
    assert float(pixels.double().max()) == pytest.approx(top)


def test_pictures_of_one_set_have_one_scale(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a callable as of a folder: 255 is dark beside 4,000."""
    values = [(ramp(8, 8) * top).astype(np.uint16) for top in (255, 256, 4000, 90)]
    split = read(Items(*values), monkeypatch)
    tops = {int(image.int().max()) for image in pixels_of(split.train)}
    assert tops <= {round(top / 4095 * 65535) for top in (255, 256, 4000, 90)}
    assert "12 bits, 4,095 is white" in "; ".join(split.notes)
    split = read(Items(*values), monkeypatch, bits=16)
    assert {int(image.int().max()) for image in pixels_of(split.train)} <= {255, 256, 4000, 90}


def test_grey_among_colour_and_every_size_obey_the_size(monkeypatch: pytest.MonkeyPatch) -> None:
    images = [Image.new("L", (10, 8), 100), Image.new("RGB", (8, 8), (10, 20, 30)), Image.new("RGB", (30, 9))]
    split = read(Items(*images), monkeypatch, "6x7")
    assert pixels_of(split.train).shape[1:] == (6, 7, 3)
    assert "three equal channels" in "; ".join(split.notes)
    assert pixels_of(read(Items(*images), monkeypatch).train).shape[1:] == (64, 64, 3)
    assert pixels_of(read(Items(images[0]), monkeypatch, "6").train).shape[1:] == (6, 6, 1)


def test_labels_as_medmnist_and_hugging_face_have_them(monkeypatch: pytest.MonkeyPatch) -> None:
    split = read(Items(np.zeros((8, 8, 3), np.uint8), labels=[np.array([1]), torch.tensor([0])]), monkeypatch)
    assert sorted(split.train.labels.unique().tolist()) == [0, 1]
    rows = [{"image": Image.new("L", (8, 8)), "label": number % 2} for number in range(8)]
    assert read(rows, monkeypatch).train.size == 6


def test_names_through_subset_random_split_and_concat(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = Items(torch.zeros(1, 8, 8), classes=["cat", "dog"])
    assert read(Subset(whole, range(6)), monkeypatch).classes == ("cat", "dog")
    assert read(tuple(random_split(whole, [4, 4])), monkeypatch).classes == ("cat", "dog")
    assert read(ConcatDataset([whole, whole]), monkeypatch).classes == ("cat", "dog")


def one(labels: Any, **more: Any) -> Items:
    return Items(torch.zeros(1, 8, 8), labels=labels, **more)


class Endless(IterableDataset[Any]):
    def __iter__(self) -> Any:
        return iter(())


SET = TensorDataset(torch.zeros(8, 1, 8, 8), torch.arange(8) % 2)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ((SET, SET, SET), "returned 3 Datasets; return one Dataset, or a pair"),
        ([SET], "returned 1 Datasets; return one Dataset"),
        (DataLoader(SET), "returned a DataLoader; return its Dataset (loader.dataset)"),
        ((DataLoader(SET), DataLoader(SET)), "returned a DataLoader; return its Dataset"),
        (Endless(), "IterableDataset: its items have no numbers"),
        ({"train": SET, "test": SET}, "returned a dict with 'train', 'test'; return one Dataset"),
        ((torch.zeros(8, 1, 8, 8), torch.zeros(8)), "returned two arrays"),
        (np.zeros((8, 8, 8)), "returned an array without labels"),
        (None, "gave None, no Dataset"),
        (3, "gave a int, no Dataset"),
        ("set", "gave a str, no Dataset"),
        ([], "without items"),
        (TensorDataset(torch.zeros(0, 1, 8, 8), torch.zeros(0)), "without items"),
        (Subset(SET, [0]), "a Dataset of one item; two classes of two images are the least"),
        (Subset(SET, [0, 1]), "has one image of each of its 2 classes; two are the least"),
        (one([0.5, 1]), "the label of item 0 is 0.5, not a whole number or a name"),
        (one([None, 1]), "the label of item 0 is None"),
        (one([0]), "labels of one class only"),
        (one([0, -3]), "there is a label -3"),
        (Items(torch.zeros(2, 8, 8)), "its images have 2 channels (8x8x2); allowed: 1, 3, 4 or more"),
        (Items(torch.zeros(1, 3, 8, 8)), "the image of item 0 has 4 dimensions, not C x H x W"),
        (Items(torch.zeros(3, 8, 8), torch.zeros(4, 8, 8)), "differ in their channels: 8x8x3, 8x8x4"),
        (Items(torch.zeros(5), torch.zeros(3, 8, 8)), "its images differ: 5, 8x8x3"),
        (Items(torch.eye(8).to_sparse()), "a Tensor of layout sparse_coo on 'cpu'; it must be a PIL image"),
        (Items(torch.zeros(3, 8, 8, device="meta")), "a Tensor on 'meta'; it must be a PIL image"),
        (Items("cat.png"), "the image of item 0 is a str"),
        (Items(None), "the image of item 0 is a NoneType"),
        (Items(torch.zeros(3, 0, 8)), "the image of item 0 is empty"),
        (Items(torch.zeros(3, 8, 8, dtype=torch.complex64)), "holds complex numbers"),
        (TensorDataset(torch.zeros(8, 1, 8, 8)), "item 0 is a tuple, not a pair of image and label"),
        ((SET, TensorDataset(torch.zeros(8, 1, 8, 8), torch.arange(8) % 3)), "validation has the class '2'"),
    ],
    ids=lambda value: value if isinstance(value, str) else type(value).__name__,
)
def test_what_is_refused_is_one_line_and_never_pytorch_s(
    given: Any, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(RequestError) as caught:
        read(given, monkeypatch)
    assert words in caught.value.message
    assert caught.value.message.startswith("data: my.set:f")
    assert "\n" not in caught.value.message


def test_labels_of_a_million_million_take_no_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    split = read(one([0, 10**12]), monkeypatch)
    assert split.classes == ("0", str(10**12))
    assert split.train.labels.max() == 1


def test_check_does_not_tick_labels_where_a_class_is_empty(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "checkedset.py").write_text(
        "import torch\n"
        "from torch.utils.data import TensorDataset\n"
        "def gap():\n"
        "    made = TensorDataset(torch.rand(40, 1, 8, 8), torch.arange(40) % 2 * 2)\n"
        "    made.classes = ['a', 'b', 'c']\n"
        "    return made\n"
        "def from_one():\n"
        "    return TensorDataset(torch.rand(40, 1, 8, 8), torch.arange(40) % 2 + 1)\n"
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    question = "labels in range, one output per class"
    _, items = run_precheck(data="checkedset:gap", net="fc", batch_size=8)
    assert items[question].mark == "doubt"
    assert "3 classes, 3 outputs; 1 class without a training image" in items[question].answer
    _, items = run_precheck(data="checkedset:from_one", net="fc", batch_size=8)
    assert items[question].mark == "ok"
    assert "0 to 1, 2 classes, 2 outputs" in items[question].answer
