"""``beforehand approve``, ``deny`` and ``approvals``: what a person on this host says to what is asked."""

from __future__ import annotations

import argparse
import pwd
import sys
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, TextIO

from agent.approval.approvals import Answers
from agent.approval.key import NoKey, key_file, read_key
from agent.approval.plan import Unlike, read
from agent.checking.plan import printable
from agent.cli import EX_FAILED, EX_OK, EX_USAGE
from agent.clock import Clock
from agent.command.restrain import who
from agent.state import approvals_folder, inner
from model.grant import Grant, genuine, sealed
from model.step import Host
from remediations.asking.approval import Ask, people, person
from remediations.asking.asked import Asked
from remediations.host import this_host
from remediations.running.journal import Journal, JournalLost

SHORTEST: Final = 6
"""So many characters of an ask's id are enough, where they mean one."""

_LOGINUID: Final = Path("/proc/self/loginuid")
_NOBODY: Final = 0xFFFFFFFF


class _Unfit(Exception):
    """What was typed cannot be done; the text is a sentence."""


def add_commands(commands: Any, config: Path, state: Path) -> None:
    """Add the three commands."""
    approve = commands.add_parser("approve", help="let a playbook that asks for it act once")
    approve.add_argument(
        "--playbook", default="", metavar="NAME", help="its name, typed, where two must approve"
    )
    deny = commands.add_parser("deny", help="say no to a playbook that asks; one no is enough")
    for command, yes in ((approve, True), (deny, False)):
        command.add_argument("ask", metavar="ASK", help="the id of what is asked, or how it begins")
        command.add_argument(
            "--approval-key", type=Path, metavar="FILE", help="the key, where it lies elsewhere"
        )
        command.set_defaults(do=lambda options, yes=yes: answer(options, sys.stdout, sys.stderr, yes=yes))
    asked = commands.add_parser("approvals", help="list what people are asked to approve")
    asked.set_defaults(do=lambda options: show(options, sys.stdout, sys.stderr))
    for command in (approve, asked):
        command.add_argument("--config", type=Path, default=config, help="agent.yaml, or a directory with it")
    for command in (approve, deny, asked):
        command.add_argument("--state", type=Path, default=state, help="the --state of run, or of agent")


def here() -> str:
    """Return who types this: who logged in, as the kernel remembers through sudo and su, or who says so."""
    try:
        uid = int(_LOGINUID.read_text())
        return pwd.getpwuid(uid).pw_name if uid != _NOBODY else who()
    except (OSError, ValueError, KeyError):
        return who()


def answer(options: argparse.Namespace, out: TextIO, err: TextIO, *, yes: bool) -> int:
    """Lay down what this person says to an open ask; returns the exit code.

    A yes is to what the playbooks of this host say, and shown by them; the agent's words are not asked.
    """
    now_ms, state = Clock().now_ms(), inner(options.state)
    try:
        asked = _meant(_open(state, now_ms), options.ask)
        steps = read(asked.ask, options.config, this_host()) if yes else ()
        key = read_key(options.approval_key or key_file(state))
        grant = sealed(asked.ask.answer(here(), now_ms, yes=yes), key)
        _refuse_mistaken(asked.ask, grant, options)
        answers = Answers(approvals_folder(state))
        answers.give(grant, now_ms)
    except _Unfit as wrong:
        print(printable(str(wrong)), file=err)
        return EX_USAGE
    except (NoKey, Unlike, JournalLost, OSError) as wrong:
        print(printable(f"nothing was answered: {wrong}"), file=err)
        return EX_FAILED
    print(printable(_said(asked.ask, grant, _agreed(asked, answers, key))), file=out)
    for step in steps:
        print(printable(f"  {step}"), file=out)
    return EX_OK


def _open(state: Path, now_ms: int) -> list[Asked]:
    file = state / "runs.db"
    if not file.exists():
        raise _Unfit(f"{state} holds no journal; name the agent's --state")
    with closing(Journal(file)) as journal:
        return [one for one in journal.asks() if one.ended is None and now_ms < one.ask.until_ms]


def _meant(asks: list[Asked], words: str) -> Asked:
    found = [one for one in asks if len(words) >= SHORTEST and one.ask.id.startswith(words)]
    if len(found) != 1:
        raise _Unfit(f"no open request begins with {words!r}; `beforehand approvals` lists them")
    return found[0]


def _refuse_mistaken(ask: Ask, grant: Grant, options: argparse.Namespace) -> None:
    if grant.yes and ask.risk == "R3" and options.playbook != ask.playbook:
        sentence = f"this cannot be undone on several hosts at once; add --playbook {ask.playbook}"
        raise _Unfit(f"{sentence} if you mean it")


def _agreed(asked: Asked, answers: Answers, key: bytes) -> set[str]:
    mine = (one for one in answers.given() if one.ask == asked.ask.id and one.yes and genuine(one, key))
    return {person(one.by) for one in (*asked.answers, *mine)}


def _said(ask: Ask, grant: Grant, agreed: set[str]) -> str:
    what = f"{ask.playbook} on {ask.host}"
    if not grant.yes:
        return f"denied by {grant.by}: {what} does not act for this alert"
    missing = ask.needs - len(agreed)
    if missing > 0:
        return f"approved by {grant.by}: {what} waits for {people(missing)} more"
    if ask.run:
        return f"approved by {grant.by}: {what} goes on"
    return f"approved by {grant.by}: {what} acts once, if no guard speaks against it now"


def show(options: argparse.Namespace, out: TextIO, err: TextIO) -> int:
    """List the asks that are open; returns the exit code."""
    try:
        asks = _open(inner(options.state), Clock().now_ms())
    except (_Unfit, JournalLost) as wrong:
        print(printable(str(wrong)), file=err)
        return EX_FAILED
    if not asks:
        print("nothing is to be approved", file=out)
    for one in asks:
        print(*map(printable, lines(one, options.config, this_host())), sep="\n", file=out)
    return EX_OK


def lines(asked: Asked, config: Path, host: Host) -> Iterator[str]:
    """Yield what is asked, for people: who would do what, why they are asked, and who has answered.

    The steps are those of this host's playbooks; why is in the agent's words.
    """
    ask = asked.ask
    yield f"{ask.id} {ask.playbook} on {ask.host} ({ask.risk}), for {ask.labels}"
    yield f"  until {datetime.fromtimestamp(ask.until_ms / 1000, UTC):%Y-%m-%d %H:%M:%S} UTC: {ask.because}"
    try:
        yield from (f"  would {step}" for step in read(ask, config, host))
    except Unlike as wrong:
        yield f"  cannot be approved: {wrong}"
    said = ", ".join(f"{one.by} {'approved' if one.yes else 'denied'}" for one in asked.answers)
    yield f"  {people(ask.needs)} must approve; {said or 'nobody has answered'}"
