from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from model.step import End, Exec, Gather, Look, Sight
from remediations.hand import Hand
from remediations.processes import marked, runs
from tests.remediations import stage


def nobody() -> str:
    return ""


@pytest.fixture
def hand(tmp_path: Path) -> Iterator[Hand]:
    made = Hand(time.monotonic, stage.wall_ms, tmp_path)
    yield made
    made.close()


def script(folder: Path, text: str) -> str:
    path = folder / "program"
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return str(path)


def settled(pid: int) -> None:
    """Wait until a process is gone."""
    until_s = time.monotonic() + 5
    while runs(pid):
        assert time.monotonic() < until_s, f"{pid} still runs"
        time.sleep(0.02)


def test_a_program_gives_its_exit_code_and_its_output(hand: Hand, tmp_path: Path) -> None:
    result = hand.carry_out(Exec((script(tmp_path, "echo out; echo err >&2; exit 3"),)), nobody)
    assert (result.ok, result.rc, result.output) == (False, 3, "out\nerr\n")
    assert result.reason == "it ended with exit code 3"


def test_an_allowed_exit_code_is_good(hand: Hand, tmp_path: Path) -> None:
    program = script(tmp_path, "exit 3")
    assert hand.carry_out(Exec((program,), allowed_rc=(0, 3)), nobody).ok
    assert hand.carry_out(Exec((program,), any_rc=True), nobody).ok


def test_a_program_gets_nothing_of_our_environment(
    hand: Hand, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LD_PRELOAD_NOT", "x")
    monkeypatch.setenv("PATH", "/nowhere")
    result = hand.carry_out(Exec((script(tmp_path, "env; pwd; umask; cat; ps -o sid= -p $$"),)), nobody)
    lines = result.output.split("\n")
    names = {line.split("=")[0] for line in lines if "=" in line}
    assert names <= {"PATH", "LANG", "LC_ALL", "HOME", "BEFOREHAND_STEP", "PWD", "OLDPWD", "_", "SHLVL"}
    assert "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin" in lines
    assert "/" in lines
    assert "0077" in lines
    assert int(lines[-2]) != os.getsid(0)


@pytest.mark.parametrize("mode", [0o644, 0o757, 0o4755])
def test_a_program_that_others_control_or_nobody_may_run_is_not_started(
    hand: Hand, tmp_path: Path, mode: int
) -> None:
    program = script(tmp_path, "echo no")
    Path(program).chmod(mode)
    result = hand.carry_out(Exec((program,)), nobody)
    assert not result.ok
    assert result.reason.startswith(program)
    assert result.output == ""


def test_what_is_missing_or_no_program_is_a_result(hand: Hand, tmp_path: Path) -> None:
    assert hand.carry_out(Exec(("no-such-program",)), nobody).reason == "no-such-program is not installed"
    assert hand.carry_out(Exec((str(tmp_path),)), nobody).reason == f"{tmp_path} is not installed"
    garbage = tmp_path / "garbage"
    garbage.write_bytes(b"\x7fELFnot")
    garbage.chmod(0o755)
    for step in (Exec((str(garbage),)), Exec((str(garbage),), detached=True)):
        assert "could not be started" in hand.carry_out(step, nobody).reason


def test_a_flood_is_cut_and_ended_although_it_ignores_sigterm(
    hand: Hand, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("remediations.hand.GRACE_S", 0.3)
    flood = script(tmp_path, "trap '' TERM; echo $$; yes & while :; do echo flood; done")
    result = hand.carry_out(Exec((flood,), timeout_s=0.3), nobody)
    assert result.reason == "it did not end within 0.3s and was ended"
    assert result.signal == signal.SIGKILL
    assert len(result.output) <= (64 << 10) + len("\n[cut]")
    assert result.output.endswith("[cut]")
    settled(int(result.output.split()[0]))


def test_what_slipped_out_of_the_group_is_ended_with_the_step(hand: Hand, tmp_path: Path) -> None:
    away = script(tmp_path, "setsid setsid sleep 61 >/dev/null 2>&1 & sleep 0.2; echo $!; exec sleep 60")
    result = hand.carry_out(Exec((away,), timeout_s=0.6), nobody)
    assert not result.ok
    until_s = time.monotonic() + 5
    while mine := [one for one in marked("HOME", "/") if one.cmdline()[-1:] == ["61"]]:
        assert time.monotonic() < until_s, mine
        time.sleep(0.02)


def test_the_kill_switch_ends_a_step_in_its_middle_within_a_second(hand: Hand, tmp_path: Path) -> None:
    stubborn = script(tmp_path, "trap '' TERM; while :; do sleep 1; done")
    stop = threading.Event()
    threading.Timer(0.2, stop.set).start()
    began_s = time.monotonic()
    result = hand.carry_out(Exec((stubborn,)), lambda: "stopped by ada" if stop.is_set() else "")
    assert result.stopped == "stopped by ada"
    assert time.monotonic() - began_s < 0.2 + 1.0 + 1.0  # one second, and one for a busy machine


def test_nothing_is_started_under_the_kill_switch(hand: Hand, tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    result = hand.carry_out(Exec(("touch", str(mark))), lambda: "stopped by ada")
    assert result.stopped
    assert not mark.exists()


def test_output_that_a_daemon_holds_open_keeps_nobody_waiting_and_does_not_end_it(
    hand: Hand, tmp_path: Path
) -> None:
    talker = script(tmp_path, "(while :; do echo talk; sleep 0.05; done) & echo $!")
    result = hand.carry_out(Exec((talker,)), nobody)
    pid = int(next(word for word in result.output.split() if word.isdigit()))
    assert result.duration_ms < 5000
    time.sleep(0.3)
    assert runs(pid), "the daemon was ended by its closed pipe"
    os.kill(pid, signal.SIGKILL)


def test_a_detached_program_is_not_waited_for_and_leaves_no_zombie(hand: Hand) -> None:
    result = hand.carry_out(Exec(("sleep", "0.3"), detached=True), nobody)
    assert result.ok
    pid = int(result.output.split()[-1])
    assert os.getsid(pid) == pid
    until_s = time.monotonic() + 5
    while Path(f"/proc/{pid}").exists():
        assert time.monotonic() < until_s, "a zombie was kept"
        time.sleep(0.02)


def test_a_detached_program_outlives_the_hand(tmp_path: Path) -> None:
    hand = Hand(time.monotonic, stage.wall_ms, tmp_path)
    pid = int(hand.carry_out(Exec(("sleep", "60"), detached=True), nobody).output.split()[-1])
    hand.close()
    assert runs(pid)
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)


def test_secrets_and_terminal_codes_do_not_stand_in_the_output(hand: Hand, tmp_path: Path) -> None:
    loud = script(tmp_path, r"printf '\033[31mpassword=hunter2\007 \033]0;x\n'")
    output = hand.carry_out(Exec((loud,)), nobody).output
    assert "hunter2" not in output
    assert "\x1b" not in output
    assert "\x07" not in output


def test_starting_a_daemon_costs_little_of_our_own(hand: Hand) -> None:
    own = sorted(_overhead_ms(hand) for _ in range(9))
    assert own[4] < 30, own  # a tenth is usual; the bound is for a busy machine


def _overhead_ms(hand: Hand) -> float:
    began_s = time.monotonic()
    subprocess.run(["/bin/true"], check=True)
    bare_s = time.monotonic() - began_s
    began_s = time.monotonic()
    assert hand.carry_out(Exec(("true",)), nobody).ok
    return (time.monotonic() - began_s - bare_s) * 1000


class Served:
    """A process that writes its pid into a file, as daemons do."""

    def __init__(self, folder: Path, code: str) -> None:
        self.pidfile = folder / "served.pid"
        self.process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE)
        assert self.process.stdout is not None
        self.process.stdout.readline()
        self.pidfile.write_text(f"{self.process.pid}\n")
        self.end = End(str(self.pidfile), sys.executable, patience_s=0.3)

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        assert self.process.stdout is not None
        self.process.stdout.close()


WAITS = "import time; print(1, flush=True); time.sleep(60)"
STUBBORN = f"import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); {WAITS}"


@pytest.fixture
def served(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Served]:
    made = Served(tmp_path, getattr(request, "param", WAITS))
    yield made
    made.close()


def test_a_process_is_ended_by_its_pid_file(hand: Hand, served: Served) -> None:
    assert hand.carry_out(served.end, nobody).output == f"pid {served.process.pid} ended"
    assert served.process.wait(5) == -signal.SIGTERM


@pytest.mark.parametrize("served", [STUBBORN], indirect=True)
def test_a_process_that_does_not_end_when_asked_is_killed(hand: Hand, served: Served) -> None:
    assert hand.carry_out(served.end, nobody).ok
    assert served.process.wait(5) == -signal.SIGKILL


def test_a_frozen_process_is_killed(hand: Hand, served: Served) -> None:
    os.kill(served.process.pid, signal.SIGSTOP)
    # Sent is not yet stopped: a TERM that overtakes the STOP would still end it.
    os.waitid(os.P_PID, served.process.pid, os.WSTOPPED)
    assert "was killed" in hand.carry_out(served.end, nobody).output
    assert served.process.wait(5) == -signal.SIGKILL


def test_a_process_of_another_program_is_left_alone(hand: Hand, served: Served) -> None:
    other = End(str(served.pidfile), "/bin/sleep")
    assert "left alone" in hand.carry_out(other, nobody).output
    assert served.process.poll() is None


def test_we_never_end_ourselves_or_those_above_us(hand: Hand, tmp_path: Path) -> None:
    pidfile = tmp_path / "own.pid"
    for pid in (os.getpid(), os.getppid(), 1, 0):
        pidfile.write_text(str(pid))
        assert hand.carry_out(End(str(pidfile), sys.executable), nobody).ok


def test_a_stop_that_hangs_does_not_keep_the_process_alive(hand: Hand, served: Served) -> None:
    result = hand.carry_out(End(str(served.pidfile), sys.executable, ("sleep", "60"), 0.2), nobody)
    assert result.ok
    assert served.process.wait(5) == -signal.SIGKILL


def test_a_pid_file_tells_how_its_process_went(hand: Hand, served: Served, tmp_path: Path) -> None:
    def seen() -> str:
        return hand.carry_out(Look(str(served.pidfile)), nobody).output

    assert seen() == "alive"
    served.process.kill()
    until_s = time.monotonic() + 5
    while seen() != "dead":  # a zombie is dead as well
        assert time.monotonic() < until_s
        time.sleep(0.01)
    for text in ("", "x", "-1", "1", "99999999999"):
        served.pidfile.write_text(text)
        assert seen() == "unreadable"
    served.pidfile.unlink()
    assert seen() == "missing"
    served.pidfile.symlink_to("/proc/self/stat")
    assert seen() == "unreadable"
    served.pidfile.unlink()
    os.mkfifo(served.pidfile)
    assert seen() == "unreadable"


@pytest.mark.parametrize("what", ["top", "sockets", "df", "memory"])
def test_each_sight_shows_something_within_its_limit(hand: Hand, what: Sight) -> None:
    result = hand.carry_out(Gather(what, output_bytes_max=200), nobody)
    assert result.ok
    assert 0 < len(result.output) <= 200 + len("\n[cut]")


def test_a_secret_in_a_command_line_is_not_gathered(hand: Hand) -> None:
    held = bytearray(50 << 20)  # enough memory to be among the first in the list
    code = f"held = bytearray({len(held)}); {WAITS}"
    with subprocess.Popen(
        [sys.executable, "-c", code, "--password", "hunter2", "token=s3cret"], stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        output = hand.carry_out(Gather("top"), nobody).output
        process.kill()
    assert str(process.pid) in output
    assert "hunter2" not in output
    assert "s3cret" not in output


def test_a_sight_that_hangs_is_left_behind(hand: Hand, monkeypatch: pytest.MonkeyPatch) -> None:
    release = threading.Event()

    def hangs(_what: str) -> str:
        release.wait(10)
        return ""

    monkeypatch.setattr("remediations.evidence.sight", hangs)
    reasons = [hand.carry_out(Gather("df", timeout_s=0.05), nobody).reason for _ in range(5)]
    assert reasons[0] == "df was not seen within 0.05s"
    assert reasons[4] == "df was not looked at: earlier looks still hang"
    release.set()


def test_what_a_killed_daemon_left_behind_is_ended_and_nobody_else(hand: Hand, tmp_path: Path) -> None:
    text = "import os, time\npid = os.fork()\nif pid:\n    print(pid, flush=True)\ntime.sleep(60)\n"
    with (
        subprocess.Popen(
            [sys.executable, "-c", text], start_new_session=True, stdout=subprocess.PIPE
        ) as leader,
        subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"]) as stranger,
    ):
        assert leader.stdout is not None
        worker = int(leader.stdout.readline())
        leader.kill()
        leader.wait()
        (tmp_path / "pid").write_text(str(leader.pid))
        assert runs(worker)
        result = hand.carry_out(End(str(tmp_path / "pid"), sys.executable, patience_s=1), nobody)
        assert (result.ok, result.output) == (True, f"ended 1 processes that pid {leader.pid} left behind")
        settled(worker)
        assert runs(stranger.pid)
        stranger.kill()
