from __future__ import annotations

import socket
import struct
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from model.decode import decode
from model.misfit import Rejected
from model.plugin import DeadlinePassed
from probes.host import systemd
from probes.host.dbus import Unreachable
from probes.host.roots import Tree
from probes.host.systemd import Options
from probes.host.systemd_manager import REFRESHED_IN_RUNS, Absent
from tests.probes.host.stand_in import (
    Systemd,
    answering_with,
    bus_daemon,
    row,
    serving,
    serving_straight,
    short_folder,
)
from tests.probes.targets import values, within

needs_bus = pytest.mark.needs("dbus-daemon")

NGINX = row("nginx.service")
BROKEN = row("broken.service", "failed", "failed")
BACKUP = row("backup.timer", "active", "waiting")
SSH = row("ssh.socket", "active", "listening")
NEVER = (1 << 64) - 1


@pytest.fixture
def root() -> Iterator[Path]:
    with short_folder() as folder:
        yield folder


@pytest.fixture
def host(root: Path) -> Iterator[Systemd]:
    with bus_daemon(root) as path:
        standing_in = Systemd([NGINX, BROKEN, BACKUP, SSH, row("sda.device", "active", "plugged")])
        standing_in.of(
            NGINX,
            ActiveEnterTimestamp=("t", 1_700_000_000_500_000),
            NeedDaemonReload=("b", True),
            Type=("s", "forking"),
            Result=("s", "success"),
            NRestarts=("u", 3),
            TasksCurrent=("t", 5),
            TasksMax=("t", NEVER),
        )
        standing_in.of(BROKEN, Type=("s", "oneshot"), Result=("s", "oom-kill"), ActiveEnterTimestamp=("t", 5))
        standing_in.of(
            BACKUP,
            Unit=("s", "broken.service"),
            Result=("s", "success"),
            LastTriggerUSec=("t", 1_700_000_001_000_000),
            NextElapseUSecRealtime=("t", 1_800_000_000_000_000),
            NextElapseUSecMonotonic=("t", 0),
        )
        standing_in.of(SSH, NAccepted=("u", 7), NConnections=("u", 2), Result=("s", "success"))
        with serving(path, standing_in):
            yield standing_in


def options(root: Path, text: str = "") -> Options:
    return decode(f"{{rootfs: {root}{text}}}".encode(), "f", Options)


def told(root: Path, text: str = "") -> dict[str, float]:
    return values(systemd.begin(options(root, text))(within(10)))


@needs_bus
def test_units_are_told_in_node_exporters_names(root: Path, host: Systemd) -> None:
    said = told(root)
    state = 'node_systemd_unit_state{{name="{}", state="{}"{}}}'
    assert said[state.format("nginx.service", "active", ', type="forking"')] == 1
    assert said[state.format("nginx.service", "failed", ', type="forking"')] == 0
    assert said[state.format("broken.service", "failed", ', type="oneshot"')] == 1
    assert said[state.format("ssh.socket", "active", "")] == 1
    assert not any("sda.device" in series for series in said)
    assert said['node_systemd_unit_start_time_seconds{name="nginx.service"}'] == 1_700_000_000.5
    assert said['node_systemd_unit_start_time_seconds{name="broken.service"}'] == 0
    assert said['node_systemd_service_restart_total{name="nginx.service"}'] == 3
    assert said['node_systemd_unit_tasks_current{name="nginx.service"}'] == 5
    assert 'node_systemd_unit_tasks_max{name="nginx.service"}' not in said  # infinity
    assert said['node_systemd_socket_accepted_connections_total{name="ssh.socket"}'] == 7
    assert said['node_systemd_socket_current_connections{name="ssh.socket"}'] == 2
    assert 'node_systemd_socket_refused_connections_total{name="ssh.socket"}' not in said  # an old systemd
    assert said['node_systemd_units{state="active"}'] == 4
    assert said['node_systemd_units{state="activating"}'] == 0
    assert said["node_systemd_system_running"] == 1
    assert said['node_systemd_version{version="252.39-1~deb12u2"}'] == 252.39
    assert said['node_systemd_virtualization_info{virtualization_type="none"}'] == 1


@needs_bus
def test_how_a_unit_ended_and_whether_its_files_changed_is_told(root: Path, host: Systemd) -> None:
    said = told(root)
    assert said['beforehand_unit_result{name="nginx.service", result="success"}'] == 1
    assert said['beforehand_unit_result{name="broken.service", result="oom-kill"}'] == 1
    assert said['beforehand_unit_needs_daemon_reload{name="nginx.service"}'] == 1


@needs_bus
def test_a_timer_tells_when_it_elapses_and_whether_what_it_starts_has_failed(
    root: Path, host: Systemd
) -> None:
    said = told(root)
    assert said['node_systemd_timer_last_trigger_seconds{name="backup.timer"}'] == 1_700_000_001
    assert said['beforehand_timer_next_trigger_seconds{name="backup.timer"}'] == 1_800_000_000
    assert said['beforehand_timer_last_run_failed{name="backup.timer"}'] == 1
    host.of(
        BACKUP, NextElapseUSecRealtime=("t", NEVER), NextElapseUSecMonotonic=("t", 10**12), Unit=("s", "x")
    )
    said = told(root)
    since_boot_s = said['beforehand_timer_next_trigger_seconds{name="backup.timer"}'] - time.time()
    assert since_boot_s == pytest.approx(10**6 - time.monotonic(), abs=5)
    assert said['beforehand_timer_last_run_failed{name="backup.timer"}'] == 0


@needs_bus
def test_units_are_chosen_by_expressions_that_match_whole_names(root: Path, host: Systemd) -> None:
    def names(text: str) -> set[str]:
        return {
            series.split('"')[1]
            for series in told(root, text)
            if series.startswith("node_systemd_unit_state")
        }

    assert names(", unit_include: 'nginx'") == set()
    assert names(", unit_include: '.+[.](service|device)', unit_exclude: 'b.*'") == {
        "nginx.service",
        "sda.device",
    }


@needs_bus
def test_wanted_units_are_told_even_if_systemd_does_not_know_them(root: Path, host: Systemd) -> None:
    host.by_name = [row("gone.service", "inactive", "dead", "not-found")]
    said = told(root, ", wanted: [nginx.service, gone.service]")
    assert said['node_systemd_unit_state{name="gone.service", state="inactive"}'] == 1
    assert said['node_systemd_unit_state{name="nginx.service", state="active", type="forking"}'] == 1
    assert not any("broken.service" in series for series in said)


@needs_bus
def test_a_unit_in_the_same_state_is_asked_for_everything_only_now_and_then(
    root: Path, host: Systemd
) -> None:
    look = systemd.begin(options(root))
    first = values(look(within(10)))
    runs = [values(look(within(10))) for _ in range(REFRESHED_IN_RUNS)]
    assert all(run.keys() == first.keys() for run in runs)
    assert host.asked.count("TasksMax") == 2 + 2  # each service at first, and in its turn
    assert host.asked.count("NAccepted") == 1 + 1


@needs_bus
def test_a_service_that_was_started_again_between_two_runs_is_asked_at_once(
    root: Path, host: Systemd
) -> None:
    look = systemd.begin(options(root, ", unit_include: nginx.service"))
    list(look(within(10)))
    host.of(NGINX, ActiveEnterTimestamp=("t", 1_700_000_009_000_000), NRestarts=("u", 4))
    said = values(look(within(10)))
    assert said['node_systemd_service_restart_total{name="nginx.service"}'] == 4
    assert said['node_systemd_unit_start_time_seconds{name="nginx.service"}'] == 1_700_000_009


@needs_bus
def test_a_unit_whose_state_changed_is_asked_at_once(root: Path, host: Systemd) -> None:
    look = systemd.begin(options(root, ", unit_include: nginx.service"))
    list(look(within(10)))
    host.rows[0] = row("nginx.service", "failed", "failed")
    host.of(NGINX, Result=("s", "exit-code"))
    said = values(look(within(10)))
    assert said['beforehand_unit_result{name="nginx.service", result="exit-code"}'] == 1
    host.rows.clear()
    assert not any("nginx" in series for series in values(look(within(10))))


@needs_bus
def test_too_many_units_are_an_error_and_not_cut_off(root: Path, host: Systemd) -> None:
    with pytest.raises(systemd.TooMany, match="4 units match"):
        told(root, ", units_max: 3")


def test_where_there_is_no_bus_systemd_is_asked_at_its_own_socket(root: Path) -> None:
    standing_in = Systemd([NGINX])
    standing_in.of(NGINX, Type=("s", "simple"))
    with serving_straight(root, standing_in):
        said = told(root)
    assert said['node_systemd_unit_state{name="nginx.service", state="active", type="simple"}'] == 1


def test_a_host_without_systemd_has_nothing_to_tell(root: Path) -> None:
    assert told(root) == {}


@needs_bus
def test_a_bus_without_systemd_has_nothing_to_tell_unless_systemd_should_be_there(root: Path) -> None:
    with bus_daemon(root):
        assert told(root) == {}
        (root / systemd.BOOTED).mkdir(parents=True)
        with pytest.raises(Absent):
            told(root)


def test_a_bus_that_died_is_trouble(root: Path) -> None:
    path = root / systemd.SYSTEM_BUS
    path.parent.mkdir(parents=True)
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))
    with pytest.raises(Unreachable, match="takes no connection"):
        told(root)


@needs_bus
def test_a_systemd_that_hangs_costs_no_more_than_the_deadline(root: Path, host: Systemd) -> None:
    host.silent = True
    began = time.monotonic()
    with pytest.raises((Unreachable, DeadlinePassed)):
        list(systemd.begin(options(root))(within(0.3)))
    assert time.monotonic() - began < 5


HELLO = b"OK 1234\r\n"


def spoken(reply: bytes) -> Callable[[socket.socket], None]:
    def speak(end: socket.socket) -> None:
        end.recv(4096)
        end.sendall(HELLO)
        end.recv(4096)
        end.sendall(reply)

    return speak


def header(body_bytes: int, fields: bytes = b"") -> bytes:
    return struct.pack("<cBBBIII", b"l", 2, 0, 1, body_bytes, 1, len(fields)) + fields


@pytest.mark.parametrize(
    ("reply", "sentence"),
    [
        (b"", "in time"),
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", "not D-Bus"),
        (header(1 << 30), "more than"),
        (header(0, b"\x05\x01v\x00" + b"\x01v\x00" * 40) + bytes(8), "not D-Bus"),
        (b"l" + b"\xff" * 200, "more than"),
        (b"\x00" * 64, "not D-Bus"),
    ],
)
def test_a_bus_that_talks_nonsense_is_trouble_and_nothing_worse(
    root: Path, reply: bytes, sentence: str
) -> None:
    with answering_with(root, spoken(reply)), pytest.raises(Unreachable, match=sentence):
        list(systemd.begin(options(root))(within(1)))


@pytest.mark.parametrize("greeting", [b"REJECTED EXTERNAL\r\n", b"x" * 10_000, b"\r\n", b"OK 1\r\nmore"])
def test_a_bus_that_lets_nobody_in_is_trouble(root: Path, greeting: bytes) -> None:
    def speak(end: socket.socket) -> None:
        end.recv(4096)
        end.sendall(greeting)

    with answering_with(root, speak), pytest.raises(Unreachable, match=r"does not let this user in|in time"):
        list(systemd.begin(options(root))(within(1)))


@needs_bus
def test_a_property_of_another_type_is_refused(root: Path, host: Systemd) -> None:
    host.of(NGINX, NRestarts=("s", "many"))
    with pytest.raises(Unreachable, match="a property is a 's'"):
        told(root)


@pytest.mark.parametrize(
    "text",
    ["units_max: 0", "units_max: 5000", "wanted: [nginx]", "units_max: 1, wanted: [a.service, b.timer]"],
)
def test_options_that_make_no_sense_are_refused(text: str) -> None:
    with pytest.raises(Rejected):
        decode(f"{{{text}}}".encode(), "f", Options)


def test_the_root_of_the_host_may_be_elsewhere(root: Path) -> None:
    assert options(root).rootfs == Tree(root)
