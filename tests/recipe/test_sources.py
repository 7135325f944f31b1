"""Each data text finds its source, is spelt as the source spells it, and survives the form."""

from __future__ import annotations

from pathlib import Path

import pytest

from cvtui.errors import RequestError
from cvtui.recipe.datasets.catalog import DATA, SOURCES, check_source, find_source, source_of
from cvtui.recipe.datasets.facts import folder_of

FILES = "folder:PATH, csv:PATH, npz:PATH, parquet:PATH, wds:SHARDS.tar"


@pytest.mark.parametrize(
    ("text", "reader", "spelt"),
    [
        ("digits", "embedded", "digits"),
        ("Shapes", "embedded", "shapes"),
        ("spiral", "toy_sets", "spiral"),
        ("Spiral(3)", "toy_sets", "spiral(3)"),
        ("moons(2)", "toy_sets", "moons"),
        ("fashion_mnist", "torchvision_sets", "fashion-mnist"),
        ("FOLDER:Pictures/of mine", "image_folder", "folder:Pictures/of mine"),
        (" folder:a:b ", "image_folder", "folder:a:b"),
        ("CSV: my labels.csv , Label=dx,path=image id", "csv_file", "csv:my labels.csv,label=dx,path=image id"),
        ("csv:a,b.csv", "csv_file", "csv:a,b.csv"),
        ("npz:~/x.npz", "npz_file", "npz:~/x.npz"),
        ("parquet:data/train-*.parquet,label=fine", "parquet_file", "parquet:data/train-*.parquet,label=fine"),
        ("wds:s-{000..003}.tar", "tar_shards", "wds:s-{000..003}.tar"),
        ("package.module:callable", "user_dataset", "package.module:callable"),
    ],
)
def test_a_text_finds_its_source_and_its_own_spelling(text: str, reader: str, spelt: str) -> None:
    source = source_of(text)
    assert source.reader == reader
    assert check_source(text, "--data") == spelt
    assert source.join(*source.split(spelt)) == spelt


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("mnisst", "--data: 'mnisst' is not known; allowed: digits, shapes, blobs"),
        ("mnisst", f"{FILES}, package.module:callable; did you mean 'mnist'?"),
        ("digits(3)", "'digits(3)' is not known"),
        ("spiral(9)", "the number of classes of spiral is 2 to 5"),
        ("folder:", "'folder:' needs a path"),
        ("npz:", "'npz:' needs a path, as in npz:pathmnist.npz"),
        ("csv:x.csv,lable=a", "csv: has no option 'lable'; it takes path, label, split, images; did you mean 'label'?"),
        ("csv:x.csv,label=", "the option 'label' of csv: is empty"),
        ("npz:x.npz,label=a", "npz: has no option 'label'; it takes images, labels; did you mean 'labels'?"),
        ("data/Labels.CSV", "--data: 'data/Labels.CSV' needs a prefix: csv:data/Labels.CSV"),
        ("x.npz", "'x.npz' needs a prefix: npz:x.npz"),
        ("shard-{0..3}.tar", "'shard-{0..3}.tar' needs a prefix: wds:shard-{0..3}.tar"),
        ("d/train.parquet", "needs a prefix: parquet:d/train.parquet"),
        ("foldr:my pictures", f"neither {FILES} nor package.module:callable"),
    ],
)
def test_what_belongs_to_no_source_is_one_line_with_what_is_allowed(text: str, words: str) -> None:
    with pytest.raises(RequestError) as caught:
        check_source(text, "--data")
    assert words in caught.value.message


def test_every_set_is_in_one_source_and_the_names_of_readers_differ() -> None:
    assert sum(len(source.sets) for source in SOURCES) == len(DATA)
    assert len({source.reader for source in SOURCES}) == len(SOURCES)


def test_the_folder_of_a_text() -> None:
    assert folder_of("folder:~") == Path.home()
    assert folder_of("folder:~nobody-of-that-name/x") == Path("~nobody-of-that-name/x")
    assert folder_of("digits") is folder_of("a.b:c") is folder_of("what an old log may say") is None
    assert find_source("what an old log may say") is None
