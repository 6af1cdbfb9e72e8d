"""The playbooks of simulated worlds: real ones, whose one action is of the simulation."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Final

from model.plugin import Action
from model.step import Exec, Host, Risk, Step
from remediations.writing.playbook import Playbook, load_playbook
from remediations.writing.task import Task, Tasks, Terms, Turn

HOST: Final = Host(has_systemd=False)
WITHIN_MIN: Final = 1
"""For how long people are waited for, in minutes."""
LAX: Final = (
    "{cooldown: 1s, at_most: 100 per 1h, at_once: 4, never_when: [],"
    " breaker: {ineffective: 20, recurrences: 20, window: 1m, cooldown: 1s}}"
)


@dataclass(frozen=True, slots=True)
class Options:
    """Which service, by which of its rungs."""

    service: str
    rung: str


def _plan(options: Options, _host: Host) -> Iterator[Step]:
    yield Exec(("check", options.service, options.rung))
    yield Exec(("restart", options.service, options.rung))


def _undo(options: Options, _host: Host) -> Iterator[Step]:
    yield Exec(("undo", options.service, options.rung))


def _touches(options: Options) -> frozenset[str]:
    return frozenset({f"service:{options.service}"})


_RESTART: Final = Action("restart", Options, _plan, Risk.REVERSIBLE, _touches, undo=_undo)


@lru_cache(maxsize=256)
def remedy(service: str, rung: int, *, says_unless: bool, lax: bool, needs: int = 0) -> Playbook:
    """Return a playbook with the guards that one has which says nothing about them, or with the laxest.

    ``needs`` is how many people must approve each run of it.
    """
    said = ["unless: ['alertname=\"DatabaseDown\"']"] if says_unless else []
    said += [f"approval: {{within: {WITHIN_MIN}m, by: {needs}}}"] if needs else []
    text = (
        f"playbook: heal-{service}-{rung}\nsummary: Heal it.\n"
        f"mode: {'approve' if needs and not lax else 'auto'}\n"
        f'on: [\'alertname="Down", service="{service}"\']\n'
        f"steps: [command: {{argv: [restart]}}]\nverify: {{}}\n"
        f"guard: {LAX if lax else '{' + ', '.join(said) + '}'}\n"
    )
    playbook = load_playbook(text.encode(), "world.yml")
    turn = Turn("", Options(service, str(rung)))
    task = Task(_RESTART, (turn,), Terms(), loops=False, place=playbook.place)
    return replace(playbook, steps=Tasks((task,)))
