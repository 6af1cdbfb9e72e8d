"""What a playbook can do; to add an action, write its module and add it to this list."""

from __future__ import annotations

from typing import Final

from model.plugin import AnyAction
from remediations.actions import collect, command, service, wait_for

ACTIONS: Final[tuple[AnyAction, ...]] = (collect.ACTION, command.ACTION, service.ACTION, wait_for.ACTION)
