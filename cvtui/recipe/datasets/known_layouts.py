"""Sets that are told by their files and not read as they are: labels in .mat or .h5, YOLO's boxes; and the way out."""

from __future__ import annotations

import json
import os
import shlex
from collections.abc import Iterator

from cvtui import door
from cvtui.errors import RequestError
from cvtui.recipe.datasets.image_files import is_image, names_in

MADE = "labels.csv"
"""What the lines below make beside the pictures."""
LOOKED_AT = 3
"""Files of labels in a folder, of which one has to have boxes (the first may be empty)."""


def known_layout(where: str) -> RequestError | None:
    """Say what a folder that can't be read holds, and what to type; None where that is not known.

    Of a folder of pictures (jpg/, images/) the one above is looked at too.
    """
    if os.path.isfile(where):
        where = os.path.dirname(where)
    for folder in (where, _above(os.path.normpath(where))):
        found = _flowers(folder) or _cars(folder) or _pcam(folder)
        if found is not None:
            return found
    return _yolo(where)


# ------------------------------------------------------------------ labels in .mat and .h5


def _flowers(where: str) -> RequestError | None:
    """Oxford Flowers-102: jpg/image_00001.jpg, imagelabels.mat, setid.mat."""
    if "imagelabels.mat" not in names_in(where):
        return None
    line = f'l = r({_text(where, "imagelabels.mat")})["labels"]; p = {{}}; '
    if "setid.mat" in names_in(where):
        halves = '(("train", "trnid"), ("val", "valid"), ("test", "tstid"))'
        line += f"d = r({_text(where, 'setid.mat')}); p = {{i: k for k, n in {halves} for i in d[n]}}; "
    line += 'w([["image_%05d.jpg" % i, c, p.get(i, "")] for i, c in enumerate(l, 1)])'
    return _mat(where, "Flowers-102", "imagelabels.mat", line)


def _cars(where: str) -> RequestError | None:
    """Stanford Cars: cars_annos.mat, or devkit/cars_train_annos.mat and cars_meta.mat."""
    if "cars_annos.mat" in names_in(where):
        line = (f'm = r({_text(where, "cars_annos.mat")}); a = m["annotations"]; c = m["class_names"]; '
                'w([[f, c[k - 1], "test" if t else "train"] '
                'for f, k, t in zip(a["relative_im_path"], a["class"], a["test"])])')  # fmt: skip
        return _mat(where, "Stanford Cars", "cars_annos.mat", line)
    devkit = next((place for place in (where, os.path.join(where, "devkit")) if _META in names_in(place)), "")
    if not devkit or _TRAIN not in names_in(devkit):
        return None
    test = next((place for place in (where, devkit) if _TEST in names_in(place)), "")
    line = f'c = r({_text(devkit, _META)})["class_names"]; h = [("train", {_text(devkit, _TRAIN)})]; '
    line += f'h += [("test", {_text(test, _TEST)})]; ' if test else ""
    line += ('w([["cars_%s/%s" % (n, f), c[k - 1], n] for n, p in h for a in [r(p)["annotations"]] '
             'for f, k in zip(a["fname"], a["class"])])')  # fmt: skip
    return _mat(where, "Stanford Cars", _TRAIN, line)


_META, _TRAIN, _TEST = "cars_meta.mat", "cars_train_annos.mat", "cars_test_annos_withlabels.mat"


def _mat(where: str, name: str, file: str, line: str) -> RequestError | None:
    """Refuse labels in a .mat file with the line that makes a table of them; None where that was done."""
    made = os.path.join(where, MADE)
    if os.path.isfile(made):
        return None
    line = (
        "import csv, scipy.io; r = lambda n: scipy.io.loadmat(n, squeeze_me=True); "
        f'w = lambda x: csv.writer(open({_text(made)}, "w")).writerows([["file", "label", "split"], *x]); {line}'
    )
    return RequestError(
        f"data: {where!r} is {name}, whose labels are in {file!r}",
        hint=f"python -c {shlex.quote(line)} (with scipy) makes what is read: {shlex.quote(f'csv:{made}')}",
    )


def _pcam(where: str) -> RequestError | None:
    """PatchCamelyon: camelyonpatch_level_2_split_train_x.h5."""
    if not any(name.startswith("camelyonpatch_level_2_split_train_x.h5") for name in names_in(where)):
        return None
    path = os.path.abspath(where)
    root = os.path.dirname(path)
    line = (
        "from torchvision.datasets import PCAM\n"
        f"def both(): return PCAM({_text(root)}, {_text('train')}), PCAM({_text(root)}, {_text('val')})"
    )
    more = "" if os.path.basename(path) == "pcam" else " (which wants its folder to be called pcam)"
    write = f"printf '%s\\n' {' '.join(map(shlex.quote, line.splitlines()))} > pcam_sets.py"
    return RequestError(
        f"data: {where!r} is PatchCamelyon, in .h5 files",
        hint=f"torchvision reads it{more}, with h5py: {write}; then --data pcam_sets:both",
    )


def _text(*parts: str) -> str:
    """Write a path for Python in double quotes, so that a shell's single ones go around the line."""
    return json.dumps(os.path.join(*parts), ensure_ascii=False)


# ------------------------------------------------------------------ YOLO's boxes


def _yolo(where: str) -> RequestError | None:
    """Labels of boxes: a .txt a picture, in labels/ beside images/, or beside the picture itself."""
    own = os.path.normpath(where)
    for top in (own, _above(own), _above(_above(own))):
        for folder in _label_folders(top) if top == own or "labels" in names_in(top) else ():
            names = sorted(names_in(folder))
            beside = {name.rpartition(".")[0] for name in names if is_image(name)}
            labels = [name for name in names if name.endswith(".txt") and
                      (name[:-4] in beside if beside else name != "classes.txt")]  # fmt: skip
            found = [os.path.join(folder, name) for name in labels[:LOOKED_AT]]
            if (path := next(filter(_holds_boxes, found), None)) is not None:
                return RequestError(
                    f"data: {where!r} holds YOLO's detection labels ({os.path.relpath(path, top)}): boxes in a "
                    "picture, not the class of a picture",
                    hint="trained on are a folder a class (of the boxes cut out, say): folder:PATH; or a table with "
                    "the columns file,label: csv:labels.csv (several classes: cat;dog, --loss bce)",
                )
    return None


def _above(path: str) -> str:
    return os.path.dirname(path) or os.path.dirname(os.path.abspath(path))


def _label_folders(top: str) -> Iterator[str]:
    """Yield folders that labels of boxes may lie in: labels/, labels/train/, train/labels/, and the pictures' own."""
    inside = sorted(names_in(top))[:100]
    for place in (top, *(os.path.join(top, name) for name in inside)):
        if os.path.basename(place) == "labels":
            yield place
            yield from (os.path.join(place, name) for name in sorted(names_in(place))[:LOOKED_AT])
        else:
            yield from (os.path.join(place, name) for name in names_in(place) if name == "labels")
            yield place


def _holds_boxes(path: str) -> bool:
    """Return True for a line `0 0.5 0.5 0.2 0.2`: a class and numbers from 0 to 1."""
    try:
        with door.opened_input(path) as file:
            words = file.readline(10_000).split()
        return len(words) >= 5 and words[0].isdigit() and all(0 <= float(word) <= 1.001 for word in words[1:])
    except (OSError, ValueError):
        return False
