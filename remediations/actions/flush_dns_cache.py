"""Forget the names that this host's resolver remembers; it asks for each again."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Literal

from model.plugin import Action
from model.step import Exec, Host, Risk, Step

_ARGV: Final = {
    "resolved": ("resolvectl", "flush-caches"),
    "nscd": ("nscd", "--invalidate=hosts"),
    "unbound": ("unbound-control", "flush_zone", "."),
}


@dataclass(frozen=True, slots=True)
class Options:
    """The resolver of this host."""

    tool: Literal["resolved", "nscd", "unbound"] = "resolved"


def plan(options: Options, _host: Host) -> Iterator[Step]:
    """Ask the resolver itself."""
    yield Exec(_ARGV[options.tool], timeout_s=10)


def touches(_options: Options) -> frozenset[str]:
    """There is one resolver."""
    return frozenset({"resolver"})


ACTION = Action("flush_dns_cache", Options, plan, risk=Risk.REVERSIBLE, touches=touches)
