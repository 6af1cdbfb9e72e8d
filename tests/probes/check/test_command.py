"""Commands of one's own: exit codes, matches and numbers."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from model.decode import decode
from model.misfit import Rejected
from model.plugin import Remark
from probes.check.command import PROBE, Options
from probes.check.program_options import Unreadable
from probes.program import NotStarted
from tests.probes.targets import values, within


def options(text: str) -> Options:
    return decode(text.encode(), "f", Options)


def told(script: str, more: str = "", left_s: float = 20) -> dict[str, float]:
    argv = json.dumps(["/bin/sh", "-c", script])
    return values(PROBE.look(options(f"{{command: q, argv: {argv}{more}}}"))(within(left_s)))


def test_a_command_is_told_by_its_exit_code() -> None:
    found = told("exit 7")
    assert found['beforehand_command_exit_code{command="q"}'] == 7
    assert found['beforehand_command_duration_seconds{command="q"}'] >= 0
    assert 'beforehand_command_matched{command="q"}' not in found


def test_a_command_that_a_signal_ends_has_a_negative_code() -> None:
    assert told("kill -9 $$")['beforehand_command_exit_code{command="q"}'] == -9


def test_a_command_that_takes_too_long_says_so() -> None:
    found = told("sleep 60", left_s=0.5)
    assert found['beforehand_command_overtime{command="q"}'] == 1


@pytest.mark.parametrize(("pattern", "matched"), [("^two$", 0), ("(?m)^two$", 1), ("three", 0)])
def test_a_match_is_looked_for_in_the_output(pattern: str, matched: float) -> None:
    found = told("echo one; echo two; echo three >&2", f", matches: {json.dumps(pattern)}")
    assert found['beforehand_command_matched{command="q"}'] == matched


def test_numbers_are_found_by_expression() -> None:
    more = r", values: {depth: {regex: 'depth=(\d+)'}, whole: {regex: '[0-9.]+'}, none: {regex: 'x(.)'}}"
    found = told("echo depth=42 load 1.5", more)
    assert found['beforehand_command_value{command="q", name="depth"}'] == 42
    assert found['beforehand_command_value{command="q", name="whole"}'] == 42
    assert 'beforehand_command_value{command="q", name="none"}' not in found


def test_numbers_are_found_by_path() -> None:
    more = ", values: {a: {json: '$.q[0].depth'}, ok: {json: $.ok}, text: {json: $.text}, list: {json: $.q}}"
    found = told("""echo '{"q": [{"depth": 3}], "ok": true, "text": "1.5"}'""", more)
    names = {
        name: found.get(f'beforehand_command_value{{command="q", name="{name}"}}') for name in ("a", "ok")
    }
    assert names == {"a": 3, "ok": 1}
    assert found['beforehand_command_value{command="q", name="text"}'] == 1.5
    assert 'beforehand_command_value{command="q", name="list"}' not in found


@pytest.mark.parametrize(
    "output",
    [
        "",
        "{",
        '{"v": null}',
        '{"v": "x"}',
        '{"v": NaN}',
        '{"v": 1e999}',
        '{"v": ' + "9" * 400 + "}",
    ],
)
def test_a_number_that_is_not_there_is_left_out(output: str) -> None:
    found = told(f"echo '{output}'", ", values: {v: {json: $.v}}")
    assert 'beforehand_command_value{command="q", name="v"}' not in found
    assert found['beforehand_command_exit_code{command="q"}'] == 0


def test_a_document_that_is_too_deep_or_too_long_has_no_numbers() -> None:
    for script in ("head -c 60000 /dev/zero | tr '\\0' '['", """echo '{"v": 1,'; head -c 70000 /dev/zero"""):
        assert 'beforehand_command_value{command="q", name="v"}' not in told(
            script, ", values: {v: {json: $.v}}"
        )


def test_the_output_is_passed_on_in_words() -> None:
    seen = PROBE.look(options("{command: q, argv: [/bin/echo, hello]}"))(within(20))
    assert [one.text for one in seen if isinstance(one, Remark)] == ["hello"]


def test_a_secret_comes_from_a_file_and_is_in_no_argument(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("s3cret\n")
    more = f", env: {{USER: ada, N: 5}}, env_files: {{PASSWORD: {tmp_path}/secret}}"
    found = told('[ "$PASSWORD-$USER-$N" = s3cret-ada-5 ]', more)
    assert found['beforehand_command_exit_code{command="q"}'] == 0


def test_a_secret_that_cannot_be_read_makes_the_target_unknown(tmp_path: Path) -> None:
    with pytest.raises(Unreadable, match="cannot be read"):
        told("true", f", env_files: {{PASSWORD: {tmp_path}/nothing}}")
    with pytest.raises(Unreadable, match="is not a text file"):
        told("true", f", env_files: {{PASSWORD: {tmp_path}}}")


def test_a_command_that_is_not_there_makes_the_target_unknown() -> None:
    with pytest.raises(NotStarted):
        list(PROBE.look(options("{command: q, argv: [/nowhere/x]}"))(within(5)))


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("{command: q, argv: [true]}", "absolute path"),
        ("{command: q, argv: []}", "absolute path"),
        ("{command: q, argv: /bin/true}", "expected a list"),
        ("{command: '', argv: [/bin/true]}", "needs a name"),
        ("{command: q, argv: [/bin/true], values: {a: {}}}", "exactly one way"),
        ("{command: q, argv: [/bin/true], values: {a: {regex: x, json: $.x}}}", "exactly one way"),
        ("{command: q, argv: [/bin/true], values: {a: {json: '$..'}}}", "not a JSON path"),
        ("{command: q, argv: [/bin/true], matches: '('}", "not a regular expression"),
        ("{command: q, argv: [/bin/true], env: {'A=B': x}}", "cannot be a variable"),
    ],
)
def test_a_mistake_is_told_in_a_sentence(text: str, sentence: str) -> None:
    with pytest.raises(Rejected, match=sentence):
        options(text)
