"""`wds:shards-{000..003}.tar`: WebDataset's tar files, a sample being the members of one key, side by side.

The library itself is not needed: plain tar files are read where they lie, each picture at its place.
"""

from __future__ import annotations

import json
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from cvtui import door
from cvtui.errors import RequestError
from cvtui.recipe.datasets.file_source import ListedSource, Row, Rows, part_of_file
from cvtui.recipe.datasets.image_files import is_image
from cvtui.recipe.datasets.labels import LABEL_NAMES, key_of
from cvtui.recipe.datasets.packed import Packed

LABEL_ENDINGS = ("cls", "label", "index", "json", "txt")
"""Of the member that holds a sample's label, likeliest first."""
MOST_LABEL = 1 << 20
NAMED = 3


class TarShards(ListedSource):
    """`wds:PATTERN` of .tar files."""

    reader = "tar_shards"
    prefix = "wds"
    usage = "wds:SHARDS.tar"
    summary = "WebDataset's tar files"
    placeholder = "shards-{000..003}.tar"
    endings = (".tar",)
    options = ("label",)
    what = "the shards"

    def rows(self, text: str) -> Rows:
        asked = self.asked(text).options.get("label", "")
        found: list[Row] = []
        bare: list[str] = []
        several: list[str] = []
        for path in self.files(text):
            part = part_of_file(path)
            for sample in samples_of(path):
                if "pictures" not in sample or not (label := _label(sample, asked, path)):
                    bare.append(f"{path.name}:{sample['key']}")
                    continue
                _, (picture, offset, length) = min(sample["pictures"], key=lambda one: one[0])  # not x.seg.png
                several += [f"{path.name}:{picture}"] if len(sample["pictures"]) > 1 else []
                found.append(Row(Packed(f"{path}:{picture}", str(path), offset, length), label, part))
        if not found:
            what = f"no sample with a picture and a label (.{', .'.join(LABEL_ENDINGS)})"
            raise RequestError(f"data: {str(self.place(text))!r} holds {what}" + (f", as {bare[0]}" if bare else ""))
        notes = []
        if bare:
            more = f" and {len(bare) - NAMED:,} more" if len(bare) > NAMED else ""
            notes.append(f"{len(bare):,} samples lack a picture or a label and are left out: "
                         f"{', '.join(bare[:NAMED])}{more} (members of one key must be neighbours)")  # fmt: skip
        if several:
            notes.append(f"{len(several):,} samples hold several pictures (a key ends at the first dot); one each is "
                         f"used: {', '.join(several[:NAMED])}")  # fmt: skip
        return Rows(found, notes)


def samples_of(path: Path) -> Iterator[dict[str, Any]]:
    """Yield the samples of a shard: `key`, `pictures`, and small members by ending.

    Of a picture: the dots of its ending, and (name, offset, length).

    The key of `a/b.seg.png` is a/b: it ends at the first dot of the name. RequestError for a file that is no tar file.
    """
    sample: dict[str, Any] = {}
    try:
        with door.opened_input(path) as file, tarfile.open(fileobj=file, mode="r:") as archive:
            for member in archive:
                folder, slash, name = member.name.rpartition("/")
                stem, dot, ending = name.partition(".")
                if not member.isreg() or not dot or (name.startswith("__") and name.endswith("__")) or not stem:
                    continue
                key, ending = folder + slash + stem, ending.lower()
                if sample and (sample["key"] != key or ending in sample):
                    yield sample
                    sample = {}
                sample["key"] = key
                sample[ending] = b""
                if is_image(f"x.{ending}"):
                    picture = (member.name, member.offset_data, member.size)
                    sample.setdefault("pictures", []).append((ending.count("."), picture))
                elif ending in LABEL_ENDINGS and member.size <= MOST_LABEL:
                    held = archive.extractfile(member)
                    sample[ending] = held.read() if held is not None else b""
    except (OSError, tarfile.TarError, EOFError, ValueError) as error:
        words = getattr(error, "strerror", None) or str(error) or type(error).__name__
        raise RequestError(
            f"data: {str(path)!r} is no whole tar file: {words}", hint="a packed one (.tar.gz) is unpacked with gunzip"
        ) from None
    if sample:
        yield sample


def _label(sample: dict[str, Any], asked: str, path: Path) -> str:
    """Return a sample's label; "" without one. RequestError for a .json in which it is not found."""
    endings = [ending for ending in LABEL_ENDINGS if sample.get(ending)]
    if asked and not asked.isidentifier():
        return ""
    if asked and asked in endings and asked != "json":
        endings = [asked]
    elif asked:
        endings = [ending for ending in endings if ending == "json"]
    if not endings:
        return ""
    data: bytes = sample[endings[0]]
    if endings[0] != "json":
        return data.decode("utf-8", "replace").strip()
    try:
        value = json.loads(data)
    except (ValueError, RecursionError):
        return ""
    if not isinstance(value, dict):
        return _plain(value)
    keys = [asked] if asked else [name for usual in LABEL_NAMES for name in value if key_of(name) == usual]
    for key in keys:
        if key in value:
            return _plain(value[key])
    raise RequestError(f"data: the .json of {sample['key']!r} in {path.name!r} has no {asked or 'label'}; it has "
                       f"{', '.join(map(str, list(value)[:8]))}", hint=f"wds:{path},label=KEY")  # fmt: skip


def _plain(value: Any) -> str:
    return str(value).strip() if isinstance(value, str | int | float) else ""
