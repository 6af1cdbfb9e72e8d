"""Where the desk's PostgreSQL is: an address of the form that libpq knows, without a password."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final
from urllib.parse import parse_qsl, unquote, urlsplit

from model.misfit import Misfit

PORT: Final = 5432

_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_-]{0,62}")
_SCHEMA: Final = re.compile(r"[a-z_][a-z0-9_]{0,62}")
_CURE: Final = "write postgresql://USER@HOST:PORT/DATABASE, and the password into database_password_file"
_OPTIONS: Final = frozenset({"host", "sslmode", "sslrootcert", "sslcert", "sslkey", "schema"})
_SSL: Final = frozenset({"disable", "require", "verify-ca", "verify-full"})


@dataclass(frozen=True, slots=True)
class Database:
    """A database on a server (PostgreSQL 15 or later); ``host`` may be the folder of a Unix socket.

    ``sslmode`` and the files of certificates mean what they mean to libpq.
    """

    host: str
    port: int
    name: str
    user: str
    schema: str = "public"
    ssl: tuple[tuple[str, str], ...] = ()

    @classmethod
    def parse(cls, text: str) -> Database:
        """Read ``postgresql://desk@db.example/desk?sslmode=verify-full``."""
        try:
            url = urlsplit(text)
            port = url.port or PORT
        except ValueError:
            raise Misfit("this is not the address of a database", _CURE) from None
        if url.scheme not in ("postgresql", "postgres"):
            raise Misfit(f"expected postgresql://, got {text[:20]!r}", _CURE)
        if url.password is not None:
            raise Misfit("a password stands in the address, where everybody reads it", _CURE)
        options = dict(parse_qsl(url.query, keep_blank_values=True))
        strange = sorted(set(options) - _OPTIONS)
        if strange:
            raise Misfit(f"{strange[0]!r} is no option here", f"options are {', '.join(sorted(_OPTIONS))}")
        host = options.pop("host", "") or unquote(url.hostname or "")
        name, user = unquote(url.path.removeprefix("/")), unquote(url.username or "")
        if not host or not _NAME.fullmatch(name) or not _NAME.fullmatch(user):
            raise Misfit("a host, a database and a user are needed", _CURE)
        schema = options.pop("schema", "public")
        if not _SCHEMA.fullmatch(schema):
            raise Misfit(f"{schema[:40]!r} is not the name of a schema", "write small letters and digits")
        if options.get("sslmode", "require") not in _SSL:
            raise Misfit(f"sslmode is one of {', '.join(sorted(_SSL))}", "write sslmode=verify-full")
        loopback = host.startswith("/") or host in ("127.0.0.1", "::1", "localhost")
        if not loopback:
            options.setdefault("sslmode", "require")  # Nothing goes over a network in clear unasked.
        return cls(host, port, name, user, schema, tuple(sorted(options.items())))

    def parts(self) -> dict[str, str | int]:
        """Return it as arguments of libpq."""
        return {
            **dict(self.ssl),
            "host": self.host,
            "port": self.port,
            "dbname": self.name,
            "user": self.user,
        }

    def __str__(self) -> str:
        return f"postgresql://{self.user}@{self.host}:{self.port}/{self.name}"
