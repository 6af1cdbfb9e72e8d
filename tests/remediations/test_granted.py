"""Every action is named in what is to be granted, with every step that it may take and all that they need."""

from __future__ import annotations

import json
import typing
from collections.abc import Iterable

import pytest

from model import deed
from model.deed import Deed
from model.step import Host, Step
from remediations.actions import ACTIONS, ansible
from remediations.actions.speech import is_speech
from remediations.apart.allowed import compiled
from remediations.apart.needs import Network, needs
from remediations.apart.privileges import privileges
from remediations.apart.privileges_text import FORMATS
from remediations.executable import found
from remediations.writing.playbook import Playbook
from tests.remediations.stage import playbook

SYSTEMD = Host(has_systemd=True)
EXAMPLES = {
    "ansible": ["{folder: /srv/ansible, playbook: site.yml}"],
    "approve": ["{say: may it go on?, within: 5m}\n- command: {argv: [shop-repair, -x]}"],
    "assert": ["{that: [labels.service == 'shop']}"],
    "collect": ["[top, sockets, journal, df, memory]"],
    "command": ["{argv: [shop-repair, -x]}"],
    "container": ["{name: web, state: stopped}"],
    "drain": [
        "{haproxy: {socket: /run/haproxy.sock, backend: shop, server: web1}}",
        "{command: {drain: [lb, out], ready: [lb, in]}}",
    ],
    "escalate": ["{reason: look at it}"],
    "file": ["{path: /etc/shop/app.conf, content: a, validate: [shop-check, '%s']}"],
    "flush_dns_cache": ["{}", "{tool: nscd}"],
    "free_space": [
        "{path: /, target_free: 15%, strategies: [rotate_logs, apt_clean, core_dumps]}",
        "{path: /, target_free: 15%, strategies: [dnf_clean, {journal_vacuum: {max_use: 1G}}]}",
        "{path: /, target_free: 15%, strategies: [{container_prune: {engine: podman}}]}",
    ],
    "http": ["{url: 'http://127.0.0.1:8080/purge', method: POST}"],
    "line": ["{path: /etc/shop/app.conf, line: max=2, regexp: ^max=}"],
    "mount": ["{path: /srv, state: mounted}", "{path: /srv, state: remounted, options: rw}"],
    "notify": ["{text: look}"],
    "old_kernels": ["{}"],
    "package": ["{name: openssl}"],
    "postfix_requeue": ["{}"],
    "postgres_terminate_idle": ["{host: /var/run/postgresql, port: 5433}"],
    "process_signal": ["{match: {exe: /usr/bin/shop}}"],
    "reboot": ["{reason: a new kernel, delay: 5m}"],
    "redis_evict_expiring": ["{socket: /run/redis.sock}"],
    "redis_memory_purge": ["{socket: /run/redis.sock}"],
    "release_open_deleted": ["{path: /var, service: nginx}"],
    "remove_old": ["{roots: [/srv/shop/uploads], patterns: ['*.tmp'], age: 2d}"],
    "renew_certificate": ["{certificate: /etc/c.pem, name: shop, reload: [nginx]}"],
    "rotate_logs": ["{config: /etc/logrotate.d/nginx}"],
    "service": [
        "{name: nginx, state: restarted}",
        "{name: shop, state: restarted, start: [shopd], pidfile: /run/shop.pid}",
    ],
    "sync_time": ["{}", "{tool: timesyncd}"],
    "template": (
        "{path: /etc/app.conf, content: 'port={{ port }}', vars: {port: 80}, validate: [/bin/true, '%s']}",
    ),
    "sysctl": ["{key: vm.swappiness, value: 10}"],
    "systemd_reset_failed": ["{unit: shop.service}"],
    "truncate_open_deleted": ["{path: /, exe: /usr/sbin/nginx}"],
    "undrain": ["{haproxy: {socket: /run/haproxy.sock, backend: shop, server: web1}}"],
    "wait_for": ["{path: /run/app.pid}", "{port: 80}"],
}
NAMES = sorted(action.name for action in ACTIONS)


@pytest.fixture(autouse=True)
def installed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every program is in /usr/bin, so that an action is planned on a machine that has none of them."""
    monkeypatch.setattr("remediations.apart.privileges.found", _path)
    monkeypatch.setattr(ansible, "found", _path)


def _path(name: str) -> str:
    return f"/usr/bin/{name.rpartition('/')[2]}"


def books(name: str) -> Iterable[tuple[Playbook, Host]]:
    for text in EXAMPLES[name]:
        host = Host(has_systemd="pidfile" not in text)
        guard = "{approval: {by: 0, because: a test}}"
        yield playbook(f"- {name}: {text}", guard=guard), host


def steps_of(book: Playbook, host: Host) -> set[Step]:
    planned = {one.step for one in book.plan(host)}
    asked = {step for steps in book.asks(host) for step in steps}
    back = {
        step for task in book.tasks for turn in task.turns for step in task.action.undo(turn.options, host)
    }
    return planned | asked | back


def test_there_is_an_example_of_every_action() -> None:
    assert sorted(EXAMPLES) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_every_step_of_an_action_is_named_to_whoever_grants_it(name: str) -> None:
    for book, host in books(name):
        given = privileges(compiled([book], host), host)
        said = FORMATS["text"](given, "beforehand")
        steps = steps_of(book, host)
        assert steps or is_speech(book.tasks[0].turns[0].options)
        for step in steps:
            words = "".join(c if c.isprintable() else "?" for c in str(step))
            assert any(f"{verb} {words}\n" in said for verb in ("looks:", "acts: ")), step


@pytest.mark.parametrize("name", NAMES)
def test_all_that_the_steps_of_an_action_need_is_printed(name: str) -> None:
    for book, host in books(name):
        given = privileges(compiled([book], host), host)
        unit = FORMATS["systemd"](given, "beforehand")
        told = json.loads(FORMATS["json"](given, "beforehand"))
        for step in steps_of(book, host):
            need = needs(step)
            assert all(f"CapabilityBoundingSet={one}\n" in unit for one in need.capabilities), step
            assert all(f"#   {_path(one)}\n" in unit for one in need.inside), step
            assert all(f"{one}\n" in unit for one in need.settings), step
            assert all(any(_in(one, path) for path in told["writes"]) for one in need.writes), step
            assert Network[told["network"].upper()] >= need.network, step


def _in(path: str, folder: str) -> bool:
    return path == folder or path.startswith(folder.rstrip("/") + "/")


def test_every_deed_is_reached_by_the_examples() -> None:
    reached = {type(step) for name in NAMES for book, host in books(name) for step in steps_of(book, host)}
    assert set(typing.get_args(Deed)) <= reached


def test_what_a_deed_runs_in_the_sandbox_is_named() -> None:
    runs: dict[Step, tuple[str, ...]] = {
        deed.Mount("/srv", "mounted"): ("mount",),
        deed.Mount("/srv", "unmounted", back=True): ("umount",),
        deed.PurgeKernels(2): ("apt-get", "dpkg-query"),
        deed.UpgradePackage("openssl"): ("apt-get",),
        deed.WriteFile("/etc/x", validate=("shop-check", "/etc/x")): ("shop-check",),
    }
    for step, programs in runs.items():
        assert needs(step).inside == programs
    assert found("sh"), "what is installed is found"
