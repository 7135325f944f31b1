"""The recipe that fits a data set: facts in, fields out. What it reaches is measured by tests/benchmarks/recipes.py."""

from __future__ import annotations

from pathlib import Path

import click
import numpy as np
import pytest
from PIL import Image

from cvtui.calc import trace
from cvtui.calc.net.parser import parse
from cvtui.cli.commands.check import check as check_command
from cvtui.cli.commands.lr_find import lr_find
from cvtui.cli.commands.sweep import sweep
from cvtui.cli.commands.train import make_recipe, train
from cvtui.doctor import examine
from cvtui.errors import RequestError
from cvtui.recipe.datasets.catalog import DATA
from cvtui.recipe.datasets.own_size import own_side
from cvtui.recipe.fitted import FITTED, fitted, fitted_batch, fitted_net
from cvtui.recipe.recipe import Recipe
from cvtui.recipe.toml import dumps, load, loads
from cvtui.recipe.validation import check
from cvtui.runlog.folder import RunFolder
from cvtui.runlog.history import History
from tests.cli.running import within as program


def folder_of(place: Path, sides: list[tuple[int, int]], count: int = 4) -> Path:
    """Write `count` pictures of each class, of these sizes in turn."""
    for name in ("cat", "dog"):
        (place / name).mkdir(parents=True)
        for number in range(count):
            Image.new("RGB", sides[number % len(sides)]).save(place / name / f"{number}.png")
    return place


@pytest.mark.parametrize("name", [name for name in DATA if name != "digits"])
def test_every_set_gets_a_recipe_that_can_be_trained(name: str) -> None:
    found = fitted(Recipe(data=name))
    checked = check(found.recipe)
    assert checked.schedule.warmup < checked.total_steps
    assert set(found.changes) <= set(FITTED)
    assert loads(dumps(found.recipe)) == found.recipe
    if len(checked.data.size) == 3:
        assert found.recipe.net.endswith("-gap-fc")


def test_digits_keep_the_default_recipe() -> None:
    assert fitted(Recipe()).recipe == Recipe()
    assert make_recipe(None, {"data": "digits"}, fit=True).recipe == Recipe()


@pytest.mark.parametrize("side", [1, 4, 8, 16, 28, 32, 48, 64, 96, 224, 640])
def test_layers_behind_the_first_see_small_maps(side: int) -> None:
    table = trace(parse(fitted_net((side, side, 3))), (side, side, 3), 10)
    assert table.rows[-1].output == (10,)
    wide = [row for row in table.rows if row.name.startswith("conv")][1:]
    assert all(max(row.output[:2]) <= 16 for row in wide)


def test_no_batch_of_one_image_is_left() -> None:
    for count in range(2, 4000):
        batch = fitted_batch(count)
        assert 1 < batch <= count
        assert count % batch != 1


@pytest.mark.parametrize(
    ("sides", "size"),
    [
        ([(28, 28)], "28"),
        ([(48, 32)], "32"),
        ([(20, 20), (30, 30), (40, 40)], "30"),
        ([(500, 375)], ""),
        ([(64, 64)], ""),
    ],
)
def test_small_pictures_keep_their_size(tmp_path: Path, sides: list[tuple[int, int]], size: str) -> None:
    found = fitted(Recipe(data=f"folder:{folder_of(tmp_path / 'pics', sides, 15)}"))
    assert found.recipe.size == size


def test_pictures_that_cannot_be_read_do_not_count(tmp_path: Path) -> None:
    place = folder_of(tmp_path / "pics", [(24, 24)])
    (place / "cat" / "0.png").write_bytes(b"no picture")
    assert own_side(Recipe(data=f"folder:{place}")) == 24


def test_a_table_of_pictures_is_sized_as_well(tmp_path: Path) -> None:
    folder_of(tmp_path / "pics", [(40, 30)])
    rows = [f"pics/{name}/{number}.png,{name}" for name in ("cat", "dog") for number in range(4)]
    (tmp_path / "labels.csv").write_text("\n".join(["file,label", *rows]))
    assert fitted(Recipe(data=f"csv:{tmp_path / 'labels.csv'}")).recipe.size == "30"


def test_what_is_given_stays(tmp_path: Path) -> None:
    data = f"folder:{folder_of(tmp_path / 'pics', [(50, 50)], 40)}"
    made = make_recipe(
        None, {"data": data, "lr": "0.1", "epochs": "1", "size": "16", "batch_size": "4"}, fit=True
    ).recipe
    assert (made.lr, made.epochs, made.size, made.batch_size) == (0.1, 1, "16", 4)
    assert made.net == fitted_net((16, 16, 3))
    assert int(made.warmup) < 16  # of the sixteen steps that were asked for


def test_another_optimizer_keeps_rate_and_decay_of_its_own() -> None:
    made = make_recipe(None, {"data": "shapes", "optimizer": "sgd"}, fit=True).recipe
    assert (made.lr, made.weight_decay) == (Recipe().lr, make_recipe(None, {"optimizer": "sgd"}).recipe.weight_decay)


def test_uneven_classes_have_a_lower_rate() -> None:
    rates = [make_recipe(None, {"data": "shapes", "imbalance": text}, fit=True).recipe.lr for text in ("0.1", "0.2")]
    assert rates == [0.001, 0.003]


def test_a_batch_to_be_found_has_its_warm_up_in_epochs() -> None:
    assert make_recipe(None, {"data": "shapes", "batch_size": "auto"}, fit=True).asked.warmup == "1ep"


@pytest.mark.parametrize("given", [{"net": "conv8-relu-fc"}, {"weights": "x.pt"}])
def test_a_net_of_ones_own_is_left_alone(given: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "x.pt").touch()
    given = {name: str(tmp_path / text) if name == "weights" else text for name, text in given.items()}
    told: list[str] = []
    made = make_recipe(None, {"data": "shapes", **given}, fit=True, tell=told.append).recipe
    assert (made.lr, made.epochs, made.warmup, told) == (Recipe().lr, Recipe().epochs, "0", [])


def test_a_recipe_file_is_taken_at_its_word(tmp_path: Path) -> None:
    path = tmp_path / "recipe.toml"
    path.write_text('data = "digits"\n')
    assert make_recipe(str(path), {"data": "shapes"}, fit=True).recipe.net == Recipe().net


def test_the_line_names_what_was_chosen() -> None:
    told: list[str] = []
    made = make_recipe(None, {"data": "shapes", "lr": "0.1"}, fit=True, tell=told.append).recipe
    assert len(told) == 1
    assert told[0].startswith("fitted to shapes (32x32x3, 5,000 images to train on): net conv")
    assert f"epochs {made.epochs}" in told[0]
    assert "lr" not in told[0]


@pytest.mark.torch
def test_a_folder_is_trained_as_fits_it_and_the_doctor_finds_nothing(tmp_path: Path) -> None:
    """Stripes across and along, 24 x 24: learnt in a few steps where the recipe fits."""
    maker = np.random.default_rng(0)
    for number in range(40):
        lines = 60 * (np.arange(24) // 3 % 2)
        field = 90 + maker.normal(0, 20, (24, 24)) + (lines if number % 2 else lines[:, None])
        place = tmp_path / "pics" / ("along" if number % 2 else "across")
        place.mkdir(parents=True, exist_ok=True)
        Image.fromarray(field.clip(0, 255).astype(np.uint8)).save(place / f"{number}.png")
    done = program("--no-ui", "--data", "folder:pics", "--epochs", "12", "--threads", "1", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("note: fitted to folder:pics (24x24x3, at most 32 images to train on): size 24, net") == 1
    recipe = load(tmp_path / "runs" / "pics-1" / "recipe.toml")
    assert (recipe.size, recipe.net, recipe.epochs) == ("24", fitted_net((24, 24, 3)), 12)
    history = History(RunFolder(tmp_path / "runs" / "pics-1"))
    while history.poll():
        pass
    assert max(epoch.val_accuracy or 0.0 for epoch in history.epochs) == 1.0
    assert [one.id for one in history.findings if one.severity != "note"] == []
    assert [one.id for one in examine(history) if one.severity != "note"] == []


@pytest.mark.parametrize("command", [check_command, lr_find, sweep, train], ids=lambda command: command.name)
def test_no_fit_is_the_default_recipe(command: click.Command) -> None:
    """Which is a net for pictures, and so no net for points."""
    words = {"sweep": ["--lr", "1,2"], "train": ["--quiet"]}.get(command.name or "", [])
    with pytest.raises(RequestError, match="needs a map H x W x C"):
        command.main([*words, "--data", "moons", "--no-fit"], standalone_mode=False)


def test_data_that_is_not_there_is_refused_by_its_option() -> None:
    with pytest.raises(RequestError, match=r"^--data: .*'nowhere' does not exist"):
        make_recipe(None, {"data": "folder:nowhere"}, fit=True)
