"""Classes of a folder: one list for both halves, names in any spelling, links, files that are no images."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from cvtui.recipe.datasets.facts import facts
from cvtui.recipe.datasets.folder_listing import Listing
from cvtui.recipe.datasets.image_folder import _known, listing
from cvtui.recipe.recipe import Recipe
from tests.recipe.filled_folders import abc, fill, pets, refusal


@pytest.fixture(autouse=True)
def fresh() -> Iterator[None]:
    _known.clear()  # a listing is believed for five seconds
    yield
    _known.clear()


# ------------------------------------------------------------------ one list of classes


def test_a_class_that_validation_lacks_is_counted_0(tmp_path: Path) -> None:
    abc(tmp_path, "abc", "bc")
    (tmp_path / "val" / "a").mkdir()
    found = facts(Recipe(data=f"folder:{tmp_path}"))
    assert (found.classes, found.counts(), found.held_out()) == (("a", "b", "c"), (4, 4, 4), (0, 4, 4))
    assert found.notes == ("validation has no images of the class a: its accuracy is of the others",)
    only = facts(Recipe(data=f"folder:{tmp_path}", only="b,c"))
    assert (only.classes, only.held_out(), only.notes) == (("b", "c"), (4, 4), ())


def test_only_classes_that_validation_lacks_are_refused(tmp_path: Path) -> None:
    abc(tmp_path, "abcd", "cd")
    assert "only: validation has no image of a, b" in refusal(tmp_path, only="a,b")


def test_a_class_that_only_validation_has_is_refused_unless_only_leaves_it_out(tmp_path: Path) -> None:
    abc(tmp_path, "bc", "abc")
    told = refusal(tmp_path)
    assert f"'{tmp_path}/val' has the class 'a', which '{tmp_path}/train' has no images of" in told
    assert "--only b,c" in told
    assert facts(Recipe(data=f"folder:{tmp_path}", only="b,c")).held_out() == (4, 4)


COMPOSED, APART = "caf\u00e9", "cafe\u0301"


@pytest.mark.parametrize(("one", "other"), [(COMPOSED, APART), (APART, COMPOSED)])
def test_composed_and_decomposed_names_are_one_class(tmp_path: Path, one: str, other: str) -> None:
    fill(tmp_path, f"train/{one}", "train/dog", f"val/{other}", "val/dog")
    found = facts(Recipe(data=f"folder:{tmp_path}"))
    assert (found.classes, found.held_out()) == ((COMPOSED, "dog"), (4, 4))
    assert facts(Recipe(data=f"folder:{tmp_path}", only=f"{APART},dog")).classes == found.classes


def test_a_folder_whose_name_is_no_unicode_is_a_class_with_a_name_that_the_log_can_hold(tmp_path: Path) -> None:
    """As an archive of another system unpacks: its record of the run could not be written."""
    for name in (b"caf\xe9", b"cat"):
        folder = os.path.join(os.fsencode(tmp_path), name)
        os.mkdir(folder)
        for number in b"1", b"2", b"3":
            open(os.path.join(folder, number + b".png"), "w").close()
    found = listing(tmp_path, 0.2)
    assert found.classes == ("caf\\udce9", "cat")
    assert facts(Recipe(data=f"folder:{tmp_path}", only="cat,caf\\udce9")).classes == found.classes
    assert all(os.path.exists(path) for path, _ in (*found.train, *found.validation))


def test_two_spellings_of_a_name_in_one_half_are_one_class_and_told(tmp_path: Path) -> None:
    found = listing(fill(tmp_path, COMPOSED, APART, "dog"), 0.25)
    assert found.classes == (COMPOSED, "dog")
    assert len(found.train) + len(found.validation) == 12
    assert "U+0065 U+0301" in found.notes[0]
    assert "U+00E9" in found.notes[0]


def test_a_folder_is_found_in_the_other_spelling(tmp_path: Path) -> None:
    fill(tmp_path / APART, "cat", "dog")
    assert facts(Recipe(data=f"folder:{tmp_path / COMPOSED}")).train == 6


def test_the_split_is_the_same_after_a_mac_has_spelt_the_names(tmp_path: Path) -> None:
    parts = []
    for name in (COMPOSED, APART):
        found = listing(fill(tmp_path / "x", name, "dog", count=20), 0.25)
        parts.append([(os.path.basename(path), label) for path, label in found.validation])
        (tmp_path / "x").rename(tmp_path / name)
        _known.clear()
    assert parts[0] == parts[1]


def test_case_and_lookalikes_are_told_apart_by_their_code_points(tmp_path: Path) -> None:
    found = listing(fill(tmp_path / "one", "Cat", "cat", "dog"), 0.25)
    assert found.classes == ("Cat", "cat", "dog")
    assert found.notes == ("'Cat' (U+0043) and 'cat' (U+0063) differ only in case: two classes",)
    (note,) = listing(fill(tmp_path / "two", "\u0441at", "cat"), 0.25).notes
    assert "'cat' (U+0063) and '\u0441at' (U+0441) look alike: two classes" in note
    told = refusal(fill(tmp_path / "three", "train/cat", "train/dog", "val/\u0441at", "val/dog"))
    assert "the class '\u0441at' (U+0441)" in told
    assert "it looks like 'cat' (U+0063)" in told
    found = listing(fill(tmp_path / "four", "train/cat", "train/dog", "val/Cat", "val/dog "), 0.25)
    assert found.classes == ("cat", "dog")
    assert len(found.validation) == 8
    assert "'Cat' (U+0043) is taken as 'cat' (U+0063)" in found.notes[0]
    assert "'dog ' (U+0020) is taken as 'dog'" in found.notes[1]
    assert "'CAT' may be Cat or cat" in refusal(tmp_path / "one", only="CAT,dog")


# ------------------------------------------------------------------ nothing vanishes, and what is no class


def counted(found: Listing) -> list[int]:
    labels = [label for _, label in found.train + found.validation]
    return [labels.count(number) for number in range(len(found.classes))]


def test_links_are_followed_as_image_folder_follows_them(tmp_path: Path) -> None:
    folder = pytest.importorskip("torchvision.datasets.folder")
    fill(tmp_path / "store", "1", "2", "3", count=5)
    root = tmp_path / "set"
    fill(root, "real", count=3)
    (root / "linked").symlink_to(tmp_path / "store" / "1")
    (root / "files").mkdir()
    for file in (tmp_path / "store" / "2").iterdir():
        (root / "files" / f"link-{file.name}").symlink_to(file)
    (root / "real" / "more").symlink_to(tmp_path / "store" / "3")
    found = listing(root, 0.3)
    names, numbers = folder.find_classes(root)
    assert list(found.classes) == names
    assert sorted(found.train + found.validation) == sorted(folder.make_dataset(root, numbers, extensions=(".png",)))
    assert counted(found) == [5, 5, 8]
    for path in root.iterdir():
        if not path.is_symlink():
            path.rename(tmp_path / path.name)
            path.symlink_to(tmp_path / path.name)
    _known.clear()
    assert counted(listing(root, 0.3)) == [5, 5, 8], "all links"


def test_one_folder_under_two_names_is_told(tmp_path: Path) -> None:
    pets(tmp_path / "a", "train")
    (tmp_path / "a" / "val").symlink_to("train")
    told = "validation's cat, dog are folders of the training, by a link: it validates on what it has learnt"
    assert told in listing(tmp_path / "a", 0.2).notes
    fill(tmp_path / "b", "cat", "dog")
    (tmp_path / "b" / "emu").symlink_to("dog")
    notes = listing(tmp_path / "b", 0.2).notes
    assert notes == ("'dog' and 'emu' are one folder, by a link: its images are in both classes",)


def test_a_circle_of_links_ends_and_a_real_file_counts_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(tmp_path, "cat", "dog", count=5)
    with monkeypatch.context() as patch:  # a link of /proc that is gone before it is read; Python 3.12 raises
        patch.setattr(os, "readlink", lambda _: os.lstat(tmp_path / "gone"))
        (tmp_path / "cat" / "vanishing").symlink_to(tmp_path / "dog")
        assert counted(listing(tmp_path, 0.2))[1:] == [5]
        (tmp_path / "cat" / "vanishing").unlink()
        _known.clear()
    (tmp_path / "cat" / "self").symlink_to(tmp_path / "cat")
    (tmp_path / "cat" / "up").symlink_to(tmp_path)
    (tmp_path / "dog" / "again.png").symlink_to(tmp_path / "dog" / "1.png")
    (tmp_path / "dog" / "nowhere.png").symlink_to("nowhere.png")
    (tmp_path / "dog" / "itself.png").symlink_to("itself.png")
    (tmp_path / "round").symlink_to(tmp_path)
    found = listing(tmp_path, 0.2)
    assert (found.classes, counted(found)) == (("cat", "dog"), [5, 5])
    assert "4 links to nowhere or in a circle, 1 link to images of the same class" in " ".join(found.notes)
    assert "no classes: round" in found.notes
    for one, other in (("fox", "owl"), ("owl", "fox")):
        fill(tmp_path, one)
        (tmp_path / one / "friend").symlink_to(tmp_path / other)
    _known.clear()
    assert counted(listing(tmp_path, 0.2)) == [5, 5, 8, 8], "each holds the other, and itself behind it"


def test_a_class_whose_files_end_otherwise_is_named(tmp_path: Path) -> None:
    fill(fill(tmp_path, "cat", "dog"), "emu", name="{}.xyz", count=24)
    assert listing(tmp_path, 0.25).notes == (
        "no class, since there are no images in it: 'emu' (found 24 files that end in .xyz)",
    )
    fill(tmp_path, "fox", name="{}.CR2", count=3)
    _known.clear()
    told = refusal(tmp_path)
    assert "the class 'fox' has no image that can be read: found 3 files that end in .cr2" in told
    assert facts(Recipe(data=f"folder:{tmp_path}", only="cat,dog")).classes == ("cat", "dog")
    told = refusal(fill(tmp_path / "none", "a", "b", name="{}.xyz", count=12))
    assert "found 24 files that end in .xyz" in told


def test_a_plugin_that_is_missing_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from cvtui.recipe.datasets import image_files

    monkeypatch.setitem(image_files.PLUGINS, ".heic", ("no_such_module_here", "heic"))
    image_files.has_plugin.cache_clear()
    told = refusal(fill(tmp_path, "a", "b", name="{}.heic"))
    assert "found 8 files that end in .heic; `pip install 'cvtui[heic]'` reads them" in told
    monkeypatch.setitem(image_files.PLUGINS, ".heic", ("PIL", "heic"))
    image_files.has_plugin.cache_clear()
    assert facts(Recipe(data=f"folder:{tmp_path}")).classes == ("a", "b")
    image_files.has_plugin.cache_clear()


def test_run_folders_and_other_programs_folders_are_no_classes(tmp_path: Path) -> None:
    fill(tmp_path, "cat", "dog", "@eaDir/cat", "__MACOSX", ".ipynb_checkpoints", "Thumbnails", "cat/@eaDir", "run")
    fill(tmp_path, "runs/first/pictures", "runs/second/pictures", "cat/old run/pictures")
    for run in ("run", "runs/first", "runs/second", "cat/old run"):
        (tmp_path / run / "recipe.toml").touch()
        (tmp_path / run / "events.jsonl").touch()
    found = listing(tmp_path, 0.25)
    assert (found.classes, counted(found)) == (("cat", "dog"), [4, 4])
    told = "; ".join(found.notes)
    for name in (".ipynb_checkpoints", "@eaDir", "Thumbnails", "__MACOSX", "run (a run of cvtui)", "'runs'", "old run"):
        assert name in told


def test_a_folder_of_pictures_that_cvtui_made_is_told(tmp_path: Path) -> None:
    fill(tmp_path, "cat", "dog")
    for name in ("samples-00000{}.png", "filters-of-conv1-00010{}.png"):
        fill(tmp_path, "pictures", name=name)
    found = listing(tmp_path, 0.25)
    assert found.notes == ("the images of 'pictures' are all pictures that runs of cvtui made",)
    fill(tmp_path, "pictures", name="mine-{}.png", count=1)
    _known.clear()
    assert listing(tmp_path, 0.25).notes == ()


def test_images_in_no_class_folder_are_told(tmp_path: Path) -> None:
    pets(tmp_path, ".")
    fill(tmp_path, ".", count=3)
    assert listing(tmp_path, 0.25).notes == (f"3 images lie in {tmp_path.name}/ itself, in no class folder: not used",)
