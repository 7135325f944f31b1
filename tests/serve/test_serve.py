"""`cvtui serve`: a page below a secret path, for its own page alone, and the screen in a real Chromium."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cvtui.own_python import own_module
from cvtui.recipe.recipe import Recipe
from cvtui.recipe.toml import dumps
from cvtui.runlog.folder import RunFolder
from tests.serve.chromium import CHROMIUM, page_at
from tests.waiting import wait_until, wait_until_async

aiohttp = pytest.importorskip("aiohttp", reason="needs the extra serve")
pytest.importorskip("textual_serve", reason="needs the extra serve")

from aiohttp import web  # noqa: E402

from cvtui.serve.server import ScreenServer  # noqa: E402


@contextlib.contextmanager
def served(base: Path, *words: str) -> Iterator[str]:
    """Start the command; yield the address that it prints; ended by ctrl+c, which is its exit code 0."""
    command = own_module("cvtui", "serve", "--port", "0", "--runs", str(base), *words)
    with (base / "told").open("w") as told:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=told, stderr=told)
    try:
        yield wait_until(lambda: re.findall(r"http\S+/\n", (base / "told").read_text()), what="its address")[0].strip()
    finally:
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 0


async def test_only_the_secret_path_and_only_its_own_page(tmp_path: Path) -> None:
    with served(tmp_path) as address:
        host = address.split("/")[2]
        assert host.startswith("127.0.0.1:")
        async with aiohttp.ClientSession() as session:
            for path in ("/", "/ws", "/static/js/textual.js", "/x/", address.split("/")[3].lower() + "/ws"):
                answer = await session.get(f"http://{host}/{path.lstrip('/')}")
                assert (answer.status, "cvtui serve" in await answer.text()) == (404, True), path
            page = await session.get(address)
            assert page.status == 200
            assert "default-src 'none'" in page.headers["Content-Security-Policy"]
            assert page.headers["Cache-Control"] == "no-store"
            assert "//" not in (await page.text()).replace("<!DOCTYPE", "").split("<script>")[0]  # nothing elsewhere
            for origin in ("http://elsewhere.example", f"http://{host}.elsewhere.example", ""):
                with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
                    await session.ws_connect(address + "ws", headers={"Origin": origin})
                assert refused.value.status == 403


FRAMES = """
import os, pathlib, select, sys
out, told = sys.stdout.buffer, sys.stdin.buffer.raw
pathlib.Path(sys.argv[1]).write_text(str(os.getpid()))
out.write(b"__GANGLION__\\n")
while not (select.select([told], [], [], 0.001)[0] and b"quit" in told.read(1000)):
    out.write(b"D" + (60_000).to_bytes(4, "big") + bytes(60_000))
for _ in range(50):
    out.write(b"D" + (60_000).to_bytes(4, "big") + bytes(60_000))
out.flush()
"""
"""A program that draws without a pause, and at its end what fills every buffer on the way."""


def is_alive(process: int) -> bool:
    with contextlib.suppress(ProcessLookupError):
        os.kill(process, 0)
        return True
    return False


async def test_a_page_slow_to_answer_stays_open_and_one_cut_off_ends_its_screen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    server = ScreenServer([sys.executable, "-c", FRAMES, str(tmp_path / "screen")], "token")
    runner = web.AppRunner(server.app(), shutdown_timeout=2.0)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    origin = f"http://127.0.0.1:{runner.addresses[0][1]}"
    loop = asyncio.get_running_loop()
    now, later = loop.time, 0.0
    monkeypatch.setattr(loop, "time", lambda: now() + later)
    async with aiohttp.ClientSession() as session:
        page = await session.ws_connect(f"{origin}/token/ws", headers={"Origin": origin}, autoping=False)
        await page.receive()  # the screen draws
        for _ in range(3):
            later += 60.0  # a minute passes at once
            while (message := await page.receive()).type is aiohttp.WSMsgType.BINARY:
                pass
            assert message.type is aiohttp.WSMsgType.PING  # and is not answered
        page._response.connection.transport.abort()  # a closed tab, its line cut
        screen = int((tmp_path / "screen").read_text())
        await wait_until_async(lambda: not is_alive(screen), what="end of the screen")
    await runner.cleanup()
    assert not caplog.records


def test_a_port_that_is_taken(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        done = subprocess.run(
            own_module("cvtui", "serve", "--port", port), capture_output=True, text=True, check=False, cwd=tmp_path
        )
    assert done.returncode == 2
    assert f"--port {port} is taken" in done.stderr
    assert "--port 0" in done.stderr


@pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium")
async def test_keys_mouse_size_colours_copy_and_quit_in_chromium(tmp_path: Path) -> None:
    folder = RunFolder.create(tmp_path, "looked-at", dumps(Recipe(net="conv8f5-relu-pool-fc", epochs=1, threads=1)))
    subprocess.run(own_module("cvtui.engine", str(folder.path)), check=True, stdin=subprocess.DEVNULL)
    with served(tmp_path, "looked-at") as address:
        async with page_at(address, tmp_path / "profile") as page:
            await page.shows("looked-at")
            await page.shows("[\u2801-\u28ff]{3}")  # a curve
            assert {url.split("/")[2] for url in page.asked if "//" in url} == {address.split("/")[2]}
            assert re.search(rb"\x1b\[[\d;]*38;2;\d+;\d+;\d+", page.received)  # its own colours, not a terminal's 16

            await page.press("i")  # without a click first
            await page.shows("other pictures")
            await page.picture(tmp_path / "shown.png")
            with Image.open(tmp_path / "shown.png") as shown:
                darkest = np.asarray(shown.convert("RGB")).min(2)
                assert (darkest == 255).mean() > 0.02  # the strokes of digits, in half blocks
            await page.press("Escape", "Escape", 27)
            await page.shows("monitoring overhead")
            await page.press("4", "Digit4")
            await page.shows("looked-at")
            line, column = await page.shows("2 Calc")
            await page.drag(line, column, column)
            await page.shows("layer")

            columns = page.terminal.columns
            await page.resize(1000, 700)
            await page.until(lambda: page.terminal.columns < columns, "smaller terminal")
            await page.shows("F9 Keys")  # the footer again

            await page.do("Browser.grantPermissions", permissions=["clipboardReadWrite", "clipboardSanitizedWrite"])
            line, column = await page.shows("of all possible connections")
            await page.drag(line, column, column + 5)
            await page.press("c", ctrl=True)
            await page.until(lambda: b"]52;c;b2YgYWxs" in page.received, "copied text")
            assert await page.value("navigator.clipboard.readText()") == "of all"

            await page.press("q", ctrl=True)
            wait = await page.value(
                "new Promise(end => { const look = () => document.body.classList.contains('-closed')"
                " ? end('closed') : setTimeout(look, 20); look(); })"
            )
            assert wait == "closed"
