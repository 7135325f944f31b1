"""Published files of the torchvision sets: names, checksums, lengths, folders.

File names and checksums are those of torchvision.datasets, which also knows their addresses (the engine asks it).
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class File:
    """A file as it is published, or as it lies unpacked."""

    name: str
    md5: str = ""
    """As torchvision has it; empty where none was published."""
    bytes: int = 0
    """Its length; 0 where it doesn't follow from the format."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Storage:
    """How a set lies on a disk."""

    folders: tuple[str, ...]
    """Below the data folder, the one that torchvision uses first. "": the data folder itself."""
    files: tuple[File, ...]
    """What is read. Files whose names end in -ubyte may also lie there packed, with .gz behind their names."""
    archives: tuple[File, ...]
    """What is fetched. A .gz lies beside its unpacked file, a .tar.gz in the folder above."""

    @property
    def download(self) -> int:
        """Bytes to be fetched."""
        return sum(archive.bytes for archive in self.archives)


def _idx(count: int, *sides: int) -> int:
    """Length of an idx file: its magic number, one length per dimension, a byte a value."""
    length = count
    for side in sides:
        length *= side
    return 4 + 4 * (1 + len(sides)) + length


def _mnist_like(folder: str, also: tuple[str, ...], *packed: tuple[int, str]) -> Storage:
    names = ("train-images-idx3", "train-labels-idx1", "t10k-images-idx3", "t10k-labels-idx1")
    lengths = (_idx(60_000, 28, 28), _idx(60_000), _idx(10_000, 28, 28), _idx(10_000))
    return Storage(
        folders=(f"{folder}/raw", *(f"{name}{raw}" for name in (*also, folder) for raw in ("/raw", ""))),
        files=tuple(File(f"{name}-ubyte", bytes=length) for name, length in zip(names, lengths, strict=True)),
        archives=tuple(
            File(f"{name}-ubyte.gz", md5, size) for name, (size, md5) in zip(names, packed, strict=True)
        ),
    )  # fmt: skip


STORAGE: dict[str, Storage] = {
    "mnist": _mnist_like(
        "MNIST", ("mnist",),
        (9_912_422, "f68b3c2dcbeaaa9fbdd348bbdeb94873"), (28_881, "d53e105ee54ea40749a09fcbcd1e9432"),
        (1_648_877, "9fb629c4189551a2d022fa330f9573f3"), (4_542, "ec29112dd5afa0611ce80d1b7f02629c"),
    ),
    "fashion-mnist": _mnist_like(
        "FashionMNIST", ("fashion-mnist", "fashion_mnist", "fashion"),
        (26_421_880, "8d4fb7e6c68d591d4c3dfef9ec88bf0d"), (29_515, "25c81989df183df01b3e8a0aad5dffbe"),
        (4_422_102, "bef4ecab320f06d8554ea6380940ec79"), (5_148, "bb300cfdad3c16e7a12a480ee83cd310"),
    ),
    "kmnist": _mnist_like(
        "KMNIST", ("kmnist",),
        (18_165_135, "bdb82020997e1d708af4cf47b453dcf7"), (29_497, "e144d726b3acfaa3e44228e80efcd344"),
        (3_041_136, "5c965bf0a639b31b8f53240b1b52f4d7"), (5_120, "7320c461ea6c1c855c0b718fb2a4b134"),
    ),
    "emnist": Storage(
        folders=("EMNIST/raw", "emnist/raw", "emnist", "EMNIST", "EMNIST/raw/gzip", "emnist/gzip"),
        files=(
            File("emnist-balanced-train-images-idx3-ubyte", bytes=_idx(112_800, 28, 28)),
            File("emnist-balanced-train-labels-idx1-ubyte", bytes=_idx(112_800)),
            File("emnist-balanced-test-images-idx3-ubyte", bytes=_idx(18_800, 28, 28)),
            File("emnist-balanced-test-labels-idx1-ubyte", bytes=_idx(18_800)),
        ),
        archives=(File("gzip.zip", "58c8d27c78d21e728a6bc7b3cc06412e", 561_753_746),),
    ),
    "cifar10": Storage(
        folders=("cifar-10-batches-py", "cifar10/cifar-10-batches-py", "CIFAR10/cifar-10-batches-py", "cifar10"),
        files=(
            File("data_batch_1", "c99cafc152244af753f735de768cd75f"),
            File("data_batch_2", "d4bba439e000b95fd0a9bffe97cbabec"),
            File("data_batch_3", "54ebc095f3ab1f0389bbae665268c751"),
            File("data_batch_4", "634d18415352ddfa80567beed471001a"),
            File("data_batch_5", "482c414d41f54cd18b22e5b47cb7c3cb"),
            File("test_batch", "40351d587109b95175f43aff81a1287e"),
        ),
        archives=(File("cifar-10-python.tar.gz", "c58f30108f718f92721af3b95e74349a", 170_498_071),),
    ),
    "cifar100": Storage(
        folders=("cifar-100-python", "cifar100/cifar-100-python", "CIFAR100/cifar-100-python", "cifar100"),
        files=(
            File("train", "16019d7e3df5f24257cddd939b257f8d"),
            File("test", "f0ef6b0ae62326f3e7ffdfab6717acfc"),
        ),
        archives=(File("cifar-100-python.tar.gz", "eb9058c3a382ffc7106e4002c42a8d85", 169_001_437),),
    ),
    "svhn": Storage(
        folders=("", "SVHN", "svhn"),
        files=(
            File("train_32x32.mat", "e26dedcc434d2e4c54c9b2d4a06d8373"),
            File("test_32x32.mat", "eb5a983be6a315427106f1b164d9cef3"),
        ),
        archives=(
            File("train_32x32.mat", "e26dedcc434d2e4c54c9b2d4a06d8373", 182_040_794),
            File("test_32x32.mat", "eb5a983be6a315427106f1b164d9cef3", 64_275_384),
        ),
    ),
    "stl10": Storage(
        folders=("stl10_binary", "stl10/stl10_binary", "STL10/stl10_binary", "stl10"),
        files=(
            File("train_X.bin", "918c2871b30a85fa023e0c44e0bee87f", 5_000 * 96 * 96 * 3),
            File("train_y.bin", "5a34089d4802c674881badbb80307741", 5_000),
            File("test_X.bin", "7f263ba9f9e0b06b93213547f721ac82", 8_000 * 96 * 96 * 3),
            File("test_y.bin", "36f9794fa4beb8a2c72628de14fa638e", 8_000),
        ),
        archives=(File("stl10_binary.tar.gz", "91f7769df0f17e558f3565bffb0c7dfb", 2_640_397_119),),
    ),
}  # fmt: skip
