"""What people are told, in their language and on their clocks: facts in, letters out, nothing sent."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final, Literal

from babel.core import Locale
from babel.dates import format_datetime, format_time, get_timezone_name
from babel.units import format_unit
from jinja2 import DictLoader, Environment, StrictUndefined

from desk.audience import Why
from desk.catalogue import Service
from desk.incident import Signal
from desk.person import Zone, printable
from desk.view import Impact, IncidentState
from desk.words import say, spoken

Kind = Literal["first", "update", "resolved", "escalation"]

# Stands for the person's own link until the letter is sent; no text of others can hold it.
STOP_MARK: Final = "\ue000"
SENTENCE_CHARS_MAX: Final = 400
DETAIL_CHARS_MAX: Final = 300
DETAILS_MAX: Final = 40

_IP: Final = re.compile(
    r"(?<![\w.])(?:\d{1,3}\.){3}\d{1,3}(?![\w.])|(?<!\w)(?:[0-9a-fA-F]{0,4}:){3,7}[0-9a-fA-F]{1,4}"
)
_HOST_LABELS: Final = (
    "instance",
    "host",
    "hostname",
    "node",
    "nodename",
    "exported_instance",
    "pod",
    "container",
)
_WORDS_OF_ALL: Final = frozenset({"localhost", "server", "host", "web", "app", "api", "mail", "database"})

_HTML: Final = """\
<!doctype html>
<html lang="{{ language }}"><head><meta charset="utf-8"><title>{{ subject }}</title></head>
<body style="margin:0;padding:16px;font:16px/1.5 system-ui,sans-serif;color:#1f2328;background:#ffffff">
<div role="article" style="max-width:36em">
{% for line in lines %}<p lang="{{ line.language }}" style="margin:0 0 12px">{{ line.text }}</p>
{% endfor %}{% if details %}<table style="border-collapse:collapse;margin:0 0 12px">
{% for name, value in details %}<tr><th scope="row" style="text-align:left;padding:2px 12px 2px 0">\
{{ name }}</th><td style="padding:2px 0">{{ value }}</td></tr>
{% endfor %}</table>
{% endif %}<p style="margin:0 0 12px"><a href="{{ url }}">{{ state_word }}</a></p>
{% if why %}<p style="margin:24px 0 0;font-size:13px;color:#57606a">{{ why }} \
<a href="{{ stop_mark }}" style="color:#57606a">{{ stop_word }}</a></p>
{% endif %}</div></body></html>
"""

_page: Final = Environment(
    loader=DictLoader({"letter.html": _HTML}), autoescape=True, undefined=StrictUndefined, auto_reload=False
).get_template("letter.html")


@dataclass(frozen=True, slots=True)
class Letter:
    """One notice in one language; ``STOP_MARK`` in the bodies stands for the reader's own link."""

    subject: str
    text: str
    html: str


@dataclass(frozen=True, slots=True)
class Facts:
    """What a notice tells; times are ms since 1970 in UTC.

    ``noticed`` is the rule's own sentence on what people notice, by language, ``doing`` the one on what
    is done about it; "" is the language that the rule is written in.
    """

    kind: Kind
    page: str
    url: str
    service: Service
    impact: Impact
    first_impact: Impact
    state: IncidentState
    since_ms: int
    now_ms: int
    next_update_ms: int = 0
    over_ms: int = 0
    noticed: Mapping[str, str] | None = None
    doing: Mapping[str, str] | None = None
    language: str = "en"


@dataclass(frozen=True, slots=True)
class Line:
    """One sentence with the language that it is in."""

    text: str
    language: str


@dataclass(frozen=True, slots=True)
class Wording:
    """The rule's own sentences that may be shown; ``refused`` says why others may not."""

    noticed: Mapping[str, str]
    doing: Mapping[str, str]
    refused: str = ""


def wording(signals: Iterable[Signal], strangers: Iterable[str]) -> Wording:
    """Return the customer words of the first alert that has some, unless they name what nobody may read.

    ``strangers`` are the names of customers: no letter names one. Hosts and addresses are ours to know.
    """
    for signal in signals:
        noticed = _by_language(signal.annotations, "notice")
        doing = _by_language(signal.annotations, "notice_next")
        if not noticed and not doing:
            continue
        for text in (*noticed.values(), *doing.values()):
            refused = _unfit(text, signal, strangers)
            if refused:
                return Wording({}, {}, refused)
        return Wording(noticed, doing)
    return Wording({}, {})


def _by_language(annotations: Mapping[str, str], name: str) -> dict[str, str]:
    found = {}
    for key, text in annotations.items():
        base, _, language = key.partition(name)
        if base == "" and (language == "" or re.fullmatch(r"_[a-z]{2,3}", language)):
            shown = printable(text)
            if shown:
                found[language[1:]] = shown
    return found


def _unfit(text: str, signal: Signal, strangers: Iterable[str]) -> str:
    """Return why a sentence must not be shown to customers, or the empty string."""
    if len(text) > SENTENCE_CHARS_MAX:
        return f"the notice has more than {SENTENCE_CHARS_MAX} characters"
    if _IP.search(text):
        return "the notice holds an address"
    if "://" in text or "www." in text.lower():
        return "the notice holds a link, which could come from a label"
    for label in _HOST_LABELS:
        for name in _host_names(signal.labels.get(label)):
            if _names(text, name):
                return f"the notice holds the value of the label {label}"
    for name in strangers:
        if _names(text, name):
            return "the notice holds the name of a customer"
    return ""


def _host_names(value: str) -> set[str]:
    """Return the host in a label's value, whole and without its domain."""
    host = re.sub(r"^[a-z][a-z0-9+.-]*://", "", value).split("/")[0]
    host = re.sub(r":\d+$", "", host)
    names = {value, host, host.partition(".")[0]}
    return {name for name in names if len(name) > 1 and name.lower() not in _WORDS_OF_ALL}


def _names(text: str, name: str) -> bool:
    return re.search(rf"(?<!\w){re.escape(name)}(?!\w)", text, re.IGNORECASE) is not None


def compose(facts: Facts, language: str, zone: Zone, why: Why) -> Letter:
    """Return the letter for readers of this language and zone who are affected for this reason."""
    tongue = spoken(language, facts.language)
    service = facts.service.said_in(tongue)
    lines = _lines(facts, tongue, zone, why)
    reason = _why(facts, tongue, why)
    state_word = say(tongue, "state_word")
    stop = say(tongue, "stop", service=service, url=STOP_MARK)
    text = "\n\n".join(
        [*(line.text for line in lines), say(tongue, "more", url=facts.url), f"{reason}\n{stop}"]
    )
    subject = subject_of(facts, tongue)
    html = _page.render(
        language=tongue,
        subject=subject,
        lines=lines,
        details=(),
        url=facts.url,
        state_word=state_word,
        why=reason,
        stop_mark=STOP_MARK,
        stop_word=say(tongue, "stop_word", service=service),
    )
    return Letter(subject, text + "\n", html)


def page_text(facts: Facts, language: str) -> str:
    """Return what the public page says of it, in one paragraph and with the times in UTC."""
    tongue = spoken(language, facts.language)
    return " ".join(line.text for line in _lines(facts, tongue, Zone("UTC"), None))


def subject_of(facts: Facts, language: str) -> str:
    """Return the subject, which never changes while the incident lasts, so that mails stay one thread."""
    service = facts.service.said_in(language)
    stem = say(language, f"stem_{_known(facts.first_impact)}", service=service)
    return printable(f"[{facts.page}] {stem}")


def _lines(facts: Facts, language: str, zone: Zone, why: Why | None) -> list[Line]:
    """Return the sentences in their order: what you notice, since when, what we do, what you do."""
    service = facts.service.said_in(language)
    if facts.kind == "resolved":
        since = say(
            language, "over", service=service, time=_clock(facts.over_ms, facts.now_ms, language, zone)
        )
        lasted = say(language, "lasted", length=_length(facts.over_ms - facts.since_ms, language))
        return [
            Line(f"{since} {lasted}", language),
            Line(f"{say(language, 'need_nothing')} {say(language, 'over_check')}", language),
        ]
    own = _own(facts.noticed, language)
    noticed = own or Line(say(language, f"noticed_{_known(facts.impact)}", service=service), language)
    since = _clock(facts.since_ms, facts.now_ms, language, zone)
    lines = [noticed]
    if facts.kind == "update":
        lines.append(Line(say(language, "still"), language))
    if why is not None:
        lines.append(Line(say(language, "since", time=since, who=_who(facts, language, why)), language))
    doing = Line(say(language, f"doing_{facts.state.value}"), language)
    lines.append((_own(facts.doing, language) if facts.kind == "first" else None) or doing)
    lines.append(Line(say(language, "need_nothing"), language))
    if facts.next_update_ms:
        by = _clock(facts.next_update_ms, facts.now_ms, language, zone)
        lines.append(Line(say(language, "next_news", time=by), language))
    return lines


def _own(texts: Mapping[str, str] | None, language: str) -> Line | None:
    """Return the rule's own sentence in this language, or as it was written."""
    known = texts or {}
    if language in known:
        return Line(known[language], language)
    return Line(known[""], "en") if "" in known else None


def _known(impact: Impact) -> str:
    return Impact.MINOR.value if impact is Impact.UNKNOWN else impact.value


def _who(facts: Facts, language: str, why: Why) -> str:
    service = facts.service.said_in(language)
    return say(
        language, _kind_of(why, "since_all", "since"), service=service, places=why.places(), page=facts.page
    )


def _why(facts: Facts, language: str, why: Why) -> str:
    service = facts.service.said_in(language)
    return say(
        language, _kind_of(why, "why_uses", "why"), service=service, places=why.places(), page=facts.page
    )


def _kind_of(why: Why, uses: str, others: str) -> str:
    if why.everyone:
        return f"{others}_everyone"
    if not why.tags:
        return uses
    return f"{others}_tags" if why.uses else f"{others}_tags_only"


def reason_said(service: Service, page: str, why: Why) -> str:
    """Return why somebody is affected, as an English sentence for staff."""
    name = service.said_in("en")
    if why.everyone:
        return f"This concerns every customer of {page}."
    if not why.tags:
        return f"You use {name}."
    return f"You use {name} in {why.places()}." if why.uses else f"You are in {why.places()}."


def load_words(language: str, zone: Zone, now_ms: int) -> None:
    """Load what Babel knows of a language and a zone, so that the first notice does not wait for it."""
    _clock(now_ms, now_ms, language, zone)
    _clock(now_ms - 2 * 86_400_000, now_ms, language, zone)
    _length(60_000, language)


def _clock(at_ms: int, now_ms: int, language: str, zone: Zone) -> str:
    """Say a moment on the clocks of a zone, with the day where it is not today."""
    local, today = zone.at(at_ms), zone.at(now_ms)
    # English here is nobody's in particular: 14:31 is read right everywhere.
    locale = "en_GB" if language == "en" else language
    name = get_timezone_name(local, width="short", locale=locale)
    if local.date() == today.date():
        return f"{format_time(local, 'short', locale=locale)} {name}"
    return f"{format_datetime(local, 'medium', locale=locale)} {name}"


def _length(length_ms: int, language: str) -> str:
    """Say a length of time in minutes, or in seconds below two minutes, or in hours and minutes."""
    seconds = max(1, round(length_ms / 1000))
    locale = Locale.parse(language)
    if seconds < 120:
        return format_unit(seconds, "duration-second", locale=locale)
    minutes = round(seconds / 60)
    if minutes < 120:
        return format_unit(minutes, "duration-minute", locale=locale)
    hours, rest = divmod(minutes, 60)
    parts = [format_unit(hours, "duration-hour", locale=locale)]
    return " ".join([*parts, *([format_unit(rest, "duration-minute", locale=locale)] if rest else [])])


@dataclass(frozen=True, slots=True)
class Trouble:
    """What the team of a service is told: the facts, without sparing anybody."""

    page: str
    url: str
    service: str
    impact: Impact
    reason: str
    opened_ms: int
    signals: tuple[Signal, ...]


def escalation_letter(trouble: Trouble, zone: Zone) -> Letter:
    """Return the letter to the team that owns a service, with every label of its alerts."""
    subject = printable(f"[{trouble.page}] {trouble.service} needs you: {trouble.impact.value}")
    opened = _clock(trouble.opened_ms, trouble.opened_ms, "en", zone)
    lines = [
        Line(
            f"{trouble.service} has an open incident of impact {trouble.impact.value} since {opened}.", "en"
        ),
        Line(f"Why you: {printable(trouble.reason)[:SENTENCE_CHARS_MAX]}", "en"),
    ]
    details = tuple(detail for signal in trouble.signals for detail in _details(signal))[:DETAILS_MAX]
    body = "\n".join(f"{name}: {value}" for name, value in details)
    text = "\n\n".join([*(line.text for line in lines), body, say("en", "more", url=trouble.url)])
    html = _page.render(
        language="en",
        subject=subject,
        lines=lines,
        details=details,
        url=trouble.url,
        state_word=say("en", "state_word"),
        why="",
        stop_mark="",
        stop_word="",
    )
    return Letter(subject, text + "\n", html)


def _details(signal: Signal) -> Iterable[tuple[str, str]]:
    """Yield what an engineer wants to read of an alert, each value in one line and within a limit."""
    yield "alert", printable(signal.name)[:DETAIL_CHARS_MAX]
    for name, value in signal.labels.items():
        if name != "alertname":
            yield printable(name), printable(value)[:DETAIL_CHARS_MAX]
    for name in ("summary", "description", "runbook_url"):
        if name in signal.annotations:
            yield name, printable(signal.annotations[name])[:DETAIL_CHARS_MAX]
    remedy = signal.remedy
    if remedy is not None:
        yield (
            "remedy",
            printable(f"{remedy.playbook} {remedy.status.value} {remedy.reason}")[:DETAIL_CHARS_MAX],
        )
        if remedy.run:
            yield "run", printable(remedy.run)[:DETAIL_CHARS_MAX]
