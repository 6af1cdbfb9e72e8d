from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model.decode import decode
from model.misfit import Rejected
from remediations.actions.command import Options
from remediations.writing.argv import mistake


def refused(text: str) -> str:
    with pytest.raises(Rejected) as rejected:
        decode(text.encode(), "x.yml", Options)
    return str(rejected.value)


def test_a_command_written_as_a_text_is_refused_with_the_list_to_write() -> None:
    assert refused("argv: nginx -t") == (
        "x.yml:1:7: a command is a list of words, not a text; write [nginx, -t]"
    )
    assert "write [dmesg, grep, oom]" in refused("argv: dmesg | grep oom")


@pytest.mark.parametrize(
    "words",
    [
        ["sh", "-c", "reboot"],
        ["/bin/bash", "-lc", "reboot"],
        ["env", "X=1", "sh", "-c", "reboot"],
        ["timeout", "5", "dash", "-ec", "reboot"],
        ["python3", "-c", "import os"],
        ["/usr/bin/python3.11", "-cimport os"],
        ["perl", "-e", "1"],
        ["node", "--eval=1"],
        ["ruby", "-e", "1"],
        ["php", "-r", "1"],
        ["awk", "BEGIN { system() }"],
        ["env", "-S", "sh -c reboot"],
    ],
)
def test_a_shell_or_code_in_a_text_is_refused_wherever_it_hides(words: list[str]) -> None:
    wrong = mistake(words)
    assert wrong is not None
    assert wrong.cure


@pytest.mark.parametrize(
    "words",
    [
        [],
        [""],
        ["-rf"],
        ["bin/nginx"],
        ["../nginx"],
        ["/usr/../bin/nginx"],
        ["nginx -t"],
        ["nginx|cat"],
        ["echo", "a\nb"],
        ["echo", "a\0b"],
        ["echo", "a\u2028b"],
        ["echo", "{{ $labels.instance }}"],
        ["echo", "{{.Value}}"],
        ["dmesg", "|", "grep"],
        ["true", "&&", "false"],
        ["echo", "x" * 5000],
        ["echo"] * 65,
    ],
)
def test_what_no_program_or_no_word_should_be_is_refused(words: list[str]) -> None:
    assert mistake(words) is not None


@pytest.mark.parametrize(
    "words",
    [
        ["nginx", "-t", "-c", "/etc/nginx.conf"],
        ["/usr/sbin/nginx"],
        ["redis-server", "/etc/redis.conf", "--daemonize", "yes"],
        ["python3", "-m", "app"],
        ["sh", "/opt/app/start.sh"],
        ["awk", "-f", "/opt/x.awk"],
        ["rndc", "reload", "a;b"],
    ],
)
def test_an_ordinary_command_is_taken(words: list[str]) -> None:
    assert mistake(words) is None


@given(st.lists(st.text(max_size=20), max_size=6))
def test_any_words_are_judged_without_an_error(words: list[str]) -> None:
    wrong = mistake(words)
    assert wrong is None or wrong.sentence


def test_the_place_of_a_wrong_word_is_named() -> None:
    assert refused('argv: [echo, "a\\nb"]').startswith("x.yml:1:14: ")


def test_an_exit_code_out_of_range_is_refused_at_its_place() -> None:
    text = refused("argv: ['true']\nallowed_rc: [256]")
    assert text == "x.yml:2:1: an exit code is a number from 0 to 255; write [0] or [0, 2]"
