"""What each guard says to a playbook now, by what lies on this host's disk; nothing is written.

The journal is the agent's own, alerts are those that it last put on disk. How fresh samples are, what else is
watched and whether the desk agrees is known only to those who run, and asked when the playbook is to begin.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import psutil

from agent.config import AgentConfig
from agent.healing.freeze import frozen
from agent.healing.restraints import deployed_ms
from agent.healing.warm_up import Begun, warming
from agent.running import Unheard, remembered
from agent.state import deployed_file, holds_folder, inner, switch_files
from model.alert import Alert, AlertState
from model.labels import Labels
from model.step import Host
from remediations import guard
from remediations.at_work import at_work
from remediations.attempt import Attempt
from remediations.hold import Holds
from remediations.kill_switch import KillSwitch
from remediations.ladder import ladder
from remediations.ladder.rungs import HISTORY_MS
from remediations.question import Facts, Refused
from remediations.running.carrying import CarriesOut, ask
from remediations.running.journal import Journal
from remediations.running.run import Run, Stage
from remediations.writing.playbook import Mode, Playbook, answering

_ELSEWHERE: Final = {
    "fresh": "only the running agent knows how old its samples are",
    "common_cause": "only the running agent knows what else it watches",
    "lease": "the desk, where there is one, is asked when it is to begin",
}
_YES: Final = {
    "kill_switch": "nothing is stopped",
    "human": "nobody wants it otherwise",
    "at_work": "nobody changes this host just now",
}
_NOTHING: Final = "nothing speaks against it"


@dataclass(frozen=True, slots=True)
class Past:
    """What the journal tells: the attempts that count, the runs under way, and the mode in force."""

    attempts: Sequence[Attempt] = ()
    under_way: Sequence[Run] = ()
    mode: Mode | None = None


def answers(
    playbook: Playbook, config: AgentConfig, host: Host, hand: CarriesOut, state: Path, now_ms: int
) -> Iterator[str]:
    """Yield how the playbook stands, then the answer of each guard; may raise ``JournalLost``."""
    own = inner(state)
    past = _past(own / "runs.db", playbook, now_ms)
    mode = past.mode or ladder.in_force(playbook, None)
    yield f"  mode: {mode}" + _apart(playbook, mode)
    alert, firing = _alert(playbook, own / "alerts.db", now_ms)
    if alert not in firing:
        yield "  firing: nothing does that it answers to; the others say what they would if something did"
    human = playbook.human(ask(playbook.asks(host), hand, lambda: ""))
    facts = _facts(past, config, state, now_ms)
    facts = replace(facts, human=human, at_work=at_work(Path("/"), now_ms), firing=firing)
    found = guard.answers(replace(playbook, mode=mode), alert, facts, past.attempts, now_ms)
    for name, refused in found.items():
        if name in _ELSEWHERE:
            yield f"  {name}: {_ELSEWHERE[name]}"
        elif name != "mode" and not (name == "firing" and alert not in firing):
            yield f"  {name}: {_words(refused, name)}"


def _words(refused: Refused | None, name: str) -> str:
    return refused.reason if refused else _YES.get(name, _NOTHING)


def _apart(playbook: Playbook, mode: Mode) -> str:
    """Tell what the mode in force means where that is not what somebody may expect."""
    if mode is not playbook.mode and not playbook.read_only:
        return f", because it did harm; `beforehand reinstate {playbook.playbook}` lets it act again"
    return "" if mode in (Mode.AUTO, Mode.APPROVE) else ", so it acts only once somebody agrees"


def _past(file: Path, playbook: Playbook, now_ms: int) -> Past:
    if not file.is_file():
        return Past()
    with closing(Journal(file, reading=True)) as journal:
        attempts = journal.attempts(playbook.playbook, playbook.target, now_ms - HISTORY_MS)
        demotion = journal.demotions().get(playbook.playbook)
        return Past(attempts, journal.unfinished(), ladder.in_force(playbook, demotion))


def _alert(playbook: Playbook, file: Path, now_ms: int) -> tuple[Alert, Sequence[Alert]]:
    """Return the first alert that fires and is answered, or one that stands for it, and all that fire."""
    try:
        firing = [one for one in remembered(file) if one.state is AlertState.FIRING]
    except Unheard:
        firing = []
    mine = next((one for one in firing if answering([playbook], one.labels)), None)
    stands = Alert(Labels.of(alertname="(none)"), {}, AlertState.FIRING, 1.0, now_ms, now_ms)
    return mine or stands, firing


def _facts(past: Past, config: AgentConfig, state: Path, now_ms: int) -> Facts:
    """Gather what guards are told; runs that wait for their effect hold their target, but no place."""
    own = inner(state)
    stopped = (KillSwitch(file).active() for file in switch_files(state))
    return Facts(
        stopped=next((sentence for sentence in stopped if sentence), ""),
        busy={thing: run.playbook for run in past.under_way for thing in run.target},
        under_way=sum(run.stage is not Stage.VERIFYING for run in past.under_way),
        holds=Holds(holds_folder(own)).held(now_ms),
        pauses=_pauses(config, own, now_ms),
    )


def _pauses(config: AgentConfig, own: Path, now_ms: int) -> Mapping[str, str]:
    """Return what keeps from acting for now; since when the agent runs is not on disk."""
    begun = Begun(boot_ms=round(psutil.boot_time() * 1000), deploy_ms=deployed_ms(deployed_file(own)))
    found = {"freeze": frozen(config.freezes, now_ms), "warm-up": warming(config.warm_up, begun, now_ms)}
    return {name: sentence for name, sentence in found.items() if sentence}
