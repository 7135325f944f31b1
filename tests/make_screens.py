"""The pictures of README and docs/browser.md, drawn from a real run: `python -m tests.make_screens [RUN_FOLDER]`.

Without a folder, the default recipe is trained first. Writes assets/screen.svg, and assets/browser.png where there is a
Chromium.
"""

from __future__ import annotations

import asyncio
import os
import re
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

from cvtui.own_python import own_module
from cvtui.recipe.recipe import Recipe
from cvtui.recipe.toml import dumps
from cvtui.runlog.folder import RunFolder
from cvtui.runlog.worker_process import launch
from cvtui.tui.app import CvtuiApp
from cvtui.tui.train import LiveView
from tests.serve.chromium import CHROMIUM, page_at
from tests.waiting import wait_until, wait_until_async

ASSETS = Path(__file__).resolve().parent.parent / "assets"
SIZE = (150, 42)
PIXELS = (1400, 900)


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


async def browser_picture(run: Path, base: Path) -> None:
    """Write what Chromium shows of the same place under `cvtui serve`."""
    words = ("cvtui", "serve", run.name, "--runs", str(run.parent), "--port", "0")
    with (base / "told").open("w") as told:
        server = subprocess.Popen(own_module(*words), stdin=subprocess.DEVNULL, stdout=told)
    try:
        address = wait_until(lambda: re.findall(r"http\S+/\n", (base / "told").read_text()), what="its address")[0]
        async with page_at(address.strip(), base / "profile", *PIXELS) as page:
            await page.shows("finished at step")
            await page.picture(ASSETS / "browser.png")
    finally:
        server.send_signal(signal.SIGINT)
        server.wait()


def draw(run: Path, base: Path) -> None:
    """Write both pictures."""
    (ASSETS / "screen.svg").write_text(asyncio.run(picture(run)), encoding="utf-8")
    if CHROMIUM:
        asyncio.run(browser_picture(run, base))


def main() -> None:
    os.environ["XDG_CONFIG_HOME"] = tempfile.mkdtemp()  # the pictures do not depend on who draws them
    with tempfile.TemporaryDirectory() as base:
        draw(Path(sys.argv[1]) if len(sys.argv) > 1 else trained(Path(base)), Path(base))
    print(ASSETS)


if __name__ == "__main__":
    main()
