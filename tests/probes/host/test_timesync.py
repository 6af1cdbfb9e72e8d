from __future__ import annotations

from pathlib import Path

from model.plugin import FileChange
from probes.host import timesync
from probes.host.adjtimex import Clock
from probes.host.roots import Rootfs, Tree
from tests.probes.host.exporter import plant
from tests.probes.targets import values, within

IN_TIME = Clock(synchronised=True, time_s=1.0, fraction_s=1e-6, numbers={})
LOST = Clock(synchronised=False, time_s=1.0, fraction_s=1e-6, numbers={})


def told(folder: Path, said: Clock | None) -> dict[str, float]:
    return values(timesync.samples(Tree(folder), said))


def test_the_kernel_says_whether_its_clock_is_in_time(tmp_path: Path) -> None:
    assert told(tmp_path, IN_TIME) == {'beforehand_time_synced{source="none"}': 1}
    assert told(tmp_path, LOST) == {'beforehand_time_synced{source="none"}': 0}


def test_who_keeps_the_clock_is_named(tmp_path: Path) -> None:
    plant(tmp_path / "a", {"run/chrony/chronyd.pid": "1\n"})
    plant(tmp_path / "b", {"run/systemd/timesync/synchronized": ""})
    assert told(tmp_path / "a", IN_TIME) == {'beforehand_time_synced{source="chrony"}': 1}
    assert told(tmp_path / "b", LOST) == {'beforehand_time_synced{source="timesyncd"}': 0}


def test_where_the_kernel_may_not_be_asked_timesyncd_is_believed(tmp_path: Path) -> None:
    plant(tmp_path / "a", {"run/systemd/timesync/synchronized": ""})
    plant(tmp_path / "b", {"run/systemd/timesync": "/"})
    assert told(tmp_path / "a", None) == {'beforehand_time_synced{source="timesyncd"}': 1}
    assert told(tmp_path / "b", None) == {'beforehand_time_synced{source="timesyncd"}': 0}
    assert told(tmp_path, None) == {}


def test_the_probe_wishes_to_run_when_timesyncd_has_set_the_clock(tmp_path: Path) -> None:
    seen = list(timesync.run(Rootfs(rootfs=Tree(tmp_path)), within(5)))
    assert FileChange(f"{tmp_path}/run/systemd/timesync/synchronized") in seen
