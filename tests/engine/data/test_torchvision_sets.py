"""The published formats, on small files: pixels and labels, and what is said of damaged ones."""

from __future__ import annotations

import contextlib
import gzip
import hashlib
import os
import pickle
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from cvtui.engine.data.formats.cifar import read_cifar
from cvtui.engine.data.formats.errors import DamagedError
from cvtui.engine.data.formats.idx import read_idx
from cvtui.engine.data.formats.mat import read_mat
from cvtui.engine.data.images import Images
from cvtui.engine.data.loading import load
from cvtui.engine.data.torchvision_sets import FILE_READERS, read_files, read_set
from cvtui.errors import RequestError
from cvtui.recipe.datasets.locate import data_folder, in_bytes, locate, missing, unsound
from cvtui.recipe.datasets.torchvision_files import STORAGE
from cvtui.recipe.datasets.torchvision_sets import STORED
from cvtui.recipe.recipe import Recipe
from tests.engine.stored_making import Part, idx, images, matlab, python2_pickle, write

IDX_SETS = ("mnist", "fashion-mnist", "kmnist", "emnist")


def read_small(name: str, root: Path) -> tuple[Images, Images]:
    found = locate(name, str(root))
    assert found is not None, missing(name, str(root))
    train, validation, *_ = read_files(name, found)
    assert isinstance(train, Images)
    assert isinstance(validation, Images)
    return train, validation


def same(found: Images, expected: Part) -> None:
    pixels, labels = expected
    assert (found.pixels.dtype, found.labels.dtype) == (torch.uint8, torch.int64)
    assert found.pixels.is_contiguous()
    assert np.array_equal(found.pixels.numpy(), pixels)
    assert np.array_equal(found.labels.numpy(), labels)


@pytest.mark.parametrize("name", STORED)
def test_pixels_and_labels_of_each_format(name: str, tmp_path: Path) -> None:
    train, test = images(name, 23, seed=1), images(name, 12, seed=2)
    write(name, tmp_path, train, test)
    found = read_small(name, tmp_path)
    same(found[0], train)
    same(found[1], test)


@pytest.mark.parametrize("name", IDX_SETS)
def test_packed_files_are_read_as_they_lie(name: str, tmp_path: Path) -> None:
    train, test = images(name, 9), images(name, 5)
    write(name, tmp_path, train, test, packed=True)
    found = read_small(name, tmp_path)
    same(found[0], train)
    same(found[1], test)


def _md5(path: Path) -> str:
    return hashlib.md5(path.read_bytes(), usedforsecurity=False).hexdigest()


def read_by_torchvision(name: str, where: Path, *, train: bool) -> tuple[Any, torch.Tensor]:
    """Return torchvision's data set of one part, with the checksums of these files, and its pixels as ours lie."""
    from torchvision import datasets

    folder, split = where / STORAGE[name].folders[0], "train" if train else "test"

    def own(base: Any, **lists: Any) -> Any:
        return type(base.__name__, (base,), lists)

    def sums(listed: Any) -> list[list[str]]:
        return [[file, _md5(folder / file)] for file, _ in listed if (folder / file).exists()]

    if name == "stl10":
        base = datasets.STL10
        theirs = own(base, train_list=sums(base.train_list), test_list=sums(base.test_list))(where, split=split)
        return theirs, torch.from_numpy(theirs.data).permute(0, 2, 3, 1)
    if name == "svhn":
        lists: dict[str, Any] = {
            key: [url, file, _md5(folder / file)]
            for key, (url, file, _) in datasets.SVHN.split_list.items()
            if key != "extra"
        }
        theirs = own(datasets.SVHN, split_list=lists)(where, split=split)
        return theirs, torch.from_numpy(theirs.data).permute(0, 2, 3, 1)
    if name.startswith("cifar"):
        cifar = datasets.CIFAR10 if name == "cifar10" else datasets.CIFAR100
        (folder / cifar.meta["filename"]).write_bytes(pickle.dumps({cifar.meta["key"]: []}, 2))
        meta = {**cifar.meta, "md5": _md5(folder / cifar.meta["filename"])}
        lists = {"train_list": sums(cifar.train_list), "test_list": sums(cifar.test_list), "meta": meta}
        theirs = own(cifar, **lists)(where, train=train)
        return theirs, torch.from_numpy(theirs.data)
    if name == "emnist":
        theirs = datasets.EMNIST(where, split="balanced", train=train)
        return theirs, theirs.data.transpose(1, 2)[..., None]  # it leaves them lying on their side
    plain = {"mnist": datasets.MNIST, "fashion-mnist": datasets.FashionMNIST, "kmnist": datasets.KMNIST}
    theirs = plain[name](where, train=train)
    return theirs, theirs.data[..., None]


@pytest.mark.parametrize("name", STORED)
def test_torchvision_reads_the_same_from_the_same_files(name: str, tmp_path: Path) -> None:
    if name == "svhn":
        pytest.importorskip("scipy")
    write(name, tmp_path, images(name, 20, seed=3), images(name, 11, seed=4))
    for part, train in zip(read_small(name, tmp_path), (True, False), strict=True):
        theirs, pixels = read_by_torchvision(name, tmp_path, train=train)
        assert torch.equal(part.pixels, pixels)
        labels = getattr(theirs, "targets", getattr(theirs, "labels", ()))
        assert part.labels.tolist() == [int(label) for label in labels]


def test_file_names_checksums_and_classes_are_torchvisions() -> None:
    from torchvision import datasets

    for name, base in (
        ("mnist", datasets.MNIST),
        ("fashion-mnist", datasets.FashionMNIST),
        ("kmnist", datasets.KMNIST),
    ):
        assert [(file.name, file.md5) for file in STORAGE[name].archives] == base.resources
    assert [STORAGE["emnist"].archives[0].md5] == [datasets.EMNIST.md5]
    assert list(STORED["emnist"].classes) == datasets.EMNIST.classes_split_dict["balanced"]
    assert list(STORED["fashion-mnist"].classes) == datasets.FashionMNIST.classes
    assert list(STORED["kmnist"].classes) == datasets.KMNIST.classes
    for name, base in (("cifar10", datasets.CIFAR10), ("cifar100", datasets.CIFAR100), ("stl10", datasets.STL10)):
        files = [[file.name, file.md5] for file in STORAGE[name].files]
        assert files == [entry for entry in base.train_list + base.test_list if entry[0] != "unlabeled_X.bin"]
        assert [(file.name, file.md5) for file in STORAGE[name].archives] == [(base.filename, base.tgz_md5)]
        assert STORAGE[name].folders[0] == base.base_folder
    for file, split in zip(STORAGE["svhn"].files, ("train", "test"), strict=True):
        assert [file.name, file.md5] == datasets.SVHN.split_list[split][1:]
    assert set(FILE_READERS) == set(STORED) == set(STORAGE)
    for facts in STORED.values():
        assert (sum(facts.counts()), sum(facts.held_out())) == (facts.train, facts.validation)
        assert len(facts.counts()) == len(facts.held_out()) == len(set(facts.classes)) == len(facts.classes)


def test_a_whole_mnist_goes_through_the_recipes_selection(tmp_path: Path) -> None:
    facts = STORED["mnist"]
    parts = []
    for counts in (facts.counts(), facts.held_out()):
        labels = np.repeat(np.arange(10), counts)
        parts.append((np.broadcast_to(labels.astype(np.uint8)[:, None, None, None], (len(labels), 28, 28, 1)), labels))
    train, test = parts
    folder = write("mnist", tmp_path, train, test)
    found = locate("mnist", str(tmp_path))
    assert found is not None
    assert unsound("mnist", found) == ""
    split = load(Recipe(data="mnist", data_dir=str(tmp_path), only="3,8", limit=100))
    assert split.train.size == 100
    assert split.validation.size == 1010 + 974
    assert isinstance(split.train, Images)
    assert (split.train.pixels[:, 0, 0, 0].long() == torch.tensor([3, 8])[split.train.labels]).all()
    with (folder / "t10k-labels-idx1-ubyte").open("ab") as file:
        file.write(b"\0")
    assert unsound("mnist", found) == "t10k-labels-idx1-ubyte has 10,009 bytes where 10,008 belong"


# ------------------------------------------------------------------ where they lie


@pytest.mark.parametrize(
    ("below", "asked"),
    [
        ("MNIST/raw", ""), ("mnist", ""), ("mnist/raw", ""), ("MNIST", ""), ("MNIST/raw", "MNIST"),
        ("MNIST/raw", "MNIST/raw"), ("mnist", "mnist"),
    ],
)  # fmt: skip
def test_the_files_are_found_in_every_usual_place(below: str, asked: str, tmp_path: Path) -> None:
    made = write("mnist", tmp_path / "made", images("mnist", 10), images("mnist", 10))
    (tmp_path / "data" / below).parent.mkdir(parents=True, exist_ok=True)
    made.rename(tmp_path / "data" / below)
    found = locate("mnist", str(tmp_path / "data" / asked))
    assert found is not None
    assert found.folder == tmp_path / "data" / below
    assert locate("fashion-mnist", str(tmp_path / "data" / asked)) is None, "its files have the same names"


def test_the_usual_folder_is_the_users_cache(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", "/somewhere")
    assert data_folder("") == Path("/somewhere/cvtui/data")
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", "/home/me")
    assert data_folder("") == Path("/home/me/.cache/cvtui/data")
    assert data_folder("~/sets") == Path("/home/me/sets")
    monkeypatch.setenv("XDG_CACHE_HOME", "not/absolute")  # which is to be ignored, as its specification says
    assert data_folder("") == Path("/home/me/.cache/cvtui/data")


def test_what_is_missing_is_said_in_one_line(tmp_path: Path) -> None:
    root = tmp_path / "my sets"
    assert missing("digits", "") is None
    line = missing("cifar10", str(root))
    assert line is not None
    assert line.startswith(f"cifar10 not found: looked in '{root}'")
    assert line.endswith(f"`cvtui data cifar10 --download --data-dir '{root}'` fetches it (170 MB)")
    folder = write("cifar10", root, images("cifar10", 20), images("cifar10", 10))
    assert missing("cifar10", str(root)) is None
    (folder / "data_batch_2").unlink()
    (folder / "test_batch").unlink()
    line = missing("cifar10", str(root))
    assert line is not None
    assert line.startswith(f"cifar10 is not complete: '{folder}' lacks data_batch_2, test_batch; ")
    (root / "cifar-10-python.tar.gz").write_bytes(b"x")
    line = missing("cifar10", str(root))
    assert line is not None
    assert "checks and unpacks it" in line
    (tmp_path / "file").write_text("")
    assert "is a file, not a folder" in (missing("svhn", str(tmp_path / "file")) or "")
    for name in STORED:
        assert "\n" not in (missing(name, str(tmp_path)) or "\n")
    with pytest.raises(RequestError, match="data: svhn not found: looked in"):
        load(Recipe(data="svhn", data_dir=str(tmp_path)))


def test_sizes_in_words() -> None:
    assert [in_bytes(count) for count in (0, 999, 28_881, 11_594_722, 561_753_746, 2_640_397_119)] == [
        "0 bytes", "999 bytes", "28.9 kB", "11.6 MB", "562 MB", "2.6 GB",
    ]  # fmt: skip


# ------------------------------------------------------------------ damage


@pytest.mark.parametrize("name", STORED)
@pytest.mark.parametrize("cut", [0, 1, 3, 40, 0.5, -1])
def test_a_truncated_file_is_one_clear_line(name: str, cut: float, tmp_path: Path) -> None:
    write(name, tmp_path, images(name, 20), images(name, 10))
    found = locate(name, str(tmp_path))
    assert found is not None
    for path in found.files:
        whole = path.read_bytes()
        length = int(cut * len(whole)) if cut == 0.5 else len(whole) + cut if cut < 0 else cut
        os.truncate(path, int(length))
        with pytest.raises(RequestError) as caught:
            read_set(name, str(tmp_path))
        assert "\n" not in caught.value.message
        assert "--download" in caught.value.message
        path.write_bytes(whole)
    read_files(name, found)


@pytest.mark.parametrize("name", STORED)
def test_random_bytes_changed_never_end_in_another_error(name: str, tmp_path: Path) -> None:
    write(name, tmp_path, images(name, 10), images(name, 10), packed=name == "kmnist")
    found = locate(name, str(tmp_path))
    assert found is not None
    random = np.random.default_rng(5)
    for path in found.files:
        whole = bytearray(path.read_bytes())
        for _ in range(15):
            broken = bytearray(whole)
            for place in random.integers(0, min(len(whole), 200), 3):
                broken[place] = random.integers(256)
            path.write_bytes(broken)
            unsound(name, found)
            with contextlib.suppress(RequestError):
                read_files(name, found)
        path.write_bytes(whole)


def said(reads: Callable[[], object]) -> str:
    with pytest.raises(DamagedError) as caught:
        reads()
    return caught.value.message


def test_idx_files_that_are_something_else(tmp_path: Path) -> None:
    path = tmp_path / "images"
    path.write_bytes(b"<!DOCTYPE html>")
    assert said(lambda: read_idx(path, 3)).endswith("it begins with 3c 21 44 4f where 00 00 08 03 belongs")
    path.write_bytes(idx(np.zeros(5)))
    assert "00 00 08 01 where 00 00 08 03" in said(lambda: read_idx(path, 3))
    path.write_bytes(idx(np.zeros((2, 3, 4))) + b"\0")
    assert "it holds more bytes of 24" in said(lambda: read_idx(path, 3))
    path.write_bytes(struct.pack(">BBBB3I", 0, 0, 8, 3, 2**32 - 1, 2**32 - 1, 28))
    assert "its header speaks of 516," in said(lambda: read_idx(path, 3))
    packed = tmp_path / "images.gz"
    packed.write_bytes(gzip.compress(idx(np.arange(24).reshape(2, 3, 4)))[:-12])
    said(lambda: read_idx(packed, 3))


class Evil:
    """A pickle of it runs a command when it is opened carelessly."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return os.mkdir, (str(self.path),)


def test_a_pickle_that_would_run_something_does_not(tmp_path: Path) -> None:
    path, trap = tmp_path / "data_batch_1", tmp_path / "trap"
    path.write_bytes(pickle.dumps({"data": Evil(trap), "labels": [1]}, 2))
    assert "it asks for posix.mkdir" in said(lambda: read_cifar(path, "labels")).replace("nt.mkdir", "posix.mkdir")
    for data in (
        b"cbuiltins\neval\n(U\x041//0tR.",
        b"cnumpy\nload\n.",
        b"c_codecs\ndecode\n.",
        b"U\x01aQ.",
        b"cos\nsystem\n.",
    ):
        path.write_bytes(b"\x80\x02" + data)
        assert "it asks for" in said(lambda: read_cifar(path, "labels"))
    assert not trap.exists()


def test_cifar_written_by_anybodys_python_is_read(tmp_path: Path) -> None:
    pixels, labels = images("cifar10", 7)
    path = tmp_path / "batch"
    path.write_bytes(python2_pickle(pixels, labels, "labels"))
    theirs = pickle.loads(path.read_bytes(), encoding="latin1")  # as the set's own page says; the file is ours
    assert np.array_equal(theirs["data"].reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1), pixels)
    rows = pixels.transpose(0, 3, 1, 2).reshape(7, -1)
    for protocol in (2, 3, 4):
        for data in (rows, np.asfortranarray(rows)):
            for key in ("labels", b"labels"):
                name: Any = "data" if key == "labels" else b"data"
                path.write_bytes(pickle.dumps({key: labels.tolist(), name: data}, protocol))
                found, numbers = read_cifar(path, "labels")
                assert np.array_equal(found, pixels)
                assert numbers.tolist() == labels.tolist()


@pytest.mark.parametrize(
    "entries",
    [
        [1, 2], {"labels": [1]}, {"data": np.zeros((1, 3072), np.uint8)},
        {"data": np.zeros((1, 9), np.uint8), "labels": [1]}, {"data": 5, "labels": []},
        {"data": np.zeros((1, 3072), np.int32), "labels": [1]}, {"data": np.zeros((1, 3072), np.uint8), "labels": [-1]},
        {"data": np.zeros((1, 3072), np.uint8), "labels": ["one"]}, {"data": np.array([None]), "labels": [1]},
    ],
)  # fmt: skip
def test_cifar_pickles_of_other_things(entries: Any, tmp_path: Path) -> None:
    path = tmp_path / "batch"
    path.write_bytes(pickle.dumps(entries, 2))
    said(lambda: read_cifar(path, "labels"))


@pytest.mark.parametrize("compress", [True, False])
@pytest.mark.parametrize("order", ["<", ">"])
def test_mat_files_of_both_byte_orders_packed_and_not(compress: bool, order: str, tmp_path: Path) -> None:
    pixels, labels = images("svhn", 13)
    path = tmp_path / "train_32x32.mat"
    path.write_bytes(matlab(pixels, labels, compress, order))
    arrays = read_mat(path)
    assert arrays["X"].shape == (32, 32, 3, 13)
    assert np.array_equal(arrays["X"][5, 6, :, 7], pixels[7, 5, 6])
    assert arrays["y"].ravel().tolist() == [label or 10 for label in labels.tolist()]


def test_mat_files_are_read_as_scipy_does(tmp_path: Path) -> None:
    scipy_io = pytest.importorskip("scipy.io")
    random = np.random.default_rng(0)
    written: dict[str, np.ndarray] = {
        "X": random.integers(0, 256, (32, 32, 3, 5), dtype=np.uint8),
        "y": random.integers(1, 11, (5, 1)).astype(np.float64),
        "single": random.random((2, 3)).astype(np.float32),
        "whole": np.array([[-5, 300]], np.int16),
        "a_longer_name": np.zeros((0, 3)),
    }
    for packed in (True, False):
        scipy_io.savemat(tmp_path / "a.mat", {**written, "words": "text", "z": 1j}, do_compression=packed)
        found = read_mat(tmp_path / "a.mat")
        assert set(found) == set(written)
        theirs = scipy_io.loadmat(tmp_path / "a.mat")
        for key, values in found.items():
            assert np.array_equal(values, theirs[key])
    (tmp_path / "b.mat").write_bytes(matlab(written["X"].transpose(3, 0, 1, 2), np.arange(5)))
    assert np.array_equal(scipy_io.loadmat(tmp_path / "b.mat")["X"], written["X"])


def test_mat_files_that_are_something_else(tmp_path: Path) -> None:
    path = tmp_path / "train_32x32.mat"
    path.write_bytes(b"MATLAB 7.3 MAT-file".ljust(200))
    assert "a MATLAB 7.3 file" in said(lambda: read_mat(path))
    path.write_bytes(b"PK\3\4".ljust(200))
    assert "does not begin with 'MATLAB 5.0'" in said(lambda: read_mat(path))
    path.write_bytes(matlab(*images("svhn", 4)).replace(b"IM", b"??", 1))
    assert "the order of its bytes" in said(lambda: read_mat(path))


def test_labels_out_of_range_and_images_without_labels(tmp_path: Path) -> None:
    pixels, labels = images("mnist", 10)
    write("mnist", tmp_path, (pixels, labels + 1), (pixels, labels))
    with pytest.raises(DamagedError, match="a label is 10; mnist has 0 to 9"):
        read_small("mnist", tmp_path)
    write("mnist", tmp_path, (pixels, labels[:9]), (pixels, labels))
    with pytest.raises(DamagedError, match="10 images have 9 labels"):
        read_small("mnist", tmp_path)
    write("mnist", tmp_path, (pixels[:, :27], labels), (pixels, labels))
    with pytest.raises(DamagedError, match="images are 27x28x1, not 28x28x1"):
        read_small("mnist", tmp_path)
    write("mnist", tmp_path, (pixels, labels), (pixels, labels))
    with pytest.raises(RequestError, match="holds 10 training images where mnist has 60,000"):
        read_set("mnist", str(tmp_path))


def test_at_first_glance_a_cut_pickle_and_a_web_page_are_seen(tmp_path: Path) -> None:
    folder = write("cifar10", tmp_path, images("cifar10", 20), images("cifar10", 10))
    found = locate("cifar10", str(tmp_path))
    assert found is not None
    assert unsound("cifar10", found) == ""
    os.truncate(folder / "data_batch_4", 5000)
    assert unsound("cifar10", found) == "data_batch_4 is cut off"
    (folder / "data_batch_1").write_text("<html>")
    assert unsound("cifar10", found) == "data_batch_1 does not begin as such a file does"


def test_the_form_says_that_a_set_has_to_be_fetched(tmp_path: Path) -> None:
    from cvtui.recipe.fields import FIELDS
    from cvtui.tui.form.validation import validate

    texts = {name: str(field.default) for name, field in FIELDS.items()}
    texts |= {"data": "mnist", "data_dir": str(tmp_path), "size": "", "name": ""}
    draft = validate(texts, tmp_path / "runs")
    assert set(draft.problems) == {"data"}
    assert draft.problems["data"].message.endswith("fetches it (11.6 MB)")
    assert draft.table is not None, "what follows from the recipe is shown all the same"
    write("mnist", tmp_path, images("mnist", 3), images("mnist", 3))
    assert validate(texts, tmp_path / "runs").ready
