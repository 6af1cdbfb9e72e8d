from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model.outcome import Healing, Outcome
from remediations.running.run import (
    RESTARTED,
    Carried,
    Run,
    Stage,
    begun,
    carried,
    recovered,
    remedy,
    undoing,
    undone,
)
from remediations.running.verify import judged, turns_ms
from tests.remediations import stage
from tests.remediations.stage import NOW_MS

PLAYBOOK = stage.playbook()  # within 5s, hold 1s
BEGUN = begun(PLAYBOOK, stage.alert(), NOW_MS)
DONE_MS = NOW_MS + 100
WAITING = carried(BEGUN, PLAYBOOK, Carried(DONE_MS, acted_ms=NOW_MS + 10))


def after(run: Run, *looks: tuple[int, bool | None]) -> Run:
    """Judge a run at these times, counted from the end of its steps, until it is closed."""
    for at_ms, gone in looks:
        if run.stage is not Stage.CLOSED:
            run = judged(run, PLAYBOOK, gone, DONE_MS + at_ms)
    return run


def test_a_run_is_fixed_once_the_trouble_stayed_away_for_the_hold() -> None:
    run = after(WAITING, (200, False), (400, True), (900, True), (1400, True))
    assert run.outcome is Outcome.FIXED
    assert (run.healed_ms, run.verified_ms) == (DONE_MS + 400, DONE_MS + 1400)
    assert run.reason == "heal-shop helped: the trouble was gone 1.5s after it began and stayed away for 1s"
    assert not run.escalate


def test_a_relapse_within_the_hold_starts_the_hold_anew() -> None:
    run = after(WAITING, (100, True), (900, False), (1200, True), (1300, True))
    assert run.stage is Stage.VERIFYING
    assert after(run, (2200, True)).outcome is Outcome.FIXED


def test_trouble_that_is_still_there_makes_a_run_ineffective_whatever_the_exit_codes() -> None:
    run = after(WAITING, (100, True), (900, False), (5000, False))
    assert run.outcome is Outcome.INEFFECTIVE
    assert run.reason == "the trouble was still there 5s after heal-shop was done"
    assert run.escalate


def test_what_is_not_seen_never_counts_as_fixed() -> None:
    run = after(WAITING, (1000, None), (3000, None), (5000, None))
    assert run.outcome is Outcome.INEFFECTIVE
    assert run.reason == "whether heal-shop helped could not be seen within 5s"
    assert after(WAITING, (100, True), (1200, None)).stage is Stage.VERIFYING
    assert after(WAITING, (100, True), (1200, None), (1300, True)).outcome is Outcome.FIXED


def test_a_hold_that_began_in_time_may_end_later() -> None:
    run = after(WAITING, (4500, True), (5200, True))
    assert run.stage is Stage.VERIFYING
    assert after(run, (5500, True)).outcome is Outcome.FIXED
    assert after(run, (5300, False)).outcome is Outcome.INEFFECTIVE


def test_a_cure_that_comes_too_late_is_not_ours() -> None:
    run = after(WAITING, (4900, False), (5100, True))
    assert run.outcome is Outcome.INEFFECTIVE
    assert run.reason == "the trouble was gone only later than 5s after heal-shop was done"


def test_a_failed_step_is_escalated_at_once_and_still_judged_by_its_effect() -> None:
    run = carried(BEGUN, PLAYBOOK, Carried(DONE_MS, NOW_MS + 10, trouble="step 1 (run true) failed: no"))
    assert run.stage is Stage.VERIFYING
    assert remedy(run).escalate
    assert remedy(run).reason.startswith("step 1 (run true) failed: no; ")
    assert after(run, (5000, False)).outcome is Outcome.FAILED
    healed = after(run, (100, True), (1100, True))
    assert healed.outcome is Outcome.FIXED
    assert not healed.escalate


def test_the_kill_switch_ends_a_run_as_failed_or_as_skipped_when_nothing_was_changed() -> None:
    for acted_ms, outcome in ((NOW_MS, Outcome.FAILED), (0, Outcome.SKIPPED)):
        run = carried(BEGUN, PLAYBOOK, Carried(DONE_MS, acted_ms, stopped="stopped by ada"))
        assert (run.outcome, run.reason, run.stage) == (outcome, "stopped by ada", Stage.CLOSED)


def test_an_alert_that_resolved_by_itself_first_is_not_claimed() -> None:
    run = carried(BEGUN, PLAYBOOK, Carried(DONE_MS, spared=True))
    assert run.outcome is Outcome.SKIPPED
    assert not run.escalate


def test_nobody_is_called_where_the_playbook_says_nothing() -> None:
    silent = stage.playbook(rest="otherwise: nothing\n")
    run = carried(BEGUN, silent, Carried(DONE_MS, NOW_MS, trouble="step 1 failed"))
    assert not run.escalate
    assert not judged(run, silent, False, DONE_MS + 5000).escalate


def test_after_a_restart_a_run_waits_for_its_effect_and_says_so() -> None:
    run = recovered(BEGUN, Carried(NOW_MS + 60_000, acted_ms=NOW_MS + 5), NOW_MS + 60_000)
    assert (run.stage, run.reason, run.done_ms) == (Stage.VERIFYING, RESTARTED, NOW_MS + 60_000)
    assert remedy(run).status is Healing.VERIFYING


def test_after_a_restart_a_run_that_had_changed_nothing_is_over_and_claims_nothing() -> None:
    run = recovered(BEGUN, Carried(NOW_MS + 60_000), NOW_MS + 60_000)
    assert (run.stage, run.outcome, run.escalate) == (Stage.CLOSED, Outcome.SKIPPED, False)


def test_notes_reach_the_remedy_whatever_the_run_comes_to() -> None:
    noted = carried(BEGUN, PLAYBOOK, Carried(DONE_MS, NOW_MS + 10, notes=("Look at the disk.",)))
    for looks in (((100, True), (1100, True)), ((5000, False),)):
        run = after(noted, *looks)
        assert run.stage is Stage.CLOSED
        assert remedy(run).reason == f"Look at the disk. {run.reason}"


def test_long_notes_leave_room_for_the_reason() -> None:
    noted = carried(BEGUN, PLAYBOOK, Carried(DONE_MS, NOW_MS + 10, notes=("x" * 900,)))
    reason = remedy(after(noted, (5000, False))).reason
    assert len(reason) == 500
    assert reason.endswith("the trouble was still there 5s after heal-shop was done")


@pytest.mark.parametrize(("left", "stage"), [(("restore x",), Stage.UNDOING), ((), Stage.CLOSED)])
def test_a_run_that_ended_badly_stays_open_until_it_is_undone(left: tuple[str, ...], stage: Stage) -> None:
    did = Carried(DONE_MS, NOW_MS + 10, lost=left)
    assert undoing(after(WAITING, (5000, False)), did).stage is stage
    assert undoing(after(WAITING, (100, True), (1100, True)), did).stage is Stage.CLOSED


def test_somebody_hears_of_what_could_not_be_undone_even_where_nobody_is_called_otherwise() -> None:
    silent = stage.playbook(rest="otherwise: nothing\n")
    run = judged(carried(BEGUN, silent, Carried(DONE_MS, NOW_MS)), silent, False, DONE_MS + 5000)
    assert not undone(run, "").escalate
    assert undone(run, "restore x: no").escalate
    assert undone(run, "restore x: no").reason.endswith("; it could not be undone: restore x: no")


def test_time_alone_decides_at_the_ends_of_hold_and_wait() -> None:
    assert turns_ms(WAITING, PLAYBOOK) == (DONE_MS + 5000,)
    good = after(WAITING, (100, True))
    assert turns_ms(good, PLAYBOOK) == (DONE_MS + 1100, DONE_MS + 6000)


@given(st.lists(st.tuples(st.integers(1, 3000), st.sampled_from([True, False, None])), max_size=60))
def test_every_run_is_closed_in_time_and_fixed_only_after_a_whole_hold(
    looks: list[tuple[int, bool | None]],
) -> None:
    run, at_ms, last_bad_ms = WAITING, DONE_MS, DONE_MS
    for passed_ms, gone in looks:
        at_ms += passed_ms
        last_bad_ms = at_ms if gone is False else last_bad_ms
        run = judged(run, PLAYBOOK, gone, at_ms)
        if run.stage is Stage.CLOSED:
            break
    if run.outcome is Outcome.FIXED:
        assert run.verified_ms - run.healed_ms >= 1000
        assert run.healed_ms >= last_bad_ms
    assert run.stage is Stage.CLOSED or at_ms < DONE_MS + 6000


def test_a_run_is_named_after_its_alert_and_its_time() -> None:
    assert BEGUN.id == f"{stage.LABELS.fingerprint()}-{NOW_MS}"
    assert replace(BEGUN, reason="x") != BEGUN
