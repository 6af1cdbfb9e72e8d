"""What is heard of host, people and desk before anything is begun, and what guards are told of it."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from typing import Final

from model.alert import Alert, AlertState
from model.step import HumanAct
from remediations.case import Case
from remediations.question import Facts
from remediations.running.carrying import CarriesOut, ask
from remediations.surroundings import Surroundings
from remediations.writing.playbook import Never, Playbook


@dataclass(frozen=True, slots=True)
class Heard:
    """What a worker heard before anything is begun: who is at work, and why the desk does not agree.

    ``leased`` says that it was asked and does, so that the lease is to be given back.
    """

    human: HumanAct | None = None
    at_work: HumanAct | None = None
    lease: str = ""
    leased: bool = False


NOTHING_HEARD: Final = Heard()


def questions(playbook: Playbook, around: Surroundings) -> bool:
    """Tell whether somebody or something is to be asked before this playbook begins."""
    asks = not playbook.read_only and (around.at_work is not None or around.lease is not None)
    return asks or any(playbook.asks(around.host))


def listened(
    playbook: Playbook, alert: Alert, hand: CarriesOut, around: Surroundings, halted: Callable[[], str]
) -> Heard:
    """Look whether somebody is at work, and ask the desk where nobody is; called by a worker."""
    heard = looked(playbook, hand, around, halted)
    # A lease is not taken for what will surely be refused, and never left out of what may not be.
    refused = heard.at_work is not None or (heard.human is not None and heard.human.certain)
    if refused or around.lease is None:
        return heard
    lease = around.lease(playbook, alert)
    return replace(heard, lease=lease, leased=not lease)


def looked(playbook: Playbook, hand: CarriesOut, around: Surroundings, halted: Callable[[], str]) -> Heard:
    """Look whether somebody is at work, and ask no desk: nothing begins before people have approved it."""
    human = playbook.human(ask(playbook.asks(around.host), hand, halted))
    heeds = Never.AT_WORK in playbook.guard.never_when
    at_work = around.at_work() if heeds and around.at_work is not None else None
    return Heard(human, at_work)


def facts(
    cases: Collection[Case], around: Surroundings, alert: Alert, now_ms: int, heard: Heard, *, approved: bool
) -> Facts:
    """Return what guards are told of this moment and this alert."""
    at_work = [case for case in cases if case.acting or case.undoing]
    busy = {
        thing: case.playbook.playbook
        for case in cases
        if case.busy and case.playbook is not None
        for thing in case.playbook.target
    }
    looking = sum(case.playbook is not None and case.playbook.read_only for case in at_work)
    return Facts(
        stopped=around.stopped(),
        busy=busy,
        under_way=len(at_work) - looking,
        looking=looking,
        human=heard.human,
        at_work=heard.at_work,
        holds=around.holds(),
        pauses=around.pauses(),
        sight=around.sight(alert, now_ms),
        firing=[one.alert for one in cases if one.alert.state is AlertState.FIRING],
        watched=around.watched(),
        lease=heard.lease,
        approved=approved,
    )
