"""The same small pictures in every kind of file that holds or lists some: each one's grey says which it is."""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

CLASSES = ("ant", "bee", "cat")


class Picture(NamedTuple):
    key: str
    label: int
    grey: int


def pictures(each: int = 10) -> list[Picture]:
    """`each` of three classes, mixed."""
    return [Picture(f"p{place:03d}", place % 3, 20 * (place % 3) + place // 3) for place in range(3 * each)]


def png(grey: int, side: int = 4) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (side, side), (grey,) * 3).save(file, "PNG")
    return file.getvalue()


def csv_at(root: Path, some: list[Picture] | None = None) -> str:
    """Kaggle's layout: train.csv with ids, the pictures in train_images."""
    (root / "train_images").mkdir(parents=True)
    some = some or pictures()
    for one in some:
        (root / "train_images" / f"{one.key}.png").write_bytes(png(one.grey))
    lines = ["id_code,diagnosis", *(f"{one.key},{CLASSES[one.label]}" for one in some)]
    (root / "train.csv").write_text("\n".join(lines) + "\n")
    return f"csv:{root / 'train.csv'}"


def npz_at(root: Path, some: list[Picture] | None = None) -> str:
    root.mkdir(parents=True, exist_ok=True)
    some = some or pictures()
    images = np.stack([np.full((4, 4, 3), one.grey, np.uint8) for one in some])
    labels = np.array([[one.label] for one in some])
    np.savez(root / "set.npz", images=images, labels=labels, class_names=np.array(CLASSES))
    return f"npz:{root / 'set.npz'}"


def wds_at(root: Path, some: list[Picture] | None = None) -> str:
    """Two shards, of PNG and .cls."""
    root.mkdir(parents=True, exist_ok=True)
    some = some or pictures()
    for shard in range(2):
        with tarfile.open(root / f"shard-{shard:03d}.tar", "w") as archive:
            for one in some[shard::2]:
                for name, data in ((f"{one.key}.png", png(one.grey)), (f"{one.key}.cls", str(one.label).encode())):
                    add(archive, name, data)
    return f"wds:{root / 'shard-{000..001}.tar'}"


def add(archive: tarfile.TarFile, name: str, data: bytes) -> None:
    member = tarfile.TarInfo(name)
    member.size = len(data)
    archive.addfile(member, io.BytesIO(data))


def parquet_at(root: Path, some: list[Picture] | None = None, name: str = "set.parquet") -> str:
    """Hugging Face's imagefolder layout, with its metadata."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    root.mkdir(parents=True, exist_ok=True)
    some = some or pictures()
    features = {"image": {"_type": "Image"}, "label": {"names": list(CLASSES), "_type": "ClassLabel"}}
    table = pa.table({
        "image": [{"bytes": png(one.grey), "path": f"{one.key}.png"} for one in some],
        "label": [one.label for one in some],
    }).replace_schema_metadata({"huggingface": json.dumps({"info": {"features": features}})})  # fmt: skip
    pq.write_table(table, root / name, row_group_size=7)
    return f"parquet:{root / name}"


MAKERS: dict[str, Callable[..., str]] = {"csv": csv_at, "npz": npz_at, "wds": wds_at, "parquet": parquet_at}
"""By prefix; `parquet` needs pyarrow."""
