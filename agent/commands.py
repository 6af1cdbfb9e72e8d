"""The commands that people type; each parses its words here and does its work in a module of its own."""

from __future__ import annotations

import argparse
import socket
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from agent import demo, running, start, supervise
from agent.backtest import command as backtest
from agent.checking import check, lint, plan, rule_tests
from agent.cli import EX_CHANGES, EX_FAILED, EX_LINT, EX_OK, EX_USAGE
from agent.clock import Clock
from agent.command import approve as approve_command
from agent.command import audience as audience_command
from agent.command import audit as audit_command
from agent.command import explain as explain_command
from agent.command import init as init_command
from agent.command import ladder as ladder_command
from agent.command import preview as preview_command
from agent.command import privileges as privileges_command
from agent.command import probe as probe_command
from agent.command import restrain as restrain_command
from agent.config import load
from agent.drill import command as drill_command
from agent.logs import to_standard_error
from agent.state import DEFAULTS, here, inner, switch_files
from model.misfit import Misfit, Rejected
from remediations.kill_switch import KillSwitch


def main(words: Sequence[str]) -> int:
    """Run one command; returns its exit code."""
    options = _parser().parse_args(words)
    to_standard_error(verbose=options.verbose)
    code: int = options.do(options)
    return code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="beforehand",
        description="Heals hosts and tells the people who depend on them, before they have to ask.",
    )
    parser.add_argument("--verbose", action="store_true", help="log every probe that finds something")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    state = here()

    together = commands.add_parser("run", help="run agent and desk for this host")
    supervise.add_options(together)
    together.set_defaults(do=supervise.command)

    alone = commands.add_parser("agent", help="run the agent alone")
    start.add_options(alone)
    alone.set_defaults(do=start.command)

    commands.add_parser("desk", help="run the desk alone; its options are its own", add_help=False)

    _add_foresight(commands)
    _add_hindsight(commands, state)
    _add_switch(commands, state)
    _add_hand(commands)

    drilled = commands.add_parser("drill", help="break something made for it, and time what becomes of that")
    drill_command.add_options(drilled, DEFAULTS / "agent.yaml", state)
    drilled.set_defaults(do=lambda options: drill_command.command(options, sys.stdout, sys.stderr, Clock()))

    shown = commands.add_parser("demo", help="kill a small shop and watch it noticed, healed, told and shown")
    shown.add_argument("--keep", action="store_true", help="leave the page up until Ctrl-C")
    shown.set_defaults(do=lambda options: demo.run(keep=options.keep))
    return parser


def _add_foresight(commands: Any) -> None:
    began = commands.add_parser("init", help="look at this host and write the configuration that fits it")
    init_command.add_options(began)
    began.set_defaults(
        do=lambda options: init_command.command(options, sys.stdout, sys.stderr, Clock().monotonic)
    )

    checked = commands.add_parser("check", help="read every file and report every mistake")
    checked.add_argument(
        "paths", nargs="+", type=Path, metavar="PATH", help="a file, or a directory with agent.yaml"
    )
    lint.add_options(checked)
    checked.set_defaults(do=_check)

    tested = commands.add_parser(
        "test", help="try rules on written series, as promtool does, and playbooks in written worlds"
    )
    rule_tests.add_options(tested)
    tested.set_defaults(do=_test)

    looked = commands.add_parser("probe", help="run one probe now and show what it sees")
    probe_command.add_options(looked, DEFAULTS / "agent.yaml")
    looked.set_defaults(
        do=lambda options: probe_command.command(options, sys.stdout, sys.stderr, Clock().monotonic)
    )

    previewed = commands.add_parser(
        "preview", help="say what a playbook would do on this host, and do nothing"
    )
    preview_command.add_options(previewed, DEFAULTS / "agent.yaml", here())
    previewed.set_defaults(
        do=lambda options: preview_command.command(options, sys.stdout, sys.stderr, Clock())
    )

    touched = commands.add_parser("audience", help="say whom an alert would be told to, and whom not and why")
    audience_command.add_options(touched, DEFAULTS / "desk.yaml")
    touched.set_defaults(do=lambda options: audience_command.command(options, sys.stdout, sys.stderr))

    planned = commands.add_parser("plan", help="say what a reload would change; exit code 2 where anything")
    planned.add_argument("--config", type=Path, default=DEFAULTS, help="agent.yaml, or a directory with it")
    source = planned.add_mutually_exclusive_group()
    source.add_argument("--url", help="the running agent (default: where agent.yaml says that it listens)")
    source.add_argument("--state", type=Path, help="instead: the state directory of a stopped agent")
    planned.set_defaults(do=_plan)


def _add_hand(commands: Any) -> None:
    commands.add_parser("hand", help="take steps for an agent that has no rights itself", add_help=False)
    granted = commands.add_parser("privileges", help="print what must be granted for the enabled playbooks")
    privileges_command.add_options(granted, DEFAULTS / "agent.yaml")
    granted.set_defaults(do=lambda options: privileges_command.command(options, sys.stdout, sys.stderr))


def _add_hindsight(commands: Any, state: Path) -> None:
    replayed = commands.add_parser("backtest", help="tell what rules would have done over recorded samples")
    backtest.add_options(replayed, DEFAULTS / "agent.yaml", state)
    replayed.set_defaults(do=lambda options: backtest.command(options, sys.stdout, sys.stderr, Clock()))

    explained = commands.add_parser("explain", help="print the whole walk of an alert with each reason")
    explain_command.add_options(explained, DEFAULTS / "agent.yaml", state)
    explained.set_defaults(
        do=lambda options: explain_command.command(options, sys.stdout, sys.stderr, Clock())
    )


def _add_switch(commands: Any, state: Path) -> None:
    told = commands.add_parser("audit", help="check that the book of what was done is whole, and print it")
    audit_command.add_options(told, state)
    told.set_defaults(do=lambda options: audit_command.command(options, sys.stdout, sys.stderr))

    stop = commands.add_parser("stop", help="the kill switch: no remediation acts until resume")
    stop.add_argument("--because", default="", metavar="TEXT", help="why, for those who find it later")
    resume = commands.add_parser("resume", help="lift the kill switch")
    for command, do in ((stop, _stop), (resume, _resume)):
        command.add_argument("--state", type=Path, default=state, help="the --state of run, or of agent")
        command.set_defaults(do=do)
    restrain_command.add_commands(commands, state)
    approve_command.add_commands(commands, DEFAULTS / "agent.yaml", state)
    ladder_command.add_commands(commands, DEFAULTS / "agent.yaml", state)


def _check(options: argparse.Namespace) -> int:
    try:
        found = check.check(options.paths, lint.chosen(options.lint))
    except Misfit as wrong:
        print(wrong, file=sys.stderr)
        return EX_USAGE
    for one in (*found.problems, *found.findings):
        print(one, file=sys.stderr)
    if found.problems:
        many = "s" * (len(found.problems) > 1)
        print(f"{len(found.problems)} mistake{many} in {found.files} files", file=sys.stderr)
        return EX_FAILED
    print(f"{found.files} files are right" + (f", {len(found.findings)} warnings" if found.findings else ""))
    return EX_LINT if found.findings and options.lint_fatal else EX_OK


def _test(options: argparse.Namespace) -> int:
    from agent.checking import playbook_tests  # noqa: PLC0415  # costs memory that no agent needs

    reports = []
    try:
        for path in options.files:
            tests = playbook_tests if playbook_tests.holds(path) else rule_tests
            reports.append(tests.run(path, rule_tests.Wish.of(options)))
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
            found = plan.plan_of_start(running.remembered(inner(options.state) / "alerts.db"), installation)
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


def _stop(options: argparse.Namespace) -> int:
    try:
        for file in switch_files(options.state):
            KillSwitch(file).set(restrain_command.who(), options.because, Clock().now_ms())
    except OSError as wrong:
        print(f"not stopped: {options.state}: {wrong.strerror}; name the agent's --state", file=sys.stderr)
        return EX_FAILED
    print("stopped: no playbook acts until `beforehand resume`")
    return EX_OK


def _resume(options: argparse.Namespace) -> int:
    try:
        lifted = sum(KillSwitch(file).lift() for file in switch_files(options.state))
    except OSError as wrong:
        print(f"not resumed: {options.state}: {wrong.strerror}; name the agent's --state", file=sys.stderr)
        return EX_FAILED
    print("resumed: playbooks act again as their mode says" if lifted else "nothing was stopped here")
    return EX_OK
