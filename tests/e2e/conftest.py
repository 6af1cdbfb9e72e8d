"""Real servers, a real post office and a whole installation for each test, all on loopback."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Final

import pytest

from tests.e2e import servers
from tests.e2e.installation import Installation
from tests.e2e.ports import Port
from tests.e2e.post_office import PostOffice
from tests.e2e.running import Running
from tests.e2e.servers import Nginx, Redis

Begin = Callable[..., Running]

LONGEST_S: Final = 240
"""How long one of these tests may take: each starts processes and waits for several states of them."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Give the tests of this folder their time, unless they say themselves how much they need."""
    here = Path(__file__).parent
    for item in items:
        if item.path.is_relative_to(here) and item.get_closest_marker("timeout") is None:
            item.add_marker(pytest.mark.timeout(LONGEST_S))


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    """What is to be ended when the test is over, last begun first."""
    with ExitStack() as ends:
        yield ends


@pytest.fixture
def port(stack: ExitStack) -> Callable[[], Port]:
    """Take a port for the length of the test."""

    def take() -> Port:
        taken = Port.free()
        stack.callback(taken.close)
        return taken

    return take


@pytest.fixture
def nginx(stack: ExitStack, tmp_path: Path, port: Callable[[], Port]) -> Nginx:
    server = Nginx(tmp_path / "nginx", port())
    stack.callback(servers.end, server)
    servers.start(server)
    return server


@pytest.fixture
def redis(stack: ExitStack, tmp_path: Path, port: Callable[[], Port]) -> Redis:
    server = Redis(tmp_path / "redis", port())
    stack.callback(servers.end, server)
    servers.start(server)
    return server


@pytest.fixture
def post(stack: ExitStack, port: Callable[[], Port]) -> PostOffice:
    return stack.enter_context(PostOffice(port()))


@pytest.fixture
def begin(stack: ExitStack, tmp_path: Path, port: Callable[[], Port], post: PostOffice) -> Begin:
    """Write an installation and start its agent and its desk; takes the fields of ``Installation``."""

    def begun(**fields: Any) -> Running:
        installation = Installation(
            folder=tmp_path,
            agent_port=port(),
            desk_port=port(),
            page_port=port(),
            mail_port=post.port,
            **fields,
        )
        installation.write()
        running = stack.enter_context(Running(installation))
        running.start()
        return running

    return begun
