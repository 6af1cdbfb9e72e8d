from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from probes.service import redis
from probes.service.redis import ERRORS_MAX, Options, samples
from probes.service.wire import Refused, Server, connected
from tests.probes.service.servers import (
    answers,
    cut,
    endless,
    garbage,
    program,
    remarks,
    running,
    saying,
    until,
)
from tests.probes.targets import Behaviour, drip, hang, listening, unused_port, values, within


def at(port: int) -> Server:
    return Server.parse(f"127.0.0.1:{port}")


def look(options: Options) -> dict[str, float]:
    return values(redis.run(options, within(10)))


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """A Redis with limits."""
    folder, port = tmp_path_factory.mktemp("redis"), unused_port()
    argv = [
        program("redis-server"), "--port", str(port), "--bind", "127.0.0.1", "--save", "3600 1",
        "--repl-diskless-sync-delay", "0", "--maxclients", "77", "--maxmemory", "64mb", "--dir", str(folder),
    ]  # fmt: skip  # as in a shell
    with running(argv, folder):
        until(lambda: answers(port), "redis")
        yield port


@pytest.mark.needs("redis-server")
def test_a_server_tells_of_itself(server: int) -> None:
    told = look(Options(at(server)))
    assert told["redis_up"] == 1
    assert told["redis_config_maxclients"] == 77
    assert told["redis_memory_max_bytes"] == 64 << 20
    assert told["redis_memory_used_bytes"] > 0
    assert told["redis_total_system_memory_bytes"] > told["redis_memory_used_bytes"]
    assert told["redis_connected_clients"] >= 1
    assert told["redis_connected_slaves"] == 0
    assert told["redis_rdb_last_bgsave_status"] == 1
    assert told["redis_rdb_last_save_timestamp_seconds"] > 1e9
    assert told["redis_rejected_connections_total"] == 0
    assert any(series.startswith("redis_instance_info{") and 'role="master"' in series for series in told)
    assert not any("master_link" in series for series in told)


@pytest.mark.needs("redis-server", "redis-cli")
def test_commands_that_fail_are_counted_by_their_error(server: int) -> None:
    before = look(Options(at(server))).get('redis_errors_total{err="WRONGTYPE"}', 0)
    for words in (["SET", "text", "a"], ["LPUSH", "text", "b"], ["DEL", "text"]):
        asked = [program("redis-cli"), "-p", str(server), *words]
        subprocess.run(asked, check=True, capture_output=True, timeout=30)
    assert look(Options(at(server)))['redis_errors_total{err="WRONGTYPE"}'] == before + 1


def test_errors_that_a_script_made_up_do_not_crowd_out_the_one_of_memory() -> None:
    words = [f"A{chr(65 + at // 26)}{chr(65 + at % 26)}" for at in range(ERRORS_MAX + 9)]
    fields = {f"errorstat_{word}": "count=1" for word in (*words, "OOM", "{odd}", "x" * 999)}
    told = {str(one.labels) for one in samples(fields) if "redis_errors_total" in str(one.labels)}
    assert len(told) == ERRORS_MAX
    assert any('err="OOM"' in series for series in told)


@pytest.mark.needs("redis-server")
def test_a_server_tells_of_itself_through_its_socket(tmp_path: Path) -> None:
    argv = [program("redis-server"), "--port", "0", "--unixsocket", str(tmp_path / "s"), "--save", ""]
    with running(argv, tmp_path):
        until((tmp_path / "s").exists, "redis")
        told = look(Options(Server.parse(str(tmp_path / "s"))))
    assert told["redis_up"] == 1
    assert told["redis_rdb_changes_since_last_save"] == 0


@pytest.mark.needs("redis-server")
def test_a_password_opens_the_server_and_a_wrong_one_leaves_it_unknown(tmp_path: Path) -> None:
    port, password = unused_port(), tmp_path / "password"
    config = tmp_path / "redis.conf"
    config.write_text(
        f"port {port}\nbind 127.0.0.1\nsave ''\nrequirepass secret\nuser ada on >lovelace +ping\n"
    )
    with running([program("redis-server"), str(config)], tmp_path):
        until(lambda: answers(port), "redis")
        password.write_text("secret\n")
        assert look(Options(at(port), password_file=str(password)))["redis_up"] == 1
        with pytest.raises(Refused, match="NOAUTH"):
            look(Options(at(port)))
        password.write_text("lovelace\n")
        with pytest.raises(Refused, match="NOPERM"):
            look(Options(at(port), username="ada", password_file=str(password)))
        password.write_text("wrong\n")
        with pytest.raises(Refused, match="WRONGPASS") as refused:
            look(Options(at(port), password_file=str(password)))
        assert "wrong" not in str(refused.value)


@pytest.mark.needs("redis-server")
def test_a_replica_that_lost_its_master_says_so(server: int, tmp_path: Path) -> None:
    port = unused_port()
    argv = [program("redis-server"), "--port", str(port), "--bind", "127.0.0.1", "--save", ""]
    link = f'redis_master_link_up{{master_host="127.0.0.1", master_port="{server}"}}'
    with running([*argv, "--replicaof", "127.0.0.1", str(server)], tmp_path):
        until(lambda: answers(port), "the replica")
        until(lambda: look(Options(at(port)))[link] == 1, "the link")
        until(lambda: look(Options(at(server)))["redis_connected_slaves"] == 1, "the replica of the master")
        told = look(Options(at(server)))
        assert any(series.startswith("redis_connected_slave_lag_seconds{") for series in told)
    until(lambda: look(Options(at(server)))["redis_connected_slaves"] == 0, "the end of the replica")
    nobody = unused_port()
    with running([*argv, "--replicaof", "127.0.0.1", str(nobody)], tmp_path):
        until(lambda: answers(port), "the replica")
        assert look(Options(at(port)))[link.replace(str(server), str(nobody))] == 0


@pytest.mark.needs("redis-server")
def test_a_full_server_is_down_for_whoever_comes(tmp_path: Path) -> None:
    argv = [program("redis-server"), "--port", "0", "--unixsocket", str(tmp_path / "s"), "--maxclients", "1"]
    server = Server.parse(str(tmp_path / "s"))
    with running(argv, tmp_path):
        until((tmp_path / "s").exists, "redis")
        until(lambda: look(Options(server))["redis_up"] == 1, "an answer")
        with connected(server, within(10), 1000):
            until(lambda: look(Options(server)) == {"redis_up": 0}, "the limit")
            assert "max number of clients" in remarks(redis.run(Options(server), within(10)))[0]


def test_a_server_that_is_gone_is_down() -> None:
    seen = list(redis.run(Options(at(unused_port())), within(5)))
    assert values(seen) == {"redis_up": 0}
    assert remarks(seen)[0].startswith("the connection failed")


@pytest.mark.parametrize(
    "behaviour",
    [
        garbage, endless, cut, drip, hang,
        saying(b"$99999999999\r\n"),
        saying(b"$-1\r\n", b"*0\r\n"),
        saying(b"*1024\r\n" * 9),
        saying(b"*9999999\r\n"),
        saying(b"$4\r\nbody\r\n", b"*0\r\n"),
        saying(b"-LOADING Redis is loading the dataset in memory\r\n"),
        saying(b":" + b"9" * 5000 + b"\r\n"),
    ],
)  # fmt: skip  # one behaviour a line
def test_a_server_that_answers_oddly_is_down(behaviour: Behaviour) -> None:
    with listening(behaviour) as port:
        assert values(redis.run(Options(at(port)), within(0.5))) == {"redis_up": 0}


def test_where_config_may_not_be_used_info_tells_the_limit_of_clients() -> None:
    info = b"# Server\r\nredis_version:7.0.0\r\nmaxclients:500\r\nrole:master\r\n"
    with listening(saying(b"$%d\r\n%s\r\n" % (len(info), info), b"-NOPERM no CONFIG\r\n")) as port:
        told = look(Options(at(port)))
    assert told["redis_config_maxclients"] == 500


def test_odd_fields_are_passed_over_and_labels_are_bounded() -> None:
    fields = redis.parse_info(
        "used_memory:nan\r\nmaxmemory:1e400\r\nredis_version:" + "x" * 5000 + "\r\nno colon\r\n"
        "rdb_last_bgsave_status:err\r\ndb0:keys=5,expires=x,avg_ttl=0\r\ndb3:keys=-,expires=2\r\n"
        "slave0:ip=10.0.0.2,port=6379,state=online,offset=77,lag=1\r\nslave1:ip\r\n"
    )
    told = values(redis.samples(fields))
    replica = '{slave_ip="10.0.0.2", slave_port="6379", slave_state="online"}'
    assert len(next(series for series in told if "redis_instance_info" in series)) < 2200
    assert {series: value for series, value in told.items() if "instance" not in series} == {
        "redis_rdb_last_bgsave_status": 0,
        'redis_db_keys{db="db0"}': 5,
        'redis_db_keys_expiring{db="db3"}': 2,
        f"redis_connected_slave_lag_seconds{replica}": 1,
        f"redis_connected_slave_offset_bytes{replica}": 77,
    }
