"""All rules: each file of this folder registers its own when it is imported, so a new one needs no line here."""

from importlib import import_module
from pkgutil import iter_modules

from cvtui.doctor.registry import RULES

for _module in iter_modules(__path__):
    import_module(f"{__name__}.{_module.name}")

__all__ = ["RULES"]
