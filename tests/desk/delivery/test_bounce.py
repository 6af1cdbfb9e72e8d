from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from desk.delivery.bounce import (
    REPORT_BYTES_MAX,
    SOFT_MAX,
    SOFT_WITHIN_MS,
    Bounce,
    NoReport,
    Weight,
    of_reply,
    read_report,
    suppression,
)

NOW_MS = 1_784_000_000_000
POSTFIX = b"""\
From: MAILER-DAEMON@mx.example (Mail Delivery System)
Subject: Undelivered Mail Returned to Sender
To: bounce+abc@shop.example
MIME-Version: 1.0
Content-Type: multipart/report; report-type=delivery-status; boundary="B"

--B
Content-Type: text/plain

I could not deliver.

--B
Content-Type: message/delivery-status

Reporting-MTA: dns; mx.example
Arrival-Date: Sun, 22 Nov 2026 05:00:00 +0000

Final-Recipient: rfc822; ada@acme.example
Original-Recipient: rfc822;Ada@acme.example
Action: failed
Status: 5.1.1
Remote-MTA: dns; mx.acme.example
Diagnostic-Code: smtp; 550 5.1.1 <ada@acme.example>:
    user unknown

--B
Content-Type: message/rfc822

Subject: Checkout

--B--
"""


def test_a_report_names_the_person_and_why() -> None:
    [found] = read_report(POSTFIX)
    assert found == Bounce("ada@acme.example", "5.1.1", "smtp; 550 5.1.1 <ada@acme.example>: user unknown")
    assert found.weight is Weight.HARD


def test_a_delay_is_passing_trouble() -> None:
    [found] = read_report(
        POSTFIX.replace(b"Action: failed", b"Action: delayed").replace(b"5.1.1\n", b"4.4.1\n")
    )
    assert found.weight is Weight.SOFT


def test_a_word_that_it_arrived_is_no_bounce() -> None:
    with pytest.raises(NoReport, match="of no recipient"):
        read_report(POSTFIX.replace(b"Action: failed", b"Action: delivered").replace(b"5.1.1", b"2.0.0"))


@pytest.mark.parametrize(
    "data", [b"", b"Subject: hello\n\nI am away until Monday.", POSTFIX.replace(b"report;", b"mixed;")]
)
def test_what_is_no_report_is_refused(data: bytes) -> None:
    with pytest.raises(NoReport):
        read_report(data)


def test_a_report_that_is_too_long_is_not_read() -> None:
    with pytest.raises(NoReport, match="bytes"):
        read_report(POSTFIX + b"x" * REPORT_BYTES_MAX)


@given(st.binary(max_size=400), st.integers(0, len(POSTFIX)))
def test_whatever_a_stranger_sends_is_read_or_refused(noise: bytes, at: int) -> None:
    try:
        found = read_report(POSTFIX[:at] + noise + POSTFIX[at:])
    except NoReport:
        return
    for one in found:
        assert one.text.isprintable()
        assert len(one.recipient) <= 254


@pytest.mark.parametrize(
    ("status", "weight"),
    [
        ("5.1.1", Weight.HARD), ("5.1.10", Weight.HARD), ("5.2.1", Weight.HARD), ("5.2.2", Weight.SOFT),
        ("5.7.1", Weight.SOFT), ("4.2.2", Weight.SOFT), ("2.1.5", Weight.NONE),
    ],
)  # fmt: skip
def test_only_what_says_that_nobody_is_there_is_hard(status: str, weight: Weight) -> None:
    assert Bounce("a@b.example", status).weight is weight


@pytest.mark.parametrize(
    ("reply", "status"),
    [("550 5.1.1 no such user", "5.1.1"), ("550 no such user", "5.1.1"), ("554 spam", "5.0.0")],
)
def test_what_a_server_says_at_once_counts_as_well(reply: str, status: str) -> None:
    assert of_reply("A@b.example", reply) == Bounce("a@b.example", status, reply)


def test_a_gone_address_is_left_at_once() -> None:
    assert "does not exist" in suppression(Bounce("a@b.example", "5.1.1"), (), NOW_MS)


def test_passing_trouble_is_borne_until_it_lasts() -> None:
    soft = Bounce("a@b.example", "4.2.2")
    before = [NOW_MS - 1_000 * number for number in range(SOFT_MAX - 1)]
    assert suppression(soft, before[1:], NOW_MS) == ""
    assert "5 times within 7 days" in suppression(soft, before, NOW_MS)
    assert suppression(soft, [at - SOFT_WITHIN_MS for at in before], NOW_MS) == ""
    assert suppression(Bounce("a@b.example", "2.1.5"), before, NOW_MS) == ""
