"""Nets that are named: torchvision's, timm's, and a module or function of the user's own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from cvtui.calc import Size
from cvtui.calc.sizes import inputs_text
from cvtui.engine.nn.summary import summarize_target
from cvtui.errors import RequestError
from tests.flops import flop_counter

SIZE = (8, 8, 3)

KNOWN = {
    "resnet18": (11_689_512, 1.814),
    "vgg16": (138_357_544, 15.47),
    "alexnet": (61_100_840, 0.714),
    "densenet121": (7_978_856, 2.834),
    "mobilenet_v2": (3_504_872, 0.301),
    "vit_b_16": (86_567_656, 17.564),
}


@pytest.mark.parametrize("name", KNOWN)
def test_torchvisions_best_known_models(name: str) -> None:
    parameters, giga = KNOWN[name]
    before = torch.get_rng_state()
    found = summarize_target(f"torchvision:{name}")
    assert torch.equal(torch.get_rng_state(), before)
    assert found.parameters == parameters
    assert round(found.macs / 1e9, 3) == giga
    assert found.rows[-1].output == (1000,)


def _every_model() -> list[str]:
    import torchvision.models as models

    return models.list_models(module=models)


def test_nothing_is_downloaded(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    with pytest.raises(RequestError, match=r"would download https://.*no weights are needed") as caught:
        summarize_target("torchvision.models:squeezenet1_1(weights='DEFAULT')")
    assert caught.value.hint == "weights=None"
    assert "Downloading" not in capsys.readouterr().err
    with pytest.raises(RequestError, match="weights are no argument of the net"):
        summarize_target("torchvision:resnet18(weights='DEFAULT')")
    assert summarize_target("torchvision.models.segmentation:lraspp_mobilenet_v3_large").parameters == 3_221_538


@pytest.mark.parametrize(
    ("name", "inputs", "giga"),
    [
        ("mc3_18", "3x16x112x112", 43.343),
        ("lraspp_mobilenet_v3_large", "520x520x3", 2.086),
        ("quantized_shufflenet_v2_x0_5", "224x224x3", 0.04),
    ],
)
def test_one_of_each_other_kind(name: str, inputs: str, giga: float) -> None:
    """MACs as torchvision publishes them, where it counts the same."""
    found = summarize_target(f"torchvision:{name}")
    assert inputs_text(found.inputs) == inputs
    assert round(found.macs / 1e9, 3) == giga


@pytest.mark.long
def test_every_other_name_of_torchvision() -> None:
    """Parameters against the built model; MACs against FlopCounterMode and what torchvision publishes."""
    import torchvision.models as models

    names = sorted(set(models.list_models()) - set(_every_model()))
    assert len(names) + len(_every_model()) >= 121
    published = 0
    for name in names:
        found = summarize_target(f"torchvision:{name}")
        assert sum(row.macs for row in found.rows) == found.macs, name
        words: dict[str, Any] = {}
        if "googlenet" in name or "inception" in name:
            words = {"init_weights": False, "aux_logits": False}
        elif name in models.list_models(module=models.segmentation) + models.list_models(module=models.detection):
            words = {"weights_backbone": None}
        model = models.get_model(name, weights=None, **words).eval()
        assert found.parameters == sum(p.numel() for p in model.parameters()), name
        if name not in models.list_models(module=models.detection):
            inputs = [torch.empty(1, *one.shape, device="meta") for one in found.inputs]
            with flop_counter() as counter, torch.device("meta"):
                model.to("meta")(*inputs)
            assert found.macs * 2 == counter.get_total_flops(), name
        said = next(iter(models.get_model_weights(name))).meta["_ops"]
        published += found.macs / 1e9 == pytest.approx(said, abs=2e-3, rel=1e-3)
    assert published >= 25


@pytest.mark.long
def test_a_large_share_of_timms_models() -> None:
    """One model of each family: parameters of the built model, MACs of FlopCounterMode on the meta device."""
    timm = pytest.importorskip("timm")
    families: dict[str, str] = {}
    for name in timm.list_models():
        families.setdefault(name.partition("_")[0].rstrip("0123456789"), name)
    checked = 0
    for name in families.values():
        try:
            with torch.device("meta"):
                model = timm.create_model(name).eval()
        except (NotImplementedError, RuntimeError, TypeError, ValueError):
            continue  # reads numbers while it is built
        found = summarize_target(f"timm:{name}")
        assert found.parameters == sum(p.numel() for p in model.parameters()), name
        fast = torch.backends.mha.get_fastpath_enabled()
        torch.backends.mha.set_fastpath_enabled(False)
        try:
            with flop_counter() as counter, torch.device("meta"):
                model(torch.empty(1, *found.inputs[0].shape, device="meta"))
        except (NotImplementedError, RuntimeError, AssertionError):
            continue  # calc ran it on real numbers
        finally:
            torch.backends.mha.set_fastpath_enabled(fast)
        assert found.macs * 2 == counter.get_total_flops(), name
        checked += 1
    assert checked >= 60


@pytest.mark.long
def test_every_classification_model_of_torchvision() -> None:
    """Parameters against the built model, MACs against FlopCounterMode and the GFLOPS that torchvision publishes."""
    import torchvision.models as models

    names = _every_model()
    assert len(names) >= 80
    for name in names:
        found = summarize_target(f"torchvision:{name}")
        assert sum(row.macs for row in found.rows) == found.macs, name
        weights = {one.name: one for one in models.get_model_weights(name)}
        published = weights.get("IMAGENET1K_V1")
        if published is not None:
            assert found.macs / 1e9 == pytest.approx(published.meta["_ops"], abs=2e-3, rel=1e-3), name
            if name not in ("googlenet", "inception_v3"):  # theirs leave the two auxiliary classifiers out
                assert found.parameters == published.meta["num_params"], name
        if name.startswith("regnet"):
            continue  # can't be built on the meta device, and 644 million numbers are too many to build
        with torch.device("meta"):
            model = models.get_model(name, weights=None)
        assert found.parameters == sum(p.numel() for p in model.parameters()), name
        high, wide, channels = found.input
        with flop_counter() as counter, torch.device("meta"):
            model.eval()(torch.empty(1, channels, high, wide))
        assert found.macs * 2 == counter.get_total_flops(), name


def test_classes_and_size_are_handed_on() -> None:
    found = summarize_target("torchvision:resnet18(weights=None)", (64, 64, 3), 7)  # as it is often written
    assert found.rows[-1].output == (7,)
    assert found.parameters == 11_689_512 - 993 * 513
    assert found.input == (64, 64, 3)


OWN = """
import torch
from torch import nn

def build(num_classes=10):
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.Flatten(), nn.LazyLinear(num_classes))

class Space:
    @staticmethod
    def build():
        return build()

class Twice(nn.Module):
    def __init__(self):
        super().__init__()
        both = nn.Parameter(torch.rand(5, 12))
        self.first, self.second = both, both

    def forward(self, x):
        return x @ self.first.T + x @ self.second.T

def calculating():
    width = torch.linspace(3, 9, 3).round().int().tolist()[1]
    return nn.Linear(12, width)

def reading():
    layer = nn.Linear(12, 5)
    layer.scale = layer.weight.abs().max().item()
    return layer

class Silent(nn.Linear):
    def train(self, mode=True):
        super().train(mode)  # and returns nothing

    def eval(self):
        self.train(False)

def traced():
    return torch.jit.trace(nn.Linear(12, 5), torch.zeros(1, 12))

def wants(*, num_classes):
    return nn.Linear(12, num_classes)

model = nn.Linear(12, 5)
number = 3
def broken():
    raise ValueError("not today")
"""


@pytest.fixture
def own(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> str:
    (tmp_path / "own_nets_for_a_test.py").write_text(OWN)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delitem(__import__("sys").modules, "own_nets_for_a_test", raising=False)
    return "own_nets_for_a_test"


@pytest.mark.parametrize(
    ("path", "size", "classes", "parameters"),
    [
        ("build", SIZE, None, 112 + 144 * 10 + 10),
        ("build", SIZE, 3, 112 + 144 * 3 + 3),
        ("Space.build", SIZE, None, 112 + 144 * 10 + 10),
        ("model", (12,), None, 65),
        ("Twice", (12,), None, 60),
        ("calculating", (12,), None, 78),
        ("reading", (12,), None, 65),
        ("Silent(in_features=12, out_features=5)", (12,), None, 65),
        ("traced", (12,), None, 65),
        ("wants", (12,), 5, 65),
    ],
)
def test_a_net_of_the_users_own(own: str, path: str, size: Size, classes: int | None, parameters: int) -> None:
    assert summarize_target(f"{own}:{path}", size, classes).parameters == parameters


@pytest.mark.usefixtures("own")
@pytest.mark.parametrize(
    ("target", "words"),
    [
        ("torchvision:resnet19", "no such model; did you mean 'resnet18'?"),
        ("nowhere_at_all:build", "there is no module 'nowhere_at_all'"),
        ("own_nets_for_a_test:bulid", "has no 'bulid'; did you mean 'build'?"),
        ("own_nets_for_a_test:number", "is of type int, not a function or class that builds a model"),
        ("own_nets_for_a_test:broken", "ValueError: not today"),
        ("own_nets_for_a_test:wants", "needs num_classes; write own_nets_for_a_test:wants(num_classes=…)"),
        ("own_nets_for_a_test:", "is neither a net expression nor torchvision:NAME, timm:NAME or package"),
        ("some/nets.py:build", "names a file; its module is written some.nets:build"),
        ("a b:c", "is neither a net expression nor torchvision:NAME, timm:NAME or package"),
        ("builtins:dict", "gives a dict, not a torch.nn.Module"),
    ],
)
def test_a_target_that_is_none(target: str, words: str) -> None:
    with pytest.raises(RequestError) as caught:
        summarize_target(target, SIZE)
    assert words in caught.value.message
