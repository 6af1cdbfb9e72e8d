"""A playbook that only observes: trouble comes and goes, nothing is touched, and what it showed is told."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from tests.e2e import servers
from tests.e2e.conftest import Begin
from tests.e2e.installation import Tree, Watch, shop
from tests.e2e.patience import never, until
from tests.e2e.running import Running
from tests.e2e.servers import Nginx, pid_of
from tests.e2e.web import get

SEEN_S = 45.0


def observing(nginx: Nginx, within: str) -> Watch:
    """Watch an nginx with a playbook that only observes and would have so long to help."""
    watch = shop(nginx)
    playbook: Tree = {**watch.playbook, "mode": "observe", "verify": {"within": within, "hold": "1s"}}
    return replace(watch, playbook=playbook)


def shown(running: Running) -> list[dict[str, Any]]:
    """Return what the playbook has shown so far."""
    reply = get(running.installation.agent_port.number, "/api/v1/ladder")
    [playbook] = json.loads(reply.text)["data"]["playbooks"]
    proposals: list[dict[str, Any]] = playbook["proposals"]
    return proposals


@pytest.mark.needs("nginx")
def test_trouble_that_passes_by_itself_is_written_down_as_a_needless_proposal(
    begin: Begin, nginx: Nginx
) -> None:
    running = begin(watches=(observing(nginx, "10m"),))
    servers.kill(nginx)
    until(lambda: [one for one in shown(running) if one["would"]], SEEN_S, "what it would do", running.story)
    servers.start(nginx)
    until(lambda: shown(running)[0]["kind"] == "needless", SEEN_S, "that it passed by itself", running.story)
    [one] = shown(running)
    assert one["lasted_ms"] > 0
    assert any("nginx" in step for step in one["steps"]), one
    assert "needless" in running.run("ladder", "--config", str(running.installation.config))


@pytest.mark.needs("nginx")
def test_trouble_that_lasts_makes_a_clean_proposal_and_is_not_touched(begin: Begin, nginx: Nginx) -> None:
    running = begin(watches=(observing(nginx, "2s"),))
    servers.kill(nginx)
    until(
        lambda: [one for one in shown(running) if one["kind"] == "clean"],
        SEEN_S,
        "a clean proposal",
        running.story,
    )
    never(lambda: pid_of(nginx) and nginx.answers(), 1.0, "who only observes has acted", running.story)
    servers.start(nginx)
    [one] = until(
        lambda: [each for each in shown(running) if each["ended"]], SEEN_S, "its end", running.story
    )
    assert (one["kind"], one["lasted_ms"] > 2000) == ("clean", True)
    assert json.loads(get(running.installation.agent_port.number, "/api/v1/runs").text)["data"]["runs"] == []
