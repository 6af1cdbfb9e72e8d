"""What people answer on a host: the folder, the key, and the commands that write there."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from agent import commands
from agent.approval.approvals import FILES_MAX, Answers, people
from agent.approval.key import NoKey, key_file, made_key, read_key
from agent.cli import EX_FAILED, EX_OK, EX_USAGE
from agent.clock import Clock
from agent.command.approve import here
from agent.state import StateDirectory
from model.grant import KEY_BYTES, Grant, genuine, sealed
from model.labels import Labels
from remediations.asking.approval import Ask, digest, digest_at
from remediations.asking.asked import Ended, word
from remediations.host import this_host
from remediations.running.journal import Journal
from remediations.writing.gates import gates
from remediations.writing.playbook import load_playbook

KEY = bytes(KEY_BYTES)
PLAYBOOK = """
playbook: heal-shop
summary: Bring the shop back.
on: ['alertname="ShopDown"']
mode: approve
steps:
- command: {argv: [shopd, --restart]}
- approve: {say: Is it quiet?}
- command: {argv: [shopd, --purge]}
verify: {within: 5s, hold: 1s}
"""
BOOK = load_playbook(PLAYBOOK.encode(), "heal-shop.yml")
NOW_MS = Clock().now_ms()
ASK = Ask(
    id="0123456789abcdef" * 2,
    host="web1",
    playbook="heal-shop",
    plan=digest(BOOK, this_host()),
    labels=Labels.of(alertname="ShopDown", service="shop"),
    fired_ms=NOW_MS,
    risk="R1",
    needs=1,
    asked_ms=NOW_MS,
    until_ms=NOW_MS + 900_000,
    because="heal-shop acts once approved by one person",
    steps=("run true",),  # as an agent says that nobody should believe
)


def grant(by: str = "ada", **fields: Any) -> Grant:
    return sealed(replace(ASK.answer(by, NOW_MS, yes=True), **fields), KEY)


def listed(folder: Path) -> list[str]:
    return sorted(one.name for one in folder.iterdir())


@pytest.fixture
def state(tmp_path: Path) -> Iterator[StateDirectory]:
    directory = StateDirectory(tmp_path / "state")
    yield directory
    directory.close()


@pytest.fixture
def asked(state: StateDirectory) -> Path:
    """A state folder with a key, in whose journal people are asked."""
    made_key(state.path / "approval.key")
    journal = Journal(state.runs)
    journal.ask(ASK, NOW_MS)
    journal.close()
    return state.path


@pytest.fixture(autouse=True)
def config(tmp_path: Path) -> Path:
    """The files of a host with that playbook."""
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/heal-shop.yml").write_text(PLAYBOOK)
    file = tmp_path / "etc/agent.yaml"
    file.write_text("listen: 127.0.0.1:0\nplaybooks: [heal-shop.yml]\nprobes: [{host: {}}]\nrules: []\n")
    return file


def run(*words: str, state: Path) -> int:
    config = ["--config", str(state.parent / "etc")] if words[0] != "deny" else []
    return commands.main([*words, *config, "--state", str(state)])


def test_an_answer_is_whole_in_its_file_and_read_again(tmp_path: Path) -> None:
    answers = Answers(tmp_path / "approvals")
    assert answers.given() == ()
    answers.give(grant(), NOW_MS)
    answers.give(grant("Ada Lovelace <ada@shop.example>/../x"), NOW_MS)
    assert set(answers.given()) == {grant(), grant("Ada Lovelace <ada@shop.example>/../x")}
    names = listed(tmp_path / "approvals")
    assert names[1] == f"{ASK.id}.ada.json"
    assert all(name.startswith(ASK.id) for name in names)


def test_answers_whose_time_is_over_are_taken_away_with_the_next(tmp_path: Path) -> None:
    answers = Answers(tmp_path / "approvals")
    answers.give(grant(), NOW_MS)
    answers.give(grant("ben"), ASK.until_ms + 1)
    assert listed(tmp_path / "approvals") == []


@pytest.mark.parametrize(
    "name",
    [
        "ada.json",
        f"{ASK.id}.json",
        f".{ASK.id}.ada.json",
        f"{ASK.id}...json",
        f"{ASK.id}.ada.json.1",
        f"{ASK.id.upper()}.ada.json",
        f"{ASK.id}.{'a' * 90}.json",
        f"{ASK.id}.ada\n.json",
        f"{'f' * 32}.ada.json",
    ],
)
def test_a_file_with_another_name_is_no_answer(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text(word(grant()))
    assert Answers(tmp_path).given() == ()


@pytest.mark.parametrize(
    "content",
    [
        "",
        "yes",
        "[]",
        "{}",
        "[" * 100_000,
        json.dumps({"ask": ASK.id, "yes": True}),
        word(grant()).replace("true", "1"),
        word(grant()).replace('"ada"', "7"),
        word(grant()).replace('"host"', '"more": 1, "host"'),
        word(grant()) + "x",
        word(grant("a" * 5000)),
    ],
)
def test_a_file_with_other_words_is_no_answer(tmp_path: Path, content: str) -> None:
    (tmp_path / f"{ASK.id}.ada.json").write_text(content)
    assert Answers(tmp_path).given() == ()


def test_nothing_but_a_file_is_read_and_nothing_is_waited_for(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").write_text(word(grant()))
    (tmp_path / f"{ASK.id}.link.json").symlink_to(tmp_path / "elsewhere")
    os.mkfifo(tmp_path / f"{ASK.id}.pipe.json")
    (tmp_path / f"{ASK.id}.folder.json").mkdir()
    assert Answers(tmp_path).given() == ()
    assert Answers(tmp_path / "elsewhere").given() == ()


def test_a_folder_full_of_files_is_read_as_far_as_its_bound(tmp_path: Path) -> None:
    for number in range(FILES_MAX + 50):
        (tmp_path / f"{ASK.id}.{number}.json").write_text(word(grant(str(number))))
    assert len(Answers(tmp_path).given()) == FILES_MAX


def test_an_answer_is_not_written_through_a_link(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "approvals").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(OSError, match="approvals"):
        Answers(tmp_path / "approvals").give(grant(), NOW_MS)
    assert listed(tmp_path / "elsewhere") == []


def test_a_key_is_made_once_and_read_by_its_owner_alone(tmp_path: Path) -> None:
    file = tmp_path / "approval.key"
    key = made_key(file)
    assert len(key) == KEY_BYTES
    assert made_key(file) == read_key(file) == key
    assert file.stat().st_mode & 0o777 == 0o600


def test_a_key_that_others_may_read_or_that_is_none_is_not_used(tmp_path: Path) -> None:
    file = tmp_path / "approval.key"
    with pytest.raises(NoKey, match="cannot be read"):
        read_key(file)
    made_key(file)
    file.chmod(0o644)
    with pytest.raises(NoKey, match="kept from others"):
        read_key(file)
    file.chmod(0o600)
    file.write_text("secret")
    with pytest.raises(NoKey, match="64 hexadecimal digits"):
        read_key(file)
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(NoKey):
        read_key(tmp_path / "pipe")


def test_an_agent_that_is_its_own_hand_judges_seals_and_another_leaves_that_to_the_hand(
    state: StateDirectory,
) -> None:
    left = people("web1", state, tuple, alone=False)
    assert left.genuine(grant())
    alone = people("web1", state, lambda: (grant("ben"),), alone=True)
    key = read_key(key_file(state.path))
    assert not alone.genuine(grant())
    assert alone.genuine(sealed(grant(), key))
    Answers(state.approvals).give(grant(), NOW_MS)
    assert alone.answers() == (grant(), grant("ben"))
    assert alone.name() != alone.name()
    assert len(alone.name()) == 32


def test_an_agent_without_a_key_believes_nobody(state: StateDirectory) -> None:
    (state.path / "approval.key").write_text("none")
    assert not people("web1", state, tuple, alone=True).genuine(sealed(grant(), b""))


@pytest.mark.parametrize(("verb", "yes"), [("approve", True), ("deny", False)])
def test_an_answer_of_the_command_line_is_sealed_and_names_who_typed_it(
    asked: Path, verb: str, yes: bool, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("agent.command.approve._LOGINUID", asked / "none")
    monkeypatch.setenv("SUDO_USER", "ada")
    assert run(verb, ASK.id[:8], state=asked) == EX_OK
    [found] = Answers(asked / "approvals").given()
    assert (found.by, found.yes, found.ask, found.plan) == ("ada", yes, ASK.id, ASK.plan)
    assert genuine(found, read_key(asked / "approval.key"))
    assert ("acts once" if yes else "does not act") in capsys.readouterr().out


def test_a_second_person_is_waited_for_where_two_must_approve(
    state: StateDirectory, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    made_key(state.path / "approval.key")
    journal = Journal(state.runs)
    journal.ask(replace(ASK, needs=2, risk="R3"), NOW_MS)
    journal.close()
    monkeypatch.setattr("agent.command.approve._LOGINUID", state.path / "none")
    monkeypatch.setenv("SUDO_USER", "ada")
    assert run("approve", ASK.id, state=state.path) == EX_USAGE
    assert "add --playbook heal-shop" in capsys.readouterr().err
    for _ in range(2):
        assert run("approve", ASK.id, "--playbook", "heal-shop", state=state.path) == EX_OK
        assert "waits for one person more" in capsys.readouterr().out
    monkeypatch.setenv("SUDO_USER", "ben")
    assert run("approve", ASK.id, "--playbook", "heal-shop", state=state.path) == EX_OK
    assert "acts once" in capsys.readouterr().out


def test_a_yes_is_to_what_the_playbooks_of_this_host_say_and_shows_that(
    asked: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("approvals", state=asked) == EX_OK
    assert run("approve", ASK.id, state=asked) == EX_OK
    out = capsys.readouterr().out
    assert "  would run shopd --restart\n  would run shopd --purge\n" in out
    assert "no guard speaks against it now\n  run shopd --restart\n  run shopd --purge\n" in out
    assert "run true" not in out


def test_a_yes_to_a_question_in_the_middle_shows_what_stands_behind_it(
    asked: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (gate,) = gates(BOOK.steps).each
    journal = Journal(asked / "runs.db")
    journal.ask(replace(ASK, id="e" * 32, plan=digest_at(gate, ASK.plan), run="r-1"), NOW_MS)
    journal.close()
    assert run("approve", "e" * 32, state=asked) == EX_OK
    out = capsys.readouterr().out
    assert "heal-shop on web1 goes on\n  run shopd --purge\n" in out
    assert "--restart" not in out


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (PLAYBOOK.replace("--purge", "--other"), "what is asked is not what heal-shop says in"),
        (PLAYBOOK.replace("heal-shop", "other"), "names no playbook heal-shop"),
        ("playbook: 1", "cannot be worked out"),
    ],
)
def test_what_the_playbooks_of_this_host_do_not_say_cannot_be_approved(
    asked: Path, config: Path, text: str, sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (config.parent / "heal-shop.yml").write_text(text)
    assert run("approve", ASK.id, state=asked) == EX_FAILED
    assert sentence in capsys.readouterr().err
    assert not (asked / "approvals").exists()
    assert run("approvals", state=asked) == EX_OK
    out = capsys.readouterr().out
    assert "  cannot be approved: " in out
    assert "run true" not in out
    assert run("deny", ASK.id, state=asked) == EX_OK, "a no harms nobody"


def test_who_logged_in_is_who_types_whatever_the_environment_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SUDO_USER", "ada")
    monkeypatch.setattr("agent.command.approve._LOGINUID", tmp_path / "loginuid")
    (tmp_path / "loginuid").write_text("0")
    assert here() == "root"
    (tmp_path / "loginuid").write_text("4294967295")
    assert here() == "ada"


@pytest.mark.parametrize("words", ["0123", "ffffffff", "", "0123456789abcdeg"])
def test_an_ask_that_is_not_open_cannot_be_answered(
    asked: Path, words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("approve", words, state=asked) == EX_USAGE
    assert "no open request begins with" in capsys.readouterr().err
    assert not (asked / "approvals").exists()


def test_an_ask_that_ended_or_is_late_is_not_open(
    state: StateDirectory, capsys: pytest.CaptureFixture[str]
) -> None:
    journal = Journal(state.runs)
    journal.ask(ASK, NOW_MS)
    journal.end_ask(ASK, Ended.DENIED, "ben denied it", NOW_MS)
    journal.ask(replace(ASK, id="f" * 32, until_ms=NOW_MS - 1), NOW_MS)
    journal.close()
    assert run("approve", "f" * 32, state=state.path) == EX_USAGE
    assert run("approvals", state=state.path) == EX_OK
    assert "nothing is to be approved" in capsys.readouterr().out


def test_without_the_key_nobody_answers(asked: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("approve", ASK.id, "--approval-key", str(asked / "none"), state=asked) == EX_FAILED
    assert "nothing was answered: the approval key" in capsys.readouterr().err
    assert run("approve", ASK.id, state=asked / "elsewhere") == EX_USAGE
    assert not (asked / "elsewhere").exists()


def test_what_is_asked_is_listed_with_all_that_a_person_needs(
    asked: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    journal = Journal(asked / "runs.db")
    journal.answer(ASK, grant("ada\x1b[31m"), NOW_MS)
    journal.close()
    assert run("approvals", state=asked) == EX_OK
    out = capsys.readouterr().out
    for part in (ASK.id, "heal-shop on web1 (R1)", "ShopDown", "would run shopd --restart", ASK.because):
        assert part in out
    assert "one person must approve; ada" in out
    assert "\x1b" not in out
