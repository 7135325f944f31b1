"""Layouts of public sets, in small: each trains right, or is refused with the reason and the line to type.

Pictures are empty files: nothing here opens one.
"""

from __future__ import annotations

import contextlib
import io
import os
import re
import shlex
from pathlib import Path

import numpy as np
import pytest

from cvtui.errors import RequestError
from cvtui.recipe.datasets.catalog import source_of
from cvtui.recipe.datasets.data_facts import DataFacts
from cvtui.recipe.recipe import Recipe
from cvtui.recipe.validation import check


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def touch(*names: str) -> None:
    for name in names:
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).touch()


def write(name: str, *lines: str) -> None:
    Path(name).parent.mkdir(parents=True, exist_ok=True)
    Path(name).write_text("\n".join(lines) + "\n", encoding="utf-8")


def facts(data: str, loss: str = "cross-entropy") -> DataFacts:
    return check(Recipe(data=data, net="fc", size="8", batch_size=2, val_share=0.3, loss=loss)).data


def refused(data: str, loss: str = "cross-entropy") -> RequestError:
    with pytest.raises(RequestError) as caught:
        facts(data, loss)
    return caught.value


# ------------------------------------------------------------------ lists beside the pictures


def test_food_101_has_its_lists_beside_the_pictures_without_endings() -> None:
    touch(*(f"food/images/{dish}/{number}.jpg" for dish in ("pie", "ribs") for number in range(6)))
    for half, numbers in (("train", range(4)), ("test", range(4, 6))):
        write(f"food/meta/{half}.txt", *(f"{dish}/{number}" for dish in ("pie", "ribs") for number in numbers))
    write("food/meta/classes.txt", "pie", "ribs")
    found = facts("csv:food/meta")
    assert (found.classes, found.train, found.validation) == (("pie", "ribs"), 8, 4)
    recipe = Recipe(data="csv:food/meta")
    assert "food/images/pie/0.jpg" in source_of(recipe.data).pictures(recipe)
    assert any("the pictures lie in food, beside" in note for note in found.notes)


def test_voc_has_them_two_folders_up_and_masks_of_the_same_names() -> None:
    names = [f"2007_{number:06d}" for number in range(6)]
    touch(*(f"VOC/JPEGImages/{name}.jpg" for name in names), *(f"VOC/SegmentationClass/{name}.png" for name in names))
    write("VOC/ImageSets/Main/dog_train.txt", *(f"{name} {1 if at % 2 else -1:2d}" for at, name in enumerate(names)))
    assert facts("csv:VOC/ImageSets/Main/dog_train.txt").classes == ("-1", "1")


def test_oxford_pets_are_not_their_trimaps() -> None:
    """The table lies beside them: a cat's mask would have been trained on as the cat."""
    names = [f"{breed}_{number}" for breed in ("Abyssinian", "american_bulldog") for number in range(4)]
    touch(*(f"pet/images/{name}.jpg" for name in names), *(f"pet/annotations/trimaps/{name}.png" for name in names))
    write("pet/annotations/list.txt", "#Image CLASS-ID SPECIES", *(f"{name} {name[0]} 1" for name in names))
    recipe = Recipe(data="csv:pet/annotations/list.txt,label=column 2")
    assert {os.path.dirname(path) for path in source_of(recipe.data).pictures(recipe)} == {"pet/images"}
    error = refused("folder:pet/images")
    assert "for c in Abyssinian american_bulldog" in error.message


def test_masks_are_taken_where_they_are_said() -> None:
    touch("set/masks/1.png", "set/masks/2.png", "set/masks/3.png", "set/masks/4.png")
    write("set/labels.csv", "file,label", "1.png,a", "2.png,b", "3.png,a", "4.png,b")
    assert "no picture that 'labels.csv' names is there" in refused("csv:set/labels.csv").message
    assert facts("csv:set/labels.csv,images=masks").train == 2


def test_pictures_in_an_archive_are_to_be_unpacked() -> None:
    touch("set/train.zip")
    write("set/labels.csv", "id,label", "1,a", "2,b")
    assert refused("csv:set/labels.csv").hint == "train.zip has to be unpacked first, if the pictures are in it"


# ------------------------------------------------------------------ tables of pixels


def made(error: RequestError) -> str:
    """Run the line that a refusal gives; return the source that it names."""
    words = shlex.split(re.sub(r" makes what is read: ", " ", error.hint))
    with contextlib.redirect_stdout(io.StringIO()):
        exec(words[2], {})
    return words[3]


@pytest.mark.parametrize("header", [True, False])
@pytest.mark.parametrize("last", [True, False])
def test_a_table_of_pixels_becomes_arrays(header: bool, last: bool) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (8, 16))
    labels = np.arange(8) % 2
    rows = np.c_[pixels, labels] if last else np.c_[labels, pixels]
    names = [f"pixel{number}" for number in range(16)]
    names.insert(16 if last else 0, "label")
    write("digits/train.csv", *([",".join(names)] if header else []), *(",".join(map(str, row)) for row in rows))
    error = refused("csv:digits/train.csv")
    assert error.message == "data: 'train.csv' names no pictures: it holds the 16 pixels of a picture in each row"
    assert made(error) == "npz:digits/train.npz"
    found = np.load("digits/train.npz")
    assert np.array_equal(found["images"].reshape(8, 16), pixels)
    assert np.array_equal(found["labels"], labels)
    assert facts("npz:digits/train.npz").classes == ("0", "1")


def test_a_table_of_pixels_is_one_beside_pictures_with_numbers_for_names() -> None:
    touch("digits/a/0.png", "digits/b/0.png")
    write("digits/train.csv", ",".join(["label", *(f"pixel{at}" for at in range(16))]), *[",".join("0" * 17)] * 4)
    assert "the 16 pixels of a picture in each row" in refused("csv:digits/train.csv").message


def test_fer2013_has_them_in_one_cell() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (8, 36))
    write(
        "fer.csv",
        "emotion,pixels,Usage",
        *(f"{at % 2},{' '.join(map(str, row))},Training" for at, row in enumerate(pixels)),
    )
    error = refused("csv:fer.csv")
    assert "the 36 pixels of a picture in the column 'pixels'" in error.message
    assert made(error) == "npz:fer.npz"
    assert np.array_equal(np.load("fer.npz")["images"].reshape(8, 36), pixels)


# ------------------------------------------------------------------ what labels mean


@pytest.mark.parametrize("kind", ["csv", "txt"])
def test_attributes_of_celeba_are_a_yes_or_no_each(kind: str) -> None:
    touch(*(f"celeba/img/{number:06d}.jpg" for number in range(8)))
    rows = [(f"{number:06d}.jpg", number % 2 * 2 - 1, number // 2 % 2 * 2 - 1) for number in range(8)]
    if kind == "csv":
        write("celeba/list.csv", "image_id,Smiling,Male", *(",".join(map(str, row)) for row in rows))
    else:
        write("celeba/list.txt", "8", "Smiling Male ", *("  ".join(map(str, row)) for row in rows))
    assert "several classes" in refused(f"csv:celeba/list.{kind}").message
    found = facts(f"csv:celeba/list.{kind}", "bce")
    assert found.classes == ("Smiling", "Male")
    assert [a + b for a, b in zip(found.train_counts, found.validation_counts, strict=True)] == [4, 4]


def chexpert() -> None:
    touch(*(f"chest/train/patient{number}/view1.jpg" for number in range(9)))
    values = ("", "1.0", "-1.0", "0.0")
    rows = [f"chest/train/patient{at}/view1.jpg,{50 + at},{values[at % 4]},{values[1 + at % 3]}" for at in range(9)]
    write("chest/train.csv", "Path,Age,Edema,Mass", *rows)


def test_uncertain_labels_of_chexpert_are_named() -> None:
    chexpert()
    error = refused("csv:chest/train.csv")
    assert error.hint.startswith(
        "csv:chest/train.csv,label=Edema; all of Edema, Mass (--loss bce): with 0 or 1 in place of -1"
    )
    found = facts("csv:chest/train.csv,label=Mass")
    assert found.classes == ("-1", "0", "1")
    assert "-1 in the column 'Mass' (uncertain, mostly) is a class, unless --only 0,1 leaves it out" in found.notes
    only = check(Recipe(data="csv:chest/train.csv,label=Mass", net="fc", size="8", batch_size=2, only="0,1")).data
    assert only.classes == ("0", "1")


def test_open_images_also_says_of_which_class_a_picture_is_not() -> None:
    touch("oi/a.jpg", "oi/b.jpg")
    write("oi/labels.csv", "ImageID,Source,LabelName,Confidence", "a,v,/m/01,1", "a,v,/m/02,0", "b,v,/m/02,1")
    assert refused("csv:oi/labels.csv").message.startswith("data: 1 row has the Confidence 0")


def test_a_class_of_isic_without_a_picture_is_told() -> None:
    touch(*(f"isic/{number}.jpg" for number in range(6)))
    write("isic/truth.csv", "image,MEL,NV,UNK", *(f"{at},{at % 2}.0,{1 - at % 2}.0,0.0" for at in range(6)))
    found = facts("csv:isic/truth.csv")
    assert found.classes == ("MEL", "NV")
    assert "no picture is of the class UNK: left out" in found.notes


def test_tags_of_planet_are_told_to_be_combinations() -> None:
    touch(*(f"planet/{number}.jpg" for number in range(12)))
    tags = ("haze primary", "haze water", "clear primary", "clear water", "clear", "haze")
    write("planet/train.csv", "image_name,tags", *(f"{at},{tags[at % 6]}" for at in range(12)))
    assert any(
        "each combination in the column 'tags' is a class" in note for note in facts("csv:planet/train.csv").notes
    )


@pytest.mark.parametrize(
    ("header", "cell"),
    [
        ("Image Index,Follow-up,Finding Labels", "{file},0,{label}"),  # NIH
        ("Width,Height,ClassId,Path", "30,30,{label},{file}"),  # GTSRB
        ("image,id,choice,annotator,lead_time", "/data/upload/1/{file},{at},{label},1,3.{at}"),  # Label Studio
        ("lesion_id,image_id,dx,dx_type", "HAM_{at},{file},{label},histo"),  # HAM10000
    ],
)
def test_the_column_of_labels_is_found(header: str, cell: str) -> None:
    touch(*(f"set/images/{number}.png" for number in range(6)))
    write("set/table.csv", header, *(cell.format(file=f"{at}.png", at=at, label="ab"[at % 2]) for at in range(6)))
    assert facts("csv:set/table.csv").classes == ("a", "b")


def test_fgvc_aircraft_has_labels_with_spaces() -> None:
    touch(*(f"fgvc/images/{number}.jpg" for number in range(6)))
    for half, numbers in (("train", range(4)), ("val", range(4, 6))):
        write(f"fgvc/variant_{half}.txt", *(f"{at} {'A300B4' if at % 2 else 'Boeing 707-320'}" for at in numbers))
    found = facts("csv:fgvc")
    assert (found.classes, found.train, found.validation) == (("A300B4", "Boeing 707-320"), 4, 2)


# ------------------------------------------------------------------ folders


def test_classes_below_the_classes_of_a_half_are_told() -> None:
    """As of iNaturalist 2018: train_val2018/Aves/2761."""
    touch(*(f"inat/train_val2018/{kind}/{name}/{at}.jpg" for kind in ("Aves", "Fungi") for name in "12" for at in "ab"))
    assert any("the subfolders in them (1, 2) are taken together" in note for note in facts("folder:inat").notes)


def test_a_flat_half_beside_the_set_is_no_class() -> None:
    """Places365: data_256/airfield, val_256/*.jpg."""
    touch(
        *(f"places/data_256/{name}/{at}.jpg" for name in ("airfield", "bar") for at in range(3)), "places/val_256/1.jpg"
    )
    error = refused("folder:places")
    assert error.message == "data: 'places': val_256: its images lie in no class folders, as those of data_256 do"
    assert error.hint.startswith("folder:places/data_256 trains on that alone")


def test_of_three_versions_of_a_set_one_can_be_chosen() -> None:
    """PlantVillage: color/, grayscale/, segmented/."""
    kinds, names = ("color", "grayscale", "segmented"), ("healthy", "scab")
    touch(*(f"raw/{kind}/{name}/{at}.jpg" for kind in kinds for name in names for at in range(2)))
    assert refused("folder:raw").hint.endswith("; color alone: folder:raw/color")


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("train-images-idx3-ubyte.gz", "--data mnist --data-dir set reads it (fashion-mnist and kmnist have files of "
         "the same names: --data says which it is)"),
        ("data_batch_1", "--data cifar10 --data-dir set reads it"),
        ("data_batch_1.bin", "of CIFAR the version for Python is read: `cvtui data cifar10 --download` fetches it"),
    ],
)  # fmt: skip
def test_files_of_a_set_that_has_a_name(name: str, hint: str) -> None:
    touch(f"set/{name}")
    assert refused("folder:set").hint == hint


def test_people_with_one_picture_are_counted() -> None:
    touch("lfw/Aaron/1.jpg", "lfw/Abba/1.jpg", "lfw/George/1.jpg", "lfw/George/2.jpg")
    error = refused("folder:lfw")
    assert "the class 'Aaron' has one image (2 classes in all)" in error.message
    assert error.hint == "give it another, or take its image out of the set"
