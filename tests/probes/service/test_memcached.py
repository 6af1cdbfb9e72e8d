from __future__ import annotations

import os
import pwd
from pathlib import Path

import pytest

from probes.service import memcached
from probes.service.memcached import Options
from probes.service.wire import Refused, Server
from tests.probes.service.servers import answers, cut, endless, garbage, program, running, saying, until
from tests.probes.targets import Behaviour, drip, hang, listening, unused_port, values, within


def at(port: int) -> Server:
    return Server.parse(f"127.0.0.1:{port}")


@pytest.mark.needs("memcached")
def test_a_server_tells_of_itself(tmp_path: Path) -> None:
    port, me = unused_port(), pwd.getpwuid(os.geteuid()).pw_name
    argv = [program("memcached"), "-l", "127.0.0.1", "-p", str(port), "-c", "77", "-m", "8", "-u", me]
    with running(argv, tmp_path):
        until(lambda: answers(port), "memcached")
        told = values(memcached.run(Options(at(port)), within(10)))
    assert told["memcached_up"] == 1
    assert told["memcached_max_connections"] == 77
    assert told["memcached_limit_bytes"] == 8 << 20
    assert told["memcached_current_connections"] >= 1
    assert told['memcached_commands_total{command="get", status="hit"}'] == 0
    assert any(series.startswith("memcached_version{") for series in told)


def test_a_server_that_is_gone_is_down() -> None:
    assert values(memcached.run(Options(at(unused_port())), within(5))) == {"memcached_up": 0}


@pytest.mark.parametrize(
    "behaviour",
    [garbage, endless, cut, drip, hang, saying(b"STAT a 1\r\n" * 2000), saying(b"ERROR\r\n")],
)
def test_a_server_that_answers_oddly_is_down(behaviour: Behaviour) -> None:
    with listening(behaviour) as port:
        assert values(memcached.run(Options(at(port)), within(0.5))) == {"memcached_up": 0}


def test_a_server_that_wants_a_password_is_unknown() -> None:
    with (
        listening(saying(b"CLIENT_ERROR unauthenticated\r\n")) as port,
        pytest.raises(Refused, match="unauth"),
    ):
        list(memcached.run(Options(at(port)), within(5)))


def test_odd_fields_are_passed_over() -> None:
    told = values(memcached.samples({"version": "1.6", "bytes": "-1", "uptime": "9", "get_hits": "nan"}))
    assert told == {'memcached_version{version="1.6"}': 1, "memcached_uptime_seconds": 9}
