"""Grafana's Alertmanager data source and karma: the requests that they make, made here, and their needs.

Neither is in Debian, so what they send was read in their sources and is repeated exactly.

Grafana with ``implementation: prometheus``. Its browser side
(public/app/plugins/datasource/alertmanager/ DataSource.ts) tests a data source by ``GET
/api/v1/status/buildinfo``, where 404 means no Mimir; ``GET /alertmanager/api/v2/status``, which must not
be 200, or the data source is taken for a Mimir; and ``GET /api/v2/status``, which must be 200. Its
server (pkg/services/ngalert/api/lotex_am.go and util.go) passes on ``GET /api/v2/status``, ``GET
/api/v2/alerts``, ``GET /api/v2/alerts/groups``, ``GET`` and ``POST /api/v2/silences``, ``GET`` and
``DELETE /api/v2/silence/ID`` with the query of the browser as it is: ``filter`` again and again, with
the value always in quotes (public/app/features/alerting/unified/utils/matchers.ts), ``active``,
``silenced``, ``inhibited``, ``unprocessed``, ``receiver`` (unified/api/alertmanagerApi.ts), and for
silences ``ruleMetadata`` and ``accesscontrol``, which are its own (unified/api/alertSilencesApi.ts). An
answer that is read must have a Content-Type with ``json`` in it. Of the status it reads
``config.original`` as YAML of Alertmanager and takes the route out of it without a look whether there is
one (pkg/services/ngalert/api/tooling/definitions, GettableStatus). A silence is changed by a POST with
its id.

karma (internal/alertmanager/models.go, internal/verprobe, internal/mapper/v017) reads ``GET /metrics``
for the label ``version`` of ``alertmanager_build_info``, which need not be there: then it takes the
newest API it knows, and any of 0.22 or newer is the same to it; ``GET /api/v2/alerts/groups`` and ``GET
/api/v2/silences`` without a query; and its browser side sends ``POST /api/v2/silences`` and ``DELETE
/api/v2/silence/ID`` through it. Older ones also read ``GET /api/v2/status``, where ``cluster.status`` is
one of three words.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from tests.desk import town
from tests.desk.alertmanager.test_clients import amtool
from tests.desk.clients.shapes import ALERT, GROUP, SILENCE, STATUS, misfits
from tests.desk.serving import Reply, Serving, alert, stamp

ODD = '"a name"="x"'
QUIET = {"Content-Type": "application/json", "User-Agent": "Grafana/12.3.0", "X-Grafana-Org-Id": "1"}


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Serving]:
    with Serving(town.write(tmp_path), tmp_path / "state") as running:
        assert running.post([alert(), alert("CheckoutSlow", region="eu"), alert("Slow", service="search")])
        yield running


def got(desk: Serving, path: str, *query: tuple[str, str]) -> Any:
    reply = desk.ask(f"{path}?{urlencode(query)}" if query else path, headers=QUIET)
    assert (reply.status, "json" in reply.headers["content-type"]) == (200, True), reply
    return reply.json()


def names(alerts: list[dict[str, Any]]) -> set[str]:
    return {one["labels"]["alertname"] for one in alerts}


def silence(**more: object) -> dict[str, object]:
    """Return a silence as the Go client of the API writes it."""
    matchers = [
        {"isEqual": True, "isRegex": False, "name": "alertname", "value": "CheckoutDown"},
        {"isEqual": False, "isRegex": True, "name": "region", "value": "us|asia"},
    ]
    times = {"startsAt": stamp(0).replace("Z", ".000Z"), "endsAt": stamp(7200).replace("Z", ".000Z")}
    return {"comment": "known, 4711", "createdBy": "ada", "matchers": matchers, **times, **more}


def sent(desk: Serving, body: dict[str, object]) -> Reply:
    return desk.ask("/api/v2/silences", method="POST", body=json.dumps(body).encode(), headers=QUIET)


def test_grafana_finds_a_prometheus_alertmanager_and_no_mimir(desk: Serving) -> None:
    assert desk.ask("/api/v1/status/buildinfo").status == 404
    assert desk.ask("/alertmanager/api/v2/status").status == 404
    assert desk.ask("/api/v2/status").status == 200


def test_the_status_holds_the_route_that_grafana_takes_out_of_it(desk: Serving) -> None:
    status = got(desk, "/api/v2/status")
    assert misfits(status, STATUS) == []
    original = yaml.safe_load(status["config"]["original"])
    known = {one["name"] for one in original["receivers"]}
    assert original["route"]["receiver"] in known == {one["name"] for one in got(desk, "/api/v2/receivers")}
    assert [set(one["labels"]) for one in got(desk, "/api/v2/alerts/groups")] == [
        set(original["route"]["group_by"])
    ] * 2


def test_grafana_lists_alerts_and_groups_with_the_query_that_it_sends(desk: Serving) -> None:
    every = (("silenced", "true"), ("active", "true"), ("inhibited", "true"))
    listed = got(desk, "/api/v2/alerts", *every)
    assert misfits(listed, [ALERT]) == []
    assert names(listed) == {"CheckoutDown", "CheckoutSlow", "Slow"}
    chosen = [("filter", 'service="checkout"'), ("filter", 'region=~"eu|us"'), ("unprocessed", "false")]
    assert names(got(desk, "/api/v2/alerts", *chosen)) == {"CheckoutSlow"}
    groups = got(desk, "/api/v2/alerts/groups", ("filter", 'service!="search"'), ("receiver", "desk"), *every)
    assert misfits(groups, [GROUP]) == []
    assert [names(one["alerts"]) for one in groups] == [{"CheckoutDown", "CheckoutSlow"}]
    assert got(desk, "/api/v2/alerts/groups", ("active", "false")) == []


def test_grafana_makes_shows_changes_and_ends_a_silence(desk: Serving) -> None:
    made = sent(desk, silence())
    assert (made.status, "json" in made.headers["content-type"]) == (200, True)
    key = made.json()["silenceID"]
    own = (("ruleMetadata", "true"), ("accesscontrol", "true"))
    [listed] = got(desk, "/api/v2/silences", *own)
    assert misfits(listed, SILENCE) == []
    assert misfits(got(desk, f"/api/v2/silence/{key}", *own), SILENCE) == []
    assert (listed["id"], listed["comment"], len(listed["matchers"])) == (key, "known, 4711", 2)
    [muted] = got(desk, "/api/v2/alerts", ("silenced", "true"), ("active", "false"))
    assert (muted["status"]["state"], muted["status"]["silencedBy"]) == ("suppressed", [key])
    changed = sent(desk, silence(id=key, comment="longer")).json()["silenceID"]
    assert got(desk, f"/api/v2/silence/{changed}")["comment"] == "longer"
    ended = desk.ask(f"/api/v2/silence/{changed}", method="DELETE", headers=QUIET)
    assert ended.status == 200
    assert {one["status"]["state"] for one in got(desk, "/api/v2/silences")} == {"expired"}


def test_a_refusal_is_one_that_grafana_can_show(desk: Serving) -> None:
    refused = sent(desk, silence(matchers=[]))
    assert refused.status == 400
    assert "json" in refused.headers["content-type"]
    # It quotes a name that no label here can have.
    odd = desk.ask("/api/v2/alerts?" + urlencode({"filter": ODD}), headers=QUIET)
    assert (odd.status, odd.json()) == (400, "bad filter: expected a label name")


def test_karma_reads_what_it_shows(desk: Serving) -> None:
    families = list(text_string_to_metric_families(desk.ask("/metrics").text))
    assert families, "karma looks for a version among them"
    assert "alertmanager_build_info" not in {one.name for one in families}, "we are none, and it needs none"
    assert sent(desk, silence()).status == 200
    assert misfits(got(desk, "/api/v2/alerts/groups"), [GROUP]) == []
    assert misfits(got(desk, "/api/v2/silences"), [SILENCE]) == []


@pytest.mark.needs("amtool")
def test_amtool_takes_the_status_for_a_sound_configuration(desk: Serving, tmp_path: Path) -> None:
    assert "desk" in amtool(desk, "config", "routes", "test", "service=checkout")
    assert "receivers:" in amtool(desk, "config", "show")
    written = tmp_path / "am.yml"
    written.write_text(got(desk, "/api/v2/status")["config"]["original"])
    assert "SUCCESS" in amtool(desk, "check-config", str(written))
