"""The approval key of a hand in a process of its own: who made it, who may read it, and what it opens."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from agent.approval.key import SHARED
from agent.cli import main
from model.grant import Grant
from model.step import Exec, Result
from remediations.apart.client import RemoteHand
from remediations.asking.asked import Asked
from remediations.running.journal import Journal
from remediations.writing.playbook import Playbook, load_playbook
from tests.agent.command.test_hand import healed, in_child
from tests.agent.pair import PLAYBOOK, WITHIN_S, Pair, Process, installed
from tests.remediations.daemon import Daemon
from tests.remediations.errands import BOOK, KEY, RUN, grant, nobody, since_boot_ms, until
from tests.remediations.test_hand import script
from tests.test_tidy import ROOT

OTHER_RUN = "0123456789abcdef-2"

DESKS = "/etc/beforehand/desk-approval.key"


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


def approving(pair: Pair, steps: str) -> Playbook:
    """A playbook of the installation that waits for a person."""
    pair.write(1, steps, mode="approve")
    return load_playbook(PLAYBOOK.format(mode="approve", steps=steps).encode(), "heal.yml")


def give_key(pair: Pair, key: bytes = KEY, mode: int = 0o400) -> None:
    pair.key.unlink(missing_ok=True)
    pair.key.write_text(key.hex() + "\n")
    pair.key.chmod(mode)


def take(pair: Pair, step: Exec, run: str, *grants: Grant) -> str:
    """Have a step taken for the agent's user; return why it was refused, or nothing."""
    client = RemoteHand(pair.socket, frozenset({os.geteuid()}), time.monotonic, since_boot_ms)

    def asked() -> str:
        result: Result = client.of(BOOK, grants).carry_out(step, nobody, run)
        return "" if result.ok else result.reason

    return in_child(asked)


def reloaded(hand: Process) -> None:
    before = hand.log.count("reloaded; ")
    hand.process.send_signal(signal.SIGHUP)
    until(lambda: hand.log.count("reloaded; ") > before, "the reload", WITHIN_S)


def test_without_a_key_nothing_that_needs_approval_is_done_and_the_hand_says_so(pair: Pair) -> None:
    book = approving(pair, "- command: {argv: ['true']}")
    hand = pair.hand()
    missing = f"heal-shop changes nothing: one person must agree, and there is no approval key {pair.key}"
    assert missing in hand.log
    assert "without an approval key no grant can be believed" in take(pair, Exec(("true",)), RUN, grant(book))
    give_key(pair)
    reloaded(hand)
    assert take(pair, Exec(("true",)), RUN, grant(book)) == ""
    assert hand.log.count(missing) == 1


def test_an_approved_run_goes_on_with_its_grants_after_the_hand_was_killed_in_the_middle(pair: Pair) -> None:
    program = script(pair.folder, f"echo >>{pair.folder}/count")
    step = Exec((program,))
    book = approving(pair, f"- command: {{argv: [{program}]}}\n  retries: 2")
    give_key(pair)
    first = pair.hand()
    assert "nobody did" in take(pair, step, RUN)
    assert take(pair, step, RUN, grant(book)) == ""
    first.end(signal.SIGKILL)
    pair.hand()
    assert take(pair, step, RUN, grant(book)) == ""
    assert f"has served the run {RUN} already" in take(pair, step, OTHER_RUN, grant(book))
    assert "is for another host" in take(pair, step, OTHER_RUN, grant(book, ask="ask-2", host="web2"))
    assert take(pair, step, OTHER_RUN, grant(book, ask="ask-2")) == ""
    assert (pair.folder / "count").read_text() == "\n" * 3
    refused = (pair.state / "hand" / "refused.jsonl").read_text()
    assert "nobody did" in refused
    assert f"has served the run {RUN} already" in refused
    assert KEY.hex() not in refused + pair.acts()


def test_another_key_ends_what_the_old_one_sealed(pair: Pair) -> None:
    book = approving(pair, "- command: {argv: ['true']}")
    give_key(pair)
    hand = pair.hand()
    give_key(pair, bytes(32))
    reloaded(hand)
    assert "has not the seal of the approval key" in take(pair, Exec(("true",)), RUN, grant(book))


@pytest.mark.parametrize(
    ("mode", "cure"),
    [
        (0o440, "others than its owner may read this; run chmod 600 "),
        (0o604, "others than its owner may read this; run chmod 600 "),
        (0o620, "others than its owner may write here; run chmod go-w "),
    ],
)
def test_a_key_that_others_may_use_keeps_the_hand_from_starting(pair: Pair, mode: int, cure: str) -> None:
    approving(pair, "- command: {argv: ['true']}")
    give_key(pair, mode=mode)
    assert f"{pair.key}:1:1: {cure}{pair.key}\n" in pair.refused()


def test_what_is_no_key_keeps_the_hand_from_starting_and_is_not_shown(pair: Pair) -> None:
    approving(pair, "- command: {argv: ['true']}")
    for text in ("", "s3cret", KEY.hex()[:-1], KEY.hex() * 2, "é" * 64):
        pair.key.unlink(missing_ok=True)
        pair.key.write_text(text)
        pair.key.chmod(0o600)
        said = pair.refused()
        assert f"{pair.key}:1:1: a key is 64 hexadecimal digits; write one with: openssl rand" in said
        assert not text or text not in said


def test_a_link_and_a_key_of_another_user_keep_the_hand_from_starting(pair: Pair) -> None:
    approving(pair, "- command: {argv: ['true']}")
    give_key(pair)
    pair.key.rename(pair.folder / "elsewhere")
    pair.key.symlink_to(pair.folder / "elsewhere")
    assert "this is a link, which may lead elsewhere" in pair.refused()
    if os.geteuid() == 0:
        give_key(pair)
        os.chown(pair.key, 65534, -1)
        assert "this belongs to another user than root" in pair.refused()


def test_a_key_that_is_refused_at_a_reload_leaves_everything_as_it_was(pair: Pair) -> None:
    book = approving(pair, "- command: {argv: ['true']}")
    give_key(pair)
    hand = pair.hand()
    give_key(pair, bytes(32), mode=0o644)
    reloaded(hand)
    assert "not reloaded: " in hand.log
    assert take(pair, Exec(("true",)), RUN, grant(book)) == ""


@pytest.mark.needs("root")
def test_the_agents_user_cannot_read_the_key(pair: Pair) -> None:
    give_key(pair)

    def attack() -> str:
        try:
            return pair.key.read_text()
        except PermissionError as wrong:
            return str(wrong.strerror)

    assert in_child(attack) == "Permission denied"


def test_the_agents_unit_hides_the_key_and_the_hands_reads_it_where_root_keeps_it() -> None:
    units = ROOT / "deploy" / "systemd"
    assert f"\nInaccessiblePaths=-{SHARED} -{DESKS}\n" in (units / "beforehand-agent.service").read_text()
    assert "--approval-key" not in (units / "beforehand-hand.service").read_text()
    given = (units / "beforehand-desk.service.d" / "approvals.conf").read_text()
    assert f"\nLoadCredential={SHARED.name}:{DESKS}\n" in given
    assert f"/run/credentials/beforehand-desk.service/{SHARED.name}\n" in given


@pytest.mark.needs("systemd-analyze")
def test_the_desks_drop_in_for_the_key_costs_what_it_says(tmp_path: Path) -> None:
    name = "beforehand-desk.service"
    shutil.copytree(ROOT / "deploy" / "systemd" / f"{name}.d", tmp_path / f"{name}.d")
    text = (ROOT / "deploy" / "systemd" / name).read_text()
    (tmp_path / name).write_text(text.replace("/opt/beforehand/bin/beforehand", "/bin/true"))

    def run(*words: str) -> str:
        argv = ["systemd-analyze", *words, str(tmp_path / name)]
        return subprocess.run(argv, capture_output=True, text=True, check=True).stdout

    assert run("verify", "--man=no") == ""
    judged = re.search(r"exposure level for \S+ ([0-9.]+)", run("security", "--offline=true", "--no-pager"))
    assert judged is not None
    said = (tmp_path / f"{name}.d" / "approvals.conf").read_text()
    assert f"The exposure stays {judged[1]}.\n" in said


@pytest.mark.needs("curl")
def test_a_person_approves_and_an_agent_that_cannot_read_the_key_has_it_done(
    pair: Pair, shop: Daemon
) -> None:
    pair.write(shop.port, shop.step(), mode="approve")
    give_key(pair)
    pair.hand()
    pair.agent()
    killed = shop.kill()
    asked: list[Asked] = []

    def open_asks() -> bool:
        with closing(Journal(pair.state / "agent" / "runs.db")) as journal:
            asked[:] = journal.asks()
        return bool(asked)

    until(open_asks, "the ask", WITHIN_S)
    assert not shop.answers()
    words = ["approve", asked[0].ask.id, "--state", str(pair.state), "--approval-key", str(pair.key)]
    words += ["--config", str(pair.folder / "agent.yaml")]
    assert main(words) == 0
    healed(shop, killed, pair)
    assert f'"ask":"{asked[0].ask.id}"' in pair.acts()
