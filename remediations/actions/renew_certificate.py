"""Renew a certificate and have the services that show it read it again."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal

from model.deed import RenewCertificate
from model.duration import Duration, seconds
from model.misfit import Misfit
from model.plugin import Action
from model.step import STEP_TIMEOUT_S_MAX, Host, Risk, Step
from remediations.actions import service
from remediations.actions.names import Word
from remediations.actions.service import FilePath, ServiceName
from remediations.writing.argv import Argv


@dataclass(frozen=True, slots=True)
class Options:
    """What renews which certificate: ``name`` for certbot and acme.sh, ``argv`` for lego and for all others.

    ``certificate`` is the file in which it stands; the step fails unless that is valid for longer afterwards.
    ``reload`` are services of systemd.
    """

    certificate: FilePath
    tool: Literal["certbot", "acme.sh", "lego", "cmd"] = "certbot"
    name: Word | None = None
    argv: Argv | None = None
    reload: tuple[ServiceName, ...] = ()
    timeout: Duration = field(default=seconds(300))

    def __post_init__(self) -> None:
        named = self.tool in ("certbot", "acme.sh")
        if named is not (self.name is not None) or named is (self.argv is not None):
            cure = "write name: for certbot and acme.sh, argv: for lego and cmd"
            raise Misfit(f"{self.tool} takes {'a name' if named else 'an argv'} alone", cure)
        if not 1 <= self.timeout.s <= STEP_TIMEOUT_S_MAX:
            raise Misfit("the time is out of range", f"write 1s to {STEP_TIMEOUT_S_MAX:.0f}s", key="timeout")


def plan(options: Options, host: Host) -> Iterator[Step]:
    """Renew, prove it by the file, then reload."""
    yield RenewCertificate(_argv(options), options.certificate, options.timeout.s)
    for name in options.reload:
        yield from service.plan(service.Options(name, service.State.RELOADED), host)


def _argv(options: Options) -> tuple[str, ...]:
    if options.argv is not None:
        return tuple(options.argv)
    assert options.name is not None, "one of both was given"
    if options.tool == "certbot":
        return ("certbot", "renew", "--cert-name", options.name, "--non-interactive")
    return ("acme.sh", "--renew", "--domain", options.name)


def touches(options: Options) -> frozenset[str]:
    """Name the file and the services."""
    services = {f"service:{name}" for name in options.reload}
    return frozenset({f"certificate:{options.certificate}", *services})


ACTION = Action("renew_certificate", Options, plan, risk=Risk.REVERSIBLE, touches=touches)
