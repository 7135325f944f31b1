"""`wds:shards-{000..003}.tar`: WebDataset's tar files, a sample being the members of one key, side by side.

The library itself is not needed: plain tar files are read where they lie, each picture at its place.
"""

from __future__ import annotations

import json
import re
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from cvtui import door
from cvtui.errors import RequestError
from cvtui.recipe.datasets.file_source import ListedSource, Row, Rows, part_of_file
from cvtui.recipe.datasets.image_files import is_image
from cvtui.recipe.datasets.label_sets import SEPARATORS, texts_of
from cvtui.recipe.datasets.labels import LABEL_NAMES, bytes_text, key_of
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
        lists: list[list[Any]] = []
        torn: list[str] = []
        for path in self.files(text):
            part = part_of_file(path)
            for sample in samples_of(path, torn):
                label = _label(sample, asked, path)
                if "pictures" not in sample or label is None:
                    bare.append(f"{path.name}:{sample['key']}")
                    continue
                _, (picture, offset, length) = min(sample["pictures"], key=lambda one: one[0])  # not x.seg.png
                several += [f"{path.name}:{picture}"] if len(sample["pictures"]) > 1 else []
                lists.append(label if isinstance(label, list) else [label])
                plain = "" if isinstance(label, list) else label
                found.append(Row(Packed(f"{path}:{picture}", str(path), offset, length), plain, part))
        if not found:
            what = f"no sample with a picture and a label (.{', .'.join(LABEL_ENDINGS)})"
            raise RequestError(f"data: {str(self.place(text))!r} holds {what}" + (f", as {bare[0]}" if bare else ""))
        notes = [f"{what}: it was cut off, or its writer stopped; what is there is used" for what in torn]
        if bare:
            more = f" and {len(bare) - NAMED:,} more" if len(bare) > NAMED else ""
            notes.append(f"{len(bare):,} samples lack a picture or a label and are left out: "
                         f"{', '.join(bare[:NAMED])}{more} (members of one key must be neighbours)")  # fmt: skip
        if several:
            notes.append(f"{len(several):,} samples hold several pictures (a key ends at the first dot); one each is "
                         f"used: {', '.join(several[:NAMED])}")  # fmt: skip
        if all(row.label for row in found):
            return Rows(found, notes)
        texts, classes = texts_of(lists)
        return Rows([row._replace(label=text) for row, text in zip(found, texts, strict=True)], notes, classes=classes)


def samples_of(path: Path, torn: list[str] | None = None) -> Iterator[dict[str, Any]]:
    """Yield the samples of a shard: `key`, `pictures`, and small members by ending.

    Of a picture: the dots of its ending, and (name, offset, length).

    The key of `a/b.seg.png` is a/b: it ends at the first dot of the name. RequestError for a file that is no tar file;
    one without the zeros that end it, which tarfile reads without a word, is told in `torn`.
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
            file.seek(archive.offset)
            if torn is not None and file.read(tarfile.BLOCKSIZE) != bytes(tarfile.BLOCKSIZE):
                torn.append(f"{path.name} ends without a tar file's end behind {archive.getnames()[-1]}")
    except (OSError, tarfile.TarError, EOFError, ValueError) as error:
        words = getattr(error, "strerror", None) or str(error) or type(error).__name__
        raise RequestError(
            f"data: {str(path)!r} is no whole tar file: {words}", hint="a packed one (.tar.gz) is unpacked with gunzip"
        ) from None
    if sample:
        yield sample


def _label(sample: dict[str, Any], asked: str, path: Path) -> str | list[Any] | None:
    """Return a sample's label, or the list of its classes; None without one.

    RequestError for a .json in which it is not found.
    """
    endings = [ending for ending in LABEL_ENDINGS if sample.get(ending)]
    if asked and asked in endings and asked != "json":
        endings = [asked]
    elif asked:
        endings = [ending for ending in endings if ending == "json"]
    if not endings:
        return None
    data: bytes = sample[endings[0]]
    if endings[0] != "json":
        return _of_text(bytes_text(data).strip(), endings[0])
    try:
        value = json.loads(data)
    except (ValueError, RecursionError):
        return None
    if not isinstance(value, dict):
        return _plain(value)
    keys = [asked] if asked else [name for usual in LABEL_NAMES for name in value if key_of(name) == usual]
    for key in keys:
        if key in value:
            return _plain(value[key])
    raise RequestError(f"data: the .json of {sample['key']!r} in {path.name!r} has no {asked or 'label'}; it has "
                       f"{', '.join(map(str, list(value)[:8]))}", hint=f"wds:{path},label=KEY")  # fmt: skip


def _of_text(text: str, ending: str) -> str | list[Any] | None:
    """Return a label as it is; several numbers, or classes between `;` or `|`, are a list.

    Not of a .txt, which may be a sentence.
    """
    if ending == "txt":
        return text or None
    if text.startswith("["):
        try:
            return _plain(json.loads(text))
        except (ValueError, RecursionError):
            return text
    words = re.split(r"[\s,]+", text)
    if len(words) > 1 and all(word.isdecimal() for word in words):
        return [int(word) for word in words]
    if any(mark in text for mark in SEPARATORS):
        return [word.strip() for word in re.split(r"[|;]", text) if word.strip()]
    return text or None


def _plain(value: Any) -> str | list[Any] | None:
    if isinstance(value, list) and all(isinstance(one, str | int | float) for one in value):
        return value
    return str(value).strip() or None if isinstance(value, str | int | float) else None
