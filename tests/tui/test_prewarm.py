"""What the form's client writes to the engine that it has warmed: a small process that repeats it stands in here."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from pathlib import Path

from cvtui.recipe.datasets.folder_listing import WORTH
from cvtui.recipe.recipe import Recipe
from cvtui.recipe.validation import check
from cvtui.runlog.folder import RunFolder
from cvtui.tui.prewarm import PrewarmedEngine

ECHO = [sys.executable, "-S", "-c", "import sys\nfor line in sys.stdin: print(line, end='', flush=True)"]


def pets(place: Path) -> None:
    for name in ("cat", "dog"):
        (place / "pets" / name).mkdir(parents=True)
        for number in range(WORTH // 2):
            (place / "pets" / name / f"{number}.jpg").touch()


def test_the_listing_of_a_large_folder_goes_with_question_and_start(tmp_path: Path) -> None:
    pets(tmp_path)

    async def asked() -> None:
        changed = asyncio.Event()
        engine = PrewarmedEngine(changed.set, ECHO)
        engine.start()
        files = []
        for data in (f"folder:{tmp_path / 'pets'}", "digits"):
            recipe = check(Recipe(data=data, net="fc", size="8" if data != "digits" else "")).recipe
            engine.predict(recipe)
            while engine.answered != recipe:
                changed.clear()
                await asyncio.wait_for(changed.wait(), 60)
            assert engine.answer is not None
            assert engine.answer["predict"]["data"] == data
            files.append(engine.answer.get("listing", ""))
        assert os.path.getsize(files[0]) > WORTH
        assert files[1] == ""
        engine.close()
        assert not os.path.exists(files[0]), "which this process did not take"

    asyncio.run(asked())


def test_a_start_hands_it_on_too(tmp_path: Path) -> None:
    """The process writes down what it got, and ends."""
    pets(tmp_path)
    told = tmp_path / "told.json"
    script = (
        "import sys, json, os\n"
        "x = json.loads(sys.stdin.readline())\n"
        "x['size'] = os.path.getsize(x['listing'])\n"
        f"open({str(told)!r}, 'w').write(json.dumps(x))"
    )
    recipe = check(Recipe(data=f"folder:{tmp_path / 'pets'}", net="fc", size="8")).recipe

    async def started() -> None:
        engine = PrewarmedEngine(lambda: None, [sys.executable, "-S", "-c", script])
        engine.start()
        await engine.train(RunFolder.create(tmp_path / "runs", "a", ""), recipe)

    asyncio.run(started())
    found = json.loads(told.read_text())
    assert found["start"] == str(tmp_path / "runs" / "a")
    assert found["size"] > WORTH
    assert not os.path.exists(found["listing"])
