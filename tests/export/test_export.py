"""What is taken out of a run folder: every number of the files is one that the run logged."""

from __future__ import annotations

import base64
import csv
import io
import itertools
import json
import math
import os
import re
import shutil
import subprocess
import sys
import tempfile
import xml.etree.ElementTree as ElementTree
import zlib
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image as Pillow

import cvtui
from cvtui.draw.half_blocks import tiles
from cvtui.export import write_csv, write_html, write_svg, write_tensorboard
from cvtui.export.chart import Chart, ChartCurve, draw
from cvtui.export.whole_file import move
from cvtui.runlog.events import CommandApplied, EpochDone, Log, PictureSaved, Steps
from cvtui.runlog.folder import RunFolder
from cvtui.runlog.history import History
from cvtui.runlog.nonfinite import nonfinite_steps
from cvtui.runlog.writer import EventWriter
from tests.export.full_disk import full_disk
from tests.runlog.making import make_folder, sampled, started


def png(width: int, height: int, rgb: tuple[int, int, int]) -> bytes:
    """Make a one-colour PNG by hand."""
    rows = (b"\0" + bytes(rgb) * width) * height

    def chunk(kind: bytes, data: bytes) -> bytes:
        return len(data).to_bytes(4, "big") + kind + data + zlib.crc32(kind + data).to_bytes(4, "big")

    head = width.to_bytes(4, "big") + height.to_bytes(4, "big") + bytes([8, 2, 0, 0, 0])
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    """Two epochs of 20 steps, one NaN, one mark, one picture, and text that wants to be markup."""
    folder = make_folder(tmp_path, "nice run")
    with EventWriter(folder) as writer:
        writer.write(started(data={"classes": ["<b>cat</b>", "dog"], "train": 10, "validation": 4}))
        for step in range(40):
            loss = float("nan") if step == 25 else 2.0 / (1 + step)
            writer.write(
                Steps(
                    first=step, loss=[loss], lr=[0.1], accuracy=[step / 40], grad_norm=[1.5], seconds=[step * 0.5]
                )
            )  # fmt: skip
            if step % 20 == 19:
                epoch = step // 20 + 1
                writer.write(
                    EpochDone(
                        epoch=epoch, step=step + 1, time=1000.0 + step, train_loss=0.5, train_accuracy=0.6,
                        val_loss=0.4 / epoch, val_accuracy=0.7 + epoch / 10, seconds=step * 0.5,
                        images_per_second=100.0, confusion=[[3, 1], [0, 4]],
                    )
                )  # fmt: skip
        writer.write(sampled(30, mean=0.25))
        writer.write(CommandApplied(step=10, time=1.0, command="set_lr", value=0.01, words="rate 0.1 → 0.01"))
        writer.write(Log(time=1.0, text="<script>alert(1)</script> \x1b[31mred"))
        (folder.pictures / "filters.png").write_bytes(png(4, 4, (255, 0, 0)))
        writer.write(PictureSaved(step=30, name="filters of conv1", path="pictures/filters.png"))
        (folder.path.parent / "secret.png").write_bytes(png(9, 9, (0, 0, 255)))
        writer.write(PictureSaved(step=30, name="escape", path="../secret.png"))
    return folder


def history_of(folder: RunFolder) -> History:
    history = History(folder)
    history.poll()
    return history


def test_tiles_of_a_picture_have_a_caption_each(tmp_path: Path) -> None:
    folder = make_folder(tmp_path, "tiles")
    sheet = tiles(np.stack([np.full((4, 4, 3), 60 * n, np.uint8) for n in range(3)]), 2)
    Pillow.fromarray(sheet).save(folder.pictures / "mistakes.png")
    with EventWriter(folder) as writer:
        writer.write(started())
        names, note = ["a/<1>.png", "b/2.png", "3"], "x taken for y; y taken for x; z taken for x"
        writer.write(
            PictureSaved(step=9, name="mistakes", path="pictures/mistakes.png", columns=2, names=names, note=note)
        )
    text = write_html(history_of(folder), tmp_path / "report.html").read_text()
    captions = re.findall(r'<img alt="([^"]+)" src="data:image/png;base64,([^"]+)"><figcaption>([^<]+)', text)
    assert [words for _, _, words in captions] == [
        "x taken for y, a/&lt;1&gt;.png", "y taken for x, b/2.png", "z taken for x, 3"
    ]  # fmt: skip
    for number, (alt, data, words) in enumerate(captions):
        assert alt == words
        tile = np.asarray(Pillow.open(io.BytesIO(base64.b64decode(data))))
        assert tile.shape == (4, 4, 3)
        assert (tile == 60 * number).all()


def test_csv_holds_every_logged_number(folder: RunFolder, tmp_path: Path) -> None:
    steps, epochs, layers = write_csv(history_of(folder), tmp_path / "out")
    rows = list(csv.DictReader(steps.open()))
    assert [int(row["step"]) for row in rows] == list(range(40))
    assert float(rows[7]["loss"]) == 2.0 / 8
    assert rows[25]["loss"] == "nan"
    assert [float(row["val_accuracy"]) for row in csv.DictReader(epochs.open())] == [0.7 + 0.1, 0.7 + 0.2]
    (layer,) = csv.DictReader(layers.open())
    assert (layer["step"], layer["name"], float(layer["mean"])) == ("30", "fc1", 0.25)


LOSSES = [2.0, math.inf, math.nan, -math.inf, 1.5, 1.0]


@pytest.fixture
def not_finite(tmp_path: Path) -> History:
    """Make a real run of cvtui.watch that was told losses of every kind.

    In its fifth step nobody made gradients, and in its third one of them was NaN. Then an epoch whose validation
    came to infinity, and one without a validation.
    """
    model = torch.nn.Linear(3, 2)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.0)
    with cvtui.watch(model, optimizer, runs=tmp_path, name="bad", every=1) as run:
        for step, loss in enumerate(LOSSES):
            model.zero_grad(set_to_none=True)
            if step != 4:
                (model(torch.ones(1, 3)).sum() * (math.nan if step == 2 else 1.0)).backward()
                optimizer.step()
            run.step(loss=loss)
            if step == 2:
                run.epoch(val_loss=math.inf)
            model.weight.data.nan_to_num_(0.5)
            model.bias.data.nan_to_num_(0.5)
        run.epoch()
    return history_of(RunFolder.open(tmp_path / "bad"))


def test_csv_tells_nan_infinite_and_missing_apart(not_finite: History, tmp_path: Path) -> None:
    steps, epochs, layers = (list(csv.DictReader(path.open())) for path in write_csv(not_finite, tmp_path / "out"))
    np.testing.assert_array_equal([float(row["loss"]) for row in steps], LOSSES)
    norms = [row["grad_norm"] for row in steps]
    assert norms[4] == "", "there was none"
    assert norms[2] == "nan"
    assert [float(norms[place]) for place in (0, 1, 3, 5)] == pytest.approx([math.sqrt(8.0)] * 4)
    assert [row["accuracy"] for row in steps] == [""] * 6, "nobody told one"
    assert [(row["train_loss"], row["val_loss"]) for row in epochs] == [("nan", "inf"), ("-inf", "")]
    bad = [row for row in layers if row["step"] == "2"]
    assert [row["grad_norm"] for row in bad] == ["nan"]
    assert all(row["mean"] not in ("", "nan") for row in layers if row["step"] != "2" and row["mean"])


def test_the_report_and_the_lists_say_it_too(not_finite: History, tmp_path: Path) -> None:
    page = write_html(not_finite, tmp_path / "report.html").read_text()
    assert "not finite from 1" in page
    found = subprocess.run(
        [sys.executable, "-m", "cvtui", "runs", "--json", "--runs", str(tmp_path)], capture_output=True, check=True
    )
    (line,) = found.stdout.splitlines()
    assert json.loads(line)["val_loss"] is None
    assert json.loads(line)["not_finite"] == {"train_loss": "-inf"}, "of the last epoch"


def test_tensorboard_gets_them_as_they_are(not_finite: History, tmp_path: Path) -> None:
    event = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    write_tensorboard(not_finite, tmp_path / "tb")
    found = event.EventAccumulator(str(tmp_path / "tb"))
    found.Reload()
    told = [(scalar.step, scalar.value) for scalar in found.Scalars("loss/train")]
    np.testing.assert_array_equal(told, list(enumerate(LOSSES)))
    assert [scalar.step for scalar in found.Scalars("grad_norm")] == [0, 1, 2, 3, 5]
    assert [scalar.value for scalar in found.Scalars("loss/validation")] == [math.inf]
    assert "accuracy/train" not in found.Tags()["scalars"]


def test_a_step_that_is_done_again_counts_as_it_was_the_last_time(tmp_path: Path) -> None:
    folder = make_folder(tmp_path, "again")
    with EventWriter(folder) as writer:
        writer.write(started())
        writer.write(Steps(first=0, loss=[1.0, None, None], not_finite={"loss": {"inf": [1]}}))
        writer.write(Steps(first=2, loss=[0.5, None], not_finite={"loss": {"-inf": [1, 99]}, "strange": {"nan": [0]}}))
    assert nonfinite_steps(folder) == {"loss": {1: math.inf, 3: -math.inf}, "grad_norm": {}}


def test_a_full_disk_leaves_the_file_from_before_and_no_part(folder: RunFolder, tmp_path: Path) -> None:
    history, target = History(folder), tmp_path / "out" / "it"
    history.poll()
    target.parent.mkdir()
    (tmp_path / "link").symlink_to(target)
    for write in (write_html, write_svg):
        for path in (target, tmp_path / "link"):
            target.write_text("the one before")
            with full_disk(100), pytest.raises(OSError, match="too large") as refused:
                write(history, path)
            assert refused.value.filename == str(path)
            assert target.read_text() == "the one before"
        write(history, tmp_path / "link")  # which stays a link
        assert target.read_text().startswith("<")
        assert (tmp_path / "link").is_symlink()
    with full_disk(100), pytest.raises(OSError, match="too large") as refused:
        write_csv(history, tmp_path / "tables")
    assert refused.value.filename == str(tmp_path / "tables" / "steps.csv")
    assert not list((tmp_path / "tables").iterdir())
    assert [one.name for one in target.parent.iterdir()] == ["it"]


@pytest.mark.skipif(not os.path.isdir("/dev/shm"), reason="one disk")
def test_a_file_goes_whole_to_another_disk_or_stays_and_a_link_leads_where_it_led(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(bytes(5000))
    (tmp_path / "link.png").symlink_to("a.png")
    with tempfile.TemporaryDirectory(dir="/dev/shm") as text:
        there = Path(text)
        if os.stat(there).st_dev == os.stat(tmp_path).st_dev:
            pytest.skip("one disk")
        with full_disk(1000), pytest.raises(OSError, match="too large"):
            move(tmp_path / "a.png", there / "a.png")
        assert not list(there.iterdir()), "half a picture would be trained on"
        move(tmp_path / "link.png", there / "link.png")
        assert (there / "link.png").read_bytes() == (tmp_path / "a.png").read_bytes() == bytes(5000)
        move(tmp_path / "a.png", there / "a.png")
        assert (there / "a.png").read_bytes() == bytes(5000)
    assert not list(tmp_path.iterdir())


def test_html_is_one_file_that_runs_nothing_from_the_run(folder: RunFolder, tmp_path: Path) -> None:
    page = write_html(history_of(folder), tmp_path / "report.html").read_text()
    assert "<script>" not in page
    assert "&lt;script&gt;" in page
    assert "&lt;b&gt;cat" in page
    assert not re.search(r'(src|href)="(?!data:)', page)  # nothing is fetched from outside
    assert "90.00% in epoch 2" in page
    assert "rate 0.1 → 0.01" in page
    assert "not finite from 25" in page
    assert page.count("data:image/png;base64,") == 1  # the one that lies inside; ../secret.png is not followed


@pytest.mark.skipif(not any(map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), reason="no Chromium")
def test_html_opens_in_a_browser(folder: RunFolder, tmp_path: Path) -> None:
    report = write_html(history_of(folder), tmp_path / "report.html")
    browser = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))))
    flags = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"]
    flags += ["--disable-background-networking", f"--user-data-dir={tmp_path / 'profile'}", "--dump-dom"]
    done = subprocess.run(
        [browser, *flags, report.as_uri()], capture_output=True, text=True, timeout=60, stdin=subprocess.DEVNULL,
        env={**os.environ, "TMPDIR": "/tmp"},  # its socket's name must be short
    )  # fmt: skip
    assert "<h1>nice run</h1>" in done.stdout, done.stderr[-500:]
    assert done.stdout.count("<svg") >= 3


def test_svg_is_well_formed_and_keeps_spikes(folder: RunFolder, tmp_path: Path) -> None:
    root = ElementTree.parse(write_svg(history_of(folder), tmp_path / "curves.svg")).getroot()
    assert root.tag.endswith("svg")
    y = np.ones(500_000)
    y[123_456] = 50.0
    picture = draw(Chart(title="spike", curves=[ChartCurve(name="loss", x=np.arange(500_000), y=y, kind="train")]))
    points = re.search(r'points="([^"]+)"', picture)
    assert points is not None
    heights = [float(point.split(",")[1]) for point in points[1].split()]
    assert min(heights) < 60  # the top of the chart
    y += np.sin(np.arange(500_000) / 3_000)
    y[123_456], y[200_000] = 5e27, 900.0
    picture = draw(Chart(title="spike", curves=[ChartCurve(name="loss", x=np.arange(500_000), y=y, kind="train")]))
    assert ">5e+27<" in picture
    assert ">900<" in picture
    ticks = [float(word) for word in re.findall(r'text-anchor="end">([-.\d]+)</text>', picture)]
    assert max(ticks) <= 3  # what the rest needs
    assert len(picture) < 400_000


def test_words_in_a_chart_lie_apart_and_inside_and_a_constant_has_an_axis() -> None:
    """A spike's numbers, marks of neighbouring steps and those at the right end lay over each other."""
    x = np.arange(400.0)
    loss = np.where(x < 3, 5e27 / (x + 1), 1.0 + x / 400)
    marks = [(397.0, "paused"), (397.0, "resumed"), (399.0, "stopped when asked")]
    curve = ChartCurve(name="training", x=x, y=loss, kind="train")
    root = ElementTree.fromstring(
        draw(Chart(title="Loss", curves=[curve], marks=marks, guides=[(2.3, "ln C = 2.303")]))
    )
    found = [
        one for one in root.iter() if one.text and one.get("class", "") in ("small", "small spike", "small mark-words")
    ]
    assert {"5e+27", "paused", "resumed", "stopped when asked", "ln C = 2.303"} <= {one.text for one in found}
    boxes = []
    for one in found:
        wide, left = 5.5 * len(one.text or ""), float(one.get("x", "0"))
        left -= {"end": wide, "middle": wide / 2}.get(one.get("text-anchor", ""), 0)
        boxes.append((left, left + wide, float(one.get("y", "0")), one.text))
    assert all(left >= 0 and right <= 760 for left, right, *_ in boxes)
    words = [box for box in boxes if box[3] not in ("▲", "▼")]
    for box, beside in itertools.combinations(words, 2):
        assert abs(box[2] - beside[2]) >= 10 or box[1] <= beside[0] or beside[1] <= box[0], (box, beside)
    for value, percent, labels in ((0.1, False, ["0.09", "0.11"]), (0.0, True, ["0%", "100%"])):
        flat = ChartCurve(name="a", x=x, y=np.full(400, value), kind="train")
        root = ElementTree.fromstring(draw(Chart(title="a", curves=[flat], percent=percent)))
        ticks = [one.text for one in root.iter() if one.get("text-anchor") == "end" and one.get("class") == "tick"]
        assert [labels[0], labels[1]] == [ticks[1], ticks[-1]]


def test_svg_breaks_the_line_at_nan() -> None:
    y = np.array([1.0, 2.0, np.nan, 2.0, 1.0])
    picture = draw(Chart(title="gap", curves=[ChartCurve(name="loss", x=np.arange(5), y=y, kind="train")]))
    assert picture.count("<polyline") == 2
    assert "not finite from 2" in picture


def test_ticks_are_those_of_the_screen() -> None:
    """Round numbers on both kinds of axis: a log axis says 0.1, 0.3, 1, not powers of ten with a fraction."""
    curve = ChartCurve(name="loss", x=np.arange(101), y=np.geomspace(0.05, 20, 101), kind="train")
    texts = re.findall(r'class="tick"[^>]*>([^<]+)<', draw(Chart(title="loss", curves=[curve], log_y=True)))
    assert texts == ["0", "20", "40", "60", "80", "100", "step", "0.1", "0.3", "1", "3", "10"]
    share = ChartCurve(name="accuracy", x=np.arange(101), y=np.linspace(0.1, 1, 101), kind="train")
    assert "80%" in draw(Chart(title="accuracy", curves=[share], percent=True))


def test_a_run_without_any_record_still_exports(tmp_path: Path) -> None:
    folder = make_folder(tmp_path, "empty")
    assert "empty" in write_html(history_of(folder), tmp_path / "r.html").read_text()
    ElementTree.parse(write_svg(history_of(folder), tmp_path / "r.svg"))


def test_tensorboard_events_hold_the_scalars(folder: RunFolder, tmp_path: Path) -> None:
    reader = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    write_tensorboard(history_of(folder), tmp_path / "tb")
    accumulator = reader.EventAccumulator(str(tmp_path / "tb"), size_guidance={"scalars": 0})
    accumulator.Reload()
    assert [round(event.value, 3) for event in accumulator.Scalars("accuracy/validation")] == [0.8, 0.9]
    assert len(accumulator.Scalars("loss/train")) == 40
