"""`cvtui evaluate`: equal to the run's own evaluation, its confusion matrix and `cvtui mistakes`; two runs compared."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
import torch

from cvtui.draw.evaluation_text import sections, summary
from cvtui.engine.infer import answers as answers_module
from cvtui.engine.infer.answers import Answers, large_array
from cvtui.engine.infer.comparison import compare
from cvtui.engine.infer.evaluate import EvaluatedRun, calibrate, evaluations
from cvtui.engine.infer.numbers import numbers
from cvtui.engine.infer.opened import open_model
from cvtui.engine.infer.slices import by_brightness, by_folder, by_size, inner_folder
from cvtui.engine.infer.views import mean_logits, moved, views_of
from cvtui.engine.mistakes import tell_mistakes
from cvtui.errors import RequestError
from cvtui.export import write_html
from cvtui.metrics.calibration import softmax
from cvtui.metrics.ranking import roc_auc
from cvtui.recipe.recipe import Recipe
from cvtui.runlog.calibration import read_calibration
from cvtui.runlog.evaluation import Comparison, EvaluateAsk, Evaluation, read_evaluation
from cvtui.runlog.folder import RunFolder
from cvtui.runlog.mistakes import Mistake, decode
from tests.cli.running import cvtui, within
from tests.engine.infer.making import halves, seen_by_run, trained
from tests.engine.making import history

pytestmark = pytest.mark.torch


def evaluated(run: RunFolder, **ask: object) -> Evaluation:
    told = list(evaluations(EvaluateAsk(run=str(run.path), **ask), lambda _: None))  # type: ignore[arg-type]
    assert isinstance(told[0], Evaluation)
    return told[0]


def test_equal_to_the_run_s_own_evaluation_and_its_mistakes(
    run: RunFolder, capsysbinary: pytest.CaptureFixture[bytes]
) -> None:
    for name in ("", "last"):
        found = evaluated(run, checkpoint=name)
        logits, names, accuracy = seen_by_run(run, name)
        epoch = next(one for one in history(run).epochs if one.epoch == found.epoch)
        assert found.confusion == epoch.confusion
        assert found.accuracy == accuracy == epoch.val_accuracy
        assert found.log_loss == pytest.approx(epoch.val_loss, rel=1e-6)
        assert found.images == len(names) == 36
        shares = softmax(logits.numpy())
        truth = np.array([found.classes.index(Path(name).parts[-3]) for name in names])
        for number, one in enumerate(found.per_class):
            assert one.roc_auc == roc_auc(shares[:, number], truth == number)
        capsysbinary.readouterr()
        assert tell_mistakes(run.path, name) == 0
        told = [decode(line) for line in capsysbinary.readouterr().out.splitlines()]
        mistakes = [one.image for one in told if isinstance(one, Mistake)]
        assert [one.image for one in found.worst] == mistakes
        assert len(mistakes) == found.images - found.right > 0


def test_it_is_kept_beside_the_run_but_for_other_checkpoints_and_data(run: RunFolder, tmp_path: Path) -> None:
    copy = RunFolder(tmp_path / "copy")
    shutil.copytree(run.path, copy.path, ignore=shutil.ignore_patterns("evaluation*.json"))
    data = Path(run.path).parents[1] / "pictures" / "train"
    for ask in ({"checkpoint": "last"}, {"data": str(data)}, {"tta": True}):
        evaluated(copy, **ask)
    assert read_evaluation(copy) is None
    found = evaluated(copy)
    assert read_evaluation(copy) == found
    test = evaluated(copy, split="test")
    assert read_evaluation(copy, "test") == test
    assert read_evaluation(copy) == found
    (copy.path / "evaluation.json").write_text("{")
    assert read_evaluation(copy) is None


def test_other_data_and_the_test_folder(run: RunFolder, tmp_path: Path) -> None:
    pictures = Path(run.path).parents[1] / "pictures"
    own = evaluated(run)
    same = evaluated(run, data=str(pictures / "val"))
    assert (same.confusion, same.log_loss, same.split) == (own.confusion, own.log_loss, "other")
    assert same.notes == ["36 of these 36 images are among those that the run was validated on, and its best "
                          "checkpoint chosen by"]  # fmt: skip
    test = evaluated(run, split="test")
    assert test.data == repr(str(pictures / "test"))
    assert test.notes == []
    assert test.confusion == evaluated(run, data=str(pictures / "test")).confusion
    copy = tmp_path / "some"
    shutil.copytree(pictures / "test" / "sand", copy / "SAND")
    (copy / "SAND" / "bad.png").write_text("no picture")
    one = evaluated(run, data=str(copy))
    assert [score.support for score in one.per_class] == [0, 0, 12]
    assert one.confusion[2] == test.confusion[2]
    assert [name for name, _ in one.unread] == [str(copy / "SAND" / "bad.png")]
    assert one.balanced_accuracy == one.accuracy  # the absent ones are left out of the mean
    assert one.roc_auc is None


def test_an_npz_file_as_other_data(run: RunFolder, tmp_path: Path) -> None:
    images = np.random.default_rng(0).integers(0, 256, (30, 8, 8, 3), dtype=np.uint8)
    names = np.array([("sand", "brick", "gravel, fine")[number % 3] for number in range(30)])
    np.savez(tmp_path / "x.npz", x_train=images, y_train=names, x_val=images, y_val=names)
    found = evaluated(run, data=f"npz:{tmp_path / 'x.npz'}")
    assert [score.support for score in found.per_class] == [10, 10, 10]
    model = open_model(run.path)
    said = model.logits(torch.from_numpy(images)).argmax(1)
    truth = torch.tensor([model.classes.index(name) for name in names.tolist()])
    assert found.right == int((said == truth).sum())


def test_calibration_is_kept_and_softens_what_is_predicted(tmp_path: Path) -> None:
    run = trained(tmp_path, data=f"folder:{halves(tmp_path / 'pictures')}")
    before = evaluated(run)
    assert before.temperature is None
    found = evaluated(run, calibrate=True)
    kept = read_calibration(run)
    assert kept is not None
    assert found.temperature == kept.temperature
    assert found.calibrated_log_loss == kept.log_loss[1] <= kept.log_loss[0] == before.log_loss == found.log_loss
    assert found.calibrated_ece == kept.ece[1]
    assert open_model(run.path).temperature == kept.temperature
    assert open_model(run.path, "last").temperature == 1.0
    test = evaluated(run, split="test")
    assert test.temperature == kept.temperature
    for ask in ({"split": "test"}, {"data": str(tmp_path)}, {"tta": True}):
        with pytest.raises(RequestError, match="on the run's own validation images"):
            evaluated(run, calibrate=True, **ask)
    state = json.loads((run.path / "calibration.json").read_text())
    (run.path / "calibration.json").write_text(json.dumps({**state, "step": state["step"] + 1}))
    assert open_model(run.path).temperature == 1.0  # best.pt has become another since


def test_no_temperature_where_every_image_is_right(tmp_path: Path) -> None:
    """The log loss then falls with the temperature for ever: none is kept, and predictions stay as they are."""
    run = trained(tmp_path, data=f"folder:{halves(tmp_path / 'pictures')}")
    logits = np.array([[3.0, 1.0], [0.5, 2.0], [1.0, 0.0]], np.float32)
    for truth, why in (([0, 1, 0], "every one is right"), ([1, 0, 1], "say nothing of the classes")):
        labels = np.array(truth)
        found = Answers(
            classes=("a", "b"), logits=logits, truth=labels, said=logits.argmax(1), brightness=np.zeros(3, np.float32),
            names=["x", "y", "z"], files=False,
        )  # fmt: skip
        with pytest.raises(RequestError, match=why):
            calibrate(run, EvaluatedRun(found, {"checkpoint": "best.pt", "step": 1}, None))
    assert read_calibration(run) is None


def test_two_runs_on_the_same_images(run: RunFolder, tmp_path: Path) -> None:
    data = f"folder:{Path(run.path).parents[1] / 'pictures'}"
    other = trained(tmp_path, "other", data=data, net="fc", epochs=1, limit=20)
    told = list(evaluations(EvaluateAsk(run=str(run.path), other=str(other.path)), lambda _: None))
    first, second, both = told
    assert isinstance(first, Evaluation)
    assert isinstance(second, Evaluation)
    assert isinstance(both, Comparison)
    assert first.run == both.first
    assert (first.trained_on, second.trained_on) == (f"36 images of {data}", f"20 images of {data}")
    assert both.notes == [f"{first.run} was trained on {first.trained_on}, other on {second.trained_on}"]
    said = "".join("".join(summary(first)).split())  # lines are broken, in a long path too
    assert "".join(f"trained on {first.trained_on}".split()) in said
    assert both.both_right + both.only_first == first.right
    assert both.both_right + both.only_second == second.right
    assert both.images == 36 == both.both_right + both.only_first + both.only_second + both.both_wrong
    assert len(both.differ) == both.only_first + both.only_second > 0
    for one in both.differ:
        assert (one.first == one.truth) == one.first_right != (one.second == one.truth)
        assert Path(one.image).is_file()


def answers(names: list[str], truth: list[int], said: list[int]) -> Answers:
    count = len(names)
    logits = np.eye(3, dtype=np.float32)[said]
    return Answers(
        classes=("a", "b", "c"), logits=logits, truth=np.array(truth), said=np.array(said),
        brightness=np.zeros(count, np.float32), names=names, files=False,
    )  # fmt: skip


def test_only_images_that_both_have_are_compared() -> None:
    first = answers(["1", "2", "3"], [0, 1, 2], [0, 1, 0])
    found = compare(first, answers(["3", "2", "9"], [2, 1, 0], [2, 1, 0]), "x", "y")
    assert (found.images, found.both_right, found.only_first, found.only_second, found.both_wrong) == (2, 1, 0, 1, 0)
    assert found.notes == ["2 images are in both validation sets (of 3 and 3): they are compared"]
    assert found.p == 1.0
    with pytest.raises(RequestError, match="no image in common"):
        compare(first, answers(["9"], [0], [0]), "x", "y")
    with pytest.raises(RequestError, match="different labels"):
        compare(first, answers(["1"], [1], [1]), "x", "y")


ABOUT: dict[str, Any] = {
    "run": "r", "checkpoint": "best.pt", "epoch": 1, "step": 1, "ema": False, "time": 0.0, "data": "d",
    "split": "other",
}  # fmt: skip


def test_no_probabilities_of_logits_that_are_not_numbers() -> None:
    found = answers(["1", "2", "3", "4"], [0, 1, 2, 0], [0, 1, 0, 0])
    found.logits[1, 2] = np.nan
    told = numbers(found, 2.0, **ABOUT)
    assert told.not_finite == 1
    assert (told.accuracy, told.ece, told.log_loss, told.roc_auc, told.worst) == (0.75, None, None, None, [])
    assert msgspec.json.decode(msgspec.json.encode(told), type=Evaluation) == told


def test_large_arrays_lie_in_a_file(monkeypatch: pytest.MonkeyPatch) -> None:
    small = numbers(answers(["1", "2", "3"], [0, 1, 2], [0, 1, 0]), **ABOUT)
    monkeypatch.setattr(answers_module, "IN_MEMORY", 10)
    held = large_array((3, 3), np.float32)
    assert isinstance(held, np.memmap)
    found = answers(["1", "2", "3"], [0, 1, 2], [0, 1, 0])
    held[:] = found.logits
    found.logits = held
    assert numbers(found, **ABOUT) == small


def test_slices() -> None:
    right = np.array([True, False, True, True])
    night, day = by_folder(["night", "night", "day", "day"], right)
    assert (night.name, night.accuracy, night.images, day.accuracy) == ("night", 0.5, 2, 1.0)
    assert night.interval == pytest.approx((0.0945, 0.9055), abs=1e-4)
    assert by_folder(["", "", "", ""], right) == []
    sizes = by_size([(8, 8), (16, 8), None, (8, 8)], right)
    assert [(one.name, one.images, one.accuracy) for one in sizes] == [("8x8", 2, 1.0), ("16x8", 1, 0.0)]
    many = by_size([(n, 10) for n in range(1, 9)], np.ones(8, bool))
    assert [one.images for one in many] == [2, 2, 2, 2]
    assert many[0].name == "10 to 20 pixels"
    bright = by_brightness(np.array([0.1, 0.2, 0.3, 0.4], np.float32), right)
    assert [one.name for one in bright][:2] == ["10 % of white", "20 % of white"]
    assert [one.accuracy for one in bright] == [1.0, 0.0, 1.0, 1.0]
    assert by_brightness(np.zeros(4, np.float32), right) == []
    assert by_brightness(np.array([-0.1, 0.2, 0.3, 1.4], np.float32), right) == []  # normalized by a user's code
    assert inner_folder("/a/cat/b/cat/night/1.png", "cat") == "night"
    assert inner_folder("/a/cat/1.png", "cat") == ""


def test_test_time_augmentation_is_the_mean_of_its_views(run: RunFolder) -> None:
    found = evaluated(run, tta=True)
    assert found.tta == ["as it is", "mirrored", "moved up by 1", "moved down by 1", "moved left by 1",
                         "moved right by 1"]  # fmt: skip
    model = open_model(run.path)
    pixels = torch.randint(0, 256, (5, 8, 8, 3), dtype=torch.uint8)
    views = views_of(Recipe(augment="flip,crop(3)"))
    shares = [model.logits(view.change(pixels)).double().softmax(1) for view in views]
    assert torch.allclose(mean_logits(model.logits, pixels, views).softmax(1), torch.stack(shares).mean(0))
    assert torch.equal(moved(pixels, 2, 0)[:, 2:], pixels[:, :-2])
    assert torch.equal(moved(pixels, 0, -1)[:, :, -1], pixels[:, :, -1])
    deep = pixels.to(torch.int32).mul(257).to(torch.uint16)
    assert torch.equal(moved(deep, 1, 1).to(torch.int32), moved(pixels, 1, 1).to(torch.int32) * 257)
    with pytest.raises(RequestError, match="trained without flip, shift or crop"):
        views_of(Recipe(augment="jitter"))


@pytest.mark.long  # tests/tui/test_predict_view.py has such a process in the usual run
def test_the_command_line(run: RunFolder, tmp_path: Path) -> None:
    """A real process: the numbers as text and as JSON are the same ones."""
    done = cvtui("evaluate", str(run.path), "--json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    found = msgspec.json.decode(done.stdout, type=Evaluation)
    assert found.confusion == evaluated(run).confusion
    for words, message in (
        (("--checkpoint", "nix"), "has best.pt"),
        (("--split", "train"), "--split"),
        ((str(run.path),), "given twice"),
        (("a", "b"), "one run, or two"),
        (("--device", "tpu"), "device"),
    ):
        refused = within("evaluate", str(run.path), *words, cwd=tmp_path)
        assert refused.returncode == 2
        assert message in refused.stderr
        assert len(refused.stderr.splitlines()) == 1


def test_what_a_stranger_wrote_into_it_is_not_taken(run: RunFolder, tmp_path: Path) -> None:
    copy = RunFolder(tmp_path / "copy")
    shutil.copytree(run.path, copy.path)
    evaluated(copy)
    file = copy.path / "evaluation.json"
    good = json.loads(file.read_text())
    for name, value in (("accuracy", 1e300), ("time", 1e300), ("epoch", -1), ("ece", -0.1), ("interval", [0.5])):
        file.write_text(json.dumps({**good, name: value}))
        assert read_evaluation(copy) is None, name
    file.write_text(json.dumps({**good, "classes": [], "per_class": [], "confusion": [], "bins": []}))
    found = read_evaluation(copy)
    assert found is not None
    assert sections(found)[0].title.startswith("copy: best.pt")
    file.write_text(json.dumps({**good, "classes": ["<b>\x1b[31m", "b", "c"], "notes": ["<script>"]}))
    html = write_html(history(copy), tmp_path / "report.html").read_text()
    assert "<script>" not in html
    assert "&lt;script&gt;" in html
    found = read_evaluation(copy)
    assert found is not None
    assert "\x1b" not in "".join(line for part in sections(found) for line in part.lines)


def test_the_report_has_the_evaluation(run: RunFolder, tmp_path: Path) -> None:
    copy = RunFolder(tmp_path / "copy")
    shutil.copytree(run.path, copy.path, ignore=shutil.ignore_patterns("evaluation*.json"))
    assert "Reliability" not in write_html(history(copy), tmp_path / "report.html").read_text()
    found = evaluated(copy)
    html = write_html(history(copy), tmp_path / "report.html").read_text()
    assert f"{100 * found.accuracy:.1f} % (95 % interval" in html
    assert html.count('<svg class="reliability"') == 1
    diagram = html.partition('<svg class="reliability"')[2].partition("</svg>")[0]
    assert diagram.count('legend validation" x=') == sum(1 for one in found.bins if one.images)
    assert found.worst[0].image in html


@pytest.mark.parametrize("width", [60, 80, 160])
def test_lines_fit_the_width(run: RunFolder, width: int) -> None:
    found = evaluated(run)
    wide = max(len(line) for part in sections(found, width) for line in part.lines if part.title != "Slices")
    assert wide <= max(width, 80)
    names = [part.title for part in sections(found, width)]
    assert names[1:] == ["Classes", "Calibration: how often answers of a confidence are right",
                         "Confusion matrix: rows the true class, columns the predicted one", "Slices",
                         "Worst images: mistakes, the surest first",
                         "Least certain images: the two likeliest classes closest together"]  # fmt: skip
