"""The desk as a process: over HTTP and SMTP, under attack, and after being killed at any moment."""

from __future__ import annotations

import json
import random
import re
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import pytest

from desk.main import EX_CONFIG, EX_TEMPFAIL, main
from model.grant import host_key
from tests.desk import asking, serving, town
from tests.desk.post import Post, post_office
from tests.desk.serving import Serving, alert, until
from tests.desk.town import ADA, BEN, CLEO

PEOPLE = {ADA, BEN, CLEO}


def smtp(port: int) -> str:
    return f'smtp: {{host: 127.0.0.1, port: {port}, from: "Example Shop <status@shop.example>"}}\n'


def arrived(post: Post, count: int) -> bool:
    return len(post.mails) >= count


@pytest.fixture(scope="module")
def quiet_desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    """A desk with a local mailbox, shared by the tests that do not mind."""
    folder = tmp_path_factory.mktemp("desk")
    with Serving(town.write(folder), folder / "state") as running:
        yield running


@pytest.fixture
def post() -> Iterator[Post]:
    with post_office() as found:
        yield found


@pytest.fixture
def desk(tmp_path: Path, post: Post) -> Iterator[Serving]:
    with Serving(town.write(tmp_path, smtp(post.port)), tmp_path / "state") as running:
        yield running


def test_the_walk_from_an_alert_to_its_people_and_back(desk: Serving, post: Post) -> None:
    assert desk.post([alert()]).status == 200
    post.wait(lambda: len(post.mails) == 3)
    until(lambda: bool(desk.incidents()[0]["told_ms"]), "the first answer is written down")
    [incident] = desk.incidents()
    told_after_ms = incident["told_ms"] - incident["opened_ms"]
    assert 0 <= told_after_ms < 5_000
    assert desk.post([alert(over=True, remedy="fixed")]).status == 200
    post.wait(lambda: len(post.mails) == 6)
    assert Counter(mail.to for mail in post.mails) == {(person,): 2 for person in PEOPLE}
    assert desk.incidents()[0]["state"] == "resolved"
    first, last = post.to(BEN)
    assert last.message["In-Reply-To"] == first.id
    assert first.message["Subject"] == last.message["Subject"]
    page = desk.ask("/", public=True).text
    assert "Checkout" in page
    assert desk.stop() == 0


def test_many_posts_at_once_are_one_incident(desk: Serving, post: Post) -> None:
    batch = [alert(instance=f"web{n}") for n in range(20)]
    with ThreadPoolExecutor(8) as pool:
        assert {reply.status for reply in pool.map(desk.post, [batch] * 60)} == {200}
    post.wait(lambda: len(post.mails) >= 3)
    assert len(desk.incidents()) == 1
    assert len(desk.incidents()[0]["alerts"]) == 20
    assert Counter(mail.to for mail in post.mails) == {(person,): 1 for person in PEOPLE}


@pytest.mark.parametrize("moment_s", [0.0, 0.002, 0.005, 0.01, 0.02, 0.05])
def test_a_kill_at_any_moment_loses_nothing_and_doubles_at_most_the_mail_in_flight(
    tmp_path: Path, post: Post, moment_s: float
) -> None:
    config = town.write(tmp_path, smtp(post.port))
    desk = Serving(config, tmp_path / "state")
    with desk:
        accepted: list[int] = []

        def push() -> None:
            try:
                accepted.append(desk.post([alert()]).status)
            except (OSError, ConnectionError):
                accepted.append(0)

        pushing = threading.Thread(target=push)
        pushing.start()
        time.sleep(moment_s)
        desk.kill()
        pushing.join(20)
        desk.start()
        if accepted != [200]:
            assert desk.post([alert()]).status == 200
        post.wait(lambda: {mail.to for mail in post.mails} == {(person,) for person in PEOPLE})
        desk.kill()
        desk.start()
        assert desk.post([alert(over=True, remedy="fixed")]).status == 200
        until(lambda: desk.incidents()[0]["state"] == "resolved", "the incident ends")
        post.wait(lambda: all(len({mail.id for mail in post.to(person)}) == 2 for person in PEOPLE))
        assert len(desk.incidents()) == 1
        doubled = len(post.mails) - len({(mail.to, mail.id) for mail in post.mails})
        assert doubled <= 2, "two kills leave at most two mails in doubt"


def test_a_kill_in_the_middle_of_many_mails_forgets_nobody(tmp_path: Path, post: Post) -> None:
    crowd = "".join(f"  - {{name: P, email: p{n}@acme.example}}\n" for n in range(300))
    text = town.CATALOGUE.replace("  - {name: Ben, email: ben@acme.example}\n", crowd)
    desk = Serving(town.write(tmp_path, smtp(post.port), text), tmp_path / "state")
    with desk:
        assert desk.post([alert()]).status == 200
        for share in (30, 90, 170, 260):
            post.wait(partial(arrived, post, share))
            desk.kill()
            desk.start()
        post.wait(lambda: len({mail.to for mail in post.mails}) == 302, 30)
        doubled = Counter(mail.to for mail in post.mails).total() - 302
        assert doubled <= 4, "each kill leaves at most one mail in doubt"
        assert len({mail.id for mail in post.mails}) == 302


def test_a_mail_server_that_is_away_delays_and_loses_nothing(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with Serving(town.write(tmp_path, smtp(port)), tmp_path / "state") as desk:
        assert desk.post([alert()]).status == 200
        until(lambda: "cannot be used" in json.dumps(desk.incidents()), "the failure is written down")
        with post_office(port) as post:
            post.wait(lambda: len(post.mails) == 3, 30)
            assert {mail.to for mail in post.mails} == {(person,) for person in PEOPLE}


def test_a_hold_ends_by_itself(tmp_path: Path, post: Post) -> None:
    config = town.write(tmp_path, smtp(post.port), config_text=town.CONFIG.replace("60s", "1s"))
    with Serving(config, tmp_path / "state") as desk:
        desk.post([alert("CheckoutSlow", region="eu")])
        assert not desk.incidents()[0]["told"]
        post.wait(lambda: len(post.mails) == 2)
        assert {mail.to for mail in post.mails} == {(ADA,), (BEN,)}


def test_the_link_in_a_mail_changes_nothing_until_it_is_posted(desk: Serving, post: Post) -> None:
    desk.post([alert()])
    post.wait(lambda: len(post.mails) == 3)
    [mail] = post.to(BEN)
    link = re.search(r"<http://[^/]+(/unsubscribe/[^>]+)>", str(mail.message["List-Unsubscribe"]))
    assert link is not None
    for _ in range(5):
        assert "form method" in desk.ask(link[1], public=True).text
    one_click = {"Content-Type": "application/x-www-form-urlencoded"}
    for _ in range(2):
        reply = desk.ask(
            link[1], method="POST", body=b"List-Unsubscribe=One-Click", headers=one_click, public=True
        )
        assert (reply.status, "set-cookie" in reply.headers) == (200, False)
    assert "no more messages" in desk.ask(link[1], public=True).text
    desk.post([alert(over=True, remedy="fixed")])
    post.wait(lambda: len(post.mails) == 5)
    assert len(post.to(BEN)) == 1
    for bad in (
        link[1][:-1] + ("0" if link[1][-1] != "0" else "1"),
        link[1].replace("checkout", "search"),
        "/unsubscribe/x",
    ):
        assert desk.ask(bad, method="POST", body=b"", public=True).status == 404


@pytest.mark.parametrize(
    ("body", "kind", "status"),
    [
        (b"", "application/json", 400),
        (b"{}", "application/json", 400),
        (b"[" * 100_000, "application/json", 400),
        (b'[{"labels":{}}]', "application/json", 400),
        (b'[{"labels":{"alertname":"X"}}]', "text/plain", 415),
        (b" " * (9 << 20), "application/json", 413),
    ],
)
def test_a_bad_body_is_refused_and_the_desk_goes_on(
    quiet_desk: Serving, body: bytes, kind: str, status: int
) -> None:
    try:
        reply = quiet_desk.ask("/api/v2/alerts", method="POST", body=body, headers={"Content-Type": kind})
    except (BrokenPipeError, ConnectionResetError):
        assert status == 413, "only an endless body is cut off"
    else:
        assert reply.status == status
    assert quiet_desk.ask("/-/ready").status == 200


def test_sound_alerts_beside_bad_ones_are_stored_before_the_answer(quiet_desk: Serving) -> None:
    good = alert("Lonely", service="nobody")
    reply = quiet_desk.post([{"labels": {}}, good])
    assert (reply.status, reply.json()) == (400, "at least one label pair required")
    found = quiet_desk.ask('/api/v2/alerts?filter=alertname%3D"Lonely"').json()
    assert [one["labels"]["alertname"] for one in found] == ["Lonely"]
    assert found[0]["status"]["state"] == "active"
    assert len(found[0]["fingerprint"]) == 16


def test_what_labels_say_stays_text(quiet_desk: Serving) -> None:
    evil = "<script>alert(1)</script>\r\nBcc: x@y.example\x00"
    one = alert("CheckoutDown", evil=evil)
    one["annotations"] = {
        "notice": evil,
        "summary": evil,
        "beforehand_status": "failed",
        "beforehand_reason": evil,
    }
    assert quiet_desk.post([one]).status == 200
    until(lambda: len(quiet_desk.incidents()[0]["told"]) == 3, "everybody is told")
    until(lambda: len(quiet_desk.incidents()[0]["called"]) == 1, "the team is called")
    for path in ("/", "/history", "/mailbox", "/incidents/" + quiet_desk.incidents()[0]["id"]):
        reply = quiet_desk.ask(path)
        assert reply.status == 200
        assert "<script>" not in reply.text
        assert (
            "script-src" in reply.headers["content-security-policy"]
            or "default-src 'none'" in reply.headers["content-security-policy"]
        )
    # The rule's own words are refused as a whole, and the usual ones are said.
    assert "alert(1)" not in quiet_desk.ask("/").text
    folder = quiet_desk.state / "mailbox" / "new"
    for letter in folder.iterdir():
        head = letter.read_bytes().partition(b"\n\n")[0]
        assert b"\nBcc" not in head
        assert b"\x00" not in head


def test_nobody_reads_staff_pages_from_the_public_side(quiet_desk: Serving) -> None:
    for path in ("/mailbox", "/api/v1/incidents", "/api/v2/alerts", "/-/healthy"):
        assert quiet_desk.ask(path, public=True).status == 404
    assert quiet_desk.ask("/", headers={"Host": "evil.example"}).status == 421
    assert quiet_desk.ask("/api/v2/alerts", method="PUT").status == 405
    page = quiet_desk.ask("/", public=True).text
    assert "ada@" not in page
    assert "web1" not in page


@pytest.mark.parametrize("query", ["limit=0", "limit=-1", "limit=1000000000", "limit=x"])
def test_a_limit_beyond_reason_is_refused(quiet_desk: Serving, query: str) -> None:
    assert quiet_desk.ask(f"/api/v1/incidents?{query}").status == 400


def test_paths_of_all_kinds_find_nothing(quiet_desk: Serving) -> None:
    for path in (
        "/..%2f..%2fetc/passwd",
        "/static/..%2fview.py",
        "/incidents/%00",
        "/mailbox/..%2f..%2fsecret",
        "//",
        "/api/v1/incidents/x",
    ):
        assert quiet_desk.ask(path).status in (400, 404)


def test_every_mistake_is_said_before_anything_starts(tmp_path: Path) -> None:
    config = town.write(tmp_path, "colour: red\n", config_text=town.CONFIG.replace("60s", "soon"))
    process = serving.launch(config, tmp_path / "state")
    _, errors = process.communicate(timeout=20)
    assert process.returncode == EX_CONFIG
    assert "desk.yaml:6:7: " in errors
    assert "desk.yaml:7:1: unknown key 'colour'" in errors
    assert not (tmp_path / "state").exists()


def test_a_second_desk_on_the_same_state_ends_at_once(quiet_desk: Serving) -> None:
    process = serving.launch(quiet_desk.config, quiet_desk.state)
    _, errors = process.communicate(timeout=20)
    assert process.returncode == EX_TEMPFAIL
    assert "another desk works" in errors


def test_random_bytes_never_end_the_desk(quiet_desk: Serving) -> None:
    chance = random.Random(7)
    for _ in range(30):
        with socket.create_connection(("127.0.0.1", quiet_desk.staff), 5) as raw:
            raw.sendall(chance.randbytes(200) + b"\r\n\r\n")
    assert quiet_desk.ask("/-/healthy").status == 200


def test_the_desk_prints_the_approval_key_of_a_host_and_starts_nothing(tmp_path: Path) -> None:
    asking.serve(tmp_path, 25)
    argv = [sys.executable, "-m", "desk.main", "--config", str(tmp_path / "desk.yaml"), "--host-key", "web1"]
    found = subprocess.run(argv, cwd=serving.ROOT, capture_output=True, text=True, check=True)
    assert found.stdout.strip() == host_key(asking.KEY, "web1").hex()
    assert found.stdout.strip() != asking.KEY.hex()


def test_without_a_key_of_its_own_the_desk_has_none_for_hosts(tmp_path: Path) -> None:
    config = town.write(tmp_path)
    argv = [sys.executable, "-m", "desk.main", "--config", str(config), "--host-key", "web1"]
    found = subprocess.run(argv, cwd=serving.ROOT, capture_output=True, text=True, check=False)
    assert (found.returncode, found.stdout) == (EX_CONFIG, "")
    assert "names no approval_key_file" in found.stderr


def test_a_desk_whose_clock_was_never_set_waits_for_it_and_takes_nothing_meanwhile(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("desk.main.now_ms", lambda: 86_400_000)
    code = main(["--config", str(town.write(tmp_path)), "--state", str(tmp_path / "state")])
    assert code == EX_TEMPFAIL, "the system starts it again, until the clock is right"
    assert "the clock of this machine was never set" in capsys.readouterr().err
    assert not (tmp_path / "state").exists()
