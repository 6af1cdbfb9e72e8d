"""What was wrong is taken back in plain words, and what comes and goes is said once; in every language."""

from __future__ import annotations

from dataclasses import replace

import pytest

from desk.catalogue.person import Zone
from desk.notice.compose import Wrong, compose
from desk.notice.lint import flaws
from desk.notice.words import LANGUAGES
from tests.desk.notice.test_compose import BERLIN, FACTS, USES, UTC
from tests.desk.town import NOW_MS

RETRACTED = replace(FACTS, kind="retracted", said_ms=NOW_MS + 60_000, now_ms=NOW_MS + 600_000)


def test_a_retraction_says_first_what_is_so_and_then_what_was_wrong() -> None:
    letter = compose(RETRACTED, "en", UTC, USES)
    assert letter.subject == "[Example Shop] Checkout does not work"
    first, second, *_ = letter.text.split("\n\n")
    assert first == (
        "You were not affected. Our message of 03:34 UTC was wrong because we had measured wrongly."
    )
    assert second == "You need to do nothing."


@pytest.mark.parametrize(
    ("wrong", "english", "german"),
    [
        ("measured", "we had measured wrongly", "weil wir falsch gemessen hatten"),
        ("others", "it concerned others alone", "weil es nur andere betraf"),
        ("drill", "it belonged to a test", "weil sie zu einer Übung gehörte"),
    ],
)
def test_each_reason_is_said_in_each_language(wrong: Wrong, english: str, german: str) -> None:
    facts = replace(RETRACTED, wrong=wrong)
    assert english in compose(facts, "en", UTC, USES).text
    text = compose(facts, "de", BERLIN, USES).text
    assert text.startswith("Sie waren nicht betroffen. Unsere Nachricht von 05:34 MESZ war falsch, weil")
    assert german in text


def test_what_comes_and_goes_is_said_once_with_when_the_next_word_comes() -> None:
    facts = replace(FACTS, kind="unstable", next_update_ms=0)
    text = compose(facts, "en", UTC, USES).text
    assert text.startswith("Checkout fails and works again in turn.")
    assert "We write again when it has worked for 30 minutes on end." in text
    assert "Next news by" not in text
    german = compose(facts, "de", BERLIN, USES).text
    assert german.startswith("Kasse fällt im Wechsel aus und funktioniert wieder.")
    assert "wenn es 30 Minuten am Stück funktioniert hat" in german


def test_a_drill_says_first_that_nothing_is_wrong() -> None:
    letter = compose(replace(FACTS, drill=True), "de", BERLIN, USES)
    assert letter.subject == "[TEST] [Example Shop] Kasse funktioniert nicht"
    assert letter.text.startswith("Dies ist ein Test. Nichts ist gestört.")


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("kind", ["first", "update", "resolved", "retracted", "unstable"])
def test_every_letter_is_without_flaw(language: str, kind: str) -> None:
    facts = replace(RETRACTED, kind=kind, over_ms=NOW_MS + 300_000, noticed=None)  # type: ignore[arg-type]  # a kind
    text = compose(facts, language, Zone("UTC"), USES).text
    body = text.partition("http")[0].rpartition("\n")[0]
    for paragraph in body.split("\n\n"):
        assert [one for one in flaws(paragraph, language) if "\ue001" not in paragraph] == []
