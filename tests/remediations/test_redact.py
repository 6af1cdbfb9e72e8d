from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from remediations.redact import presentable, redacted


@pytest.mark.parametrize(
    "text",
    [
        "mysql --password hunter2 -u root",
        "app --db-password=hunter2",
        "PGPASSWORD=hunter2 psql",
        'curl -H "Authorization: Bearer hunter2hunter2"',
        "token: hunter2",
        'api_key="hunter2"',
        '{"secret": "hunter2"}',
        "postgres://app:hunter2@db/shop",
        "Secret=hunter2;next",
        "passwd = hunter2",
    ],
)
def test_a_secret_that_has_a_name_is_hidden(text: str) -> None:
    assert "hunter2" not in redacted(text)


@pytest.mark.parametrize("text", ["nginx: master process", "pid 12 rss 3.5", "http://a.example/b?c=d"])
def test_an_ordinary_line_stays_as_it_is(text: str) -> None:
    assert redacted(text) == text


@pytest.mark.parametrize(
    "word", ["x", "pass", "-pass", "--", "--pass ", "pass='", "://", "auth=auth=", "://a:b"]
)
def test_no_text_takes_more_time_than_its_length_deserves(word: str) -> None:
    # What takes the square of its length would take minutes here, and the test would be ended.
    assert redacted(word * 100_000)


@given(st.binary(max_size=300))
def test_any_bytes_become_a_text_without_controls(data: bytes) -> None:
    text = presentable(data, 100)
    assert all(character.isprintable() or character in "\n\t" or ord(character) > 0x9F for character in text)


def test_a_cut_is_marked() -> None:
    assert presentable(b"x" * 11, 10) == "x" * 10 + "\n[cut]"
    assert presentable(b"x" * 10, 10) == "x" * 10
