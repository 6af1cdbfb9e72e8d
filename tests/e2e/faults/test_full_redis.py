"""A full redis takes writes again where something in it may go; one that died comes back."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import pytest

from tests.e2e import servers
from tests.e2e.faults.scene import QUICK_PROOF, Scene, acting, rule, shipped
from tests.e2e.faults.vain import BY_ITSELF, QUICKLY, left_to_people
from tests.e2e.installation import Tree
from tests.e2e.patience import until
from tests.e2e.ports import Port
from tests.e2e.servers import Redis, pid_of

pytestmark = pytest.mark.needs("redis-server", "redis-cli")

FULL: Final = rule("RedisRefusesWrites", 'increase(redis_errors_total{err="OOM"}[5s]) > 0')
DOWN: Final = rule("RedisDown", "redis_up == 0")
VALUE: Final = "x" * 20_000


def probe(redis: Redis) -> Tree:
    return {"redis": {"target": str(redis.port)}, "every": "1s", "timeout": "1s"}


def with_port(tree: Tree, port: Port) -> list[Tree]:
    """The shipped steps at the port of a redis that is no service of this machine."""

    def at(value: object) -> object:
        if isinstance(value, dict):
            return {key: at(item) for key, item in value.items()}
        if isinstance(value, list):
            return [at(item) for item in value]
        if isinstance(value, int | str) and str(value) == "6379":
            return type(value)(port.number)
        return value

    steps = at(tree["steps"])
    assert isinstance(steps, list)
    return steps


def making_room(folder: Path, redis: Redis, verify: Tree) -> Scene:
    steps = with_port(shipped("make-room-in-redis"), redis.port)
    heal = shipped("make-room-in-redis", steps=steps, guard=BY_ITSELF, verify=verify)
    return Scene(folder, probes=(probe(redis),), rules=(FULL,), playbooks=(heal,))


def restarting(folder: Path, redis: Redis, verify: Tree) -> Scene:
    service = {
        "name": "redis-of-the-test", "state": "restarted", "systemd": False,
        "start": list(redis.start_argv), "pidfile": str(redis.pidfile),
    }  # fmt: skip  # as the playbook has them
    heal = shipped("restart-redis", steps=[{"service": service}], verify=verify)
    return Scene(folder, probes=(probe(redis),), rules=(DOWN,), playbooks=(heal,))


@pytest.fixture
def redis(tmp_path: Path) -> Iterator[Redis]:
    """A redis with room for a hundred values, which keeps what it has."""
    port = Port.free()
    server = Redis(tmp_path / "redis", port)
    try:
        servers.start(server)
        for words in ("maxmemory 3mb", "maxmemory-policy noeviction"):
            assert server.ask(f"CONFIG SET {words}").startswith("+OK")
        yield server
    finally:
        servers.end(server)
        port.close()


@contextmanager
def application(write: Callable[[int], str], redis: Redis) -> Iterator[None]:
    """Write one value after the other, as an application does that looks at no error."""
    ended = threading.Event()

    def work() -> None:
        number = 0
        while not ended.wait(0.005 if number < 200 else 0.05):
            number += 1
            redis.ask(write(number))

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def writes(redis: Redis) -> bool:
    return redis.ask("SET one more").startswith("+OK")


def policy(redis: Redis) -> str:
    return redis.ask("CONFIG GET maxmemory-policy").split()[-1]


def test_a_full_redis_drops_what_expires_anyway_and_takes_writes_again(redis: Redis, tmp_path: Path) -> None:
    assert redis.ask("SET kept forever").startswith("+OK")
    with (
        acting(making_room(tmp_path, redis, {"within": "20s", "hold": "1s"})) as stage,
        application(lambda number: f"SETEX session{number} 3600 {VALUE}", redis),
    ):
        assert stage.wait_outcomes() == ["fixed"], stage.story()
        assert writes(redis)
        assert redis.ask("GET kept").split()[-1] == "forever"
        stage.wait(lambda: not stage.alert("RedisRefusesWrites"), "the alert is over")


def test_a_redis_full_of_what_never_expires_loses_nothing_and_people_are_called(
    redis: Redis, tmp_path: Path
) -> None:
    with (
        acting(making_room(tmp_path, redis, QUICKLY)) as stage,
        application(lambda number: f"SET order{number} {VALUE}", redis),
    ):
        left_to_people(stage, "RedisRefusesWrites", "failed")
        assert "no key in it ever expires" in str(stage.runs()[0]["reason"])
        assert policy(redis) == "noeviction"
        assert redis.ask("EXISTS order1").startswith(":1")


def test_a_redis_whose_room_is_full_again_at_once_keeps_all_again(redis: Redis, tmp_path: Path) -> None:
    def write(number: int) -> str:
        return f"SETEX session{number} 3600 {VALUE}" if number <= 3 else f"SET order{number} {VALUE}"

    with acting(making_room(tmp_path, redis, QUICKLY)) as stage, application(write, redis):
        stage.wait(lambda: "ineffective" in stage.outcomes(), "the few sessions did not make room enough")
        stage.wait(lambda: policy(redis) == "noeviction", "it keeps all again")
        undone = [step for step in stage.steps() if str(step["step"]).startswith("undo: ")]
        assert undone, stage.story()


def test_a_redis_that_the_kernel_ended_for_want_of_memory_comes_back(redis: Redis, tmp_path: Path) -> None:
    with acting(restarting(tmp_path, redis, QUICK_PROOF)) as stage:
        stage.wait(lambda: "redis_up{" in stage.metrics(), "redis is seen")
        killed = servers.kill(redis)  # the kernel's way is SIGKILL as well
        assert stage.wait_outcomes() == ["fixed"], stage.story()
        assert pid_of(redis) not in (0, killed)
        assert writes(redis)


def test_a_redis_that_dies_of_its_own_snapshot_is_started_twice_and_left_to_people(
    redis: Redis, tmp_path: Path
) -> None:
    with acting(restarting(tmp_path, redis, QUICKLY)) as stage:
        stage.wait(lambda: "redis_up{" in stage.metrics(), "redis is seen")
        (redis.folder / "dump.rdb").write_bytes(b"no snapshot at all")
        servers.kill(redis)
        left_to_people(stage, "RedisDown", "ineffective")
        until(lambda: not redis.answers(), 5, "nobody answers")
