"""`check`: what follows from a recipe, and what makes it impossible."""

from __future__ import annotations

import subprocess
import sys

import pytest

from cvtui.errors import RequestError
from cvtui.recipe.choices.inits import INITS
from cvtui.recipe.choices.losses import LOSSES
from cvtui.recipe.choices.optimizers import OPTIMIZERS
from cvtui.recipe.choices.preprocesses import PREPROCESSES
from cvtui.recipe.choices.schedules import SCHEDULES
from cvtui.recipe.choices.spec import parse_choice
from cvtui.recipe.datasets.catalog import DATA
from cvtui.recipe.fields import FIELDS
from cvtui.recipe.recipe import Recipe
from cvtui.recipe.validation import check


def test_the_default_recipe_is_possible() -> None:
    checked = check(Recipe())
    assert checked.recipe == Recipe()
    assert checked.data.name == "digits"
    assert checked.table.rows[-1].output == (10,)
    assert checked.total_steps == checked.steps_per_epoch * Recipe().epochs
    assert checked.schedule.lr_at(0) <= Recipe().lr


def test_the_last_smaller_batch_counts_as_a_step() -> None:
    train = DATA["digits"].train
    assert train == 1437
    assert check(Recipe(batch_size=100)).steps_per_epoch == 15
    assert check(Recipe(batch_size=479)).steps_per_epoch == 3
    assert check(Recipe(batch_size=train)).steps_per_epoch == 1


def test_choices_get_their_own_spelling() -> None:
    checked = check(Recipe(preprocess="Center", optimizer="ADAM(0.8)", schedule="inverse_sqrt", init="Normal( 0.02 )"))
    assert checked.recipe.preprocess == "centre"
    assert checked.recipe.optimizer == "adam(0.8)"
    assert checked.recipe.schedule == "inverse-sqrt"
    assert checked.schedule.name == "inverse-sqrt"


@pytest.mark.parametrize(
    ("net", "data"),
    [
        ("fc", "digits"),
        ("fc-softmax", "digits"),
        ("fc128-relu-fc10", "digits"),
        ("conv10f8p0", "digits"),
        ("conv32-relu-conv10-gap", "shapes"),
        ("[(conv32-relu)*2-pool]*3-(fc128-relu)-fc", "shapes"),
        ("conv16-bn-relu-res(conv16-bn-relu-conv16-bn)-relu-gap-fc", "shapes"),
        ("conv16-relu-cat(conv8f1|conv8f3|pool3s1p1)-gap-fc", "shapes"),
    ],
)
def test_nets_that_fit(net: str, data: str) -> None:
    check(Recipe(net=net, data=data))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"net": "fc7"}, ["net:", "fc1 puts out 7", "digits has 10 classes", "'fc'"]),
        ({"net": "fc7-softmax"}, ["fc1 puts out 7"]),
        ({"net": "conv10"}, ["conv1 puts out 8x8x10"]),
        ({"net": "fc-("}, ["net:", "expected"]),
        ({"net": "[pool]*5-fc"}, ["net: layer 4, pool: the 1x1 map is smaller than its 2x2 window"]),
        ({"net": "conv32-relu-pol-fc"}, ["net:", "did you mean 'pool'?"]),
        ({"batch_size": 1438}, ["batch_size: 1,438", "1 to 1,437"]),
        ({"batch_size": 1, "nproc": 2}, ["nproc: a batch of 1 image can't", "allowed: 1, or batch_size 2 or more"]),
        ({"batch_size": 3, "nproc": 4}, ["nproc: a batch of 3 images", "allowed: 1 to 3, or batch_size 4 or more"]),
        ({"batch_size": 1000, "accumulate": 2}, ["accumulate: 2 x 1,000", "; allowed: 1"]),
        ({"warmup": "15ep", "epochs": 15}, ["warmup: '15ep'", "15 epochs"]),
        ({"warmup": "345", "epochs": 15, "batch_size": 64}, ["warmup: '345'", "345 iterations"]),
        ({"lr": float("nan")}, ["lr: nan"]),
        ({"lr": -1}, ["lr: -1"]),
        ({"lr": "0.1"}, ["lr: '0.1' is a text"]),
        ({"batch_size": 0}, ["batch_size: 0"]),
        ({"epochs": 0}, ["epochs: 0"]),
        ({"name": "a\nb"}, ["name: 'a\\nb'"]),
        ({"optimizer": "adam(beta2=1)"}, ["optimizer: beta2 of adam", "0 <= x < 1"]),
    ],
)
def test_what_is_impossible_is_said_in_one_line(changes: dict, words: list[str]) -> None:
    with pytest.raises(RequestError) as caught:
        check(Recipe(**changes))
    assert caught.value.message.isprintable()
    for word in words:
        assert word in caught.value.message


def test_an_error_in_the_net_points_at_its_column() -> None:
    with pytest.raises(RequestError) as caught:
        check(Recipe(net="conv32-relu-pol-fc"))
    assert caught.value.source == "conv32-relu-pol-fc"
    assert caught.value.column == 12
    with pytest.raises(RequestError) as caught:
        check(Recipe(net="conv4-relu-fc7"))
    assert caught.value.column == 11


def test_every_field_says_what_is_allowed() -> None:
    assert set(FIELDS) == set(Recipe.__struct_fields__)
    for name, entry in FIELDS.items():
        assert entry.doc, name
        assert entry.allowed_in_words(), name
        assert entry.check(entry.default) == entry.default, name
        assert entry.convert(str(entry.default)) == entry.default, name
        assert entry.option == "--" + name.replace("_", "-")


@pytest.mark.parametrize("table", [PREPROCESSES, INITS, LOSSES, OPTIMIZERS, SCHEDULES])
def test_every_choice_can_be_written_as_its_usage_says(table: dict) -> None:
    for name, choice in table.items():
        assert choice.name == name
        assert choice.summary
        assert choice.formula
        usage = choice.usage().replace("epochs…", "1")
        found, values = parse_choice(usage, table)
        assert found is choice
        assert {key: values[key] for key in choice.parameters} == {
            key: pytest.approx(parameter.default) for key, parameter in choice.parameters.items()
        }


def test_values_of_a_choice() -> None:
    assert parse_choice("step(30, 60.5, factor=0.2)", SCHEDULES)[1] == {"epochs": (30.0, 60.5), "factor": 0.2}
    assert parse_choice("step", SCHEDULES)[1] == {"epochs": (), "factor": 0.1}
    adam = {"beta1": 0.8, "beta2": 0.999, "eps": 1e-7, "amsgrad": 0}
    assert parse_choice("adam(0.8, eps=1e-7)", OPTIMIZERS)[1] == adam
    assert parse_choice(" normal ( .5 ) ", INITS)[1] == {"std": 0.5}


def imported(code: str) -> set[str]:
    """Return the top-level modules that a fresh interpreter has after `code`."""
    report = "import sys; print(*{name.partition('.')[0] for name in sys.modules})"
    return set(subprocess.check_output([sys.executable, "-c", f"{code}\n{report}"], text=True).split())


def test_reading_a_net_costs_no_third_party() -> None:
    assert not imported("import cvtui.calc.net.parser, cvtui.recipe.choices.schedules, cvtui.recipe.choices.inits") & {
        "msgspec", "numpy", "torch", "filelock",
    }  # fmt: skip


def test_checking_a_recipe_costs_msgspec_alone() -> None:
    modules = imported(
        "from cvtui.recipe.recipe import Recipe; from cvtui.recipe.validation import check; "
        "from cvtui.recipe.toml import dumps; check(Recipe(name='a')); dumps(Recipe())"
    )
    assert not modules & {"numpy", "torch", "filelock", "textual", "rich", "click"}
