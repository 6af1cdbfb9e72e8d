"""Backtests: what rules would have made of recorded samples, told before they are let loose."""

from rules.backtest.episode import Episode
from rules.backtest.expected import Incident, read_incidents
from rules.backtest.figures import Figures, Hindsight, figures, hindsight
from rules.backtest.recording import Page, Recording, Sheet
from rules.backtest.replay import NoSamples, Replay, Replayed, Standing, run
from rules.backtest.span import Span

__all__ = [
    "Episode",
    "Figures",
    "Hindsight",
    "Incident",
    "NoSamples",
    "Page",
    "Recording",
    "Replay",
    "Replayed",
    "Sheet",
    "Span",
    "Standing",
    "figures",
    "hindsight",
    "read_incidents",
    "run",
]
