"""What Prometheus, programs and people read of the figures, over HTTP."""

from __future__ import annotations

import json
from dataclasses import replace
from html.parser import HTMLParser

import pytest
from prometheus_client.parser import text_string_to_metric_families

from desk.ledger.said import share
from desk.ledger.share import Share
from tests.desk.ledger.scene import Asking, asking
from tests.desk.stage import Stage
from tests.desk.town import ADA, BEN, CLEO, FIXED, ended, signal

CANARIES = (ADA, BEN, CLEO, "Ada", "Cleo", "acme", "birch")


def scraped(desk: Asking) -> dict[tuple[str, tuple[str, ...]], float]:
    reply = desk.ask("/metrics")
    assert reply.headers["content-type"].startswith("text/plain; version=")
    return {
        (sample.name, tuple(value for _, value in sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(reply.text)
        for sample in family.samples
    }


def live_through(stage: Stage, desk: Asking) -> None:
    """One incident of 60 s: all told after 1 s, then one report, one denial."""
    down = signal()
    stage.hear(down)
    stage.now_ms += 1_000
    stage.deliver()
    stage.now_ms += 1_000
    desk.report(kind="symptom", who=BEN, intake="portal")
    desk.report(kind="not_affected", who=CLEO, intake="mail")
    stage.now_ms += 58_000
    fixed = replace(FIXED, healed_ms=stage.now_ms, verified_ms=stage.now_ms)
    stage.hear(ended(down, stage.now_ms, fixed))
    stage.deliver()
    stage.now_ms += 31 * 60_000


def test_a_scrape_has_every_name_and_the_right_counts(stage: Stage) -> None:
    with asking(stage) as desk:
        before = scraped(desk)
        assert ("beforehand_incidents_total", ("before",)) not in before
        live_through(stage, desk)
        found = scraped(desk)
    assert found["beforehand_incidents_total", ("before",)] == 1
    assert found["beforehand_episodes_total", ("fast",)] == 1
    assert found["beforehand_experienced_minutes_total", ("major", "checkout")] == pytest.approx(2)
    assert found["beforehand_notice_truth_total", ("tp",)] == 1
    assert found["beforehand_notice_truth_total", ("fp",)] == 1
    assert found["beforehand_notice_truth_total", ("fn",)] == 0
    assert found["beforehand_notice_truth_total", ("unknown",)] == 1
    assert found["beforehand_promise_total", ("yes",)] == 1
    assert found["beforehand_promise_total", ("no",)] == 0
    assert found["beforehand_reports_total", ("portal", "yes", "yes")] == 1
    assert found["beforehand_delivery_total", ("email", "accepted")] == 6
    assert found["beforehand_notice_seconds_bucket", ("0.5", "total")] == 0
    assert found["beforehand_notice_seconds_bucket", ("1.0", "total")] == 3
    assert found["beforehand_notice_seconds_count", ("total",)] == 3
    assert found["beforehand_notice_seconds_sum", ("deliver",)] == pytest.approx(3)


def test_no_series_goes_down_when_the_judgement_of_an_incident_changes(stage: Stage) -> None:
    down = signal()
    stage.hear(down)
    stage.deliver()
    stage.now_ms += 1_000
    stage.hear(ended(down, stage.now_ms))
    with asking(stage) as desk:
        stage.now_ms += 1_000
        first = scraped(desk)
        assert first["beforehand_incidents_total", ("only",)] == 1
        desk.report(kind="symptom", who=BEN, received_ms=stage.now_ms - 2_000)
        second = scraped(desk)
    assert second["beforehand_incidents_total", ("after",)] == 1
    assert all(second[series] >= value for series, value in first.items() if series[0].endswith("_total"))


def test_no_figure_names_a_person_or_a_customer(stage: Stage) -> None:
    with asking(stage) as desk:
        live_through(stage, desk)
        said = [
            desk.ask(path).text
            for path in ("/metrics", "/told-first", "/api/v1/ledger", "/api/v1/transparency.json")
        ]
    for text in said:
        assert not [one for one in CANARIES if one in text]


def test_the_json_has_each_figure_with_its_number(stage: Stage) -> None:
    with asking(stage) as desk:
        live_through(stage, desk)
        found = desk.ask("/api/v1/ledger").json()
        other = desk.ask("/api/v1/ledger?service=search").json()
    assert found["incidents"]["before"] == 1
    assert found["proactive_people"] == {
        "k": 2,
        "n": 2,
        "percent": None,
        "low": None,
        "high": None,
        "said": "2 of 2",
    }
    assert found["time_to_inform"]["total"]["p50_ms"] == 1_000
    assert found["lead_time"]["p50_ms"] == 1_000
    assert found["experienced"]["minutes"] == 2
    assert other["proactive_people"]["said"] == "no data"


def test_a_window_holds_what_was_closed_in_it(stage: Stage) -> None:
    with asking(stage) as desk:
        live_through(stage, desk)
        assert desk.ask("/api/v1/ledger?from=2026-07-14&to=2026-07-15").json()["incidents"]["before"] == 1
        assert desk.ask("/api/v1/ledger?from=2026-07-01&to=2026-07-14").json()["incidents"]["before"] == 0


@pytest.mark.parametrize(
    "query", ["from=yesterday", "from=2026-07-14&to=2026-07-13", "from=2020-01-01", "service=x"]
)
def test_a_window_that_is_none_is_refused(stage: Stage, query: str) -> None:
    with asking(stage) as desk:
        assert desk.ask(f"/api/v1/ledger?{query}").status == 400
        assert desk.ask(f"/told-first?{query}").status == 400


def test_everybody_reads_nothing_that_few_stand_behind(stage: Stage) -> None:
    with asking(stage) as desk:
        empty = desk.ask("/api/v1/transparency.json").json()
        assert empty["proactive_people"] == {"n": 0, "said": "no data"}
        live_through(stage, desk)
        few = desk.ask("/api/v1/transparency.json")
    assert few.headers["access-control-allow-origin"] == "*"
    found = few.json()
    assert found["proactive_people"] == {"said": "fewer than 5"}
    assert found["time_to_inform"]["total"] == {"said": "fewer than 5"}
    assert found["experienced_minutes_mean"] is None
    assert '"k"' not in few.text


def test_everybody_gets_what_was_counted_within_the_minute(stage: Stage) -> None:
    with asking(stage) as desk:
        first = desk.ask("/api/v1/transparency.json").body
        stage.now_ms += 59_999
        assert desk.ask("/api/v1/transparency.json").body == first
        stage.now_ms += 1
        assert desk.ask("/api/v1/transparency.json").body != first


class Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.seen: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append(tag)


def test_the_page_shows_each_figure_with_what_it_means_and_needs_no_script(stage: Stage) -> None:
    with asking(stage) as desk:
        live_through(stage, desk)
        shown = desk.ask("/told-first")
    tags = Tags()
    tags.feed(shown.text)
    assert "script" not in tags.seen
    assert tags.seen.count("h1") == tags.seen.count("main") == 1
    assert "default-src 'none'" in shown.headers["content-security-policy"]
    assert shown.headers["cache-control"] == "private, no-cache"
    for words in (
        "People told first",
        "2 of 2",
        "too few for a percentage",
        "Kept promises",
        "checkout, major",
    ):
        assert words in shown.text


def test_a_share_of_five_has_a_percentage_and_one_of_four_has_none() -> None:
    assert share(Share(4, 4))["percent"] is None
    assert share(Share(4, 5))["percent"] == 80.0
    assert json.dumps(share(Share()))
