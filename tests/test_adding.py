"""docs/adding.md: each diff fits this checkout, touches as few files as it says, and what it adds works.

Another kind of thing is added here by its section in the document, its number of files in `FILES`, and a script in
`USES`, which runs in a process of its own over the changed copy.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

import cvtui

PACKAGE = Path(cvtui.__file__).parent
DOCUMENT = PACKAGE.parent / "docs" / "adding.md"
TESTS = Path(__file__).resolve().parent

FILES = {"A schedule": 1, "An optimizer": 2, "A data source": 4, "A pane": 2, "A doctor rule": 2}
"""Section -> files that it may touch."""

TOGETHER = (("A schedule", "An optimizer", "A data source"), ("A pane",), ("A doctor rule",))
"""Sections that are tried in one copy and one process: what trains loads PyTorch, which is half of its time."""

COMMON = """
import contextlib, io, sys
from pathlib import Path
import cvtui
assert Path(cvtui.__file__).parent == Path("cvtui").absolute(), cvtui.__file__
from cvtui.cli.main import main
from cvtui.recipe.fields import FIELDS
from cvtui.recipe.recipe import Recipe
from cvtui.recipe.toml import dumps, loads
from cvtui.recipe.validation import check
from cvtui.tui.form.field_text import join_text, parameters_hint, split_text, summaries
from cvtui.engine.runtime.fast_start import end, loading

def printed(*words):
    with contextlib.redirect_stdout(io.StringIO()) as out, contextlib.suppress(SystemExit):
        main(list(words))
    return " ".join(out.getvalue().split())

def in_form(name, text, parts, hint):
    field = FIELDS[name]
    assert parts[0] in summaries(field)
    assert parameters_hint(field, parts[0]) == hint
    assert split_text(field, text) == parts
    assert join_text(field, *parts) == text

def trained(**changes):
    "(rate, loss) of each step of one epoch, by the engine."
    recipe = Recipe(**{"net": "fc8-relu-fc", "epochs": 1, "batch_size": 32, "threads": 1, "device": "cpu", **changes})
    assert loads(dumps(recipe)) == recipe
    global torch
    with loading():  # a third of the time
        import torch
    from cvtui.engine.train.preparation import prepare
    training, steps = prepare(check(recipe)), []
    for images in training.batches(1):
        rate = training.update_lr()
        loss = training.loss(training.model(training.preprocess(images.pixels)), images.labels)
        training.optimizer.zero_grad()
        loss.backward()
        training.optimizer.step()
        training.step += 1
        steps.append((rate, loss.item()))
    return training, steps
"""

END = """
end(0)  # without tearing down PyTorch, half a second
"""

USES = {
    "A schedule": (
        """
recipe = Recipe(schedule="polynomial(3)", epochs=2, lr=0.1)
checked = check(recipe)
total = checked.total_steps
assert checked.schedule.describe() == f"falls from 0.1 with (1 − t/T)^3 to 0 at step {total}"
help = printed("--help")
assert "polynomial(power=2) a power of the straight line down to 0" in help
assert "polynomial" in FIELDS["schedule"].doc
in_form("schedule", "polynomial(3)", ("polynomial", "3"), "power=2")
for wrong in ("polynomial(0)", "polynomal"):
    try: FIELDS["schedule"].check(wrong, "--schedule")
    except Exception as error: print(error.message)
    else: raise AssertionError(wrong)
""",
        """
training, steps = trained(schedule="polynomial(3)", limit=320, lr=0.1, optimizer="sgd")
plain = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.1)
oracle = torch.optim.lr_scheduler.PolynomialLR(plain, total_iters=10, power=3)
for rate, _ in steps:
    assert abs(rate - plain.param_groups[0]["lr"]) < 1e-12
    plain.step(); oracle.step()
assert len(steps) == 10
""",
    ),
    "An optimizer": (
        """
from cvtui.calc import trace
from cvtui.calc.net.parser import parse
from cvtui.calc.memory import training_memory
from cvtui.doctor.catalogue import ADAPTIVE, TYPICAL_RATES
from cvtui.recipe.memory_check import memory_need
from cvtui.recipe.toml import override
changed = override(Recipe(), {"optimizer": "adamax(beta1=0.8)"})
assert changed.weight_decay == 5e-4, "the usual decay comes with it"
checked = check(changed)
assert checked.optimizer.values == {"beta1": 0.8, "beta2": 0.999, "eps": 1e-8}
assert memory_need(checked).optimizer == 2 * 4 * checked.table.parameters
assert "adamax" in ADAPTIVE and TYPICAL_RATES["adamax"] == 2e-3
assert "adamax(beta1=0.9, beta2=0.999, eps=1e-08) Adam divided by" in printed("--help")
assert "adamax" in printed("calc", "fc", "--input", "8x8x1", "--batch", "32")
in_form("optimizer", "adamax(0.8)", ("adamax", "0.8"), "beta1=0.9, beta2=0.999, eps=1e-08")
""",
        """
training, steps = trained(optimizer="adamax(beta1=0.8)", lr=0.01, weight_decay=5e-4, schedule="constant", limit=320)
assert steps[-1][1] < steps[0][1]
held = [value for state in training.optimizer.state.values() for value in state.values() if value.dim()]
assert sum(value.numel() for value in held) == 2 * training.checked.table.parameters
inner = training.optimizer.parts[0]
assert isinstance(inner, torch.optim.Adamax) and inner.defaults["betas"] == (0.8, 0.999)
before = [p.clone() for p in training.model.parameters()]
training.optimizer.found_inf = torch.ones(())
training.optimizer.step()
assert all(map(torch.equal, before, training.model.parameters())), "an update that is left out changes nothing"
""",
    ),
    "A data source": (
        """
import numpy as np
random = np.random.default_rng(0)
labels = np.arange(120) % 3
images = random.integers(0, 80, (120, 6, 6, 1), dtype=np.uint8) + (70 * labels[:, None, None, None]).astype(np.uint8)
Path("set").mkdir()
np.save("set/images.npy", images)
np.save("set/labels.npy", labels)
data = check(Recipe(data="arrays:set", only="0,2", batch_size=8)).data
assert (data.size, data.classes, data.train + data.validation) == ((6, 6, 1), ("0", "2"), 80)
assert "arrays:PATH" in printed("--help") and "arrays:PATH" in FIELDS["data"].doc
in_form("data", "arrays:set", ("arrays", "set"), "pictures")
for wrong, words in (("arrays:", "arrays:pictures"), ("nowhere", "arrays:PATH"), ("n-z:x", "arrays:PATH nor package")):
    try: FIELDS["data"].check(wrong, "--data")
    except Exception as error: assert words in error.message, error.message
    else: raise AssertionError(wrong)
""",
        """
training, steps = trained(data="arrays:set", only="0,2", batch_size=8, lr=0.01, optimizer="adam", weight_decay=0)
assert training.data.classes == ("0", "2")
assert steps[-1][1] < steps[0][1]
found = training.data.train.part(0, training.data.train.size)
kept = labels != 1
assert torch.equal(found.pixels, torch.from_numpy(images[kept & (np.arange(120) % 5 != 0)]))
shown = printed("data", "arrays:set")
assert "images of two NumPy files" in shown and "96 to train on, 24 for validation" in shown, shown
""",
    ),
    "A pane": (
        """
import asyncio
from cvtui.tui.app import CvtuiApp
from cvtui.tui.train import LiveView
from tests.waiting import wait_until_async

async def screen(width, height):
    app = CvtuiApp(attach=Path("recorded"), prewarm=False)
    async with app.run_test(size=(width, height)) as pilot:
        await wait_until_async(lambda: list(app.screen.query(LiveView)), what="the run")
        live = app.screen.query_one(LiveView)
        await wait_until_async(lambda: live.history.end is not None, what="its log")
        while live.grid.current != "throughput":
            await pilot.press("tab")
        await pilot.pause()
        return "\\n".join(strip.text for strip in app.screen._compositor.render_strips())

for size in ((80, 24), (160, 45)):
    shown = asyncio.run(screen(*size))
    assert "Throughput" in shown, shown
    assert " images/s" in shown.partition("epoch 1: ")[2].partition("\\n")[0], shown
""",
        "",
    ),
    "A doctor rule": (
        """
import json
found = {one["id"]: one for one in json.loads(printed("doctor", "recorded", "--json"))["findings"]}
assert list(found) == ["F99"], "nothing else is wrong with the run"
assert found["F99"]["sentence"] == "The run ended after 6 epochs."
assert [found["F99"][name] for name in ("name", "severity", "threshold")] == ["short run", "note", 10]
""",
        "",
    ),
}
"""Section -> (what is asked, what trains). The folder `recorded` is a run of six epochs."""


class Hunk(NamedTuple):
    """One change of a file: lines that stand there, lines that stand there afterwards."""

    path: str
    before: str
    after: str


def sections() -> dict[str, list[Hunk]]:
    """Return the diffs of the document, by heading."""
    text = DOCUMENT.read_text(encoding="utf-8")
    parts = re.split(r"^## (.+)$", text, flags=re.MULTILINE)
    return {
        heading: [hunk for block in re.findall(r"^```diff\n(.*?)^```$", body, re.DOTALL | re.MULTILINE)
                  for hunk in hunks(block)]
        for heading, body in zip(parts[1::2], parts[2::2], strict=True)
    }  # fmt: skip


def hunks(block: str) -> Iterator[Hunk]:
    head, *changes = re.split(r"^@@.*\n", block, flags=re.MULTILINE)
    path = re.search(r"^\+\+\+ b/(.+)$", head, re.MULTILINE)
    assert path is not None, head
    for change in changes:
        lines = [line or " " for line in change.splitlines()]
        assert {line[0] for line in lines} <= {" ", "+", "-"}, change
        before, after = ("".join(f"{line[1:]}\n" for line in lines if line[0] in signs) for signs in (" -", " +"))
        yield Hunk(path[1], before, after)


def apply(hunk: Hunk, root: Path) -> None:
    path = root / hunk.path
    if not hunk.before:
        assert not path.exists(), f"{hunk.path} is there already"
        path.write_text(hunk.after, encoding="utf-8")
        return
    text = path.read_text(encoding="utf-8")
    assert text.count(hunk.before) == 1, f"{hunk.path} has {text.count(hunk.before)} places for\n{hunk.before}"
    path.write_text(text.replace(hunk.before, hunk.after), encoding="utf-8")


def test_every_section_is_tried() -> None:
    assert list(sections()) == list(FILES) == list(USES) == [heading for some in TOGETHER for heading in some]


@pytest.mark.torch  # on README's Python alone, and with what trains
@pytest.mark.parametrize("headings", TOGETHER, ids=", ".join)
def test_what_the_document_adds_works(headings: tuple[str, ...], tmp_path: Path) -> None:
    """Sections of one copy touch no file of each other: each fits this checkout by itself."""
    added = {heading: sections()[heading] for heading in headings}
    paths = [{change.path for change in changes} for changes in added.values()]
    assert [len(some) for some in paths] == [FILES[heading] for heading in headings]
    assert len(set.union(*paths)) == sum(map(len, paths))
    shutil.copytree(PACKAGE, tmp_path / "cvtui")
    if (PACKAGE.parent / "assets").exists():  # a checkout; in an installed package they lie inside it
        (tmp_path / "assets").symlink_to(PACKAGE.parent / "assets")
    shutil.copytree(TESTS / "recordings" / "digits", tmp_path / "recorded")
    for changes in added.values():
        for change in changes:
            apply(change, tmp_path)
    script = COMMON + "".join(part for heading in headings for part in USES[heading]) + END
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=tmp_path,
        env={
            **os.environ,
            "PYTHONPATH": f"{tmp_path}{os.pathsep}{TESTS.parent}",
            "XDG_CACHE_HOME": str(tmp_path / "cache"),
            "XDG_CONFIG_HOME": str(tmp_path / "settings"),
        },
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
