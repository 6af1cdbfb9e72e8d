"""What people are told, in their language and on their clocks: facts in, letters out, nothing sent."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from babel.core import Locale
from babel.dates import format_datetime, format_time, get_timezone_name
from babel.units import format_unit
from jinja2 import DictLoader, Environment, StrictUndefined

from desk.audience.audience import Why
from desk.catalogue.names import Names
from desk.catalogue.person import Zone, printable
from desk.catalogue.service import Service
from desk.incident.incident import Signal
from desk.notice.lint import TEXT_CHARS_MAX, flaws
from desk.notice.words import say, spoken
from desk.state import Impact, IncidentState

Kind = Literal["first", "update", "resolved", "escalation", "retracted", "unstable", "reopened"]
Wrong = Literal["measured", "others", "drill"]
"""Why a notice was wrong: we measured wrongly, it concerned others alone, or it belonged to a drill."""

# Stand for the person's own links until the letter is sent; no text of others can hold them.
STOP_MARK: Final = "\ue000"
YES_MARK: Final = "\ue001"
NO_MARK: Final = "\ue002"
SENTENCE_CHARS_MAX: Final = 400
DETAIL_CHARS_MAX: Final = 300
DETAILS_MAX: Final = 40

HOST_LABELS: Final = (
    "instance",
    "host",
    "hostname",
    "node",
    "nodename",
    "exported_instance",
    "pod",
    "container",
)

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
{% endif %}{% if ways %}<p style="margin:0 0 12px">{% for mark, word in ways %}\
<a href="{{ mark }}" style="display:inline-block;margin:0 20px 0 0;padding:3px 0">{{ word }}</a>\
{% endfor %}</p>
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
    """One notice in one language; ``STOP_MARK`` in the bodies stands for the reader's own link.

    ``calendar`` is an iCalendar object that goes along.
    """

    subject: str
    text: str
    html: str
    calendar: str = ""


@dataclass(frozen=True, slots=True)
class Facts:
    """What a notice tells; times are ms since 1970 in UTC.

    ``noticed`` is the rule's own sentence on what people notice, by language, ``doing`` the one on what
    is done about it; "" is the language that the rule is written in. ``said_ms`` is when a notice went out
    that is taken back, ``wrong`` why it is; ``calm_ms`` is how long an unstable service must work before
    anybody writes again. ``drill`` says that nothing is really wrong.
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
    said_ms: int = 0
    wrong: Wrong = "measured"
    calm_ms: int = 1_800_000
    drill: bool = False
    cause: Service | None = None


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


def wording(signals: Iterable[Signal], strangers: Names) -> Wording:
    """Return the customer words of the first alert that has some, unless they name what nobody may read.

    ``strangers`` are the names of customers: no letter names one. Hosts and addresses are ours to know,
    and words that promise what nobody can hold, or say nothing, are no better than none.
    """
    for signal in signals:
        noticed = _by_language(signal.annotations, "notice")
        doing = _by_language(signal.annotations, "notice_next")
        if not noticed and not doing:
            continue
        for language, text in (*noticed.items(), *doing.items()):
            refused = unfit(text, language, strangers.near(text[:TEXT_CHARS_MAX]), signal)
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


def unfit(text: str, language: str, strangers: Iterable[str], signal: Signal | None = None) -> str:
    """Return why a sentence must not be shown to customers, or the empty string."""
    hosts = [(label, signal.labels.get(label)) for label in HOST_LABELS] if signal else []
    found = flaws(text, language, strangers, hosts)
    return found[0].sentence if found else ""


def compose(facts: Facts, language: str, zone: Zone, why: Why) -> Letter:
    """Return the letter for readers of this language and zone who are affected for this reason."""
    tongue = spoken(language, facts.language)
    service = facts.service.said_in(tongue)
    lines = _lines(facts, tongue, zone, why)
    reason = _why(facts, tongue, why)
    ways = () if facts.kind == "retracted" else _ways(tongue)
    return customer_letter(subject_of(facts, tongue), lines, tongue, facts.url, (reason, service), ways)


def _ways(language: str) -> tuple[tuple[str, str], ...]:
    """Return the links by which readers say whether they are affected, each with its words."""
    return (YES_MARK, say(language, "answer_affected")), (NO_MARK, say(language, "answer_not_affected"))


def customer_letter(
    subject: str,
    lines: Sequence[Line],
    language: str,
    url: str,
    leave: tuple[str, str],
    ways: Sequence[tuple[str, str]] = (),
) -> Letter:
    """Return a letter to customers; ``leave`` is why they get it, and what they can hear no more about.

    ``ways`` are the marks of further links of their own, each with its words.
    """
    reason, about = leave
    stop = say(language, "stop", service=about, url=STOP_MARK)
    answers = ["\n".join(f"{word}: {mark}" for mark, word in ways)] if ways else []
    more = say(language, "more", url=url)
    text = "\n\n".join([*(line.text for line in lines), *answers, more, f"{reason}\n{stop}"])
    html = _page.render(
        language=language,
        subject=subject,
        lines=lines,
        details=(),
        ways=ways,
        url=url,
        state_word=say(language, "state_word"),
        why=reason,
        stop_mark=STOP_MARK,
        stop_word=say(language, "stop_word", service=about),
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
    test = "[TEST] " if facts.drill else ""
    return printable(f"{test}[{facts.page}] {stem}")


def _lines(facts: Facts, language: str, zone: Zone, why: Why | None) -> list[Line]:
    """Return the sentences in their order: what you notice, since when, what we do, what you do."""
    body = _BODIES.get(facts.kind, _running)(facts, language, zone, why)
    return [*([Line(say(language, "test"), language)] if facts.drill else []), *body]


def _resolved(facts: Facts, language: str, zone: Zone, _: Why | None) -> list[Line]:
    service = facts.service.said_in(language)
    over = said_time(facts.over_ms, facts.now_ms, language, zone)
    since = say(language, "over", service=service, time=over)
    lasted = say(language, "lasted", length=said_length(facts.over_ms - facts.since_ms, language))
    return [
        Line(f"{since} {lasted}", language),
        Line(f"{say(language, 'need_nothing')} {say(language, 'over_check')}", language),
    ]


def _retracted(facts: Facts, language: str, zone: Zone, _: Why | None) -> list[Line]:
    """Return what takes back a notice: first what is so, then what was wrong and why."""
    at = said_time(facts.said_ms or facts.since_ms, facts.now_ms, language, zone)
    return [
        Line(f"{say(language, 'retracted')} {say(language, f'wrong_{facts.wrong}', time=at)}", language),
        Line(say(language, "need_nothing"), language),
    ]


def _unstable(facts: Facts, language: str, zone: Zone, why: Why | None) -> list[Line]:
    """Return the one notice that stands for all the ends and beginnings that follow each other."""
    service = facts.service.said_in(language)
    lines = [Line(say(language, "noticed_unstable", service=service), language)]
    if why is not None:
        since = said_time(facts.since_ms, facts.now_ms, language, zone)
        lines.append(Line(say(language, "since", time=since, who=_who(facts, language, why)), language))
    calm = say(language, "doing_unstable", length=said_length(facts.calm_ms, language))
    return [*lines, Line(calm, language), Line(say(language, "need_nothing"), language)]


def _running(facts: Facts, language: str, zone: Zone, why: Why | None) -> list[Line]:
    service = facts.service.said_in(language)
    own = _own(facts.noticed, language)
    noticed = own or Line(say(language, f"noticed_{_known(facts.impact)}", service=service), language)
    since = said_time(facts.since_ms, facts.now_ms, language, zone)
    lines = [noticed]
    if facts.kind in ("update", "reopened"):
        lines.append(Line(say(language, "still" if facts.kind == "update" else "again"), language))
    if facts.cause is not None:
        because = say(language, "because", cause=facts.cause.said_in(language))
        lines.append(Line(because, language))
    if why is not None:
        lines.append(Line(say(language, "since", time=since, who=_who(facts, language, why)), language))
    if why is not None and why.foretold_ms and facts.kind == "first":
        said = said_time(why.foretold_ms, facts.now_ms, language, zone)
        lines.append(Line(say(language, "foretold", time=said), language))
    doing = Line(say(language, f"doing_{facts.state.value}"), language)
    lines.append((_own(facts.doing, language) if facts.kind == "first" else None) or doing)
    lines.append(Line(say(language, "need_nothing"), language))
    if facts.next_update_ms:
        by = said_time(facts.next_update_ms, facts.now_ms, language, zone)
        lines.append(Line(say(language, "next_news", time=by), language))
    return lines


_BODIES: Final[Mapping[Kind, Callable[[Facts, str, Zone, Why | None], list[Line]]]] = {
    "resolved": _resolved,
    "retracted": _retracted,
    "unstable": _unstable,
}


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
    said_time(now_ms, now_ms, language, zone)
    said_time(now_ms - 2 * 86_400_000, now_ms, language, zone)
    said_length(60_000, language)


def said_time(at_ms: int, now_ms: int, language: str, zone: Zone) -> str:
    """Say a moment on the clocks of a zone, with the day where it is not today."""
    local, today = zone.at(at_ms), zone.at(now_ms)
    # English here is nobody's in particular: 14:31 is read right everywhere.
    locale = "en_GB" if language == "en" else language
    name = get_timezone_name(local, width="short", locale=locale)
    if local.date() == today.date():
        return f"{format_time(local, 'short', locale=locale)} {name}"
    return f"{format_datetime(local, 'medium', locale=locale)} {name}"


def said_length(length_ms: int, language: str) -> str:
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
    """What the team of a service is told: the facts, without sparing anybody.

    ``asides`` are what the desk itself knows of the incident, each with its name.
    """

    page: str
    url: str
    service: str
    impact: Impact
    reason: str
    opened_ms: int
    signals: tuple[Signal, ...]
    asides: tuple[tuple[str, str], ...] = ()


def escalation_letter(trouble: Trouble, zone: Zone) -> Letter:
    """Return the letter to the team that owns a service, with every label of its alerts."""
    subject = printable(f"[{trouble.page}] {trouble.service} needs you: {trouble.impact.value}")
    opened = said_time(trouble.opened_ms, trouble.opened_ms, "en", zone)
    lines = [
        Line(
            f"{trouble.service} has an open incident of impact {trouble.impact.value} since {opened}.", "en"
        ),
        Line(f"Why you: {printable(trouble.reason)[:SENTENCE_CHARS_MAX]}", "en"),
    ]
    found = (*trouble.asides, *(detail for signal in trouble.signals for detail in _details(signal)))
    return staff_letter(subject, lines, found[:DETAILS_MAX], (trouble.url, say("en", "state_word")))


def staff_letter(
    subject: str, lines: Sequence[Line], details: Sequence[tuple[str, str]], link: tuple[str, str]
) -> Letter:
    """Return an English letter to people of our own; ``link`` is an address and the words to show for it."""
    url, word = link
    body = "\n".join(f"{name}: {value}" for name, value in details)
    text = "\n\n".join([*(line.text for line in lines), *([body] if body else []), f"{word}: {url}"])
    html = _page.render(
        language="en",
        subject=subject,
        lines=lines,
        details=details,
        ways=(),
        url=url,
        state_word=word,
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
