from __future__ import annotations

from pathlib import Path

from probes.host import os
from tests.probes.host.seen import told


def test_the_words_of_os_release_are_unquoted(tmp_path: Path) -> None:
    text = """# words
NAME='A "B"'
ID=arch
PRETTY_NAME="costs \\"5\\" \\$ \\`\\\\"
VERSION_ID="39.1.2"
export ODD
SUPPORT_END=2024-05-14
"""
    assert os.parse(text)["PRETTY_NAME"] == 'costs "5" $ `\\'
    found = told(os.PROBE, tmp_path, {"usr/lib/os-release": text})
    assert found['node_os_version{id="arch", name="A \\"B\\""}'] == 39.1
    assert found["node_os_support_end_timestamp_seconds"] == 1_715_644_800
    assert sum(key.startswith("node_os_info{") for key in found) == 1


def test_a_system_without_a_version_or_a_release_file_is_told_so(tmp_path: Path) -> None:
    assert told(os.PROBE, tmp_path, {"other": ""}) == {}
    rolling = told(os.PROBE, tmp_path, {"etc/os-release": "ID=arch\nSUPPORT_END=some day\n"})
    assert rolling == {'node_os_info{id="arch"}': 1}
