"""Nothing is done until a person says so: the agent asks, somebody answers, and it is healed, or not."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from dataclasses import replace
from typing import Any

import pytest

from tests.e2e import servers
from tests.e2e.conftest import Begin
from tests.e2e.installation import EVERY_GUARD_WIDE, Tree, Watch, sessions
from tests.e2e.patience import never, until
from tests.e2e.running import Running
from tests.e2e.servers import Redis
from tests.e2e.web import get

WATCHED_S = 2.0


def asking(redis: Redis, **approval: object) -> Watch:
    """Watch a redis whose playbook asks before it acts."""
    watch = sessions(redis)
    guard: Tree = {**EVERY_GUARD_WIDE, "approval": dict(approval)}
    return replace(watch, playbook={**watch.playbook, "mode": "approve", "guard": guard})


def ask(running: Running) -> dict[str, Any]:
    """Return what the desk is told that people are asked, once it is."""

    def told() -> str:
        alerts = get(running.installation.desk_port.number, "/api/v2/alerts").json()
        words = [alert["annotations"].get("beforehand_ask", "") for alert in alerts]
        return next(filter(None, words), "")

    until(lambda: told() != "", 45, "the desk hears what is asked", running.story)
    found: dict[str, Any] = json.loads(told())
    return found


def outcomes(running: Running) -> list[str]:
    return [run["outcome"] for run in running.runs()]


def ended(running: Running) -> list[str]:
    file = running.installation.state / "agent" / "runs.db"
    with closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True, timeout=5)) as journal:
        return [row[0] for row in journal.execute("SELECT ended FROM asks ORDER BY asked_ms")]


@pytest.mark.needs("redis-server")
def test_a_person_approves_on_the_command_line_and_the_running_agent_heals(
    begin: Begin, redis: Redis
) -> None:
    running = begin(watches=(asking(redis),))
    servers.kill(redis)
    asked = ask(running)
    assert asked["playbook"] == "restart-session-store"
    assert asked["host"] == "web1"
    assert any(str(redis.start_argv[0]) in step for step in asked["steps"])
    never(redis.answers, WATCHED_S, "redis was healed before anybody approved it", running.story)
    assert asked["ask"] in running.run("approvals")

    config = str(running.installation.config / "agent.yaml")
    said = running.run("approve", asked["ask"], "--config", config)
    assert "acts once" in said
    assert all(f"  {step}\n" in said for step in asked["steps"])
    until(redis.answers, 45, "redis serves after the approval", running.story)
    until(lambda: outcomes(running) == ["fixed"], 45, "the run is fixed", running.story)
    assert ended(running) == ["used"]


@pytest.mark.needs("redis-server")
def test_an_ask_outlives_the_agent_and_one_no_ends_it(begin: Begin, redis: Redis) -> None:
    running = begin(watches=(asking(redis),))
    servers.kill(redis)
    before = ask(running)
    running.agent.kill()
    running.agent.start()
    assert "denied" in running.run("deny", before["ask"][:8])
    until(lambda: ended(running) == ["denied"], 45, "the ask has ended", running.story)
    never(redis.answers, WATCHED_S, "redis was healed though somebody said no", running.story)
    assert running.runs() == []


@pytest.mark.needs("redis-server")
def test_silence_is_a_no(begin: Begin, redis: Redis) -> None:
    running = begin(watches=(asking(redis, within="3s"),))
    servers.kill(redis)
    ask(running)
    until(lambda: ended(running) == ["expired"], 45, "the ask has run out", running.story)
    never(redis.answers, WATCHED_S, "redis was healed though nobody said yes", running.story)
    assert running.runs() == []
