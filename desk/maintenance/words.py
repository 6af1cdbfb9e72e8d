"""Planned work as people are told of it: a letter for each occasion, in their language, on their clocks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final
from urllib.parse import urlsplit

from babel.dates import format_skeleton, format_time, get_timezone_name
from babel.lists import format_list

from desk.catalogue.person import Sender, Zone, printable
from desk.catalogue.service import Service
from desk.maintenance.maintenance import Maintenance, Word
from desk.notice.compose import Letter, Line, customer_letter, said_time
from desk.notice.words import say
from desk.public.calendar import Entry, sheet, uid

_TO: Final = "\u2013"  # between two times stands a dash, not a hyphen
_DATED: Final = ("announced", "reminded_day", "moved", "cancelled")
_TELL_ALL: Final = ("announced", "reminded_day", "reminded_hour", "moved")


@dataclass(frozen=True, slots=True)
class WorkFacts:
    """What a letter on planned work tells; ``services`` are those of the work, in its order."""

    word: Word
    page: str
    url: str
    work: Maintenance
    services: Sequence[Service]
    now_ms: int
    organizer: Sender
    test: bool = False


def compose_work(facts: WorkFacts, language: str, zone: Zone) -> Letter:
    """Return the letter for readers of this language, which ships, and zone."""
    plan = facts.work.plan
    names = format_list([one.said_in(language) for one in facts.services], locale=language)
    body = [say(language, "test")] if facts.test else []
    body.append(_headline(facts, names, language, zone))
    if facts.word in _TELL_ALL:
        body.append(
            _own(plan.noticed, language) or say(language, f"work_{plan.impact.value}", services=names)
        )
        body.append(_own(plan.todo, language) or say(language, "need_nothing"))
    elif facts.word == "started":
        body.append(
            _own(plan.noticed, language) or say(language, f"work_{plan.impact.value}", services=names)
        )
    elif facts.word == "finished":
        body.append(say(language, "over_check"))
    else:
        body.append(say(language, "need_nothing"))
    stem = say(language, "work_stem", title=said_title(plan.title, language))
    subject = printable(f"{'[TEST] ' if facts.test else ''}[{facts.page}] {stem}")
    why = say(language, "why_uses", service=names)
    letter = customer_letter(
        subject,
        [Line(text, language) for text in body],
        language,
        facts.url,
        (why, facts.services[0].said_in(language)),
    )
    return replace(letter, calendar=_calendar(facts, names, language)) if facts.word in _DATED else letter


def _calendar(facts: WorkFacts, names: str, language: str) -> str:
    """Return the work for the reader's calendar; a later one of the same name takes the place of this."""
    work, plan = facts.work, facts.work.plan
    stem = say(language, "work_stem", title=said_title(plan.title, language))
    entry = Entry(
        uid=uid(work.id, urlsplit(facts.url).hostname or "localhost"),
        changed_ms=facts.now_ms,
        sequence=work.sequence,
        start_ms=plan.start_ms,
        end_ms=plan.end_ms,
        summary=f"{'[TEST] ' if facts.test else ''}{stem} ({names})",
        text=page_text(work, facts.services, language),
        url=facts.url,
        cancelled=facts.word == "cancelled",
        organizer=(facts.organizer.name or facts.page, facts.organizer.address),
    )
    return sheet(entry)


def page_text(work: Maintenance, services: Sequence[Service], language: str) -> str:
    """Return what the page says of it: what people notice, and what they do."""
    names = format_list([one.said_in(language) for one in services], locale=language)
    plan = work.plan
    noticed = _own(plan.noticed, language) or say(language, f"work_{plan.impact.value}", services=names)
    return f"{noticed} {_own(plan.todo, language) or say(language, 'need_nothing')}"


def said_title(title: Mapping[str, str], language: str) -> str:
    """Return the title in this language, else in English, or as first written."""
    return _own(title, language) or next(iter(title.values()))


def span(start_ms: int, end_ms: int, language: str, zone: Zone) -> str:
    """Say when: the day, both times and the zone, in the form of the language."""
    locale = "en_GB" if language == "en" else language
    start, end = zone.at(start_ms), zone.at(end_ms)
    name = get_timezone_name(start, width="short", locale=locale)
    first = f"{format_skeleton('MMMEd', start, locale=locale)}, {format_time(start, 'short', locale=locale)}"
    last = format_time(end, "short", locale=locale)
    if start.date() != end.date():
        last = f"{format_skeleton('MMMEd', end, locale=locale)}, {last}"
    return f"{first}{_TO}{last} {name}"


def _headline(facts: WorkFacts, names: str, language: str, zone: Zone) -> str:
    work = facts.work
    key = "work_reminded" if facts.word.startswith("reminded") else f"work_{facts.word}"
    at_ms = work.done_ms if facts.word == "finished" else work.plan.end_ms
    return say(
        language,
        key,
        services=names,
        span=span(work.plan.start_ms, work.plan.end_ms, language, zone),
        time=said_time(at_ms, facts.now_ms, language, zone),
    )


def _own(texts: Mapping[str, str], language: str) -> str:
    """Return the text in this language, or else in English; a letter in one language wants one text."""
    return texts.get(language) or texts.get("en", "")
