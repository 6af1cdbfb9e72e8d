"""A clock that was set, a machine that slept, a starved agent and a lost network are not faults of others."""

from __future__ import annotations

from pathlib import Path

import pytest

from agent.clock import Pulse
from agent.config import TRUST, AgentConfig, DoubtTerms, ProbeEntry, load
from agent.sight.doubt import DOUBTED, Doubts, Reason, gaps, is_remote, network
from agent.sight.senses import COUNT, TOOK, UP, Reading, target_of
from model.decode import decode
from model.labels import Labels
from model.misfit import Rejected
from model.sample import Sample, Samples

START = Pulse(1_000_000.0, 50.0, 60.0)
PROBES = b"""
probes:
- cpu: {}
- tcp: {target: "192.0.2.1:53"}
  name: gateway
- tcp: {target: "192.0.2.2:53"}
  name: resolver
- http: {target: "http://127.0.0.1:8080/"}
  name: own
doubt: {references: [gateway, resolver]}
"""


def later(pulse: Pulse, wall: float = 1.0, ran: float = 1.0, passed: float = 1.0) -> Pulse:
    return Pulse(pulse.wall_s + wall, pulse.monotonic_s + ran, pulse.boottime_s + passed)


def found(now: Pulse, asked_s: float = 1.0) -> list[Reason]:
    return [doubt.reason for doubt in gaps(START, now, asked_s, 5.0)]


def test_time_that_passes_as_asked_is_no_reason_to_doubt() -> None:
    assert found(later(START)) == []
    assert found(later(START, 4, 4, 4)) == [], "a loop that comes a little late"


@pytest.mark.parametrize(
    ("now", "reason", "words"),
    [
        (later(START, 3601), Reason.CLOCK_STEP, "the clock was set forward by 3600 s"),
        (later(START, -3599), Reason.CLOCK_STEP, "the clock was set back by 3600 s"),
        (later(START, -315_360_000), Reason.CLOCK_STEP, "the clock was set back by 315360001 s"),
        (later(START, 28_801, 1, 28_801), Reason.SUSPENDED, "the machine slept for 28800 s"),
        (later(START, 121, 121, 121), Reason.STARVED, "the agent did not run for 120 s"),
    ],
)
def test_each_gap_is_told_from_the_others(now: Pulse, reason: Reason, words: str) -> None:
    (doubt,) = gaps(START, now, 1.0, 5.0)
    assert (doubt.reason, doubt.sentence) == (reason, words)


def test_a_clock_that_was_set_while_the_machine_slept_is_both() -> None:
    assert found(later(START, 10, 1, 28_801)) == [Reason.SUSPENDED, Reason.CLOCK_STEP]


def test_a_doubt_ends_when_it_has_settled() -> None:
    doubts = Doubts(TRUST)
    assert not doubts.feel(START, 1.0)
    woke = later(START, 3600, 1, 3600)
    assert doubts.feel(woke, 1.0)
    assert doubts.sentences() == ("the machine slept for 3599 s",)
    assert not doubts.feel(later(woke, 14, 14, 14), 14)
    assert doubts.feel(later(woke, 15, 15, 15), 1)
    assert doubts.sentences() == ()
    told = {
        sample.labels.get("reason"): sample.value
        for sample in doubts.samples()
        if "total" in sample.labels.name
    }
    assert told == {"clock_step": 0, "suspended": 1, "starved": 0, "network": 0}


def test_a_reason_that_is_none_on_this_host_is_not_heeded() -> None:
    doubts = Doubts(DoubtTerms(ignore=("suspended",)))
    doubts.feel(START, 1.0)
    assert not doubts.feel(later(START, 3600, 1, 3600), 1.0)


def test_the_network_is_doubted_when_more_than_half_of_the_references_are_silent() -> None:
    assert network({}) is None
    assert network({"gateway": False, "resolver": True}) is None
    doubt = network({"gateway": False, "resolver": False, "desk": True})
    assert doubt is not None
    assert doubt.sentence.endswith("no answer from gateway, resolver")


@pytest.mark.parametrize(
    ("target", "remote"),
    [
        ("", False),
        ("/run/redis.sock", False),
        ("http://127.0.0.1:8080/", False),
        ("https://user@[::1]:8443/x", False),
        ("localhost:80", False),
        ("api.localhost:80", False),
        ("192.0.2.1:53", True),
        ("192.0.2.1", True),
        ("https://example.com/", True),
        ("[2001:db8::1]:443", True),
    ],
)
def test_what_lies_beyond_this_host_is_known_by_its_target(target: str, remote: bool) -> None:
    assert is_remote(target) is remote


def reading(entry: ProbeEntry, success: float | None) -> Reading:
    told = () if success is None else (Sample(Labels.of(__name__="probe_success"), success),)
    about = [metric(1, probe=entry.name) for metric in (UP, TOOK, COUNT)]
    row = Samples.of((*told, *about))
    return Reading(entry, target_of(entry, "web1", {}), 0, row, success is not None, "", (), False)


@pytest.fixture
def config() -> AgentConfig:
    return decode(PROBES, "agent.yaml", AgentConfig)


def test_a_lost_network_puts_only_remote_targets_in_doubt(config: AgentConfig) -> None:
    entries = {entry.name: entry for entry in config.probes}
    doubts = Doubts(config.doubt)
    assert not doubts.hear(reading(entries["gateway"], 0)), "half of two is not more than half"
    assert doubts.hear(reading(entries["resolver"], None))
    doubts.watch([(entry, target_of(entry, "web1", {})) for entry in config.probes])
    (meant,) = doubts.about().values()
    assert {target.get("instance") for target in meant} == {"192.0.2.1:53", "192.0.2.2:53"}
    marked = doubts.marked(reading(entries["gateway"], 0))
    assert marked.labels[-1].name == DOUBTED.name
    own = reading(entries["own"], 1)
    assert doubts.marked(own) is own.row


def test_a_network_that_is_back_must_settle_first(config: AgentConfig) -> None:
    entries = {entry.name: entry for entry in config.probes}
    doubts = Doubts(config.doubt)
    doubts.feel(START, 1.0)
    for name in ("gateway", "resolver"):
        doubts.hear(reading(entries[name], 0))
    assert not doubts.feel(later(START, 10, 10, 10), 10)
    doubts.hear(reading(entries["gateway"], 1))
    assert not doubts.feel(later(START, 20, 20, 20), 10)
    assert len(doubts.sentences()) == 1
    assert doubts.feel(later(START, 25, 25, 25), 5)
    assert doubts.sentences() == ()


def test_a_reference_that_no_probe_looks_at_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "agent.yaml"
    file.write_text("rules: []\nprobes: [cpu: {}]\ndoubt: {references: [gateway]}\n")
    with pytest.raises(Rejected, match="there is no probe 'gateway'"):
        load(file)


def test_an_unknown_reason_is_refused() -> None:
    with pytest.raises(Rejected, match="sleepy"):
        decode(b"probes: [cpu: {}]\ndoubt: {ignore: [sleepy]}", "agent.yaml", AgentConfig)
