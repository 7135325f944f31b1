"""`cvtui calc` and `cvtui matrix` as a user meets them: the command line in, text or JSON out."""

from __future__ import annotations

import contextlib
import io
import json
import re
import sys
import time
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from PIL import Image

from cvtui.calc import trace
from cvtui.calc.net.parser import parse
from cvtui.cli.main import main
from cvtui.text import binary_size
from tests.cli.running import within

BLOCK = "[(conv32-relu)*2-pool]*3-(fc128-relu)-fc"


class Said(NamedTuple):
    code: int
    out: str
    err: str


@pytest.fixture
def say(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    """Run the command line in this process (one of its own takes a second on a busy machine)."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("NO_COLOR", "1")

    def said(*words: str, width: int = 80) -> Said:
        monkeypatch.setenv("COLUMNS", str(width))
        out, err = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err), pytest.raises(SystemExit) as ended:
            main(list(words))
        return Said(int(ended.value.code or 0), out.getvalue(), err.getvalue())

    return said


@pytest.mark.parametrize("width", [60, 80, 120, 160, 240])
@pytest.mark.parametrize(
    "words",
    [
        (BLOCK,),
        ("conv10f5s2p?", "--against-fc"),
        ("res(conv8s2-bn-relu-conv8)-cat(conv4f1|pool3s1p1|res(conv4f3x5))-pool3-gap-fc",),
    ],
)
def test_the_grid_keeps_to_its_width(say: Any, words: tuple[str, ...], width: int) -> None:
    said = say("calc", *words, width=width)
    assert (said.code, said.err) == (0, "")
    assert max(len(line) for line in said.out.splitlines()) <= max(width, len(words[0]))


def test_narrow_keeps_what_matters_and_wide_shows_all(say: Any) -> None:
    narrow, wide = say("calc", BLOCK, width=80).out, say("calc", BLOCK, width=180).out
    assert re.search(r"layer +written +output .*MACs.* sees", narrow)
    for title in ("size worked out", "parameters worked out", "fan-in", "activations", "linked"):
        assert title in wide
    table = trace(parse(BLOCK), (32, 32, 3))
    for text in (narrow, wide):
        assert f"{table.parameters:,}" in text
        assert f"{table.macs:,}" in text
        assert "1 MAC = 1 multiply-add = 2 FLOPs" in text
    assert "(3·3·3 + 1) · 32 = 896" in wide
    assert "(32 + 2·1 − 3)/1 + 1 = 32" in wide


def test_json_is_as_documented(say: Any) -> None:
    said = say("calc", "conv10f5p2-pool-fc", "--json")
    answer = json.loads(said.out)
    assert list(answer) == ["input", "layers", "totals"]
    assert answer["input"] == [32, 32, 3]
    assert answer["layers"][0] == {
        "name": "conv1",
        "expression": "conv10f5p2",
        "output": [32, 32, 10],
        "weights": 750,
        "biases": 10,
        "parameters": 760,
        "macs": 768_000,
        "activations": 10_240,
        "receptive_field": {"size": [5, 5], "stride": [1, 1], "offset": [-2, -2]},
        "fan_in": 75,
        "note": "",
    }
    assert answer["layers"][2]["output"] == [10]
    assert answer["totals"] == {
        "parameters": 760 + 25_610,
        "trained": 760 + 25_610,
        "macs": 768_000 + 25_600,
        "activations": 10_240 + 2_560 + 10,
        "kept": 4 * (3 * 1024 + 10_240 + 2_560) + 8 * 2_560,  # conv's, pool's and fc's inputs; places of the maxima
    }


@pytest.mark.parametrize(
    ("words", "size"),
    [
        (("--input", "32x32x3"), [32, 32, 3]),
        (("--input", "28x30"), [28, 30, 1]),
        (("--input", "1x28x30", "--chw"), [28, 30, 1]),
        (("--input", "3 x 28 x 30", "--chw"), [28, 30, 3]),
        ((), [32, 32, 3]),
    ],
)
def test_sizes(say: Any, words: tuple[str, ...], size: list[int]) -> None:
    assert json.loads(say("calc", "conv8", *words, "--json").out)["input"] == size


def test_a_flat_input(say: Any) -> None:
    answer = json.loads(say("calc", "fc16-relu-fc", "--input", "784", "--classes", "7", "--json").out)
    assert [layer["output"] for layer in answer["layers"]] == [[16], [16], [7]]
    assert answer["layers"][0]["receptive_field"] is None
    assert "784 numbers" in say("calc", "fc16-relu-fc", "--input", "784").out


def test_a_recipe_file_in_place_of_the_net(say: Any, tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text('data = "digits"\nnet = "conv4-gap-fc"\nbatch_size = 17\n')
    answer = json.loads(say("calc", "mine.toml", "--json").out)
    assert answer["input"] == [8, 8, 1]
    assert answer["layers"][-1]["output"] == [10]
    assert "with 17 images a batch" in say("calc", "mine.toml").out
    assert json.loads(say("calc", "mine.toml", "--input", "9x9x2", "--classes", "3", "--json").out)["input"] == [
        9,
        9,
        2,
    ]


@pytest.mark.torch
def test_a_recipe_of_code_and_of_a_folder(say: Any, tmp_path: Path) -> None:
    for name in ("cat", "dog", "owl"):
        (tmp_path / "pets" / name).mkdir(parents=True)
        for number in range(4):
            Image.new("RGB", (8, 8), (number, 0, 0)).save(tmp_path / "pets" / name / f"{number}.png")
    net = 'data = "folder:pets"\nsize = "8"\nnet = "own_net_for_a_recipe:Small"\ninit = "own"\n'
    (tmp_path / "code.toml").write_text(net)
    (tmp_path / "own_net_for_a_recipe.py").write_text(
        "from torch import nn\nclass Small(nn.Sequential):\n    def __init__(self, classes=10):\n"
        "        super().__init__(nn.Conv2d(3, 2, 3), nn.Flatten(), nn.Linear(72, classes))\n"
    )
    answer = json.loads(say("calc", "code.toml", "--json").out)
    assert answer["input"] == [8, 8, 3]
    assert answer["totals"]["parameters"] == 3 * 2 * 9 + 2 + 72 * 3 + 3
    shown = say("calc", "code.toml", "--batch", "4").out
    assert "Memory to train with 4 images a batch, float32" in shown
    kept = 4 * 4 * (3 * 64 + 72)  # the inputs of conv and fc
    assert f"parameters 1.1 KiB, gradients 1.1 KiB, kept for the backward pass {binary_size(kept)}" in shown
    assert "sees: receptive field in pixels" in shown
    refused = say("calc", "code.toml", "--output", "4")
    assert (refused.code, refused.err.count("\n")) == (2, 1)
    assert "--output: for a net expression only, not for own_net_for_a_recipe:Small" in refused.err
    (tmp_path / "plain.toml").write_text('data = "folder:pets"\nsize = "8"\nnet = "conv4-gap-fc"\n')
    answer = json.loads(say("calc", "plain.toml", "--json").out)
    assert (answer["input"], answer["layers"][-1]["output"]) == ([8, 8, 3], [3])


def test_unknowns(say: Any) -> None:
    listed = say("calc", "conv32f5s2p?").out
    assert "none fits exactly, because 27 + 2P is odd for every P" in re.sub(r"\s+", " ", listed)
    for padding in range(5):
        assert f"conv32f5s2p{padding}" in listed
    answer = json.loads(say("calc", "conv32f?s?p?", "--output", "16x16x32", "--json").out)
    assert answer["solutions"][0]["asked"] == "conv32f?s?p?"
    assert answer["solutions"][0]["fits"][1] == {"expression": "conv32s2p1", "output": [16, 16, 32], "exact": False}
    assert answer["layers"][0]["output"] == [16, 16, 32]


def test_against_a_fully_connected_layer(say: Any) -> None:
    assert "31,457,280" in say("calc", "conv10f5", "--against-fc").out
    (pair,) = json.loads(say("calc", "conv10f5", "--against-fc", "--json").out)["against_fc"]
    assert (pair["name"], pair["fc"], pair["conv"]) == ("conv1", 31_457_280, 750)
    assert pair["ratio"] == pytest.approx(pair["sparse"] * pair["shared"])
    assert "the net has no conv" in say("calc", "fc", "--against-fc").out


def test_memory_is_told_by_optimizer(say: Any) -> None:
    said = re.sub(r"\s+", " ", say("calc", "fc1024nobias", "--input", "1024", "--batch", "1").out)
    assert "parameters 4.0 MiB, gradients 4.0 MiB" in said
    assert "sgd: state 0 B" in said
    assert "adafactor: state a number per row and column, together about 8.0 MiB" in said
    assert "adam, adamw, lamb: state 8.0 MiB, together 16.0 MiB" in said


@pytest.mark.torch
def test_torchvision_as_json_and_as_a_table(say: Any) -> None:
    answer = json.loads(say("calc", "torchvision:alexnet", "--json").out)
    assert answer["totals"]["parameters"] == 61_100_840
    assert set(answer["layers"][0]) == set(json.loads(say("calc", "conv8", "--json").out)["layers"][0])
    assert "61,100,840" in say("calc", "torchvision:alexnet").out
    refused = say("calc", "torchvision:alexnet", "--against-fc")
    assert refused.code == 2
    assert "for a net expression only" in refused.err


HUGE = "9" * 5000


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("cnov8",), "unknown layer 'cnov'; did you mean 'conv'?"),
        (("",), "the expression is empty"),
        (("conv8-pool*9",), "smaller than its 2x2 window"),
        (("conv8", "--input", "0x0x3"), "--input '0x0x3'"),
        (("conv8", "--input", "-3x4x3"), "--input '-3x4x3'"),
        (("conv8", "--input", "many"), "--input 'many'"),
        (("conv8", "--input", "1x2x3x4"), "--input"),
        (("conv8", "--input", ""), "--input ''"),
        (("conv8", "--input", HUGE), "--input"),
        (("conv8", "--input", "²x³"), "--input"),
        (("conv8", "--classes", "0"), "--classes 0: at least 1"),
        (("conv8", "--classes", "x"), "--classes"),
        (("conv8", "--batch", "-1"), "--batch -1: at least 1"),
        (("conv8", "--batch", HUGE), "--batch"),
        (("conv8", "--output", "3"), "--output 3: the net gives 32x32x8"),
        (("conv8f?", "--output", "1x1x9"), "--output 1x1x9: the net gives 8 channels"),
        (("a" * 1_000_000,), "at most 100,000 are read"),
        (("(" * 10_000 + "relu" + ")" * 10_000,), "nest deeper"),
        (("relu*1000000000",), "at most 10,000 are read"),
        (("conv1000000001",), "too large"),
        (("missing.toml",), "missing.toml"),
        (("missing/net.toml",), "net.toml"),
        pytest.param(("no.such.module:thing",), "there is no module", marks=pytest.mark.torch),
        (("\x00",), "expected a layer"),
    ],
    ids=lambda one: one[0][:12] + " ".join(one[1:])[:24] if isinstance(one, tuple) else "",
)
def test_a_wrong_request_is_one_clear_line(say: Any, words: tuple[str, ...], said: str) -> None:
    loaded, began = "torch" in sys.modules, time.process_time()
    answer = say("calc", *words)
    seconds = time.process_time() - began
    assert answer.code == 2
    assert answer.out == ""
    assert said in answer.err
    assert "Traceback" not in answer.err
    assert len(answer.err.splitlines()) <= 3
    assert seconds < 1 or ("torch" in sys.modules) != loaded, "loading it for the user's own module is not counted"


@pytest.mark.parametrize(
    "words",
    [
        ("conv1f1000000000p0-fc", "--against-fc"),
        ("conv1f1000000000d999999999-conv1000000000-ln-gap-fc",),
        ("conv1000000000s1000000000p1000000000*50",),
        ("cat(conv9f7s3|conv9f7s3)-res(conv2p0f1)-pool3-fc1000000000",),
        ("conv1f?s?p?",),
    ],
)
def test_huge_numbers_are_answered_within_a_second(say: Any, words: tuple[str, ...]) -> None:
    began = time.process_time()
    answer = say("calc", *words, "--input", "1000000000x1000000000x3")
    assert time.process_time() - began < 2
    assert answer.code == (0 if answer.out else 2)
    assert "Traceback" not in answer.err


def test_ten_thousand_layers(say: Any) -> None:
    began = time.process_time()
    assert len(json.loads(say("calc", "(conv1-relu)*5000", "--json").out)["layers"]) == 10_000
    assert time.process_time() - began < 5


def test_the_error_stands_under_its_column(say: Any) -> None:
    line, source, caret = say("calc", "conv32-relu-cnov8").err.splitlines()
    assert "unknown layer 'cnov'" in line
    assert source[caret.index("^") :] == "cnov8"


def test_matrix_of_the_lecture(say: Any) -> None:
    said = say("matrix", "--filter", "1 2 3", "--size", "5")
    assert said.code == 0
    assert "T is 7 x 5: a Toeplitz matrix." in said.out
    assert "[ 3 2 1 0 0 ]" in said.out
    assert "57.1% of the 35 entries are zeros" in said.out
    assert "All 7 equal T x." in said.out
    answer = json.loads(say("matrix", "--filter", "1 2 3", "--size", "5", "--circular", "--json").out)
    assert answer["kind"] == "circulant matrix"
    assert answer["matrix"][0] == [1, 0, 0, 3, 2]
    assert answer["rank"] == 5


@pytest.mark.parametrize("width", [60, 80, 160])
@pytest.mark.parametrize("size", ["5x5", "16x16", "3x12"])
def test_a_matrix_keeps_to_its_width(say: Any, size: str, width: int) -> None:
    said = say("matrix", "--filter", "3x3", "--size", size, "--mode", "same", width=width)
    assert said.code == 0
    assert max(map(len, said.out.splitlines())) <= width
    assert "doubly block Toeplitz" in said.out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--filter", "1 2 a", "--size", "5"), "--filter '1 2 a'"),
        (("--filter", "", "--size", "5"), "--filter ''"),
        (("--filter", "1 2; 3", "--size", "5x5"), "--filter"),
        (("--filter", "1/0", "--size", "5"), "--filter '1/0'"),
        (("--filter", "0x3", "--size", "5x5"), "--filter '0x3'"),
        (("--filter", "999999x999999", "--size", "5x5"), "--filter"),
        (("--filter", "1 " * 100_000, "--size", "5"), "--filter: at most"),
        (("--filter", "1 2", "--size", "0"), "--size '0'"),
        (("--filter", "1 2", "--size", "1000000000"), "--size"),
        (("--filter", "1 2", "--size", "9999"), "entries are written out"),
        (("--filter", "1 2", "--size", "5x5"), "--size '5x5'"),
        (("--filter", "1 2 3", "--size", "2", "--mode", "valid"), "larger than the input"),
        (("--filter", "1 2", "--size", "5", "--mode", "sam"), "did you mean 'same'?"),
        (("--filter", "1 2", "--size", "5", "--stride", "0"), "--stride 0"),
        (("--filter", "1 2", "--size", "5", "--padding", "-1"), "--padding -1"),
        (("--filter", "1 2", "--size", "5", "--input", "1 2"), "--size asks for 5"),
        (("--filter", "1 2", "--size", "5", "--input", "1 2 3 4 x"), "--input"),
    ],
)
def test_a_wrong_matrix_is_one_clear_line(say: Any, words: tuple[str, ...], said: str) -> None:
    answer = say("matrix", *words)
    assert answer.code == 2
    assert answer.out == ""
    assert said in answer.err
    assert "Traceback" not in answer.err


@pytest.mark.parametrize("width", ["80", "100", "120", "160"])
def test_a_note_below_the_table_is_marked_in_its_row(width: str, tmp_path: Path) -> None:
    shown = within("calc", "conv64f7s2p3-relu-gap-fc", "--input", "224x224x3", cwd=tmp_path, COLUMNS=width).stdout
    (row,) = (line for line in shown.splitlines() if line.strip().startswith("conv1 "))
    assert "(1) conv1:" in shown
    assert row.rstrip().endswith("(1)") or " (1) " in row
