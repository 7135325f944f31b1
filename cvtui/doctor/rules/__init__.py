"""All rules. Importing this registers them."""

from cvtui.doctor.rules import exact, judging, lecture, signals, speed, static, symptoms

__all__ = ["exact", "judging", "lecture", "signals", "speed", "static", "symptoms"]
