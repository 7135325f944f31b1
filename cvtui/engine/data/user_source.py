"""What a user's function returns: one Dataset or two, or a refusal that says what to return instead."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch

from cvtui.engine.runtime.user_code import import_user_module
from cvtui.errors import RequestError, nearest
from cvtui.text import error_line

ONE_OR_PAIR = "return one Dataset, or a pair (training, validation)"


def called(text: str) -> Any:
    """Import the module and call the function. RequestError, naming module and attribute, where that fails."""
    function = _find(text)
    try:
        return function()
    except RequestError:
        raise
    except (Exception, SystemExit) as error:  # a script's own argparse ends the process
        raise RequestError(f"data: {text} raised {error_line(error)}") from error


def _find(text: str) -> Callable[[], Any]:
    module, _, name = text.partition(":")
    try:
        found = import_user_module(module)
    except ModuleNotFoundError as error:
        missing = error.name or module
        where = "" if missing != module.partition(".")[0] else " here (modules are looked for in the working directory)"
        raise RequestError(f"data: there is no module {missing!r}{where}") from None
    except (Exception, SystemExit) as error:
        raise RequestError(f"data: importing {module!r} raised {error_line(error)}") from error
    function = getattr(found, name, None)
    if not callable(function):
        names = [key for key, value in vars(found).items() if callable(value) and not key.startswith("_")]
        what = "nothing called" if function is None else "no function"
        raise RequestError(f"data: {module} has {what} {name!r}{nearest(name, names)}")
    return function  # type: ignore[no-any-return]


def datasets_of(given: Any, text: str) -> list[Any]:
    """Return one Dataset, or training and validation. RequestError with the way out for what is neither."""
    if isinstance(given, Mapping):
        keys = ", ".join(map(repr, list(given)[:4]))
        raise RequestError(f"data: {text} returned a {type(given).__name__} with {keys}; {ONE_OR_PAIR}")
    if not isinstance(given, tuple | list) or _are_items(given):
        return [_checked(given, text)]
    if len(given) == 2 and all(_is_array(one) for one in given):
        raise RequestError(
            f"data: {text} returned two arrays; {ONE_OR_PAIR}",
            hint="TensorDataset(torch.as_tensor(images), torch.as_tensor(labels)) makes one of them",
        )
    if len(given) != 2:
        if not given:
            raise RequestError(f"data: {text} gave a Dataset without items")
        if not all(_is_dataset(one) for one in given):
            return [_checked(given, text)]
        raise RequestError(
            f"data: {text} returned {len(given)} Datasets; {ONE_OR_PAIR}",
            hint="a test set is for `cvtui evaluate`, after training" if len(given) == 3 else "",
        )
    return [_checked(one, text) for one in given]


def _is_array(value: Any) -> bool:
    return hasattr(value, "shape") and hasattr(value, "dtype")


def _is_dataset(value: Any) -> bool:
    return hasattr(value, "__len__") and hasattr(value, "__getitem__") and not isinstance(value, tuple | str)


def _are_items(given: Sequence[Any]) -> bool:
    """Return True for a list of pairs of an image and a label, which is a Dataset itself."""
    first = given[0] if given else None
    if isinstance(first, Mapping):  # rows of {"image": …, "label": …}
        return True
    if not isinstance(first, tuple | list) or len(first) != 2 or isinstance(first[0], tuple | list):
        return False
    label = first[1]
    return isinstance(label, int | float | str | bytes) or (_is_array(label) and np.prod(label.shape) <= 1)


def _checked(source: Any, text: str) -> Any:
    kind = type(source).__name__
    if isinstance(source, torch.utils.data.DataLoader) or (
        hasattr(source, "batch_size") and hasattr(source, "dataset")
    ):
        raise RequestError(f"data: {text} returned a {kind}; return its Dataset (loader.dataset)",
                           hint="batches are made here: --batch-size")  # fmt: skip
    if isinstance(source, torch.utils.data.IterableDataset):
        raise RequestError(f"data: {text} returned a {kind}, which is an IterableDataset: its items have no numbers",
                           hint="return a Dataset with __len__ and __getitem__")  # fmt: skip
    if _is_array(source):
        raise RequestError(f"data: {text} returned an array without labels; {ONE_OR_PAIR}")
    if isinstance(source, Mapping):
        raise RequestError(f"data: {text} returned a pair with a {kind} in it; {ONE_OR_PAIR}")
    if not hasattr(source, "__len__") or not hasattr(source, "__getitem__") or isinstance(source, str):
        raise RequestError(f"data: {text} gave {_a(kind)}, no Dataset (it needs __len__ and __getitem__)")
    return source


def _a(kind: str) -> str:
    return f"a {kind}" if kind != "NoneType" else "None"
