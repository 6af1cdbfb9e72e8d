from __future__ import annotations

from pathlib import Path

from probes.host import conntrack
from tests.probes.host.seen import told


def test_tracked_connections_are_summed_over_processors(tmp_path: Path) -> None:
    files = {
        "sys/net/netfilter/nf_conntrack_count": "3\n",
        "sys/net/netfilter/nf_conntrack_max": "8\n",
        "net/stat/nf_conntrack": "entries  clashres drop\n0000000a 1 f\n0000000a 1 1\n",
    }
    assert told(conntrack.PROBE, tmp_path, files) == {
        "node_nf_conntrack_entries": 3,
        "node_nf_conntrack_entries_limit": 8,
        "node_nf_conntrack_stat_drop": 16,
    }


def test_a_kernel_that_tracks_no_connections_is_no_trouble(tmp_path: Path) -> None:
    assert told(conntrack.PROBE, tmp_path, {"stat": ""}) == {}
