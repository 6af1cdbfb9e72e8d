"""Staff plans, moves and calls off work over HTTP; what is wrong is said, and the public has no such door."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.desk import town
from tests.desk.serving import Reply, Serving, stamp, until

PATH = "/api/v1/maintenances"


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    folder = tmp_path_factory.mktemp("desk")
    with Serving(town.write(folder), folder / "state") as found:
        yield found


def ask(desk: Serving, path: str, method: str = "POST", **body: Any) -> Reply:
    headers = {"Content-Type": "application/json"}
    return desk.ask(path, method=method, body=json.dumps(body).encode(), headers=headers)


def work(**more: Any) -> dict[str, Any]:
    day = stamp(86_400 * 3)
    return {
        "by": "Eve",
        "services": ["search"],
        "start": day,
        "end": stamp(86_400 * 3 + 3_600),
        "impact": "degraded",
        "title": {"en": "New disks", "de": "Neue Platten"},
        **more,
    }


def test_work_is_planned_shown_moved_and_called_off(desk: Serving) -> None:
    planned = ask(desk, PATH, **work())
    assert planned.status == 200, planned.text
    key = planned.json()["id"]
    page = desk.ask(f"/maintenances/{key}", public=True)
    assert page.status == 200
    assert "New disks" in page.text
    assert "New disks" in desk.ask("/", public=True).text
    assert f"UID:{key}@" in desk.ask("/maintenance.ics", public=True).text
    moved = ask(desk, f"{PATH}/{key}", "PATCH", by="Eve", end=stamp(86_400 * 3 + 7_200))
    assert (moved.status, moved.json()["sequence"]) == (200, 1)
    begun = ask(desk, f"{PATH}/{key}", "PATCH", by="Eve", state="in_progress")
    assert begun.json()["state"] == "in_progress"
    back = ask(desk, f"{PATH}/{key}", "PATCH", by="Eve", state="scheduled")
    assert (back.status, "does not go back" in back.text) == (409, True)
    off = ask(desk, f"{PATH}/{key}/cancel", by="Eve")
    assert off.json()["state"] == "cancelled"
    assert ask(desk, f"{PATH}/{key}/cancel", by="Eve").status == 409
    assert key in [one["id"] for one in desk.ask(PATH).json()]


@pytest.mark.parametrize(
    ("more", "status", "said"),
    [
        ({"services": ["serch"]}, 400, "there is no service 'serch'"),
        ({"services": []}, 400, "touches no service"),
        ({"end": stamp(86_400)}, 400, "it ends before it begins"),
        ({"start": "2020-01-01T00:00:00Z", "end": "2020-01-01T01:00:00Z"}, 400, "it lies in the past"),
        ({"start": "soon"}, 400, "'soon' is not a moment"),
        ({"impact": "unknown"}, 400, "is no impact"),
        ({"notice": "We guarantee that it works."}, 400, "holds a promise"),
        ({"todo": "Call birch."}, 400, "the name of a customer"),
        ({"affects": "nobody"}, 400, "names nobody"),
        ({"colour": "red"}, 400, "colour"),
        ({"by": ""}, 400, "empty"),
    ],
)
def test_what_is_wrong_is_said(desk: Serving, more: dict[str, Any], status: int, said: str) -> None:
    found = ask(desk, PATH, **work(**more))
    assert found.status == status
    assert said in found.text


def test_two_works_on_one_service_conflict(desk: Serving) -> None:
    times = {"start": stamp(86_400 * 9), "end": stamp(86_400 * 9 + 60)}
    assert ask(desk, PATH, **work(**times)).status == 200
    second = ask(desk, PATH, **work(**times))
    assert (second.status, "it overlaps" in second.text) == (409, True)


def test_work_that_nobody_knows_is_not_found(desk: Serving) -> None:
    assert ask(desk, f"{PATH}/nothing", "PATCH", by="Eve").status == 404
    assert desk.ask("/maintenances/nothing", public=True).status == 404


def test_the_public_address_has_no_such_door(desk: Serving) -> None:
    assert desk.ask(PATH, public=True).status == 404
    assert desk.ask("/api/v1/notices", public=True).status == 404


def test_what_a_human_announces_can_be_called_back_before_it_leaves(desk: Serving) -> None:
    times = {"start": stamp(86_400 * 5), "end": stamp(86_400 * 5 + 60)}
    key = ask(desk, PATH, **work(services=["checkout"], title="Gone again", **times)).json()["id"]
    ask(desk, f"{PATH}/{key}/cancel", by="Eve")
    time.sleep(0.3)
    assert "Gone again" not in desk.ask("/mailbox").text


def test_a_desk_takes_up_its_files_and_refuses_what_is_wrong(tmp_path: Path) -> None:
    config = town.write(tmp_path, "maintenance: [work.yaml]\n")
    text = (
        "maintenances:\n- maintenance: disks\n  services: [search]\n  impact: minor\n  title: New disks\n"
        f"  start: {stamp(86_400)}\n  end: {stamp(90_000)}\n"
    )
    (tmp_path / "work.yaml").write_text(text)
    with Serving(config, tmp_path / "state") as desk:
        assert "New disks" in desk.ask("/maintenances/disks", public=True).text
        until(lambda: "New disks" in desk.ask("/mailbox").text, "the announcement is in the mailbox")
        refused = ask(desk, f"{PATH}/disks", "PATCH", by="Eve", end=stamp(99_000))
        assert (refused.status, "it stands in a file" in refused.text) == (409, True)
    (tmp_path / "work.yaml").write_text(text.replace("search", "serch"))
    with pytest.raises(AssertionError, match="there is no service 'serch'"):
        Serving(config, tmp_path / "state").start()
