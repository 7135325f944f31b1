"""Read pictures that a file lists or holds: decoded, sized and streamed as those of a folder are."""

from __future__ import annotations

from functools import lru_cache

from cvtui.engine.data.image_folder import ReadingProgress, read_listing
from cvtui.engine.data.images import OnProgress, Split
from cvtui.errors import RequestError
from cvtui.recipe.datasets.catalog import source_of
from cvtui.recipe.datasets.file_source import ListedSource, Signature
from cvtui.recipe.free_memory import free_memory
from cvtui.recipe.recipe import Recipe

MEMORY_SHARE = 0.5
"""Of the memory that is free: so much the encoded pictures of a file may take."""


@lru_cache(maxsize=2)
def _read(
    text: str,
    signature: Signature,
    size: str,
    val_share: float,
    seed: int,
    progress: ReadingProgress,
    bits: int,
    cache: str,
    only: bool,
) -> Split:
    source = source_of(text)
    assert isinstance(source, ListedSource)
    need, room = sum(size for _, size, _ in signature), free_memory()
    if source.held and need > MEMORY_SHARE * room:
        raise RequestError(
            f"data: the files hold {need / 2**30:.1f} GiB of pictures, more than half of the free memory",
            hint="unpacked into a folder, or as WebDataset's shards, they stream",
        )
    found = source.listing(text, val_share, seed, only=only)
    return read_listing(source.with_bytes(text, found), size, progress, bits, cache)


def read(recipe: Recipe, on_progress: OnProgress | None = None) -> Split:
    """Read what the recipe's file lists. RequestError where too little can be read."""
    source = source_of(recipe.data)
    assert isinstance(source, ListedSource)
    signature = source.signature(recipe.data)
    fields = recipe.size.lower(), recipe.val_share, recipe.seed
    more = recipe.bits, recipe.cache, bool(recipe.only.strip())
    return _read(recipe.data, signature, *fields, ReadingProgress(on_progress), *more)
