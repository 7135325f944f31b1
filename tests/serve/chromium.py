"""A headless Chromium, driven over its debugging socket."""

from __future__ import annotations

import base64
import contextlib
import itertools
import json
import re
import shutil
import subprocess
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any, TypeVar

import pyte

from tests.waiting import wait_until

T = TypeVar("T")
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")

_QUIET = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync", "--remote-debugging-port=0",
)  # fmt: skip


class Page:
    """One page: its keys, mouse, size, script and picture, and the terminal whose bytes reach it."""

    def __init__(self, socket: Any) -> None:
        self._socket = socket
        self._ids = itertools.count(1)
        self.asked: list[str] = []
        """The addresses that the page has asked for."""
        self.received = b""
        """What the screen has sent."""
        self.terminal = pyte.Screen(80, 24)
        self._stream = pyte.ByteStream(self.terminal)

    def _take(self, method: str, told: dict[str, Any]) -> None:
        if method == "Network.requestWillBeSent":
            self.asked.append(told["request"]["url"])
        elif method == "Network.webSocketCreated":
            self.asked.append(told["url"])
        elif method == "Network.webSocketFrameSent":
            kind, *words = json.loads(told["response"]["payloadData"])
            if kind == "resize":
                self.terminal.resize(words[0]["height"], words[0]["width"])
        elif method == "Network.webSocketFrameReceived" and told["response"]["opcode"] == 2:
            data = base64.b64decode(told["response"]["payloadData"])
            self.received += data
            self._stream.feed(data)

    async def until(self, look: Callable[[], T | None], what: str) -> T:
        """Return the first true value of `look`; what comes from the page meanwhile is read."""
        deadline = time.monotonic() + 30
        while not (found := look()):
            assert time.monotonic() < deadline, f"no {what} in\n" + "\n".join(self.terminal.display)
            await self.value("0")
        return found

    async def shows(self, pattern: str) -> tuple[int, int]:
        """Wait until a line of the terminal matches; return its number, and where in it."""

        def look() -> tuple[int, int] | None:
            found = ((at, re.search(pattern, line)) for at, line in enumerate(self.terminal.display))
            return next(((at, match.start()) for at, match in found if match), None)

        return await self.until(look, repr(pattern))

    async def at(self, line: int, column: int) -> tuple[float, float]:
        """Return the pixels of the middle of a cell."""
        box = await self.value(
            "(({width, height}) => [width, height])(document.querySelector('.xterm-screen').getBoundingClientRect())"
        )
        return (column + 0.5) * box[0] / self.terminal.columns, (line + 0.5) * box[1] / self.terminal.lines

    async def do(self, method: str, **words: Any) -> dict[str, Any]:
        """Send a command of the protocol; return its result."""
        number = next(self._ids)
        await self._socket.send_json({"id": number, "method": method, "params": words})
        while True:
            message = await self._socket.receive_json()
            self._take(message.get("method", ""), message.get("params", {}))
            if message.get("id") == number:
                assert "error" not in message, message
                result: dict[str, Any] = message["result"]
                return result

    async def value(self, script: str) -> Any:
        """Return the value of a line of JavaScript."""
        found = await self.do("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in found, found
        return found["result"].get("value")

    async def press(self, key: str, code: str = "", number: int = 0, *, ctrl: bool = False) -> None:
        """Press a key: a character, or a name with its code and number."""
        words: dict[str, Any] = {"key": key, "code": code or f"Key{key.upper()}", "modifiers": 2 if ctrl else 0}
        words["windowsVirtualKeyCode"] = number or ord(key.upper()[0])
        text = {"text": key} if len(key) == 1 and not ctrl else {}
        await self.do("Input.dispatchKeyEvent", type="keyDown", **words, **text)
        await self.do("Input.dispatchKeyEvent", type="keyUp", **words)

    async def drag(self, line: int, column: int, to_column: int) -> None:
        """Press the left button on a cell, move along its line, let it go; on the same cell: a click."""
        for kind, where in (("mousePressed", column), ("mouseMoved", to_column), ("mouseReleased", to_column)):
            x, y = await self.at(line, where)
            await self.do("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", buttons=1, clickCount=1)

    async def resize(self, width: int, height: int) -> None:
        """Give the page another size in pixels."""
        await self.do(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False
        )

    async def picture(self, at: Path) -> None:
        """Write what the page shows as a PNG."""
        at.write_bytes(base64.b64decode((await self.do("Page.captureScreenshot"))["data"]))


@contextlib.asynccontextmanager
async def page_at(address: str, profile: Path, width: int = 1400, height: int = 900) -> AsyncIterator[Page]:
    """Open Chromium on a page; closed at the end."""
    import aiohttp

    assert CHROMIUM
    chromium = subprocess.Popen(
        [CHROMIUM, *_QUIET, f"--user-data-dir={profile}", "about:blank"],
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        told = profile / "DevToolsActivePort"
        wait_until(lambda: told.exists() and told.read_text().count("\n") == 1, what="Chromium's debugging port")
        port = told.read_text().split()[0]
        async with aiohttp.ClientSession() as session:
            found = await (await session.get(f"http://127.0.0.1:{port}/json")).json()
            first = next(tab for tab in found if tab["type"] == "page")
            async with session.ws_connect(first["webSocketDebuggerUrl"], max_msg_size=0) as socket:
                page = Page(socket)
                await page.resize(width, height)
                for domain in ("Page", "Network", "Runtime"):
                    await page.do(f"{domain}.enable")
                await page.do("Page.navigate", url=address)
                yield page
    finally:
        chromium.kill()
        chromium.wait()
