"""Programs that probes start: bounded in time and output, in a clean place, with nothing left behind."""

from __future__ import annotations

import fcntl
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from probes import offspring
from probes.program import Finished, NotStarted, run
from tests.descriptors import open_descriptors
from tests.probes.targets import within

PATIENCE_S = 10.0


def sh(script: str, left_s: float = 20, *more: str) -> Finished:
    return run(("/bin/sh", "-c", script, "sh", *more), within(left_s))


def script(path: Path, text: str, mode: int = 0o755) -> str:
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(mode)
    return str(path)


def gone(pid: int) -> bool:
    """Say whether a process has ended; a signal that was sent is not yet delivered."""
    until_s = time.monotonic() + PATIENCE_S
    while time.monotonic() < until_s:
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except (FileNotFoundError, ProcessLookupError):
            return True
        if state in "ZX":
            return True
        time.sleep(0.02)
    return False


def test_a_program_is_told_by_its_code_and_its_words() -> None:
    ended = sh("echo out; echo err >&2; exit 3")
    assert ended == Finished(3, None, b"out\n", b"err\n", truncated=False, overtime=False)


def test_no_shell_reads_the_arguments() -> None:
    assert run(("/bin/echo", "$HOME", ";", "`id`", "*"), within(10)).stdout == b"$HOME ; `id` *\n"


def test_a_program_that_a_signal_ends_is_told_by_it() -> None:
    ended = sh("kill -SEGV $$")
    assert (ended.code, ended.signal) == (None, signal.SIGSEGV)


def test_a_program_finds_a_clean_place(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET", "of the agent")
    monkeypatch.setenv("LC_ALL", "de_DE.UTF-8")
    said = sh("env; pwd; umask; cat; ps -o sid= -p $$ | tr -d ' '; echo $$; ls /proc/$$/fd").stdout.decode()
    lines = said.splitlines()
    assert "LC_ALL=C" in lines
    assert "SECRET" not in said
    assert next(line for line in lines if line.startswith("PATH=")).startswith("PATH=/usr/local/sbin:")
    at = lines.index("/")
    assert lines[at + 1] == "0077"
    assert lines[at + 2] == lines[at + 3], "it leads a session of its own"
    assert [fd for fd in lines[at + 4 :] if int(fd) > 9] == []


def test_variables_are_handed_over() -> None:
    assert run(("/bin/sh", "-c", "echo $A"), within(10), environment={"A": "b c"}).stdout == b"b c\n"


def test_a_descriptor_of_the_agent_is_not_inherited() -> None:
    with Path("/dev/null").open("rb") as file:
        inherited = fcntl.fcntl(file.fileno(), fcntl.F_DUPFD, 200)
    try:
        assert str(inherited).encode() not in sh("ls /proc/$$/fd").stdout.split()
    finally:
        os.close(inherited)


@pytest.mark.parametrize("stream", ["1", "2"])
def test_output_beyond_the_bound_is_read_and_dropped(stream: str) -> None:
    ended = sh(f"head -c 3000000 /dev/zero >&{stream}; exit 4")
    kept = ended.stdout if stream == "1" else ended.stderr
    assert (ended.code, len(kept), ended.truncated) == (4, 64 << 10, True)


def test_output_that_just_fits_is_whole() -> None:
    ended = sh("head -c 65536 /dev/zero")
    assert (len(ended.stdout), ended.truncated) == (65536, False)


def test_a_program_is_asked_to_end_before_its_time_is_over() -> None:
    deadline = within(2)
    ended = run(("/bin/sh", "-c", "trap 'echo bye; exit 7' TERM; while :; do sleep 0.05; done"), deadline)
    assert (ended.code, ended.stdout, ended.overtime) == (7, b"bye\n", True)


def test_a_program_that_does_not_listen_is_killed_with_all_it_started() -> None:
    ended = sh(
        "trap '' TERM; sleep 600 & echo $!; setsid sleep 601 & echo $!; while :; do sleep 1; done", 1.5
    )
    assert (ended.signal, ended.overtime) == (signal.SIGKILL, True)
    assert all(gone(int(pid)) for pid in ended.stdout.split())


def test_what_a_program_leaves_in_its_group_ends_with_it() -> None:
    ended = sh("sleep 600 >/dev/null 2>&1 & echo $!; exit 0")
    assert ended.code == 0
    assert gone(int(ended.stdout))


def test_a_child_that_left_the_group_and_holds_the_output_keeps_nobody_waiting() -> None:
    began_s = time.monotonic()
    ended = sh("setsid sleep 600 & echo $!; exit 1", 30)
    assert time.monotonic() - began_s < 15
    assert (ended.code, ended.overtime) == (1, False)
    assert gone(int(ended.stdout))


def test_a_child_that_floods_the_output_keeps_nobody_waiting() -> None:
    assert sh("setsid yes & exit 0", 30).code == 0


def test_what_a_killed_agent_left_is_ended_by_the_next(tmp_path: Path) -> None:
    note = tmp_path / "pid"
    code = (
        "import sys, time\nfrom model.plugin import Deadline\nfrom probes.program import run\n"
        "run(('/bin/sh', '-c', 'echo $$ > $0; exec sleep 600', sys.argv[1]),"
        " Deadline(time.monotonic() + 600, time.monotonic))\n"
    )
    agent = subprocess.Popen([sys.executable, "-c", code, str(note)])
    try:
        until_s = time.monotonic() + 20
        while not (note.exists() and note.read_text().strip()) and time.monotonic() < until_s:
            time.sleep(0.02)
        left = int(note.read_text())
        offspring.kill_orphans.cache_clear()
        sh("true")
        assert Path(f"/proc/{left}").exists(), "its agent lives"
    finally:
        agent.kill()
        agent.wait()
    offspring.kill_orphans.cache_clear()
    sh("true")
    assert gone(left)


def test_a_program_is_nicer_than_the_agent() -> None:
    # It is set just after the start, so the program looks more than once.
    ended = sh("for i in 1 2 3 4 5; do nice; sleep 0.05; done")
    assert int(ended.stdout.split()[-1]) == min(19, os.getpriority(os.PRIO_PROCESS, 0) + 5)


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("true",), "not an absolute path"),
        (("/nowhere/x",), "is not there"),
        (("/etc",), "is not a program"),
        (("/etc/passwd",), "is not a program"),
        (("/bin/a\0b",), "is not there"),
    ],
)
def test_what_is_no_program_is_refused(words: tuple[str, ...], sentence: str) -> None:
    with pytest.raises(NotStarted, match=sentence):
        run(words, within(5))


def test_a_program_that_anybody_could_have_changed_is_refused(tmp_path: Path) -> None:
    with pytest.raises(NotStarted, match="changed by everybody"):
        run((script(tmp_path / "x", "true", 0o777),), within(5))


def test_a_file_that_the_kernel_cannot_run_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"\x7fELF nonsense")
    (tmp_path / "x").chmod(0o755)
    with pytest.raises(NotStarted, match="could not be started"):
        run((str(tmp_path / "x"),), within(5))


@pytest.mark.needs("root")
def test_root_runs_a_program_as_somebody_else() -> None:
    ended = run(("/usr/bin/id",), within(10), user="nobody")
    assert re.match(rb"uid=\d+\(nobody\) gid=\d+\(nogroup\) groups=\d+\(nogroup\)\n", ended.stdout)


def test_a_user_that_there_is_not_is_refused() -> None:
    with pytest.raises(NotStarted, match="there is no user"):
        run(("/bin/true",), within(5), user="nobody-such")


@pytest.mark.needs("root")
def test_a_program_of_another_user_runs_only_with_their_rights(tmp_path: Path) -> None:
    path = script(tmp_path / "x", "id -un")
    tmp_path.chmod(0o755)
    os.chown(path, 65534, 65534)
    with pytest.raises(NotStarted, match="belongs to another user"):
        run((path,), within(5))


def test_many_runs_leave_no_descriptor_and_no_child() -> None:
    sh("true")
    before = open_descriptors()
    for _ in range(20):
        sh("sleep 600 & exit 1")
    assert open_descriptors() <= before
    assert [one for one in psutil.Process().children() if one.status() == psutil.STATUS_ZOMBIE] == []


@pytest.mark.parametrize("mark", ["1.999999.5.1", "x", "...", "0.1.2.3.4"])
def test_what_an_agent_of_another_container_started_is_left_alone(mark: str) -> None:
    other = subprocess.Popen(["/bin/sleep", "60"], env={offspring.MARK: mark})
    try:
        offspring.kill_orphans.cache_clear()
        sh("true")
        with pytest.raises(subprocess.TimeoutExpired):
            other.wait(0.3)
    finally:
        other.kill()
        other.wait()
