"""How unusual the values of a series are: one detector per series, of constant memory."""

from __future__ import annotations

from rules.unusual.detector import Detector
from rules.unusual.memory import FORM, Lost, recalled, remembered

__all__ = ["FORM", "Detector", "Lost", "recalled", "remembered"]
