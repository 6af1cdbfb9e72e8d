from __future__ import annotations

import os
import resource
import threading
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from probes.service import proc

TAIL = (
    b" S 1 42 42 0 -1 4194560 100 200 3 4 250 150 9 9 20 0 6 0 5000 99999 300 18446744073709551615 1 1 0 0\n"
)


@pytest.mark.parametrize(
    "name", [b"redis-server", b"a) S 9 (b", b"two\nlines) R 1", b"\xff\xfe", b"", b"((("]
)
def test_a_process_may_be_called_anything(name: bytes) -> None:
    one = proc.parse_stat(b"77 (" + name + b")" + TAIL)
    assert (one.pid, one.name, one.state, one.parent, one.threads) == (77, name, "S", 1, 6)
    ticks = os.sysconf("SC_CLK_TCK")
    assert (one.cpu_s, one.started_s) == (400 / ticks, 5000 / ticks)
    assert one.rss_bytes == 300 * os.sysconf("SC_PAGE_SIZE")


def test_a_zombie_does_not_run_but_one_with_live_threads_does() -> None:
    dead = TAIL.replace(b" S ", b" Z ", 1)
    assert proc.parse_stat(b"7 (x)" + dead).running
    assert not proc.parse_stat(b"7 (x)" + dead.replace(b" 20 0 6 ", b" 20 0 1 ")).running


@pytest.mark.parametrize(
    ("data", "pid"),
    [
        (b"812\n", 812),
        (b" 812 \r\n", 812),
        (b"812\n/var/lib/postgresql\n5432\n", 812),
        (b"812", 812),
        (b"", None),
        (b"0\n", None),
        (b"-1\n", None),
        (b"-812\n", None),
        (b"0812\n", None),
        (b"812 813\n", None),
        (b"9999999\n", None),
        (b"99999999999999999999\n", None),
        (b"../../etc/passwd\n", None),
        (b"\xff\xfe\n", None),
        ("٣\n".encode(), None),
    ],
)
def test_only_a_plain_process_id_is_taken_from_a_pidfile(data: bytes, pid: int | None) -> None:
    assert proc.parse_pidfile(data) == pid


@given(st.binary(max_size=80))
def test_any_bytes_in_a_pidfile_name_a_possible_process_or_none(data: bytes) -> None:
    pid = proc.parse_pidfile(data)
    assert pid is None or 0 < pid <= proc.PID_MAX


def test_a_pipe_in_place_of_a_pidfile_does_not_block(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pid")
    found = proc.read_pidfile(str(tmp_path / "pid"))
    assert found is not None
    assert found[0] == b""


def test_a_huge_pidfile_is_read_in_part() -> None:
    found = proc.read_pidfile("/proc/self/maps")
    assert found is not None
    assert len(found[0]) <= proc.PIDFILE_BYTES_MAX


def test_a_pidfile_that_may_not_be_read_is_trouble_of_the_probe(tmp_path: Path) -> None:
    (tmp_path / "loop").symlink_to("loop")
    with pytest.raises(OSError, match="symbolic links"):
        proc.read_pidfile(str(tmp_path / "loop"))


def test_a_missing_pidfile_is_a_fact(tmp_path: Path) -> None:
    assert proc.read_pidfile(str(tmp_path / "none")) is None
    (tmp_path / "file").write_text("x")
    assert proc.read_pidfile(str(tmp_path / "file" / "none")) is None


def test_this_process_is_seen_as_it_is() -> None:
    me = proc.process(os.getpid())
    assert me is not None
    assert me.parent == os.getppid()
    assert me.running
    assert me.rss_bytes > 1 << 20
    assert os.getpid() in proc.processes()
    assert not proc.is_thread(os.getpid())


def test_a_thread_is_told_from_a_process() -> None:
    done, ids = threading.Event(), []

    def wait() -> None:
        ids.append(threading.get_native_id())
        done.wait(5)

    thread = threading.Thread(target=wait)
    thread.start()
    try:
        while not ids:
            assert thread.is_alive()
        assert proc.is_thread(ids[0])
    finally:
        done.set()
        thread.join()


def test_a_program_replaced_by_an_upgrade_keeps_its_path(tmp_path: Path) -> None:
    (tmp_path / "7").mkdir()
    (tmp_path / "7" / "exe").symlink_to("/usr/sbin/nginx (deleted)")
    assert proc.executable(7, tmp_path) == "/usr/sbin/nginx"


def test_open_files_are_counted_on_old_kernels_too(tmp_path: Path) -> None:
    assert (proc.open_fds(os.getpid()) or 0) >= 3
    assert proc.open_fds(7, tmp_path) == 0


def test_the_limit_of_open_files_is_read_where_there_is_one(tmp_path: Path) -> None:
    assert proc.max_fds(os.getpid()) == resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    (tmp_path / "7").mkdir()
    (tmp_path / "7/limits").write_text(
        "Limit  Soft Limit\nMax open files            unlimited            unlimited\n"
    )
    assert proc.max_fds(7, tmp_path) is None
    assert proc.max_fds(8, tmp_path) is None


def test_memory_that_is_shared_counts_in_part(tmp_path: Path) -> None:
    pss, uss = proc.shares(os.getpid())
    assert pss >= uss > 1 << 20
    (tmp_path / "7").mkdir()
    (tmp_path / "7/smaps_rollup").write_text(
        "Rss: 99 kB\nPss: 30 kB\nPrivate_Clean: 4 kB\nPrivate_Dirty: 6 kB\n"
    )
    assert proc.shares(7, tmp_path) == (30720, 10240)
    assert proc.shares(8, tmp_path) == (0, 0)


def test_a_table_without_the_first_process_is_not_trusted(tmp_path: Path) -> None:
    with pytest.raises(PermissionError, match="hides"):
        proc.processes(tmp_path)
