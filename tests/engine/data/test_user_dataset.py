"""`package.module:callable`: what comes of it, and what is said where it goes wrong."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from cvtui.engine.data.loading import load
from cvtui.engine.data.user_dataset import read_callable, tell_facts
from cvtui.engine.train.preparation import label_table
from cvtui.errors import RequestError
from cvtui.recipe.recipe import Recipe
from tests.cli.running import cvtui
from tests.engine.making import pixels_of

MODULE = """
import torch
from PIL import Image
from torch.utils.data import TensorDataset
print("printed on import")

def floats():
    x = torch.rand(60, 3, 6, 5)
    return TensorDataset(x, torch.arange(60) % 3)

def pair():
    make = lambda n: TensorDataset((torch.rand(n, 1, 4, 4) * 255).to(torch.uint8), torch.arange(n) % 2)
    return make(30), make(10)

class Pictures:
    classes = ["cat", "dog"]
    def __len__(self): return 12
    def __getitem__(self, i):
        return Image.new("RGB", (10 + i, 8), (20 * i, 0, 0)), i % 2

def points():
    return TensorDataset(torch.randn(40, 2), torch.arange(40) % 2)

def normalised():
    return TensorDataset(torch.randn(20, 1, 4, 4), torch.arange(20) % 2)

def number(): return 3
def broken(): raise OSError("no disk")
def leaves(): raise SystemExit(2)
class Leaving(Pictures):
    def __getitem__(self, i): raise SystemExit("usage: mysets.py")
def negative(): return TensorDataset(torch.rand(4, 1, 2, 2), torch.tensor([0, -1, 1, 0]))
def one_class(): return TensorDataset(torch.rand(4, 1, 2, 2), torch.zeros(4))
constant = 5
"""


@pytest.fixture(autouse=True)
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "mysets.py").write_text(MODULE)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    sys.modules.pop("mysets", None)
    read_callable.cache_clear()
    return tmp_path


def test_floats_of_0_to_1_become_bytes_and_are_split_by_class() -> None:
    train, validation, *_ = read_callable("mysets:floats", "", 0.2, 0)
    assert pixels_of(train).dtype == torch.uint8
    assert pixels_of(train).shape == (48, 6, 5, 3)
    assert validation.labels.bincount().tolist() == [4, 4, 4]


def test_a_pair_is_taken_as_it_is() -> None:
    train, validation, *_ = read_callable("mysets:pair", "", 0.5, 0)
    assert (pixels_of(train).shape, validation.size) == ((30, 4, 4, 1), 10)


def test_images_of_different_sizes_are_brought_to_one() -> None:
    train, *_ = read_callable("mysets:Pictures", "6x7", 0.5, 0)
    with pytest.raises(RequestError, match="no Dataset"):
        read_callable("mysets:number", "", 0.2, 0)
    assert pixels_of(train).shape[1:] == (6, 7, 3)


def test_points_and_values_beyond_0_to_1_stay_floats() -> None:
    assert pixels_of(read_callable("mysets:points", "", 0.2, 0).train).shape == (32, 2)
    assert pixels_of(read_callable("mysets:normalised", "", 0.2, 0).train).dtype == torch.float32


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("mysets:flots", r"nothing called 'flots'; did you mean 'floats'"),
        ("mysets:constant", "no function 'constant'"),
        ("mysets:number", "a int, no Dataset"),
        ("mysets:broken", "raised OSError: no disk"),
        ("mysets:leaves", "raised SystemExit: 2"),
        ("mysets:Leaving", "reading item 0 raised SystemExit: usage: mysets.py"),
        ("mysets:negative", "there is a label -1"),
        ("mysets:one_class", "one class only"),
        ("nowhere:x", "no module 'nowhere'"),
    ],
)
def test_what_is_wrong_is_one_line(text: str, words: str) -> None:
    with pytest.raises(RequestError, match=words) as caught:
        read_callable(text, "", 0.2, 0)
    assert "\n" not in caught.value.message


@pytest.mark.long
def test_from_the_command_line(module: Path) -> None:
    found = cvtui(
        "--no-ui", "--quiet", "--data", "mysets:floats", "--net", "fc", "--epochs", "2", "--threads", "1",
        "--name", "mine", cwd=module,
    )  # fmt: skip
    assert found.returncode == 0, found.stderr
    first = json.loads((module / "runs" / "mine" / "events.jsonl").read_text().splitlines()[0])
    assert (first["data"]["train"], first["data"]["input"]) == (48, [6, 5, 3])


@pytest.mark.long
def test_the_short_process_tells_the_facts(module: Path) -> None:
    words = [sys.executable, "-m", "cvtui.engine", "--facts", "mysets:Pictures", "", "0.5"]
    done = subprocess.run(words, capture_output=True, text=True, cwd=module, timeout=60, check=False)
    found = json.loads(done.stdout)
    assert found["classes"] == ["cat", "dog"]
    assert found["train_counts"] == found["validation_counts"] == [3, 3]
    assert found["size"] == [64, 64, 3]


def test_items_in_several_classes(module: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Vectors of 0 and 1, as tensors; the facts' process and the trainer see the same."""
    (module / "sets.py").write_text(
        "import torch\nfrom torch.utils.data import TensorDataset\n"
        "def marks():\n"
        "    labels = torch.tensor([[n & 1, n >> 1 & 1, n >> 2 & 1] for n in range(40)])\n"
        "    return TensorDataset(torch.rand(40, 3, 4, 4, generator=torch.Generator().manual_seed(0)), labels)\n"
    )
    split = load(Recipe(data="sets:marks", loss="bce"))
    rows = [[bool(number & 1), bool(number >> 1 & 1), bool(number >> 2 & 1)] for number in range(40)]
    sets = label_table(split.label_sets, 3, torch.device("cpu"))
    assert sets is not None
    table = sets.bool()
    for part, names in ((split.train, split.names.train), (split.validation, split.names.validation)):
        found = table[part.labels].tolist()
        assert found == [rows[int(name.removeprefix("item "))] for name in names]
    assert split.train.size == 32
    capsys.readouterr()
    assert tell_facts("sets:marks", "", 0.2) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["label_sets"] == [list(one) for one in split.label_sets]
    assert (told["train"], sum(told["train_counts"])) == (32, int(table[split.train.labels].sum()))
