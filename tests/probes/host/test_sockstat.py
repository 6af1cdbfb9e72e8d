from __future__ import annotations

from pathlib import Path

import pytest

from probes.host import sockstat
from tests.probes.host.seen import told


def test_pages_of_sockets_are_told_in_bytes_too(tmp_path: Path) -> None:
    files = {"net/sockstat": "sockets: used 9\nTCP: inuse 4 mem 2\nSCTP: inuse 1\n"}
    assert told(sockstat.PROBE, tmp_path, files) == {
        "node_sockstat_sockets_used": 9,
        "node_sockstat_TCP_inuse": 4,
        "node_sockstat_TCP_mem": 2,
        "node_sockstat_TCP_mem_bytes": 2 * sockstat._PAGE_BYTES,
    }


def test_a_word_without_its_number_is_trouble(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="shorter"):
        told(sockstat.PROBE, tmp_path, {"net/sockstat": "TCP: inuse\n"})
