"""End sessions of PostgreSQL that sit idle in a transaction and hold what others wait for.

The views and functions are those of https://www.postgresql.org/docs/current/monitoring-stats.html and
functions-admin.html; the role needs ``pg_signal_backend``.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from model.duration import Duration, seconds
from model.misfit import Misfit
from model.plugin import Action
from model.step import Exec, Host, Risk, Step
from remediations.actions.names import Word
from remediations.actions.service import FilePath

SESSIONS_MAX: Final = 100

_IDLE: Final = (
    "with idle as (select pid, usename, state_change from pg_stat_activity"
    " where state in ('idle in transaction', 'idle in transaction (aborted)')"
    " and backend_type = 'client backend' and pid <> pg_backend_pid()"
    " and state_change < now() - make_interval(secs => current_setting('beforehand.age_s')::int))"
)
PREVIEW: Final = " ".join((_IDLE, "select pid, usename, state_change from idle order by state_change"))
FEW: Final = (
    "select (case when count(*) > current_setting('beforehand.sessions_max')::int"
    " then count(*) || ' sessions are too many' else '1' end)::int from idle"
)
"""What PostgreSQL cannot make a number of ends the run before anything is ended."""
TERMINATE: Final = "select pid, usename, pg_terminate_backend(pid) from idle"


class ServerHost(str):
    """Where PostgreSQL listens: the folder of its socket, or a host's name."""

    __slots__ = ()

    @classmethod
    def parse(cls, text: str) -> ServerHost:
        """Refuse what psql would take for more than a place."""
        return cls(FilePath.parse(text) if text.startswith("/") else Word.parse(text))


@dataclass(frozen=True, slots=True)
class Options:
    """Which server, and from which age on; where more than ``sessions_max`` are so old, none is ended.

    ``host`` is a folder with a socket or a host's name, all else as psql takes it; no password is passed on,
    so the server must know the user by its socket or by a file of its own.
    """

    min_age: Duration = field(default=seconds(900))
    sessions_max: int = 20
    database: Word = field(default=Word("postgres"))
    user: Word | None = None
    host: ServerHost | None = None
    port: int = 5432

    def __post_init__(self) -> None:
        if not 10 <= self.min_age.s <= 86_400:
            raise Misfit("the age is out of range", "write 10s to 24h", key="min_age")
        if not 1 <= self.sessions_max <= SESSIONS_MAX:
            raise Misfit("the number is out of range", f"write 1 to {SESSIONS_MAX}", key="sessions_max")
        if not 1 <= self.port <= 65535:
            raise Misfit(f"{self.port} is not a port", "write 1 to 65535", key="port")


def plan(options: Options, _host: Host) -> Iterator[Step]:
    """Show them, then end them unless they are too many; the words of SQL are fixed."""
    yield _psql(options, PREVIEW)
    yield _psql(options, f"{_IDLE} {FEW}", f"{_IDLE} {TERMINATE}")


def _psql(options: Options, *statements: str) -> Exec:
    where = ["-d", str(options.database), "-p", str(options.port)]
    where += ["-U", str(options.user)] if options.user else []
    where += ["-h", str(options.host)] if options.host else []
    given = (
        f"set beforehand.age_s = {int(options.min_age.s)}",
        f"set beforehand.sessions_max = {int(options.sessions_max)}",
        "set statement_timeout = 10000",
    )
    words = [word for one in (*given, *statements) for word in ("-c", one)]
    # -X reads no file of the user's, -w never asks for a password.
    return Exec(("psql", "-X", "-w", "-A", "-t", "-q", "-v", "ON_ERROR_STOP=1", *where, *words), timeout_s=20)


def touches(options: Options) -> frozenset[str]:
    """Name the server."""
    return frozenset({f"postgres:{options.host or ''}:{options.port}"})


ACTION = Action("postgres_terminate_idle", Options, plan, risk=Risk.IRREVERSIBLE, touches=touches)
