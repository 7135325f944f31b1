"""Pillow's plugins for files that it can't read by itself."""

from __future__ import annotations

from functools import lru_cache

from cvtui.recipe.datasets.image_files import PLUGINS, ending, has_plugin


def open_plugin(path: str) -> None:
    """Load the plugin that reads a file with this ending, where one is needed and installed."""
    suffix = ending(path)
    if suffix in PLUGINS and has_plugin(suffix):
        _load(PLUGINS[suffix][0])


@lru_cache
def _load(module: str) -> None:
    from importlib import import_module

    plugin = import_module(module)  # pillow_jxl registers itself
    if hasattr(plugin, "register_heif_opener"):
        plugin.register_heif_opener()
