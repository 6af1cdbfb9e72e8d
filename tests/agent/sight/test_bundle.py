from __future__ import annotations

from pathlib import Path

import pytest

from agent.config import load
from model.duration import seconds
from probes.host import BUNDLE
from tests.agent.test_config import mistakes, written


def named(directory: Path, probes: str) -> list[str]:
    return [entry.name for entry in load(written(directory, f"probes: {probes}")).config.probes]


def test_one_word_stands_for_all_probes_of_the_host(tmp_path: Path) -> None:
    names = named(tmp_path, "[{host: }]")
    assert names == [probe.name for probe in BUNDLE]
    assert {"cpu", "filesystem", "netdev", "vmstat"} <= set(names)
    assert "tcpstat" not in names


def test_probes_of_the_host_can_be_left_out_or_chosen(tmp_path: Path) -> None:
    all_but_one = named(tmp_path, "[{host: {without: [dmi]}}]")
    assert set(named(tmp_path, "[{host: {}}]")) - set(all_but_one) == {"dmi"}
    assert named(tmp_path, "[{host: {only: [tcpstat, cpu]}}]") == ["cpu", "tcpstat"]


def test_what_is_said_of_the_host_holds_for_each_of_its_probes(tmp_path: Path) -> None:
    text = """
        probes:
        - host: {procfs: /host/proc, sysfs: /host/sys, rootfs: /host}
          every: 30s
          timeout: 2s
          labels: {rack: a}
    """
    entries = {entry.name: entry for entry in load(written(tmp_path, text)).config.probes}
    assert {(entry.every, entry.timeout) for entry in entries.values()} == {(seconds(30), seconds(2))}
    assert all(entry.labels == {"rack": "a"} for entry in entries.values())
    assert str(entries["diskstats"].options.rootfs.path) == "/host"
    assert str(entries["netdev"].options.sysfs.path) == "/host/sys"
    assert {str(one.options.procfs.path) for one in entries.values() if hasattr(one.options, "procfs")} == {
        "/host/proc"
    }


def test_a_probe_written_alone_holds_in_place_of_the_one_in_the_bundle(tmp_path: Path) -> None:
    for text in (
        "[{host: {}}, {filesystem: {mount_timeout: 1s}, name: disks, every: 60s}]",
        "[{filesystem: {mount_timeout: 1s}, name: disks, every: 60s}, {host: {}}]",
    ):
        entries = load(written(tmp_path, f"probes: {text}")).config.probes
        (alone,) = [entry for entry in entries if entry.probe.name == "filesystem"]
        assert (alone.name, alone.every, alone.options.mount_timeout) == ("disks", seconds(60), seconds(1))
        assert "cpu" in {entry.name for entry in entries}


@pytest.mark.parametrize(
    ("text", "mistake"),
    [
        ("[{host: {without: [dmii]}}]", "1:28: no probe of the host is called 'dmii'; did you mean 'dmi'?"),
        ("[{host: {only: [http]}}]", "1:25: no probe of the host is called 'http'"),
        ("[{host: {only: [cpu], without: [dmi]}}]", "1:31: without makes no sense beside only"),
        ("[{host: {procfs: proc}}]", "1:26: 'proc' is not an absolute path; begin it with /"),
        ("[{host: {cpu: {}}}]", "1:18: unknown key 'cpu'"),
        ("[{host: {}, name: h}]", "1:21: host stands for many probes; leave out the name"),
        ("[{host: {}, every: 0}]", "1:21: every: 0s is out of range"),
        ("[{host: {}, cpu: {}}]", "1:10: exactly one probe belongs in each item"),
        ("[{host: {}}, {host: {}}]", "1:22: host stands here twice; keep one of them"),
        ("[{hots: {}}]", "1:11: unknown probe 'hots'; did you mean 'host'?"),
        ("[{host: {}}, {load: {}, name: cpu}]", "1:22: the probe 'cpu' is defined twice"),
        ("{host: {}}", "1:9: expected a list, got a mapping"),
    ],
)
def test_a_mistake_in_the_bundle_is_told_with_its_place(tmp_path: Path, text: str, mistake: str) -> None:
    found = mistakes(tmp_path, f"probes: {text}")
    assert any(one.startswith(f"agent.yaml:{mistake}") for one in found), found


def test_a_bundle_without_any_probe_is_refused(tmp_path: Path) -> None:
    everything = ", ".join(probe.name for probe in BUNDLE)
    (mistake,) = mistakes(tmp_path, f"probes: [{{host: {{without: [{everything}]}}}}]")
    assert "no probe is left; name fewer of them in without" in mistake
