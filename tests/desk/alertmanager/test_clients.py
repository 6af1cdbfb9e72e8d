"""Real clients: Debian's amtool, and another Alertmanager that sends its notifications here."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.desk import serving, town
from tests.desk.serving import Serving, alert, until
from tests.e2e.ports import Port

needs_amtool = pytest.mark.needs("amtool")


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Serving]:
    with Serving(town.write(tmp_path), tmp_path / "state") as running:
        yield running


def amtool(desk: Serving, *words: str) -> str:
    url = f"--alertmanager.url=http://127.0.0.1:{desk.staff}"
    found = subprocess.run(["amtool", url, *words], check=False, capture_output=True, text=True, timeout=30)
    assert found.returncode == 0, found.stderr
    return found.stdout


def told(desk: Serving, *words: str) -> Any:
    return json.loads(amtool(desk, *words, "-o", "json"))


def silenced(desk: Serving, *matchers: str) -> str:
    return amtool(desk, "silence", "add", "-c", "known", "-a", "ada", "-d", "1h", *matchers).strip()


@needs_amtool
def test_amtool_sets_shows_changes_and_ends_a_silence(desk: Serving) -> None:
    key = silenced(desk, "alertname=CheckoutDown", "instance=~web.*")
    [found] = told(desk, "silence", "query")
    assert (found["id"], found["createdBy"], found["comment"]) == (key, "ada", "known")
    assert {(one["name"], one["isRegex"], one["isEqual"]) for one in found["matchers"]} == {
        ("alertname", False, True),
        ("instance", True, True),
    }
    assert told(desk, "silence", "query", "alertname=Other") == []
    amtool(desk, "silence", "update", "-d", "2h", key)
    amtool(desk, "silence", "expire", key)
    assert told(desk, "silence", "query") == []
    [over] = told(desk, "silence", "query", "--expired")
    assert over["status"]["state"] == "expired"


@needs_amtool
def test_amtool_shows_alerts_and_which_of_them_are_silenced(desk: Serving) -> None:
    key = silenced(desk, "alertname=CheckoutDown")
    assert desk.post([alert(), alert("CheckoutSlow", region="eu")]).status == 200
    assert [one["labels"]["alertname"] for one in told(desk, "alert", "query")] == ["CheckoutSlow"]
    [muted] = told(desk, "alert", "query", "--silenced")
    assert (muted["status"]["state"], muted["status"]["silencedBy"]) == ("suppressed", [key])
    assert told(desk, "alert", "query", "region=us") == []


@needs_amtool
def test_amtool_posts_an_alert(desk: Serving) -> None:
    amtool(desk, "alert", "add", "alertname=CheckoutDown", "service=checkout", "instance=web1")
    until(lambda: len(desk.incidents()) == 1, "the alert opens an incident")


def test_a_silence_that_was_answered_outlives_a_kill(desk: Serving) -> None:
    for number in range(20):
        assert desk.ask("/api/v2/silences", method="POST", body=_silence(number)).status == 200
    desk.kill()
    desk.start()
    assert len(desk.ask("/api/v2/silences").json()) == 20


def test_alerts_come_in_groups_by_service(desk: Serving) -> None:
    desk.post([alert(), alert("CheckoutSlow", region="eu"), alert("Other", service="search")])
    groups = desk.ask("/api/v2/alerts/groups").json()
    assert [(one["labels"], len(one["alerts"])) for one in groups] == [
        ({"service": "checkout"}, 2),
        ({"service": "search"}, 1),
    ]
    assert desk.ask("/api/v2/alerts?receiver=nobody").json() == []
    assert desk.ask("/api/v2/receivers").json() == [{"name": "desk"}]


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"{}", 400),
        (b"[" * 10_000, 400),
        (
            b'{"matchers":[],"startsAt":"2026-01-01T00:00:00Z","endsAt":"2099-01-01T00:00:00Z","createdBy":"a","comment":""}',
            400,
        ),
        (
            b'{"matchers":[{"name":"a","value":"(","isRegex":true}],"startsAt":"2026-01-01T00:00:00Z","endsAt":"2099-01-01T00:00:00Z","createdBy":"a","comment":""}',
            400,
        ),
        (
            b'{"id":"nobody","matchers":[{"name":"a","value":"b","isRegex":false}],"startsAt":"2026-01-01T00:00:00Z","endsAt":"2099-01-01T00:00:00Z","createdBy":"a","comment":""}',
            404,
        ),
    ],
)
def test_what_is_no_silence_is_refused_with_a_sentence(desk: Serving, body: bytes, status: int) -> None:
    found = desk.ask("/api/v2/silences", method="POST", body=body)
    assert found.status == status
    assert isinstance(found.json(), str)
    assert desk.ask("/api/v2/silences").json() == []


def test_silences_are_for_staff_alone(desk: Serving) -> None:
    assert desk.ask("/api/v2/silences", public=True).status == 404


def _silence(number: int) -> bytes:
    return json.dumps(
        {
            "matchers": [{"name": "instance", "value": f"web{number}", "isRegex": False}],
            "startsAt": serving.stamp(0),
            "endsAt": serving.stamp(600),
            "createdBy": "ada",
            "comment": "",
        }
    ).encode()


@contextmanager
def another_alertmanager(folder: Path, webhook: str) -> Iterator[int]:
    """Run a real Alertmanager whose only receiver is this webhook."""
    config = folder / "alertmanager.yml"
    config.write_text(
        "route: {receiver: desk, group_wait: 0s, group_interval: 1s, "
        "repeat_interval: 4h, group_by: [alertname]}\n"
        f"receivers: [{{name: desk, webhook_configs: [{{url: '{webhook}', send_resolved: true}}]}}]\n"
    )
    port = Port.free()
    argv = ["prometheus-alertmanager", f"--config.file={config}", f"--storage.path={folder / 'data'}"]
    argv += [f"--web.listen-address={port}", "--cluster.listen-address="]
    process = subprocess.Popen(argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        yield port.number
    finally:
        process.kill()
        process.wait()
        port.close()


@pytest.mark.needs("prometheus-alertmanager")
def test_what_another_alertmanager_notifies_opens_and_ends_an_incident(desk: Serving, tmp_path: Path) -> None:
    with another_alertmanager(tmp_path, f"http://127.0.0.1:{desk.staff}/api/v1/webhook") as port:
        other = Serving(desk.config, desk.state, staff=port)
        until(lambda: _listens(other), "the other Alertmanager listens", 30)
        assert other.post([alert(remedy="acting")]).status == 200
        until(lambda: len(desk.incidents()) == 1, "its notification opens an incident", 30)
        assert desk.incidents()[0]["state"] != "resolved"
        assert other.post([alert(over=True, remedy="fixed")]).status == 200
        until(lambda: desk.incidents()[0]["state"] == "resolved", "its end ends the incident", 30)


def _listens(other: Serving) -> bool:
    try:
        return other.ask("/-/ready").status == 200
    except OSError:
        return False


def test_a_notification_of_another_version_is_refused(desk: Serving) -> None:
    body = json.dumps({"version": "3", "alerts": []}).encode()
    assert desk.ask("/api/v1/webhook", method="POST", body=body).status == 400
    assert desk.ask("/api/v1/webhook", method="POST", body=b"[]").status == 400
