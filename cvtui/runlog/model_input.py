"""Images that a run's model takes: their size, and which value was white, where its checkpoint does not say."""

from __future__ import annotations

from cvtui.errors import RequestError
from cvtui.recipe.datasets.catalog import find_source
from cvtui.recipe.datasets.data_facts import at_size, parse_size
from cvtui.recipe.datasets.file_source import ListedSource
from cvtui.recipe.recipe import Recipe
from cvtui.runlog.folder import RunFolder
from cvtui.runlog.origin import first_run


def input_size(recipe: Recipe, folder: RunFolder | None = None) -> tuple[int, ...]:
    """Return the size of the images that a recipe trains on: as its run recorded it, else as its data say."""
    run = first_run(folder) if folder is not None else None
    told = run.data.get("input") if run is not None else None
    if isinstance(told, list) and told and all(isinstance(side, int) and side > 0 for side in told):
        return tuple(told)
    source = find_source(recipe.data)
    if source is not None and (isinstance(source, ListedSource) or source.reader == "image_folder"):
        return (*parse_size(recipe.size), 3)
    known = source.sets.get(recipe.data.strip()) if source is not None else None
    if known is None:
        raise RequestError(f"nothing says how large the images of {recipe.data!r} are: the run's log lacks it")
    return tuple(at_size(known, recipe.size).size)


def unit_of_old(recipe: Recipe, folder: RunFolder | None) -> float:
    """Return the value of white, of a checkpoint that lacks it: by the mean of the pixels that the log has."""
    run = first_run(folder) if folder is not None else None
    told = run.data.get("mean") if run is not None else None
    means = [value for value in told if isinstance(value, int | float)] if isinstance(told, list) else []
    if any(value > 255 for value in means):
        return 65535.0
    source = find_source(recipe.data)
    floats = source is not None and source.reader in ("user_dataset", "npz_file")
    return 1.0 if floats and means and all(-8 < value <= 1 for value in means) else 255.0
