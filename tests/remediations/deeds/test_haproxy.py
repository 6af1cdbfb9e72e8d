"""A server is taken out of HAProxy while others are up, and put back."""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from model.deed import SetHaproxyServer
from tests.remediations.deeds.done import done, until

pytestmark = pytest.mark.needs("haproxy")


@contextmanager
def haproxy(level: str = "admin") -> Iterator[Path]:
    """A HAProxy with a backend of two servers, and its socket."""
    with tempfile.TemporaryDirectory(prefix="ha") as name:
        folder = Path(name)
        (folder / "conf").write_text(
            f"global\n  stats socket {folder}/s mode 600 level {level}\n"
            "defaults\n  mode http\n  timeout connect 1s\n  timeout client 1s\n  timeout server 1s\n"
            f"frontend web\n  bind unix@{folder}/web\n  default_backend shop\n"
            "backend shop\n  server one 127.0.0.1:9\n  server two 127.0.0.1:9\n"
        )
        server = subprocess.Popen(
            ["haproxy", "-db", "-q", "-f", str(folder / "conf")], stderr=subprocess.DEVNULL
        )
        try:
            until((folder / "s").is_socket)
            yield folder / "s"
        finally:
            server.terminate()
            server.wait(15)


def step(path: Path) -> SetHaproxyServer:
    return SetHaproxyServer(str(path), "shop", "one", "drain", patience_s=5)


def test_a_server_is_drained_and_put_back(tmp_path: Path) -> None:
    with haproxy() as path:
        assert done(tmp_path, step(path), check=True).diff == "would set one from no check to drain"
        result = done(tmp_path, step(path))
        assert result.ok, result.reason
        assert result.output == "one went from no check to drain; it has no sessions"
        assert result.changed
        assert not done(tmp_path, step(path)).changed
        assert done(tmp_path, replace(step(path), state="ready")).diff == "one went from DRAIN to ready"
        assert not done(tmp_path, replace(step(path), state="ready")).changed


def test_the_last_server_is_not_drained(tmp_path: Path) -> None:
    with haproxy() as path:
        assert done(tmp_path, step(path)).ok
        last = done(tmp_path, replace(step(path), server="two"))
        assert last.reason == "only 0 others of shop are up; 1 are needed"
        assert done(tmp_path, replace(step(path), server="two", others_up_min=0)).ok


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"server": "three"}, "HAProxy knows no server shop/three"),
        ({"backend": "web"}, "HAProxy knows no backend web with servers"),
    ],
)
def test_what_there_is_not_is_told(tmp_path: Path, change: dict[str, Any], sentence: str) -> None:
    with haproxy() as path:
        assert done(tmp_path, replace(step(path), **change)).reason == sentence


def test_a_socket_without_the_right_is_told(tmp_path: Path) -> None:
    with haproxy("user") as path:
        result = done(tmp_path, step(path))
        assert result.reason.startswith("HAProxy refused: Permission denied")
        assert not result.changed


def test_a_haproxy_that_does_not_run_is_told(tmp_path: Path) -> None:
    assert "cannot be reached" in done(tmp_path, step(tmp_path / "none")).reason
