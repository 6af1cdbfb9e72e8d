"""What is expected, as people are told of it: before it begins, and when it has passed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from babel.numbers import format_percent

from desk.catalogue.person import Zone, printable
from desk.catalogue.service import Service
from desk.forecast.forecast import about_ms
from desk.incident.incident import Signal
from desk.notice.compose import Letter, Line, customer_letter, said_time, staff_letter
from desk.notice.words import say
from desk.state import Impact

VALUE_CHARS_MAX = 300
DETAILS_MAX = 40


@dataclass(frozen=True, slots=True)
class Expectation:
    """What a letter tells of what is expected; ``service`` is the one that its readers use.

    ``word`` is may before it begins, passed when it did not come, passed_by when it came and went, and unseen
    when nobody could see which; ``said_ms`` is when people were told of it.
    """

    word: Literal["may", "passed", "passed_by", "unseen"]
    page: str
    url: str
    service: Service
    impact: Impact
    expected_ms: int
    chance: int
    now_ms: int
    said_ms: int = 0
    test: bool = False


def compose_forecast(facts: Expectation, language: str, zone: Zone) -> Letter:
    """Return the letter for readers of this language, which ships, and zone."""
    service = facts.service.said_in(language)
    body = [say(language, "test")] if facts.test else []
    body += (
        _ahead(facts, service, language, zone)
        if facts.word == "may"
        else _over(facts, service, language, zone)
    )
    stem = say(language, "may_stem", service=service)
    subject = printable(f"{'[TEST] ' if facts.test else ''}[{facts.page}] {stem}")
    why = say(language, "may_why", service=service)
    lines = [Line(text, language) for text in body]
    return customer_letter(subject, lines, language, facts.url, (why, service))


def _ahead(facts: Expectation, service: str, language: str, zone: Zone) -> list[str]:
    at = said_time(about_ms(facts.expected_ms), facts.now_ms, language, zone)
    lines = [say(language, f"may_{facts.impact.value}", service=service, time=at)]
    if facts.chance:
        chance = format_percent(facts.chance / 100, locale=language)
        lines.append(say(language, "may_chance", chance=chance))
    return [*lines, say(language, "may_doing"), say(language, "need_nothing"), say(language, "may_next")]


def _over(facts: Expectation, service: str, language: str, zone: Zone) -> list[str]:
    said = said_time(facts.said_ms, facts.now_ms, language, zone)
    lines = [say(language, facts.word, service=service, time=said), say(language, "need_nothing")]
    return [*lines, say(language, "over_check")] if facts.word == "passed_by" else lines


def team_letter(facts: Expectation, reason: str, signals: Sequence[Signal], zone: Zone) -> Letter:
    """Return the letter to the team that owns a service: what customers were told, or why they were not."""
    name = str(facts.service.service)
    at = said_time(about_ms(facts.expected_ms), facts.now_ms, "en", zone)
    test = "[TEST] " if facts.test else ""
    subject = printable(f"{test}[{facts.page}] {name}: {facts.impact.value} trouble is expected")
    lines = [
        Line(f"Alerts foretell {facts.impact.value} trouble of {name} from about {at}.", "en"),
        Line(reason, "en"),
    ]
    details = [
        (printable(label)[:VALUE_CHARS_MAX], printable(value)[:VALUE_CHARS_MAX])
        for signal in signals
        for label, value in signal.labels.items()
    ]
    return staff_letter(subject, lines, details[:DETAILS_MAX], (facts.url, say("en", "state_word")))
