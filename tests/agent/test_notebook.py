from __future__ import annotations

from pathlib import Path

import pytest

from agent import notebook
from agent.notebook import Notebook


def test_what_was_written_is_read_and_nobody_else_may_read_it(tmp_path: Path) -> None:
    book = Notebook(tmp_path / "a.json")
    book.write({"a": [1, 2.5]})
    book.write({"a": [2, 2.5]})
    assert book.read() == {"a": [2, 2.5]}
    assert [file.name for file in tmp_path.iterdir()] == ["a.json"]
    assert (tmp_path / "a.json").stat().st_mode & 0o077 == 0


def test_an_absent_book_is_empty(tmp_path: Path) -> None:
    assert Notebook(tmp_path / "a.json").read() is None


@pytest.mark.parametrize("text", [b"", b"{", b"\xff", b"[" * 100_000])
def test_a_spoilt_book_begins_anew(tmp_path: Path, text: bytes) -> None:
    (tmp_path / "a.json").write_bytes(text)
    assert Notebook(tmp_path / "a.json").read() is None


def test_a_book_beyond_its_bound_begins_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(notebook, "BYTES_MAX", 10)
    (tmp_path / "a.json").write_text("[" + "1," * 100 + "1]")
    assert Notebook(tmp_path / "a.json").read() is None


def test_a_book_that_cannot_be_written_stops_nobody(tmp_path: Path) -> None:
    book = Notebook(tmp_path / "gone" / "a.json")
    book.write([1])
    assert book.read() is None
