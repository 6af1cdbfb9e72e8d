"""What an ask is about, as this host's own files have it: whoever asks may word it as he likes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from agent.config import load
from model.misfit import Rejected
from model.plugin import Unplannable
from model.step import Host
from remediations.asking.approval import Ask, digest, digest_at, shown
from remediations.writing.gates import gates
from remediations.writing.playbook import Playbook


class Unlike(Exception):
    """What is asked is not what the playbooks of this host say; the text is a sentence."""


def read(ask: Ask, config: Path, host: Host) -> tuple[str, ...]:
    """Return in sentences what a yes would allow, by the playbook itself; raises ``Unlike``.

    It allows what has the digest that is asked for: the whole plan, or what stands behind one question of it.
    """
    path = config / "agent.yaml" if config.is_dir() else config
    try:
        books: dict[str, Playbook] = {one.playbook: one for one in load(path).playbooks}
    except Rejected as wrong:
        raise Unlike(f"what would be done cannot be worked out: {wrong}") from None
    book = books.get(ask.playbook)
    if book is None:
        raise Unlike(f"{path} names no playbook {ask.playbook}; name the agent's own with --config")
    try:
        found = next((steps for plan, steps in _plans(book, host) if plan == ask.plan), None)
    except Unplannable as wrong:
        raise Unlike(f"what would be done cannot be worked out: {wrong}") from None
    if found is None:
        sentence = f"what is asked is not what {ask.playbook} says in {path}"
        raise Unlike(f"{sentence}; reload the agent, and if that changes nothing, do not trust it")
    return found


def _plans(book: Playbook, host: Host) -> Iterator[tuple[str, tuple[str, ...]]]:
    plan = digest(book, host)
    yield plan, shown(book, host)
    for gate in gates(book.steps).each:
        yield digest_at(gate, plan), shown(book, host, gate)
