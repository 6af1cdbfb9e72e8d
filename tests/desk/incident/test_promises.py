"""A promised update is published before its moment, so that it is read in time and counts as kept."""

from __future__ import annotations

from desk.delivery.outbox import MINUTE_MS
from desk.incident.incident import EARLY_MS
from tests.desk.ledger.scene import counted, events
from tests.desk.stage import Stage
from tests.desk.town import BEN, ended, signal

HALF_AN_HOUR_MS = 30 * MINUTE_MS


def test_an_update_is_published_a_minute_before_it_was_promised(stage: Stage) -> None:
    stage.hear(signal(lasts_ms=24 * 60 * MINUTE_MS))
    stage.pass_ms(1)
    assert len(stage.letters(BEN)) == 1
    stage.pass_ms(HALF_AN_HOUR_MS - EARLY_MS - 2)
    assert len(stage.letters(BEN)) == 1
    stage.pass_ms(1)
    assert len(stage.letters(BEN)) == 2
    promised = [at_ms for _, at_ms in events(stage, "promised")]
    assert promised == [HALF_AN_HOUR_MS, 2 * HALF_AN_HOUR_MS - EARLY_MS]


def test_a_promise_that_was_kept_early_counts_as_kept_and_a_desk_that_slept_broke_it(stage: Stage) -> None:
    one = signal(lasts_ms=24 * 60 * MINUTE_MS)
    stage.hear(one)
    stage.pass_ms(HALF_AN_HOUR_MS - EARLY_MS)
    stage.pass_ms(HALF_AN_HOUR_MS + 1)
    stage.hear(ended(one, stage.now_ms))
    stage.pass_ms(MINUTE_MS)
    found = counted(stage)
    assert (found.punctual.k, found.punctual.n) == (1, 2)
