"""Recipe files: what goes out comes in again, and whatever comes in is either a recipe or a clear refusal."""

from __future__ import annotations

import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cvtui.errors import RequestError
from cvtui.recipe.fields import FIELDS
from cvtui.recipe.recipe import Recipe
from cvtui.recipe.toml import LARGEST_FILE, dumps, from_table, load, loads, override

words = {
    "data": st.sampled_from(["digits", "shapes"]),
    "preprocess": st.sampled_from(["none", "scale", "centre", "standardise"]),
    "net": st.text(min_size=1).filter(str.strip),
    "init": st.one_of(st.just("he"), st.floats(0, 1e6).map(lambda std: f"normal({std!r})")),
    "optimizer": st.sampled_from(["sgd", "momentum", "adam(beta1=0.5)", "adamw(0.8, 0.9)"]),
    "lr": st.floats(0, exclude_min=True, allow_infinity=False),
    "momentum": st.floats(0, 1, exclude_max=True),
    "weight_decay": st.floats(0, allow_infinity=False),
    "schedule": st.sampled_from(["cosine", "step(3, 6.5, factor=0.3)"]),
    "schedule_per": st.sampled_from(["iteration", "epoch"]),
    "warmup": st.from_regex(r"[0-9]{1,6}(ep)?", fullmatch=True),
    "epochs": st.integers(1, 10**6),
    "batch_size": st.integers(1, 10**7),
    "seed": st.integers(0, 2**63 - 1),
    "device": st.sampled_from(["auto", "cpu", "cuda", "cuda:3", "mps"]),
    "precision": st.sampled_from(["float32", "bfloat16", "float16"]),
    "threads": st.integers(0, 1024),
    "watch_every": st.integers(0, 10**9),
    "keep": st.sampled_from(["last", "last,best", "best, every=10"]),
    "name": st.sampled_from(["", "a run", "größer 🙂", 'quoted "name"']),
}
recipes = st.builds(Recipe, **words)


def attempt(make: Callable[[], Recipe]) -> tuple[Recipe | None, RequestError | None]:
    """Return a recipe, or the refusal; any other exception goes through."""
    try:
        return make(), None
    except RequestError as error:
        return None, error


@given(recipes)
def test_what_is_written_is_read_again(recipe: Recipe) -> None:
    text = dumps(recipe)
    if not any("\ud800" <= sign <= "\udfff" for sign in recipe.net):
        assert tomllib.loads(text) == {name: getattr(recipe, name) for name in FIELDS}
        assert loads(text) == recipe


@given(st.text())
def test_any_text_is_written_as_valid_toml(text: str) -> None:
    written = tomllib.loads(dumps(Recipe(net=text, name=text)))
    if not any("\ud800" <= sign <= "\udfff" for sign in text):
        assert written["net"] == written["name"] == text


def test_every_field_is_written_with_its_meaning() -> None:
    text = dumps(Recipe())
    for name, entry in FIELDS.items():
        assert entry.doc
        assert f"# {entry.doc}\n{name} = " in text


def test_a_file_of_some_keys_has_the_others_defaults(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text('\ufefflr = 1\nwarmup = 500\n"batch-size" = 32\noptimizer = "Adam(0.8)"\npreprocess = "center"\n')
    assert load(path) == Recipe(lr=1.0, warmup="500", batch_size=32, optimizer="adam(0.8)", preprocess="centre")
    assert isinstance(load(path).lr, float)


@given(st.binary(max_size=300))
def test_bytes_that_are_no_recipe_are_refused_in_one_line(
    tmp_path_factory: pytest.TempPathFactory, data: bytes
) -> None:
    path = tmp_path_factory.getbasetemp() / "bytes.toml"
    path.write_bytes(data)
    _, refused = attempt(lambda: load(path))
    assert refused is None or refused.message.isprintable()


simple = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=20))
anything = st.one_of(simple, st.lists(simple, max_size=2), st.dictionaries(st.text(max_size=5), simple, max_size=2))


@given(st.dictionaries(st.one_of(st.sampled_from(sorted(FIELDS)), st.text(max_size=8)), anything, max_size=3))
def test_any_value_is_a_recipe_or_a_refusal(table: dict) -> None:
    recipe, refused = attempt(lambda: from_table(table, "a.toml"))
    if refused is not None:
        assert refused.message.isprintable()
        assert refused.message.startswith("a.toml: ")
    if recipe is not None:
        assert loads(dumps(recipe)) == recipe


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("lr = -0.1", ["lr: -0.1", "above 0"]),
        ("lr = 0", ["lr: 0", "above 0"]),
        ("lr = nan", ["lr: nan", "above 0"]),
        ("lr = inf", ["lr: inf"]),
        ("lr = 'fast'", ["lr: 'fast' is a text, not a number"]),
        ("lr = true", ["lr: true is true or false, not a number"]),
        ("lr = [0.1]", ["lr: [0.1] is a list"]),
        ("[lr]\nbase = 1", ["lr: {'base': 1} is a table"]),
        ("lr = 1" + "0" * 400, ["lr: a number of more than 40 digits", "above 0"]),
        ("epochs = 0", ["epochs: 0", "1 to 1,000,000"]),
        ("epochs = 1.5", ["epochs: 1.5 is a number, not a whole number"]),
        ("epochs = true", ["epochs: true"]),
        ("batch_size = 0", ["batch_size: 0", "1 to 10,000,000"]),
        ("momentum = 1", ["momentum: 1", "0 <= x < 1"]),
        ("weight_decay = -1e-4", ["weight_decay: -0.0001", "0 or more"]),
        ("seed = -1", ["seed: -1", "0 to 9,223,372,036,854,775,807"]),
        ("seed = 9223372036854775808", ["seed: 9223372036854775808"]),
        ("threads = -1", ["threads: -1", "0 to 1,024"]),
        ("watch_every = -1", ["watch_every: -1"]),
        ("data = 'digist'", ["data: 'digist'", "digits, shapes", "did you mean 'digits'?"]),
        ("data = 3", ["data: 3 is a whole number, not a text"]),
        ("optimizer = 'adma'", ["optimizer: 'adma'", "sgd, momentum, nesterov", "did you mean 'adam'?"]),
        ("optimizer = 'adam(2)'", ["beta1 of adam", "can't be 2", "0 <= x < 1"]),
        ("optimizer = 'adam(beta3=0.9)'", ["adam has no parameter 'beta3'", "beta1, beta2, eps", "did you mean 'beta"]),
        ("optimizer = 'adam(0.9,beta1=0.9)'", ["adam has 'beta1' twice"]),
        ("optimizer = 'adam(0.9'", ["must end in one ')'"]),
        ("optimizer = 'sgd(0.1)'", ["sgd takes no values"]),
        ("init = 'normal(nan)'", ["std of normal", "0 or more"]),
        ("init = 'normal(x)'", ["std of normal: 'x' is not a number"]),
        ("schedule = 'cosin'", ["schedule: 'cosin'", "did you mean 'cosine'?"]),
        ("schedule = 'step(60,30)'", ["epochs of step: 30 after 60; they must rise"]),
        ("schedule = 'step(-1)'", ["epochs of step: -1"]),
        ("schedule = 'step(factor=0)'", ["factor of step", "0 < x <= 1"]),
        ("schedule_per = 'step'", ["schedule_per: 'step'", "iteration, epoch"]),
        ("precision = 'float8'", ["precision: 'float8'", "float32, bfloat16, float16", "did you mean"]),
        ("loss = 'mae'", ["loss: 'mae'", "cross-entropy, hinge, focal, bce, mse"]),
        ("preprocess = 'zscore'", ["preprocess: 'zscore'", "none, scale, centre, standardise"]),
        ("warmup = '3 weeks'", ["warmup: '3 weeks'", "500", "2ep"]),
        ("warmup = -5", ["warmup: '-5'"]),
        ("device = 'tpu'", ["device: 'tpu'", "auto, cpu, cuda, cuda:N or mps"]),
        ("keep = 'every=0'", ["keep: 'every=0'", "every=N"]),
        ("net = ''", ["net: ''", "a net expression"]),
        ("name = '../x'", ["name: '../x'", "slash"]),
        ("name = '.x'", ["name: '.x'", "dot"]),
        ('name = "a\\u001b[31m"', ["name: 'a\\x1b[31m'", "control characters"]),
        (f"name = '{'x' * 300}'", ["name: 'xxx", "300 bytes"]),
        ("learning_rate = 1", ["learning_rate", "no such key", "did you mean 'lr'?"]),
        ("batchsize = 1", ["batchsize", "did you mean 'batch_size'?"]),
        ('"a\\u001b" = 1', ["a\\x1b", "no such key"]),
        ("lr = ", ["not valid TOML: Invalid value"]),
        ("lr = 1\nlr = 2", ["not valid TOML"]),
        ("lr = 1\n" * 2 + "x", ["not valid TOML"]),
        ("batch-size = 1\nbatch_size = 1", ["batch_size: is there twice"]),
        ("x = " + "[" * 5000, ["not valid TOML"]),
    ],
)  # fmt: skip
def test_a_wrong_file_names_key_value_and_what_is_allowed(text: str, words: list[str]) -> None:
    with pytest.raises(RequestError) as caught:
        loads(text, "mine.toml")
    message = caught.value.message
    assert message.startswith("mine.toml")
    assert message.isprintable()
    for word in words:
        assert word in message


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("lr", "fast", ["--lr: 'fast' is not a number", "above 0"]),
        ("lr", "-1", ["--lr: '-1' is not possible", "above 0"]),
        ("lr", "nan", ["--lr: 'nan'"]),
        ("epochs", "1.5", ["--epochs: '1.5' is not a whole number"]),
        ("batch-size", "0", ["--batch-size: '0'", "1 to 10,000,000"]),
        ("batch_size", "9" * 5000, ["--batch-size: '999", "…"]),
        ("data", "minst", ["--data: 'minst'", "digits, shapes"]),
        ("schedule-per", "iter", ["--schedule-per: 'iter'", "did you mean 'iteration'?"]),
        ("name", "a/b", ["--name: 'a/b'"]),
        ("momentums", "1", ["momentums", "did you mean 'momentum'?"]),
    ],
)
def test_a_wrong_option_names_the_option(name: str, text: str, words: list[str]) -> None:
    with pytest.raises(RequestError) as caught:
        override(Recipe(), {name: text})
    for word in words:
        assert word in caught.value.message


def test_options_are_converted_to_their_fields() -> None:
    changed = override(Recipe(), {"lr": " 1e-3 ", "batch-size": "32", "net": "fc", "warmup": "2ep", "data": "Shapes"})
    assert changed == Recipe(lr=1e-3, batch_size=32, net="fc", warmup="2ep", data="shapes")


def test_files_that_cant_be_read(tmp_path: Path) -> None:
    (tmp_path / "big.toml").write_bytes(b"#" * (LARGEST_FILE + 1))
    (tmp_path / "latin.toml").write_bytes(b'net = "\xe4"')
    for path, word in [
        (tmp_path / "none.toml", "No such file"),
        (tmp_path, "directory"),
        (tmp_path / "big.toml", "larger than 1 MiB"),
        (tmp_path / "latin.toml", "not UTF-8"),
    ]:
        with pytest.raises(RequestError, match=word):
            load(path)
