"""When a bounded thing runs out: an estimate with its interval, or the reason why it cannot be told."""

from __future__ import annotations

from rules.exhaustion.forecast import Forecast, State, forecast, until

__all__ = ["Forecast", "State", "forecast", "until"]
