from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from model.decode import decode
from model.misfit import Rejected
from model.plugin import FileChange, ProcessExit
from probes.pattern import Pattern
from probes.service import group, proc, process
from probes.service.group import Finder, Group, Options, Written
from probes.service.process import Past
from tests.probes.service.servers import until
from tests.probes.targets import values, within

Start = Callable[..., "subprocess.Popen[bytes]"]
SLEEP = shutil.which("sleep") or "/bin/sleep"
COUNT = 'beforehand_process_count{group="g"}'
ZOMBIES = 'beforehand_process_zombies{group="g"}'
RESTARTS = 'beforehand_process_restarts_total{group="g"}'
PIDFILE = 'beforehand_process_pidfile{group="g"}'


@pytest.fixture
def start() -> Iterator[Start]:
    """Start a program that the test's end kills."""
    with ExitStack() as ends:

        def begin(*argv: str, ready: bool = False) -> subprocess.Popen[bytes]:
            child = ends.enter_context(subprocess.Popen(argv, stdout=subprocess.PIPE))
            ends.callback(child.kill)
            if ready:
                assert child.stdout is not None
                child.stdout.readline()
            return child

        yield begin


@pytest.fixture
def program(tmp_path: Path) -> str:
    """A program that nobody else runs."""
    path = tmp_path / "sleeper-of-a-long-name"
    shutil.copy(SLEEP, path)
    return str(path)


def look(options: Options) -> dict[str, float]:
    return values(process.begin(options)(within(5)))


def wishes(options: Options) -> list[object]:
    return [told for told in process.begin(options)(within(5)) if isinstance(told, ProcessExit | FileChange)]


def until_dead(pid: int) -> None:
    until = time.monotonic() + 5
    while (one := proc.process(pid)) is not None and one.running:
        assert time.monotonic() < until


def test_a_group_found_by_its_program_tells_what_it_uses(start: Start, program: str) -> None:
    children = [start(program, "60") for _ in range(2)]
    options = Options("g", exe=program)
    told = look(options)
    assert told[COUNT] == 2
    assert told['beforehand_process_threads{group="g"}'] == 2
    assert told['beforehand_process_rss_bytes{group="g"}'] > 0
    assert told['beforehand_process_open_fds{group="g"}'] >= 6
    assert told['beforehand_process_start_time_seconds{group="g"}'] > proc.boot_time_s()
    assert set(wishes(options)) == {ProcessExit(child.pid) for child in children}


def test_the_start_time_is_when_it_was_started(start: Start, program: str) -> None:
    start(program, "60")
    told = look(Options("g", exe=program))
    assert abs(told['beforehand_process_start_time_seconds{group="g"}'] - time.time()) < 10


def test_a_killed_process_is_gone_and_only_counts_are_told(start: Start, program: str) -> None:
    child = start(program, "60")
    os.kill(child.pid, signal.SIGKILL)
    child.wait()
    assert look(Options("g", exe=program)) == {
        COUNT: 0,
        ZOMBIES: 0,
        'beforehand_process_children{group="g"}': 0,
        RESTARTS: 0,
    }


@pytest.mark.parametrize("by", ["exe", "name", "pidfile"])
def test_a_zombie_is_not_running(start: Start, program: str, tmp_path: Path, by: str) -> None:
    child = start(program, "60")
    pidfile = tmp_path / "pid"
    pidfile.write_text(f"{child.pid}\n")
    ways = {
        "exe": Options("g", exe=program),
        "name": Options("g", name="sleeper-of-a-long-name"),
        "pidfile": Options("g", pidfile=str(pidfile), exe=program),
    }
    assert look(ways[by])[COUNT] == 1
    os.kill(child.pid, signal.SIGKILL)
    until_dead(child.pid)
    told = look(ways[by])
    assert (told[COUNT], told[ZOMBIES]) == (0, 1)
    assert ProcessExit(child.pid) not in wishes(ways[by])


def test_a_process_may_call_itself_anything(start: Start) -> None:
    program = (
        "open('/proc/self/comm','wb').write(b'a) Z 1\\n(b'); print(flush=True); import time; time.sleep(60)"
    )
    start(sys.executable, "-c", program, ready=True)
    told = look(Options("g", name="a) Z 1\n(b"))
    assert (told[COUNT], told[ZOMBIES]) == (1, 0)


def test_a_zombie_child_shows_in_its_parents_group(start: Start) -> None:
    program = "import os,time; os.fork() or os._exit(0); print(flush=True); time.sleep(60)"
    parent = start(sys.executable, "-c", program + " #my-parent", ready=True)
    until = time.monotonic() + 5
    while not (told := look(Options("g", command=Pattern("my-parent"))))[ZOMBIES]:
        assert time.monotonic() < until
    assert told[COUNT] == 1
    assert parent.poll() is None


def test_a_pidfile_counts_its_process_and_its_children(start: Start, tmp_path: Path) -> None:
    program = "import os,time; os.fork(); print(flush=True); time.sleep(60)"
    parent = start(sys.executable, "-c", program, ready=True)
    (tmp_path / "pid").write_text(str(parent.pid))
    options = Options("g", pidfile=str(tmp_path / "pid"))
    until = time.monotonic() + 5
    while not (told := look(options))['beforehand_process_children{group="g"}']:
        assert time.monotonic() < until
    assert (told[COUNT], told[PIDFILE]) == (1, 1)
    assert wishes(options) == [FileChange(str(tmp_path / "pid")), ProcessExit(parent.pid)]
    for child in proc.children(proc.parse_stat(Path(f"/proc/{parent.pid}/stat").read_bytes())):
        os.kill(child.pid, signal.SIGKILL)


def test_a_process_killed_behind_its_pidfile_is_a_crash_and_found_fast(
    start: Start, program: str, tmp_path: Path
) -> None:
    child = start(program, "60")
    (tmp_path / "pid").write_text(str(child.pid))
    options = Options("g", pidfile=str(tmp_path / "pid"))
    assert look(options)[COUNT] == 1
    child.kill()
    child.wait()
    began = time.thread_time()
    told = look(options)
    assert time.thread_time() - began < 0.05
    assert (told[COUNT], told[PIDFILE]) == (0, 1)
    assert wishes(options) == [FileChange(str(tmp_path / "pid"))]


def test_a_stopped_process_takes_its_pidfile_along(tmp_path: Path) -> None:
    told = look(Options("g", pidfile=str(tmp_path / "none")))
    assert (told[COUNT], told[PIDFILE]) == (0, 0)


@pytest.mark.parametrize("content", ["", "junk", "0", "-1", "4194304"])
def test_a_pidfile_with_nonsense_names_no_process(tmp_path: Path, content: str) -> None:
    (tmp_path / "pid").write_text(content)
    told = look(Options("g", pidfile=str(tmp_path / "pid")))
    assert (told[COUNT], told[PIDFILE]) == (0, 1)


def test_a_pidfile_that_names_another_program_does_not_count(
    start: Start, program: str, tmp_path: Path
) -> None:
    (tmp_path / "pid").write_text(str(os.getpid()))
    pidfile = str(tmp_path / "pid")
    assert look(Options("g", pidfile=pidfile))[COUNT] == 1
    assert look(Options("g", pidfile=pidfile, exe=program))[COUNT] == 0
    assert look(Options("g", pidfile=pidfile, name="redis-server"))[COUNT] == 0
    assert look(Options("g", pidfile=pidfile, command=Pattern("redis-server")))[COUNT] == 0


def test_a_reused_process_id_does_not_count() -> None:
    finder = Finder(Options("g", pidfile="/run/x.pid"))
    first = Written(b"7\n", 1000, 50.0)
    assert not finder.reused(first)
    assert not finder.reused(first)
    assert finder.reused(Written(b"7\n", 1000, 90.0))
    assert not finder.reused(Written(b"7\n", 2000, 90.0))


def test_an_id_that_was_free_when_the_pidfile_was_seen_is_taken_by_another() -> None:
    finder = Finder(Options("g", pidfile="/run/x.pid"))
    assert not finder.reused(Written(b"7\n", 1000, None))
    assert finder.reused(Written(b"7\n", 1000, 90.0))


def test_two_groups_of_one_pidfile_remember_each_for_itself(tmp_path: Path) -> None:
    options = Options("g", pidfile="/run/x.pid")
    assert not Finder(options).reused(Written(b"7\n", 1000, 50.0))
    assert not Finder(options).reused(Written(b"7\n", 1000, 90.0))


def test_only_the_head_of_a_family_is_watched() -> None:
    tail = b" 20 0 1 0 5000 99999 300 18446744073709551615\n"

    def one(pid: int, parent: int, state: str = "S") -> proc.Process:
        return proc.parse_stat(
            b"%d (n) %s %d 0 0 0 0 0 0 0 0 0 10 10 0 0" % (pid, state.encode(), parent) + tail
        )

    table = {p.pid: p for p in (one(1, 0), one(5, 1), one(6, 5), one(7, 5, "Z"), one(8, 5), one(9, 1, "Z"))}
    found = group.grouped(table, {5, 6, 7, 9})
    assert [p.pid for p in found.members] == [5, 6]
    assert [p.pid for p in found.mains] == [5]
    assert [p.pid for p in found.children] == [6, 8]
    assert found.zombies == 2


def test_at_most_so_many_processes_are_watched(
    monkeypatch: pytest.MonkeyPatch, start: Start, program: str
) -> None:
    for _ in range(3):
        start(program, "60")
    monkeypatch.setattr(process, "MAINS_MAX", 2)
    assert len(wishes(Options("g", exe=program))) == 2


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (b"group: g", "f:1:1: nothing says which processes are meant; add pidfile:"),
        (b"{group: '', name: x}", "f:1:2: the group has no name"),
        (b"{group: g, port: 65536}", "f:1:12: 65536 is not a port"),
        (b"{group: g, unit: nginx}", "f:1:12: 'nginx' is not a unit"),
        (b"{group: g, cgroup: x}", "f:1:12: 'x' is not an absolute path"),
        (b"{group: g, exe: nginx}", "f:1:12: 'nginx' is not an absolute path"),
        (b"{group: g, pidfile: run/x.pid}", "f:1:12: 'run/x.pid' is not an absolute path"),
        (b"{group: g, command: '('}", "f:1:22: '(' is not a regular expression"),
        (b"{name: x}", "f:1:1: the key 'group' is missing"),
    ],
)
def test_a_group_that_cannot_be_found_is_refused(text: bytes, sentence: str) -> None:
    with pytest.raises(Rejected) as refused:
        decode(text, "f", Options)
    assert str(refused.value).startswith(sentence)


def nobody_listens(port: int) -> bool:
    """Tell whether the port's group is gone; a socket may outlive whoever held it for a moment."""
    try:
        return look(Options("g", port=port))[COUNT] == 0
    except PermissionError:
        return False


def test_a_group_found_by_its_port_is_whoever_listens_there(start: Start) -> None:
    program = (
        "import socket,os,time; s=socket.create_server(('127.0.0.1', 0));"
        " print(s.getsockname()[1], flush=True); os.fork(); time.sleep(60)"
    )
    parent = start(sys.executable, "-c", program)
    assert parent.stdout is not None
    port = int(parent.stdout.readline())
    until(lambda: look(Options("g", port=port))[COUNT] == 2, "the fork")
    assert look(Options("g", port=port))['beforehand_process_children{group="g"}'] == 1
    assert look(Options("g", port=port, name="nginx"))[COUNT] == 0
    assert wishes(Options("g", port=port)) == [ProcessExit(parent.pid)]
    for child in proc.children(proc.parse_stat(Path(f"/proc/{parent.pid}/stat").read_bytes())):
        os.kill(child.pid, signal.SIGKILL)
    parent.kill()
    parent.wait()
    until(lambda: nobody_listens(port), "the end of the socket")


@pytest.mark.parametrize(
    ("options", "met"),
    [
        ({"unit": "web.service"}, True),
        ({"unit": "web.servic.e"}, False),
        ({"cgroup": "/system.slice/web.service"}, True),
        ({"cgroup": "/system.slice/"}, True),
        ({"cgroup": "/system.slice/web"}, False),
        ({"cgroup": "/"}, True),
        ({"unit": "web.service", "cgroup": "/user.slice"}, False),
    ],
)
def test_a_process_belongs_to_its_control_group_and_to_those_above(
    options: dict[str, Any], met: bool
) -> None:
    paths = ["/system.slice/web.service/worker", "/"] if options.get("cgroup") == "/" else PATHS
    assert group._is_in(Options("g", **options), paths) is met


PATHS = ["/system.slice/web.service/worker"]


def test_the_control_groups_of_this_process_are_read(tmp_path: Path) -> None:
    assert all(path.startswith("/") for path in proc.control_groups(os.getpid()))
    (tmp_path / "7").mkdir()
    (tmp_path / "7/cgroup").write_text("4:memory:/a:b\n0::/system.slice/web.service\nodd\n")
    assert proc.control_groups(7, tmp_path) == {"/a:b", "/system.slice/web.service"}
    assert proc.control_groups(8, tmp_path) == frozenset()


def test_what_a_group_may_use_is_told_beside_what_it_uses(start: Start, program: str) -> None:
    for _ in range(2):
        start(program, "60")
    told = look(Options("g", exe=program, memory=True))
    fds, most = (told[f'beforehand_process_{name}_fds{{group="g"}}'] for name in ("open", "max"))
    assert 6 <= fds < most
    assert abs(told['beforehand_process_worst_fd_ratio{group="g"}'] - fds / most) < 0.01
    assert (
        0 < told['beforehand_process_uss_bytes{group="g"}'] <= told['beforehand_process_pss_bytes{group="g"}']
    )
    assert 'beforehand_process_pss_bytes{group="g"}' not in look(Options("g", exe=program))


def test_a_main_process_in_place_of_another_is_a_restart(start: Start, program: str) -> None:
    looking = process.begin(Options("g", exe=program))
    first = start(program, "60")
    assert values(looking(within(5)))[RESTARTS] == 0
    first.kill()
    first.wait()
    assert values(looking(within(5)))[RESTARTS] == 0
    start(program, "60")
    assert values(looking(within(5)))[RESTARTS] == 1
    assert values(looking(within(5)))[RESTARTS] == 1
    start(program, "60")
    assert values(looking(within(5)))[RESTARTS] == 1


def one(pid: int, cpu_s: float, started_s: float = 1.0) -> proc.Process:
    return proc.Process(pid, b"x", "S", 1, cpu_s, 1, started_s, 4096)


def family(*members: proc.Process) -> Group:
    return Group(members, members)


def test_the_time_of_a_process_that_ended_stays_counted() -> None:
    past = Past()
    past.take(family(one(1, 100.0), one(2, 50.0)))
    assert past.cpu_s == 150
    past.take(family(one(2, 51.0)))
    assert past.cpu_s == 151
    past.take(Group())
    past.take(family(one(2, 3.0, started_s=9.0)))
    assert past.cpu_s == 154
    assert past.restarts == 1


def test_no_more_restarts_are_counted_than_processes_ended() -> None:
    past = Past()
    past.take(family(one(1, 0)))
    past.take(family(*(one(pid, 0) for pid in range(2, 12))))
    assert past.restarts == 1
