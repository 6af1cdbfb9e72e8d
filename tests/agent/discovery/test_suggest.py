from __future__ import annotations

import re
from pathlib import Path
from typing import Final

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agent.config import load
from agent.discovery.finding import (
    Certificates,
    Findings,
    Job,
    Listening,
    LocalSocket,
    LogFile,
    Mount,
    Program,
    Speech,
    StatusPage,
    Unseen,
)
from agent.discovery.shipped import Shipped
from agent.discovery.suggest import KNOWN, suggest
from agent.discovery.suggestion import Suggestion
from agent.discovery.write import write
from probes import BY_NAME
from remediations.writing.playbook import Mode

SHIPPED: Final = Shipped.read()
NGINX = Program("nginx", "nginx: master process nginx", "nginx.service", "/run/nginx.pid")
REDIS = Program("redis-server", "redis-server *:6379", "redis.service")
POSTGRES = Program("postgres", "postgres -D /data", "postgresql@15-main.service")
EVERYTHING = Findings(
    listening=(
        Listening("0.0.0.0", 22, "127.0.0.1", Program("sshd", unit="ssh.service")),
        Listening("0.0.0.0", 80, "127.0.0.1", NGINX, "http", 301),
        Listening("::", 443, "127.0.0.1", NGINX, "https", 200),
        Listening("127.0.0.1", 6379, "127.0.0.1", REDIS),
        Listening("127.0.0.1", 9187, "127.0.0.1", Program("shop_exporter"), "http", 200),
        Listening("10.0.0.5", 9000, "", None),
    ),
    sockets=(
        LocalSocket("/run/postgresql/.s.PGSQL.5432", True, POSTGRES),
        LocalSocket("/run/mysqld/mysqld.sock", True, None),
        LocalSocket("/run/docker.sock", True, None),
    ),
    programs=(NGINX, POSTGRES, REDIS, Program("cron", unit="", pidfile="/run/crond.pid")),
    status_pages=(StatusPage("http://127.0.0.1:80/status", "/etc/nginx/conf.d/status.conf"),),
    certificates=(Certificates("/etc/letsencrypt/live/*/fullchain.pem", 2),),
    logs=(LogFile("/var/log/nginx/error.log", "nginx"),),
    jobs=(Job("backup", "0 3 * * *", "/etc/cron.d/backup"),),
    mounts=(Mount("/", "ext4"), Mount("/data", "xfs")),
    units=frozenset({"nginx.service", "redis-server.service"}),
    kernel_log="kmsg",
    textfiles=("/srv/textfile",),
    spool=LocalSocket("/var/spool/postfix", True),
    gateway="192.0.2.1",
    unseen=(Unseen("/etc/ssl/private", "this user may not list it"),),
)


def lines(suggestion: Suggestion, *, active: bool) -> list[str]:
    return [line for item in suggestion.items if item.active is active for line in item.lines()]


def kinds(suggestion: Suggestion) -> set[str]:
    return {item.probe for item in suggestion.items if item.active}


def loaded(suggestion: Suggestion, folder: Path) -> int:
    """Return how many probes an agent would run, after loading what would be written."""
    path = folder / "agent.yaml"
    path.write_text(write(suggestion), encoding="utf-8")
    return len(load(path).config.probes)


def test_all_that_was_found_is_watched_each_with_its_reason(tmp_path: Path) -> None:
    found = suggest(EVERYTHING, SHIPPED)
    wanted = {
        "host", "kmsg", "http", "tcp", "redis", "nginx", "unix", "container", "postfix", "process",
        "cert_file", "log", "scrape", "textfile",
    }  # fmt: skip  # on two lines
    assert kinds(found) == wanted
    assert all(item.reason for item in found.items)
    assert found.left_out == ()
    text = write(found).replace("\n# ", " ")
    for reason in (
        " nginx (nginx.service) listens on 0.0.0.0:80, pid file /run/nginx.pid; it answered GET / with 301",
        "/ (ext4), /data (xfs)",
        " - /etc/ssl/private: this user may not list it",
    ):
        assert reason in text
    assert loaded(found, tmp_path) > len(wanted)


def test_a_redirect_or_a_refusal_is_expected_where_it_was_the_answer() -> None:
    web = Findings(
        listening=tuple(
            Listening("::1", 80 + n, "::1", None, "http", s) for n, s in enumerate((200, 302, 404, 503))
        )
    )
    shown = [line for line in lines(suggest(web, SHIPPED), active=True) if line.startswith("- http")]
    assert shown == [
        '- http: {target: "http://[::1]:80/"}',
        '- http: {target: "http://[::1]:81/", follow_redirects: false, valid_status_codes: [302]}',
        '- http: {target: "http://[::1]:82/", valid_status_codes: [404]}',
        '- http: {target: "http://[::1]:83/"}',
    ]


def test_what_needs_a_grant_waits_as_a_comment_with_what_to_do(tmp_path: Path) -> None:
    found = suggest(EVERYTHING, SHIPPED)
    waiting = {item.probe: item for item in found.items if not item.active}
    assert waiting.keys() == {"postgres", "mysql", "icmp", "heartbeat"}
    assert all(item.first for item in waiting.values())
    text = write(found)
    assert (
        "# First, in psql as its superuser: CREATE ROLE beforehand LOGIN; GRANT pg_monitor TO beforehand;"
        in text
    )
    # Turned on, all of them are right as they stand.
    path = tmp_path / "agent.yaml"
    turned_on = re.sub(r"^#(- (?!\{)| {2}\w)", r"\1", text, flags=re.MULTILINE)
    path.write_text(turned_on)
    names = {entry.probe.name for entry in load(path).config.probes}
    assert waiting.keys() <= names


@pytest.mark.parametrize(
    "end", [LocalSocket("/run/docker.sock", takes=False), LocalSocket("/home/eve/docker.sock", takes=True)]
)
def test_an_engine_that_lets_nobody_in_or_lies_anywhere_is_not_asked(end: LocalSocket) -> None:
    assert "container" not in kinds(suggest(Findings(sockets=(end,)), SHIPPED))


def test_a_database_is_connected_to_where_it_lets_us_in() -> None:
    def shown(end: LocalSocket, *bound: Listening) -> list[str]:
        return [
            line
            for line in lines(suggest(Findings(bound, (end,)), SHIPPED), active=True)
            if "host" not in line
        ]

    port = Listening("127.0.0.1", 5432, "127.0.0.1", POSTGRES)
    path = "/run/postgresql/.s.PGSQL.5432"
    assert shown(LocalSocket(path, True, POSTGRES), port) == [f"- unix: {{target: {path}}}"]
    assert shown(LocalSocket(path, False, None), port) == ['- tcp: {target: "127.0.0.1:5432"}']
    # MySQL shuts out hosts that often connect and say nothing.
    mysql = Listening("127.0.0.1", 3306, "127.0.0.1", Program("mysqld"))
    assert shown(LocalSocket("/run/mysqld/mysqld.sock", False), mysql) == []


def test_a_cluster_of_redis_is_asked_once() -> None:
    bound = tuple(Listening("0.0.0.0", port, "127.0.0.1", REDIS) for port in (6379, 6380, 16379))
    shown = [line for line in lines(suggest(Findings(bound), SHIPPED), active=True) if "redis" in line]
    assert shown == ['- redis: {target: "127.0.0.1:6379"}', '- redis: {target: "127.0.0.1:6380"}']


def test_packs_come_with_what_their_rules_read() -> None:
    names = [word.name for word in suggest(EVERYTHING, SHIPPED).packs]
    assert names[:3] == ["host", "availability", "self"]
    assert set(names[3:]) == {
        "certificates",
        "containers",
        "exhaustion",
        "jobs",
        "kernel-log",
        "mail",
        "nginx",
        "redis",
        "systemd",
        "web",
    }
    bare = {word.name for word in suggest(Findings(), SHIPPED).packs}
    assert bare == {"host", "availability", "self", "jobs"}


def test_playbooks_come_only_where_what_they_act_on_is_here_and_never_act_by_themselves() -> None:
    found = suggest(EVERYTHING, SHIPPED).playbooks
    taken = {word.name for word in found if word.taken}
    assert taken >= {
        "gather-evidence",
        "make-room-in-redis",
        "requeue-stuck-mail",
        "restart-nginx",
        "restart-redis",
    }
    assert not taken & {"restart-unhealthy-container", "start-failed-unit", "start-failed-timer"}
    assert all(SHIPPED.playbooks[name].mode is not Mode.AUTO for name in taken)
    elsewhere = Findings(
        programs=(Program("nginx", pidfile="/srv/nginx.pid"),), status_pages=EVERYTHING.status_pages
    )
    (word,) = (word for word in suggest(elsewhere, SHIPPED).playbooks if word.name == "restart-nginx")
    assert not word.taken
    assert "nginx.service or /run/nginx.pid, which is not here" in write(suggest(elsewhere, SHIPPED))


def test_a_playbook_that_acts_by_itself_is_told_of_and_left_to_who_wants_it() -> None:
    (word,) = (word for word in suggest(EVERYTHING, SHIPPED).playbooks if word.name == "free-disk-space")
    assert not word.taken
    assert "it acts by itself: add it where you want that" in word.reason
    assert "\n- free-disk-space" not in write(suggest(EVERYTHING, SHIPPED))


def test_a_playbook_that_goes_over_usual_names_comes_where_one_of_them_is_here() -> None:
    def taken(findings: Findings, name: str) -> bool:
        return any(word.taken and word.name == name for word in suggest(findings, SHIPPED).playbooks)

    here = Findings(units=frozenset({"logrotate.service"}), mounts=(Mount("/srv/nfs", "nfs4"),))
    assert taken(here, "start-failed-timer")
    assert taken(here, "recover-mount")
    assert not taken(here, "restart-leaking-process")
    elsewhere = Findings(units=frozenset({"shop.service"}), mounts=(Mount("/", "ext4"),))
    assert not taken(elsewhere, "start-failed-timer")
    assert not taken(elsewhere, "recover-mount")


@pytest.mark.parametrize("name", sorted({"kmsg", "http", "redis", "unix", "postgres", "process", "host"}))
def test_a_probe_that_is_not_registered_is_never_suggested(name: str) -> None:
    found = suggest(EVERYTHING, SHIPPED, frozenset(KNOWN) - {name})
    assert name not in {item.probe for item in found.items}
    assert found.items
    assert {item.probe for item in suggest(EVERYTHING, SHIPPED).items} <= set(KNOWN)
    assert set(KNOWN) - {"host"} == set(BY_NAME)


def test_programs_are_found_again_in_the_way_that_needs_the_least_rights() -> None:
    programs = (
        Program("nginx", pidfile="/run/nginx.pid", unit="nginx.service"),
        Program("php-fpm8.2", unit="php8.2-fpm.service"),
        Program("python3", "/usr/bin/python3 -u /srv/shop (new)/main.py --password=secret"),
        Program("gunicorn", "gunicorn: master"),
        Program("gunicorn", "gunicorn: other"),
        Program("nginx", pidfile="/run/other/nginx.pid"),
    )
    found = suggest(Findings(programs=programs), SHIPPED)
    shown = [line for line in lines(found, active=True) if "group" in line]
    assert shown == [
        "- process: {group: nginx, pidfile: /run/nginx.pid}",
        "- process: {group: php8.2-fpm, unit: php8.2-fpm.service}",
        '- process: {group: shop, command: "^[^ ]*python[^ ]* (.* )?/srv/shop( |$)"}',
        "- process: {group: gunicorn, name: gunicorn}",
        "- process: {group: nginx-2, pidfile: /run/other/nginx.pid}",
    ]
    assert "secret" not in write(found)


NASTY = st.sampled_from(
    [
        "\n- host: {}", '"', "'", ": ", " #", "{", "}", "]", ",", "\\", "\x00", "\x85", "\u2028",
        "\ufeff", "\udc80", "*", "&a", "!!x", "|", "%", "\x1b[2J", "é", "null", "~", "1e3", "no", " ", "\t",
        "/", "-", "a",
    ]
)  # fmt: skip  # on two lines
NAMES = st.lists(NASTY | st.text(max_size=4), max_size=6).map("".join)
PATHS = NAMES.map(lambda name: f"/{name}")
ENDS = st.builds("/{}/{}".format, NAMES, st.sampled_from([".s.PGSQL.5432", "mysqld.sock", "redis.sock"]))
PAGES = st.builds(StatusPage, url=NAMES.map("http://127.0.0.1:80/".__add__), file=PATHS)
JOBS = st.builds(Job, name=NAMES, schedule=st.just("@daily") | NAMES, file=PATHS)
PROGRAMS = st.builds(
    Program,
    name=NAMES | st.sampled_from(["nginx", "python3", "postgres", "redis-server"]),
    command=NAMES.map(lambda name: f"python3 {name}"),
    unit=st.just("") | NAMES,
    pidfile=st.just("") | PATHS,
)
SPEECH: st.SearchStrategy[Speech] = st.sampled_from(["unasked", "nothing", "other", "http", "https"])
FINDINGS = st.builds(
    Findings,
    listening=st.lists(
        st.builds(
            Listening,
            address=st.sampled_from(["127.0.0.1", "::", "10.0.0.5", "fe80::1"]),
            port=st.integers(1, 65535),
            host=st.sampled_from(["127.0.0.1", "::1", ""]),
            program=st.none() | PROGRAMS,
            speech=SPEECH,
            status=st.integers(100, 599),
        ),
        max_size=4,
    ).map(tuple),
    sockets=st.lists(
        st.builds(
            LocalSocket,
            path=PATHS
            | NAMES.map(lambda name: f"/{name}/.s.PGSQL.5432")
            | NAMES.map(lambda name: f"/{name}/mysqld.sock"),
            takes=st.booleans(),
            program=st.none() | PROGRAMS,
        ),
        max_size=4,
    ).map(tuple),
    programs=st.lists(PROGRAMS, max_size=4).map(tuple),
    status_pages=st.lists(
        st.builds(StatusPage, url=NAMES.map("http://127.0.0.1:80/".__add__), file=PATHS), max_size=2
    ).map(tuple),
    certificates=st.lists(st.builds(Certificates, path=PATHS), max_size=2).map(tuple),
    logs=st.lists(st.builds(LogFile, path=PATHS, service=st.just("nginx")), max_size=2).map(tuple),
    jobs=st.lists(st.builds(Job, name=NAMES, schedule=st.just("@daily") | NAMES, file=PATHS), max_size=2).map(
        tuple
    ),
    mounts=st.lists(st.builds(Mount, mountpoint=PATHS, fstype=NAMES), max_size=2).map(tuple),
    units=st.none() | st.frozensets(NAMES, max_size=2),
    kernel_log=st.sampled_from(["", "kmsg", "journal"]),
    textfiles=st.lists(PATHS, max_size=2).map(tuple),
    spool=st.none() | st.builds(LocalSocket, path=PATHS, takes=st.booleans()),
    gateway=st.just("") | NAMES,
    unseen=st.lists(st.builds(Unseen, what=NAMES, why=NAMES), max_size=2).map(tuple),
)


# A time-out in the middle of an example would be told as a failure that does not repeat.
@pytest.mark.timeout(300)
@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(findings=FINDINGS)
def test_whatever_a_host_calls_its_things_the_configuration_loads(findings: Findings, tmp_path: Path) -> None:
    found = suggest(findings, SHIPPED)
    text = write(found)
    assert loaded(found, tmp_path) >= 30
    keys = re.findall(r"^(\w[^:]*):", text, re.MULTILINE)
    assert keys == ["desks", "labels", "rules", "playbooks", "probes"]
    assert text.isprintable() or set(text) - {"\n"} == {c for c in text if c.isprintable()}
    for item in found.items:
        assert item.probe in KNOWN


def test_a_hostile_name_stays_within_its_comment_and_its_quotes(tmp_path: Path) -> None:
    evil = Program("x\n- host: {}", unit='a"b: {c}.service', pidfile='/run/a" #\n- tcp: {}.pid')
    found = suggest(Findings((Listening("::", 99, "127.0.0.1", evil, "other"),), programs=(evil,)), SHIPPED)
    text = write(found)
    assert r'pidfile: "/run/a\" #\n- tcp: {}.pid"' in text
    assert text.count("\n- host: {}") == 1
    assert loaded(found, tmp_path) > 30


def test_a_name_that_no_configuration_can_hold_is_told_and_left_out(tmp_path: Path) -> None:
    found = suggest(Findings(programs=(Program("bad\udc80"), Program("good"))), SHIPPED)
    assert "- process: {group: good, name: good}" in write(found)
    assert "# Left out:" in write(found)
    assert r"bad\udc80 runs here" in write(found)
    assert loaded(found, tmp_path) > 30
