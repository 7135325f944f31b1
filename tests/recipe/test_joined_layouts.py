"""Public sets whose labels stand elsewhere: in several lists, JSON, a list beside a flat half, .mat, .h5, boxes.

Pictures are empty files: nothing here opens one.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from cvtui.recipe.datasets.catalog import source_of
from cvtui.recipe.datasets.file_source import ListedSource
from cvtui.recipe.datasets.image_folder import listing
from cvtui.recipe.datasets.labelled import labelled_files
from tests.recipe.test_public_layouts import facts, place, refused, touch, write

__all__ = ["place"]


def halves_of(data: str) -> tuple[dict[str, str], dict[str, str]]:
    """Return the class of each picture that is trained on, and that validates, by their names."""
    source = source_of(data)
    if isinstance(source, ListedSource):
        found = source.listing(data, 0.3, 0)
    else:
        found = listing(Path(data.partition(":")[2]), 0.3)

    def words(label: int) -> str:
        return "+".join(found.classes[one] for one in (found.label_sets[label] if found.label_sets else (label,)))

    train, validating = ({Path(path).name: words(label) for path, label in half}
                         for half in (found.train, found.validation))  # fmt: skip
    return train, validating


def document(name: str, value: Any) -> None:
    write(name, json.dumps(value))


# ------------------------------------------------------------------ lists that are joined


def cub(keys: Iterable[str], names: tuple[str, str] = ("001.Jay", "002.Wren")) -> None:
    """Pictures 0 to 5: every second one a wren; the first four to train on."""
    keys = list(keys)
    paths = [f"{names[at % 2]}/{at}.jpg" for at in range(6)]
    touch(*(f"cub/images/{path}" for path in paths))
    write("cub/images.txt", *(f"{key} {path}" for key, path in zip(keys, paths, strict=True)))
    write("cub/image_class_labels.txt", *(f"{key} {1 + at % 2}" for at, key in enumerate(keys)))
    write("cub/train_test_split.txt", *(f"{key} {int(at < 4)}" for at, key in enumerate(keys)))
    write("cub/classes.txt", "1 Jay", "2 Brown Wren")
    write("cub/bounding_boxes.txt", *(f"{key} 1.0 2.0 3.0 4.0" for key in keys))
    write("cub/parts/parts.txt", "1 back", "2 beak")


@pytest.mark.parametrize("typed", ["csv:cub", "csv:cub/images.txt"])
def test_the_lists_of_cub_are_joined_by_their_number(typed: str) -> None:
    cub(map(str, range(1, 7)))
    assert halves_of(typed) == (
        {"0.jpg": "Jay", "1.jpg": "Brown Wren", "2.jpg": "Jay", "3.jpg": "Brown Wren"},
        {"4.jpg": "Jay", "5.jpg": "Brown Wren"},
    )
    assert "images.txt is joined with train_test_split.txt and image_class_labels.txt beside it" in facts(typed).notes
    assert refused("folder:cub").hint == "where images.txt holds the labels: csv:cub/images.txt"


def test_nabirds_has_words_for_numbers() -> None:
    cub(f"0000139e-{at}-4a2b" for at in range(6))
    assert halves_of("csv:cub")[1] == {"4.jpg": "Jay", "5.jpg": "Brown Wren"}


def test_a_list_that_lacks_a_picture_is_not_joined() -> None:
    cub(map(str, range(1, 7)))
    write("cub/train_test_split.txt", *(f"{at} 1" for at in range(1, 6)))
    assert "images.txt is joined with image_class_labels.txt beside it" in facts("csv:cub").notes


@pytest.mark.parametrize("kind", ["txt", "csv"])
def test_celebas_own_split_is_used(kind: str) -> None:
    names = [f"{at:06d}.jpg" for at in range(9)]
    touch(*(f"celeba/img/{name}" for name in names))
    rows = [f"{name} {at % 3}" for at, name in enumerate(names)]
    write("celeba/identity_CelebA.txt", *rows)
    parts = [f"{name} {at // 3}" for at, name in enumerate(names)]
    head = ["image_id,partition"] if kind == "csv" else []
    write(f"celeba/list_eval_partition.{kind}", *head, *(row.replace(" ", "," if head else " ") for row in parts))
    train, validating = halves_of("csv:celeba/identity_CelebA.txt")
    assert (sorted(train), sorted(validating)) == (names[:3], names[3:6])
    assert "not used: 3 pictures of the test part" in facts("csv:celeba/identity_CelebA.txt").notes


# ------------------------------------------------------------------ halves without class folders


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("val/val_annotations.txt", "val_{at}.JPEG\t{label}\t0\t32\t44\t62"),  # Tiny ImageNet
        ("LOC_val_solution.csv", "val_{at},{label} 1 2 3 4"),  # Kaggle's ImageNet
        ("../../LOC_val_solution.csv", "val_{at},{label} 1 2 3 4"),
        ("imagenet_2012_validation_synset_labels.txt", "{label}"),
    ],
)
def test_a_list_says_the_classes_of_a_flat_half(name: str, line: str) -> None:
    classes = ("n01", "n02")
    touch(*(f"a/b/set/train/{one}/images/{one}_{at}.JPEG" for one in classes for at in range(3)))
    touch(*(f"a/b/set/val/images/val_{at}.JPEG" for at in range(4)))
    write(f"a/b/set/{name}", *(line.format(at=at, label=classes[at // 2]) for at in range(4)))
    data = "folder:a/b/set"
    assert halves_of(data)[1] == {f"val_{at}.JPEG": classes[at // 2] for at in range(4)}
    assert f"val/ validates, with the classes of {name} (4 of 4 images)" in facts(data).notes
    evaluated = labelled_files(data, "val", ("n02", "n01"))
    assert evaluated is not None
    assert [number for _, number in evaluated.files] == [0, 0, 1, 1]


@pytest.mark.parametrize("lines", [["490", "361", "490", "361"], ["n01", "n02", "n01"], ["val_0 n01", "val_1 n02"]])
def test_a_list_of_other_numbers_or_of_some_pictures_is_none(lines: list[str]) -> None:
    touch(*(f"set/train/{one}/{one}_{at}.JPEG" for one in ("n01", "n02") for at in range(3)))
    touch(*(f"set/val/val_{at}.JPEG" for at in range(4)))
    write("set/ILSVRC2012_validation_ground_truth.txt", *lines)
    assert "holds images, but no class folders" in refused("folder:set").message


def test_the_classes_of_imagenets_table_are_those_of_its_boxes() -> None:
    touch(*(f"set/{at}.JPEG" for at in range(6)))
    write("set/LOC_train_solution.csv", "ImageId,PredictionString",
          *(f"{at},n0{at % 2} {at} 2 3 4 n0{at % 2} 5 6 7 8 " for at in range(6)))  # fmt: skip
    assert facts("csv:set/LOC_train_solution.csv").classes == ("n00", "n01")


# ------------------------------------------------------------------ JSON


def coco(several: bool = False) -> dict[str, Any]:
    marks = [{"image_id": at, "category_id": 7 + at % 2, "bbox": [0, 0, 1, 1]} for at in range(6)]
    marks += [{"image_id": 0, "category_id": 8, "bbox": [0, 0, 1, 1]}] * several
    return {
        "images": [{"id": at, "file_name": f"{at}.jpg"} for at in range(6)],
        "annotations": [*marks, marks[1]],
        "categories": [{"id": 7, "name": "cat"}, {"id": 8, "name": "traffic light"}, {"id": 9, "name": "none"}],
    }


LABELS = {f"{at}.jpg": "traffic light" if at % 2 else "cat" for at in range(6)}


def read_back(data: str) -> dict[str, str]:
    train, validating = halves_of(data)
    return dict(sorted({**train, **validating}.items()))


def test_the_classes_of_a_picture_are_those_of_cocos_boxes() -> None:
    touch(*(f"set/val2017/{at}.jpg" for at in range(6)))
    document("set/annotations/instances_val2017.json", coco())
    document("set/annotations/captions_val2017.json", {**coco(), "annotations": [{"image_id": 1, "caption": "x"}]})
    assert read_back("csv:set/annotations/instances_val2017.json") == LABELS
    error = refused("csv:set/annotations/captions_val2017.json")
    assert error.message == "data: 'captions_val2017.json' holds captions, not classes"


def test_several_categories_are_several_classes() -> None:
    """Roboflow's COCO export: a document beside the pictures of each half."""
    for half in ("train", "valid"):
        touch(*(f"set/{half}/{half}{at}.jpg" for at in range(6)))
        value = coco(several=True)
        value["images"] = [{"id": at, "file_name": f"{half}{at}.jpg"} for at in range(6)]
        document(f"set/{half}/_annotations.coco.json", value)
    assert "csv:set" in refused("folder:set").hint
    assert "several classes" in refused("csv:set").message
    train, validating = halves_of("csv:set")
    assert train["train0.jpg"] == "cat+traffic light"
    assert validating["valid3.jpg"] == "traffic light"
    assert facts("csv:set", "bce").classes == ("cat", "traffic light")


def task(at: int, file: str, **more: Any) -> dict[str, Any]:
    label = "traffic light" if at % 2 else "cat"
    result = [{"type": "choices", "value": {"choices": [label]}}]
    return {"id": at, "data": {"image": file}, "annotations": [{"result": result, **more}]}


@pytest.mark.parametrize(
    "file", ["/data/upload/1/0a1b2c3d-{at}.jpg", "/data/local-files/?d=set/{at}.jpg", "s3://bucket/set/{at}.jpg"]
)
def test_choices_of_label_studio(file: str) -> None:
    touch(*(f"set/{at}.jpg" for at in range(6)))
    tasks = [task(at, file.format(at=at)) for at in range(6)]
    tasks[3]["annotations"].insert(0, {**task(0, "")["annotations"][0], "was_cancelled": True})
    document("set/project.json", tasks)
    assert read_back("csv:set/project.json") == LABELS


def test_boxes_of_label_studio_are_no_classes() -> None:
    touch("set/0.jpg")
    one = {"data": {"image": "0.jpg"}, "annotations": [{"result": [{"type": "rectanglelabels", "value": {}}]}]}
    document("set/project.json", [one])
    assert "holds rectanglelabels, not choices" in refused("csv:set/project.json").message


@pytest.mark.parametrize(
    "value",
    [
        [{"file": file, "label": label} for file, label in LABELS.items()],
        {"labels": [[file, label] for file, label in LABELS.items()]},
        dict(LABELS),
        {file: {"width": 3, "label": label} for file, label in LABELS.items()},
        {"file": list(LABELS), "label": list(LABELS.values())},
        {"file": dict(enumerate(LABELS)), "label": dict(enumerate(LABELS.values()))},  # pandas
        [{"image": file, "choice": {"choices": [label]}, "annotator": 1} for file, label in LABELS.items()],
    ],
)
def test_lists_and_maps(value: Any) -> None:
    touch(*(f"set/{at}.jpg" for at in range(6)))
    document("set/labels.json", value)
    assert read_back("csv:set/labels.json") == LABELS


def test_the_splits_of_coop_have_parts_and_names() -> None:
    touch(*(f"flowers/jpg/{at}.jpg" for at in range(6)))
    entries = [[f"{at}.jpg", at % 2, LABELS[f"{at}.jpg"]] for at in range(6)]
    document("flowers/split_zhou.json", {"train": entries[:4], "val": entries[4:], "test": []})
    assert halves_of("csv:flowers/split_zhou.json")[1] == {"4.jpg": "cat", "5.jpg": "traffic light"}


@pytest.mark.parametrize(
    "value",
    [
        {}, [], 3, {"a": 1}, [[1, 2], [3, 4]], [None], {"images": 3, "annotations": []},
        [{"data": 3, "annotations": [3]}], {"images": [3], "annotations": [{}]},
    ],
)  # fmt: skip
def test_other_json_is_refused_in_one_line(value: Any) -> None:
    touch("set/1.jpg")
    document("set/labels.json", value)
    assert "'labels.json'" in refused("csv:set/labels.json").message


# ------------------------------------------------------------------ refused with the way out


def test_labels_in_mat_come_with_the_line_that_reads_them() -> None:
    """The lines themselves were run with scipy on files that it wrote (test below, where it is installed)."""
    touch("flowers/jpg/image_00001.jpg", "flowers/imagelabels.mat", "flowers/setid.mat")
    for typed in ("folder:flowers", "folder:flowers/jpg", "csv:flowers", "csv:flowers/imagelabels.mat"):
        error = refused(typed)
        assert error.message.endswith("flowers' is Flowers-102, whose labels are in 'imagelabels.mat'")
        assert error.hint.endswith("(with scipy) makes what is read: csv:flowers/labels.csv")
    touch("cars/cars_train/1.jpg", "cars/devkit/cars_train_annos.mat", "cars/devkit/cars_meta.mat")
    assert "is Stanford Cars" in refused("folder:cars").message


@pytest.mark.parametrize("kind", ["flowers", "cars", "cars of one file"])
def test_that_line_makes_the_table(kind: str) -> None:
    np, io = pytest.importorskip("numpy"), pytest.importorskip("scipy.io")
    names = [f"image_{at + 1:05d}.jpg" for at in range(6)]
    cells = np.array([["Audi A4", "BMW"]], object)
    if kind == "flowers":
        touch(*(f"set/jpg/{name}" for name in names))
        io.savemat("set/imagelabels.mat", {"labels": [[1 + at % 2 for at in range(6)]]})
        io.savemat("set/setid.mat", {"trnid": [[1, 2]], "valid": [[3, 4]], "tstid": [[5, 6]]})
        wanted = {names[2]: "1", names[3]: "2"}
    elif kind == "cars":
        fields = [("class", "O"), ("fname", "O")]
        touch(*(f"set/cars_{half}/{name}" for half in ("train", "test") for name in names))
        Path("set/devkit").mkdir()
        for half, file in (("train", "cars_train_annos"), ("test", "cars_test_annos_withlabels")):
            rows = [[(1 + (at + (half == "test")) % 2, name) for at, name in enumerate(names)]]
            io.savemat(f"set/devkit/{file}.mat", {"annotations": np.array(rows, fields)})
        io.savemat("set/devkit/cars_meta.mat", {"class_names": cells})
        wanted = {name: ("BMW", "Audi A4")[at % 2] for at, name in enumerate(names)}
    else:
        fields = [("relative_im_path", "O"), ("class", "O"), ("test", "O")]
        touch(*(f"set/car_ims/{name}" for name in names))
        all_rows = [[(f"car_ims/{name}", 1 + at % 2, int(at > 3)) for at, name in enumerate(names)]]
        io.savemat("set/cars_annos.mat", {"annotations": np.array(all_rows, fields), "class_names": cells})
        wanted = {names[4]: "Audi A4", names[5]: "BMW"}
    line = refused("folder:set").hint.partition(" (with scipy)")[0].replace("python", sys.executable, 1)
    subprocess.run(line, shell=True, check=True)
    assert halves_of("csv:set/labels.csv")[1] == wanted


def test_pcam_is_read_by_torchvision() -> None:
    touch("pcam/camelyonpatch_level_2_split_train_x.h5", "pcam/camelyonpatch_level_2_split_train_y.h5")
    for typed in ("folder:pcam", "npz:pcam", "csv:pcam"):
        error = refused(typed)
        assert error.message == "data: 'pcam' is PatchCamelyon, in .h5 files"
        made = subprocess.run(
            error.hint.partition("h5py: ")[2].partition(" >")[0], shell=True, check=True, text=True, capture_output=True
        )
        lines = made.stdout.splitlines()
        assert lines[0] == "from torchvision.datasets import PCAM"
        root = Path.cwd()
        assert lines[1] == f'def both(): return PCAM("{root}", "train"), PCAM("{root}", "val")'


@pytest.mark.parametrize(
    ("pictures", "labels"),
    [
        ("images/{half}/1.jpg", "labels/{half}/1.txt"),  # ultralytics
        ("{half}/images/1.jpg", "{half}/labels/1.txt"),  # Roboflow
        ("{half}/1.jpg", "{half}/1.txt"),  # darknet
    ],
)
def test_boxes_of_yolo_are_no_classes(pictures: str, labels: str) -> None:
    for half in ("train", "valid"):
        touch(f"set/{pictures.format(half=half)}")
        write(f"set/{labels.format(half=half)}", "0 0.5 0.5 0.25 1.0")
    where = labels.format(half="train")
    for typed in ("folder:set", f"folder:{Path('set', pictures.format(half='train')).parent}"):
        assert "YOLO's detection labels" in refused(typed).message
    assert f"({where}): boxes in a picture" in refused("folder:set").message


def test_texts_beside_pictures_are_no_boxes() -> None:
    touch("set/1.jpg", "set/2.jpg")
    write("set/1.txt", "a bird on a branch")
    write("set/2.txt", "7 8 9 10 11")
    assert "YOLO" not in refused("folder:set").message


def test_yolos_classification_is_a_folder() -> None:
    touch(*(f"set/{half}/{name}/{at}.jpg" for half in ("train", "val") for name in "ab" for at in range(2)))
    write("set/data.yaml", "names: [a, b]")
    assert facts("folder:set").validation == 4
