"""`cvtui mistakes`: the same mistakes as the run's own evaluation, each with its file, and no file moved unasked."""

from __future__ import annotations

import base64
import contextlib
import csv
import io
import json
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cvtui.cli.commands.mistakes import mistakes as command
from cvtui.cli.commands.mistakes import moves_of
from cvtui.engine.data.loading import load
from cvtui.engine.mistakes import tell_mistakes
from cvtui.errors import RequestError
from cvtui.recipe.recipe import Recipe
from cvtui.runlog.folder import RunFolder
from cvtui.runlog.mistakes import Evaluated, Mistake, decode, parse_cell, worst_first
from tests.cli.running import within as program
from tests.engine.making import folder as run_folder
from tests.engine.making import history, train

pytestmark = pytest.mark.torch


def noisy_folder(root: Path) -> Path:
    """Three classes of noisy greys: a small net gets some of them wrong."""
    random = np.random.default_rng(0)
    for label, name in enumerate(("brick", "gravel, fine", "sand")):
        (root / name).mkdir(parents=True)
        for number in range(40):
            values = np.clip(90 + 30 * label + random.normal(0, 35) + random.normal(0, 20, (8, 8, 3)), 0, 255)
            Image.fromarray(values.astype(np.uint8)).save(root / name / f"{name[:2]}{number:02d}.png")
    return root


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    """Four epochs with a running mean of the weights, of which not the last is the best."""
    base = tmp_path_factory.mktemp("mistakes")
    data = f"folder:{noisy_folder(base / 'pictures')}"
    run = run_folder(base / "runs", epochs=4, data=data, size="8", batch_size=16, lr=0.02, ema=0.9, val_share=0.5)
    assert train(run)[0] == 0
    return run


Captured = pytest.CaptureFixture[bytes]


def told_of(run: RunFolder, capsysbinary: Captured, name: str = "") -> tuple[Evaluated, list[Mistake]]:
    assert tell_mistakes(run.path, name) == 0
    told = [decode(line) for line in capsysbinary.readouterr().out.splitlines()]
    about = [one for one in told if isinstance(one, Evaluated)]
    return about[0], [one for one in told if isinstance(one, Mistake)]


def test_as_many_as_in_the_run_s_own_confusion_matrix(
    trained: RunFolder, capsysbinary: pytest.CaptureFixture[bytes]
) -> None:
    for name in ("", "last"):
        about, found = told_of(trained, capsysbinary, name)
        epoch = next(one for one in history(trained).epochs if one.epoch == about.epoch)
        classes = ["brick", "gravel, fine", "sand"]
        cells = Counter((one.truth, one.said) for one in found)
        for row, truth in enumerate(classes):
            for column, said in enumerate(classes):
                assert cells[truth, said] == (epoch.confusion[row][column] if row != column else 0)
        assert about.mistakes == len(found) > 0
        assert about.images == sum(map(sum, epoch.confusion)) == 60
        assert about.ema
        assert about.checkpoint == f"{name or 'best'}.pt"
        assert found == worst_first(found)
        for one in found:
            assert Path(one.image).is_file()
            assert Path(one.image).parent.name == one.truth
            assert one.file
            assert not one.png
            assert one.loss == pytest.approx(-np.log(one.truth_share or np.nan), abs=1e-4), "cross-entropy"


def test_lists_for_people_and_for_scripts(trained: RunFolder, capsysbinary: Captured) -> None:
    table = program("mistakes", str(trained.path), cwd=trained.path)
    assert table.returncode == 0, table.stderr
    head, _, *rows = table.stdout.splitlines()
    assert "of 60 validation images wrong" in head
    assert "running mean of the weights" in head
    about, found = told_of(trained, capsysbinary)
    assert len(rows) == len(found) == about.mistakes
    assert rows[0].startswith(found[0].image)


def printed(*words: str) -> str:
    with contextlib.redirect_stdout(io.StringIO()) as out:
        command.main(list(words), standalone_mode=False)
    return out.getvalue()


@pytest.fixture
def known(trained: RunFolder, monkeypatch: pytest.MonkeyPatch, capsysbinary: Captured) -> list[Mistake]:
    """Evaluate `trained` in this process: what is printed of it costs no other."""
    about, found = told_of(trained, capsysbinary)
    monkeypatch.setattr("cvtui.cli.commands.mistakes.evaluated", lambda *_: (about, found))
    return found


def test_csv_json_paths_order_and_cell(trained: RunFolder, known: list[Mistake]) -> None:
    run = str(trained.path)
    rows = list(csv.DictReader(io.StringIO(printed(run, "--csv", "--by", "loss"))))
    assert [float(row["loss"]) for row in rows] == sorted((one.loss or 0.0 for one in known), reverse=True)
    lines = [json.loads(line) for line in printed(run, "--json").splitlines()]
    assert [line["image"] for line in lines] == [one.image for one in known]
    assert printed(run, "--paths").splitlines() == [one.image for one in known]
    cell = printed(run, "--cell", "gravel, fine,brick", "--paths").splitlines()
    assert cell == [one.image for one in known if (one.truth, one.said) == ("gravel, fine", "brick")]
    with pytest.raises(RequestError, match=r"no class 'bric'.*did you mean 'brick'"):
        command.main([run, "--cell", "bric,sand"], standalone_mode=False)


def test_nothing_is_moved_unasked(trained: RunFolder, known: list[Mistake], tmp_path: Path) -> None:
    words = [str(trained.path), "--move-to", str(tmp_path / "wrong")]
    with pytest.raises(RequestError, match=f"nothing was moved; this would move {len(known)} files"):
        command.main(words, standalone_mode=False)
    assert not (tmp_path / "wrong").exists()
    (tmp_path / "wrong" / known[0].truth).mkdir(parents=True)
    there = tmp_path / "wrong" / known[0].truth / Path(known[0].image).name
    there.write_bytes(b"mine")
    with pytest.raises(RequestError, match="exists; nothing was moved"):
        command.main([*words, "--yes"], standalone_mode=False)
    assert there.read_bytes() == b"mine"
    assert all(Path(one.image).is_file() for one in known)
    there.unlink()
    contents = {Path(one.image).name: Path(one.image).read_bytes() for one in known}
    try:
        assert f"{len(known)} moved" in printed(*words, "--yes")
        moved = {path.name: path.read_bytes() for path in (tmp_path / "wrong").rglob("*.png")}
        assert moved == contents
        assert not any(Path(one.image).exists() for one in known)
    finally:  # the module's other tests have the same pictures
        for one in known:
            (tmp_path / "wrong" / one.truth / Path(one.image).name).replace(one.image)


def test_images_without_files_are_numbered_and_come_with_their_pixels(
    tmp_path: Path, capsysbinary: pytest.CaptureFixture[bytes]
) -> None:
    run = run_folder(tmp_path, epochs=1, limit=300)
    assert train(run)[0] == 0
    about, found = told_of(run, capsysbinary)
    assert about.mistakes == len(found) > 0
    assert not about.ema
    data = load(Recipe()).validation
    first = found[0]
    assert (first.image, first.file) == (f"validation {first.number}", False)
    pixels = np.asarray(Image.open(io.BytesIO(base64.b64decode(first.png))))
    held = data.part(first.number, first.number + 1).pixels[0]
    assert np.array_equal(pixels, held.expand(-1, -1, 3).numpy()), "grey, as every picture of a run is written"
    with pytest.raises(RequestError, match="not a file of its own"):
        moves_of(found, tmp_path)


def test_what_has_no_checkpoint_or_no_recipe_is_refused_in_one_line(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    run = run_folder(tmp_path)
    with pytest.raises(RequestError, match="has no checkpoint"):
        command.main([str(run.path)], standalone_mode=False)
    assert tell_mistakes(run.path) == 2
    assert capfd.readouterr().err.count("\n") == 1


def test_the_words_of_a_cell() -> None:
    classes = ["a", "b,c", "b", "c,d"]
    assert parse_cell("a,b,c", classes) == ("a", "b,c")
    assert parse_cell("A, B", ["a", "b"]) == ("a", "b")
    assert parse_cell("B,C,A", classes) == ("b,c", "a")
    assert parse_cell('"b,c","c,d"', classes) == ("b,c", "c,d")
    assert parse_cell('"b", "c,d"', classes) == ("b", "c,d")
    with pytest.raises(RequestError, match="is not two classes; there are: a, b,c"):
        parse_cell("a", classes)
    with pytest.raises(RequestError, match="is not two classes"):
        parse_cell("a,x,y", classes)
    with pytest.raises(RequestError, match="there is no class 'x'"):
        parse_cell("a,x", classes)
    with pytest.raises(RequestError, match="several readings") as refused:  # b | c,d and b,c | d
        parse_cell("b,c,d", [*classes, "d"])
    assert """--cell '"b","c,d" or "b,c","d"'""" in refused.value.hint
