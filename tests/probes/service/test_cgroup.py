from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from probes.service import cgroup
from probes.service.cgroup import Usage

ID = "0123456789ab" + "c" * 52


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (f"0::/docker/{ID}\n", {"": f"/docker/{ID}"}),
        (f"0::/system.slice/docker-{ID}.scope\n", {"": f"/system.slice/docker-{ID}.scope"}),
        (
            f"0::/machine.slice/libpod-{ID}.scope/container/init.scope\n",
            {"": f"/machine.slice/libpod-{ID}.scope"},
        ),
        (
            f"4:memory:/docker/{ID}\n3:cpu,cpuacct:/docker/{ID}\n1:name=systemd:/docker/{ID}\n0::/\n",
            {
                "memory": f"/docker/{ID}",
                "cpu": f"/docker/{ID}",
                "cpuacct": f"/docker/{ID}",
                "name=systemd": f"/docker/{ID}",
            },
        ),
        ("0::/user.slice/user-0.slice\n", {}),
        (f"0::/../../docker/{ID}\n", {}),
        ("", {}),
        ("\0\n::::\n9:x\n", {}),
    ],
)
def test_the_group_of_a_container_is_the_one_with_its_id(text: str, found: dict[str, str]) -> None:
    assert cgroup.paths(text, ID) == found


@given(st.text(max_size=300))
def test_any_text_names_groups_below_the_root_or_none(text: str) -> None:
    for path in cgroup.paths(text, ID).values():
        assert path.startswith("/")
        assert ".." not in path.split("/")


def tree(root: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)


def test_a_group_of_version_2_is_read(tmp_path: Path) -> None:
    own = f"cg/docker/{ID}"
    tree(
        tmp_path,
        {
            "proc/7/cgroup": f"0::/docker/{ID}\n",
            f"{own}/cpu.stat": "usage_usec 2500000\nnr_periods 10\nnr_throttled 3\nthrottled_usec 500000\n",
            f"{own}/memory.current": "1000\n",
            f"{own}/memory.max": "max\n",
            f"{own}/memory.stat": "anon 300\nfile 500\ninactive_file 400\nodd\nkernel -5\n",
            f"{own}/memory.events": "low 0\noom 2\noom_kill 1\n",
        },
    )
    assert cgroup.read(7, ID, tmp_path / "proc", tmp_path / "cg") == Usage(
        cpu_s=2.5, periods=10, throttled_periods=3, throttled_s=0.5, memory_bytes=1000, working_set_bytes=600,
        rss_bytes=300, cache_bytes=500, memory_limit_bytes=0, oom_kills=1,
    )  # fmt: skip  # as in the files
    (tmp_path / own / "memory.max").write_text("67108864\n")
    assert cgroup.read(7, ID, tmp_path / "proc", tmp_path / "cg").memory_limit_bytes == 64 << 20


def test_a_group_of_version_1_is_read(tmp_path: Path) -> None:
    own = f"docker/{ID}"
    tree(
        tmp_path,
        {
            "proc/7/cgroup": f"4:memory:/{own}\n3:cpuacct:/{own}\n2:cpu:/{own}\n0::/{own}\n",
            f"cg/cpuacct/{own}/cpuacct.usage": "2500000000\n",
            f"cg/cpu/{own}/cpu.stat": "nr_periods 10\nnr_throttled 3\nthrottled_time 500000000\n",
            f"cg/memory/{own}/memory.usage_in_bytes": "1000\n",
            f"cg/memory/{own}/memory.limit_in_bytes": "9223372036854771712\n",
            f"cg/memory/{own}/memory.stat": "total_rss 300\ntotal_cache 500\ntotal_inactive_file 1400\nx\n",
            f"cg/memory/{own}/memory.oom_control": "oom_kill_disable 0\nunder_oom 0\noom_kill 1\n",
        },
    )
    assert cgroup.read(7, ID, tmp_path / "proc", tmp_path / "cg") == Usage(
        cpu_s=2.5, periods=10, throttled_periods=3, throttled_s=0.5, memory_bytes=1000, working_set_bytes=0,
        rss_bytes=300, cache_bytes=500, memory_limit_bytes=0, oom_kills=1,
    )  # fmt: skip  # as in the files


def test_a_group_that_is_gone_counts_nothing(tmp_path: Path) -> None:
    tree(tmp_path, {"proc/7/cgroup": f"0::/docker/{ID}\n", "proc/8/cgroup": f"4:memory:/docker/{ID}\n"})
    for pid in (7, 8, 9):
        assert cgroup.read(pid, ID, tmp_path / "proc", tmp_path / "cg") == Usage()
