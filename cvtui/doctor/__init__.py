"""Diagnose a run from its history alone: what is wrong with it, and why. No torch, no screen.

examine(history) -> list[Diagnosis]      root causes first; [] for a healthy run
Doctor(history).update()                 the same while the run goes on, at a cost that does not grow
catalogue                                the table of all faults
"""

from cvtui.doctor.catalogue import FAULTS as catalogue
from cvtui.doctor.catalogue import Fault
from cvtui.doctor.diagnosis import Diagnosis
from cvtui.doctor.doctor import Doctor, examine

__all__ = ["Diagnosis", "Doctor", "Fault", "catalogue", "examine"]
