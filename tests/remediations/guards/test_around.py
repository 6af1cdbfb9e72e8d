"""What else is wrong on this host."""

from __future__ import annotations

from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from model.alert import Alert
from model.labels import Labels
from remediations.guards.around import together
from remediations.question import Allowed, Facts
from tests.remediations import stage
from tests.remediations.guards.asking import MINUTE, SECOND, answer, refusal
from tests.remediations.stage import NOW_MS


def firing(service: str, ago_ms: int = 0, name: str = "Down") -> Alert:
    return stage.alert(Labels.of(alertname=name, service=service), fired_ms=NOW_MS - ago_ms)


def watching(alerts: Sequence[Alert], count: int) -> Facts:
    return Facts(
        firing=alerts, watched=frozenset({"shop", *(f"other-{number}" for number in range(1, count))})
    )


def test_what_suffers_from_something_upstream_is_left_alone() -> None:
    playbook = stage.playbook(guard="{unless: ['alertname=\"DatabaseDown\"']}")
    facts = Facts(firing=[stage.alert(), firing("db", name="DatabaseDown")])
    refused = refusal(facts, playbook=playbook)
    assert (refused.guard, refused.passing, refused.planned) == ("upstream", True, True)
    assert refused.reason == "DatabaseDown fires, and ShopDown may only suffer from it"
    assert answer(Facts(firing=[stage.alert()]), playbook=playbook) == Allowed()
    assert answer(facts) == Allowed()


def test_an_alert_is_not_its_own_upstream() -> None:
    playbook = stage.playbook(guard="{unless: ['alertname=~\".*Down\"']}")
    assert answer(Facts(firing=[stage.alert()]), playbook=playbook) == Allowed()


def test_three_groups_and_a_third_of_all_that_fall_ill_together_stop_everything() -> None:
    sick = [firing("shop"), firing("search", 2 * MINUTE), firing("mail", 4 * MINUTE)]
    refused = refusal(watching(sick, 7))
    assert (refused.guard, refused.passing) == ("common_cause", False)
    assert refused.reason == (
        "3 of 9 began to fire within 5m (mail, search, shop): a common cause is likely, and a human is needed"
    )


def test_two_groups_or_few_of_many_or_one_after_the_other_do_not() -> None:
    sick = [firing("shop"), firing("search", 2 * MINUTE), firing("mail", 4 * MINUTE)]
    assert answer(watching(sick[:2], 1)) == Allowed()
    assert answer(watching(sick, 8)) == Allowed()
    slowly = [firing("shop"), firing("search", 4 * MINUTE), firing("mail", 8 * MINUTE)]
    assert answer(watching(slowly, 3)) == Allowed()


def test_many_alerts_of_one_service_and_those_of_the_agent_are_no_common_cause() -> None:
    one = [firing("shop", name=name) for name in "abcdef"]
    own = [stage.alert(Labels.of(alertname=name, job="beforehand", instance="w")) for name in "abc"]
    assert answer(watching([*one, *own], 1)) == Allowed()


@given(st.lists(st.tuples(st.sampled_from("abcdef"), st.integers(0, 20 * 60)), max_size=20))
def test_the_largest_window_is_found_wherever_it_lies(onsets: list[tuple[str, int]]) -> None:
    alerts = [firing(name, ago * SECOND) for name, ago in onsets]
    expected = max(
        (len({name for name, ago in onsets if 0 <= first - ago <= 300}) for _, first in onsets), default=0
    )
    assert len(together(alerts)) == expected
