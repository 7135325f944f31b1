"""Feature maps of a chosen image: what they show, and that a look leaves no trace in the training."""

from __future__ import annotations

import contextlib
import math
from pathlib import Path
from typing import cast

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn

import cvtui
from cvtui.assets import asset
from cvtui.draw.tile_sheet import with_gaps
from cvtui.engine.observe import watch_budget
from cvtui.engine.observe.feature_maps import ValidationSet, compute_feature_maps
from cvtui.engine.observe.image_writer import GAP, LOOKED_AT, sheet_of
from cvtui.engine.offline_maps import add_feature_maps
from cvtui.runlog.events import Command, PictureSaved
from cvtui.runlog.folder import RunFolder
from cvtui.runlog.history import History
from tests.engine.making import folder, history, records, train


class Twice(nn.Module):
    """One conv and one activation in place that are used twice, a norm, a pool, and a layer without maps."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.norm = nn.Conv2d(2, 2, 3, padding=1), nn.BatchNorm2d(2)
        self.act, self.pool, self.head = nn.ReLU(inplace=True), nn.MaxPool2d(2), nn.Linear(18, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = self.act(self.norm(self.conv(self.act(self.conv(x)))))
        return self.head(self.pool(x).flatten(1))


def test_every_layer_with_maps_is_there_as_it_was_before_anything_painted_over_it() -> None:
    torch.manual_seed(1)
    model = Twice()
    model.norm.train()
    model.act.eval()
    image = torch.randn(1, 2, 6, 6)
    before = [tensor.clone() for tensor in (*model.state_dict().values(), torch.get_rng_state())]
    look = compute_feature_maps(model, image, contextlib.nullcontext())
    assert list(look.maps) == ["conv", "act", "conv#2", "norm", "act#2", "pool"]
    assert all(map(torch.equal, before, (*model.state_dict().values(), torch.get_rng_state())))
    assert [module.training for module in (model, model.norm, model.act)] == [True, True, False]
    assert not any(module._forward_hooks for module in model.modules())
    model.eval()
    with torch.no_grad():
        first = model.conv(image)
        torch.testing.assert_close(look.maps["conv"].values, first[0])
        torch.testing.assert_close(look.maps["act"].values, first[0].relu())
        torch.testing.assert_close(look.maps["norm"].values, model.norm(model.conv(first.relu()))[0])
        torch.testing.assert_close(look.shares, model(image)[0].softmax(0))


def test_large_maps_of_many_channels_are_cut_and_say_so() -> None:
    look = compute_feature_maps(nn.Conv2d(1, 40, 1), torch.randn(1, 1, 200, 100), contextlib.nullcontext())
    maps = look.maps["model"]
    assert maps.values.shape == (16, 64, 64)
    assert (maps.channels, maps.height, maps.width) == (40, 200, 100)


def test_a_compiled_model_is_looked_at_as_it_was_before() -> None:
    torch.manual_seed(1)
    model, image = Twice(), torch.randn(1, 2, 6, 6)
    plain = compute_feature_maps(model, image, contextlib.nullcontext())
    wrapped = cast("nn.Module", torch.compile(model, backend="eager"))
    compiled = compute_feature_maps(wrapped, image, contextlib.nullcontext())
    model.compile(backend="eager")
    in_place = compute_feature_maps(nn.DataParallel(model), image, contextlib.nullcontext())
    for other in (compiled, in_place):
        assert list(other.maps) == list(plain.maps)
        assert torch.equal(other.maps["act#2"].values, plain.maps["act#2"].values)


def test_somebody_elses_validation_images() -> None:
    images, labels = torch.randn(5, 1, 4, 4), torch.arange(5)
    sources = (
        (images, labels),
        (images.numpy(), labels.numpy()),
        torch.utils.data.TensorDataset(images, labels),
        torch.utils.data.DataLoader(torch.utils.data.TensorDataset(images, labels), batch_size=2, shuffle=True),
    )
    for source in sources:
        found = ValidationSet(source)
        image, label = found.item(3)
        assert (found.size, label) == (5, 3)
        assert torch.equal(image, images[3])
    with pytest.raises(ValueError, match="a float can't be asked"):
        ValidationSet(1.5)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    """Asked before its first step for an image that is there and for one that is not."""
    made = folder(tmp_path_factory.mktemp("looking"), net="conv4-bn-relu-pool-fc", epochs=1)
    for number in (7, 360):
        made.send(Command(command="look", time=0.0, value=number))
    code, _, said = train(made)
    assert code == 0, said
    return made


def test_maps_of_the_image_that_was_asked_for(run: RunFolder) -> None:
    found = history(run)
    assert [command.words for command in found.commands] == [
        "feature maps of validation image 7",
        "there is no validation image 360: they go from 0 to 359",
    ]
    assert [picture.layer for picture in found.pictures if picture.step == 0] == ["conv1", "bn1", "relu1", "pool1", ""]
    assert {picture.image for picture in found.pictures if picture.layer} == {7}
    shown = [picture for picture in found.pictures if picture.name == LOOKED_AT]
    assert [picture.step for picture in shown] == [0, found.steps_done]
    with np.load(asset("digits.npz")) as arrays:
        pixels, label = arrays["validation_images"][7], arrays["validation_labels"][7]
    for picture in shown:
        assert picture.truth == str(label)
        assert picture.share is not None
        assert 0.1 <= picture.share <= 1
        assert np.array_equal(np.asarray(Image.open(run.path / picture.path))[..., 0], pixels)


def test_a_run_that_is_over_is_looked_at_with_its_checkpoint(run: RunFolder) -> None:
    before, old = history(run), records(run)
    assert add_feature_maps(run.path, 3) == 0
    found = history(run)
    assert (found.state(), found.skipped, found.end) == ("finished", 0, before.end)
    new = records(run)[len(old) :][-2:]
    assert [(one.name, one.image, one.step) for one in new if isinstance(one, PictureSaved)] == [
        ("feature maps of pool1", 3, before.steps_done),
        (LOOKED_AT, 3, before.steps_done),
    ]
    # The automatic picture after the last epoch was made of the same weights: the model says the same of image 7.
    automatic = next(picture for picture in reversed(before.pictures) if picture.name == LOOKED_AT)
    assert add_feature_maps(run.path, 7) == 0
    again = history(run).pictures[-1]
    assert (again.truth, again.said, again.share) == (automatic.truth, automatic.said, automatic.share)


def test_what_cannot_be_looked_at_is_said(run: RunFolder, capfd: pytest.CaptureFixture[str]) -> None:
    assert add_feature_maps(run.path, 9999) == 2
    assert capfd.readouterr().err == "cvtui: there is no validation image 9999: they go from 0 to 359\n"
    with run.lock():  # a trainer lives in it
        assert add_feature_maps(run.path, 3) == 2
    assert "it takes the command `look` itself" in capfd.readouterr().err
    assert history(run).state() == "finished"


def test_a_strangers_loop_shows_its_validation_images(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Asked at every step, under autocast: weights, losses and random numbers stay bit-equal."""
    monkeypatch.setattr(watch_budget, "SHARE", math.inf)  # every step is sampled, however busy the machine is

    def train(asked: bool) -> tuple[list[float], list[Tensor]]:
        torch.manual_seed(1)
        model = Twice()
        optimizer = torch.optim.SGD(model.parameters(), 0.1)
        validation = torch.utils.data.TensorDataset(torch.randn(4, 2, 6, 6), torch.tensor([0, 1, 2, 1]))
        losses = []
        with cvtui.watch(
            model, optimizer, every=1, runs=tmp_path, name="own", classes=("a", "b", "c"), validation=validation
        ) as run:
            for step in range(6):
                run._control._next_poll = 0.0  # commands are looked for at this very step
                if asked:
                    run.folder.send(Command(command="look", time=0.0, value=step))
                with torch.autocast("cpu", dtype=torch.bfloat16):
                    logits = model(torch.randn(8, 2, 6, 6))
                    loss = nn.functional.cross_entropy(logits.float(), torch.randint(3, (8,)))
                    optimizer.zero_grad()
                    loss.backward()
                    optimizer.step()
                    run.step(loss=loss)
                losses.append(loss.item())
        return losses, [*model.state_dict().values(), torch.get_rng_state()]

    plain, looked_at = train(False), train(True)
    assert plain[0] == looked_at[0]
    assert all(map(torch.equal, plain[1], looked_at[1]))
    found = History(RunFolder.open(tmp_path / "own-2"))
    found.poll()
    assert found.run is not None
    assert found.run.data == {"classes": ["a", "b", "c"], "validation": 4}
    assert [command.words for command in found.commands][3:5] == [
        "feature maps of validation image 3",
        "there is no validation image 4: they go from 0 to 3",
    ]
    assert [picture.truth for picture in found.pictures if picture.name == LOOKED_AT] == ["a", "b", "c", "b"]
    assert {picture.layer for picture in found.pictures} == {"conv", "conv#2", "act", "act#2", "norm", "pool", ""}
    assert len(found.layer_steps) == 6, "the look is taken for no training pass"


def test_a_loop_that_told_no_validation_images_says_so(tmp_path: Path) -> None:
    model = Twice()
    with cvtui.watch(model, torch.optim.SGD(model.parameters(), 0.1), runs=tmp_path, name="own") as run:
        run.folder.send(Command(command="look", time=0.0, value=0))
        run.step(loss=1.0)
    found = History(run.folder)
    found.poll()
    assert "no validation images are known" in found.commands[0].words
    assert add_feature_maps(run.folder.path, 0) == 2, "and when it is over nobody has them"


def test_another_colour_between_a_sheet_s_tiles_changes_no_tile() -> None:
    """Not even one with a pixel, or a whole line, of the colour that stands between them. For light themes."""
    tiles = torch.arange(5 * 3 * 4 * 6).reshape(5, 3, 4, 6).remainder(256).float()
    tiles[1, :, 2, 3] = torch.tensor(GAP)
    tiles[3, :, 1] = torch.tensor(GAP)[:, None]
    sheet = sheet_of(tiles, around_zero=False, low=0, high=255).numpy()
    new = (196, 207, 228)
    expected = np.full_like(sheet, new)
    for number, tile in enumerate(tiles.numpy().transpose(0, 2, 3, 1)):
        top, left = number // 4 * 5, number % 4 * 7
        expected[top : top + 4, left : left + 6] = tile
    assert (with_gaps(sheet, 4, new) == expected).all()
    assert (with_gaps(sheet[:4, :6], 1, new) == sheet[:4, :6]).all()  # one tile alone has no gap
