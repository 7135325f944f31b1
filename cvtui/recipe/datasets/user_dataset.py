"""`package.module:callable`: a dataset that the user's function returns.

Its facts are asked of a short process: the user's code must not run in the one that draws.
"""

from __future__ import annotations

from collections.abc import Iterable

from cvtui.errors import RequestError, process_error
from cvtui.own_python import own_module
from cvtui.recipe.datasets.data_facts import DataFacts
from cvtui.recipe.datasets.folder_typed import without_prefix
from cvtui.recipe.datasets.source import DataSource, State
from cvtui.recipe.recipe import Recipe

SECONDS = 300.0
_known: dict[tuple[str, str, float, int | None], DataFacts] = {}


def callable_facts(text: str, size: str, val_share: float, drawn: int | None = None) -> DataFacts:
    """Return its facts, from a process of its own (some seconds: torch is loaded there) the first time.

    drawn: the seed of items that are drawn once (`--cache`). RequestError, in one line, for whatever goes wrong there.
    """
    key = (text, size, val_share, drawn)
    if key not in _known:
        _known[key] = _ask(*key)
    return _known[key]


def _ask(text: str, size: str, val_share: float, drawn: int | None) -> DataFacts:
    import json
    import subprocess

    words = own_module("cvtui.engine", "--facts", text, size, repr(val_share))
    words += [] if drawn is None else [str(drawn)]
    try:
        done = subprocess.run(
            words, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=SECONDS, check=False
        )
    except subprocess.TimeoutExpired:
        raise RequestError(f"data: {text} gave nothing in {SECONDS:g} s") from None
    try:
        found = json.loads(done.stdout.splitlines()[-1])
    except (ValueError, IndexError):
        raise RequestError(f"data: {text}: {process_error(done.stderr, done.returncode)[:300]}") from None
    if "error" in found:
        raise RequestError(found["error"], hint=found.get("hint", ""))
    pair = tuple(found["size"])
    return DataFacts(
        name=text,
        summary=f"{found['train'] + found['validation']:,} images of your own",
        size=pair if len(pair) == 3 else (pair[0],),
        classes=tuple(found["classes"]),
        train=found["train"],
        validation=found["validation"],
        train_counts=tuple(found["train_counts"]),
        validation_counts=tuple(found["validation_counts"]),
        label_sets=tuple(tuple(one) for one in found.get("label_sets", ())),
    )


class UserDataset(DataSource):
    """`package.module:callable`: the Dataset, or the two, that it returns."""

    reader = "user_dataset"
    usage = "package.module:callable"
    summary = "what a function of yours returns: a Dataset, or two"
    placeholder = "package.module:callable"
    runs_code = True

    def __init__(self, besides: Iterable[str] = ()) -> None:
        self._besides = tuple(besides)
        """How else a text with a colon may be written."""

    @property
    def choice(self) -> str:
        return "python"

    def owns(self, text: str) -> bool:
        return ":" in text

    def check(self, text: str, label: str) -> str:
        module, _, name = text.strip().partition(":")
        if not all(part.isidentifier() for part in module.split(".")) or not name.isidentifier():
            if wrong := without_prefix(text):
                raise RequestError(f"{label}: {wrong}")
            raise RequestError(
                f"{label}: {text.strip()!r} is neither {', '.join(self._besides)} nor {self.usage}",
                hint="a folder of images is written folder:PATH",
            )
        return text.strip()

    def facts(self, recipe: Recipe) -> DataFacts:
        drawn = recipe.seed if recipe.cache == "on" else None
        return callable_facts(recipe.data, recipe.size, recipe.val_share, drawn)

    def where(self, text: str, _data_dir: str) -> tuple[str, State]:
        return f"what {text} returns", "ready"

    def split(self, text: str) -> tuple[str, str]:
        return self.choice, text

    def join(self, _choice: str, more: str) -> str:
        return more if ":" in more else f"{more}:"
