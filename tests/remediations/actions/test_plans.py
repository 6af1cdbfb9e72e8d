"""What each action plans on which host, and which options it refuses when the file is read."""

from __future__ import annotations

import pytest

from model.decode import decode
from model.deed import BringContainer, CallHttp, LookAtLocks, RestoreKernel, SetHaproxyServer, SignalProcess
from model.misfit import Rejected
from model.plugin import Unplannable
from model.step import Exec, Host, Result, Risk, Step
from remediations.actions import ACTIONS

BARE, SYSTEMD = Host(has_systemd=False), Host(has_systemd=True)
KNOWN = {action.name: action for action in ACTIONS}


def planned(name: str, text: str, host: Host = SYSTEMD) -> list[Step]:
    return list(KNOWN[name].plan(decode(text.encode(), "f", KNOWN[name].options), host))


def undone(name: str, text: str) -> list[Step]:
    return list(KNOWN[name].undo(decode(text.encode(), "f", KNOWN[name].options), SYSTEMD))


def argvs(steps: list[Step]) -> list[str]:
    return [" ".join(step.argv) for step in steps if isinstance(step, Exec)]


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("process_signal", "{match: {exe: shop}}", "send TERM to the process shop"),
        (
            "process_signal",
            "{match: {exe: /a/b, user: web, port: 80, older_than: 1h}, signal: HUP, processes_max: 3}",
            "send HUP to at most 3 processes /a/b of web at port 80 older than 3600s",
        ),
        ("container", "{name: web, state: restarted}", "bring the container web to restarted"),
        ("sync_time", "{}", "set the clock by chrony, by at most 1s"),
        ("sync_time", "{tool: timesyncd, step_max: 500ms}", "set the clock by timesyncd, by at most 0.5s"),
        ("flush_dns_cache", "{}", "run resolvectl flush-caches"),
        ("flush_dns_cache", "{tool: nscd}", "run nscd --invalidate=hosts"),
        ("sysctl", "{key: vm.swappiness, value: 10}", "set vm.swappiness to 10"),
        (
            "sysctl",
            "{key: fs.file-max, value: 900000, revert_after: 1h}",
            "set fs.file-max to 900000 for 3600s",
        ),
        ("reboot", "{reason: a new kernel, delay: 5m}", "run shutdown -r +5 'a new kernel'"),
        ("package", "{name: openssl}", "upgrade openssl from a security archive"),
        (
            "http",
            "{url: 'http://127.0.0.1:8080/purge', method: POST}",
            "call POST http://127.0.0.1:8080/purge",
        ),
        (
            "renew_certificate",
            "{certificate: /etc/c.pem, name: shop.example}",
            "renew /etc/c.pem by certbot renew --cert-name shop.example --non-interactive",
        ),
        (
            "renew_certificate",
            "{certificate: /etc/c.pem, tool: lego, argv: [lego, --path, /etc/lego, renew]}",
            "renew /etc/c.pem by lego --path /etc/lego renew",
        ),
        (
            "drain",
            "{haproxy: {socket: /run/haproxy.sock, backend: shop, server: web1}}",
            "set the server shop/web1 of HAProxy to drain",
        ),
        ("drain", "{command: {drain: [lb, out], ready: [lb, in]}}", "run lb out"),
        ("undrain", "{command: {drain: [lb, out], ready: [lb, in]}}", "run lb in"),
        ("redis_memory_purge", "{}", "run redis-cli -e -h 127.0.0.1 -p 6379 MEMORY PURGE"),
        (
            "redis_memory_purge",
            "{socket: /run/redis.sock}",
            "run redis-cli -e -s /run/redis.sock MEMORY PURGE",
        ),
        ("postfix_requeue", "{}", "run postqueue -f"),
        ("postfix_requeue", "{how: requeue}", "run postsuper -r ALL deferred"),
        ("systemd_reset_failed", "{unit: backup.timer}", "run /usr/bin/systemctl reset-failed backup.timer"),
    ],
)
def test_the_first_step_says_what_it_does(name: str, text: str, words: str) -> None:
    assert str(planned(name, text)[0]).startswith(words)


def test_services_read_a_renewed_certificate_again() -> None:
    text = "{certificate: /etc/c.pem, name: shop, reload: [nginx, postfix]}"
    done = argvs(planned("renew_certificate", text))
    assert done[-1] == "/usr/bin/systemctl reload postfix.service"
    assert "/usr/bin/systemctl reload nginx.service" in done


@pytest.mark.parametrize(
    ("name", "text", "sentence"),
    [
        ("sync_time", "{tool: timesyncd}", "systemd does not run here"),
        ("sysctl", "{key: vm.swappiness, value: 1, revert_after: 1h}", "cannot revert by itself"),
        ("systemd_reset_failed", "{unit: a.service}", "systemd does not run here"),
        ("ansible", "{folder: /srv/ansible, playbook: site.yml}", "ansible-runner is not installed here"),
    ],
)
def test_what_this_host_cannot_do_is_not_planned(name: str, text: str, sentence: str) -> None:
    with pytest.raises(Unplannable, match=sentence):
        planned(name, text, BARE)


def test_what_can_be_taken_back_is() -> None:
    [start] = undone("container", "{name: web, state: stopped}")
    assert start == BringContainer("web", "started", "/run/docker.sock", 10.0, back=True)
    assert undone("container", "{name: web, state: restarted}") == []
    assert undone("sysctl", "{key: vm.swappiness, value: 10}") == [RestoreKernel("vm.swappiness")]
    assert argvs(undone("reboot", "{reason: why not}")) == ["shutdown -c"]
    [ready] = undone("drain", "{haproxy: {socket: /s, backend: shop, server: web1}}")
    assert isinstance(ready, SetHaproxyServer)
    assert ready.state == "ready"


def test_what_cannot_be_taken_back_says_so() -> None:
    final = {name for name, action in KNOWN.items() if action.risk is Risk.IRREVERSIBLE}
    assert final >= {
        "process_signal", "reboot", "package", "postgres_terminate_idle", "sync_time", "ansible"
    }  # fmt: skip


@pytest.mark.parametrize(
    ("name", "text", "sentence"),
    [
        ("process_signal", "{match: {exe: sshd}}", "carries the host and is never signalled"),
        ("process_signal", "{match: {exe: /usr/lib/systemd/systemd}}", "carries the host"),
        ("process_signal", "{match: {exe: ../shop}}", "is not a program"),
        ("process_signal", "{match: {user: web}}", "the key 'exe' is missing"),
        ("process_signal", "{match: {exe: shop, cgroup: /}}", "is not a control group"),
        ("process_signal", "{match: {exe: shop, user: 'a;b'}}", "is not a user's name"),
        ("process_signal", "{match: {exe: shop}, processes_max: 500}", "500 processes are out of range"),
        ("process_signal", "{match: {exe: shop}, signal: KILL}", "expected one of TERM"),
        ("container", "{name: ../web, state: started}", "is not a container's name"),
        ("container", "{name: 'web?force=1', state: started}", "is not a container's name"),
        ("sync_time", "{step_max: 5s}", "a step is at most 1s"),
        ("sysctl", "{key: kernel.core_pattern, value: 1}", "is not among what may be set"),
        ("sysctl", "{key: vm.swappiness, value: 500}", "500 is out of bounds"),
        ("sysctl", "{key: vm.swappiness, value: 10, revert_after: 1s}", "the time is out of range"),
        ("reboot", "{reason: '-h'}", "the reason is no sentence"),
        ("reboot", "{reason: now, delay: 10s}", "write whole minutes"),
        ("package", "{name: openssl-}", "is not a package"),
        ("package", "{name: '-y'}", "is not a package"),
        ("package", "{name: openssl=1.0}", "is not a package"),
        ("http", "{url: 'http://169.254.169.254/'}", "link-local or a cloud's metadata"),
        ("http", "{url: 'http://10.0.0.1/'}", "is private"),
        ("http", "{url: 'http://[fe80::1]/'}", "link-local"),
        ("http", "{url: 'file:///etc/passwd'}", "is not a web address"),
        ("http", "{url: 'http://a:b@127.0.0.1/'}", "is not a web address"),
        ("http", "{url: 'http://127.0.0.1/{{ labels.x }}'}", "is not a web address"),
        ("http", "{url: 'http://2130706433/'}", "is no address"),
        ("http", "{url: 'http://127.0.0.1/', expect: {regexp: '('}}", "is not a regular expression"),
        ("http", "{url: 'http://127.0.0.1/', content_type: \"a/b\\r\\nX: y\"}", "no type of content"),
        ("renew_certificate", "{certificate: /c, tool: lego, name: x}", "lego takes an argv alone"),
        ("renew_certificate", "{certificate: /c}", "certbot takes a name alone"),
        ("renew_certificate", "{certificate: /c, name: --x}", "is not a name"),
        ("drain", "{}", "a drain is by haproxy or by command"),
        ("drain", "{haproxy: {socket: /s, backend: 'a b', server: x}}", "is not a name"),
        ("postgres_terminate_idle", "{min_age: 1s}", "the age is out of range"),
        ("postgres_terminate_idle", "{database: 'a b'}", "is not a name"),
        ("postgres_terminate_idle", "{database: 'host=evil'}", "is not a name"),
        ("redis_memory_purge", "{port: 0}", "0 is not a port"),
        ("systemd_reset_failed", "{unit: '*.service'}", "is not the name of a unit"),
        ("ansible", "{folder: /srv, playbook: ../x.yml}", "is not a name"),
        ("ansible", "{folder: /srv, playbook: site}", "is not a playbook"),
    ],
)
def test_what_cannot_be_meant_is_refused(name: str, text: str, sentence: str) -> None:
    with pytest.raises(Rejected, match=sentence):
        planned(name, text)


@pytest.mark.parametrize("name", ["reboot", "package"])
def test_whoever_is_in_the_middle_of_something_is_waited_for(name: str) -> None:
    action = KNOWN[name]
    text = "{reason: why not}" if name == "reboot" else "{name: openssl}"
    options = decode(text.encode(), "f", action.options)
    asked = list(action.asks(options, SYSTEMD))
    assert isinstance(asked[0], LookAtLocks)
    free, held = Result(ok=True), Result(ok=False, reason="pid 7 holds it")
    assert action.intent(options, [free, free]) is None
    act = action.intent(options, [held, free])
    assert act is not None
    assert act.passing
    assert act.reason == "packages are changed already: pid 7 holds it"
    assert "a shutdown is scheduled already" in str(action.intent(options, [free, held]))


def test_a_request_carries_what_is_written() -> None:
    text = (
        "{url: 'https://10.0.0.1/x', allow_private: true, expect: {status: [204], regexp: ok}, timeout: 3s}"
    )
    assert planned("http", text) == [
        CallHttp("GET", "https://10.0.0.1/x", expect=(204,), pattern="ok", allow_private=True, timeout_s=3)
    ]


def test_a_program_by_two_names_is_one_thing() -> None:
    action = KNOWN["process_signal"]
    read = [
        decode(f"{{match: {{exe: {exe}}}}}".encode(), "f", action.options) for exe in ("shop", "/opt/shop")
    ]
    assert action.touches(read[0]) == action.touches(read[1]) == {"process:shop"}
    assert isinstance(next(iter(action.plan(read[0], BARE))), SignalProcess)
