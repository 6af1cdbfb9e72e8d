"""What is only expected is told before it begins, to whoever asked for it, and taken back when it passes."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Final, Literal

import pytest

from desk import schema
from desk.catalogue.file import CatalogueFile, joined
from desk.catalogue.person import Zone
from desk.catalogue.service import Forecast, Percent
from desk.forecast import book as forecast_book
from desk.forecast.api import forecast_routes
from desk.forecast.forecast import (
    AHEAD_MIN_MS,
    CALM_MS,
    UNSEEN_MAX_MS,
    Outlook,
    Surroundings,
    about_ms,
    expected_ms,
    next_step,
    score,
)
from desk.forecast.words import Expectation, compose_forecast
from desk.incident import records
from desk.incident.incident import Signal
from desk.intake.alerts import key_of
from desk.maintenance.maintenance import HOUR_MS
from desk.notice.holding import Human, NotHeld
from desk.notice.lint import flaws
from desk.notice.words import LANGUAGES
from desk.page.read import Reader
from desk.page.view import DAY_MS
from desk.staff.metrics import metrics_routes
from desk.state import Impact, ServiceState
from desk.store.retention import forget
from model.decode import decode
from model.duration import Duration
from model.labels import Labels
from model.misfit import Rejected
from model.plugin import Message
from tests.desk import town
from tests.desk.leaves import furnish, post
from tests.desk.ledger.scene import counted, counter, rows
from tests.desk.maintenance.test_maintenance import PLAN, plan
from tests.desk.page.test_page import served
from tests.desk.stage import Stage
from tests.desk.town import ADA, BEN, CLEO, NOW_MS, ON_CALL

RULE: Final = (
    "  - {when: 'alertname=\"DiskFillsUp\"', impact: degraded, forecast: {within: 4h, chance: 80%}}\n"
    "  - {when: 'alertname=\"ShardFillsUp\"', impact: partial, affects: 'uses and region={{ region }}', "
    "forecast: {within: 2h}}\n"
)
CATALOGUE: Final = (
    town.CATALOGUE.replace("  sla:", f"{RULE}  sla:", 1).replace(
        "email: cleo@birch.example,", "email: cleo@birch.example, pre_impact: true,"
    )
    + "tiers:\n- {tier: gold, pre_impact: true}\n"
)


def danger(stage: Stage, name: str = "DiskFillsUp", said: str = "", **labels: str) -> Signal:
    words = {"forecast_in": said} if said else {}
    one = town.signal(name, at_ms=stage.now_ms, lasts_ms=DAY_MS, annotations=words)
    labelled = Labels.of({**one.labels, **labels})
    return replace(one, labels=labelled, key=key_of(labelled))


def outlook(stage: Stage) -> Outlook:
    with stage.store.reading() as conn:
        [found] = forecast_book.outlooks(conn, 0)
    return found


def customers(letters: list[Message]) -> list[str]:
    return sorted(one.to for one in letters if one.to != ON_CALL)


@pytest.fixture
def asked(stage: Stage) -> Stage:
    """A desk where gold customers and Cleo asked to hear of what is only expected."""
    furnish(stage, catalogue=CATALOGUE)
    return stage


def test_whoever_asked_for_it_is_told_before_it_begins_and_in_the_own_language(asked: Stage) -> None:
    asked.hear(danger(asked))
    letters = {one.to: one for one in post(asked)}
    assert set(letters) == {ADA, BEN, CLEO, ON_CALL}
    assert letters[BEN].subject == "[Example Shop] Possible trouble with Checkout"
    assert letters[BEN].text.split("\n\n")[:5] == [
        "Checkout works now. From about 07:30 UTC it may be slower than usual.",
        "The chance of that is about 80%.",
        "We are at work on it.",
        "You need to do nothing.",
        "We write again when it begins or when it has passed.",
    ]
    assert "Kasse funktioniert jetzt. Ab etwa 09:30 MESZ vielleicht langsamer als sonst." in letters[ADA].text
    assert "/unsubscribe/" in letters[BEN].text
    assert "3 people who asked for it are told" in letters[ON_CALL].text
    assert post(asked) == []


def test_a_forecast_is_no_incident_and_changes_neither_page_nor_ledger(asked: Stage) -> None:
    asked.hear(danger(asked))
    assert asked.incidents() == []
    assert rows(asked) == []
    view = Reader(asked.store, asked.house, None, NOW_MS - DAY_MS).page(asked.now_ms)
    assert {one.state for one in view.services} == {ServiceState.OPERATIONAL}
    assert view.open_incidents == ()


def test_who_did_not_ask_hears_nothing_and_the_own_word_goes_over_that_of_the_tier(stage: Stage) -> None:
    silent = CATALOGUE.replace("email: ben@acme.example", "email: ben@acme.example, pre_impact: false")
    furnish(stage, catalogue=silent.replace("pre_impact: true, ", ""))
    stage.hear(danger(stage))
    assert customers(post(stage)) == [ADA]


def test_where_nobody_asked_for_it_nobody_is_told_not_even_the_team(stage: Stage) -> None:
    none = CATALOGUE.replace("pre_impact: true, ", "").replace("pre_impact: true", "pre_impact: false")
    furnish(stage, catalogue=none)
    stage.hear(danger(stage))
    assert post(stage) == []
    assert outlook(stage).note == "nobody whom it would touch asked for it"


def test_only_those_whom_it_would_touch_are_told(asked: Stage) -> None:
    asked.hear(danger(asked, "ShardFillsUp", region="us"))
    assert customers(post(asked)) == [CLEO]


def test_a_scope_that_does_not_resolve_tells_nobody_and_the_team_hears_why(asked: Stage) -> None:
    asked.hear(danger(asked, "ShardFillsUp"))
    [letter] = post(asked)
    assert letter.to == ON_CALL
    assert "Customers were not told: The scope does not resolve" in letter.text


def test_what_passes_is_taken_back_to_exactly_those_who_were_told(asked: Stage) -> None:
    one = danger(asked, "ShardFillsUp", region="eu")
    asked.hear(one)
    assert customers(post(asked)) == [ADA, BEN]
    asked.pass_ms(HOUR_MS)
    asked.hear(town.ended(one, asked.now_ms))
    asked.pass_ms(CALM_MS - 1)
    assert post(asked) == []
    asked.pass_ms(1)
    letters = {one.to: one for one in post(asked)}
    assert set(letters) == {ADA, BEN}
    assert letters[BEN].text.startswith(
        "Nothing happened. The trouble with Checkout that we wrote of at 03:33 UTC did not come."
    )
    assert letters[ADA].text.startswith("Nichts ist geschehen. Die Störung von Kasse, von der wir um 05:33")
    assert outlook(asked).state == "passed"
    asked.pass_ms(DAY_MS)
    assert post(asked) == []


def test_what_is_out_of_sight_is_not_waited_for_without_end_and_nobody_claims_that_it_passed(
    asked: Stage,
) -> None:
    one = replace(danger(asked, "ShardFillsUp", region="eu"), ends_ms=asked.now_ms + HOUR_MS)
    agent = schema.agent.insert().values(instance="web1", heard_ms=asked.now_ms, lease_ms=HOUR_MS)
    asked.store.written(lambda conn: conn.execute(agent))
    asked.hear(one)
    assert customers(post(asked)) == [ADA, BEN]
    asked.pass_ms(HOUR_MS + UNSEEN_MAX_MS - 1)
    assert outlook(asked).state == "expected"
    assert post(asked) == []
    asked.pass_ms(1)
    letters = {one.to: one for one in post(asked)}
    assert set(letters) == {ADA, BEN}
    assert letters[BEN].text.startswith("We cannot see now whether the trouble with Checkout came")
    assert letters[ADA].text.startswith("Wir können nicht sehen, ob die Störung von Kasse kam")
    assert outlook(asked).state == "unseen"
    assert score([replace(outlook(asked), chance=80)]) == (0, None)
    with served([*metrics_routes(counter(asked))]) as client:
        assert 'beforehand_forecasts_total{outcome="unseen"} 1.0' in client.get("/metrics").text
    asked.pass_ms(DAY_MS)
    assert post(asked) == []


def test_what_comes_is_told_by_its_incident_which_says_that_it_was_foretold(asked: Stage) -> None:
    one = danger(asked)
    asked.hear(one)
    post(asked)
    asked.pass_ms(HOUR_MS)
    down = town.signal(at_ms=asked.now_ms)
    asked.hear(down)
    asked.pass_ms(1)
    assert "We wrote to you of this at 03:33 UTC, before it began." in asked.letters(BEN)[0].text
    assert "Davon haben wir Ihnen um 05:33 MESZ geschrieben" in asked.letters(ADA)[0].text
    assert outlook(asked).state == "come"
    asked.now_ms += 60_000
    asked.hear(town.ended(down, asked.now_ms), town.ended(one, asked.now_ms))
    asked.pass_ms(1)
    asked.pass_ms(CALM_MS)
    assert "works again" in asked.letters(BEN)[-1].text
    assert post(asked) == []
    assert outlook(asked).over_ms


def test_who_was_not_told_of_it_reads_nothing_of_a_forecast(asked: Stage) -> None:
    cleo = "email: cleo@birch.example,"
    furnish(asked, catalogue=CATALOGUE.replace(f"{cleo} pre_impact: true,", cleo))
    asked.hear(danger(asked))
    assert CLEO not in customers(post(asked))
    asked.pass_ms(HOUR_MS)
    asked.hear(town.signal(at_ms=asked.now_ms))
    asked.pass_ms(1)
    assert "We wrote to you" not in asked.letters(CLEO)[0].text
    assert "We wrote to you" in asked.letters(BEN)[0].text


def test_what_healed_before_anybody_was_told_of_it_is_taken_back_without_a_claim(asked: Stage) -> None:
    one = danger(asked)
    asked.hear(one)
    post(asked)
    asked.pass_ms(HOUR_MS)
    slow = town.signal("CheckoutSlow", at_ms=asked.now_ms, region="eu")
    asked.hear(slow)
    asked.now_ms += 10_000
    asked.hear(town.ended(slow, asked.now_ms, town.FIXED), town.ended(one, asked.now_ms))
    asked.pass_ms(1)
    asked.pass_ms(CALM_MS)
    assert asked.sent == []
    texts = {letter.to: letter.text for letter in post(asked)}
    assert set(texts) == {ADA, BEN, CLEO}
    assert texts[BEN].startswith("Checkout works. The trouble that we wrote of at 03:33 UTC is over.")


def test_nobody_reads_that_all_is_well_once_it_has_begun(asked: Stage) -> None:
    asked.hear(danger(asked))
    asked.hear(town.signal(at_ms=asked.now_ms))
    assert customers(post(asked)) == []
    asked.pass_ms(1)
    assert "We wrote to you" not in asked.letters(BEN)[0].text


def test_while_the_service_fails_nothing_is_foretold_of_it(asked: Stage) -> None:
    asked.hear(town.signal(at_ms=asked.now_ms))
    asked.hear(danger(asked))
    assert post(asked) == []


def test_what_planned_work_explains_is_not_foretold(asked: Stage) -> None:
    plan(asked, replace(PLAN, start_ms=NOW_MS, end_ms=NOW_MS + HOUR_MS, impact=Impact.MAJOR))
    asked.pass_ms(1)
    post(asked)
    asked.hear(danger(asked))
    assert post(asked) == []


def test_an_alert_that_comes_and_goes_writes_once(asked: Stage) -> None:
    for _ in range(4):
        one = danger(asked)
        asked.hear(one)
        asked.now_ms += CALM_MS // 2
        asked.hear(town.ended(one, asked.now_ms))
        asked.pass_ms(CALM_MS // 2 - 1)
    assert customers(post(asked)) == [ADA, BEN, CLEO]


def test_a_second_alert_of_the_service_tells_only_whom_it_adds(asked: Stage) -> None:
    asked.hear(danger(asked, "ShardFillsUp", region="eu"))
    assert customers(post(asked)) == [ADA, BEN]
    asked.hear(danger(asked, "ShardFillsUp", region="us"))
    assert customers(post(asked)) == [CLEO]


def test_quiet_hours_hold_it_back_and_what_is_too_late_then_is_not_sent(stage: Stage) -> None:
    text = CATALOGUE.replace("email: ben@acme.example", 'email: ben@acme.example, quiet: "03:00-09:00"')
    furnish(stage, catalogue=text)
    stage.store.written(lambda conn: records.settle_people(conn, stage.house.catalogue, stage.house.config))
    one = danger(stage)
    stage.hear(one)
    assert customers(post(stage)) == [ADA, CLEO]
    stage.pass_ms(6 * HOUR_MS)
    assert post(stage) == []
    stage.hear(town.ended(one, stage.now_ms))
    stage.pass_ms(1)
    stage.pass_ms(CALM_MS)
    assert customers(post(stage)) == [ADA, CLEO]


def test_nobody_gets_more_than_three_in_a_day(asked: Stage) -> None:
    foretold = []
    for _ in range(5):
        one = danger(asked)
        asked.hear(one)
        foretold += [one for one in post(asked) if "may be slower" in one.text and one.to == BEN]
        asked.now_ms += 60_000
        asked.hear(town.ended(one, asked.now_ms))
        asked.pass_ms(1)
        asked.pass_ms(CALM_MS)
    assert len(foretold) == 3
    with asked.store.reading() as conn:
        notes = [one.note for one in forecast_book.outlooks(conn, 0)]
    assert notes == [*["everybody has heard enough for today"] * 2, "", "", ""]


def test_whoever_left_the_service_hears_nothing_of_what_it_may_do(asked: Stage) -> None:
    asked.leave(BEN)
    asked.hear(danger(asked))
    assert customers(post(asked)) == [ADA, CLEO]


def test_many_are_told_only_with_the_word_of_a_human(stage: Stage) -> None:
    crowd = "".join(f"  - {{name: P{n}, email: p{n}@acme.example}}\n" for n in range(101))
    text = CATALOGUE.replace("  - {name: Ben,", f"{crowd}  - {{name: Ben,", 1)
    others = "".join(f"- {{name: O{n}, email: o{n}@acme.example}}\n  " for n in range(400))
    text = text.replace(
        "teams:", f"- customer: dune\n  uses: [checkout]\n  people:\n  {others.rstrip()}\nteams:"
    )
    furnish(stage, catalogue=text)
    people = stage.store.written(
        lambda conn: records.settle_people(conn, stage.house.catalogue, stage.house.config)
    )
    stage.house = replace(stage.house, people=people)
    stage.hear(danger(stage))
    [letter] = post(stage)
    assert letter.to == ON_CALL
    assert "A notice waits for the word of one human" in letter.text
    held = outlook(stage)
    assert (held.people, held.needs) == (104, 1)
    with pytest.raises(NotHeld, match="not to 5"):
        released(stage, held.id, 5)
    released(stage, held.id, 104)
    assert len(customers(post(stage))) == 104
    with pytest.raises(NotHeld, match="waits for nobody"):
        released(stage, held.id, 104)


def released(stage: Stage, number: int, count: int) -> Outlook:
    return stage.store.written(
        lambda conn: forecast_book.release(conn, stage.house, number, Human("Eve"), count, stage.now_ms)
    )


def test_what_is_over_for_years_is_forgotten(asked: Stage) -> None:
    one = danger(asked)
    asked.hear(one)
    asked.now_ms += 60_000
    asked.hear(town.ended(one, asked.now_ms))
    asked.pass_ms(CALM_MS)
    asked.store.written(lambda conn: forget(conn, asked.now_ms + 731 * DAY_MS))
    with asked.store.reading() as conn:
        assert forecast_book.outlooks(conn, 0) == []


def test_forecasts_change_no_figure(asked: Stage) -> None:
    before = counted(asked)
    asked.hear(danger(asked))
    post(asked)
    assert counted(asked) == before


FORECAST: Final = Forecast(Duration.parse("4h"), Percent(80.0))


@pytest.mark.parametrize(
    ("said", "ahead_ms"),
    [
        ("", 4 * HOUR_MS),
        ("7200", 2 * HOUR_MS),
        ("7.2e+03", 2 * HOUR_MS),
        ("90m", 90 * 60_000),
        ("5h", 4 * HOUR_MS),
        ("-1", 4 * HOUR_MS),
        ("NaN", 4 * HOUR_MS),
        ("9e99", 4 * HOUR_MS),
        ("soon", 4 * HOUR_MS),
        ("<script>", 4 * HOUR_MS),
    ],
)
def test_the_rule_says_when_within_what_the_catalogue_allows(said: str, ahead_ms: int) -> None:
    one = town.signal("DiskFillsUp", annotations={"forecast_in": said})
    assert expected_ms(one, FORECAST, NOW_MS) == NOW_MS + ahead_ms


EXPECTED: Final = Outlook(1, "checkout", Impact.DEGRADED, NOW_MS + HOUR_MS, 80, NOW_MS)


def test_what_comes_in_a_moment_is_not_foretold_any_more() -> None:
    around = Surroundings(foretold=True)
    step = next_step(EXPECTED, around, EXPECTED.expected_ms - AHEAD_MIN_MS)
    assert step is not None
    assert step.word == "tell"
    assert next_step(EXPECTED, around, EXPECTED.expected_ms - AHEAD_MIN_MS + 1) is None


def test_forecasts_are_judged_by_what_came() -> None:
    over = replace(EXPECTED, over_ms=2, calm_ms=1)
    assert score([EXPECTED, replace(over, chance=0), replace(over, calm_ms=0)]) == (0, None)
    judged, brier = score([over, replace(over, came=7)])
    assert judged == 2
    assert brier == pytest.approx((0.64 + 0.04) / 2)


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("impact", [one for one in Impact if one is not Impact.UNKNOWN])
def test_every_word_of_it_passes_the_lint(language: str, impact: Impact) -> None:
    service = town.catalogue().services["checkout"]
    words: tuple[Literal["may", "passed"], ...] = ("may", "passed")
    more: tuple[Literal["passed_by", "unseen"], ...] = ("passed_by", "unseen")
    for word in (*words, *more):
        facts = Expectation(
            word,
            "Example Shop",
            "https://shop.example",
            service,
            impact,
            about_ms(NOW_MS),
            35,
            NOW_MS,
            NOW_MS,
        )
        letter = compose_forecast(facts, language, Zone("Europe/Berlin"))
        said = letter.text.split("\n\nhttps")[0].rsplit("\n\n", 2)[0]
        assert flaws(said, language) == ()
        assert len(said.split()) <= 60


@pytest.mark.parametrize(
    ("rule", "sentence"),
    [
        ("impact: degraded, forecast: {within: 1m}", "nobody can act on a forecast of 1m"),
        ("impact: degraded, forecast: {within: 30d}", "nobody can act on a forecast of 30d"),
        ("impact: unknown, forecast: {within: 1h}", "a forecast needs one impact"),
        ("impact: degraded, forecast: {within: 1h, chance: 0%}", "a chance of 0% is no forecast"),
        ("impact: degraded, forecast: {}", "within"),
        ("impact: major, share: {at_least: 3%, of: hosts}, forecast: {within: 1h}", "needs one impact"),
    ],
)
def test_a_forecast_that_says_nothing_is_refused_with_its_cure(rule: str, sentence: str) -> None:
    text = f"services:\n- service: a\n  impact:\n  - {{when: 'alertname=\"X\"', {rule}}}\n"
    with pytest.raises(Rejected, match=sentence):
        decode(text.encode(), "catalogue.yaml", CatalogueFile)


def test_a_tier_that_nobody_has_is_a_mistake() -> None:
    text = CATALOGUE.replace("{tier: gold, pre", "{tier: gold, pre_impact: true}\n- {tier: glod, pre")
    with pytest.raises(Rejected, match="no customer has the tier 'glod'"):
        joined([decode(text.encode(), "catalogue.yaml", CatalogueFile)])


def test_staff_reads_what_is_expected_and_how_good_the_forecasts_were(asked: Stage) -> None:
    one = danger(asked, said="7200")
    asked.hear(one)
    with served([*forecast_routes(counter(asked))]) as client:
        [found] = json.loads(client.get("/api/v1/forecasts").text)["forecasts"]
        assert (found["service"], found["state"], found["people"]) == ("checkout", "expected", 3)
        assert found["expected_ms"] == NOW_MS + 2 * HOUR_MS
        asked.now_ms += 60_000
        asked.hear(town.ended(one, asked.now_ms))
        asked.pass_ms(CALM_MS)
        answer = json.loads(client.get("/api/v1/forecasts").text)
        assert answer["forecasts"][0]["state"] == "passed"
        assert answer["score"] == {"judged": 1, "brier": pytest.approx(0.64)}
    with served([*metrics_routes(counter(asked))]) as client:
        assert 'beforehand_forecasts_total{outcome="passed"} 1.0' in client.get("/metrics").text
