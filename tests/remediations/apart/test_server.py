"""The hand's server against an honest agent, a hostile one, and everybody else."""

from __future__ import annotations

import os
import socket
import struct
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from model.step import Exec, Result
from remediations.apart.allowed import Allowed, Start
from remediations.apart.book import REFUSED_A_MINUTE_MAX, HandBook, Lines, broken_line
from remediations.apart.client import RemoteHand
from remediations.apart.packing import pack, unpack
from remediations.apart.server import CALLERS_MAX, STEPS_AT_ONCE_MAX
from remediations.apart.words import (
    PACKET_BYTES_MAX,
    VERSION,
    Closed,
    Done,
    Greeting,
    Request,
    Said,
    Stop,
    receive,
)
from remediations.processes import marked
from tests.remediations.errands import BOOK, RUN, Service, nobody, serving, since_boot_ms, until
from tests.remediations.stage import playbook
from tests.remediations.test_hand import script

TRUE = Exec(("true",))


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    with serving(tmp_path, playbook()) as made:
        yield made


class Attacker:
    """Speaks packets as it likes."""

    def __init__(self, service: Service) -> None:
        self.end = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.end.settimeout(10)
        self.end.connect(str(service.socket))
        try:
            self.once = unpack(receive(self.end), [Greeting]).once
        except Closed:
            self.end.close()
            raise

    def __enter__(self) -> Attacker:
        return self

    def __exit__(self, *_: object) -> None:
        self.end.close()

    def request(self, step: Exec = TRUE, **other: Any) -> Request:
        return replace(Request(VERSION, self.once, since_boot_ms(), BOOK, RUN, step, check=False), **other)

    def say(self, data: bytes) -> None:
        self.end.send(data)

    def answer(self) -> Result:
        word: object = None
        while not isinstance(word, Done):
            word = unpack(receive(self.end), [Said, Done])
        return word.result

    def closed(self) -> bool:
        """Whether nothing comes but the end."""
        try:
            receive(self.end)
        except Closed:
            return True
        return False


def test_a_step_of_a_playbook_is_taken_and_written_down(service: Service) -> None:
    result = service.take(TRUE)
    assert (result.ok, result.rc, result.changed) == (True, 0, True)
    until(lambda: "result" in service.acts(), "the result")
    assert broken_line(service.folder / "acts.jsonl") == 0


def test_output_larger_than_a_packet_comes_whole(tmp_path: Path) -> None:
    program = script(tmp_path, "head -c 60000 /dev/zero | tr '\\0' 'ä'; exit 3")
    with serving(tmp_path, playbook(f"- command: {{argv: [{program}]}}")) as service:
        result = service.take(Exec((program,)))
    assert (result.ok, result.rc, len(result.output)) == (False, 3, 60000)
    assert result.reason == "it ended with exit code 3"


@pytest.mark.parametrize(
    "step",
    [Exec(("false",)), Exec(("true", "-x")), Exec(("true",), timeout_s=61), Exec(("true",), any_rc=True)],
)
def test_a_step_of_no_playbook_is_refused_and_written_down(service: Service, step: Exec) -> None:
    result = service.take(step)
    assert not result.ok
    assert result.reason == "the hand refused: heal-shop has no such step"
    assert "heal-shop has no such step" in service.refused()
    assert service.acts() == ""


def test_a_forged_playbook_is_refused(service: Service) -> None:
    for name in ("heal-shop2", "", "../heal-shop", "heal-shop\n"):
        assert "no enabled playbook is called" in service.take(TRUE, playbook=name).reason
    assert service.acts() == ""


@pytest.mark.parametrize("run", ["../../etc", "a/b", ".", "a" * 81, "a\nb", ""])
def test_a_run_whose_name_could_lead_elsewhere_is_refused(service: Service, run: str) -> None:
    assert "run" in service.take(TRUE, run).reason
    assert service.acts() == ""


def test_a_check_changes_nothing_and_is_not_counted(service: Service, tmp_path: Path) -> None:
    for _ in range(10):
        result = service.take(TRUE, check=True)
        assert (result.ok, result.changed, result.diff) == (True, False, "would run true")
    assert '"counts"' not in service.acts()


GARBAGE = [
    b"{",
    b"[]",
    b"null",
    b'{"kind":"Request"}',
    b'{"kind":"Result"}',
    b"\xff" * 100,
    b"[" * 60_000,
    struct.pack(">I", 2 << 30) + b"{}",
    b'{"kind":"Stop","because":"x","because":"y"}',
    b'{"kind":"Stop","because":NaN}',
    b"x" * (PACKET_BYTES_MAX + 1),
    b"x" * 150_000,
]


@pytest.mark.parametrize("data", GARBAGE, ids=range(len(GARBAGE)))
def test_garbage_is_closed_on_and_written_down(service: Service, data: bytes) -> None:
    with Attacker(service) as attacker:
        attacker.say(data)
        assert attacker.closed()
    assert "refused" in service.refused()
    assert service.take(TRUE).ok


def test_every_truncation_of_a_request_is_closed_on(service: Service) -> None:
    with Attacker(service) as first:
        whole = pack(first.request())
    for length in (1, 2, len(whole) // 2, len(whole) - 1):
        with Attacker(service) as attacker:
            attacker.say(whole[:length])
            assert attacker.closed()
    assert service.acts() == ""


def test_a_packet_of_two_gigabytes_cannot_be_said(service: Service) -> None:
    """Packets have no length of their own that could lie; the kernel refuses what is too large."""
    with Attacker(service) as attacker, pytest.raises(OSError, match="too long"):
        attacker.say(bytes(64 << 20))


def test_a_stream_finds_nobody_to_talk_to(service: Service) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as end, pytest.raises(OSError, match="wrong type"):
        end.connect(str(service.socket))


def test_a_packet_with_open_files_is_closed_on(service: Service) -> None:
    with Attacker(service) as attacker:
        socket.send_fds(attacker.end, [pack(attacker.request())], [0, 1])
        assert attacker.closed()
    assert "more than bytes" in service.refused()


@pytest.mark.parametrize(
    ("other", "because"),
    [
        ({"version": VERSION + 1}, "speaks version"),
        ({"once": "0" * 32}, "made for another connection"),
        ({"issued_ms": 0}, "older than 1m"),
        ({"issued_ms": 1 << 62}, "older than 1m"),
    ],
)
def test_another_version_a_replay_and_an_old_plan_are_refused(
    service: Service, other: dict[str, Any], because: str
) -> None:
    with Attacker(service) as attacker:
        attacker.say(pack(attacker.request(**other)))
        assert because in attacker.answer().reason
    assert because in service.refused()
    assert service.acts() == ""


def test_a_request_that_was_taken_down_and_said_again_is_refused(service: Service) -> None:
    with Attacker(service) as first:
        heard = pack(first.request())
        first.say(heard)
        assert first.answer().ok
    with Attacker(service) as second:
        second.say(heard)
        assert "made for another connection" in second.answer().reason
    assert service.acts().count('"intent"') == 1


def test_a_second_request_on_a_connection_ends_the_first(tmp_path: Path) -> None:
    program = script(tmp_path, "sleep 60")
    with (
        serving(tmp_path, playbook(f"- command: {{argv: [{program}]}}")) as service,
        Attacker(service) as bad,
    ):
        bad.say(pack(bad.request(Exec((program,)))))
        bad.say(pack(bad.request(Exec((program,)))))
        until(lambda: "result" in service.acts(), "the end of the step")
        assert "broke the agreement" in service.acts()
        assert service.acts().count('"intent"') == 1


def test_who_asks_for_nothing_is_sent_away(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("remediations.apart.server.ASKS_WITHIN_S", 0.2)
    with Attacker(service) as idle:
        assert idle.closed()
    assert "it asked for nothing" in service.refused()


def test_a_crowd_of_callers_is_bounded(service: Service) -> None:
    crowd = [Attacker(service) for _ in range(CALLERS_MAX)]
    with pytest.raises(Closed), Attacker(service):
        pass
    for one in crowd:
        one.end.close()
    until(lambda: service.take(TRUE).ok, "room")


def test_steps_at_once_are_bounded(tmp_path: Path) -> None:
    program = script(tmp_path, "sleep 60")
    with serving(tmp_path, playbook(f"- command: {{argv: [{program}]}}\n  retries: 50")) as service:
        busy = [Attacker(service) for _ in range(STEPS_AT_ONCE_MAX)]
        for one in busy:
            one.say(pack(one.request(Exec((program,)))))
        until(lambda: service.acts().count('"intent"') == STEPS_AT_ONCE_MAX, "all to be under way")
        assert "steps are under way already" in service.take(Exec((program,))).reason
        for one in busy:
            one.end.close()


def test_a_program_that_others_could_have_changed_is_not_run(tmp_path: Path) -> None:
    program = script(tmp_path, "exit 0")
    with serving(tmp_path, playbook(f"- command: {{argv: [{program}]}}\n  retries: 50")) as service:
        for mode, because in ((0o4755, "setuid"), (0o757, "other users"), (0o644, "not executable")):
            Path(program).chmod(mode)
            assert because in service.take(Exec((program,))).reason
        Path(program).chmod(0o755)
        tmp_path.chmod(0o777)
        assert "can be replaced by other users" in service.take(Exec((program,))).reason
        tmp_path.chmod(0o700)
        assert service.take(Exec((program,))).ok


def asked_to_stop(service: Service, program: str, ready: Path) -> tuple[Result, float]:
    """Take a step, and stop it in its middle; return how long that took."""
    since: list[float] = []

    def stopped() -> str:
        if not ready.exists():
            return ""
        since.append(time.monotonic())
        return "stopped by ada"

    result = service.client.of(BOOK).carry_out(Exec((program,)), stopped, RUN)
    return result, time.monotonic() - since[0]


def test_the_agents_wish_to_stop_ends_a_step_that_ignores_sigterm(tmp_path: Path) -> None:
    program = script(tmp_path, f"trap '' TERM; touch {tmp_path}/ready; while :; do sleep 1; done")
    with serving(tmp_path, playbook(f"- command: {{argv: [{program}]}}")) as service:
        result, took_s = asked_to_stop(service, program, tmp_path / "ready")
    assert result.stopped == "stopped by ada"
    assert took_s < 5
    assert not list(marked("BEFOREHAND_STEP", f"{os.getpid()}.1"))


def test_the_hands_own_kill_switch_ends_a_step_and_keeps_others_from_beginning(tmp_path: Path) -> None:
    program = script(tmp_path, f"touch {tmp_path}/ready; sleep 60")
    with serving(tmp_path, playbook(f"- command: {{argv: [{program}]}}\n  retries: 5")) as service:

        def stop() -> None:
            until((tmp_path / "ready").exists, "the step")
            service.switch.set("ada", "the database is being moved", 1)

        setter = threading.Thread(target=stop)
        setter.start()
        result = service.take(Exec((program,)))
        setter.join()
        assert result.stopped == "stopped by ada: the database is being moved"
        assert service.take(Exec((program,))).stopped == result.stopped
        assert service.client.halted() == result.stopped
        service.switch.lift()
        assert service.client.halted() == ""


def test_an_agent_that_dies_takes_its_step_with_it(tmp_path: Path) -> None:
    program = script(tmp_path, f"touch {tmp_path}/ready; sleep 60")
    with serving(tmp_path, playbook(f"- command: {{argv: [{program}]}}")) as service:
        with Attacker(service) as agent:
            agent.say(pack(agent.request(Exec((program,)))))
            until((tmp_path / "ready").exists, "the step")
        until(lambda: "the agent is gone" in service.acts(), "the end of the step")
    assert not list(marked("BEFOREHAND_STEP", f"{os.getpid()}.1"))


def test_a_detached_step_outlives_the_agent(tmp_path: Path) -> None:
    program = script(tmp_path, f"sleep 1; touch {tmp_path}/late")
    with serving(tmp_path, playbook(f"- command: {{argv: [{program}], detached: true}}")) as service:
        with Attacker(service) as agent:
            agent.say(pack(agent.request(Exec((program,), detached=True))))
            assert agent.answer().ok
        until((tmp_path / "late").exists, "what was detached")


def test_a_hand_that_is_told_to_stop_ends_its_steps(tmp_path: Path) -> None:
    program = script(tmp_path, f"touch {tmp_path}/ready; sleep 60")
    with (
        serving(tmp_path, playbook(f"- command: {{argv: [{program}]}}")) as service,
        Attacker(service) as agent,
    ):
        agent.say(pack(agent.request(Exec((program,)))))
        until((tmp_path / "ready").exists, "the step")
        service.server.stop()
        assert agent.answer().stopped == "the hand is stopping"


def test_a_playbook_has_no_more_runs_than_its_budget_whatever_the_agent_says(tmp_path: Path) -> None:
    book = playbook(guard="{at_most: 2 per 1h}")
    with serving(tmp_path, book) as service:
        assert [service.take(TRUE, f"run-{n}").ok for n in range(4)] == [True, True, False, False]
        assert "has had 2 runs in 1h" in service.take(TRUE, "run-4").reason
    with serving(tmp_path, book) as service:
        assert "has had 2 runs in 1h" in service.take(TRUE, "run-5").reason


def test_a_run_has_no_more_steps_than_its_playbook(service: Service) -> None:
    assert service.take(TRUE).ok
    assert (
        service.take(TRUE).reason == f"the hand refused: the run {RUN} has taken all 1 steps that it can have"
    )


def test_what_says_no_log_is_written_down_without_its_words(tmp_path: Path) -> None:
    steps = (
        "- block:\n  - command: {argv: ['true', s3cret]}\n  no_log: true\n- command: {argv: ['true', open]}"
    )
    with serving(tmp_path, playbook(steps)) as service:
        assert service.take(Exec(("true", "s3cret"))).ok
        assert service.take(Exec(("true", "open"))).ok
        assert "all 2 steps" in service.take(Exec(("true", "s3cret"))).reason
    assert "s3cret" not in service.acts() + service.refused()
    assert "run true open" in service.acts()


def test_a_list_that_was_read_anew_is_taken(service: Service) -> None:
    service.server.use(Allowed)
    until(lambda: "no enabled playbook" in service.take(TRUE, "another").reason, "the new list")


def test_a_book_that_cannot_be_written_refuses_the_step(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Lines, "write", full)
    assert "cannot be written down: No space left" in service.take(TRUE).reason


def test_another_user_is_not_even_greeted(tmp_path: Path) -> None:
    with serving(tmp_path, playbook(), uid=os.geteuid() + 1) as service:
        assert "closed the connection" in service.take(TRUE).reason
        until(lambda: "this user is not the agent's" in service.refused(), "the line")
        assert f'"uid":{os.geteuid()}' in service.refused()


def test_who_is_behind_the_socket_is_asked_before_anything_is_said(service: Service) -> None:
    client = RemoteHand(service.socket, frozenset({os.geteuid() + 1}), time.monotonic, since_boot_ms)
    result = client.of(BOOK).carry_out(TRUE, nobody, RUN)
    assert "who is not the hand" in result.reason
    assert service.acts() == ""


def test_without_a_hand_nothing_is_done_instead(tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    client = RemoteHand(tmp_path / "none", frozenset({os.geteuid()}), time.monotonic, since_boot_ms)
    result = client.of(BOOK).carry_out(Exec(("touch", str(mark))), nobody, RUN)
    assert not result.ok
    assert result.reason.startswith("the hand cannot be reached: ")
    assert client.trouble() == f"{tmp_path}/none: No such file or directory"
    assert not mark.exists()


def test_a_hand_that_says_nothing_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("remediations.apart.client.SILENT_S_MAX", 0.3)
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as deaf:
        deaf.bind(str(tmp_path / "deaf"))
        deaf.listen()
        client = RemoteHand(tmp_path / "deaf", frozenset({os.geteuid()}), time.monotonic, since_boot_ms)
        assert "nothing was heard of it" in client.of(BOOK).carry_out(TRUE, nobody, RUN).reason


def test_a_hand_that_came_back_is_found_again(tmp_path: Path) -> None:
    with serving(tmp_path, playbook()) as service:
        client = service.client
        assert client.greet() == ""
    assert "cannot be reached" in client.of(BOOK).carry_out(TRUE, nobody, RUN).reason
    with serving(tmp_path, playbook()):
        assert client.of(BOOK).carry_out(TRUE, nobody, RUN).ok


def test_a_wish_to_stop_before_the_step_says_nothing_to_the_hand(service: Service) -> None:
    result = service.client.of(BOOK).carry_out(TRUE, lambda: "stopped by ada", RUN)
    assert result.stopped == "stopped by ada"
    assert service.acts() == ""


def test_the_book_names_steps_whose_end_nobody_knows_and_survives_a_torn_line(tmp_path: Path) -> None:
    with closing(HandBook(tmp_path)) as book:
        book.intend({"id": "a", "at_ms": 1, "run": RUN, "playbook": BOOK, "step": "run x"}, None)
        start = Start(RUN, BOOK, ("service:x",), 5)
        book.intend({"id": "b", "at_ms": 5, "run": RUN, "playbook": BOOK, "step": "run y"}, start)
        book.note({"id": "b", "ok": True})
    file = tmp_path / "acts.jsonl"
    file.write_bytes(file.read_bytes() + b'{"what":"intent","id":')
    with closing(HandBook(tmp_path)) as book:
        assert book.unfinished == (f"{BOOK}: run x",)
        assert tuple(book.past(10).starts.values()) == (start,)
    with closing(HandBook(tmp_path)) as book:
        assert book.unfinished == ()


def test_a_line_that_was_changed_taken_out_or_put_elsewhere_is_noticed(tmp_path: Path) -> None:
    with closing(HandBook(tmp_path)) as book:
        for number in range(20):
            book.note({"id": str(number), "ok": True})
    file = tmp_path / "acts.jsonl"
    lines = file.read_bytes().splitlines(keepends=True)
    assert broken_line(file) == 0
    for at in range(1, 19):
        for other in (
            [*lines[:at], *lines[at + 1 :]],
            [*lines[:at], lines[at].replace(b"true", b"null"), *lines[at + 1 :]],
            [*lines[:at], lines[at + 1], lines[at], *lines[at + 2 :]],
        ):
            file.write_bytes(b"".join(other))
            assert broken_line(file) > 0


def test_who_asks_in_vain_cannot_push_the_acts_out_of_sight(tmp_path: Path) -> None:
    with closing(HandBook(tmp_path)) as book:
        written = [book.refuse({"because": "x"}, 1000) for _ in range(1000)]
        assert sum(written) == REFUSED_A_MINUTE_MAX
        assert book.refuse({"because": "x"}, 62_000)
    lines = (tmp_path / "refused.jsonl").read_text().splitlines()
    assert len(lines) == REFUSED_A_MINUTE_MAX + 1
    assert f'"untold":{1000 - REFUSED_A_MINUTE_MAX}' in lines[-1]
    assert (tmp_path / "acts.jsonl").read_text() == ""


def test_a_full_file_is_put_aside_and_still_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("remediations.apart.book.LINES_BYTES_MAX", 500)
    with closing(HandBook(tmp_path)) as book:
        for number in range(6):
            line = {"id": str(number), "at_ms": number, "run": f"r{number}", "playbook": BOOK, "step": "x"}
            book.intend(line, Start(f"r{number}", BOOK, (), number))
            book.note({"id": str(number), "ok": True})
    assert (tmp_path / "acts.jsonl.1").exists()
    with closing(HandBook(tmp_path)) as book:
        assert set(book.past(10).starts) == {f"r{number}" for number in range(6)}


def test_the_socket_can_be_reached_by_the_agents_group_only(service: Service) -> None:
    facts = service.socket.stat()
    assert (facts.st_mode & 0o777, facts.st_uid) == (0o660, os.geteuid())


def test_a_stop_before_any_request_is_no_request(service: Service) -> None:
    with Attacker(service) as attacker:
        attacker.say(pack(Stop("now")))
        assert attacker.closed()
