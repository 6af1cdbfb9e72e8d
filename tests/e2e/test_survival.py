"""A kill of the agent or of the desk at any moment loses nothing and doubles nothing."""

from __future__ import annotations

from collections import Counter

import pytest

from tests.e2e import servers
from tests.e2e.conftest import Begin
from tests.e2e.installation import ADA, BEN, ON_CALL, shop
from tests.e2e.patience import never, pause, until
from tests.e2e.post_office import PostOffice
from tests.e2e.running import Running
from tests.e2e.servers import Nginx, pid_of

# From before the alert fires to after the resolved notice; the first second, when most is decided, densely.
MOMENTS_MS = (0, 10, 20, 35, 50, 70, 90, 120, 150, 190, 240, 300, 380, 480, 600, 750, 900, 1100, 1300, 1500)
SETTLED_S = 60.0


def settled(running: Running, post: PostOffice, nginx: Nginx) -> bool:
    """Tell whether nginx serves, its one incident is resolved, and whoever heard of it heard of its end."""
    incidents = running.incidents()
    return (
        pid_of(nginx) > 0
        and nginx.answers()
        and [one["state"] for one in incidents] == ["resolved"]
        and all(person["state"] == "accepted" for person in incidents[0]["told"])
        and all(len(said(post, person)) in (0, 2) for person in (ADA, BEN))
    )


def said(post: PostOffice, person: str) -> list[str]:
    """Return the identity of each notice that a person got, in order, copies left out."""
    return list(dict.fromkeys(letter.identity for letter in post.to(person)))


@pytest.mark.needs("nginx")
@pytest.mark.parametrize("moment_ms", MOMENTS_MS)
def test_a_kill_at_this_moment_loses_nothing_and_doubles_nothing(
    begin: Begin, nginx: Nginx, post: PostOffice, moment_ms: int
) -> None:
    running = begin(watches=(shop(nginx),))
    victim = (running.agent, running.desk)[MOMENTS_MS.index(moment_ms) % 2]

    def story() -> str:
        return (
            f"{running.incidents()}\n{running.runs()}\n{running.steps()}\n{post.listing()}\n{running.story()}"
        )

    servers.kill(nginx)
    pause(moment_ms / 1000)
    victim.kill()
    victim.start()
    until(
        lambda: settled(running, post, nginx), SETTLED_S, "nginx serves and all is said", story, pause_s=0.1
    )
    never(lambda: not settled(running, post, nginx), 1.0, "something more was begun", story)

    # What was begun and not known to be done is judged by its effect first; only then it is tried anew. A run
    # that had begun nothing is over.
    *interrupted, last = [run["outcome"] for run in running.runs()]
    assert last == "fixed", story()
    assert interrupted in ([], ["ineffective"], ["skipped"]), story()
    begun = [step for step in running.steps() if step["step"] == "run " + " ".join(nginx.start_argv)]
    assert sum(step["ok"] == 1 for step in begun) <= 1, story()

    [incident] = running.incidents()
    # What is over before anybody could be told of it is told to nobody.
    if incident["healed_silently"]:
        assert not post.letters, story()
    told = Counter((letter.recipients, letter.identity) for letter in post.letters)
    called = {(ON_CALL,)} if interrupted else set()
    assert {recipients for recipients, _ in told} <= {(ADA,), (BEN,)} | called, story()
    assert told.total() - len(told) <= 1, f"more than the one letter in flight doubled:\n{story()}"
