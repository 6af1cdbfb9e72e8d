"""The command line: beforehand run | agent | desk | check | stop | resume | demo."""

from __future__ import annotations

import argparse
import contextlib
import importlib.metadata
import logging
import os
import socket
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from agent import backtest, check, demo, plan, rule_tests, running, supervise
from agent.clock import Clock
from agent.config import load
from agent.daemon import Daemon
from agent.memory import Newer
from agent.state import StateDirectory, Taken, default_state, switch_file
from model.misfit import Misfit, Rejected
from remediations.journal import JournalLost
from remediations.kill_switch import KillSwitch

EX_OK: Final = 0
EX_FAILED: Final = 1
EX_USAGE: Final = 2
EX_CHANGES: Final = 2
EX_CONFIG: Final = 78

_DEFAULTS: Final = Path(__file__).parent / "defaults"


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns its exit code."""
    words = list(sys.argv[1:] if argv is None else argv)
    if words[:1] == ["desk"]:
        return _desk(words[1:])
    options = _parser().parse_args(words)
    _log(options.verbose)
    code: int = options.do(options)
    return code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="beforehand",
        description="Heals hosts and tells the people who depend on them, before they have to ask.",
    )
    parser.add_argument("--verbose", action="store_true", help="log every probe that finds something")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    state = default_state(dict(os.environ), os.getuid())

    run = commands.add_parser("run", help="run agent and desk for this host")
    run.add_argument("--config", type=Path, default=_DEFAULTS, help="directory with agent.yaml and desk.yaml")
    run.add_argument("--state", type=Path, default=state, help=f"where state is kept (default {state})")
    run.set_defaults(do=lambda options: supervise.run(options.config, options.state))

    agent = commands.add_parser("agent", help="run the agent alone")
    agent.add_argument("--config", type=Path, default=_DEFAULTS / "agent.yaml", help="agent.yaml")
    agent.add_argument("--state", type=Path, default=state / "agent", help="where state is kept")
    agent.set_defaults(do=_agent)

    commands.add_parser("desk", help="run the desk alone; its options are its own", add_help=False)

    checked = commands.add_parser("check", help="read every file and report every mistake")
    checked.add_argument(
        "paths", nargs="+", type=Path, metavar="PATH", help="a file, or a directory with agent.yaml"
    )
    checked.set_defaults(do=lambda options: _check(options.paths))

    tested = commands.add_parser("test", help="rehearse rules on written series, as promtool test rules does")
    rule_tests.add_options(tested)
    tested.set_defaults(do=_test)

    planned = commands.add_parser("plan", help="say what a reload would change; exit code 2 where anything")
    planned.add_argument("--config", type=Path, default=_DEFAULTS, help="agent.yaml, or a directory with it")
    source = planned.add_mutually_exclusive_group()
    source.add_argument("--url", help="the running agent (default: where agent.yaml says that it listens)")
    source.add_argument("--state", type=Path, help="instead: the state directory of a stopped agent")
    planned.set_defaults(do=_plan)

    _add_hindsight(commands, state)
    _add_switch(commands, state)

    shown = commands.add_parser("demo", help="kill a small shop and watch it noticed, healed, told and shown")
    shown.add_argument("--keep", action="store_true", help="leave the page up until Ctrl-C")
    shown.set_defaults(do=lambda options: demo.run(keep=options.keep))
    return parser


def _add_hindsight(commands: Any, state: Path) -> None:
    replayed = commands.add_parser("backtest", help="tell what rules would have done over recorded samples")
    backtest.add_options(replayed, _DEFAULTS / "agent.yaml", state)
    replayed.set_defaults(do=lambda options: backtest.command(options, sys.stdout, sys.stderr, Clock()))


def _add_switch(commands: Any, state: Path) -> None:
    stop = commands.add_parser("stop", help="the kill switch: no remediation acts until resume")
    stop.add_argument("--because", default="", metavar="TEXT", help="why, for those who find it later")
    resume = commands.add_parser("resume", help="lift the kill switch")
    for command, do in ((stop, _stop), (resume, _resume)):
        command.add_argument("--state", type=Path, default=state, help="the --state of run, or of agent")
        command.set_defaults(do=do)


def _agent(options: argparse.Namespace) -> int:
    try:
        with contextlib.closing(StateDirectory(options.state)) as state:
            installation = load(options.config)
            daemon = Daemon(installation, socket.gethostname(), state, lambda: load(options.config))
            return daemon.run()
    except Rejected as refused:
        print(refused, file=sys.stderr)
        return EX_CONFIG
    except (Taken, Newer, JournalLost) as fact:
        print(fact, file=sys.stderr)
        return EX_FAILED
    except OSError as wrong:
        print(f"the agent cannot start: {wrong}", file=sys.stderr)
        return EX_FAILED


def _desk(words: list[str]) -> int:
    """Start the desk through its entry point, so that the agent never imports it."""
    for command in importlib.metadata.entry_points(group="beforehand.commands", name="desk"):
        try:
            desk = command.load()
        except ModuleNotFoundError as missing:
            print(f"the desk needs {missing.name}; install beforehand[desk]", file=sys.stderr)
            return EX_FAILED
        code: int = desk(words)
        return code
    print("the desk is not installed; install beforehand[desk]", file=sys.stderr)
    return EX_FAILED


def _check(paths: list[Path]) -> int:
    problems, read = check.check(paths)
    for problem in problems:
        print(problem, file=sys.stderr)
    if problems:
        print(f"{len(problems)} mistake{'s' * (len(problems) > 1)} in {read} files", file=sys.stderr)
        return EX_FAILED
    print(f"{read} files are right")
    return EX_OK


def _test(options: argparse.Namespace) -> int:
    reports = []
    try:
        for path in options.files:
            reports.append(rule_tests.run(path, rule_tests.Wish.of(options)))
            print(*reports[-1].lines(), sep="\n", end="\n\n", flush=True)
        if options.junit:
            options.junit.write_bytes(rule_tests.junit(reports))
    except (Misfit, OSError) as wrong:
        print(wrong, file=sys.stderr)
        return EX_USAGE
    return EX_OK if all(report.ok for report in reports) else EX_FAILED


def _plan(options: argparse.Namespace) -> int:
    config = options.config / "agent.yaml" if options.config.is_dir() else options.config
    try:
        installation = load(config)
        if options.state:
            found = plan.plan_of_start(running.remembered(_inner(options.state) / "alerts.db"), installation)
        else:
            listen = installation.config.listen
            with running.Agent(options.url or f"http://{listen}") as agent:
                found = plan.plan(agent.running(), installation, socket.gethostname(), agent.ask)
    except (Rejected, running.Unheard) as refused:
        print(plan.printable(str(refused)), file=sys.stderr)
        return EX_FAILED
    for line in (*found.changes, found.budget, found.summary()):
        if line:
            print(line)
    return EX_CHANGES if found.changes else EX_OK


def _switch(state: Path) -> KillSwitch:
    """Return the switch of an agent, whether its own state directory is given or that of run."""
    return KillSwitch(switch_file(_inner(state)))


def _inner(state: Path) -> Path:
    inner = state / "agent"
    return inner if inner.is_dir() else state


def _stop(options: argparse.Namespace) -> int:
    who = os.environ.get("SUDO_USER") or os.environ.get("USER") or f"user {os.getuid()}"
    try:
        _switch(options.state).set(who, options.because, Clock().now_ms())
    except OSError as wrong:
        print(f"not stopped: {options.state}: {wrong.strerror}; name the agent's --state", file=sys.stderr)
        return EX_FAILED
    print("stopped: no playbook acts until `beforehand resume`")
    return EX_OK


def _resume(options: argparse.Namespace) -> int:
    try:
        lifted = _switch(options.state).lift()
    except OSError as wrong:
        print(f"not resumed: {options.state}: {wrong.strerror}; name the agent's --state", file=sys.stderr)
        return EX_FAILED
    print("resumed: playbooks act again as their mode says" if lifted else "nothing was stopped here")
    return EX_OK


def _log(verbose: bool) -> None:
    logging.basicConfig(
        stream=sys.stderr,
        level=logging.DEBUG if verbose else logging.INFO,
        format="%(asctime)s %(levelname)s %(name)s: %(message)s",
    )
    for handler in logging.getLogger().handlers:
        handler.addFilter(_OneLine())


class _OneLine(logging.Filter):
    """What a host or a log line says must not forge another line or move the cursor."""

    def filter(self, record: logging.LogRecord) -> bool:
        text = record.getMessage()
        record.msg = "".join(c if c.isprintable() else repr(c)[1:-1] for c in text[:2000])
        record.args = ()
        return True


if __name__ == "__main__":
    sys.exit(main())
