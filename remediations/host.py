"""The facts of this host that actions plan with."""

from __future__ import annotations

from pathlib import Path

from model.step import Host
from remediations.executable import found


def this_host() -> Host:
    """Look once; the folder tells that systemd is the init that runs (sd_booted(3))."""
    return Host(
        has_systemd=Path("/run/systemd/system").is_dir(), systemctl=found("systemctl") or "/usr/bin/systemctl"
    )
