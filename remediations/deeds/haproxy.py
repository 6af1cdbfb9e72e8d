"""Take a server of HAProxy out of the traffic or put it back, through its admin socket.

The commands and the columns are those of HAProxy's management guide, 9.3 and 9.1 (``show stat``).
"""

from __future__ import annotations

import csv
import io
import socket
from dataclasses import dataclass
from typing import Final

from model.deed import SetHaproxyServer
from model.step import Result
from remediations.deeds.asking import Stopped, at_socket
from remediations.deeds.doing import Doing
from remediations.deeds.folders import Refused, shown

ANSWER_BYTES_MAX: Final = 4 << 20
POLL_S: Final = 0.2
_PROXIES: Final = frozenset({"FRONTEND", "BACKEND"})


@dataclass(frozen=True, slots=True)
class Server:
    """A server of a backend: its name, its status and how many sessions it has."""

    name: str
    status: str
    sessions: int

    @property
    def up(self) -> bool:
        """Whether it takes new traffic; one without a health check counts."""
        return self.status.startswith("UP") or self.status == "no check"


def do(step: SetHaproxyServer, doing: Doing) -> Result:
    """Look at the backend, refuse where too few would be left, act, and wait for the sessions to end."""
    try:
        return _do(step, doing)
    except Stopped as stopped:
        return Result(ok=False, reason=str(stopped), stopped=str(stopped), changed=True)
    except Refused as refused:
        return Result(ok=False, reason=str(refused))


def _do(step: SetHaproxyServer, doing: Doing) -> Result:
    servers = _servers(step)
    one = servers.get(step.server)
    if one is None:
        raise Refused(f"HAProxy knows no server {step.backend}/{step.server}")
    drained = one.status.startswith("DRAIN")
    if drained is (step.state == "drain"):
        told = f"{step.server} is {shown(one.status)} already"
        return Result(ok=True, output=told) if doing.check or not drained else _emptied(step, doing, told)
    others = [each.name for each in servers.values() if each.up and each.name != step.server]
    if step.state == "drain" and len(others) < step.others_up_min:
        raise Refused(f"only {len(others)} others of {step.backend} are up; {step.others_up_min} are needed")
    if doing.check:
        return Result(ok=True, diff=f"would set {step.server} from {shown(one.status)} to {step.state}")
    said = _ask(step.socket, f"set server {step.backend}/{step.server} state {step.state}").strip()
    if said:
        raise Refused(f"HAProxy refused: {shown(said)}")
    told = f"{step.server} went from {shown(one.status)} to {step.state}"
    if step.state == "drain":
        return _emptied(step, doing, told, changed=True)
    return Result(ok=True, output=told, changed=True, diff=told)


def _emptied(step: SetHaproxyServer, doing: Doing, told: str, *, changed: bool = False) -> Result:
    """Wait until the server has no session; those that stay do not keep the run from going on."""
    until_s = doing.monotonic() + step.patience_s
    while (left := _servers(step)[step.server].sessions) and doing.monotonic() < until_s:
        if doing.stopped():
            raise Stopped(doing.stopped())
        doing.pause(POLL_S)
    more = f"; {left} sessions were left after {step.patience_s:g}s" if left else "; it has no sessions"
    return Result(ok=True, output=told + more, changed=changed, diff=told if changed else "")


def _servers(step: SetHaproxyServer) -> dict[str, Server]:
    """Return the servers of a backend, or raise ``Refused`` where there is none of that name."""
    rows = csv.DictReader(io.StringIO(_ask(step.socket, "show stat").removeprefix("# ")))
    found = {
        row["svname"]: Server(row["svname"], row["status"], int(row["scur"] or 0))
        for row in rows
        if row.get("pxname") == step.backend
        and row.get("svname") not in _PROXIES
        and row.get("status") is not None
        and (row.get("scur") or "0").isdecimal()
    }
    if not found:
        raise Refused(f"HAProxy knows no backend {step.backend} with servers")
    return found


def _ask(path: str, words: str) -> str:
    with at_socket(path) as sock:
        try:
            sock.sendall(words.encode("ascii") + b"\n")
            return _read(sock).decode("utf-8", "replace")
        except OSError as wrong:
            raise Refused(f"HAProxy gave no answer: {wrong}") from None


def _read(sock: socket.socket) -> bytes:
    data = bytearray()
    while len(data) < ANSWER_BYTES_MAX and (part := sock.recv(1 << 16)):
        data += part
    return bytes(data)
