"""Plug-ins run unchanged: what their ends and their words become."""

from __future__ import annotations

import json
import signal
from pathlib import Path

import pytest

from model.decode import decode
from model.misfit import Rejected
from model.plugin import Look, Remark, RunAgain
from probes.check.nagios import PROBE, Options
from probes.program import NotStarted
from tests.probes.targets import values, within


def look(script: str, more: str = "") -> Look:
    argv = json.dumps(["/bin/sh", "-c", script])
    return PROBE.look(decode(f"{{check: c, argv: {argv}{more}}}".encode(), "f", Options))


def told(script: str, left_s: float = 20) -> dict[str, float]:
    return values(look(script)(within(left_s)))


def words(script: str, left_s: float = 20) -> str:
    (remark,) = (one for one in look(script)(within(left_s)) if isinstance(one, Remark))
    assert dict(remark.labels) == {"check": "c"}
    return remark.text


@pytest.mark.parametrize(
    ("end", "status", "code"),
    [
        ("exit 0", 0, 0),
        ("exit 1", 1, 1),
        ("exit 2", 2, 2),
        ("exit 3", 3, 3),
        ("exit 4", 3, 4),
        ("exit 127", 3, 127),
        ("exit 255", 3, 255),
        ("kill -SEGV $$", 3, -signal.SIGSEGV),
        ("kill -TERM $$", 3, -signal.SIGTERM),
    ],
)
def test_a_status_is_the_exit_code_and_all_else_is_unknown(end: str, status: int, code: int) -> None:
    found = told(f"echo TEXT; {end}")
    assert found['nagios_check_status{check="c"}'] == status
    assert found['nagios_check_exit_code{check="c"}'] == code


def test_a_plugin_that_takes_too_long_is_unknown_whatever_it_says_then() -> None:
    script = "trap 'echo caught; exit 0' TERM; echo busy; while :; do sleep 0.05; done"
    found = told(script, 1.5)
    assert found['nagios_check_status{check="c"}'] == 3
    assert found['nagios_check_exit_code{check="c"}'] == 0
    assert "it was ended after" in words(script, 1.5)


def test_performance_data_become_series_in_base_units() -> None:
    found = told("echo \"OK | 'a b'=250ms;100:200;@1:2;0;1000 n=5\"")
    of = 'check="c", label="a b", unit="seconds"'
    assert found[f"nagios_check_perf_value{{{of}}}"] == pytest.approx(0.25)
    assert found[f"nagios_check_perf_min{{{of}}}"] == 0
    assert found[f"nagios_check_perf_max{{{of}}}"] == pytest.approx(1)
    bounds = {
        name: value
        for name, value in found.items()
        if name.startswith(("nagios_check_perf_w", "nagios_check_perf_c"))
    }
    assert bounds == {
        f'nagios_check_perf_warn{{bound="lower", {of}}}': pytest.approx(0.1),
        f'nagios_check_perf_warn{{bound="upper", {of}}}': pytest.approx(0.2),
        f'nagios_check_perf_crit{{bound="inside_from", {of}}}': pytest.approx(0.001),
        f'nagios_check_perf_crit{{bound="inside_to", {of}}}': pytest.approx(0.002),
    }
    assert found['nagios_check_perf_value{check="c", label="n"}'] == 5
    assert found['nagios_check_perf_unreadable{check="c"}'] == 0


def test_the_words_of_a_plugin_are_passed_on() -> None:
    assert words("echo 'DISK OK | a=1'; echo 'more | b=2'; echo c=3") == "DISK OK\nmore"
    assert words("echo broken >&2; exit 2") == "(no output) broken"
    assert words("exit 2") == "(no output)"


def test_a_problem_becomes_hard_and_flapping_is_seen_over_many_runs(tmp_path: Path) -> None:
    bad = look("exit 2")
    found = [values(bad(within(20))) for _ in range(4)]
    assert [one['nagios_check_state_type{check="c"}'] for one in found] == [0, 0, 1, 1]
    assert [one['nagios_check_attempt{check="c"}'] for one in found] == [1, 2, 3, 3]
    assert found[-1]['nagios_check_flapping{check="c"}'] == 0
    (tmp_path / "next").write_text("0")
    changing = look(f"cd {tmp_path}; n=$(cat next); echo $((1 - n)) >next; exit $n")
    seen = [values(changing(within(20))) for _ in range(8)]
    assert [one['nagios_check_flapping{check="c"}'] for one in seen] == [0, 0, 0, 0, 0, 0, 1, 1]


def test_a_soft_problem_is_looked_at_again_after_the_retry_interval_and_a_hard_one_is_not() -> None:
    looks = look("exit 2", ", max_check_attempts: 2, retry_interval: 7s")
    assert [one for one in looks(within(20)) if isinstance(one, RunAgain)] == [RunAgain(7)]
    assert [one for one in looks(within(20)) if isinstance(one, RunAgain)] == []


def test_each_look_has_a_memory_of_its_own() -> None:
    first, second = look("exit 2"), look("exit 2")
    for _ in range(3):
        values(first(within(20)))
    assert values(second(within(20)))['nagios_check_attempt{check="c"}'] == 1


def test_a_plugin_that_is_not_there_makes_the_target_unknown() -> None:
    with pytest.raises(NotStarted):
        list(PROBE.look(decode(b"{check: c, argv: [/nowhere/check_x]}", "f", Options))(within(5)))


def test_a_check_of_another_host_is_told_of_that_host() -> None:
    text = b"{check: c, target: web1, argv: [/bin/true, -w, 5, -c, 1e3]}"
    options = decode(text, "f", Options)
    assert PROBE.target(options) == "web1"
    assert options.argv.words == ("/bin/true", "-w", "5", "-c", "1e3")
    assert PROBE.named(options) == "nagios c"


@pytest.mark.parametrize(
    ("more", "sentence"),
    [(", max_check_attempts: 0", "out of range"), (", target: 5", "in quotes"), (", what: 5", "unknown key")],
)
def test_a_mistake_is_told_in_a_sentence(more: str, sentence: str) -> None:
    with pytest.raises(Rejected, match=sentence):
        look("true", more)
