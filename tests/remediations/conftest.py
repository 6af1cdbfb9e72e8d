from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.remediations.daemon import Daemon


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[Daemon]:
    """A daemon that runs."""
    made = Daemon.made(tmp_path)
    made.start()
    yield made
    made.close()
