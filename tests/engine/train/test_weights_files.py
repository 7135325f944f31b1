"""Files of weights: cut into several, and what is said of those that hold none."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

import msgspec
import pytest
import torch

from cvtui.engine.train.weights_reading import read_file
from cvtui.errors import RequestError
from cvtui.runlog.weights_file import find_weights

pytestmark = pytest.mark.torch

POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 3\n"


def test_weights_in_several_files_are_read_by_their_index_or_folder(tmp_path: Path) -> None:
    from safetensors.torch import save_file

    given = {"a.weight": torch.ones(2, 3), "a.bias": torch.zeros(2), "b.weight": torch.full((1,), 4.0)}
    of = dict.fromkeys(given, "model-00001-of-00002.safetensors") | {"b.weight": "model-00002-of-00002.safetensors"}
    for name in set(of.values()):
        save_file({key: value for key, value in given.items() if of[key] == name}, tmp_path / name)
    index = tmp_path / "model.safetensors.index.json"
    index.write_bytes(msgspec.json.encode({"metadata": {}, "weight_map": of}))
    for source in (tmp_path, index):
        found, _ = read_file(find_weights(str(source)))
        assert found.keys() == given.keys()
        assert all(torch.equal(found[key], value) for key, value in given.items())
    with pytest.raises(RequestError, match="is file 2 of 2") as raised:
        read_file(tmp_path / of["b.weight"])
    assert raised.value.hint == f"give '{index}'"
    for text, words in (
        (msgspec.json.encode({"weight_map": {**of, "more": of["a.bias"]}}), "lack 1 of its 4 tensors"),
        (b'{"weight_map": {"a": "../a.bin"}}', "not beside it"),
        (b'{"weight_map": {"a": "a.bin"}}', "names 'a.bin', which is not there"),
        (b"{}", "no index of weights"),
    ):
        index.write_bytes(text)
        with pytest.raises(RequestError, match=words):
            read_file(index)
    index.unlink()
    assert len(read_file(tmp_path / of["b.weight"])[0]) == 1  # without an index it is what it is
    with pytest.raises(RequestError, match="is a folder, but no run, and holds no model"):
        find_weights(str(tmp_path))


@pytest.mark.parametrize(
    ("name", "data", "words"),
    [
        ("w.pt", b"", "is empty"),
        ("w.safetensors", b"", "is empty"),
        ("w.pth", POINTER, "is a Git LFS pointer"),
        ("w.safetensors", POINTER, "is a Git LFS pointer"),
        ("w.pth", b"<!DOCTYPE html><html>404</html>", "is a web page"),
        ("w.safetensors", b'{"error": "Repository not found"}', "is text"),
        ("w.pt", bytes(2000), "begins with zeros alone"),
        ("w.pt", b"\x1f\x8b" + bytes(20), "is packed by gzip"),
        ("w.tar", b"w".ljust(257, b"0") + b"ustar" + bytes(300), "is a tar archive"),
        ("w.h5", b"\x89HDF" + bytes(20), "is HDF5"),
        ("w.pt", b"PK\x03\x04" + bytes(300), "is cut short"),
        ("w.zip", {"w.pt": b"x"}, "is a zip archive"),
        ("w.npz", {"w.npy": b"x"}, "is an .npz"),
    ],
)
def test_what_a_file_is_that_holds_no_weights_is_said(name: str, data: Any, words: str, tmp_path: Path) -> None:
    if isinstance(data, dict):
        with zipfile.ZipFile(tmp_path / name, "w") as archive:
            for inner, content in data.items():
                archive.writestr(inner, content)
    else:
        (tmp_path / name).write_bytes(data)
    with pytest.raises(RequestError, match=f"weights: .*{name}' {words}"):
        read_file(tmp_path / name)
