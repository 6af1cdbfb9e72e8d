"""``beforehand explain``: asks a running agent, or what one recorded, and adds what the desk says."""

from __future__ import annotations

import argparse
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, TextIO

from agent.clock import Clock
from agent.config import load
from agent.explain import explain
from agent.explain.desk import incidents_of
from agent.explain.scene import of_state
from agent.explain.text import text
from agent.running import Agent, Unheard
from model.address import WebAddress
from model.matcher import Matchers
from model.misfit import Misfit, Rejected
from model.plugin import Deadline
from remediations.running.journal import JournalLost
from rules.backtest import NoSamples

URL: Final = "http://127.0.0.1:9465"
PATIENCE_S: Final = 30.0
"""How long the parts of an expression may take outside an agent's loop."""

EX_OK: Final = 0
EX_FAILED: Final = 1
EX_CONFIG: Final = 78


def add_options(parser: argparse.ArgumentParser, config: Path, state: Path) -> None:
    """Add what the command takes."""
    parser.add_argument(
        "alert", type=_alert, metavar="ALERT", help="a name, or like 'Down{instance=\"web1\"}'"
    )
    parser.add_argument("--at", type=_moment_ms, metavar="TIME", help="at this time, from what was recorded")
    parser.add_argument("--url", type=_url, default=URL, help=f"the running agent (default {URL})")
    parser.add_argument("--config", type=Path, default=config, help="agent.yaml, for --at")
    parser.add_argument("--state", type=Path, default=state, help="the agent's --state, for --at")
    parser.add_argument("--json", action="store_true", help="print JSON instead of text")


def command(options: argparse.Namespace, out: TextIO, err: TextIO, clock: Clock) -> int:
    """Run the command; returns the exit code."""
    try:
        told = _told(options, clock)
    except Rejected as refused:
        err.write(f"{refused}\n")
        return EX_CONFIG
    except (Unheard, JournalLost) as fact:
        err.write(f"{fact}; with --at a time is explained from what was recorded\n")
        return EX_FAILED
    except NoSamples:
        err.write("that time was not recorded; name another --at or --state\n")
        return EX_FAILED
    _ask_desks(told)
    out.write((json.dumps(told, indent=2, allow_nan=False) if options.json else text(told)) + "\n")
    return EX_OK if told["rules"] else EX_FAILED


def _told(options: argparse.Namespace, clock: Clock) -> dict[str, Any]:
    wanted: Matchers = options.alert
    if options.at is None:
        with Agent(options.url) as agent:
            return agent.explanation(str(wanted))
    path: Path = options.config
    installation = load(path / "agent.yaml" if path.is_dir() else path)
    inner = options.state / "agent"
    state = inner if inner.is_dir() else options.state
    with of_state(state, installation, wanted, options.at, lambda: _patience(clock)) as scene:
        return explain.explain(scene, wanted)


def _patience(clock: Clock) -> Deadline:
    return Deadline(clock.monotonic() + PATIENCE_S, clock.monotonic)


def _ask_desks(told: dict[str, Any]) -> None:
    """Add to each alert what the agent's desks know of it."""
    for rule in told["rules"]:
        for alert in rule["alerts"]:
            fired = alert["fired"] is not None
            alert["desks"] = [
                incidents_of(desk, alert["labels"], _added(told["external"], alert["labels"]))
                for desk in told["desks"]
                if fired
            ]


def _added(external: dict[str, str], labels: dict[str, str]) -> dict[str, str]:
    return {name: value for name, value in external.items() if name not in labels}


def _alert(given: str) -> Matchers:
    try:
        return explain.asked(given)
    except Misfit as wrong:
        raise argparse.ArgumentTypeError(str(wrong)) from None


def _moment_ms(given: str) -> int:
    try:
        moment = datetime.fromisoformat(given)
        return round((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() * 1000)
    except ValueError:
        pass
    try:
        return round(float(given) * 1000)
    except (ValueError, OverflowError):
        raise argparse.ArgumentTypeError(
            f"{given[:40]!r} is not a time; write it like 2026-05-04T10:00:00Z"
        ) from None


def _url(given: str) -> WebAddress:
    try:
        return WebAddress.parse(given)
    except Misfit as wrong:
        raise argparse.ArgumentTypeError(str(wrong)) from None
