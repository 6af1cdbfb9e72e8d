"""Run a playbook of Ansible that exists, by ansible-runner, with nothing filled in.

The layout of the folder is ansible-runner's: https://ansible.readthedocs.io/projects/runner/ .
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from model.duration import Duration, seconds
from model.misfit import Misfit
from model.plugin import Action, Unplannable
from model.step import STEP_TIMEOUT_S_MAX, Exec, Host, Risk, Step
from remediations.actions.names import Word
from remediations.actions.service import FilePath
from remediations.executable import found

_RUNNER: Final = "ansible-runner"


@dataclass(frozen=True, slots=True)
class Options:
    """A folder of ansible-runner and a playbook in its ``project``; inventory and variables stand in it."""

    folder: FilePath
    playbook: Word
    timeout: Duration = field(default=seconds(600))

    def __post_init__(self) -> None:
        if not self.playbook.endswith((".yml", ".yaml")):
            raise Misfit(f"{self.playbook!r} is not a playbook", "write it like site.yml", key="playbook")
        if not 1 <= self.timeout.s <= STEP_TIMEOUT_S_MAX:
            raise Misfit("the time is out of range", f"write 1s to {STEP_TIMEOUT_S_MAX:.0f}s", key="timeout")


def plan(options: Options, _host: Host) -> Iterator[Step]:
    """Start the runner; its exit code is the playbook's."""
    if not found(_RUNNER):
        raise Unplannable(f"{options.playbook} cannot be run: {_RUNNER} is not installed here")
    yield Exec((_RUNNER, "run", options.folder, "-p", options.playbook, "-q"), timeout_s=options.timeout.s)


def touches(options: Options) -> frozenset[str]:
    """Name the folder: two runners would write over each other."""
    return frozenset({f"ansible:{options.folder}"})


ACTION = Action("ansible", Options, plan, risk=Risk.IRREVERSIBLE, touches=touches)
