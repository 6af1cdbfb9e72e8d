"""Where a host listens: TCP ports and unix sockets from the kernel's tables, with the program behind each."""

from __future__ import annotations

import ipaddress
import re
import socket
import struct
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Final, Literal

from agent.discovery.ask import ask
from agent.discovery.finding import Listening, LocalSocket, Program, Unseen
from agent.discovery.programs import Processes
from agent.discovery.services import NOT_HTTP_PORTS, SERVICES, USUAL_PORTS, WEB
from agent.discovery.trees import Trees

ROWS_MAX: Final = 100_000
PORTS_MAX: Final = 64
SOCKETS_MAX: Final = 32
ASKING_S_MAX: Final = 15.0
CONNECT_S: Final = 1.0
OWN_PORTS: Final = (9465, 9466, 9467)
"""Where agent and desk listen when nobody says otherwise."""

_LISTENING: Final = "0A"
_ACCEPTS: Final = 0x10000  # __SO_ACCEPTCON of the kernel
_UNIX_ROW: Final = re.compile(
    r"\S+: [0-9A-F]+ [0-9A-F]+ ([0-9A-F]{8}) \S+ \S+ +([0-9]{1,19}) (/.+)", re.DOTALL
)
_EPHEMERAL: Final = (32768, 60999)
_WANTED_SOCKETS: Final = re.compile(
    r".*/(\.s\.PGSQL\.[0-9]{1,5}|mysqld?\.sock|mariadb\.sock|(redis|valkey)[a-z-]*\.sock|memcached\.sock"
    r"|docker\.sock|podman\.sock)"
)


@dataclass(frozen=True, slots=True)
class Row:
    """One listening socket of a table: where it is bound, and its inode."""

    address: str
    port: int
    inode: int


def rows(table: str) -> Iterator[Row]:
    """Yield the listening sockets of /proc/net/tcp or tcp6 (proc_net_tcp.txt of the kernel)."""
    for line in table.splitlines()[1 : ROWS_MAX + 1]:
        columns = line.split()
        if len(columns) >= 10 and columns[3] == _LISTENING:
            address, _, port = columns[1].partition(":")
            yield Row(_address(address), int(port, 16), int(columns[9]))


def _address(text: str) -> str:
    """Return an address that the kernel wrote as words of 32 bits in the machine's own order."""
    packed = b"".join(struct.pack("=I", int(text[at : at + 8], 16)) for at in range(0, len(text), 8))
    address = ipaddress.ip_address(packed)
    mapped = getattr(address, "ipv4_mapped", None)
    return str(mapped or address)


def unix_rows(table: str) -> dict[str, int]:
    """Return the inode of each listening unix socket that has a path, by the path."""
    found: dict[str, int] = {}
    for line in table.split("\n")[1 : ROWS_MAX + 1]:
        shape = _UNIX_ROW.fullmatch(line)  # a path may hold anything, also what looks like another row
        if shape and int(shape[1], 16) & _ACCEPTS:
            found.setdefault(shape[3], int(shape[2]))
    return found


def reached(address: str) -> str:
    """Return the loopback address by which a socket bound so is reached; nothing where none is."""
    known = ipaddress.ip_address(address)
    if known.is_unspecified:
        return "127.0.0.1"
    return address if known.is_loopback else ""


@dataclass(frozen=True, slots=True)
class Scene:
    """The tables of one moment, and the processes that go with them."""

    trees: Trees
    processes: Processes | None

    def listening(self) -> tuple[tuple[Listening, ...], tuple[Unseen, ...]]:
        """Return the ports that something lasting listens at, one for each, and what could not be seen."""
        bound: dict[tuple[str, int], Row] = {}
        for name in ("net/tcp", "net/tcp6"):
            for row in rows(self.trees.procfs.text_if_any(name)):
                bound.setdefault((reached(row.address) or row.address, row.port), row)
        held, hidden = self._holders(frozenset(row.inode for row in bound.values()))
        unseen = []
        if hidden:
            unseen.append(Unseen("some listening ports", "this user may not see which programs hold them"))
        found = []
        for (_, port), row in sorted(bound.items(), key=lambda pair: (pair[0][1], pair[0][0])):
            program = self._program(held.get(row.inode), port)
            if not self._passing(held.get(row.inode), program, port):
                found.append(Listening(row.address, port, reached(row.address), program))
        if len(found) > PORTS_MAX:
            what = f"{len(found) - PORTS_MAX} listening ports"
            unseen.append(Unseen(what, f"there are more than {PORTS_MAX}"))
        return tuple(found[:PORTS_MAX]), tuple(unseen)

    def sockets(self) -> tuple[LocalSocket, ...]:
        """Return the unix sockets of the services that are known, each asked for a connection."""
        table = unix_rows(self.trees.procfs.text_if_any("net/unix"))
        wanted = {path: inode for path, inode in table.items() if _WANTED_SOCKETS.fullmatch(path)}
        held, _ = self._holders(frozenset(wanted.values()))
        found = []
        for path, inode in sorted(wanted.items())[:SOCKETS_MAX]:
            outcome = tried(self.trees.here(path))
            if outcome != "gone":
                found.append(LocalSocket(path, outcome == "taken", self._known(held.get(inode))))
        return tuple(found)

    def _holders(self, inodes: frozenset[int]) -> tuple[Mapping[int, int], bool]:
        if self.processes is None or not inodes:
            return {}, False
        found, hidden = self.processes.holders(inodes)
        return found, hidden and found.keys() != inodes

    def _known(self, pid: int | None) -> Program | None:
        return None if pid is None or self.processes is None else self.processes.program(pid)

    def _program(self, pid: int | None, port: int) -> Program | None:
        """Return who listens; where that is hidden, the process whose usual port it is."""
        if pid is not None or self.processes is None:
            return self._known(pid)
        usual = self.processes.named(USUAL_PORTS.get(port, ()))
        return self.processes.program(usual[0]) if usual else None

    def _passing(self, pid: int | None, program: Program | None, port: int) -> bool:
        """Tell whether nobody wants to be told of it: our own ports, and what tools open for a while."""
        if pid is not None and self.processes is not None and self.processes.ours(pid):
            return True
        if program is None:
            return port in OWN_PORTS or _EPHEMERAL[0] <= port <= _EPHEMERAL[1]
        lasting = program.unit or program.pidfile or program.name in SERVICES
        return not lasting and _EPHEMERAL[0] <= port <= _EPHEMERAL[1]


def tried(path: str) -> Literal["taken", "denied", "gone"]:
    """Tell whether a unix socket takes this user's connection; nothing is said on it."""
    with socket.socket(socket.AF_UNIX) as end:
        end.settimeout(CONNECT_S)
        try:
            end.connect(path)
        except PermissionError:
            return "denied"
        except (OSError, ValueError):
            return "gone"
    return "taken"


def speaks_otherwise(program: Program | None) -> bool:
    """Tell whether a program is known to speak something else than HTTP."""
    return program is not None and SERVICES.get(program.name, WEB) != WEB


def heard(
    listening: Iterable[Listening], monotonic: Callable[[], float]
) -> tuple[tuple[Listening, ...], tuple[Unseen, ...]]:
    """Return the ports with what each spoke; those of services that are known, and others', are not asked."""
    until_s = monotonic() + ASKING_S_MAX
    found, late = [], 0
    for one in listening:
        if not one.host or one.port in NOT_HTTP_PORTS or speaks_otherwise(one.program):
            found.append(one)
        elif monotonic() > until_s:
            late += 1
            found.append(one)
        else:
            found.append(_asked(one, monotonic))
    unseen = (Unseen(f"{late} ports", f"asking all took longer than {ASKING_S_MAX:g} s"),) if late else ()
    return tuple(found), unseen


def _asked(one: Listening, monotonic: Callable[[], float]) -> Listening:
    """Return a port with what it spoke; one bound to all addresses may be so in IPv6 alone."""
    answer, host = ask(one.host, one.port, monotonic), one.host
    if answer.speech == "nothing" and one.address == "::":
        answer, host = ask("::1", one.port, monotonic), "::1"
    return replace(one, host=host, speech=answer.speech, status=answer.status)
