"""Each image keeps its name: through splits, selections, what can't be read, and a user's own Dataset."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image
from torch.utils.data import ConcatDataset, Subset

from cvtui.engine.data.images import Split
from cvtui.engine.data.loading import load
from cvtui.engine.data.names import Names, names_of, numbered
from cvtui.engine.data.streaming import Streamed
from cvtui.recipe.recipe import Recipe
from tests.engine.making import pixels_of


def numbered_files(root: Path, classes: tuple[str, ...] = ("a", "b", "c"), each: int = 10) -> Path:
    """PNG files of one grey each: 10 · class + number, so that pixels tell which file it was."""
    for label, name in enumerate(classes):
        (root / name).mkdir(parents=True)
        for number in range(each):
            Image.new("RGB", (4, 4), (20 * label + number,) * 3).save(root / name / f"{number:02d}.png")
    return root


def named_right(split: Split) -> None:
    for part, names in zip((split.train, split.validation), split.names, strict=True):
        assert len(names) == part.size
        for pixels, label, name in zip(part.part(0, part.size).pixels, part.labels, names, strict=True):
            path = Path(name)
            assert np.array_equal(np.asarray(Image.open(path)), pixels.numpy()), name
            assert path.parent.name == split.classes[label], name


@pytest.mark.parametrize(
    "changes", [{}, {"only": "c,a"}, {"limit": 7}, {"only": "b,c", "limit": 9, "imbalance": 0.5, "seed": 3}]
)
def test_the_name_of_each_image_of_a_folder_is_its_file(tmp_path: Path, changes: dict) -> None:
    root = numbered_files(tmp_path)
    (root / "b" / "03.png").write_bytes(b"no picture")
    split = load(Recipe(data=f"folder:{root}", size="4", **changes))
    named_right(split)
    assert [path for path, _ in split.unreadable] == [str(root / "b" / "03.png")]
    assert split.names.train.files


def test_streamed_images_have_the_same_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = numbered_files(tmp_path)
    held = load(Recipe(data=f"folder:{root}", size="4", seed=11, only="a,c"))
    monkeypatch.setattr("cvtui.engine.data.image_folder.MEMORY_SHARE", 0.0)
    streamed = load(Recipe(data=f"folder:{tmp_path}/.", size="04", seed=11, only="a,c"))
    assert isinstance(streamed.train, Streamed)
    assert [list(names) for names in streamed.names] == [list(names) for names in held.names]
    named_right(streamed)


def test_the_paths_that_a_dataset_knows(tmp_path: Path) -> None:
    from torchvision.datasets import ImageFolder  # 3 CPU seconds

    whole = ImageFolder(str(numbered_files(tmp_path)))
    paths = [path for path, _ in whole.samples]
    some = Subset(Subset(whole, range(20)), [3, 1, 17])
    assert list(names_of(some, 3) or ()) == [paths[3], paths[1], paths[17]]
    assert list(names_of(ConcatDataset([some, whole]), 33) or ())[2:4] == [paths[17], paths[0]]
    assert list(names_of(SimpleNamespace(filenames=[Path("x"), Path("y")]), 2) or ()) == ["x", "y"]
    for other in (
        SimpleNamespace(samples=torch.zeros(3)), SimpleNamespace(samples=[1, 2, 3]), SimpleNamespace(samples=["a"]),
        SimpleNamespace(datasets=[whole, 1]),
    ):  # fmt: skip
        assert names_of(other, 3) is None, "numbers, tensors and lists of another length name nothing"
    circle = SimpleNamespace(indices=[0])
    circle.dataset = circle
    assert names_of(circle, 1) is None


def test_a_callable_names_its_files_or_its_items(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    numbered_files(tmp_path / "pictures")
    (tmp_path / "named_sets.py").write_text(
        "import torch\nfrom torchvision.datasets import ImageFolder\n"
        "def folder(): return ImageFolder('pictures')\n"
        "def plain(): return [(torch.full((1, 4, 4), n / 30), n % 3) for n in range(30)]\n"
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    named_right(load(Recipe(data="named_sets:folder", limit=12, seed=21)))
    split = load(Recipe(data="named_sets:plain", seed=21))
    for part, names in zip((split.train, split.validation), split.names, strict=True):
        for pixels, name in zip(pixels_of(part), names, strict=True):
            assert name == f"item {round(pixels[0, 0, 0].item() / 255 * 30)}"
        assert not names.files


def test_sets_without_files_count_their_images() -> None:
    assert numbered(3, 2).train[1] == "train 1"
    whole, some = load(Recipe()), load(Recipe(only="3,5"))
    places = ((whole.validation.labels == 3) | (whole.validation.labels == 5)).nonzero().flatten()
    assert list(some.names.validation) == [f"validation {place}" for place in places]
    assert Names(["a", "b", "c"], [2, 0]).chosen(torch.tensor([1]))[0] == "a"
