"""Small remedies are one program each, with fixed words."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from model.misfit import Rejected
from model.plugin import Unplannable
from model.step import Risk
from tests.remediations.actions.planning import BARE, planned, risk, undone
from tests.remediations.deeds.done import done, until


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("redis_memory_purge", "{}", "run redis-cli -e -h 127.0.0.1 -p 6379 MEMORY PURGE"),
        (
            "redis_memory_purge",
            "{socket: /run/redis.sock}",
            "run redis-cli -e -s /run/redis.sock MEMORY PURGE",
        ),
        (
            "redis_evict_expiring",
            "{port: 6380}",
            "run redis-cli -e -h 127.0.0.1 -p 6380 CONFIG SET maxmemory-policy volatile-ttl",
        ),
        ("postfix_requeue", "{}", "run postfix flush"),
        ("postfix_requeue", "{config: /etc/postfix-out}", "run postfix -c /etc/postfix-out flush"),
        (
            "postfix_requeue",
            "{how: requeue, config: /etc/postfix-out}",
            "run postsuper -c /etc/postfix-out -r ALL deferred",
        ),
        ("postfix_requeue", "{how: requeue}", "run postsuper -r ALL deferred"),
        ("systemd_reset_failed", "{unit: backup.timer}", "run /usr/bin/systemctl reset-failed backup.timer"),
    ],
)
def test_the_first_step_says_what_it_does(name: str, text: str, words: str) -> None:
    assert str(planned(name, text)[0]).startswith(words)


def test_a_redis_that_was_let_evict_can_be_made_to_keep_all_again() -> None:
    [keep] = undone("redis_evict_expiring", "{socket: /run/redis.sock}")
    assert str(keep) == "run redis-cli -e -s /run/redis.sock CONFIG SET maxmemory-policy noeviction"
    assert risk("redis_evict_expiring") is Risk.IRREVERSIBLE


@pytest.mark.parametrize(
    ("name", "text", "sentence"), [("systemd_reset_failed", "{unit: a.service}", "systemd does not run here")]
)
def test_what_this_host_cannot_do_is_not_planned(name: str, text: str, sentence: str) -> None:
    with pytest.raises(Unplannable, match=sentence):
        planned(name, text, BARE)


@pytest.mark.parametrize(
    ("name", "text", "sentence"),
    [
        ("redis_memory_purge", "{port: 0}", "0 is not a port"),
        ("systemd_reset_failed", "{unit: '*.service'}", "is not the name of a unit"),
    ],
)
def test_what_cannot_be_meant_is_refused(name: str, text: str, sentence: str) -> None:
    with pytest.raises(Rejected, match=sentence):
        planned(name, text)


@pytest.mark.needs("redis-server", "redis-cli")
def test_a_real_redis_gives_memory_back_and_an_error_is_a_failure(tmp_path: Path) -> None:
    argv = [
        "redis-server",
        "--port",
        "0",
        "--unixsocket",
        str(tmp_path / "s"),
        "--save",
        "",
        "--dir",
        str(tmp_path),
    ]
    [purge] = planned("redis_memory_purge", f"{{socket: {tmp_path}/s}}")
    assert not done(tmp_path, purge).ok
    server = subprocess.Popen(argv, stdout=subprocess.DEVNULL)
    try:
        until((tmp_path / "s").is_socket)
        result = done(tmp_path, purge)
        assert result.ok, result
        assert result.output.strip() == "OK"
    finally:
        server.terminate()
        server.wait(15)
