"""The probe of heartbeats: its options, and what it tells of a job."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from model.decode import decode
from model.misfit import Rejected
from probes.job.heard import Heard, Ping, Signal, State, after
from probes.job.heartbeat import PROBE, Options, due_ms, judged, told
from tests.probes.targets import values, within


def options(text: str) -> Options:
    return decode(text.encode(), "f", Options)


def ms(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp() * 1000)


def well_at(at_ms: int) -> Heard:
    return after(Heard(), Ping(Signal.SUCCESS, at_ms))


@pytest.mark.parametrize(
    ("more", "due"),
    [
        ("", "2026-03-29T00:30"),
        (", period: 1h", "2026-03-28T01:30"),
        (", schedule: '0 3 * * *'", "2026-03-28T03:00"),
        (", schedule: '30 2 * * *', timezone: Europe/Berlin", "2026-03-28T01:30"),
        (", on_calendar: 'Sun 02:30', timezone: UTC", "2026-03-29T02:30"),
        (", on_calendar: '04:00 Europe/Berlin', timezone: Asia/Tokyo", "2026-03-28T03:00"),
    ],
)
def test_a_job_is_due_by_its_schedule(more: str, due: str) -> None:
    assert due_ms(options(f"{{name: n{more}}}"), well_at(ms("2026-03-28T00:30"))) == ms(due)


def test_a_job_of_the_skipped_hour_is_due_once() -> None:
    nightly = options("{name: n, schedule: '30 2 * * *', timezone: Europe/Berlin}")
    assert due_ms(nightly, well_at(ms("2026-03-28T01:31"))) == ms("2026-03-29T01:00")
    assert due_ms(nightly, well_at(ms("2026-03-29T01:01"))) == ms("2026-03-30T00:30")


def test_nothing_is_expected_of_a_paused_job() -> None:
    paused = options("{name: n, paused: true}")
    assert judged(paused, well_at(0), 10**15, 0).state is State.PAUSED
    assert due_ms(paused, well_at(0)) is None


def test_exactly_one_state_is_told() -> None:
    found = values(told(options("{name: n}"), well_at(90_000), State.GRACE))
    states = {name: value for name, value in found.items() if name.startswith("beforehand_heartbeat_state")}
    assert len(states) == 6
    assert [name for name, value in states.items() if value] == [
        'beforehand_heartbeat_state{name="n", state="grace"}'
    ]
    assert found['beforehand_heartbeat_last_success_timestamp_seconds{name="n"}'] == 90
    assert found['beforehand_heartbeat_due_timestamp_seconds{name="n"}'] == 86_490


def test_alone_the_probe_hears_nothing_and_every_job_is_new() -> None:
    found = values(PROBE.look(options("{name: n}"))(within(1)))
    assert found['beforehand_heartbeat_state{name="n", state="new"}'] == 1


@pytest.mark.parametrize(
    ("name", "slug"), [("Nightly backup", "nightly-backup"), ("a--B c_d!", "a-b-c_d"), ("日本", "")]
)
def test_a_slug_is_made_of_the_name(name: str, slug: str) -> None:
    assert Options(name).path == slug


@pytest.mark.parametrize(
    "uuid", ["5db34b9a-0000-4000-8000-000000000000", "55555555-2222-3333-4444-555555555555"]
)
def test_a_uuid_needs_no_quotes(uuid: str) -> None:
    assert options(f"{{name: n, uuid: {uuid.upper()}}}").uuid == uuid


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("{}", "'name' is missing"),
        ("{name: ''}", "needs a name"),
        ("{name: n, uuid: x}", "is not a UUID"),
        ("{name: n, slug: A b}", "is not a slug"),
        ("{name: n, period: 1d, schedule: '0 3 * * *'}", "one schedule"),
        ("{name: n, schedule: '0 3 * * *', on_calendar: daily}", "one schedule"),
        ("{name: n, schedule: '0 0 31 2 *'}", "never comes"),
        ("{name: n, schedule: '0 3 * *'}", "has 4 fields"),
        ("{name: n, timezone: Europe/Atlantis}", "is not a time zone"),
        ("{name: n, timezone: ../../etc/passwd}", "is not a time zone"),
        ("{name: n, period: 0s}", "out of range"),
        ("{name: n, grace: 2y}", "out of range"),
        ("{name: n, on_calendar: often}", "not a weekday"),
    ],
)
def test_a_mistake_is_told_in_a_sentence(text: str, sentence: str) -> None:
    with pytest.raises(Rejected, match=sentence):
        options(text)
