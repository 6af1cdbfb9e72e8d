"""A signal goes to a process that the playbook describes; what carries the host cannot be described."""

from __future__ import annotations

import pytest

from model.misfit import Rejected
from model.step import Risk
from tests.remediations.actions.planning import planned, risk, touched, undone


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{match: {exe: shop}}", "send TERM to the process shop"),
        (
            "{match: {exe: /a/b, user: web, port: 80, older_than: 1h}, signal: HUP, processes_max: 3}",
            "send HUP to at most 3 processes /a/b of web at port 80 older than 3600s",
        ),
    ],
)
def test_the_first_step_says_what_it_does(text: str, words: str) -> None:
    assert str(planned("process_signal", text)[0]).startswith(words)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("{match: {exe: sshd}}", "carries the host and is never signalled"),
        ("{match: {exe: /usr/lib/systemd/systemd}}", "carries the host"),
        ("{match: {exe: ../shop}}", "is not a program"),
        ("{match: {user: web}}", "the key 'exe' is missing"),
        ("{match: {exe: shop, cgroup: /}}", "is not a control group"),
        ("{match: {exe: shop, user: 'a;b'}}", "is not a user's name"),
        ("{match: {exe: shop}, processes_max: 500}", "500 processes are out of range"),
        ("{match: {exe: shop}, signal: KILL}", "expected one of TERM"),
    ],
)
def test_what_cannot_be_meant_is_refused(text: str, sentence: str) -> None:
    with pytest.raises(Rejected, match=sentence):
        planned("process_signal", text)


def test_a_program_by_two_names_is_one_thing() -> None:
    both = [touched("process_signal", f"{{match: {{exe: {exe}}}}}") for exe in ("shop", "/opt/shop")]
    assert both == [{"process:shop"}, {"process:shop"}]


def test_a_signal_cannot_be_taken_back() -> None:
    assert risk("process_signal") is Risk.IRREVERSIBLE
    assert undone("process_signal", "{match: {exe: shop}}") == []
