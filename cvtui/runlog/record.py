"""Base of the records of a log."""

from __future__ import annotations

import msgspec


class Record(msgspec.Struct, tag_field="type", frozen=True, kw_only=True, omit_defaults=True):
    """One line of the log. Fields that have their default are left out."""
