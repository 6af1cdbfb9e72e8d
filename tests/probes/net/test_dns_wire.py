from __future__ import annotations

import socket
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model.misfit import Misfit
from probes.net.dns_names import QueryClass, QueryType, Rcode
from probes.net.dns_wire import Answer, Malformed, Name, Question, belongs, decoded

ASKED = Question(Name.parse("www.example.com"), 1, 1)


def message(records: bytes = b"", counts: tuple[int, int, int] = (0, 0, 0), flags: int = 0x8180) -> bytes:
    """Return an answer to the question, with these records after it."""
    head = b"".join(part.to_bytes(2, "big") for part in (7, flags, 1, *counts))
    return head + ASKED.encoded(7, recursion=True)[12:] + records


def record(data: bytes, kind: int, name: bytes = b"\xc0\x0c") -> bytes:
    size = len(data).to_bytes(2, "big")
    return name + kind.to_bytes(2, "big") + b"\0\1" + (300).to_bytes(4, "big") + size + data


def texts(*records: bytes) -> list[str]:
    answer = decoded(message(b"".join(records), (len(records), 0, 0)), ASKED)
    return [str(one).replace("\t", " ") for one in answer.answer]


def test_a_query_is_what_rfc_1035_draws() -> None:
    assert ASKED.encoded(0xABCD, recursion=True) == bytes.fromhex(
        "abcd 0100 0001 0000 0000 0000 03777777 076578616d706c65 03636f6d 00 0001 0001"
    )
    assert Question(Name.parse("."), 2, 1).encoded(1, recursion=False)[2:] == bytes.fromhex(
        "0000 0001 0000 0000 0000 00 0002 0001"
    )


@pytest.mark.parametrize(
    ("kind", "data", "text"),
    [
        ("A", "7f000001", "127.0.0.1"),
        ("AAAA", "20010db8000000000000000000000001", "2001:db8::1"),
        ("CNAME", "016103636f6d00", "a.com."),
        ("NS", "c00c", "www.example.com."),
        ("MX", "000a c010", "10 example.com."),
        ("TXT", "03613b62 022278", r'"a;b" "\"x"'),
        ("SOA", "c010 c00c" + "00000001" * 5, "example.com. www.example.com. 1 1 1 1 1"),
        ("SRV", "0001 0002 0050 c00c", "1 2 80 www.example.com."),
        ("CAA", "00 056973737565 63612e6578", '0 issue "ca.ex"'),
        ("DS", "0102 08 02 abcd", "258 8 2 ABCD"),
        ("SSHFP", "04 02 ab", "4 2 AB"),
        ("DNSKEY", "0101 03 08 0102", "257 3 8 AQI="),
        ("TLSA", "03 01 01 AB", "3 1 1 ab"),
        ("NULL", "0a0b", r"\# 2 0A0B"),
        ("NSEC3PARAM", "", r"\# 0"),
    ],
)  # fmt: skip  # one type on one line
def test_a_record_is_written_as_in_a_zone_file(kind: str, data: str, text: str) -> None:
    number = QueryType.parse(kind).number
    assert texts(record(bytes.fromhex(data), number)) == [f"www.example.com. 300 IN {kind} {text}"]


def test_what_is_special_in_a_name_is_escaped() -> None:
    assert texts(record(b"\x04a.\x07\\\x00", 5)) == [r"www.example.com. 300 IN CNAME a\.\007\\."]


def test_each_section_and_the_code_are_read() -> None:
    one = record(bytes(4), 1)
    answer = decoded(message(one * 6, (1, 2, 3), flags=0x8383), ASKED)
    assert [len(part) for part in (answer.answer, answer.authority, answer.additional)] == [1, 2, 3]
    assert (answer.rcode, answer.truncated, answer.serial) == (3, True, None)
    assert str(Rcode(answer.rcode)) == "NXDOMAIN"


def test_the_serial_is_that_of_the_last_start_of_authority() -> None:
    data = bytes.fromhex("c010c010") + (2025112201).to_bytes(4, "big") + bytes(16)
    assert decoded(message(record(data, 6), (1, 0, 0)), ASKED).serial == 2025112201


def test_a_thousand_records_and_a_loop_of_aliases_are_only_records() -> None:
    loop = [record(b"\xc0\x0c", 5)] * 2
    answer = decoded(message(b"".join([*loop, *[record(bytes(4), 1)] * 1000]), (1002, 0, 0)), ASKED)
    assert len(answer.answer) == 1002


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (b"", "cut short"),
        (message()[:20], "cut short"),
        (message(flags=0x0180), "not the answer"),
        (message(flags=0xA880), "not the answer"),
        (message(counts=(5000, 0, 0)), "more than 4096 records"),
        (message(counts=(1, 0, 0)), "cut short"),
        (message().replace(b"\3www", b"\3xxx"), "another question"),
        (message(record(b"\xc0\x2d", 5), (1, 0, 0)), "points where no name"),
        (message(record(b"", 1, name=b"\xc0\x21"), (1, 0, 0)), "points where no name"),
        (message(record(b"", 1, name=b"\xc0\xff"), (1, 0, 0)), "points where no name"),
        (message(record(b"", 1, name=b"\xc0\x00"), (1, 0, 0)), "points where no name"),
        (message(record(b"", 1, name=b"\x40" + bytes(64)), (1, 0, 0)), "too long"),
        (message(record(b"\x3f" + b"a" * 63, 5) * 1, (1, 0, 0)), "cut short"),
        (message(record((b"\x3f" + b"a" * 63) * 4 + b"\0", 5), (1, 0, 0)), "too long"),
        (message(record(b"\x05ab", 16), (1, 0, 0)), "cut short"),
        (message(record(bytes(5), 1), (1, 0, 0)), "longer than such a one"),
        (message(record(bytes(3), 1), (1, 0, 0)), "cut short"),
        (message(record(b"", 1)[:-1] + b"\x09", (1, 0, 0)), "a record is cut short"),
    ],
)
def test_what_is_malformed_is_refused(data: bytes, sentence: str) -> None:
    with pytest.raises(Malformed, match=sentence):
        decoded(data, ASKED)


def test_a_long_chain_of_pointers_ends() -> None:
    hops = bytearray(b"\1a\0")
    start = len(message()) + 12
    for at in range(2000):
        target = start + (3 + 2 * (at - 1) if at else 0)
        hops += (0xC000 | target).to_bytes(2, "big")
    last = (0xC000 | (start + 3 + 2 * 1999)).to_bytes(2, "big")
    data = message(record(bytes(hops), 10) + record(b"", 10, name=last), (2, 0, 0))
    with pytest.raises(Malformed, match="without end"):
        decoded(data, ASKED)


def test_a_message_full_of_pointers_costs_little() -> None:
    long = b"".join(b"\x01" + bytes((97 + at % 26,)) for at in range(120)) + b"\0"
    start = len(message()) + 12
    many = record(b"", 10, name=(0xC000 | start).to_bytes(2, "big"))
    data = message(record(long, 10) + many * 4000, (4001, 0, 0))
    began = time.thread_time()
    assert len(decoded(data, ASKED).answer) == 4001
    assert time.thread_time() - began < 1


@given(st.binary(max_size=200), st.integers(0, 3))
def test_any_bytes_are_an_answer_or_malformed(data: bytes, count: int) -> None:
    for whole in (data, message(data, (count, 0, 1))):
        try:
            assert isinstance(decoded(whole, ASKED), Answer)
        except Malformed:
            continue


def test_only_the_answer_to_ones_own_query_belongs() -> None:
    assert belongs(message(), 7)
    assert not belongs(message(), 8)
    assert not belongs(ASKED.encoded(7, recursion=True), 7)
    assert not belongs(b"\0\7", 7)


@pytest.mark.parametrize("text", ["a..b", "." * 3, "a" * 64, "a." * 128, "ä" * 64, ".a"])
def test_what_is_no_domain_name_is_refused(text: str) -> None:
    with pytest.raises(Misfit, match="is not a domain name"):
        Name.parse(text)


def test_a_name_is_written_in_ascii() -> None:
    assert str(Name.parse("bücher.example.")) == "xn--bcher-kva.example."
    assert str(Name.parse(".")) == "."


def test_numbers_have_names() -> None:
    assert (str(QueryType.parse("AAAA")), str(QueryType(65280))) == ("AAAA", "TYPE65280")
    assert (str(QueryClass.parse("CH")), str(QueryClass(9)), str(Rcode(15))) == ("CH", "CLASS9", "RCODE15")
    for kind, text in ((QueryType, "a"), (QueryClass, "INTERNET"), (Rcode, "3")):
        with pytest.raises(Misfit, match="is not a DNS"):
            kind.parse(text)


def test_addresses_are_those_of_the_system() -> None:
    assert texts(record(socket.inet_aton("192.0.2.1"), 1))[0].endswith(" 192.0.2.1")
