"""PostgreSQL: what its statistics views tell of one server, in postgres_exporter's names.

One session for each database and run, as an application would open it: that none can be had is what this
probe is there to find. Queries are fixed, read only, and are ended by the server after ten seconds.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Final

from model.duration import seconds
from model.misfit import Misfit
from model.plugin import Deadline, Probe, Remark
from model.sample import Metric, Sample
from probes.net.trust import SYSTEM_TRUST, TlsConfig
from probes.service.pg_queries import ALLOWED, QUERIES, TABLES
from probes.service.pgwire import Login, Session, session
from probes.service.wire import Refused, Server, read_secret, told

DATABASES_MAX: Final = 16
LOCAL: Final = Server.parse("127.0.0.1:5432")

UP = Metric("pg_up", "1 if the server answered.")


EMITS: Final = tuple(
    {metric.name: metric for query in (*QUERIES, TABLES) for metric in (UP, *query.metrics)}.values()
)


@dataclass(frozen=True, slots=True)
class Options:
    """Which server to ask, and as whom.

    ``target`` is host:port, or the path of its unix socket, like /var/run/postgresql/.s.PGSQL.5432. The
    ``user`` needs to be a member of pg_monitor and nothing else. The first line of ``password_file`` is the
    password. Of each of ``databases`` the 200 tables with most dead rows are looked at; all else is asked in
    the first of them and covers the whole server. With ``tls`` the certificate is judged as ``tls_config``
    says.
    """

    target: Server = LOCAL
    user: str = "beforehand"
    password_file: str = ""
    databases: tuple[str, ...] = ("postgres",)
    tls: bool = False
    tls_config: TlsConfig = SYSTEM_TRUST

    def __post_init__(self) -> None:
        if not 0 < len(self.databases) <= DATABASES_MAX or len(set(self.databases)) < len(self.databases):
            cure = f"name 1 to {DATABASES_MAX}, each once"
            raise Misfit(f"these are {len(self.databases)} databases", cure, key="databases")
        for key, words in (("user", (self.user,)), ("databases", self.databases)):
            if any(not word or "\0" in word for word in words):
                raise Misfit("a name is empty or has a zero byte in it", "write it out", key=key)


def run(options: Options, deadline: Deadline) -> Iterator[Sample | Remark]:
    """Yield what the server tells; one that is down or takes no connection is ``pg_up`` 0."""
    return told(UP, partial(_ask, options), deadline)


def _ask(options: Options, deadline: Deadline) -> Iterator[Sample]:
    password = read_secret(options.password_file)
    tls = options.tls_config if options.tls else None
    for number, database in enumerate(options.databases):
        login = Login(options.user, database, password, tls)
        with session(options.target, login, deadline) as one:
            if not number:
                yield from _of_server(one, options.user)
            yield from TABLES.samples(one.rows(TABLES.sql))


def _of_server(one: Session, user: str) -> Iterator[Sample]:
    if one.rows(ALLOWED) != [("1",)]:
        # Without it the views hide what others do, and a server full of stuck sessions looks idle.
        raise Refused(f"the role may not see what others do; run GRANT pg_monitor TO {user}")
    for query in QUERIES:
        if query.first <= one.version <= query.last:
            yield from query.samples(one.rows(query.sql))


def _target(options: Options) -> str:
    return str(options.target)


PROBE = Probe("postgres", Options, run, EMITS, job="postgres", target=_target, every=seconds(30))
