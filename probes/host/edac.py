"""Errors of the memory that its controllers corrected or could not, named as node_exporter names them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from model.plugin import Deadline, Probe
from model.sample import Metric, Sample
from probes.host.prompt import aside_where
from probes.host.roots import Sysfs, Tree, this_host

CORRECTED = Metric(
    "node_edac_correctable_errors_total", "Errors that the controller corrected.", "counter", ("controller",)
)
UNCORRECTED = Metric(
    "node_edac_uncorrectable_errors_total", "Errors that it could not correct.", "counter", ("controller",)
)
_ROW: Final = ("controller", "csrow")
ROW_CORRECTED = Metric(
    "node_edac_csrow_correctable_errors_total", "Corrected errors of a row of chips.", "counter", _ROW
)
ROW_UNCORRECTED = Metric(
    "node_edac_csrow_uncorrectable_errors_total", "Errors of a row of chips, not corrected.", "counter", _ROW
)
_CHANNEL: Final = (*_ROW, "channel", "dimm_label")
CHANNEL_CORRECTED = Metric(
    "node_edac_channel_correctable_errors_total", "Corrected errors of a channel.", "counter", _CHANNEL
)
CHANNEL_UNCORRECTED = Metric(
    "node_edac_channel_uncorrectable_errors_total", "Errors of a channel, not corrected.", "counter", _CHANNEL
)

_CONTROLLERS: Final = "devices/system/edac/mc"
_CHANNEL_COUNT: Final = re.compile(r"ch([0-9]+)_([cu]e)_count")


def samples(sysfs: Tree) -> Iterator[Sample]:
    """Yield the counts of each controller, row and channel (the kernel's ABI/testing/sysfs-devices-edac)."""
    for controller in _numbered(sysfs, _CONTROLLERS, "mc"):
        folder = f"{_CONTROLLERS}/mc{controller}"
        for metric, name in ((CORRECTED, "ce_count"), (UNCORRECTED, "ue_count")):
            yield from _count(metric, sysfs, f"{folder}/{name}", controller=controller)
        for metric, name in ((ROW_CORRECTED, "ce_noinfo_count"), (ROW_UNCORRECTED, "ue_noinfo_count")):
            yield from _count(metric, sysfs, f"{folder}/{name}", controller=controller, csrow="unknown")
        for row in _numbered(sysfs, folder, "csrow"):
            yield from _row(sysfs, f"{folder}/csrow{row}", controller, row)


def _row(sysfs: Tree, folder: str, controller: str, row: str) -> Iterator[Sample]:
    for metric, name in ((ROW_CORRECTED, "ce_count"), (ROW_UNCORRECTED, "ue_count")):
        yield from _count(metric, sysfs, f"{folder}/{name}", controller=controller, csrow=row)
    for name in sysfs.names(folder):
        found = _CHANNEL_COUNT.fullmatch(name)
        if found:
            metric = CHANNEL_CORRECTED if found[2] == "ce" else CHANNEL_UNCORRECTED
            label = dimm_label(sysfs.attribute(f"{folder}/ch{found[1]}_dimm_label"))
            labels = {"controller": controller, "csrow": row, "channel": found[1], "dimm_label": label}
            yield from _count(metric, sysfs, f"{folder}/{name}", **labels)


def dimm_label(said: str | None) -> str:
    """Return a module's label as node_exporter writes it: mc#0csrow#1channel#0 is mc0_csrow1_channel0."""
    if said is None:
        return "unknown"
    return said.replace("#", "").replace("csrow", "_csrow").replace("channel", "_channel")


def _count(metric: Metric, sysfs: Tree, path: str, **labels: str) -> Iterator[Sample]:
    count = sysfs.number(path)
    if count is not None:
        yield metric(count, **labels)


def _numbered(sysfs: Tree, folder: str, word: str) -> list[str]:
    """Return the numbers behind this word of what the folder holds."""
    found = (name.removeprefix(word) for name in sysfs.names(folder) if name.startswith(word))
    return [number for number in found if number.isascii() and number.isdecimal()]


def run(options: Sysfs, _deadline: Deadline) -> Iterator[Sample]:
    """Yield the errors of this host's memory."""
    return samples(options.sysfs)


def _there(options: Sysfs) -> bool:
    """Tell whether a controller counts its errors."""
    return bool(options.sysfs.names(_CONTROLLERS))


PROBE = Probe(
    "edac", Sysfs, run,
    (CORRECTED, UNCORRECTED, ROW_CORRECTED, ROW_UNCORRECTED, CHANNEL_CORRECTED, CHANNEL_UNCORRECTED),
    job="node", target=this_host, converse=aside_where(_there, run),
)  # fmt: skip  # the metrics on one line
