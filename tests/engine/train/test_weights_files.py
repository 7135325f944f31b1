"""Files of weights: cut into several, and what is said of those that hold none."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

import msgspec
import pytest
import torch
from torch import nn

from cvtui.engine.train.initial_weights import Weights, put_weights
from cvtui.engine.train.weights_files import pixels_beside
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


def test_of_weights_that_layers_share_one_name_is_enough() -> None:
    net = nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 4), nn.Linear(4, 3))
    net[1].weight = net[0].weight
    told = put_weights(net, Weights("there", {"1.weight": torch.ones(4, 4), "2.weight": torch.ones(3, 4)}, None), 3)
    assert told == ["weights: 3 of the net's 6 tensors are from there",
                    "missing, begin as drawn (3): 0.bias, 1.bias, 2.bias"]  # fmt: skip
    assert torch.equal(net.state_dict()["0.weight"], torch.ones(4, 4))


def test_a_hubs_config_says_how_the_images_were_prepared(tmp_path: Path) -> None:
    """A folder as timm saves it for the hub; a file of another name has nothing to do with the config beside it."""
    told = {"mean": [0.5, 0.4, 0.3], "std": [0.2, 0.3, 0.1], "input_size": [3, 32, 32], "interpolation": "bicubic"}
    path, config = tmp_path / "model.safetensors", tmp_path / "config.json"
    for content in ({"architecture": "x", "num_classes": 3, "pretrained_cfg": told}, {"architecture": "x", **told}):
        config.write_bytes(msgspec.json.encode(content))
        assert pixels_beside(path) == ((0.5, 0.4, 0.3), (0.2, 0.3, 0.1), 32, "bicubic")
        assert pixels_beside(tmp_path / "mine.pt") is None
    for text in (
        b"{}",
        b"[]",
        b"{",
        b"\xff",
        b'{"pretrained_cfg": {"mean": [0.5], "std": [0]}}',
        b'{"mean": 0.5, "std": 1}',
    ):
        config.write_bytes(text)
        assert pixels_beside(path) is None
    config.unlink()
    assert pixels_beside(path) is None


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
