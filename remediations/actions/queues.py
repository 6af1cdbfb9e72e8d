"""Remedies of one program each: redis makes room, postfix tries again, systemd forgets a failure."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Literal

from model.misfit import Misfit
from model.plugin import Action, Unplannable
from model.step import Exec, Host, Risk, Step
from remediations.actions.service import FilePath

_UNIT: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9:_.@\\-]{0,200}\.(service|timer|socket|mount|path|scope)")


class UnitName(str):
    """The full name of a unit of systemd."""

    __slots__ = ()

    @classmethod
    def parse(cls, text: str) -> UnitName:
        """Refuse patterns, which would mean many."""
        if not _UNIT.fullmatch(text) or ".." in text:
            raise Misfit(f"{text[:40]!r} is not the name of a unit", "write it like backup.service")
        return cls(text)


@dataclass(frozen=True, slots=True)
class Redis:
    """A redis of this host, by its port or by its socket; one with a password is not asked."""

    port: int = 6379
    socket: FilePath | None = None

    def __post_init__(self) -> None:
        if not 1 <= self.port <= 65535:
            raise Misfit(f"{self.port} is not a port", "write 1 to 65535", key="port")


@dataclass(frozen=True, slots=True)
class Postfix:
    """What to try again: ``flush`` all that waits, ``requeue`` deferred mail as if it were new.

    ``config`` is the folder of main.cf, where a host has more than one Postfix.
    """

    how: Literal["flush", "requeue"] = "flush"
    config: FilePath | None = None


@dataclass(frozen=True, slots=True)
class Failed:
    """The unit whose failure and start limit are forgotten."""

    unit: UnitName


def purge(options: Redis, _host: Host) -> Iterator[Step]:
    """Have redis give back what its allocator holds; -e makes an error an exit code (redis-cli --help)."""
    yield _redis_cli(options, "MEMORY", "PURGE")


def evict(options: Redis, _host: Host) -> Iterator[Step]:
    """Have redis drop what would expire anyway, the nearest to its end first, before it refuses a write.

    See maxmemory-policy in https://redis.io/docs/latest/develop/reference/eviction/ ; only the running server
    is told, so a restart ends it.
    """
    yield _redis_cli(options, "CONFIG", "SET", "maxmemory-policy", "volatile-ttl")


def keep(options: Redis, _host: Host) -> Iterator[Step]:
    """Have redis drop nothing any more."""
    yield _redis_cli(options, "CONFIG", "SET", "maxmemory-policy", "noeviction")


def _redis_cli(options: Redis, *words: str) -> Exec:
    where = ("-s", str(options.socket)) if options.socket else ("-h", "127.0.0.1", "-p", str(options.port))
    return Exec(("redis-cli", "-e", *where, *words), timeout_s=30)


def requeue(options: Postfix, _host: Host) -> Iterator[Step]:
    """See postfix(1) and postsuper(1); postqueue(1) runs as another group, so it is not called from here."""
    where = ("-c", str(options.config)) if options.config else ()
    if options.how == "flush":
        yield Exec(("postfix", *where, "flush"), timeout_s=30)
    else:
        yield Exec(("postsuper", *where, "-r", "ALL", "deferred"), timeout_s=120)


def reset(options: Failed, host: Host) -> Iterator[Step]:
    """See systemctl(1), reset-failed."""
    if not host.has_systemd:
        raise Unplannable(f"the failure of {options.unit} cannot be forgotten: systemd does not run here")
    yield Exec((host.systemctl, "reset-failed", options.unit), timeout_s=15)


def _redis(options: Redis) -> frozenset[str]:
    return frozenset({f"redis:{options.socket or options.port}"})


def _postfix(options: Postfix) -> frozenset[str]:
    return frozenset({f"postfix:{options.config}" if options.config else "postfix"})


def _unit(options: Failed) -> frozenset[str]:
    return frozenset({f"service:{options.unit.removesuffix('.service')}"})


REDIS_MEMORY_PURGE = Action("redis_memory_purge", Redis, purge, risk=Risk.REVERSIBLE, touches=_redis)
REDIS_EVICT_EXPIRING = Action(
    "redis_evict_expiring", Redis, evict, risk=Risk.IRREVERSIBLE, touches=_redis, undo=keep
)
POSTFIX_REQUEUE = Action("postfix_requeue", Postfix, requeue, risk=Risk.REVERSIBLE, touches=_postfix)
SYSTEMD_RESET_FAILED = Action("systemd_reset_failed", Failed, reset, risk=Risk.REVERSIBLE, touches=_unit)
