"""Each message goes out on the line of its channel, and a test on none that reaches outside."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from standardwebhooks import Webhook

from desk.catalogue.person import EmailAddress, Sender
from desk.channels.webhook import secret_of, shown
from desk.config import Config, read_config
from desk.delivery.event import Notice, of_notice
from desk.ways.lines import host_of, open_lines
from model.misfit import Rejected
from model.plugin import Deadline, Line, Message, Undelivered
from tests.desk import town
from tests.desk.channels.receiver import Receiver, receiver
from tests.desk.delivery.test_mime import MESSAGE
from tests.desk.post import post_office

SECRET = b"s" * 32
SENDER = Sender("Example", EmailAddress("status@example.com"))


@pytest.fixture
def there() -> Iterator[Receiver]:
    with receiver() as found:
        yield found


def soon() -> Deadline:
    return Deadline(time.monotonic() + 10, time.monotonic)


def configured(folder: Path, more: str, there: Receiver | None = None) -> Config:
    """Write a desk.yaml with secret files beside it, and read it."""
    if there:
        for name, text in {
            "team.url": f"json://127.0.0.1:{there.port}/team",
            "sms.url": f"json://127.0.0.1:{there.port}/sms/{{phone}}",
        }.items():
            (folder / name).write_text(text, encoding="utf-8")
            (folder / name).chmod(0o600)
    path = folder / "desk.yaml"
    path.write_text(town.CONFIG + more, encoding="utf-8")
    return read_config(path)


@contextmanager
def lines(config: Config, letters: Path | None = None) -> Iterator[Line]:
    made = open_lines(config, SENDER, letters, SECRET, time.time)
    try:
        yield made
    finally:
        made.close()


def to(channel: str, address: str, subject: str = "Kasse") -> Message:
    return replace(MESSAGE, channel=channel, to=address, subject=subject)


def refusal(line: Line, message: Message) -> Undelivered:
    with pytest.raises(Undelivered) as fact:
        line.say(message, soon())
    return fact.value


EVERY = """\
channels:
  webhooks: {{inside: ["127.0.0.1:{port}"]}}
  chats: [{{chat: oncall, address_file: team.url}}, {{chat: lab, address_file: team.url, test: true}}]
  sms: {{address_file: sms.url}}
"""


def test_each_message_goes_out_on_the_line_of_its_channel(tmp_path: Path, there: Receiver) -> None:
    with post_office() as post:
        mail = f"smtp: {{host: 127.0.0.1, port: {post.port}, from: status@example.com}}\n"
        config = configured(tmp_path, mail + EVERY.format(port=there.port), there)
        with lines(config) as line:
            line.say(to("email", "ada@acme.example"), soon())
            line.say(to("webhook", there.url), soon())
            line.say(to("chat", "oncall"), soon())
            line.say(to("sms", "+491701234567"), soon())
        assert [mail.to for mail in post.mails] == [("ada@acme.example",)]
    paths = [path for path, _, _ in there.posts]
    assert paths[:2] == ["/hook?for=us", "/team"]
    assert paths[2].startswith("/sms")
    assert "491701234567" in paths[2]


def test_a_message_on_a_channel_that_is_not_open_fails_for_good(tmp_path: Path) -> None:
    with lines(configured(tmp_path, ""), tmp_path / "mailbox") as line:
        assert refusal(line, to("sms", "+491701234567")).permanent
        assert refusal(line, to("chat", "oncall")).permanent


def test_a_chat_that_is_not_named_fails_for_good(tmp_path: Path, there: Receiver) -> None:
    with lines(configured(tmp_path, EVERY.format(port=there.port), there), tmp_path / "mailbox") as line:
        fact = refusal(line, to("chat", "json://127.0.0.1/evil"))
    assert fact.permanent
    assert there.posts == []


@pytest.mark.parametrize("all_is_test", [True, False])
def test_a_test_reaches_no_hook_chat_or_telephone_outside(
    tmp_path: Path, there: Receiver, all_is_test: bool
) -> None:
    more = EVERY.format(port=there.port) + ("test_mode: true\n" if all_is_test else "")
    subject = "Kasse" if all_is_test else "[TEST] Kasse"
    with lines(configured(tmp_path, more, there), tmp_path / "mailbox") as line:
        for channel, address in (("webhook", there.url), ("chat", "oncall"), ("sms", "+491701234567")):
            assert refusal(line, to(channel, address, subject)).permanent
        assert there.posts == []
        line.say(to("chat", "lab", subject), soon())
    [(_, _, body)] = there.posts
    assert json.loads(body)["title"].startswith("[TEST] ")


def test_a_test_reaches_the_hooks_of_hosts_that_are_named_for_tests(tmp_path: Path, there: Receiver) -> None:
    config = configured(
        tmp_path, EVERY.format(port=there.port) + "test_domains: [hooks.lab.example]\n", there
    )
    with lines(config, tmp_path / "mailbox") as line:
        fact = refusal(line, to("webhook", "https://hooks.lab.example/x", "[TEST] Kasse"))
    # It passed the fence, and such a host there is not.
    assert "tests alone" not in fact.sentence


@pytest.mark.parametrize(
    ("url", "host"),
    [
        ("https://hooks.Lab.example:8443/x", "hooks.lab.example"),
        ("https://lab.example@evil.example/", "evil.example"),
        ("https://evil.example/#@lab.example", "evil.example"),
        ("https://evil.example?lab.example", "evil.example"),
    ],
)
def test_the_host_of_a_hook_is_where_it_leads(url: str, host: str) -> None:
    assert host_of(url) == host


def test_nothing_goes_inside_that_is_not_named(tmp_path: Path, there: Receiver) -> None:
    with lines(configured(tmp_path, ""), tmp_path / "mailbox") as line:
        fact = refusal(line, to("webhook", there.url))
    assert fact.permanent
    assert there.posts == []


def test_an_address_of_a_chat_that_others_can_read_is_refused(tmp_path: Path, there: Receiver) -> None:
    config = configured(tmp_path, EVERY.format(port=there.port), there)
    (tmp_path / "team.url").chmod(0o644)
    with pytest.raises(Rejected, match="others can use it"):
        open_lines(config, SENDER, tmp_path / "mailbox", SECRET, time.time)


def test_a_chat_that_nobody_knows_is_refused_without_its_secret(tmp_path: Path, there: Receiver) -> None:
    config = configured(tmp_path, EVERY.format(port=there.port), there)
    (tmp_path / "team.url").write_text("nonsense://secret-token", encoding="utf-8")
    with pytest.raises(Rejected, match="cannot be opened") as wrong:
        open_lines(config, SENDER, tmp_path / "mailbox", SECRET, time.time)
    assert "secret-token" not in str(wrong.value)


def test_an_address_for_telephones_has_room_for_the_number(tmp_path: Path, there: Receiver) -> None:
    config = configured(tmp_path, EVERY.format(port=there.port), there)
    (tmp_path / "sms.url").write_text("json://127.0.0.1/", encoding="utf-8")
    with pytest.raises(Rejected, match="phone"):
        open_lines(config, SENDER, tmp_path / "mailbox", SECRET, time.time)


NOTICE = Notice(
    kind="update",
    incident="0123456789ab",
    number=3,
    service="checkout",
    service_name="Checkout",
    state="identified",
    impact="major",
    test=False,
    started_ms=1_784_000_000_000,
    ended_ms=0,
    next_update_ms=1_784_000_600_000,
    url="https://status.example/incidents/0123456789ab",
)


def test_a_hook_is_told_the_facts_and_the_official_verifier_takes_them(
    tmp_path: Path, there: Receiver
) -> None:
    message = replace(to("webhook", there.url), event=of_notice(NOTICE))
    with lines(configured(tmp_path, EVERY.format(port=there.port), there), tmp_path / "mailbox") as line:
        line.say(message, soon())
    [(_, headers, body)] = there.posts
    told = Webhook(shown(secret_of(SECRET, there.url))).verify(body, headers)
    assert told["type"] == "notice.update"
    assert told["data"] == {
        "title": "Kasse",
        "text": MESSAGE.text,
        "language": "de",
        "incident": "0123456789ab",
        "number": 3,
        "service": "checkout",
        "service_name": "Checkout",
        "state": "identified",
        "impact": "major",
        "test": False,
        "started_at": "2026-07-14T03:33:20.000Z",
        "ended_at": None,
        "next_update_at": "2026-07-14T03:43:20.000Z",
        "url": "https://status.example/incidents/0123456789ab",
    }
