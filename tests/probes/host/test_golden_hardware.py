"""The same trees of files give the same series as Debian's node_exporter gives."""

from __future__ import annotations

from pathlib import Path

import pytest

from model.plugin import AnyProbe
from probes.host import bonding, edac, hwmon, mdadm, nvme, powersupplyclass, thermal_zone, time, timex
from probes.host.roots import Tree
from tests.probes.host.exporter import PROGRAM, exporter, plant, said
from tests.probes.host.machine import MDSTAT, SYS
from tests.probes.targets import values, within

pytestmark = pytest.mark.needs(PROGRAM)

COLLECTORS: dict[str, AnyProbe] = {
    "hwmon": hwmon.PROBE,
    "thermal_zone": thermal_zone.PROBE,
    "edac": edac.PROBE,
    "nvme": nvme.PROBE,
    "bonding": bonding.PROBE,
    "powersupplyclass": powersupplyclass.PROBE,
    "mdadm": mdadm.PROBE,
}

# What newer versions say than the one that Debian packages.
NEWER = (
    "node_edac_channel_",
    "node_nvme_namespace_",
    "node_md_raid_disks",
    "node_md_degraded",
    "node_hwmon_freq_",
    'node_nvme_info{cntlid="1997"',
)


def ours(probe: AnyProbe, folder: Path) -> dict[str, float]:
    trees = {"sysfs": Tree(folder / "sys"), "procfs": Tree(folder / "proc")}
    taken = {name: tree for name, tree in trees.items() if name in probe.options.__dataclass_fields__}
    return values(probe.look(probe.options(**taken))(within(10)))


def test_the_same_machine_is_described_with_the_same_series(tmp_path: Path) -> None:
    plant(tmp_path / "sys", SYS)
    plant(tmp_path / "proc", {"mdstat": MDSTAT})
    trees = (f"--path.sysfs={tmp_path}/sys", f"--path.procfs={tmp_path}/proc")
    with exporter(*COLLECTORS, options=trees) as port:
        theirs = said(port)
    mine: dict[str, float] = {}
    for probe in COLLECTORS.values():
        mine |= ours(probe, tmp_path)
    older = {series.replace('cntlid="1997", ', ""): value for series, value in mine.items()}
    mine = {
        **mine,
        **{series: value for series, value in older.items() if series.startswith("node_nvme_info")},
    }
    missing = {series: value for series, value in theirs.items() if series not in mine}
    extra = {series: value for series, value in mine.items() if series not in theirs}
    assert missing == {}
    assert [series for series in extra if not series.startswith(NEWER)] == []
    assert {series: mine[series] for series in theirs} == pytest.approx(theirs, nan_ok=True)
    assert {series.partition("_")[2].partition("_")[0] for series in theirs} == {
        "hwmon", "thermal", "cooling", "edac", "nvme", "bonding", "power", "md",
    }  # fmt: skip  # every collector had something to say


def test_the_clock_of_this_host_is_told_alike() -> None:
    with exporter("time", "timex") as port:
        before = {**values(time.PROBE.look(time.PROBE.options())(within(5)))}
        theirs = said(port)
        after = {
            **values(time.PROBE.look(time.PROBE.options())(within(5))),
            **values(timex.PROBE.look(timex.PROBE.options())(within(5))),
        }
    assert after.keys() == theirs.keys()
    assert (
        before["node_time_seconds"] - 0.01 <= theirs["node_time_seconds"] <= after["node_time_seconds"] + 0.01
    )
    steady = (
        "sync_status",
        "status",
        "tick",
        "tai",
        "zone",
        "clocksource",
        "frequency",
        "constant",
        "_total",
    )
    for series, value in theirs.items():
        if any(word in series for word in steady):
            assert after[series] == pytest.approx(value), series
    assert after["node_timex_maxerror_seconds"] == pytest.approx(theirs["node_timex_maxerror_seconds"], abs=1)
