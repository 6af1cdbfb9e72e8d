"""A rehearsal tries the playbooks that answer in the order in which the healer does."""

from __future__ import annotations

from agent.backtest.rehearsal import Move, Rehearsal
from remediations.writing.playbook import Playbook, load_playbook
from rules.backtest import Episode
from tests.remediations import stage
from tests.remediations.stage import NOW_MS

MINUTE_MS = 60_000


def book(name: str, mode: str = "auto", guard: str = "{}", answers: str = "ShopDown") -> Playbook:
    text = (
        f"playbook: {name}\nsummary: x.\non: ['alertname=\"{answers}\"']\nmode: {mode}\nguard: {guard}\n"
        "verify: {within: 60s, hold: 20s}\nsteps: [command: {argv: [act]}]\n"
    )
    return load_playbook(text.encode(), f"{name}.yml")


def moves(*books: Playbook, episodes: int = 1, apart_ms: int = 20 * MINUTE_MS) -> list[tuple[str, str]]:
    """Let the shop go down so often, each time for a minute, and return what would have been done by whom."""
    times = [NOW_MS + number * apart_ms for number in range(episodes)]
    each = [Episode(stage.alert(), at_ms - 1000, at_ms, at_ms + MINUTE_MS) for at_ms in times]
    done = Rehearsal(books, lambda _: {}).moves(each, times[-1] + MINUTE_MS)
    return [(move.what, move.playbook) for move in done]


ONCE = "{cooldown: 1s, at_most: [1 per 1m, 2 per 24h]}"


def test_the_next_playbook_is_tried_where_the_first_is_out_for_long() -> None:
    first, second = book("mend", guard=ONCE), book("replace")
    assert moves(first, second, episodes=4)[:3] == [("run", "mend"), ("run", "mend"), ("run", "replace")]


def test_where_the_next_only_proposes_it_would_have_been_proposed() -> None:
    found = moves(book("mend", guard=ONCE), book("replace", "propose"), episodes=3)
    assert found == [("run", "mend"), ("run", "mend"), ("proposed", "replace")]


def test_one_that_cools_down_is_waited_for_and_no_other_tried() -> None:
    found = moves(book("mend", guard="{cooldown: 10m}"), book("replace"), episodes=2, apart_ms=2 * MINUTE_MS)
    assert found == [("run", "mend"), ("refused", "mend")]


def test_one_that_only_observes_does_not_stand_before_one_that_acts() -> None:
    assert moves(book("watch", "observe"), book("mend")) == [("run", "mend")]
    assert moves(book("watch", "observe")) == [("proposed", "watch")]


def test_what_people_must_approve_would_have_been_proposed() -> None:
    assert moves(book("mend", "approve")) == [("proposed", "mend")]


def test_what_nobody_answers_is_said_so() -> None:
    episode = Episode(stage.alert(), NOW_MS - 1, NOW_MS, NOW_MS + 1)
    [move] = Rehearsal([book("mend", answers="Other")], lambda _: {}).moves([episode], NOW_MS + 1)
    assert move == Move(episode, "unanswered", NOW_MS, reason="no playbook answers to ShopDown")


def test_a_run_of_another_playbook_on_the_same_thing_counts_as_it_does_in_earnest() -> None:
    quick = "{cooldown: 1s, at_most: 20 per 24h}"
    mend, replace = book("mend", guard=quick), book("replace", guard=quick, answers="ShopSlow")
    slow = stage.alert(stage.LABELS.having({"alertname": "ShopSlow"}))
    each = [
        Episode(slow if number % 2 else stage.alert(), at_ms - 1, at_ms, at_ms + MINUTE_MS)
        for number, at_ms in enumerate(range(NOW_MS, NOW_MS + 4 * MINUTE_MS, MINUTE_MS))
    ]
    done = Rehearsal([mend, replace], lambda _: {}).moves(each, NOW_MS + 5 * MINUTE_MS)
    assert [move.what for move in done] == ["run", "run", "run", "refused"]
    assert "in turn" in done[-1].reason
