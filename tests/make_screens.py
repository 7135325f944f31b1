"""README's picture, drawn from a real run: `python -m tests.make_screens [RUN_FOLDER]`.

Without a folder, the default recipe is trained first. Writes assets/screen.svg.
"""

from __future__ import annotations

import asyncio
import os
import sys
import tempfile
from pathlib import Path

from cvtui.recipe.recipe import Recipe
from cvtui.recipe.toml import dumps
from cvtui.runlog.folder import RunFolder
from cvtui.runlog.worker_process import launch
from cvtui.tui.app import CvtuiApp
from cvtui.tui.train import LiveView
from tests.waiting import wait_until_async

PICTURE = Path(__file__).resolve().parent.parent / "assets" / "screen.svg"
SIZE = (150, 42)


def trained(base: Path) -> Path:
    """Train a run of the default recipe."""
    recipe = Recipe(name="digits")
    folder = RunFolder.create(base, recipe.name, dumps(recipe))
    assert launch(folder, detached=False).wait() == 0, folder.log.read_text()
    return folder.path


async def picture(run: Path) -> str:
    """Draw the Train place with that run, as SVG."""
    app = CvtuiApp(runs=run.parent, attach=run)
    async with app.run_test(size=SIZE) as pilot:
        await wait_until_async(lambda: list(app.screen.query(LiveView)), 30, "the view of the run")
        view = app.screen.query_one(LiveView)
        await wait_until_async(lambda: view.history.end is not None, 30, "the whole history")
        await pilot.pause()
        return app.export_screenshot(title="cvtui")


def main() -> None:
    os.environ["XDG_CONFIG_HOME"] = tempfile.mkdtemp()  # the picture does not depend on who draws it
    if len(sys.argv) > 1:
        svg = asyncio.run(picture(Path(sys.argv[1])))
    else:
        with tempfile.TemporaryDirectory() as base:
            svg = asyncio.run(picture(trained(Path(base))))
    PICTURE.write_text(svg, encoding="utf-8")
    print(PICTURE)


if __name__ == "__main__":
    main()
