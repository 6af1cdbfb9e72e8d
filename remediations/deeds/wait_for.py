"""Wait until a port takes connections or a path exists, or until that is over."""

from __future__ import annotations

import os
import socket

from model.deed import WaitFor
from model.step import Result
from remediations.deeds.doing import Doing

POLL_S = 0.1
CONNECT_S = 1.0


def do(step: WaitFor, doing: Doing) -> Result:
    """Look every 100 ms until it is so or the time is over."""
    until_s = doing.monotonic() + step.timeout_s
    while _there(step) is step.gone:
        because = doing.stopped()
        if because:
            return Result(ok=False, reason=because, stopped=because)
        if doing.check or doing.monotonic() >= until_s:
            what = f"port {step.port}" if step.port else step.path
            still = "still" if step.gone else "not"
            return Result(ok=doing.check, reason=f"{what} is {still} there after {step.timeout_s:g}s")
        doing.pause(POLL_S)
    return Result(ok=True, output=f"{step}: so it is")


def _there(step: WaitFor) -> bool:
    if not step.port:
        return os.path.lexists(step.path)
    with socket.socket() as connection:
        connection.settimeout(CONNECT_S)
        try:
            connection.connect(("127.0.0.1", step.port))
        except OSError:
            return False
        # Where nobody listens, the kernel may connect a port to itself.
        return bool(connection.getsockname() != connection.getpeername())
