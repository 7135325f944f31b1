"""All rules. Importing this registers them."""

from cvtui.doctor.rules import damping, exact, judging, lecture, signals, speed, static, symptoms

__all__ = ["damping", "exact", "judging", "lecture", "signals", "speed", "static", "symptoms"]
