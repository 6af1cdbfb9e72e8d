"""A probe explains itself: what it saw, how it went, and what it was told to do."""

from __future__ import annotations

import argparse
import io
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from agent.command.probe import add_options, command

CONFIG = """
rules: []
instance: web1
probes:
- load: {{}}
- tcp: {{target: "127.0.0.1:{port}"}}
  name: shop
  labels: {{service: checkout}}
- process: {{group: none, name: "no-such-process"}}
"""


@pytest.fixture
def port() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener.getsockname()[1]


@pytest.fixture
def config(tmp_path: Path, port: int) -> Path:
    file = tmp_path / "agent.yaml"
    file.write_text(CONFIG.format(port=port))
    return file


def said(config: Path, *words: str) -> tuple[int, str, str]:
    parser = argparse.ArgumentParser()
    add_options(parser, config)
    out, err = io.StringIO(), io.StringIO()
    code = command(parser.parse_args(words), out, err, time.monotonic)
    return code, out.getvalue(), err.getvalue()


def test_a_probe_shows_its_samples_as_they_would_be_exposed(config: Path, port: int) -> None:
    code, out, err = said(config, "shop")
    assert (code, err) == (0, "")
    assert "# TYPE probe_success gauge" in out.splitlines()
    line = f'probe_success{{instance="127.0.0.1:{port}", job="blackbox", service="checkout"}} 1'
    assert line in out.splitlines()


def test_a_kind_is_enough_where_there_is_one_of_it(config: Path) -> None:
    code, out, _ = said(config, "load")
    assert code == 0
    assert 'node_load1{instance="web1", job="node"}' in out


def test_debug_shows_all_that_a_probe_was_told_to_do_defaults_included(config: Path, port: int) -> None:
    _, out, _ = said(config, "shop", "--debug")
    written = out.partition("configuration:\n")[2].partition("\n\n")[0]
    told = yaml.safe_load(written)
    assert told["tcp"]["target"] == f"127.0.0.1:{port}"
    assert told["tcp"]["preferred_ip_protocol"] == "ip4"
    assert (told["name"], told["timeout"], told["labels"]) == ("shop", "5s", {"service": "checkout"})


def test_debug_says_what_a_probe_brought_nothing_of(config: Path) -> None:
    _, out, _ = said(config, "process", "--debug")
    missing = next(line for line in out.splitlines() if line.startswith("brought nothing of: "))
    assert "beforehand_process_rss_bytes" in missing


def test_a_target_that_cannot_be_seen_is_unknown_and_says_why(tmp_path: Path) -> None:
    config = tmp_path / "agent.yaml"
    config.write_text(
        "rules: []\nprobes:\n"
        "- http: {target: 'http://127.0.0.1:9/', basic_auth: {username: u, password_file: /nowhere}}\n"
    )
    code, out, err = said(config, "http")
    assert (code, out.strip()) == (1, "")
    assert err.startswith("unknown: FileNotFoundError")


def test_a_name_that_nobody_has_is_answered_with_the_nearest(config: Path) -> None:
    code, out, err = said(config, "shopp")
    assert (code, out) == (2, "")
    assert "did you mean 'shop'?" in err


def test_a_file_with_mistakes_is_told_as_check_tells_it(tmp_path: Path) -> None:
    config = tmp_path / "agent.yaml"
    config.write_text("rules: []\nprobes:\n- cqu: {}\n")
    code, _, err = said(config, "cpu")
    assert code == 1
    assert f"{config}:3:3: unknown probe 'cqu'" in err
