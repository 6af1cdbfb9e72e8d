"""Runs files of playbook tests; what they are reported by is shared with rule tests."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import remediations.playbooks
from agent import files
from agent.checking.rule_tests import Outcome, Report, Wish
from model.misfit import Rejected
from model.yaml_tree import FILE_BYTES_MAX, Mapping, read_tree
from remediations.trials.file import KEY, LIMITS, Trials, bound, load_trials
from remediations.trials.judge import failures
from remediations.trials.play import Played, play
from remediations.writing.playbook import Playbook, load_playbook, together


def holds(path: Path) -> bool:
    """Tell whether a file is one of playbook tests; one that cannot be read is none."""
    try:
        data = files.read(path, LIMITS.file_bytes_max)
        tree, _ = read_tree(data, str(path), LIMITS) if KEY.encode() in data else (None, [])
    except Rejected:
        return False
    return isinstance(tree, Mapping) and any(key.text == KEY for key, _ in tree.pairs)


def run(path: Path, wish: Wish) -> Report:
    """Run the tests of one file."""
    try:
        trials = load_trials(files.read(path, LIMITS.file_bytes_max), str(path))
        pairs = bound(trials, _playbooks(path, trials))
    except Rejected as refused:
        return Report(str(path), unread=str(refused))
    outcomes = []
    for trial, playbook in pairs:
        if wish.wants(trial.name):
            played = play(trial, playbook)
            dumped = tuple(_walk(played)) if wish.debug else ()
            outcomes.append(Outcome(trial.name, failures(trial, playbook, played), dumped))
    return Report(str(path), tuple(outcomes))


def _playbooks(path: Path, trials: Trials) -> tuple[Playbook, ...]:
    """Return the playbooks that are named, as agent.yaml names them, or raise ``Rejected``."""
    shipped = Path(remediations.playbooks.__path__[0])
    found, problems = files.named(trials.playbooks, path.parent, shipped, trials.place)
    if problems:
        raise Rejected(tuple(problems))
    return together(load_playbook(files.read(one, FILE_BYTES_MAX), str(one)) for one in found)


def _walk(played: Played) -> Iterator[str]:
    """Yield what happened, step by step."""
    if played.refused is not None:
        yield f"refused by {played.refused.guard}: {played.refused.reason}"
    yield from map(str, played.taken)
    yield from (f"undo: {step}" for step in played.undone)
    if played.run is not None:
        yield f"{played.run.outcome}: {played.run.reason}"
