"""Names of the halves of a data set: `train`, `Training`, `seg_train`, `01_test` …, in any case."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Literal

Role = Literal["train", "val", "test", "other"]

_STEMS: dict[Role, str] = {
    "train": "train|trainval|training|trainings|trn|entrenamiento|treino|apprentissage|训练|訓練",
    "val": "val|vali|valid|validation|validate|validating|eval|evaluation|dev|devel|development|"
    "holdout|heldout|验证|驗證",
    "test": "test|testing|tests|tst|teste|prueba|测试|測試",
    "other": "pred|predict|prediction|predictions|inference|unlabel|unlabelled|unlabeled|unlabled|submission",
}
_NEUTRAL = (
    "set|sets|data|dataset|datasets|images?|imgs?|pics?|pictures?|photos?|files?|samples?|folders?|dir|directory|split|splits|"
    "part|the|my|new|final|full|all|small|resized|cropped|raw|clean|labell?ed|ds|集"
)
_WORD = {role: re.compile(f"({_NEUTRAL}|x|y)?({stems})({_NEUTRAL})?") for role, stems in _STEMS.items()}
_PICTURES = re.compile("(jpeg|jpg|png|rgb)?(images?|imgs?|pics?|pictures?|photos?)")
_ANSWERS = re.compile(
    "(annotations?|labels?|masks?|trimaps?|gt|groundtruths?|segmentations?|seg|xmls?|bbox|boxes|annots?)"
)
_MASKS = re.compile("(masks?|trimaps?|gt|groundtruths?|segmentations?|segmentation(class|object)|seg)")
_PARTS = re.compile(r"[^\W\d_]+")
_HUMP = re.compile(r"(?<=[a-z])(?=[A-Z])")


def words(name: str) -> list[str]:
    """Split a name into its words in small letters, without numbers: `01_TrainSet` -> train, set."""
    found = [word.lower() for word in _PARTS.findall(_HUMP.sub(" ", name))]
    joined = " ".join(found)
    for two in ("hold out", "held out"):
        joined = joined.replace(two, two.replace(" ", ""))
    return joined.split()


def role_of_word(word: str) -> Role | None:
    return next((role for role, pattern in _WORD.items() if pattern.fullmatch(word)), None)


def role(name: str) -> Role | None:
    """Return which half of a data set a folder's name names, or None."""
    found = {part for word in words(name) if (part := role_of_word(word)) is not None}
    found = found or {part for word in words(name.lower()) if (part := role_of_word(word)) is not None}  # tEST
    if found == {"train", "val"}:  # trainval: everything but the test set
        return "train"
    if found == {"val", "test"}:  # test-dev
        return "test"
    return found.pop() if len(found) == 1 else None


def rest(name: str) -> tuple[str, ...]:
    """Return the words of a name that say neither its half nor nothing: `seg_train` -> (seg,)."""
    return tuple(word for word in words(name) if role_of_word(word) is None and not re.fullmatch(f"({_NEUTRAL})", word))


def is_of_masks(name: str) -> bool:
    """Return True for a folder of masks, by its name: its files are named as the pictures are."""
    return _MASKS.fullmatch(re.sub(r"[\W_\d]", "", name).lower()) is not None


def answers(names: Sequence[str]) -> list[str]:
    """Return the folders of masks or annotations, where the names are those of a segmentation set; else []."""
    keys = {name: re.sub(r"[\W_\d]", "", name).lower() for name in names}
    found = [name for name in names if _ANSWERS.fullmatch(keys[name])]
    pictures = [name for name in names if _PICTURES.fullmatch(keys[name])]
    return found if pictures and len(found) + len(pictures) == len(keys) else []
