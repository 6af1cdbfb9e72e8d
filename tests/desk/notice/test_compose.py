"""Letters say what is known, in the reader's language and on the reader's clocks, and nothing more."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from desk.audience.audience import Why
from desk.catalogue.names import Names
from desk.catalogue.person import Zone
from desk.notice.compose import (
    NO_MARK,
    STOP_MARK,
    YES_MARK,
    Facts,
    Trouble,
    compose,
    escalation_letter,
    page_text,
    wording,
)
from desk.notice.words import ENGLISH, GERMAN, LANGUAGES
from desk.state import Impact, IncidentState
from tests.desk import town
from tests.desk.town import FAILED, NOW_MS

BERLIN, UTC = Zone("Europe/Berlin"), Zone("UTC")
USES = Why(uses=True)
FACTS = Facts(
    kind="first",
    page="Example Shop",
    url="http://127.0.0.1:9467/incidents/abc",
    service=town.catalogue().services["checkout"],
    impact=Impact.MAJOR,
    first_impact=Impact.MAJOR,
    state=IncidentState.INVESTIGATING,
    since_ms=NOW_MS,
    now_ms=NOW_MS,
    next_update_ms=NOW_MS + 1_800_000,
    noticed={"": town.NOTICE},
)


def test_a_first_notice_says_everything_in_its_order() -> None:
    letter = compose(FACTS, "en", UTC, USES)
    assert letter.subject == "[Example Shop] Checkout does not work"
    assert letter.text.split("\n\n") == [
        "You cannot pay at the moment.",
        "Since 03:33 UTC. This touches everyone who uses Checkout.",
        "We are looking for the cause.",
        "You need to do nothing.",
        "Next news by 04:03 UTC.",
        f"I am affected: {YES_MARK}\nI am not affected: {NO_MARK}",
        "The current state: http://127.0.0.1:9467/incidents/abc",
        f"You get this message because you use Checkout.\nNo more messages about Checkout: {STOP_MARK}\n",
    ]


def test_the_reader_has_the_own_language_and_clocks() -> None:
    letter = compose(
        replace(FACTS, noticed={"": "x", "de": "Sie können nicht zahlen."}), "de-AT", BERLIN, USES
    )
    assert letter.subject == "[Example Shop] Kasse funktioniert nicht"
    assert letter.text.startswith("Sie können nicht zahlen.\n\nSeit 05:33 MESZ.")


def test_a_language_that_does_not_ship_falls_back() -> None:
    assert compose(FACTS, "fr", UTC, USES) == compose(FACTS, "en", UTC, USES)


def test_yesterday_is_said_with_its_day() -> None:
    letter = compose(replace(FACTS, since_ms=NOW_MS - 86_400_000), "en", UTC, USES)
    assert "Since 13 Jul 2026" in letter.text


def test_the_end_says_how_long_it_took() -> None:
    over = replace(FACTS, kind="resolved", state=IncidentState.RESOLVED, over_ms=NOW_MS + 21 * 60_000)
    assert (
        "works again since 03:54 UTC. It was disturbed for 21 minutes." in compose(over, "en", UTC, USES).text
    )
    assert "Die Störung dauerte 21 Minuten." in compose(over, "de", UTC, USES).text
    assert "Next news" not in compose(over, "en", UTC, USES).text


def test_the_subject_never_changes_while_it_gets_worse_or_ends() -> None:
    first = replace(FACTS, impact=Impact.DEGRADED, first_impact=Impact.DEGRADED)
    worse = replace(first, kind="update", impact=Impact.MAJOR)
    over = replace(worse, kind="resolved")
    assert len({compose(facts, "en", UTC, USES).subject for facts in (first, worse, over)}) == 1


@pytest.mark.parametrize("impact", list(Impact))
@pytest.mark.parametrize(
    "state", [IncidentState.INVESTIGATING, IncidentState.IDENTIFIED, IncidentState.MONITORING]
)
@pytest.mark.parametrize("language", sorted(LANGUAGES))
def test_every_state_and_impact_has_words(impact: Impact, state: IncidentState, language: str) -> None:
    facts = replace(FACTS, impact=impact, first_impact=impact, state=state, noticed={})
    for kind in ("first", "update", "resolved"):
        letter = compose(replace(facts, kind=kind), language, UTC, USES)
        assert "{" not in letter.text
        assert len(letter.text.split()) <= 120
    assert page_text(facts, language)


def test_every_language_has_the_same_sentences_with_the_same_gaps() -> None:
    gaps = {key: set(re.findall(r"\{(\w+)\}", text)) for key, text in ENGLISH.items()}
    for table in LANGUAGES.values():
        assert {key: set(re.findall(r"\{(\w+)\}", text)) for key, text in table.items()} == gaps
    assert GERMAN.keys() == ENGLISH.keys()


def test_words_of_a_rule_are_escaped_in_html() -> None:
    letter = compose(replace(FACTS, noticed={"": "<script>alert(1)</script>"}), "en", UTC, USES)
    assert "<script>" not in letter.html
    assert "&lt;script&gt;" in letter.html


@pytest.mark.parametrize(
    "text",
    [
        "web1.prod is down.",
        "WEB1 is down.",
        "The server 10.0.0.7 is down.",
        "The server 2001:db8::7 is down.",
        "Acme cannot pay.",
        "Go to https://evil.example now.",
        "x" * 401,
    ],
)
def test_words_that_name_what_is_not_for_customers_are_refused(text: str) -> None:
    signal = town.signal(instance="web1.prod:9100", annotations={"notice": text})
    own = wording([signal], Names.of(["acme", "birch"]))
    assert own.noticed == {}
    assert own.refused


def test_words_in_several_languages_are_found_and_cleaned() -> None:
    signal = town.signal(
        annotations={
            "notice": "One\r\nBcc: x\x00\ue000",
            "notice_de": "Eins",
            "notice_next": "We act.",
            "noticeable": "no",
        }
    )
    own = wording([signal], Names.of([]))
    assert own.noticed == {"": "One Bcc: x", "de": "Eins"}
    assert own.doing == {"": "We act."}


def test_a_team_gets_every_label_in_one_line_each() -> None:
    signal = town.signal(evil="a\r\nBcc: x@y.example\x00<b>", remedy=FAILED)
    trouble = Trouble("Example", "http://x", "checkout", Impact.MAJOR, "nginx -t says no.", NOW_MS, (signal,))
    letter = escalation_letter(trouble, UTC)
    assert letter.subject == "[Example] checkout needs you: major"
    assert "evil: a Bcc: x@y.example<b>\n" in letter.text
    assert "instance: web1\n" in letter.text
    assert "remedy: restart failed nginx -t says no." in letter.text
    assert "<b>" not in letter.html
