"""Reads every file that it is shown and reports every mistake at once."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from agent import files
from agent.checking.lint import lint_installation, lint_rules
from agent.config import load
from model.misfit import Place, Problem, Rejected
from model.yaml_tree import Limits, Mapping, read_tree
from remediations.writing.playbook import load_playbook
from rules.file import load_rules
from rules.lint.lint import Finding
from rules.unit_test.file import load_suite

_SUFFIXES: Final = (".yml", ".yaml")
# Enough to tell what a file is; whoever knows it then reads it by limits of their own.
_LOOSE: Final = Limits(file_bytes_max=64 << 20, nodes_max=4_000_000, aliases_max=10_000)


@dataclass(frozen=True, slots=True)
class Checked:
    """Every mistake in some files, what lint found in those without, and how many files were read."""

    problems: tuple[Problem, ...]
    findings: tuple[Finding, ...]
    files: int


def check(paths: Iterable[Path], lints: Sequence[str] = ()) -> Checked:
    """Return what is wrong with these files and directories, and what these lints find in them.

    What a file is shows in its keys: ``groups`` are rules, ``tests`` are tests of rules, ``playbook`` is a
    playbook, ``playbook_tests`` are tests of playbooks, ``probes`` an agent's configuration, which is read
    with all that it names. The desk's files are read by the desk, where it is installed.
    """
    problems: set[Problem] = set()
    findings: set[Finding] = set()
    read = 0
    for path in paths:
        for file in _files(path):
            read += 1
            try:
                findings.update(_check(file, lints))
            except Rejected as refused:
                problems.update(refused.problems)
    return Checked(tuple(sorted(problems)), tuple(sorted(findings)), read)


def _files(path: Path) -> list[Path]:
    if not path.is_dir():
        return [path]
    found = sorted(file for file in path.rglob("*") if file.suffix in _SUFFIXES and file.is_file())
    return [file for file in found if not file.name.endswith((".test.yml", ".test.yaml"))]


def _check(file: Path, lints: Sequence[str]) -> list[Finding]:
    """Return what lint finds in the file, or raise ``Rejected`` when it is wrong."""
    data = files.read(file, _LOOSE.file_bytes_max)
    tree, _ = read_tree(data, str(file), _LOOSE)
    keys = {key.text for key, _ in tree.pairs} if isinstance(tree, Mapping) else set()
    if "probes" in keys:
        return lint_installation(load(file), lints)
    if "groups" in keys:
        return lint_rules(load_rules(data, str(file)), lints)
    if "tests" in keys:
        load_suite(data, str(file))
    elif "playbook_tests" in keys:
        from remediations.trials.file import load_trials  # noqa: PLC0415  # costs memory that no agent needs

        load_trials(data, str(file))
    elif "playbook" in keys:
        load_playbook(data, str(file))
    else:
        _elsewhere(keys)(file)
    return []


def _elsewhere(keys: set[str]) -> Callable[[Path], object]:
    """Find who else knows a file with one of these keys: the desk says so by entry points."""
    for reader in importlib.metadata.entry_points(group="beforehand.files"):
        if reader.name in keys:
            found: Callable[[Path], object] = reader.load()
            return found
    return _stranger


def _stranger(file: Path) -> object:
    sentence = "nobody knows what this file is"
    cure = "give it one of the keys probes, groups, playbook, services, customers or catalogue"
    raise Rejected((Problem(Place(str(file)), sentence, cure),))
