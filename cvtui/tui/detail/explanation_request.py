"""Request explanations of a validation image (`v` among the feature maps) from a process of their own."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import msgspec

from cvtui.draw.overlay import picture_of
from cvtui.errors import RequestError
from cvtui.runlog.explanation import METHODS, Explained, Request, check_captum, decode
from cvtui.runlog.worker_process import explain_command
from cvtui.text import clean, percent
from cvtui.tui.child_process import ChildProcess

if TYPE_CHECKING:
    from cvtui.runlog.folder import RunFolder
    from cvtui.tui.detail.raster_view import Image

DEBOUNCE_SECONDS = 0.25
KEPT = 32
"""Explanations that are kept."""

Key = tuple[int, str, str]
"""Validation image, layer, method."""


class ExplanationRequest:
    """Requests one explanation at a time, the latest asked for, and keeps the answers."""

    def __init__(self, folder: RunFolder) -> None:
        self.folder = folder
        self.method = ""
        """Of METHODS; "": the feature maps themselves are shown."""
        self.message = ""
        self.key: Key | None = None
        self._found: dict[Key, Explained] = {}
        self._failed: dict[Key, str] = {}
        self._not_before = 0.0
        self._process: ChildProcess | None = None
        self._running: Key | None = None

    def next_method(self, has_maps: bool) -> None:
        """Turn to the next method, after the last to none; Grad-CAM needs maps, saliency is for nets without."""
        self._failed.clear()  # a checkpoint may have come meanwhile
        methods = ["", *(name for name in METHODS if name != ("saliency" if has_maps else "gradcam"))]
        place = methods.index(self.method) if self.method in methods else 0
        self.method = methods[(place + 1) % len(methods)]

    def want(self, image: int, layer: str) -> None:
        """Ask for the method's explanation of this image; only Grad-CAM looks at the layer."""
        key = (image, layer if self.method == "gradcam" else "", self.method)
        if self.method and key != self.key:
            self.key, self._not_before = key, time.monotonic() + DEBOUNCE_SECONDS

    @property
    def found(self) -> Explained | None:
        return self._found.get(self.key) if self.key is not None and self.method else None

    @property
    def words(self) -> str:
        """Why nothing is shown yet; "" where something is."""
        if self.key is None or self.found is not None:
            return ""
        return self._failed.get(self.key, "explaining…")

    def tick(self) -> None:
        """Poll the process; start one for what is wanted and not there."""
        if self._process is not None:
            if self._process.code is not None:
                self._take(self._process)
            elif self._running != self.key:
                self.close()  # another is wanted meanwhile
        key = self.key
        due = self._process is None and self.method and time.monotonic() >= self._not_before
        if due and key is not None and key not in self._found and key not in self._failed:
            self._start(key)

    def _start(self, key: Key) -> None:
        image, layer, method = key
        try:
            check_captum()
        except RequestError as error:
            self._failed[key] = f"{error.message}: {error.hint}"
            return
        command, environment = explain_command(self.folder, Request(number=image, layer=layer, method=method))
        try:
            self._process = ChildProcess(command, environment)
            self._running = key
        except OSError as error:
            self._failed[key] = error.strerror or str(error)

    def _take(self, process: ChildProcess) -> None:
        assert self._running is not None
        try:
            found = decode(process.read())
            while len(self._found) >= KEPT:
                self._found.pop(next(iter(self._found)))
            self._found[self._running] = found
        except msgspec.MsgspecError:
            self._failed[self._running] = process.why_ended
        self.close()

    def close(self) -> None:
        """End the process, if there is one."""
        if self._process is not None:
            self._process.close()
        self._process = self._running = None


def explained_picture(found: Explained) -> Image | None:
    """Return the picture; None for one that can't be read."""
    try:
        return picture_of(found)
    except (OSError, ValueError, SyntaxError):
        return None


def title_of(method: str, found: Explained | None, image: int) -> str:
    """`Grad-CAM of conv2: cat 93 %, validation image 3`."""
    name = METHODS[method].partition(":")[0]
    if found is None:
        return f"{name}, validation image {image}"
    layer = f" of {clean(found.layer)}" if found.layer else ""
    return f"{name}{layer}: {clean(found.target)} {percent(found.share)}, validation image {image}"
