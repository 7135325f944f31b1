"""Layouts of folders as people have them: halves by any usual name, folders around the set, what is no class.

A listing opens no file, so the images are empty. What is read of a layout is checked against torchvision's ImageFolder
on the halves that the layout's maker meant.
"""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest

from cvtui.errors import RequestError
from cvtui.recipe.datasets import asked_folder, halves
from cvtui.recipe.datasets.facts import facts
from cvtui.recipe.datasets.folder_layout import find_layout
from cvtui.recipe.datasets.image_files import subfolders
from cvtui.recipe.datasets.image_folder import _known, listing
from cvtui.recipe.recipe import Recipe
from cvtui.recipe.toml import override
from tests.recipe.filled_folders import fill, pets, refusal


@pytest.fixture(autouse=True)
def fresh() -> Iterator[None]:
    _known.clear()  # a listing is believed for five seconds
    yield
    _known.clear()


LAYOUTS = [
    ("Training", "Testing"),
    ("Train", "Val"),
    ("training_set", "test_set"),
    ("training_set/training_set", "test_set/test_set"),
    ("seg_train/seg_train", "seg_test/seg_test"),
    ("train", "dev"),
    ("train", "Valid"),
    ("trainset", "testset"),
    ("train_images", "val_images"),
    ("01_train", "02_test"),
    ("TRAIN", "TEST"),
    ("Dataset-train", "Dataset-test"),
    ("train", "validation"),
    ("TrainData", "EvalData"),
    ("train2017", "val2017"),
    ("asl_alphabet_train", "asl_alphabet_test"),
    ("my train", "my hold-out"),
    ("x_train", "x_test"),
    ("trainval", "test"),
    ("1.Training Set", "2.Validation Set"),
]


@pytest.mark.parametrize(("train", "validation"), LAYOUTS)
def test_halves_by_any_usual_name_are_what_image_folder_reads_in_each(
    tmp_path: Path, train: str, validation: str
) -> None:
    folder = pytest.importorskip("torchvision.datasets.folder")
    pets(tmp_path, train, validation)
    (tmp_path / "readme.txt").touch()
    found = listing(tmp_path, 0.2)
    names, numbers = folder.find_classes(tmp_path / train)
    assert list(found.classes) == names
    for files, half in ((found.train, train), (found.validation, validation)):
        assert list(files) == folder.make_dataset(tmp_path / half, numbers, extensions=(".png",))
    told = " ".join(found.notes)
    plain = {train.lower(), validation.lower()} == {"train", "validation"} or validation.lower() in ("val", "valid")
    assert plain or f"{train.partition('/')[0]}/ is trained on, {validation.partition('/')[0]}/ validates" in told


@pytest.mark.parametrize("test", ["test", "Test", "testing", "03_test"])
def test_of_three_halves_the_test_set_is_left_alone_and_told(tmp_path: Path, test: str) -> None:
    found = listing(pets(tmp_path, "train", "val", test), 0.2)
    assert (len(found.train), len(found.validation)) == (8, 8)
    assert all("/val/" in path for path, _ in found.validation)
    assert found.notes == (
        "train/ is trained on, val/ validates",
        f"{test}/ is not used: it is left for evaluating the finished run",
    )


@pytest.mark.parametrize("test", ["test1", "test", "seg_pred/seg_pred", "unlabelled"])
def test_a_flat_test_set_has_no_labels(tmp_path: Path, test: str) -> None:
    train = "seg_train" if "seg" in test else "train"
    found = listing(fill(pets(tmp_path, train), test), 0.25)
    assert (len(found.train), len(found.validation)) == (6, 2)
    assert all(path.startswith(str(tmp_path / train)) for path, _ in found.train + found.validation)
    assert f"{test.partition('/')[0]}/ is not used: its images lie in no class folders" in " ".join(found.notes)


def test_flat_halves_are_refused_and_names_of_files_become_folders(tmp_path: Path) -> None:
    for name in ("cat.{}.jpg", "dog.{}.jpg"):
        fill(tmp_path, "train", name=name)
    fill(tmp_path, "test1", name="{}.jpg")
    told = refusal(tmp_path)
    assert "train, test1: images, but no class folders" in told
    command = told.split("`")[1]
    assert os.system(f"bash -c {shlex.quote(command)}") == 0
    _known.clear()
    assert listing(tmp_path, 0.25).classes == ("cat", "dog")


@pytest.mark.parametrize(
    "names",
    [("train", "bus", "car"), ("bullet_train", "test_tube"), ("valid", "invalid"), ("steam_train", "bullet_train")],
)
def test_classes_that_are_called_like_halves_stay_classes(tmp_path: Path, names: tuple[str, ...]) -> None:
    assert listing(fill(tmp_path, *names), 0.25).classes == tuple(sorted(names))


@pytest.mark.parametrize("name", ["strain", "contest", "valley", "latest", "devil", "protest", "trains", "cats"])
def test_words_that_only_contain_a_half_name_none(name: str) -> None:
    assert halves.role(name) is None


@pytest.mark.parametrize("folders", [("a", "b"), ("fold1", "fold2", "fold3"), ("val", "test"), ("Day", "Night")])
def test_the_same_subfolders_everywhere_are_asked_about_and_both_answers_can_be_typed(
    tmp_path: Path, folders: tuple[str, ...]
) -> None:
    fill(pets(tmp_path, *folders), f"{folders[0]}/fox")  # nearly the same
    told = refusal(tmp_path)
    assert "hold the same subfolders (cat, dog)" in told
    typed = [text for text in shlex.split(told.replace(";", " ")) if text.startswith("folder:")]
    as_halves, as_classes, *alone = typed
    last = folders[-1] if folders != ("val", "test") else "test"
    found = facts(Recipe(data=as_halves))
    assert (found.classes, found.validation) == (("cat", "dog", "fox"), 8)
    assert last in as_halves
    assert facts(Recipe(data=as_classes)).classes == tuple(sorted(folders))
    for one in alone:
        assert facts(Recipe(data=one)).classes[:2] == ("cat", "dog")


SETS = {  # as they are handed out: what is typed beside them -> what is told
    "fold_1/train fold_1/val fold_2/train fold_2/val": "fold_1, fold_2 hold halves of their own: whole sets, with the "
    "classes cat, dog; did you mean folder:{}/fold_1?",
    "big/big small/data/train small/data/test": "small holds halves of its own: a whole set, with the classes cat, "
    "dog; did you mean folder:{}/small/data?",
    "rps rps-test-set rps-validation": "'folder:{}(train=rps, val=rps-validation)'",  # the test set is left alone
    "train query gallery": "gallery, query, train hold the same subfolders (cat, dog)",
    "images masks": "did you mean folder:{}/images?",
}


@pytest.mark.parametrize("folders", SETS)
def test_sets_within_the_folder_are_no_classes(folders: str, tmp_path: Path) -> None:
    assert SETS[folders].format(tmp_path) in refusal(pets(tmp_path, *folders.split()))


def test_what_lies_within_one_half_alone_is_read_or_told(tmp_path: Path) -> None:
    found = listing(pets(tmp_path / "a", "train", "train/val"), 0.25)
    assert (found.classes, len(found.train), len(found.validation)) == (("cat", "dog"), 8, 8)
    found = listing(fill(tmp_path / "b", "cam1/cat", "cam1/dog", "cam2/cat"), 0.25)
    assert found.notes == ("cam1, cam2 are the classes; the subfolders in them (cat, dog) are taken together",)
    assert "hold the same subfolders (1, 2)" in refusal(
        fill(tmp_path / "c", "train/1", "train/2", "query/1", "gallery/2")
    )
    assert halves.role("tEST") == "test"


def test_subfolders_of_their_own_are_no_halves(tmp_path: Path) -> None:
    assert listing(fill(tmp_path, "cat/tabby", "cat/siam", "dog/pug", "dog/collie"), 0.25).classes == ("cat", "dog")


@pytest.mark.parametrize("inner", ["PetImages", "data", "a/b", "images"])
def test_a_folder_around_the_set_names_the_set(tmp_path: Path, inner: str) -> None:
    pets(tmp_path, inner)
    fill(tmp_path, "__MACOSX/PetImages", name="._{}.png")
    (tmp_path / "readme[1].txt").touch()
    assert f"did you mean folder:{tmp_path / inner}?" in refusal(tmp_path)


def test_a_folder_around_halves_names_the_folder_with_the_halves(tmp_path: Path) -> None:
    pets(tmp_path, "data/train", "data/val")
    assert f"did you mean folder:{tmp_path / 'data'}?" in refusal(tmp_path)


def test_a_half_beside_the_classes_is_no_class(tmp_path: Path) -> None:
    found = listing(fill(pets(tmp_path / "a", ".", "test"), "unlabelled"), 0.25)
    assert (found.classes, len(found.train), len(found.validation)) == (("cat", "dog"), 8, 8)
    assert found.notes == (
        "cat, dog are trained on, test/ validates",
        "unlabelled/ is not used: its images may have no labels",
    )
    told = refusal(fill(pets(tmp_path / "b", "."), "test"))
    assert "is 'test' a class like cat, dog?" in told
    assert "--only cat,dog" in told
    assert facts(Recipe(data=f"folder:{tmp_path / 'b'}", only="cat,dog")).classes == ("cat", "dog")
    assert facts(Recipe(data=f"folder:{tmp_path / 'b'}(split=none)")).classes == ("cat", "dog", "test")


def test_the_set_once_more_beside_its_classes_is_no_class(tmp_path: Path) -> None:
    """As a set of brain scans is handed out: yes, no, and a folder with both again."""
    found = listing(pets(tmp_path, ".", "pets_dataset"), 0.25)
    assert found.classes == ("cat", "dog")
    assert found.notes == ("pets_dataset/ is not used: it holds the same classes again",)


def test_halves_inside_the_classes_are_used_where_a_class_has_only_one(tmp_path: Path) -> None:
    found = facts(Recipe(data=f"folder:{fill(tmp_path, 'cat/train', 'cat/val', 'dog/train')}"))
    assert (found.counts(), found.held_out()) == ((4, 4), (4, 0))


def test_the_layout_is_that_of_now_and_each_class_is_asked_once_for_its_folders(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = fill(tmp_path / "set", "cat", "dog", "owl")
    asked: list[str] = []

    def counted(path: str) -> tuple[list[str], list[str]]:
        asked.append(os.path.basename(path))
        return subfolders(path)

    monkeypatch.setattr(asked_folder, "subfolders", counted)
    assert not find_layout(str(root), {}).inside
    assert sorted(asked) == ["cat", "dog", "owl", "set"]
    fill(root, "cat/train", "cat/val", "dog/train", "dog/val", "owl/train")
    assert find_layout(str(root), {}).inside


def test_a_file_that_may_hold_the_labels_is_named_as_it_is_typed(tmp_path: Path) -> None:
    from cvtui.recipe.datasets.asked_folder import LABEL_FILES
    from cvtui.recipe.datasets.catalog import SOURCES

    known = {ending: source.prefix for source in SOURCES for ending in source.endings}
    assert known == LABEL_FILES
    for place, folders in (("a", ("train", "test")), ("b", ("images",)), ("c", ("."))):
        fill(tmp_path / place, *folders)
        (tmp_path / place / "labels.csv").touch()
        assert f"where labels.csv holds the labels: csv:{tmp_path / place / 'labels.csv'}" in refusal(tmp_path / place)
    (tmp_path / "d").mkdir()
    (tmp_path / "d" / "pets.zip").touch()
    told = refusal(tmp_path / "d")
    assert "found 1 file that ends in .zip" in told
    assert f"unpack 'pets.zip' first: `unzip {tmp_path}/d/pets.zip -d {tmp_path}/d`" in told


def test_a_class_of_a_half_names_the_set(tmp_path: Path) -> None:
    pets(tmp_path, "train", "val")
    meant = f"did you mean folder:{tmp_path}, with the classes cat, dog?"
    assert meant in (told := refusal(tmp_path / "train" / "cat"))
    assert "labels.csv" not in told
    (tmp_path / "train" / "cat" / "labels.csv").touch()
    assert f"labels.csv holds the labels: csv:{tmp_path}/train/cat/labels.csv; {meant}" in refusal(
        tmp_path / "train/cat"
    )


def test_several_halves_of_a_kind_are_asked_about(tmp_path: Path) -> None:
    told = refusal(pets(tmp_path, "train1", "train2", "val"))
    line = next(text for text in shlex.split(told) if text.startswith("folder:"))
    found = facts(Recipe(data=line))
    assert (found.train, found.validation) == (16, 8)


def test_what_the_brackets_say_is_checked(tmp_path: Path) -> None:
    pets(tmp_path, "one", "two")
    for text, words in (
        ("(train=on, val=two)", "no such folder; did you mean 'one'?"),
        ("(trian=one)", "'trian=one' is not understood; allowed behind a folder: (train=A, val=B) or (split=none)"),
        ("(split=half)", "is not understood"),
        ("(val=two)", "val= without train="),
        ("(split=none, val=two)", "no halves beside it"),
    ):
        assert words in refusal(Path(f"{tmp_path}{text}"))
    odd = pets(tmp_path / "old (2023)", ".")
    assert facts(Recipe(data=f"folder:{odd}")).classes == ("cat", "dog")


# ------------------------------------------------------------------ slips


def test_slips_in_the_path_say_what_is_meant(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("PICS", str(tmp_path / "my pets"))
    pets(tmp_path, "my pets")
    (tmp_path / "set.zip").touch()
    (tmp_path / "gone").symlink_to("nowhere")
    for text, words in {
        "my pets": "'my pets' is a folder; a folder of images is written 'folder:my pets'",
        "my pets/": "is written 'folder:my pets'",
        "~/my pets": "is written 'folder:~/my pets'",
        str(tmp_path / "my pets"): f"is written 'folder:{tmp_path}/my pets'",
        f"{tmp_path}/my pets:": f"is written 'folder:{tmp_path}/my pets'",
        "dir:my pets": "is written 'folder:my pets'",
        "./my pest": "does not exist; did you mean 'folder:my pets'?; a folder of images is written folder:PATH",
        "folder:my pest": "does not exist; did you mean 'folder:my pets'?",
        "folder:My Pets": "did you mean 'folder:my pets'?",
        "folder:$PICS": "does not exist; did you mean",
        "folder:my\\ pets": "did you mean 'folder:my pets'?",
        "folder:my pets/*": "did you mean 'folder:my pets'?",
        "folder:my pets/cat/0.png": "is a file, not a folder; did you mean 'folder:my pets'?",
        "folder:my pets/cat": f"did you mean 'folder:{tmp_path}/my pets', with the classes cat, dog?",
        "folder:set.zip": "is a file, not a folder; unpack it first: `unzip set.zip`",
        "set.zip": "is a file, not a folder; unpack it first",
        "folder:gone": "is a link to 'nowhere', which does not exist",
        "folder:": "needs a path",
        "folder:p\udcff": "folder:p\\\\udcff' holds bytes that are no Unicode text, which a recipe can't hold",
        "folder:/": "the folder '/' is the whole machine",
    }.items():
        with pytest.raises(RequestError) as caught:
            facts(override(Recipe(), {"data": text}))
        assert words in f"{caught.value.message}; {caught.value.hint}", text
        assert "\n" not in caught.value.message
    for text in ("folder: my pets", "folder:'my pets'", "folder:folder:~/my pets/", "FOLDER:my pets//"):
        assert facts(override(Recipe(), {"data": text})).classes == ("cat", "dog"), text


@pytest.mark.parametrize("names", [("images", "masks"), ("images", "annotations/trimaps"), ("JPEGImages", "labels")])
def test_masks_beside_their_pictures_are_no_classes(names: tuple[str, str], tmp_path: Path) -> None:
    """Oxford pets, unpacked, would else be two classes: images and annotations."""
    text = refusal(fill(tmp_path, *names))
    assert "no classes by their names" in text
    assert "split=none" in text
    found = facts(override(Recipe(), {"data": f"folder:{tmp_path}(split=none)"}))
    assert found.classes == tuple(sorted(name.split("/")[0] for name in names))


def test_masks_within_each_class_are_told(tmp_path: Path) -> None:
    fill(tmp_path, *(f"{name}/{kind}" for name in ("COVID", "Normal") for kind in ("images", "masks")))
    assert "the pictures in masks would be trained on too" in refusal(tmp_path)


def test_masks_beside_their_pictures_in_a_class_are_left_out_and_told(tmp_path: Path) -> None:
    """The breast ultrasound set: `benign (1).png`, `benign (1)_mask.png`, `benign (1)_mask_1.png`."""
    for name in ("benign", "normal"):
        fill(tmp_path, name, name=name + " ({}).png")
        fill(tmp_path, name, name=name + " ({})_mask.png")
    (tmp_path / "benign" / "benign (1)_mask_1.png").touch()
    (tmp_path / "benign" / "lone_mask.png").touch()  # the picture of a mask: nothing of that name beside it
    found = listing(tmp_path, 0.25)
    files = [path for path, _ in (*found.train, *found.validation)]
    assert len(files) == 9
    assert [path for path in files if "mask" in Path(path).name] == [str(tmp_path / "benign" / "lone_mask.png")]
    assert found.notes == ("passed over 9 files: 9 masks beside their pictures (benign (0)_mask.png)",)
    assert found.others == 9


@pytest.mark.parametrize("names", [("images", "cat"), ("mask", "no mask"), ("seg", "cls"), ("labels", "stickers")])
def test_names_that_may_be_classes_stay(names: tuple[str, str], tmp_path: Path) -> None:
    assert len(listing(fill(tmp_path, *names), 0.25).classes) == 2


def test_the_labels_of_a_half_of_images_are_named(tmp_path: Path) -> None:
    """Roboflow's layout: train/_annotations.csv beside the images."""
    fill(tmp_path, "train", "valid")
    (tmp_path / "train" / "_annotations.csv").write_text("filename,class\n")
    assert "csv:" in (text := refusal(tmp_path)), text
    assert "train/_annotations.csv" in text
