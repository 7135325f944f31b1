"""A folder's listing that one process hands to another."""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

import pytest

from cvtui.recipe.datasets import image_folder
from cvtui.recipe.datasets.folder_listing import HANDED_LISTING, WORTH, Listing, take_listing, write_listing
from cvtui.recipe.datasets.image_folder import hand_on, listing
from cvtui.recipe.recipe import Recipe
from cvtui.recipe.validation import check


@pytest.fixture
def big(tmp_path: Path) -> Path:
    """Return a folder of just as many files as are worth handing on; one name is no UTF-8 where that can be."""
    for label in ("cat", "dög"):
        place = tmp_path / "pets" / label
        place.mkdir(parents=True)
        for number in range(WORTH // 2):
            (place / f"{number}.jpg").touch()
    if sys.platform == "linux":
        open(os.fsencode(tmp_path) + b"/pets/cat/\xff.jpg", "w").close()
    return tmp_path / "pets"


def told(folder: Path, monkeypatch: pytest.MonkeyPatch, seed: int = 3) -> Listing:
    """List the folder as the process that checks a recipe does, and lay ready what another is started with."""
    recipe = check(Recipe(data=f"folder:{folder}", net="fc", size="8", seed=seed)).recipe
    file = hand_on(recipe)
    assert file is not None
    found = listing(folder, recipe.val_share, seed)
    monkeypatch.setenv(HANDED_LISTING, str(os.dup(file.fileno())))
    file.close()
    image_folder._known.clear()
    image_folder._divided.clear()
    return found


def test_it_is_taken_in_place_of_a_look_into_the_folder(big: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = told(big, monkeypatch)
    monkeypatch.setattr(image_folder, "_gather", lambda *_: pytest.fail("the folder was listed again"))
    assert listing(big, 0.2, 3) == found
    assert listing(big, 0.2, 3) == found, "of a second question too"
    assert HANDED_LISTING not in os.environ, "no other process gets the number of a file that is closed"


def test_a_file_with_a_name_is_taken_once_and_removed(big: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As the form hands it to the engine that it has warmed."""
    monkeypatch.delenv(HANDED_LISTING, raising=False)
    recipe = check(Recipe(data=f"folder:{big}", net="fc", size="8", seed=3)).recipe
    found = listing(big, recipe.val_share, 3)
    file = hand_on(recipe, named=True)
    assert file is not None
    file.close()
    image_folder._known.clear()
    image_folder._divided.clear()
    take_listing(file.name)
    assert not os.path.exists(file.name)
    take_listing(file.name)  # no fault: it is gone
    with monkeypatch.context() as patch:
        patch.setattr(image_folder, "_gather", lambda *_: pytest.fail("the folder was listed again"))
        assert listing(big, recipe.val_share, 3) == found


def test_what_can_not_be_written_leaves_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    files = tuple((f"{number}.jpg", 0) for number in range(WORTH))
    found = Listing(("\udcff",), files, (), 0)  # (a class's name that is no text)
    assert write_listing(found, (str(tmp_path), (), 0.2, 0, False), (), named=True) is None
    assert not os.listdir(tmp_path)


def test_a_folder_that_has_changed_since_is_listed_anew(big: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = told(big, monkeypatch)
    (big / "cat" / "new.jpg").touch()
    again = listing(big, 0.2, 3)
    assert len(again.train) + len(again.validation) == len(found.train) + len(found.validation) + 1


def test_another_division_is_not_taken(big: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = told(big, monkeypatch, seed=3)
    assert listing(big, 0.2, 4).validation != found.validation


@pytest.mark.parametrize("content", [b"", b"\x93nothing"])
def test_a_file_that_is_none_is_no_obstacle(
    big: Path, tmp_path: Path, content: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "broken").write_bytes(content)
    monkeypatch.setenv(HANDED_LISTING, str(os.open(tmp_path / "broken", os.O_RDONLY)))
    assert len(listing(big, 0.2).classes) == 2
