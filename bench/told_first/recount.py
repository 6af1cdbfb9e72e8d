"""The share told first, counted again without the ledger: also if people were faster, or humans wrote."""

from __future__ import annotations

from collections.abc import Mapping

from bench.told_first.episode import Episode
from bench.told_first.simulation import Happened
from desk.ledger.figures import FAST_MS
from desk.ledger.share import Share

HUMAN_MS = 600_000  # from the alert until somebody has confirmed the wording and pressed the button


def told_first(found: Happened, impact: str = "", faster: float = 1.0) -> Share:
    """Return how many of the affected were told before they reported, if all report so many times as fast."""
    return _share({one: found.told[one.number] for one in _of(found, impact)}, faster)


def if_humans_wrote(found: Happened, impact: str = "") -> Share:
    """Return the same if each notice had left ten minutes after the alert, to everybody in one moment."""
    return _share({one: _by_hand(one) for one in _of(found, impact)}, 1.0)


def _by_hand(episode: Episode) -> Mapping[str, int]:
    at_ms = episode.detected_ms + HUMAN_MS
    return dict.fromkeys(episode.affected, at_ms) if at_ms < episode.over_ms else {}


def _of(found: Happened, impact: str) -> list[Episode]:
    return [one for one in found.episodes if impact in ("", one.kind.impact)]


def _share(told: Mapping[Episode, Mapping[str, int]], faster: float) -> Share:
    hits = people = 0
    for episode, words in told.items():
        reported = episode.reported(faster)
        quick = episode.healed and episode.over_ms - episode.onset_ms <= FAST_MS
        if quick and not words and not reported:
            continue  # nobody had to be told
        for who in episode.affected:
            people += 1
            hits += who in words and not 0 <= reported.get(who, -1) <= words[who]
    return Share(hits, people)
