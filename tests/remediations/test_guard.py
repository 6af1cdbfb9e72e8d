from __future__ import annotations

import random
from collections.abc import Sequence
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from model.alert import Alert, AlertState
from model.outcome import Outcome
from model.step import HumanAct
from remediations.attempt import Attempt
from remediations.guard import decide
from remediations.question import Allowed, Facts, Refused
from remediations.writing.playbook import Playbook
from tests.remediations import stage
from tests.remediations.stage import NOW_MS

MINUTE_MS = 60_000


KNOWN = Facts()


def attempt(ago_ms: int, outcome: Outcome | None = Outcome.FIXED, playbook: str = "heal-shop") -> Attempt:
    return Attempt(playbook, ("command:true",), NOW_MS - ago_ms, NOW_MS - ago_ms + 1000, outcome)


def refusal(
    playbook: Playbook | None = None,
    alert: Alert | None = None,
    facts: Facts = KNOWN,
    history: Sequence[Attempt] = (),
) -> Refused:
    verdict = decide(playbook or stage.playbook(), alert or stage.alert(), facts, history, NOW_MS)
    assert isinstance(verdict, Refused)
    return verdict


def test_when_nothing_speaks_against_it_a_playbook_may_act() -> None:
    assert decide(stage.playbook(), stage.alert(), Facts(), (), NOW_MS) == Allowed()


def test_nothing_is_done_about_an_alert_that_does_not_fire() -> None:
    for state in (AlertState.PENDING, AlertState.RESOLVED):
        refused = refusal(alert=stage.alert(state=state))
        assert refused == Refused(f"ShopDown is {state.value}, not firing", guard="firing")


def test_a_mode_below_auto_refuses_for_good_and_says_what_to_write() -> None:
    for mode, word in (("observe", "observes"), ("propose", "proposes")):
        refused = refusal(stage.playbook(mode=mode))
        sentence = f"heal-shop only {word}; `beforehand ladder` tells what lets it act"
        assert refused == Refused(sentence, guard="mode")


def test_the_kill_switch_refuses_with_its_own_sentence_and_is_asked_again() -> None:
    refused = refusal(facts=Facts(stopped="stopped by ada: moving"))
    assert refused.reason == "stopped by ada: moving"
    assert refused.retry_at_ms is not None
    assert not refused.passing


def test_nothing_is_done_about_what_cannot_be_seen() -> None:
    refused = refusal(alert=stage.alert(unknown_ms=NOW_MS - 5000))
    assert refused.reason == "what ShopDown looks at cannot be seen since 22:13:15 UTC"
    assert refused.passing


def test_a_pause_holds_only_for_playbooks_that_heed_it() -> None:
    facts = Facts(pauses={"maintenance": "shop is in maintenance until 23:00"})
    assert refusal(facts=facts).reason == "shop is in maintenance until 23:00"
    deaf = stage.playbook(guard="{never_when: [freeze]}")
    assert decide(deaf, stage.alert(), facts, (), NOW_MS) == Allowed()
    frozen = refusal(facts=Facts(pauses={"freeze": "changes are frozen"}))
    assert not frozen.passing


def test_the_cooldown_says_until_when() -> None:
    refused = refusal(history=[attempt(2 * MINUTE_MS)])
    assert refused.reason == "heal-shop is cooling down until 22:21:21 UTC"
    assert refused.retry_at_ms == NOW_MS - 2 * MINUTE_MS + 1000 + 10 * MINUTE_MS
    at_ms = refused.retry_at_ms
    assert decide(stage.playbook(), stage.alert(), Facts(), [attempt(2 * MINUTE_MS)], at_ms) == Allowed()


def test_the_budget_says_when_it_is_free_again() -> None:
    history = [attempt(ago * MINUTE_MS) for ago in (59, 40, 20)]
    refused = refusal(stage.playbook(guard="{at_most: 3 per 1h, breaker: {recurrences: 9}}"), history=history)
    assert refused.reason == "heal-shop ran 3 times; it may 3 per 1h, again at 22:14:20 UTC"
    assert refused.retry_at_ms == history[0].started_ms + 60 * MINUTE_MS


def test_an_attempt_that_changed_nothing_or_was_not_ours_does_not_count() -> None:
    history = [attempt(1000, Outcome.SKIPPED), attempt(1000, playbook="other")]
    assert decide(stage.playbook(), stage.alert(), Facts(), history, NOW_MS) == Allowed()


def test_an_attempt_that_is_under_way_counts() -> None:
    assert "cooling down" in refusal(history=[attempt(1000, None)]).reason


def test_a_playbook_that_only_looks_has_its_cooldown_too() -> None:
    only_looks = stage.playbook("- collect: [top]")
    looked = Attempt("heal-shop", (), NOW_MS - 1000, NOW_MS, Outcome.SKIPPED)
    assert "cooling down" in refusal(only_looks, history=[looked]).reason


def test_two_runs_never_work_on_one_thing() -> None:
    refused = refusal(facts=Facts(busy={"command:true": "other-playbook"}))
    assert refused.reason == "other-playbook works on command:true already"
    assert refused.passing
    assert decide(stage.playbook(), stage.alert(), Facts(busy={"service:x": "y"}), (), NOW_MS) == Allowed()


def test_only_so_many_runs_are_under_way_at_once() -> None:
    assert refusal(facts=Facts(under_way=4)).reason == "4 runs are under way already"


def test_a_human_is_not_worked_against_unless_the_playbook_says_so() -> None:
    human = HumanAct("a human stopped nginx on purpose")
    refused = refusal(facts=Facts(human=human))
    assert refused.reason == human.reason
    assert refused.retry_at_ms is not None
    bold = stage.playbook(guard="{never_when: []}")
    assert decide(bold, stage.alert(), Facts(human=human), (), NOW_MS) == Allowed()


@pytest.mark.parametrize("outcome", [Outcome.FAILED, Outcome.INEFFECTIVE])
def test_a_stop_of_our_own_is_not_taken_for_a_humans(outcome: Outcome) -> None:
    human = HumanAct("a human stopped nginx on purpose", certain=False)
    history = [attempt(30 * MINUTE_MS, outcome)]
    assert decide(stage.playbook(), stage.alert(), Facts(human=human), history, NOW_MS) == Allowed()
    assert refusal(facts=Facts(human=human), history=[attempt(30 * MINUTE_MS)]).reason == human.reason
    certain = Facts(human=HumanAct("a human masked nginx"))
    assert refusal(facts=certain, history=history).reason == "a human masked nginx"


@settings(max_examples=8)
@given(st.integers(0, 1 << 64), st.integers(1, 5), st.integers(1, 40), st.integers(0, 300))
def test_a_playbook_never_runs_beyond_its_budget_or_before_it_has_cooled_down(
    seed: int, runs_max: int, per_min: int, cooldown_s: int
) -> None:
    chance = random.Random(seed)
    events = [(chance.randrange(120_000), chance.randrange(4), chance.random() < 0.3) for _ in range(1000)]
    guard = f"{{at_most: {runs_max} per {per_min}m, cooldown: {cooldown_s}s}}"
    playbook, now_ms = stage.playbook(guard=guard), NOW_MS
    history: list[Attempt] = []
    ended = [Outcome.FIXED, Outcome.INEFFECTIVE, Outcome.FAILED, None]
    for passed_ms, outcome, stopped in events:
        now_ms += passed_ms
        facts = Facts(stopped="stopped by ada" if stopped else "")
        verdict = decide(playbook, stage.alert(), facts, history, now_ms)
        if isinstance(verdict, Allowed):
            assert not stopped
            history.append(Attempt("heal-shop", ("command:true",), now_ms, None, ended[outcome]))
        else:
            assert verdict.reason
            assert verdict.retry_at_ms is None or verdict.retry_at_ms > now_ms
    starts = [one.started_ms for one in history]
    windows = zip(starts, starts[runs_max:], strict=False)
    assert all(last - first >= per_min * MINUTE_MS for first, last in windows)
    gaps = [after - before for before, after in pairwise(starts)]
    assert all(gap >= cooldown_s * 1000 for gap in gaps)
    assert starts or all(stopped for _, _, stopped in events), "a playbook that may act does act"
