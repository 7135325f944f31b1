"""What can be said about a form's texts: against `recipe.check`, which judges the same recipe as a whole."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from cvtui.recipe.fields import FIELDS, grouped
from cvtui.recipe.recipe import Recipe
from cvtui.recipe.toml import override
from cvtui.recipe.validation import check
from cvtui.tui.form.field_text import join_text, split_text, summaries
from cvtui.tui.form.field_values import field_texts
from cvtui.tui.form.validation import Validation, validate

PLAIN = Recipe(epochs=15, batch_size=64, optimizer="adam")
SEVERAL = [
    Recipe(),
    PLAIN,
    Recipe(data="shapes", net="conv16f5s2-bn-relu-gap-fc", batch_size=100, epochs=3),
    Recipe(init="normal(0.02)", optimizer="adam(beta1=0.8)", schedule="step(2, 4, factor=0.5)", warmup="2ep"),
    Recipe(lr=5e-5, weight_decay=1e-4, keep="every=3", watch_every=0, seed=2**40, name="named"),
]


def changed(**texts: str) -> Validation:
    return validate(field_texts(PLAIN) | texts)


def test_every_field_of_the_recipe_has_one_place_in_the_form() -> None:
    placed = [field.name for _, fields in grouped() for field in fields]
    assert sorted(placed) == sorted(FIELDS)


def test_a_field_that_no_group_names_comes_last() -> None:
    *_, (title, fields) = grouped({**FIELDS, "new": FIELDS["seed"]})
    assert (title, len(fields)) == ("More", 1)


@pytest.mark.parametrize("recipe", SEVERAL)
def test_texts_give_the_recipe_back(recipe: Recipe) -> None:
    assert override(Recipe(), field_texts(recipe)) == recipe


@pytest.mark.parametrize("recipe", SEVERAL)
def test_a_right_form_says_what_check_says(recipe: Recipe) -> None:
    validation, checked = validate(field_texts(recipe)), check(recipe)
    assert validation.ready
    assert validation.recipe == checked.recipe
    assert validation.table == checked.table
    assert validation.schedule == checked.schedule
    assert (validation.steps_per_epoch, validation.total_steps) == (checked.steps_per_epoch, checked.total_steps)
    assert validation.first_loss is not None
    assert validation.first_loss.value == math.log(10)


WRONG = [
    ("lr", "fast", "'fast' is not a number", None),
    ("lr", "-1", "above 0", None),
    ("batch_size", "0", "1 to", None),
    ("batch_size", "2000", "more than digits has", None),
    ("epochs", "2.5", "not a whole number", None),
    ("net", "", "the net is empty", 0),
    ("net", "conv32-relo-fc", "did you mean 'relu'", 7),
    ("net", "conv32-pool*5-fc", "is smaller than its 2x2 window", 7),
    ("net", "conv32-fc7", "digits has 10 classes", 7),
    ("net", "conv32f5p?-fc", "'?' asks what fits", 0),
    ("init", "normal(-1)", "can't be -1", None),
    ("optimizer", "adam(beta1=1)", "0 <= x < 1", None),
    ("warmup", "15ep", "as long as the whole run", None),
    ("warmup", "soon", "not understood", None),
    ("device", "gpu", "auto, cpu, cuda", None),
    ("name", "a/b", "slash", None),
]


@pytest.mark.parametrize(("name", "text", "words", "column"), WRONG)
def test_a_wrong_field_is_named_with_its_reason(name: str, text: str, words: str, column: int | None) -> None:
    validation = changed(**{name: text})
    assert not validation.ready
    assert validation.recipe is None
    assert list(validation.problems) == [name]
    problem = validation.problems[name]
    assert words in problem.message
    assert problem.column == column
    assert "\n" not in problem.message
    assert not problem.message.startswith(name)  # the field's name stands before it anyway


@pytest.mark.parametrize(("name", "text"), [(name, text) for name, text, _, _ in WRONG])
def test_what_does_not_depend_on_the_wrong_field_is_there_all_the_same(name: str, text: str) -> None:
    validation, right = changed(**{name: text}), validate(field_texts(PLAIN))
    if name != "net":
        assert validation.table == right.table
    if name != "batch_size":
        assert validation.steps_per_epoch == right.steps_per_epoch
    if name not in ("lr", "epochs", "batch_size", "warmup"):
        assert validation.schedule == right.schedule
    assert validation.first_loss == right.first_loss


def test_all_wrong_fields_are_told_at_once() -> None:
    validation = changed(lr="x", net="conv", epochs="0", init="normal(x)", batch_size="9999")
    assert set(validation.problems) == {"lr", "net", "epochs", "init", "batch_size"}


def test_a_name_that_is_taken(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    texts = field_texts(Recipe(name="mine"))
    assert "exists already" in validate(texts, tmp_path).problems["name"].message
    assert validate(texts, tmp_path / "elsewhere").ready


def test_hostile_texts_are_answered() -> None:
    """A megabyte, deep nesting, a billion layers: one line each, and soon."""
    for net in ("(" * 10_000, "conv8-" * 200_000, "relu*1000000000-fc", "conv9999999999-fc", "\x1b[31m", "é🎈"):
        assert "net" in changed(net=net).problems
    assert "seed" in changed(seed="9" * 5000).problems
    assert "lr" in changed(lr="1e999").problems


@pytest.mark.parametrize(
    ("field", "text", "parts"),
    [
        ("data", "digits", ("digits", "")),
        ("data", "spiral(3)", ("spiral", "3")),
        ("data", "folder:my (old) pictures", ("folder", "my (old) pictures")),
        ("data", "package.module:callable", ("python", "package.module:callable")),
        ("init", "normal(0.02)", ("normal", "0.02")),
        ("schedule", "step(30, 60, factor=0.5)", ("step", "30, 60, factor=0.5")),
    ],
)
def test_a_choice_and_what_stands_behind_it(field: str, text: str, parts: tuple[str, str]) -> None:
    assert split_text(FIELDS[field], text) == parts
    assert join_text(FIELDS[field], *parts) == text
    assert parts[0] in summaries(FIELDS[field])
