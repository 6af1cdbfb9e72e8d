"""What was found on a host: pure data, each with the words that say why it counts.

All texts come from the host: whoever names a process, a file or a socket chooses them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Speech = Literal["unasked", "nothing", "other", "http", "https"]
"""What a port said to one HTTP request; ``nothing`` took no connection, ``other`` speaks something else."""


@dataclass(frozen=True, slots=True)
class Program:
    """A program that runs here, and by what it can be found again: its pid file, its unit, or its name.

    ``command`` is its command line with spaces between the words.
    """

    name: str
    command: str = ""
    unit: str = ""
    pidfile: str = ""

    def __str__(self) -> str:
        known = self.pidfile and f", pid file {self.pidfile}"
        return f"{self.name}{self.unit and f' ({self.unit})'}{known}"


@dataclass(frozen=True, slots=True)
class Listening:
    """A TCP port that is listened at; ``host`` is the loopback address by which it was, or can be, reached.

    ``program`` is None where this user may not see who listens. ``host`` is empty where the port is bound to
    another address than a loopback one, for such are never asked.
    """

    address: str
    port: int
    host: str
    program: Program | None = None
    speech: Speech = "unasked"
    status: int = 0

    @property
    def at(self) -> str:
        """The address by which a probe reaches it."""
        host = self.host or self.address
        return f"[{host}]:{self.port}" if ":" in host else f"{host}:{self.port}"

    @property
    def reason(self) -> str:
        """Why it counts."""
        bound = f"[{self.address}]" if ":" in self.address else self.address
        if self.program is None:
            return f"something listens on {bound}:{self.port}; this user may not see what"
        name, _, known = str(self.program).partition(", ")
        return f"{name} listens on {bound}:{self.port}" + (known and f", {known}")


@dataclass(frozen=True, slots=True)
class LocalSocket:
    """A unix socket with a path that is listened at; ``takes`` says whether it lets this user in."""

    path: str
    takes: bool
    program: Program | None = None

    @property
    def reason(self) -> str:
        """Why it counts."""
        return f"{self.program or 'something'} listens at {self.path}"


@dataclass(frozen=True, slots=True)
class StatusPage:
    """A location with ``stub_status`` in nginx's configuration, by its URL."""

    url: str
    file: str

    @property
    def reason(self) -> str:
        """Why it counts."""
        return f"{self.file} has stub_status at {self.url}"


@dataclass(frozen=True, slots=True)
class Certificates:
    """Files with certificates in them that this user may read: one pattern, or a single path."""

    path: str
    files: int = 1

    @property
    def reason(self) -> str:
        """Why it counts."""
        return f"{self.path} stands for {self.files} file{'s' * (self.files > 1)} with certificates"


@dataclass(frozen=True, slots=True)
class LogFile:
    """The log of a service, which this user may read."""

    path: str
    service: str


@dataclass(frozen=True, slots=True)
class Job:
    """A line of a crontab: when it runs, and a name made from it."""

    name: str
    schedule: str
    file: str


@dataclass(frozen=True, slots=True)
class Mount:
    """A mounted filesystem that holds data."""

    mountpoint: str
    fstype: str

    def __str__(self) -> str:
        return f"{self.mountpoint} ({self.fstype})"


@dataclass(frozen=True, slots=True)
class Unseen:
    """What could not be looked at, and why not."""

    what: str
    why: str

    def __str__(self) -> str:
        return f"{self.what}: {self.why}"


@dataclass(frozen=True, slots=True)
class Findings:
    """All that was found on one host.

    ``units`` are systemd's services that are loaded, None where no systemd runs or none can be asked.
    ``kernel_log`` says which probe may read the kernel's log. ``textfiles`` are directories of a
    node_exporter's that the host's probes do not look into by themselves. ``spool`` is the queue directory
    of a Postfix. ``gateway`` is the address of the default route.
    """

    listening: tuple[Listening, ...] = ()
    sockets: tuple[LocalSocket, ...] = ()
    programs: tuple[Program, ...] = ()
    status_pages: tuple[StatusPage, ...] = ()
    certificates: tuple[Certificates, ...] = ()
    logs: tuple[LogFile, ...] = ()
    jobs: tuple[Job, ...] = ()
    mounts: tuple[Mount, ...] = ()
    units: frozenset[str] | None = None
    kernel_log: Literal["", "kmsg", "journal"] = ""
    textfiles: tuple[str, ...] = ()
    spool: LocalSocket | None = None
    gateway: str = ""
    unseen: tuple[Unseen, ...] = ()
