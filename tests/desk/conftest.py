"""The desk of each test that asks for a stage, on both databases in turn."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from desk.store.backing import Backing, in_file
from tests.desk.cluster import Cluster, cluster
from tests.desk.stage import Stage, stage_on

BACKINGS = ("sqlite", pytest.param("postgresql", marks=pytest.mark.needs("pg_ctlcluster")))


@pytest.fixture(scope="session")
def server() -> Iterator[Cluster]:
    """The PostgreSQL of this session."""
    with cluster() as found:
        yield found


@pytest.fixture(params=BACKINGS)
def backing(request: pytest.FixtureRequest, tmp_path: Path) -> Backing:
    """An empty database of either kind."""
    if request.param == "sqlite":
        return in_file(tmp_path / "desk.sqlite")
    found: Cluster = request.getfixturevalue("server")
    return found.backing(found.schema())


@pytest.fixture
def stage(backing: Backing) -> Iterator[Stage]:
    """A desk whose time stands still, on either database."""
    with stage_on(backing) as made:
        yield made
