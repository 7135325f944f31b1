"""Image files that a user names: pasted paths, folders and patterns; labelled files of a folder's halves."""

from __future__ import annotations

from pathlib import Path

import pytest

from cvtui.errors import RequestError
from cvtui.recipe.datasets.labelled import data_text, labelled_files
from cvtui.recipe.datasets.named_images import named_images, pasted_path

PNG = b"\x89PNG"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    made = tmp_path / "my cat (1) ä#?.png"
    made.write_bytes(PNG)
    return made


def test_a_pasted_path(file: Path) -> None:
    plain = str(file)
    escaped = plain.replace(" ", "\\ ").replace("(", "\\(").replace(")", "\\)").replace("#", "\\#").replace("?", "\\?")
    for text in (
        plain, f"'{plain}'", f'"{plain}"', f"  {plain} \n", f"file://{plain}", file.as_uri(), escaped, escaped + " ",
    ):  # fmt: skip
        assert pasted_path(text) == plain, text


def test_a_file_of_that_very_name_comes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("'quoted'", "back\\slash.png", " blank "):
        Path(name).write_bytes(PNG)
        assert pasted_path(name) == name
    monkeypatch.setenv("HOME", str(tmp_path))
    Path("x.png").write_bytes(PNG)
    assert pasted_path("~/x.png") == str(tmp_path / "x.png")


def test_folders_and_patterns(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("b/2.png", "b/1.jpg", "b/deep/3.png", "b/note.txt", "a[1].png", "c1.png", "c2.png"):
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).write_bytes(PNG)
    assert list(named_images(["b"])) == ["b/1.jpg", "b/2.png", "b/deep/3.png"]
    assert list(named_images(["c*.png", "a[1].png", "gone.png"])) == ["c1.png", "c2.png", "a[1].png", "gone.png"]
    assert list(named_images(["b/**/*.png"])) == ["b/2.png", "b/deep/3.png"]
    with pytest.raises(RequestError, match="no file matches"):
        list(named_images(["*.gif"]))
    Path("empty").mkdir()
    with pytest.raises(RequestError, match="holds no images"):
        list(named_images(["empty"]))


# ------------------------------------------------------------------ labelled


def put(root: Path, *names: str) -> Path:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(PNG)
    return root


def found(text: object, split: str = "", classes: tuple[str, ...] = ("cat", "dog"), only: bool = False) -> list[str]:
    labelled = labelled_files(data_text(str(text)), split, classes, only)
    assert labelled is not None
    return [f"{Path(path).name}={classes[label]}" for path, label in labelled.files]


def test_a_folder_without_halves_is_whole(tmp_path: Path) -> None:
    root = put(tmp_path, "Dog/1.png", "cat/2.png", "cat/deep/3.png", "cat/note.txt")
    assert found(root) == ["2.png=cat", "3.png=cat", "1.png=dog"]  # by the run's classes, whatever their case
    labelled = labelled_files(f"folder:{root}", "", ("cat", "dog"))
    assert labelled is not None
    assert labelled.notes == ("passed over 1 file: 1 that ends in .txt",)
    with pytest.raises(RequestError, match="has no test folder"):
        found(root, "test")


def test_halves_are_chosen_by_name(tmp_path: Path) -> None:
    root = put(tmp_path, "train/cat/1.png", "train/dog/2.png", "val/cat/3.png", "val/dog/4.png", "Test/cat/5.png")
    assert found(root, "test") == ["5.png=cat"]
    assert found(root, "val") == found(root) == ["3.png=cat", "4.png=dog"]
    inside = put(tmp_path / "in", "cat/train/1.png", "cat/test/2.png", "dog/train/3.png", "dog/test/4.png")
    assert found(inside, "test") == ["2.png=cat", "4.png=dog"]


def test_classes_that_the_run_does_not_know(tmp_path: Path) -> None:
    root = put(tmp_path, "cat/1.png", "dig/2.png")
    with pytest.raises(RequestError, match=r"has the class 'dig', which the run does not know; did you mean 'dog'\?"):
        found(root)
    assert found(root, only=True) == ["1.png=cat"]
    with pytest.raises(RequestError, match="holds no images of the run's classes"):
        found(put(tmp_path / "x", "dig/2.png"), only=True)


def test_a_list_s_test_part(tmp_path: Path) -> None:
    put(tmp_path, *(f"{number}.png" for number in range(8)))
    parts = ("train", "train", "train", "train", "val", "val", "test", "test")
    rows = [f"{number}.png,{'cat' if number % 2 else 'dog'},{part}" for number, part in enumerate(parts)]
    (tmp_path / "list.csv").write_text("\n".join(["image,label,split", *rows]) + "\n")
    assert found(f"csv:{tmp_path / 'list.csv'}", "test") == ["6.png=dog", "7.png=cat"]
    assert found(f"csv:{tmp_path / 'list.csv'}") == ["4.png=dog", "5.png=cat"]
    assert labelled_files("digits", "", ("0", "1")) is None
