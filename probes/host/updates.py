"""How many updates of packages wait to be installed, as apt works it out from the lists that it has."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from model.duration import seconds
from model.plugin import Deadline, Probe
from model.sample import Metric, Sample
from probes.host.roots import Rootfs, Tree, this_host
from probes.program import run as run_program

PENDING = Metric("beforehand_updates_pending", "Packages for which there is an update.", labels=("kind",))
LISTS = Metric("beforehand_updates_lists_mtime_seconds", "When the lists of packages were last renewed.")

APT: Final = "/usr/bin/apt-get"
OUTPUT_BYTES_MAX: Final = 4 << 20

_STATUS: Final = "var/lib/dpkg/status"
_LISTS: Final = "var/lib/apt/lists"
_NOBODY: Final = "nobody"
_UPDATE: Final = re.compile(r"Inst \S+ \[[^\]]+\] \((?P<origins>[^)]*)\)")


class Failed(Exception):
    """apt did not say; the text is a sentence."""


def counted(simulation: str) -> dict[str, int]:
    """Return how many updates ``apt-get --simulate upgrade`` would install, by kind.

    An update is a line ``Inst NAME [OLD] (NEW ORIGIN, ORIGIN [ARCHITECTURE])``; it is about security if one
    of its origins is, as in Debian-Security:12/stable-security and Ubuntu:24.04/noble-security.
    """
    counts = {"security": 0, "other": 0}
    for line in simulation.splitlines():
        found = _UPDATE.match(line)
        if found:
            counts["security" if "security" in found["origins"].lower() else "other"] += 1
    return counts


def asked(rootfs: Tree, deadline: Deadline) -> dict[str, int]:
    """Ask apt what it would install, without a lock, as a user who cannot change anything."""
    places = {"Dir": rootfs.path, "Dir::State::status": rootfs / _STATUS, "Debug::NoLocking": "1"}
    settings = [f"--option={name}={value}" for name, value in places.items()]
    argv = (APT, "-q", "--simulate", *settings, "--with-new-pkgs", "upgrade")
    user = _NOBODY if os.geteuid() == 0 else ""
    done = run_program(argv, deadline, user=user, output_bytes_max=OUTPUT_BYTES_MAX)
    if done.code != 0 or done.truncated:
        words = done.stderr.decode("utf-8", "replace").strip() or "it was cut short"
        raise Failed(f"apt-get does not say what it would install: {words[:300]}")
    return counted(done.stdout.decode("utf-8", "replace"))


def run(options: Rootfs, deadline: Deadline) -> Iterator[Sample]:
    """Yield the updates that wait; nothing on a host without apt."""
    if not Path(APT).exists() or not (options.rootfs / _STATUS).exists():
        return
    for kind, count in asked(options.rootfs, deadline).items():
        yield PENDING(count, kind=kind)
    renewed_s = [path.stat().st_mtime for path in (options.rootfs / _LISTS).glob("*Release")]
    if renewed_s:
        yield LISTS(max(renewed_s))


PROBE = Probe(
    "updates", Rootfs, run, (PENDING, LISTS),
    job="node", target=this_host, every=seconds(6 * 3600), timeout=seconds(120),
)  # fmt: skip  # the metrics on one line
