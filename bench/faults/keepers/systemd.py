"""systemd's own restart: ``Restart=always`` after 100 ms, with its usual limit of five starts in 10 s."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from bench.faults.keepers import Keeper, Kept
from bench.faults.subject import START_S, Subject
from tests.e2e import systemd as private
from tests.e2e.patience import until

_UNIT: Final = """
[Service]
Type=forking
PIDFile={pidfile}
ExecStart={do} start
Restart=always
RestartSec=100ms
TimeoutStopSec=5
"""


@contextmanager
def keeping(one: Subject) -> Iterator[Kept]:
    """Start a systemd, and the subject as its unit."""
    # Two managers at once would share what is called the same in the kernel's tree of control groups.
    unit = f"kept-{secrets.token_hex(4)}"
    with private.running() as systemd:
        (systemd.units / f"{unit}.service").write_text(_UNIT.format(pidfile=one.pidfile, do=one.do))
        systemd.ctl("daemon-reload")
        systemd.ctl("start", unit)
        until(one.answers, START_S, "the unit answers", lambda: systemd.ctl("status", unit))
        try:
            yield Kept(
                lambda: systemd.ctl("stop", unit),
                lambda: systemd.ctl("show", unit, "-p", "ActiveState,Result,NRestarts"),
            )
        finally:
            systemd.ctl("kill", "--signal=KILL", unit)
            systemd.ctl("stop", unit)


SYSTEMD: Final = Keeper("systemd", keeping)
