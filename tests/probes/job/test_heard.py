"""How a job stands by its pings and by the time."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from probes.job.heard import Heard, Ping, Signal, State, after, standing

GRACE_MS = 100
RUN = "11111111-1111-1111-1111-111111111111"
OTHER = "22222222-2222-2222-2222-222222222222"


def heard(*pings: Ping) -> Heard:
    found = Heard()
    for ping in pings:
        found = after(found, ping)
    return found


def start(at_ms: int, run_id: str = "") -> Ping:
    return Ping(Signal.START, at_ms, run_id=run_id)


def success(at_ms: int, run_id: str = "") -> Ping:
    return Ping(Signal.SUCCESS, at_ms, run_id=run_id)


def fail(at_ms: int, run_id: str = "", code: int | None = None) -> Ping:
    return Ping(Signal.FAIL, at_ms, code, run_id)


def state(known: Heard, now_ms: int, due_ms: int | None = 1000, listening_ms: int = 0) -> State:
    return standing(known, due_ms, GRACE_MS, now_ms, listening_ms).state


def test_a_job_that_never_pinged_is_new_for_ever() -> None:
    assert standing(Heard(), None, GRACE_MS, 10**15, 0).until_ms is None
    assert state(Heard(), 10**15) is State.NEW


def test_a_job_is_up_then_late_then_down_each_to_the_millisecond() -> None:
    known = heard(success(500))
    assert [state(known, now_ms) for now_ms in (500, 999, 1000, 1099, 1100)] == [
        State.UP, State.UP, State.GRACE, State.GRACE, State.DOWN
    ]  # fmt: skip  # the states on one line
    assert standing(known, 1000, GRACE_MS, 500, 0).until_ms == 1000
    assert standing(known, 1000, GRACE_MS, 1000, 0).until_ms == 1100
    assert standing(known, 1000, GRACE_MS, 1100, 0).until_ms is None


def test_a_job_that_failed_is_down_until_it_does_well() -> None:
    known = heard(success(500), fail(600, code=3))
    assert state(known, 601) is State.DOWN
    assert (known.exit_status, known.succeeded_ms) == (3, 500)
    assert state(after(known, start(700)), 701) is State.DOWN
    assert state(after(known, success(700)), 701) is State.UP


def test_a_run_that_began_may_last_as_long_as_the_grace() -> None:
    known = heard(success(500), start(990))
    assert [state(known, now_ms) for now_ms in (990, 1089, 1090)] == [
        State.STARTED,
        State.STARTED,
        State.DOWN,
    ]


def test_the_length_of_a_run_is_from_its_start_to_its_end() -> None:
    assert heard(start(100), success(350)).lasted_ms == 250
    assert heard(start(100), fail(350)).lasted_ms == 250
    assert heard(success(350)).lasted_ms is None
    assert heard(start(100), success(350), success(900)).lasted_ms == 250, "the last that is known"


def test_a_run_id_pairs_start_and_end() -> None:
    known = heard(start(100, RUN), start(150, OTHER))
    done = after(known, success(200, RUN))
    assert (done.begun_ms, done.lasted_ms) == (150, None), "the other one still runs"
    assert after(done, success(300, OTHER)).lasted_ms == 150
    assert after(done, success(300)).begun_ms is None, "an end without an id ends them all"
    assert after(done, fail(300, RUN)).begun_ms is None


def test_a_log_changes_nothing_but_the_words() -> None:
    known = heard(success(500))
    noted = after(known, Ping(Signal.LOG, 600, words="half done"))
    assert (noted.ended_ms, noted.words, noted.pings) == (500, "half done", 2)
    assert state(heard(Ping(Signal.LOG, 600)), 700) is State.NEW


def test_what_passed_while_nobody_listened_grants_one_grace() -> None:
    known = heard(success(500))
    assert state(known, 5000, listening_ms=5000) is State.GRACE
    assert standing(known, 1000, GRACE_MS, 5000, 5000).until_ms == 5100
    assert state(known, 5100, listening_ms=5000) is State.DOWN
    assert state(heard(success(500), start(900)), 5050, listening_ms=5000) is State.STARTED
    assert state(heard(success(5001)), 5200, due_ms=5050, listening_ms=5000) is State.DOWN, "heard since"


def test_a_job_that_was_down_before_is_granted_nothing() -> None:
    assert state(Heard(ended_ms=500, missed=True), 5000, listening_ms=5000) is State.DOWN
    assert state(heard(success(500), fail(600)), 5000, listening_ms=5000) is State.DOWN


def test_a_clock_that_was_set_back_gives_no_negative_length() -> None:
    assert heard(start(1000), success(900)).lasted_ms is None


PINGS = st.builds(
    Ping, st.sampled_from(Signal), st.integers(0, 10_000), run_id=st.sampled_from(["", RUN, OTHER])
)


@given(st.lists(PINGS, max_size=20), st.integers(0, 20_000), st.integers(0, 20_000), st.integers(0, 20_000))
def test_a_standing_lasts_until_the_moment_that_it_names(
    pings: list[Ping], due_ms: int, now_ms: int, listening_ms: int
) -> None:
    known = heard(*sorted(pings, key=lambda ping: ping.at_ms))
    stands = standing(known, due_ms, GRACE_MS, now_ms, listening_ms)
    if stands.until_ms is None:
        assert state(known, now_ms + 10**9, due_ms, listening_ms) is stands.state
    else:
        assert stands.until_ms > now_ms
        assert state(known, stands.until_ms - 1, due_ms, listening_ms) is stands.state
        assert state(known, stands.until_ms, due_ms, listening_ms) is not stands.state
