"""What is posted is signed as the standard says, goes where it is meant to go, and nowhere inside."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Iterator
from dataclasses import replace

import pytest
from standardwebhooks import Webhook
from standardwebhooks.webhooks import WebhookVerificationError

from desk.channels import CHANNELS, webhook
from desk.channels.webhook import (
    BODY_BYTES_MAX,
    RETRY_AFTER_S_MAX,
    Forbidden,
    Options,
    secret_of,
    shown,
    signature,
    way_to,
)
from model.duration import seconds
from model.plugin import Deadline, Line, Undelivered
from tests.desk.channels.receiver import Receiver, receiver
from tests.desk.delivery.test_mime import MESSAGE

SECRET = b"s" * 32
PUBLIC = "93.184.216.34"


@pytest.fixture
def there() -> Iterator[Receiver]:
    with receiver() as found:
        yield found


def line(there: Receiver, timeout_s: float = 10) -> Line:
    return webhook.CHANNEL.open(Options(SECRET, time.time, there.inside, seconds(timeout_s)))


def soon() -> Deadline:
    return Deadline(time.monotonic() + 10, time.monotonic)


def refused(there: Receiver) -> Undelivered:
    with pytest.raises(Undelivered) as fact:
        line(there).say(replace(MESSAGE, to=there.url), soon())
    return fact.value


def test_the_channel_is_listed() -> None:
    assert webhook.CHANNEL in CHANNELS


def test_the_signature_is_that_of_the_standards_own_example() -> None:
    secret = base64.b64decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    body = b'{"test": 2432232314}'
    found = signature(secret, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, body)
    assert found == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_the_official_verifier_takes_what_is_posted(there: Receiver) -> None:
    assert line(there).say(replace(MESSAGE, to=there.url), soon()) == "200 ok"
    [(path, headers, body)] = there.posts
    assert path == "/hook?for=us"
    told = Webhook(shown(secret_of(SECRET, there.url))).verify(body, headers)
    assert told["data"]["text"] == MESSAGE.text
    with pytest.raises(WebhookVerificationError):
        Webhook(shown(secret_of(SECRET, "https://other.example/"))).verify(body, headers)
    with pytest.raises(WebhookVerificationError):
        Webhook(shown(secret_of(SECRET, there.url))).verify(body + b" ", headers)


def test_a_second_try_has_the_same_id(there: Receiver) -> None:
    for _ in range(2):
        line(there).say(replace(MESSAGE, to=there.url), soon())
    first, second = (headers["webhook-id"] for _, headers, _ in there.posts)
    assert first == second
    assert "." not in first


def test_a_redirect_is_not_followed(there: Receiver) -> None:
    there.status, there.headers = 302, {"Location": f"http://127.0.0.1:{there.port}/elsewhere"}
    fact = refused(there)
    assert fact.permanent
    assert len(there.posts) == 1


@pytest.mark.parametrize(
    ("status", "permanent"), [(400, True), (404, True), (410, True), (429, False), (503, False), (500, False)]
)
def test_what_may_pass_is_tried_again_and_what_does_not_is_not(
    there: Receiver, status: int, permanent: bool
) -> None:
    there.status = status
    assert refused(there).permanent is permanent


NOW_S = 1_000_000_000  # Sun, 09 Sep 2001 01:46:40 GMT


@pytest.mark.parametrize(
    ("header", "wait_s"),
    [
        ("120", 120),
        (" 120 ", 120),
        ("31536000", RETRY_AFTER_S_MAX),
        ("9" * 5_000, RETRY_AFTER_S_MAX),
        ("Sun, 09 Sep 2001 01:47:40 GMT", 60),
        ("Sun, 09 Sep 2001 01:46:00 GMT", 0),
        ("Sun, 09 Sep 9999 01:46:00 GMT", RETRY_AFTER_S_MAX),
        ("Sun, 99 Sep 2001 01:47:40 GMT", 0),
        ("-5", 0),
        ("\u0661\u0662", 0),
        ("soon", 0),
        ("", 0),
    ],
)
def test_how_long_to_wait_is_read_within_an_hour(header: str, wait_s: float) -> None:
    assert webhook.wait_s(header, NOW_S) == wait_s


@pytest.mark.parametrize(("status", "after_s"), [(429, 120), (503, 120), (500, 0), (404, 0)])
def test_whoever_is_busy_says_for_how_long(there: Receiver, status: int, after_s: float) -> None:
    there.status, there.headers = status, {"Retry-After": "120"}
    assert refused(there).after_s == after_s


@pytest.mark.parametrize(("status", "gone"), [(410, True), (404, False), (500, False)])
def test_only_410_says_that_the_hook_is_gone(there: Receiver, status: int, gone: bool) -> None:
    there.status = status
    assert refused(there).gone is gone


def test_an_answer_that_does_not_come_leaves_it_in_doubt(there: Receiver) -> None:
    there.gate.clear()
    with pytest.raises(Undelivered) as fact:
        line(there, 0.5).say(replace(MESSAGE, to=there.url), soon())
    assert fact.value.unknown


def test_nobody_there_is_tried_again(there: Receiver) -> None:
    gone = Receiver(port=9)
    assert not refused(gone).permanent


def test_a_long_answer_is_not_read_to_its_end(there: Receiver) -> None:
    there.body = b"x" * 5_000_000
    assert len(line(there).say(replace(MESSAGE, to=there.url), soon())) <= 200


def test_a_long_message_is_cut_and_stays_json(there: Receiver) -> None:
    line(there).say(replace(MESSAGE, to=there.url, text="ü\x01" * 50_000), soon())
    body = there.posts[0][2]
    assert len(body) <= BODY_BYTES_MAX
    assert json.loads(body)["data"]["text"].endswith("…")


@pytest.mark.parametrize(
    "address",
    [
        *("127.0.0.1", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1", "0.0.0.0"),
        *("::1", "fe80::1", "fd00::1", "::ffff:127.0.0.1", "::", "224.0.0.1", "ff02::1", "2002:7f00:1::"),
        *("192.0.2.1", "255.255.255.255", "64:ff9b::7f00:1"),
    ],
)
def test_nothing_is_sent_to_an_address_inside(address: str) -> None:
    with pytest.raises(Forbidden, match="not the world's"):
        way_to("https://hook.example/", frozenset(), lambda *_: [address])


def test_one_address_inside_among_those_of_a_name_is_enough_to_refuse() -> None:
    with pytest.raises(Forbidden):
        way_to("https://hook.example/", frozenset(), lambda *_: [PUBLIC, "127.0.0.1"])


def test_what_was_looked_at_is_what_is_connected_to() -> None:
    answers = iter([[PUBLIC], ["127.0.0.1"]])
    found = way_to("https://hook.example:8443/x", frozenset(), lambda *_: next(answers))
    assert (found.address, found.host, found.port) == (PUBLIC, "hook.example", 8443)


@pytest.mark.parametrize(
    "text",
    [
        *(
            "http://hook.example/",
            "ftp://hook.example/",
            "https://",
            "https://user:pass@hook.example/",
            "//x",
        ),
        *("file:///etc/passwd", "https://hook.example:99999/", "gopher://hook.example:70/", ""),
    ],
)
def test_what_is_no_address_for_webhooks_is_refused(text: str) -> None:
    with pytest.raises(Forbidden):
        way_to(text, frozenset(), lambda *_: [PUBLIC])


@pytest.mark.parametrize(
    "text", ["https://2130706433/", "https://0x7f.1/", "https://localhost/", "https://[::1]/"]
)
def test_other_spellings_of_this_machine_are_this_machine(text: str) -> None:
    with pytest.raises((Forbidden, Undelivered)):
        way_to(text, frozenset(), webhook.resolved)
