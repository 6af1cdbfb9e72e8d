"""A kill of the agent or of the desk at any moment loses nothing and doubles nothing."""

from __future__ import annotations

from collections import Counter

import pytest

from tests.e2e import servers
from tests.e2e.conftest import Begin
from tests.e2e.installation import ADA, BEN, shop
from tests.e2e.patience import never, pause, until
from tests.e2e.post_office import PostOffice
from tests.e2e.running import Running
from tests.e2e.servers import Nginx, pid_of

# From before the alert fires to after the resolved notice; the first second, when most is decided, densely.
MOMENTS_MS = (0, 10, 20, 35, 50, 70, 90, 120, 150, 190, 240, 300, 380, 480, 600, 750, 900, 1100, 1300, 1500)
SETTLED_S = 30.0


def settled(running: Running, post: PostOffice, nginx: Nginx) -> bool:
    """Tell whether nginx serves, its one incident is resolved and both people have two notices."""
    return (
        pid_of(nginx) > 0
        and nginx.answers()
        and [incident["state"] for incident in running.incidents()] == ["resolved"]
        and all(len({letter.identity for letter in post.to(person)}) >= 2 for person in (ADA, BEN))
    )


@pytest.mark.needs("nginx")
@pytest.mark.parametrize("moment_ms", MOMENTS_MS)
def test_a_kill_at_this_moment_loses_nothing_and_doubles_nothing(
    begin: Begin, nginx: Nginx, post: PostOffice, moment_ms: int
) -> None:
    running = begin(watches=(shop(nginx),))
    victim = (running.agent, running.desk)[MOMENTS_MS.index(moment_ms) % 2]
    servers.kill(nginx)
    pause(moment_ms / 1000)
    victim.kill()
    victim.start()
    until(
        lambda: settled(running, post, nginx),
        SETTLED_S,
        "nginx serves, one incident is resolved, both people have both notices",
        lambda: f"{running.incidents()}\n{running.runs()}\n{post.listing()}\n{running.story()}",
        pause_s=0.1,
    )
    never(lambda: len(running.incidents()) > 1, 1.0, "an incident too many", running.story)
    told = Counter((letter.recipients, letter.identity) for letter in post.letters)
    assert {recipients for recipients, _ in told} == {(ADA,), (BEN,)}, post.listing()
    assert len(told) == 4, f"two notices each were to be said:\n{post.listing()}"
    assert told.total() - len(told) <= 1, f"more than the one letter in flight doubled:\n{post.listing()}"
    assert len(running.runs()) == 1, f"{running.runs()}\n{running.story()}"
