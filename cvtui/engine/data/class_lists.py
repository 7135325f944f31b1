"""One list of classes for two data sets that each name theirs, perhaps in another order."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from cvtui.engine.data.images import Images
from cvtui.errors import RequestError
from cvtui.recipe.datasets.class_names import lookalike, match, with_points


def by_name(
    validation: Images, names: Sequence[str], others: Sequence[str], text: str
) -> tuple[Images, tuple[str, ...]]:
    """Return validation with the training's labels, and the names of the classes.

    names, others: of the training's and the validation's labels; () where a data set has no attribute `classes`. Where
    both have names, equal names are the same class, whatever its number. RequestError, naming the callable `text`, for
    a label whose name the training doesn't have, or names that stand twice.
    """
    names, others = tuple(names), tuple(others)
    if not names or not others or names == others:
        return validation, names or others
    for part, given in (("training", names), ("validation", others)):
        if twice := sorted({name for name in given if given.count(name) > 1}):
            raise RequestError(f"data: {text}: `classes` of the {part} data holds {twice[0]!r} twice")
    used = torch.unique(validation.labels).tolist()
    if used[-1] >= len(others):
        raise RequestError(
            f"data: {text}: the validation data has a label {used[-1]}, but `classes` has {len(others)} names"
        )
    number = torch.full((len(others),), -1, dtype=torch.int64)
    for label in used:
        known = match(others[label], names)
        if known is None:
            like = lookalike(others[label], names)
            which = with_points(others[label], like) if like else repr(others[label])
            raise RequestError(
                f"data: {text}: the validation data has items of the class {which}, which the training data doesn't "
                f"know; its classes: {', '.join(names[:8])}{' …' if len(names) > 8 else ''}",
                hint="give both the same `classes`, or neither: then labels are taken as they are",
            )
        number[label] = names.index(known)
    return validation._replace(labels=number[validation.labels]), names
