"""Two real processes: an agent without rights, and the hand that takes steps for it."""

from __future__ import annotations

import os
import pwd
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from agent.cli import main
from model.step import Exec
from remediations.apart.client import RemoteHand
from remediations.kill_switch import KillSwitch
from tests.agent.pair import USER, WITHIN_S, Pair, installed
from tests.agent.unprivileged import drop
from tests.remediations.daemon import Daemon
from tests.remediations.errands import RUN, nobody, since_boot_ms, until
from tests.remediations.test_hand import script


@pytest.fixture
def pair() -> Iterator[Pair]:
    with installed() as made:
        yield made


@pytest.fixture
def shop(pair: Pair) -> Iterator[Daemon]:
    made = Daemon.made(pair.folder)
    made.start()
    yield made
    made.close()


def healed(shop: Daemon, killed: int, pair: Pair) -> None:
    def so() -> bool:
        return shop.answers() and shop.pidfile.exists() and shop.pidfile.read_text() not in ("", str(killed))

    try:
        until(so, "the shop", WITHIN_S)
    except AssertionError:
        raise AssertionError("\n".join(process.log for process in pair.processes)) from None


@pytest.mark.needs("curl")
def test_an_agent_without_rights_heals_a_daemon_of_root_through_the_hand(pair: Pair, shop: Daemon) -> None:
    pair.write(shop.port, shop.step())
    pair.hand()
    agent = pair.agent()
    uid = Path(f"/proc/{agent.process.pid}").stat().st_uid
    assert uid == pwd.getpwnam(USER).pw_uid
    killed = shop.kill()
    healed(shop, killed, pair)
    assert Path(f"/proc/{shop.pid}").stat().st_uid == os.geteuid()
    until(lambda: "fixed" in str([run.outcome for run, _ in pair.runs()]), "the proof", WITHIN_S)
    assert f"end the process of {shop.pidfile}" in pair.acts()
    assert pair.metric("beforehand_hand_in_process", agent) == [0]
    assert pair.metric("beforehand_hand_reachable", agent) == [1]


@pytest.mark.needs("curl")
def test_a_hand_that_is_killed_in_the_middle_is_a_failure_and_nothing_is_repeated(
    pair: Pair, shop: Daemon
) -> None:
    program = script(pair.folder, f"echo $$ >>{pair.folder}/count; exec sleep 300")
    pair.write(shop.port, f"- command: {{argv: [{program}]}}\n{shop.step()}")
    first = pair.hand()
    agent = pair.agent()
    killed = shop.kill()
    until((pair.folder / "count").exists, "the step", WITHIN_S)
    first.end(signal.SIGKILL)
    steps: list[Any] = []

    def told() -> bool:
        steps[:] = [step for run, taken in pair.runs()[:1] for step in taken]
        return bool(steps and steps[0].result)

    until(told, "the failure", WITHIN_S)
    assert "the hand was lost in the middle of the step" in steps[0].result.reason
    assert len(steps) == 1, "what comes after a failed step was not taken"
    (orphan,) = (pair.folder / "count").read_text().split()
    os.kill(int(orphan), signal.SIGKILL)
    until(lambda: pair.metric("beforehand_hand_reachable", agent) == [0], "the alarm", WITHIN_S)
    pair.write(shop.port, shop.step())
    second = pair.hand()
    assert "was ended in the middle of heal-shop: run" in second.log
    agent.process.send_signal(signal.SIGHUP)
    healed(shop, killed, pair)
    assert (pair.folder / "count").read_text().split() == [orphan]


def test_without_the_hand_an_agent_does_nothing_and_says_so(pair: Pair, shop: Daemon) -> None:
    pair.write(shop.port, shop.step())
    agent = pair.agent()
    assert "nothing can be healed, because the hand does not answer" in agent.log
    shop.kill()
    until(lambda: any(steps and steps[0].result for _, steps in pair.runs()), "the try", WITHIN_S)
    _, steps = pair.runs()[0]
    assert "the hand cannot be reached" in steps[0].result.reason
    assert not shop.answers()


def in_child(do: Callable[[], str], uid: int = 0) -> str:
    """Run this as the agent's user, or as this one, in a process of its own; return what it says."""
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            if uid:
                os.setgroups([])
                os.setresgid(uid, uid, uid)
                os.setresuid(uid, uid, uid)
            else:
                drop("nobody")
            os.write(writer, do().encode())
        finally:
            os._exit(0)
    os.close(writer)
    with os.fdopen(reader) as said:
        heard = said.read()
    os.waitpid(pid, 0)
    return heard


def test_what_stands_in_no_playbook_is_refused_to_the_agents_user_itself(pair: Pair, shop: Daemon) -> None:
    pair.write(shop.port, shop.step())
    pair.hand()
    mark = pair.folder / "run" / "mark"
    hand = RemoteHand(pair.socket, frozenset({os.geteuid()}), time.monotonic, since_boot_ms)

    def attack() -> str:
        step = Exec(("touch", str(mark)))
        said = [hand.of(book).carry_out(step, nobody, RUN) for book in ("heal-shop", "other")]
        return "\n".join(result.reason for result in said)

    assert in_child(attack).splitlines() == [
        "the hand refused: heal-shop has no such step",
        "the hand refused: no enabled playbook is called 'other'",
    ]
    assert not mark.exists()
    refused = (pair.state / "hand" / "refused.jsonl").read_text()
    assert f"touch {mark}" in refused


@pytest.mark.needs("root")
def test_only_the_agents_user_can_reach_the_socket(pair: Pair, shop: Daemon) -> None:
    pair.write(shop.port, shop.step())
    hand = pair.hand()
    client = RemoteHand(pair.socket, frozenset({0}), time.monotonic, since_boot_ms)
    assert "closed the connection" in client.greet()  # root is not the agent either
    assert "this user is not the agent's" in hand.log
    assert in_child(lambda: client.greet() or "greeted") == "greeted"
    assert in_child(client.greet, uid=12345) == f"{pair.socket}: Permission denied"


def test_a_playbook_that_others_may_write_keeps_the_hand_from_starting(pair: Pair) -> None:
    pair.write(1, "- command: {argv: ['true']}")
    file = pair.folder / "heal.yml"
    file.chmod(0o666)
    assert f"{file}:1:1: others than its owner may write here; run chmod go-w {file}\n" in pair.refused()
    file.chmod(0o644)
    (pair.folder / "agent.yaml").chmod(0o664)
    assert "agent.yaml:1:1: others than its owner" in pair.refused()


def test_a_reload_that_is_refused_leaves_the_list_as_it_was(pair: Pair) -> None:
    pair.write(1, "- command: {argv: ['true']}")
    hand = pair.hand()
    (pair.folder / "heal.yml").write_text("nonsense: 1\n")
    hand.process.send_signal(signal.SIGHUP)
    until(lambda: "not reloaded" in hand.log, "the refusal", WITHIN_S)
    client = RemoteHand(pair.socket, frozenset({os.geteuid()}), time.monotonic, since_boot_ms)
    said = in_child(lambda: str(client.of("heal-shop").carry_out(Exec(("true",)), nobody, RUN).ok))
    assert said == "True"
    pair.write(1, "- command: {argv: ['false']}")
    hand.process.send_signal(signal.SIGHUP)
    until(lambda: hand.log.count("reloaded; 1 playbooks") == 2, "the new list", WITHIN_S)
    said = in_child(lambda: client.of("heal-shop").carry_out(Exec(("true",)), nobody, "run-2").reason)
    assert said == "the hand refused: heal-shop has no such step"


def test_a_second_hand_is_kept_out_and_sigterm_ends_the_first_well(pair: Pair) -> None:
    pair.write(1, "- command: {argv: ['true']}")
    hand = pair.hand()
    second = pair.hand()
    assert second.process.wait(10) == 1
    assert "another hand works in" in second.log
    assert hand.end() == 0
    assert not pair.socket.exists()


def test_the_hand_loads_nothing_of_agent_probes_and_rules() -> None:
    code = (
        "import sys, agent.command.hand\n"
        "rooms = ('agent', 'probes', 'rules', 'desk', 'requests')\n"
        "print(*sorted(name for name in sys.modules if name.split('.')[0] in rooms))"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert said.stdout.split() == [
        "agent", "agent.approval", "agent.approval.key", "agent.cli", "agent.clock", "agent.command",
        "agent.command.hand", "agent.files",
        "agent.logs", "agent.notify", "agent.state",
    ]  # fmt: skip


def test_stop_and_resume_mean_agent_and_hand_together(tmp_path: Path) -> None:
    for name in ("agent", "hand"):
        (tmp_path / name).mkdir()
    switches = [KillSwitch(tmp_path / name / "STOP") for name in ("agent", "hand")]
    assert main(["stop", "--because", "a move", "--state", str(tmp_path)]) == 0
    assert all(switch.active().endswith("a move") for switch in switches)
    assert main(["resume", "--state", str(tmp_path)]) == 0
    assert [switch.active() for switch in switches] == ["", ""]


def test_a_user_that_does_not_exist_is_a_mistake(pair: Pair) -> None:
    pair.write(1, "- command: {argv: ['true']}")
    words = [sys.executable, "-m", "agent.cli", "hand", "--config", str(pair.folder / "agent.yaml")]
    done = subprocess.run([*words, "--user", "no-such-user"], capture_output=True, text=True, check=False)
    assert (done.returncode, "there is no user 'no-such-user'" in done.stderr) == (78, True)
