"""Runs beside each other: what differs in their recipes, their results, and the fair race that makes them.

Torch-free: a race starts engine processes and reads their folders like any other reader.
"""

from __future__ import annotations

from cvtui.compare.differences import RunDifferences, compare
from cvtui.compare.grid import Entrant, expand
from cvtui.compare.race import Race
from cvtui.compare.verdict import Judge, Verdict, judge

__all__ = ["Entrant", "Judge", "Race", "RunDifferences", "Verdict", "compare", "expand", "judge"]
