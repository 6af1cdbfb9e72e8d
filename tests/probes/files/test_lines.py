from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from model.regex import compiled
from probes.files import lines
from probes.files.lines import LINE_BYTES_MAX, Records, Splitter, cleaned, printable


@given(st.lists(st.binary(max_size=40)))
def test_lines_come_out_whole_however_they_were_cut(blocks: list[bytes]) -> None:
    splitter = Splitter()
    whole = b"".join(splitter.whole(block) for block in blocks)
    everything = b"".join(blocks)
    assert whole == everything[: everything.rfind(b"\n") + 1]
    assert (whole + splitter.rest()).removesuffix(b"\n") == everything.removesuffix(b"\n")


@given(st.lists(st.tuples(st.booleans(), st.sampled_from([b"a", b"\n", b"b\n", b"\nc", b"d\ne\nf"]))))
def test_each_line_is_either_taken_or_counted_as_passed_over(blocks: list[tuple[bool, bytes]]) -> None:
    splitter = Splitter()
    taken = 0
    for passed, block in blocks:
        if passed:
            splitter.passed(block)
        else:
            taken += splitter.whole(block).count(b"\n")
    taken += splitter.whole(b"\n").count(b"\n")
    assert taken + splitter.dropped == sum(block.count(b"\n") for _, block in blocks) + 1


def test_a_line_of_ten_megabytes_is_cut_and_the_next_one_is_whole() -> None:
    splitter = Splitter()
    stream = b"x" * 10_000_000 + b"\nnext\n"
    blocks = [stream[at : at + 65536] for at in range(0, len(stream), 65536)]
    found = b"".join(splitter.whole(block) for block in blocks).split(b"\n")
    assert LINE_BYTES_MAX <= len(found[0]) <= 2 * LINE_BYTES_MAX
    assert found[1:] == [b"next", b""]
    assert splitter.cut == 1


def test_a_long_line_that_is_passed_over_later_counts_once() -> None:
    splitter = Splitter()
    assert splitter.whole(b"x" * LINE_BYTES_MAX).count(b"\n") == 1
    splitter.passed(b"rest of it\nanother\n")
    assert splitter.dropped == 1


def test_what_began_before_the_stream_is_nobodys_line() -> None:
    splitter = Splitter(midway=True)
    assert splitter.whole(b"rest\nfirst\n") == b"first\n"
    assert splitter.dropped == 0


def test_text_is_cleaned_of_escapes_and_of_what_is_no_text() -> None:
    assert cleaned(b"\x1b[1;31merror\x1b[0m: disk\r\n") == "error: disk\n"
    assert cleaned(b"\x1b]0;title\x07error") == "error"
    assert cleaned(b"\xff\xfe bad\n") == "\ufffd\ufffd bad\n"
    assert cleaned(b"\x1b[" + b"1" * 1000) == "[" + "1" * 1000
    assert cleaned("Grüße\n".encode()) == "Grüße\n"


def test_escapes_without_end_take_linear_time() -> None:
    assert len(cleaned(b"\x1b]" * 200_000)) == 200_000
    assert len(cleaned(b"\x1b[0" * 200_000)) == 400_000


def test_an_excerpt_has_no_control_characters() -> None:
    assert printable("a\x00b\x9bc\td\ne\r", 100) == "a\ufffdb\ufffdc\td\ne\ufffd"
    assert printable("abc", 2) == "ab"


def test_lines_are_joined_to_the_record_that_they_belong_to() -> None:
    records = Records(compiled(r"^\d{4}"))
    assert records.joined(["  of what was before", "2024 one", "  at a"]) == ["  of what was before"]
    assert records.joined(["  at b", "2024 two"]) == ["2024 one\n  at a\n  at b"]
    assert records.flush() == ["2024 two"]
    assert records.flush() == []


def test_a_record_without_end_is_held_to_its_limits() -> None:
    records = Records(compiled("^start"))
    records.joined(["start", *(["  more"] * 10_000)])
    assert len(records.flush()[0].split("\n")) == lines.RECORD_LINES_MAX
    records.joined(["start", *(["x" * 10_000] * 100)])
    assert len(records.flush()[0]) <= lines.RECORD_CHARS_MAX + 10_001
