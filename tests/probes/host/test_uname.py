from __future__ import annotations

from pathlib import Path

from probes.host import uname
from tests.probes.host.seen import told


def test_this_host_says_what_it_is(tmp_path: Path) -> None:
    (series,) = told(uname.PROBE, tmp_path, {"sys/kernel/domainname": "(none)\n"})
    assert series.startswith('node_uname_info{domainname="(none)", machine="')
    assert 'sysname="Linux"' in series
