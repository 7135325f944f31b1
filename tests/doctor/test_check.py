"""The check-up before a run, and the doctor beside one."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec
import pytest

from cvtui.doctor import Doctor
from cvtui.doctor.checklist import ChecklistItem, checklist, memorised
from cvtui.engine.observe import watch_budget
from cvtui.engine.observe.live_doctor import LiveDoctorWriter
from cvtui.engine.precheck import precheck
from cvtui.engine.train.control import Signals
from cvtui.engine.worker import train_folder
from cvtui.recipe.recipe import Recipe
from cvtui.recipe.toml import dumps
from cvtui.runlog.events import AnyRecord, Facts, Finding, LayersSampled, RunEnded, RunStarted, Steps
from cvtui.runlog.folder import RunFolder
from cvtui.runlog.history import History
from tests.benchmarks.doctor import sets
from tests.doctor.making import learning, sample, started, story
from tests.engine_within import engines_within


def run_precheck(**fields: object) -> tuple[Doctor, dict[str, ChecklistItem]]:
    doctor = Doctor()
    with engines_within():
        precheck(Recipe(device="cpu", threads=1, **fields), doctor.take)  # type: ignore[arg-type]
    doctor.update()
    return doctor, {item.question: item for item in checklist(doctor.obs, doctor.all)}


def test_the_default_recipe_passes() -> None:
    doctor, items = run_precheck()
    assert [one for one in doctor.update() if one.severity != "note"] == []
    assert {item.mark for item in items.values()} == {"ok"}
    assert memorised(doctor.obs) is True
    assert doctor.obs.facts.overfit_images == 16


def test_a_rate_too_high_is_seen_before_the_run_and_a_better_one_named() -> None:
    doctor, items = run_precheck(net="conv8-relu-pool-fc32-relu-fc", optimizer="momentum", lr=3.0, weight_decay=0.0)
    first = doctor.update()[0]
    assert first.id in ("F01", "F31")
    assert first.cure["lr"] <= 0.3
    assert items["weights move, and not too far"].mark == "fault"
    heart = items["the net can memorise one batch"]
    assert heart.mark == "fault"
    assert "it can at a rate of 0.03" in heart.answer


def test_noise_and_raw_pixels_are_two_faults_and_not_five() -> None:
    doctor, items = run_precheck(net="fc32-relu-fc", label_noise=0.4, preprocess="none", lr=1e-3)
    assert {one.id for one in doctor.update() if one.severity != "note"} == {"F11", "F14"}
    assert items["labels fit the images"].mark == items["inputs are normalised"].mark == "fault"
    assert items["images are finite"].mark == "ok"


def test_what_the_recipe_freezes_is_compared_and_gets_a_tick(monkeypatch: pytest.MonkeyPatch) -> None:
    frozen = {"net": "conv4s2-bn-relu-fc", "freeze": "all-but-head"}
    _, items = run_precheck(**frozen)
    assert {item.mark for item in items.values()} == {"ok"}
    assert items["all parameters get gradients"].answer == "2 of 2 parameters; 4 more are frozen, as the recipe asks"
    stays = "frozen parts stay as they are"
    assert items[stays].answer == "7 of 7 tensors unchanged, to the last bit, by the first steps"  # 4 and 3 statistics
    monkeypatch.setattr("cvtui.engine.precheck.train_mode", lambda model: model.train())
    _, items = run_precheck(**frozen)
    assert items[stays].mark == "fault"
    assert "4 of 7 tensors" in items[stays].answer
    assert "not bn1.running_mean, bn1.running_var and bn1.num_batches_tracked" in items[stays].answer
    _, items = run_precheck(net="conv4s2-bn-relu-fc")
    assert stays not in items


@pytest.mark.long
def test_the_command_asks_a_process_of_its_own(tmp_path: Path) -> None:
    words = [sys.executable, "-m", "cvtui", "check", "--json", "--net", "fc16-relu-fc"]
    done = subprocess.run(words, capture_output=True, text=True, cwd=tmp_path, check=False)
    told = json.loads(done.stdout)
    assert done.returncode == 0, done.stderr
    assert {"checks", "findings"} == set(told)
    assert list(tmp_path.iterdir()) == [], "nothing is kept"


def test_what_is_found_goes_into_the_log_once_and_before_its_end(tmp_path: Path) -> None:
    folder = RunFolder.create(tmp_path, "run", 'data = "digits"\n')
    records = story(
        run=started(own=False, lr=2.0),
        loss=lambda step: 2.3 + 0.5 * step,
        rate=lambda _: 2.0,
        look=lambda step: sample(step, update_ratio=0.4),
    )
    with LiveDoctorWriter(folder) as writer:
        for record in records:
            writer.write(record)
    history = History(folder)
    history.poll()
    ids = [finding.id for finding in history.findings]
    assert ids[0] == "F01"
    assert len(ids) == len(set(ids))
    assert history.findings[0].cure["lr"] < 2.0
    last = folder.events.read_bytes().splitlines()[-1]
    assert json.loads(last)["type"] == "end"


def test_a_healthy_run_has_no_word_of_it(tmp_path: Path) -> None:
    folder = RunFolder.create(tmp_path, "run", 'data = "digits"\n')
    with LiveDoctorWriter(folder) as writer:
        for record in story():
            writer.write(record)
    history = History(folder)
    history.poll()
    assert [finding for finding in history.findings if finding.severity != "note"] == []


def test_where_the_trainer_has_said_where_it_came_from_it_is_not_said_again(tmp_path: Path) -> None:
    folder = RunFolder.create(tmp_path, "run", 'data = "digits"\n')
    records = story(loss=lambda step: learning(step) if step < 60 else None, ended=False, steps=70)
    with LiveDoctorWriter(folder) as writer:
        for record in records:
            writer.write(record)
        writer.write(Finding(step=60, id="not-finite", severity="stop", sentence="the output of fc1"))
        writer.write(RunEnded(time=2.0, step=60, status="diverged"))
    history = History(folder)
    history.poll()
    assert [finding.id for finding in history.findings] == ["not-finite"]


def test_a_doctor_that_fails_is_sent_away(tmp_path: Path) -> None:
    folder = RunFolder.create(tmp_path, "run", 'data = "digits"\n')
    with LiveDoctorWriter(folder) as writer:
        for record in story():
            if isinstance(record, Steps) and record.first == 100:
                record = msgspec.structs.replace(record, accuracy=[0.5] * 3)  # its columns do not fit together
            writer.write(record)
    history = History(folder)
    history.poll()
    assert history.steps_done == 300
    assert history.end is not None
    assert ["the doctor had to leave" in log.text for log in history.logs] == [True]


FIRST = 31


def in_the_run(folder: Path, recipe: Recipe) -> set[tuple[str, str]]:
    """(id, severity) of all that the doctor says of the same steps of a real run."""
    made = RunFolder.create(folder, "run", dumps(recipe))
    assert train_folder(made.path, Signals()) in (0, 1)
    doctor = Doctor()
    for line in made.events.read_bytes().splitlines():
        record = msgspec.json.decode(line, type=AnyRecord)
        if isinstance(record, Steps):
            left = FIRST - record.first
            if left > 0:
                lists = ("loss", "lr", "accuracy", "grad_norm", "seconds")
                doctor.take(msgspec.structs.replace(record, **{name: getattr(record, name)[:left] for name in lists}))
        elif isinstance(record, LayersSampled):
            if record.step < FIRST:
                doctor.take(record)
        elif isinstance(record, Facts):  # on a busy machine they may come with what the first evaluation shows
            unseen = {"validation_mean": None, "validation_std": None, "validation_mode": None}
            doctor.take(msgspec.structs.replace(record, **unseen))
        elif isinstance(record, RunStarted):
            doctor.take(record)
    doctor.update()
    return {(one.id, one.severity) for one in doctor.all}


TEXTURES = f"{sets.__name__}:textures"
AGREED = [
    {"optimizer": "adam", "lr": 0.1, "net": "fc32-relu-fc"},
    {"optimizer": "momentum", "lr": 0.4, "net": "(fc48-relu)*6-fc"},
    {"optimizer": "momentum", "lr": 3.0, "net": "fc64-relu-fc32-relu-fc"},
    {"optimizer": "momentum", "lr": 3.0, "clip": 0.01, "net": "fc64-relu-fc32-relu-fc"},
    {"optimizer": "sgd", "lr": 1e-6, "net": "fc32-relu-fc"},
    {"optimizer": "sgd", "lr": 0.1, "net": "conv8-bn-relu-fc", "batch_size": 4},
    {"optimizer": "adam", "lr": 0.01, "data": TEXTURES, "net": "conv8f5-relu-fc128-relu-fc"},
]


@pytest.mark.parametrize("fields", AGREED, ids=lambda fields: f"{fields['optimizer']}-{fields['lr']}-{fields['net']}")
def test_the_check_says_what_the_doctor_says_of_the_same_steps(
    fields: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watch_budget, "START", math.inf)  # which steps are sampled depends on how busy the machine is
    recipe = Recipe(**{"epochs": 2, "device": "cpu", "threads": 1, "weight_decay": 0.0, **fields})
    doctor = Doctor()
    with engines_within():
        precheck(recipe, doctor.take)
        doctor.update()
        assert {(one.id, one.severity) for one in doctor.all} == in_the_run(tmp_path, recipe)


def test_what_is_beyond_the_doctors_limit_gets_no_tick() -> None:
    """A ratio of 0.41 was ticked as "not too far", and nine steps later it was a fault of the run."""
    _, items = run_precheck(
        data=TEXTURES, net="conv8f5-relu-pool-conv32-relu-fc128-relu-fc", optimizer="adam", lr=0.01, weight_decay=0.0
    )
    moves = items["weights move, and not too far"]
    assert moves.mark == "doubt"
    assert "beyond 0.1" in moves.answer
    assert items["labels fit the images"].mark == "doubt", "near neighbours agree by chance: worth a note"


def test_a_warning_that_came_to_nothing_is_taken_back_in_the_log(tmp_path: Path) -> None:
    """A loss three times a guess for 30 steps, at a tenth too large a rate; then it learns all the same."""
    folder = RunFolder.create(tmp_path, "run", 'data = "digits"\n')
    records = story(
        run=started(own=False, lr=0.3),
        loss=lambda step: 7.0 if step < 30 else learning(step),
        rate=lambda _: 0.3,
        look=lambda step: sample(step, update_ratio=0.3 if step < 30 else 0.01),
    )
    with LiveDoctorWriter(folder) as writer:
        for record in records:
            writer.write(record)
    history = History(folder)
    history.poll()
    (finding,) = [finding for finding in history.findings if finding.severity != "note"]
    assert [finding.id in log.text and "takes back" in log.text for log in history.logs] == [True]
