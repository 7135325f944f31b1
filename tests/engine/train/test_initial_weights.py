"""Weights to begin with: read, unwrapped, fitted and told; taken once, and needed no more when a run goes on."""

from __future__ import annotations

import argparse
import os
import signal
from collections import defaultdict, deque
from pathlib import Path
from typing import Any

import msgspec
import pytest
import torch
from torch import Tensor, nn

from cvtui.cli.commands.train import make_recipe
from cvtui.engine.train.control import Signals
from cvtui.engine.train.export_weights import write_safetensors
from cvtui.engine.train.initial_weights import Weights, put_weights
from cvtui.engine.train.preparation import prepare
from cvtui.engine.train.state import TrainingState
from cvtui.engine.train.weights_reading import read_file
from cvtui.engine.worker import train_folder
from cvtui.errors import RequestError
from cvtui.recipe.recipe import Recipe
from cvtui.recipe.toml import dumps, from_table, loads, override
from cvtui.recipe.validation import check
from cvtui.runlog.folder import RunFolder
from cvtui.runlog.fork import fork, pick
from cvtui.runlog.weights_file import find_weights
from cvtui.tui.form.validation import validate
from tests.cli.running import within
from tests.engine.making import history, train
from tests.engine.stopping import stop_after

pytestmark = pytest.mark.torch

NET = "conv4s2-bn-relu-pool-fc"


def recipe(**changes: Any) -> Recipe:
    return from_table(
        {"net": NET, "limit": 96, "epochs": 1, "batch_size": 32, "device": "cpu", "threads": 1, **changes}
    )


def begun(**changes: Any) -> tuple[TrainingState, list[str]]:
    told: list[str] = []
    return prepare(check(recipe(**changes)), on_progress=told.append), told


class Hidden:
    """Pickled, it would run code."""

    def __reduce__(self) -> tuple[Any, ...]:
        return (Path("ran").touch, ())


class Leaves:
    """Pickled, it would run a command."""

    def __reduce__(self) -> tuple[Any, ...]:
        return (os.system, ("touch ran",))


@pytest.fixture
def given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Tensor]:
    """State dict of another draw of NET; the working directory is empty."""
    monkeypatch.chdir(tmp_path)
    return {name: value.clone() for name, value in prepare(check(recipe(seed=5))).model.state_dict().items()}


def same(model: nn.Module, given: dict[str, Tensor]) -> bool:
    return all(torch.equal(value, given[name]) for name, value in model.state_dict().items())


@pytest.mark.parametrize(
    "wrap",
    [
        lambda s: s,
        lambda s: {"state_dict": s, "epoch": 3},
        lambda s: {"model": {f"module._orig_mod.{name}": value for name, value in s.items()}},
        lambda s: {"state_dict": {f"model.{name}": value for name, value in s.items()}},
        lambda s: {
            "model": {name: value * 0 for name, value in s.items()},
            "model_ema": {"n_averaged": torch.tensor(3), **{f"module.{name}": value for name, value in s.items()}},
        },
        # timm's and torchvision's own train scripts
        lambda s: {"state_dict": s, "args": argparse.Namespace(model="x", where=Path("a")), "optimizer": {"state": {}}},
        lambda s: {"state_dict": {**below("net.", s), "criterion.weight": torch.ones(3)}},  # Lightning
        lambda s: {"student": below("x.", s, 0.0), "teacher": below("backbone.", s)},  # DINO
        lambda s: {"state_dict": {**below("module.encoder_q.", s), **below("module.encoder_k.", s, 0.0)}},  # MoCo
        lambda s: {"epoch": 3, "any": {"ours": s}, "optim": {"big": dict.fromkeys("abcdefghijklmnop", s["fc1.bias"])}},
    ],
)
def test_what_training_scripts_save_is_unwrapped(wrap: Any, given: dict[str, Tensor]) -> None:
    torch.save(wrap(given), "w.pth")
    training, told = begun(weights="w.pth")
    assert same(training.model, given)
    assert told[1].startswith(f"weights: {len(given)} of the net's {len(given)} tensors are from w.pth")
    assert not Path("ran").exists()


def below(prefix: str, tensors: dict[str, Tensor], scale: float = 1.0) -> dict[str, Tensor]:
    return {f"{prefix}{name}": value * scale if scale != 1 else value for name, value in tensors.items()}


def test_a_model_that_was_saved_whole_gives_its_weights_and_runs_nothing(tmp_path: Path) -> None:
    saved = nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU())
    saved.register_buffer("passing", torch.ones(2), persistent=False)
    torch.save({"model": saved}, tmp_path / "w.bin")
    found, _ = read_file(tmp_path / "w.bin")
    assert found.keys() == saved.state_dict().keys()
    assert all(torch.equal(found[name], value) for name, value in saved.state_dict().items())


class Options(dict[str, Any]):
    """A script's own kind of dict."""


def around(first: Any, levels: int = 60) -> Any:
    """Return it inside of what stands in two places, sixty times over."""
    for _ in range(levels):
        first = {"a": first, "b": first}
    return first


@pytest.mark.parametrize(
    ("beside", "names"),
    [
        ({"model": {"w": torch.ones(2)}, "history": defaultdict(list, a=[1]), "last": deque([1], 3)}, ["w"]),
        (Options(model=Options(w=torch.ones(2)), options=Options(lr=1, where=Path("a"))), ["w"]),
        ({"w": torch.ones(2), "preprocess": {"scale": "x", "shift": None}}, ["w"]),
        (around({"epoch": 3}), []),
    ],
    ids=["kinds of the library", "own kind", "another preprocess", "two places each"],
)
def test_what_scripts_save_beside_weights_is_no_hindrance(beside: Any, names: list[str], tmp_path: Path) -> None:
    torch.save(beside, tmp_path / "w.pt")
    found, preprocess = read_file(tmp_path / "w.pt")
    assert list(found) == names
    assert preprocess is None


def test_a_module_that_holds_itself_is_refused_and_one_in_two_places_has_both_names(tmp_path: Path) -> None:
    inner = nn.Linear(2, 2, bias=False)
    net = nn.Sequential(inner, inner)
    torch.save(net, tmp_path / "w.pt")
    assert list(read_file(tmp_path / "w.pt")[0]) == ["0.weight", "1.weight"]
    inner._modules["again"] = net
    torch.save(net, tmp_path / "w.pt")
    with pytest.raises(RequestError, match="lies too deep"):
        read_file(tmp_path / "w.pt")


def test_weights_of_a_backbone_go_into_the_part_of_a_net_that_is_one() -> None:
    body = nn.Sequential(nn.Conv2d(1, 4, 3), nn.Linear(4, 4))
    net = nn.ModuleDict({"body": nn.Sequential(nn.Conv2d(1, 4, 3), nn.Linear(4, 4)), "head": nn.Linear(4, 3)})
    told = put_weights(net, Weights("there", body.state_dict(), None), 3)
    assert told[0] == "weights: 4 of the net's 6 tensors are from there (as body.*)"
    assert same(net["body"], body.state_dict())
    other = {f"blocks.{number}.0.{name}": torch.ones(4) for number in range(9) for name in ("bias", "weight")}
    with pytest.raises(RequestError, match="nothing that fits"):  # two names alike are no common ground
        put_weights(nn.Sequential(*(nn.Linear(4, 4) for _ in range(5))), Weights("there", other, None), 3)


def test_safetensors_are_read_whatever_the_files_name_is(given: dict[str, Tensor]) -> None:
    from safetensors.torch import save_file

    save_file(given, "w.safetensors")
    assert same(begun(weights="w.safetensors")[0].model, given)
    Path("w.safetensors").rename("w.pt")
    assert same(begun(weights="w.pt")[0].model, given)
    torch.save(given, "w.safetensors")
    assert same(begun(weights="w.safetensors")[0].model, given)


def test_of_a_run_its_best_checkpoint_is_taken_with_its_running_mean_and_its_pixels(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    run = RunFolder.create(tmp_path / "runs", "mother", dumps(recipe(ema=0.9)))
    assert train(run)[0] == 0
    state = torch.load(run.checkpoints / "best.pt", weights_only=True)
    write_safetensors(run, tmp_path / "out.safetensors")
    for source in ("mother", str(run.path), str(run.checkpoints / "best.pt"), "out.safetensors"):
        training, _ = begun(weights=source)
        assert same(training.model, state["ema"])
        assert not same(training.model, state["model"])
        assert training.preprocess.scale.tolist() == state["preprocess"]["scale"]
        assert training.preprocess.shift.tolist() == state["preprocess"]["shift"]


def test_what_fits_is_taken_and_the_rest_is_told_by_name_and_number() -> None:
    net = nn.Sequential(nn.Conv2d(1, 4, 3), nn.Flatten(), nn.Linear(12, 5), nn.Linear(5, 3))
    fresh = {name: value.clone() for name, value in net.state_dict().items()}
    other = {
        "0.weight": torch.arange(108.0).view(4, 3, 3, 3), "2.weight": torch.ones(7, 12), "3.weight": torch.ones(10, 5),
        "3.bias": torch.ones(10), "extra": torch.ones(1),
    }  # fmt: skip
    told = put_weights(net, Weights("there", other, None), 3)
    now = net.state_dict()
    assert torch.equal(now["0.weight"], other["0.weight"].sum(1, keepdim=True))
    assert all(torch.equal(now[name], fresh[name]) for name in ("0.bias", "2.weight", "3.weight", "3.bias"))
    assert told == [
        "weights: 1 of the net's 6 tensors are from there",
        "0.weight: summed over its 3 channels, for images of one",
        "head left out (10 outputs, 3 classes): 3.weight, 3.bias",
        "left out, of another shape or kind of numbers (1): 2.weight 7x12, the net's is 5x12",
        "missing, begin as drawn (2): 0.bias, 2.bias",
        "not in this net (1): extra",
    ]


@pytest.mark.usefixtures("given")
@pytest.mark.parametrize(
    ("content", "words"),
    [
        (
            {"somewhere.else": torch.ones(2)},
            "has nothing that fits the net: it holds somewhere.else; the net has conv1",
        ),
        ({"fc1.weight": torch.ones(2, 2)}, "(same names, other shapes or kinds of numbers)"),
        ({"conv1.bias": torch.ones(4, dtype=torch.int8)}, "(same names, other shapes or kinds of numbers)"),
        ({"epoch": 3}, "holds no state dict"),
        ({"x": Hidden()}, "can't be read"),
        ({"x": Leaves()}, "can't be read"),
        ({"conv1.bias": torch.ones(4, device="meta")}, "holds no state dict"),
    ],
)
def test_what_cannot_be_taken_is_one_line(content: Any, words: str) -> None:
    torch.save(content, "w.pt")
    with pytest.raises(RequestError) as raised:
        begun(weights="w.pt")
    assert words in raised.value.message
    assert "\n" not in raised.value.message
    assert not Path("ran").exists()


@pytest.mark.usefixtures("given")
@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"weights": "nowhere.pt"}, "there is no file and no run 'nowhere.pt'"),
        ({"weights": "."}, "is a folder, but no run"),
        ({"weights": "default"}, "default is for torchvision:NAME and timm:NAME"),
        ({"preprocess": "weights"}, "give --weights"),
    ],
)
def test_what_is_not_there_is_one_line(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(RequestError, match=words.replace(".", r"\.")):
        begun(**changes)


def test_weights_bring_their_own_preprocessing_unless_another_is_asked_for() -> None:
    assert recipe(weights="w.pt").preprocess == "weights"
    assert recipe(weights="w.pt", preprocess="scale").preprocess == "scale"
    assert override(Recipe(), {"weights": "w.pt"}).preprocess == "weights"
    assert override(override(Recipe(), {"weights": "w.pt"}), {"weights": ""}).preprocess == "standardise"
    assert override(Recipe(preprocess="zca"), {"weights": "w.pt"}).preprocess == "zca"
    made = recipe(weights="a folder/w.pt")
    assert loads(dumps(made)) == made


def test_pixels_are_those_of_imagenet_where_the_weights_do_not_say(given: dict[str, Tensor]) -> None:
    torch.save(given, "w.pt")
    training, told = begun(weights="w.pt")
    pixels = training.data.train.part(0, 4).pixels
    mean, std = sum((0.485, 0.456, 0.406)) / 3, sum((0.229, 0.224, 0.225)) / 3
    expected = ((pixels.double() / 255 - mean) / std).permute(0, 3, 1, 2)
    assert torch.allclose(training.preprocess(pixels).double(), expected, atol=1e-5)
    assert told[0] == "pixels as the weights want them: mean 0.485 0.456 0.406, std 0.229 0.224 0.225"


def test_a_run_goes_on_to_the_same_bits_and_is_forked_when_the_file_is_gone(
    given: dict[str, Tensor], tmp_path: Path
) -> None:
    torch.save(given, "w.pt")
    made = recipe(weights="w.pt", epochs=2)
    whole, half = (RunFolder.create(tmp_path / "runs", name, dumps(made)) for name in ("whole", "half"))
    assert train(whole)[0] == 0
    stop = Signals()
    stop.number = signal.SIGTERM
    assert train_folder(half.path, stop) == 128 + signal.SIGTERM
    Path("w.pt").unlink()
    code, _, err = train(half, resume=True)
    assert code == 0, err
    assert history(half).steps.loss.tolist() == history(whole).steps.loss.tolist()
    assert history(half).run.prediction == history(whole).run.prediction  # type: ignore[union-attr]
    child = fork(whole, pick(history(whole)), tmp_path / "runs", "", dumps(recipe(weights="w.pt", epochs=3)))
    code, _, err = train(child)
    assert code == 0, err
    kept = [torch.load(run.checkpoints / "last.pt", weights_only=True)["preprocess"] for run in (whole, child)]
    assert kept[0] == kept[1]
    other = fork(whole, pick(history(whole)), tmp_path / "runs", "", dumps(recipe(epochs=3)))
    code, _, err = train(other)
    assert code == 2
    assert "weights: a fork continues with its parent's" in err


def test_a_librarys_own_weights_are_taken_from_its_cache_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    models = pytest.importorskip("torchvision.models")
    monkeypatch.setattr(torch.hub, "_hub_dir", str(tmp_path))
    net = "torchvision:squeezenet1_1"
    with pytest.raises(RequestError) as raised:
        begun(net=net, weights="default", data="shapes")
    assert "are not on this computer" in raised.value.message
    assert raised.value.hint == f"cvtui --net '{net}' --weights default --download fetches them"
    torch.manual_seed(9)
    theirs = models.squeezenet1_1().state_dict()
    (tmp_path / "checkpoints").mkdir()
    torch.save(theirs, tmp_path / "weights.pt")
    entry = models.get_model_weights("squeezenet1_1").DEFAULT
    name = entry.url.rpartition("/")[2]
    (tmp_path / "weights.pt").rename(tmp_path / "checkpoints" / name)
    training, told = begun(net=net, weights="default", data="shapes")
    own = training.model.state_dict()
    assert torch.equal(own["features.3.squeeze.weight"], theirs["features.3.squeeze.weight"])
    assert any(line.startswith("head left out (1,000 outputs") for line in told)
    assert any("were trained on 224x224, bilinear" in line for line in told)


def test_weights_that_are_missing_are_refused_before_there_is_a_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("torchvision")
    monkeypatch.setattr(torch.hub, "_hub_dir", str(tmp_path / "hub"))
    net = ("--net", "torchvision:squeezenet1_1", "--data", "shapes", "--device", "cpu")
    for line in (("--no-ui",), ("lr-find",)):
        done = within(*line, *net, "--weights", "default", cwd=tmp_path)
        assert done.returncode == 2
        assert "are not on this computer" in done.stderr
        assert "--weights default --download fetches them" in done.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.usefixtures("given")
def test_a_run_is_looked_for_where_runs_says(tmp_path: Path) -> None:
    run = RunFolder.create(tmp_path / "elsewhere", "first", dumps(recipe()))
    assert train(run)[0] == 0
    found = make_recipe(None, {"weights": "first", "net": NET}, tmp_path / "elsewhere").recipe
    assert found.weights == str(run.path)
    texts = {name: str(value) for name, value in msgspec.to_builtins(recipe(weights="first")).items()}
    validation = validate(texts, tmp_path / "elsewhere")
    assert validation.recipe is not None, validation.problems
    assert validation.recipe.weights == str(run.path)
    assert make_recipe(None, {"weights": "first", "net": NET}).recipe.weights == "first"
    with pytest.raises(RequestError, match="no file and no run 'first'"):
        find_weights("first")


def test_a_resume_does_without_the_file(given: dict[str, Tensor], tmp_path: Path) -> None:
    torch.save(given, "w.pt")
    stop_after(RunFolder.create(tmp_path / "runs", "one", dumps(recipe(weights="w.pt", epochs=2))), 4)
    Path("w.pt").unlink()
    done = within("resume", "one", "--no-ui", "--quiet", cwd=tmp_path)
    assert done.returncode == 0, done.stderr


def test_from_the_command_line(given: dict[str, Tensor], tmp_path: Path) -> None:
    torch.save({"other" if name == "fc1.bias" else name: value for name, value in given.items()}, "w.pt")
    small = f"--net {NET} --limit 96 --epochs 1 --threads 1 --device cpu --no-ui".split()
    done = within(*small, "--weights", "w.pt", "--name", "one", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert f"\nweights   {len(given) - 1} of the net's {len(given)} tensors are from w.pt\n" in done.stdout
    assert "\n          missing, begin as drawn (1): fc1.bias\n          not in this net (1): other\n" in done.stdout
    logs = [log.text for log in history(RunFolder.open(tmp_path / "runs" / "one")).logs]
    assert any(line.startswith(f"weights: {len(given) - 1} of the net's") for line in logs)


def test_timms_own_weights_are_taken_from_the_hubs_cache_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    timm = pytest.importorskip("timm")
    constants = pytest.importorskip("huggingface_hub.constants")
    from safetensors.torch import save_file

    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    net = "timm:test_vit"
    small: dict[str, Any] = {"net": net, "weights": "default", "data": "shapes"}
    with pytest.raises(RequestError) as raised:
        begun(**small)
    assert "are not on this computer" in raised.value.message
    assert raised.value.hint == f"cvtui --net '{net}' --weights default --download fetches them"
    known = timm.get_pretrained_cfg("test_vit")
    snapshot = tmp_path / f"models--{known.hf_hub_id.replace('/', '--')}"
    (snapshot / "refs").mkdir(parents=True)
    (snapshot / "refs" / "main").write_text("0" * 40)
    (snapshot / "snapshots" / ("0" * 40)).mkdir(parents=True)
    torch.manual_seed(9)
    theirs = timm.create_model("test_vit").state_dict()
    save_file(theirs, snapshot / "snapshots" / ("0" * 40) / "model.safetensors")
    training, told = begun(**small)
    own = training.model.state_dict()
    assert torch.equal(own["blocks.0.attn.qkv.weight"], theirs["blocks.0.attn.qkv.weight"])
    assert any(line.startswith("head left out (1,000 outputs") for line in told)
    mean = " ".join(f"{value:.3g}" for value in known.mean)
    assert any(f"pixels as the weights want them: mean {mean}" in line for line in told)
