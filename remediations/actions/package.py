"""Bring an installed package to its newest version, from a security archive unless written otherwise."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from model.deed import UpgradePackage
from model.plugin import Action
from model.step import Host, Risk, Step
from remediations.actions.names import PackageName


@dataclass(frozen=True, slots=True)
class Options:
    """A package of apt that is installed.

    With ``security_only`` every package of the upgrade must come from a security archive. Nothing is ever
    removed or newly installed.
    """

    name: PackageName
    state: Literal["latest"] = "latest"
    security_only: bool = True


def plan(options: Options, _host: Host) -> Iterator[Step]:
    """One deed simulates, judges and upgrades."""
    yield UpgradePackage(options.name, options.security_only)


def touches(_options: Options) -> frozenset[str]:
    """There is one package database."""
    return frozenset({"packages"})


ACTION = Action("package", Options, plan, risk=Risk.IRREVERSIBLE, touches=touches)
