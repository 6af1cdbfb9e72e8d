from __future__ import annotations

import pytest

from model.decode import decode
from model.misfit import Misfit, Rejected
from model.plugin import Unplannable
from model.step import End, Exec, Host, HumanAct, Look, Result
from remediations.actions.service import ACTION, Options, ServiceName

SYSTEMD = Host(has_systemd=True, systemctl="/usr/bin/systemctl")
BARE = Host(has_systemd=False)
DECLARED = (
    "{name: nginx, state: restarted, check: [nginx, -t], start: [nginx], stop: [nginx, -s, quit],"
    " pidfile: /run/nginx.pid}"
)


def options(text: str) -> Options:
    return decode(text.encode(), "x.yml", Options)


def told(text: str, *results: Result) -> HumanAct | None:
    return ACTION.intent(options(text), results)


def unit(**fields: str) -> Result:
    known = {"LoadState": "loaded", "ActiveState": "active", "SubState": "running", "Result": "success"}
    return Result(ok=True, output="\n".join(f"{key}={value}" for key, value in (known | fields).items()))


def test_where_systemd_runs_the_failed_state_is_cleared_before_the_restart() -> None:
    steps = list(ACTION.plan(options("{name: nginx.service, state: restarted}"), SYSTEMD))
    assert steps == [
        Exec(("/usr/bin/systemctl", "reset-failed", "nginx.service"), vital=False),
        Exec(("/usr/bin/systemctl", "restart", "nginx.service"), timeout_s=90),
    ]


def test_a_stop_clears_nothing() -> None:
    steps = list(ACTION.plan(options("{name: nginx, state: stopped}"), SYSTEMD))
    assert steps == [Exec(("/usr/bin/systemctl", "stop", "nginx.service"), timeout_s=90)]


def test_without_systemd_the_configuration_is_tested_before_anything_is_stopped() -> None:
    assert list(ACTION.plan(options(DECLARED), BARE)) == [
        Exec(("nginx", "-t")),
        End("/run/nginx.pid", "nginx", ("nginx", "-s", "quit")),
        Exec(("nginx",)),
    ]


def test_a_service_that_is_no_unit_is_restarted_as_declared_even_where_systemd_runs() -> None:
    text = DECLARED.replace("}", ", systemd: false}")
    assert list(ACTION.plan(options(text), SYSTEMD)) == list(ACTION.plan(options(DECLARED), BARE))
    assert list(ACTION.asks(options(text), SYSTEMD)) == [Look("/run/nginx.pid")]


def test_a_stop_without_a_pid_file_may_fail_before_a_start_because_nothing_may_run() -> None:
    text = "{name: app, state: restarted, start: [app], stop: [appctl, stop], detached: true}"
    assert list(ACTION.plan(options(text), BARE)) == [
        Exec(("appctl", "stop"), any_rc=True),
        Exec(("app",), detached=True),
    ]


@pytest.mark.parametrize(
    ("state", "verb"),
    [("started", "start"), ("stopped", "stop"), ("restarted", "start"), ("reloaded", "reload")],
)
def test_what_the_playbook_does_not_declare_cannot_be_planned_without_systemd(state: str, verb: str) -> None:
    with pytest.raises(Unplannable, match=f"declares no '{verb}'"):
        list(ACTION.plan(options(f"{{name: app, state: {state}}}"), BARE))


@pytest.mark.parametrize(
    "name",
    ["sshd", "ssh.service", "dbus", "systemd-journald", "-.mount", "../x", "a@$(x)", "x" * 300, "home.mount",
     "", "a b", "a\nb", "beforehand-agent", "-rf", "NetworkManager", "init"],
)  # fmt: skip
def test_a_service_that_carries_the_host_or_is_none_is_refused(name: str) -> None:
    with pytest.raises(Misfit):
        ServiceName.parse(name)


def test_a_service_is_the_same_thing_with_and_without_its_ending() -> None:
    with_ending, without = options("{name: a.service, state: started}"), options("{name: a, state: started}")
    assert ACTION.touches(with_ending) == ACTION.touches(without) == {"service:a"}


@pytest.mark.parametrize("text", ["pidfile: nginx.pid", "pidfile: /run/../x", "state: up", "patience: 1h"])
def test_a_wrong_option_is_refused(text: str) -> None:
    with pytest.raises(Rejected):
        options(f"name: nginx\nstate: started\n{text}".replace("state: started\nstate", "state"))


def test_the_question_about_a_human_is_asked_of_whoever_knows() -> None:
    [show] = ACTION.asks(options(DECLARED), SYSTEMD)
    assert isinstance(show, Exec)
    assert show.argv[:2] == ("/usr/bin/systemctl", "show")
    assert list(ACTION.asks(options(DECLARED), BARE)) == [Look("/run/nginx.pid")]
    assert list(ACTION.asks(options("{name: nginx, state: stopped}"), SYSTEMD)) == []
    kept = DECLARED.replace("}", ", clean_stop_removes_pidfile: false}")
    assert list(ACTION.asks(options(kept), BARE)) == []


def test_a_unit_that_was_stopped_cleanly_was_stopped_by_a_human() -> None:
    act = told(DECLARED, unit(ActiveState="inactive", SubState="dead"))
    assert act == HumanAct("a human stopped nginx on purpose; start it again to hand it back")


@pytest.mark.parametrize("word", ["masked", "disabled"])
def test_a_unit_that_is_switched_off_and_stopped_was_stopped_by_a_human(word: str) -> None:
    act = told(DECLARED, unit(ActiveState="inactive", Result="exit-code", UnitFileState=word))
    assert act is not None
    assert word in act.reason


def test_a_masked_unit_is_left_alone_even_after_a_crash() -> None:
    act = told(DECLARED, unit(ActiveState="failed", Result="signal", LoadState="masked"))
    assert act is not None
    assert act.reason.startswith("a human masked nginx")


def test_a_unit_that_crashed_was_not_stopped_by_a_human() -> None:
    assert told(DECLARED, unit(ActiveState="failed", Result="signal", UnitFileState="disabled")) is None
    assert told(DECLARED, unit(ActiveState="failed", Result="start-limit-hit")) is None
    assert told(DECLARED, unit()) is None


@pytest.mark.parametrize("state", ["activating", "deactivating"])
def test_a_unit_on_its_way_is_somebody_elses_for_the_moment(state: str) -> None:
    act = told(DECLARED, unit(ActiveState=state, SubState="auto-restart"))
    assert act is not None
    assert act.passing


def test_a_missing_pid_file_means_a_clean_stop_and_a_left_one_a_crash() -> None:
    act = told(DECLARED, Result(ok=True, output="missing"))
    assert act is not None
    assert act.reason.startswith("a human stopped nginx on purpose (its pid file is gone)")
    assert not act.certain
    for state in ("dead", "alive", "unreadable"):
        assert told(DECLARED, Result(ok=True, output=state)) is None


def test_when_nobody_can_say_the_hands_stay_off_for_the_moment() -> None:
    act = told(DECLARED, Result(ok=False, reason="it did not end within 5s"))
    assert act is not None
    assert act.passing
