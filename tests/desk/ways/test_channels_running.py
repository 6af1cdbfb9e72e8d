"""A desk as it really runs tells people by mail, hook and chat, and notices a channel that falls silent."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from standardwebhooks import Webhook

from desk.channels.webhook import secret_of, shown
from desk.main import main
from tests.desk import town
from tests.desk.channels.receiver import Receiver, receiver
from tests.desk.delivery.test_bounce import POSTFIX
from tests.desk.post import Post, post_office
from tests.desk.serving import Serving, alert, until
from tests.desk.town import ADA, BEN, ON_CALL

CATALOGUE = town.CATALOGUE.replace(
    "email: ben@acme.example}", "email: ben@acme.example, via: [webhook], addresses: {webhook: HOOK}}"
).replace("email: oncall@shop.example}", "email: oncall@shop.example, via: [chat, email], chat: oncall}")
MAIL = """\
smtp: {{host: 127.0.0.1, port: {mail}, from: status@shop.example, return_path: bounce@shop.example}}
"""
CHANNELS = """\
channels:
  webhooks: {{inside: ["127.0.0.1:{web}"]}}
  chats: [{{chat: oncall, address_file: oncall.url}}]
"""
CANARIES = """\
  canaries:
    tell: payments
    every: 10s
    missing_after: 10s
    to: [{{channel: email, to: canary@shop.example}}, {{channel: webhook, to: "http://127.0.0.1:{web}/canary"}}]
"""


@dataclass(frozen=True, slots=True)
class Running:
    """A desk, the mail server that it writes to, and what listens for its posts."""

    desk: Serving
    post: Post
    there: Receiver

    def posts(self, path: str) -> list[tuple[dict[str, str], bytes]]:
        return [(headers, body) for found, headers, body in self.there.posts if found.startswith(path)]

    def metrics(self) -> str:
        return self.desk.ask("/metrics").text


@contextmanager
def running(folder: Path, more: str = "") -> Iterator[Running]:
    with post_office() as post, receiver() as there:
        hook = f"http://127.0.0.1:{there.port}/ben"
        catalogue = CATALOGUE.replace("HOOK", f"'{hook}'")
        text = (MAIL + CHANNELS + more).format(mail=post.port, web=there.port)
        config = town.write(folder, text, catalogue)
        (folder / "oncall.url").write_text(f"json://127.0.0.1:{there.port}/team", encoding="utf-8")
        (folder / "oncall.url").chmod(0o600)
        with Serving(config, folder / "state") as desk:
            yield Running(desk, post, there)


def test_people_are_told_by_mail_and_hook_and_the_team_in_its_chat(tmp_path: Path) -> None:
    with running(tmp_path) as found:
        assert found.desk.post([alert(remedy="failed")]).status == 200
        until(lambda: bool(found.posts("/ben")), "the hook is told")
        until(lambda: bool(found.posts("/team")), "the team is called")
        found.post.wait(lambda: bool(found.post.to(ADA)))
        assert found.post.to(BEN) == []
        [(headers, body)] = found.posts("/ben")
        secret = bytes.fromhex((tmp_path / "state" / "secret").read_text(encoding="ascii"))
        hook = f"http://127.0.0.1:{found.there.port}/ben"
        told = Webhook(shown(secret_of(secret, hook))).verify(body, headers)
        [incident] = found.desk.incidents()
        assert (told["type"], told["data"]["incident"]) == ("notice.first", incident["id"])
        [(_, called)] = found.posts("/team")
        assert "needs you" in json.loads(called)["title"]


def test_a_link_that_is_only_opened_says_nothing_and_posted_says_that_it_is_seen(tmp_path: Path) -> None:
    with running(tmp_path) as found:
        found.desk.post([alert(remedy="failed")])
        until(lambda: bool(found.posts("/team")), "the team is called")
        [(_, called)] = found.posts("/team")
        path = "/seen/" + json.loads(called)["message"].rpartition("/seen/")[2].split()[0]
        for _ in range(2):
            page = found.desk.ask(path, public=True)
            assert page.status == 200
            assert "button" in page.text
        assert 'role="status"' in found.desk.ask(path, method="POST", public=True).text
        assert "button" not in found.desk.ask(path, public=True).text
        assert found.desk.ask(path[:-1] + "x", method="POST", public=True).status == 404


def test_a_report_counts_only_where_it_came_to_the_persons_own_address(tmp_path: Path) -> None:
    with running(tmp_path) as found:
        found.desk.post([alert(remedy="failed")])
        found.post.wait(lambda: bool(found.post.to(ADA)))
        [mail] = found.post.to(ADA)
        assert mail.sender.startswith("bounce+")
        assert found.desk.ask("/api/v1/bounces", method="POST", body=POSTFIX).status == 400
        assert found.desk.ask("/api/v1/suppressed").json() == []
        genuine = POSTFIX.replace(b"bounce+abc@shop.example", mail.sender.encode())
        assert found.desk.ask("/api/v1/bounces", method="POST", body=genuine).json() == {"known": 1}
        assert [one["email"] for one in found.desk.ask("/api/v1/suppressed").json()] == [ADA]


def test_a_canary_that_comes_back_is_timed_and_one_that_does_not_is_an_alert(tmp_path: Path) -> None:
    with running(tmp_path, CANARIES) as found:
        found.post.wait(lambda: bool(found.post.to("canary@shop.example")))
        until(lambda: bool(found.posts("/canary")), "the hook has its canary")
        mail = found.post.to("canary@shop.example")[-1]
        back = found.desk.ask("/canary", method="POST", body=mail.data, public=True)
        assert (back.status, back.json()) == (200, {"channel": "email"})
        assert 'beforehand_canary_seconds{channel="email"}' in found.metrics()
        assert found.desk.ask("/canary", method="POST", body=b"canary-email-1-x", public=True).status == 400
        silent = 'beforehand_channel_silent{channel="webhook"} 1.0'
        until(lambda: silent in found.metrics(), "the hook is silent", 40)
        names = [one["labels"]["alertname"] for one in found.desk.ask("/api/v2/alerts").json()]
        assert "DeskChannelSilent" in names
        until(
            lambda: any(b"by webhook" in body for _, body in found.posts("/team")), "the team hears of it", 40
        )
        assert found.post.to(ON_CALL) == []
        _, body = found.posts("/canary")[-1]
        assert found.desk.ask("/canary", method="POST", body=body, public=True).status == 200
        until(lambda: silent not in found.metrics(), "the hook speaks again")


def test_a_chat_that_cannot_be_opened_keeps_the_desk_from_starting(tmp_path: Path) -> None:
    with receiver() as there:
        more = CHANNELS.format(web=there.port)
        config = town.write(tmp_path, more)
    desk = Serving(config, tmp_path / "state")
    with pytest.raises(AssertionError, match=r"oncall\.url cannot be read"):
        desk.start()
    desk.stop()


def test_a_receiver_is_given_the_secret_of_its_own_address(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config, state = town.write(tmp_path), tmp_path / "state"
    with Serving(config, state):
        pass
    hook = "https://hooks.acme.example/status"
    given = ["--config", str(config), "--state", str(state)]
    assert main([*given, "--hook-secret", hook]) == 0
    secret = bytes.fromhex((state / "secret").read_text(encoding="ascii"))
    assert capsys.readouterr().out.strip() == shown(secret_of(secret, hook))
    assert main([*given, "--hook-secret", "ftp://hooks.acme.example"]) == 78


def test_a_hook_that_hangs_holds_up_no_mail(tmp_path: Path) -> None:
    with running(tmp_path) as found:
        found.there.gate.clear()
        found.desk.post([alert(remedy="failed")])
        until(lambda: bool(found.posts("/ben")) or bool(found.posts("/team")), "a post hangs")
        found.post.wait(lambda: len(found.post.mails) >= 2)
        assert not found.there.gate.is_set()
        found.there.gate.set()
