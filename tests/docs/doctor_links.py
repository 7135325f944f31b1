"""Links to the pages of faults, from their ids."""

from __future__ import annotations

import re

from cvtui.doctor.catalogue import FAULTS


def link(fault_id: str) -> str:
    """Return the path of its page below docs/doctor/: one for each fault, one for all remarks of the lecture."""
    if fault_id.startswith("F"):
        return f"{fault_id}.md"
    name = f"{fault_id} {FAULTS[fault_id].name}".lower().replace(" ", "-")
    return "lecture.md#" + "".join(sign for sign in name if sign.isalnum() or sign == "-")


def linked(block: str, own: str = "") -> str:
    """Return a block with each id but its `own` as a link; code stays as it is."""
    if block.startswith(("#", "![")):
        return block
    ids = re.compile(r"`[^`]*`|\b([FL]\d\d)\b")

    def to(found: re.Match[str]) -> str:
        one = found[1]
        return f"[{one}]({link(one)})" if one in FAULTS and one != own else found[0]

    return ids.sub(to, block)
