"""Files of data that nothing here reads, by their endings, and what to do with them."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Sequence

_TABLE = "a table with a row a picture is read: csv:labels.csv, with the columns file,label"
_CALLABLE = "a function of yours that returns a Dataset reads it: package.module:callable (docs/data.md)"
_WAYS: tuple[tuple[tuple[str, ...], str], ...] = (
    ((".npy",), "np.savez('set.npz', images=np.load('x.npy'), labels=np.load('y.npy')) makes a file that is read: "
     "npz:set.npz"),
    ((".xlsx", ".xls", ".ods", ".numbers"), "save it as CSV: csv:labels.csv"),
    ((".dcm", ".dicom", ".ima", ".nii", ".nii.gz", ".mha", ".mhd", ".nrrd"),
     "medical images become PNG files first (16 bits are kept), or " + _CALLABLE),
    ((".h5", ".hdf5", ".mat", ".pkl", ".pickle", ".pt", ".pth", ".lmdb", ".mdb", ".tfrecord", ".tfrecords",
      ".feather", ".beton", ".rec"), _CALLABLE),
    ((".json", ".xml", ".yaml", ".yml"), _TABLE),
)  # fmt: skip
_SETS = {
    "cifar-10-batches-py": "cifar10", "cifar-100-python": "cifar100", "train-images-idx3-ubyte": "mnist",
    "train-images-idx3-ubyte.gz": "mnist", "train-images.idx3-ubyte": "mnist", "train_32x32.mat": "svhn",
    "stl10_binary": "stl10", "data_batch_1": "cifar10",
}  # fmt: skip
"""Files and folders of sets that have a name here."""


def way_out(endings: Iterable[str], before: str = "") -> str:
    """Say what to do with files of these endings, behind `before`; "" where nothing is known."""
    there = set(endings)
    return next((before + words for of, words in _WAYS if there & set(of)), "")


def known_set(names: Sequence[str], where: str) -> str:
    """Say how the set whose files lie in `where` is read; "" for none that is known."""
    if "data_batch_1.bin" in names:
        return "of CIFAR the version for Python is read: `cvtui data cifar10 --download` fetches it"
    name = next((name for file, name in _SETS.items() if file in names), "")
    same = (
        " (fashion-mnist and kmnist have files of the same names: --data says which it is)" if name == "mnist" else ""
    )
    return f"--data {name} --data-dir {shlex.quote(where)} reads it{same}" if name else ""
