"""The HTTP server of `cvtui serve`: one page, and one screen (a process of its own) for each browser that opens it.

textual-serve's server is made for a network where everyone is trusted: its socket takes any page's connection, and its
page asks another host for a font. A screen can run programs here (`--on-end`), so ours answers below a
secret path only, refuses other origins and has a page of its own, which asks for nothing elsewhere.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import logging
import secrets
import shlex
import signal
import socket
from collections.abc import Callable, Sequence
from pathlib import Path

from cvtui.errors import RequestError

try:
    from aiohttp import web
    from textual_serve.app_service import AppService
    from textual_serve.server import Server, to_int
except ImportError as error:
    raise RequestError(f"serve needs the package textual-serve ({error})", hint="pip install 'cvtui[serve]'") from None

PING_SECONDS = 15.0
PAGE = Path(__file__).with_name("page.html")
ELSEWHERE = "Nothing here: open the whole address that `cvtui serve` printed.\n"
HEADERS = {
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "default-src 'none'; script-src 'self' 'unsafe-inline'; "
    "style-src 'self' 'unsafe-inline'; font-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "frame-ancestors 'none'",
}


class ScreenServer:
    """Server whose page and socket lie below `/token/`; the screens behind the socket are textual-serve's."""

    def __init__(self, command: Sequence[str], token: str) -> None:
        self._command = shlex.join(command)
        self._screens = Server(self._command, title="cvtui")
        self.token = token

    def app(self) -> web.Application:
        """Return the application: page, socket, the page's files, and files that a screen hands out."""
        app = web.Application(middlewares=[web.middleware(_plainly)])
        app.on_response_prepare.append(_add_headers)
        app.add_routes(
            [
                web.get(f"/{self.token}/", self.page),
                web.get(f"/{self.token}/ws", self.screen),
                web.static(f"/{self.token}/static", self._screens.statics_path),
                web.get(
                    "/download/{key}", self._screens.handle_download
                ),  # where the page's script asks; the key is random
            ]
        )
        return app

    async def page(self, _: web.Request) -> web.StreamResponse:
        """Return the page."""
        return web.FileResponse(PAGE)

    async def screen(self, request: web.Request) -> web.StreamResponse:
        """Open a screen for a socket of our own page; another site's page is refused (403)."""
        origin = request.headers.get("Origin", "")
        if origin.partition("://")[2] != request.host:
            raise web.HTTPForbidden(text="Only the page of this server may connect.\n")
        return await self._show(request)

    async def _show(self, request: web.Request) -> web.WebSocketResponse:
        """Open a screen as `Server.handle_websocket` does, but take a page for gone only when its connection is.

        That one closes a page that answers no ping for 7.5 s: one that is busy drawing, or behind a slow line with
        megabytes ahead of the ping.
        """
        page = web.WebSocketResponse()
        await page.prepare(request)

        async def write(data: bytes) -> None:
            with contextlib.suppress(ConnectionError):  # the page is gone: go on reading, or the screen can't end
                await page.send_bytes(data)

        async def close() -> None:
            await page.close()

        screen = AppService(
            self._command,
            write_bytes=write,
            write_str=page.send_str,
            close=close,
            download_manager=self._screens.download_manager,
        )
        width, height = (to_int(request.query.get(name, ""), usual) for name, usual in (("width", 80), ("height", 24)))
        await screen.start(width, height)
        pings = asyncio.create_task(_ping(page))
        try:
            await self._screens._process_messages(page, screen)
        finally:
            pings.cancel()
            await screen.stop()
        return page


async def _ping(page: web.WebSocketResponse) -> None:
    """Keep the connection in use, so that nothing between here and the page closes it as idle, and a cut is noticed."""
    with contextlib.suppress(ConnectionError):
        while True:
            await asyncio.sleep(PING_SECONDS)
            await page.ping()


async def _plainly(
    request: web.Request, handler: Callable[[web.Request], asyncio.Future[web.StreamResponse]]
) -> web.StreamResponse:
    try:
        return await handler(request)
    except web.HTTPNotFound:
        raise web.HTTPNotFound(text=ELSEWHERE) from None


async def _add_headers(_: web.Request, response: web.StreamResponse) -> None:
    response.headers.update(HEADERS)


def serve(command: Sequence[str], host: str, port: int, told: Callable[[str], None]) -> None:
    """Serve screens that `command` opens, until SIGINT, SIGTERM or SIGHUP; `told` is given the address once it is open.

    port: 0 takes a free one. RequestError where host or port can't be had.
    """
    logging.getLogger("textual-serve").setLevel(logging.CRITICAL)  # a screen's own words come to stdout
    asyncio.run(_serve(ScreenServer(command, secrets.token_urlsafe(16)), host, port, told))


async def _serve(server: ScreenServer, host: str, port: int, told: Callable[[str], None]) -> None:
    ended = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        asyncio.get_running_loop().add_signal_handler(number, ended.set)
    runner = web.AppRunner(server.app(), access_log=None, shutdown_timeout=2.0)
    await runner.setup()
    try:
        try:
            await web.TCPSite(runner, host, port).start()
        except OSError as error:
            raise _refusal(error, host, port) from None
        told(f"http://{_named(host)}:{runner.addresses[0][1]}/{server.token}/")
        await ended.wait()
    finally:
        await runner.cleanup()


def _refusal(error: OSError, host: str, port: int) -> RequestError:
    if error.errno == errno.EADDRINUSE:
        return RequestError(f"--port {port} is taken", hint="give another one, or --port 0 for any that is free")
    if error.errno == errno.EACCES:
        return RequestError(f"--port {port} may not be opened", hint="give one above 1023")
    what = error.strerror or str(error)
    return RequestError(f"--host {host} can't be listened at: {what}", hint="127.0.0.1 is this machine alone")


def _named(host: str) -> str:
    """Return the name by which a browser reaches `host`: of a listener at all addresses, this machine's."""
    if host in ("0.0.0.0", "::", ""):
        return socket.gethostname()
    return f"[{host}]" if ":" in host else host


def is_loopback(host: str) -> bool:
    """Return True if only this machine reaches `host`."""
    return host in ("localhost", "::1") or host.startswith("127.")
