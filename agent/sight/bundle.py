"""The word ``host`` in agent.yaml: all probes of the host itself, without an item for each."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any, Final

from model.decode import nearest
from model.misfit import Misfit
from model.plugin import AnyProbe
from probes.host import BUNDLE, HOST
from probes.host.roots import PROCFS, ROOTFS, SYSFS, Tree

BUNDLE_NAME: Final = "host"

_BY_NAME: Final[dict[str, AnyProbe]] = {probe.name: probe for probe in HOST}


@dataclass(frozen=True, slots=True)
class HostProbe:
    """The name of a probe of the host, such as ``cpu``."""

    probe: AnyProbe

    @classmethod
    def parse(cls, text: str) -> HostProbe:
        """Read the name."""
        if text not in _BY_NAME:
            raise Misfit(f"no probe of the host is called {text!r}", nearest(text, _BY_NAME))
        return cls(_BY_NAME[text])


@dataclass(frozen=True, slots=True)
class HostBundle:
    """All probes of the host but those ``without``, or those named in ``only``.

    Each remains a probe of its own, so that one in trouble leaves the others seeing. An item of its own for
    one of them holds in place of the one in here. ``procfs``, ``sysfs`` and ``rootfs`` go to each of them.
    """

    only: tuple[HostProbe, ...] = ()
    without: tuple[HostProbe, ...] = ()
    procfs: Tree = PROCFS
    sysfs: Tree = SYSFS
    rootfs: Tree = ROOTFS

    def __post_init__(self) -> None:
        if self.only and self.without:
            raise Misfit("without makes no sense beside only", "keep one of the two", key="without")
        if not self.probes():
            raise Misfit("no probe is left", "name fewer of them in without", key="without")

    def probes(self) -> tuple[AnyProbe, ...]:
        """Return the probes that this stands for."""
        if self.only:
            named = {one.probe.name for one in self.only}
            return tuple(probe for probe in HOST if probe.name in named)
        left_out = {one.probe.name for one in self.without}
        return tuple(probe for probe in BUNDLE if probe.name not in left_out)

    def options(self, probe: AnyProbe) -> Any:
        """Return a probe's options: its defaults, and where the host's trees are."""
        known = {field.name for field in dataclasses.fields(probe.options)}
        roots = {"procfs": self.procfs, "sysfs": self.sysfs, "rootfs": self.rootfs}
        return probe.options(**{name: tree for name, tree in roots.items() if name in known})
