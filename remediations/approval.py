"""Approvals: what a person is asked before a playbook may act, and whether the answers are enough; pure."""

from __future__ import annotations

import hashlib

from model.step import Host
from remediations.packing import pack
from remediations.playbook import Playbook


def digest(playbook: Playbook, host: Host) -> str:
    """Return the SHA-256 of all steps that a playbook could take on this host; may raise ``Unplannable``.

    The agent shows the plan and the hand compiles it anew, so what is taken is what was approved.
    """
    found = hashlib.sha256(playbook.playbook.encode())
    for one in playbook.plan(host):
        found.update(hashlib.sha256(pack(one.step)).digest())
    return found.hexdigest()
