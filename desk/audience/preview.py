"""Who would be told of an alert, and who not, asked before anything happens."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from desk.audience.audience import Grade, judge
from desk.catalogue.catalogue import Catalogue, Touch
from desk.catalogue.customer import Customer, Person
from desk.catalogue.file import read_catalogue
from desk.catalogue.service import Service
from desk.config import Config, read_config
from desk.incident.incident import Signal
from desk.notice.compose import reason_said
from desk.state import Impact
from model.labels import Labels
from model.matcher import Matcher, Matchers
from model.misfit import Misfit

WORDED_AS: Final = 'write a name, or like \'{alertname="CheckoutSlow", region="eu"}\''


@dataclass(frozen=True, slots=True)
class Line:
    """One person, or a customer without people, and what an alert would mean for them."""

    customer: str
    name: str
    email: str
    grade: str
    told: bool
    reason: str
    language: str
    zone: str
    channels: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Sheet:
    """What an alert would mean for one service, person by person; refusals page a human instead."""

    service: str
    impact: str
    reason: str
    refusals: tuple[str, ...]
    lines: tuple[Line, ...]


def preview(desk: Path, words: str, *, as_json: bool) -> str:
    """Return who would be told of an alert by a desk.yaml and its catalogue, as text or as JSON.

    ``words`` are an alert's name or its labels. Raises ``Rejected`` for mistakes in the files and ``Misfit``
    for words that are no alert.
    """
    config = read_config(desk)
    catalogue = read_catalogue(config, desk.parent)
    sheets = tuple(
        sheet for labels in wanted(catalogue, words) for sheet in previewed(catalogue, config, labels)
    )
    if as_json:
        return json.dumps([asdict(sheet) for sheet in sheets], indent=2) + "\n"
    return "\n".join(_text(sheet) for sheet in sheets) or "It touches no service of the catalogue.\n"


def wanted(catalogue: Catalogue, words: str) -> tuple[Mapping[str, str], ...]:
    """Return the label sets that the words mean: those written, or those of a name in the catalogue."""
    if "=" in words:
        each = Matchers.parse(words).each
        for matcher in each:
            if matcher.operator != "=":
                raise Misfit(f"{matcher} is not a label of one alert", "write = and one value")
        return ({matcher.label: matcher.value for matcher in each},)
    found = [labels for service in catalogue.services.values() for labels in _named(service, words)]
    if not found:
        raise Misfit(f"no impact of the catalogue names the alert {words[:60]!r}", WORDED_AS)
    return tuple(found)


def _named(service: Service, name: str) -> Iterator[Mapping[str, str]]:
    """Yield the labels that an alert of this name has at least where it touches the service."""
    shows = service.shows[0].each if service.shows else (Matcher("service", "=", str(service.service)),)
    for rule in service.impact:
        if any(one.label == "alertname" and one.matches({"alertname": name}) for one in rule.when.each):
            each = (*shows, *rule.when.each)
            known = {one.label: one.value for one in each if one.operator == "="}
            yield {**known, "alertname": name}


def previewed(catalogue: Catalogue, config: Config, labels: Mapping[str, str]) -> Iterator[Sheet]:
    """Yield what an alert with these labels would mean, for each service that it touches."""
    signal = Signal("", Labels.of(dict(labels)), {}, 0, 1, 0)
    for touch in (*catalogue.touches(signal.labels), *catalogue.foretells(signal.labels)):
        if touch.impact is None or touch.impact is Impact.UNKNOWN:
            reason = f"{touch.reason}; nobody is told"
            yield Sheet(touch.service, "unknown" if touch.impact else "none", reason, (), ())
            continue
        yield _sheet(catalogue, config, touch, signal)


def _sheet(catalogue: Catalogue, config: Config, touch: Touch, signal: Signal) -> Sheet:
    asked = judge(catalogue, touch.service, [signal], share_max=config.narrow_scope_max.value / 100)
    lines = []
    for customer in catalogue.customers:
        verdict = asked.verdict(customer)
        reason = verdict.evidence
        if verdict.grade.told:
            service = catalogue.services[verdict.why.via or touch.service]
            reason = f"{reason_said(service, config.name, verdict.why)} {reason}"
        for person in customer.people:
            left = _unwanted(catalogue, touch, customer, person) if verdict.grade.told else ""
            lines.append(
                Line(
                    str(customer.customer),
                    str(person.name),
                    str(person.email),
                    verdict.grade.value,
                    verdict.grade.told and not left,
                    f"{reason} {left}".rstrip(),
                    str(person.language or config.language),
                    str(person.zone or config.zone),
                    tuple(map(str, person.via)),
                )
            )
    assert touch.impact is not None, "asked only of alerts that people can feel"
    impact = f"{touch.impact.value}, expected" if touch.forecast else touch.impact.value
    return Sheet(touch.service, impact, touch.reason, asked.trouble.refusals, tuple(lines))


def _unwanted(catalogue: Catalogue, touch: Touch, customer: Customer, person: Person) -> str:
    """Return why somebody who is affected hears nothing all the same, or nothing."""
    if not person.is_told:
        return "They want no messages."
    if touch.forecast is None:
        return ""
    asked = catalogue.wants_forecasts(customer, person) and "email" in person.via
    return "" if asked else "They did not ask to hear of what is only expected."


def _text(sheet: Sheet) -> str:
    told = [line for line in sheet.lines if line.told]
    others = sorted((line for line in sheet.lines if not line.told), key=lambda line: _rank(line.grade))
    lines = [
        f"{sheet.service}: {sheet.impact}, because {sheet.reason}.",
        *(f"  REFUSED, a human is called: {refusal}" for refusal in sheet.refusals),
        f"  Told: {len(told)}",
        *_rows((one.email, one.grade, one.language, ",".join(one.channels), one.reason) for one in told),
        f"  Not told: {len(others)}",
        *_rows((one.email, one.grade, "", "", one.reason) for one in others),
    ]
    return "\n".join(lines) + "\n"


def _rank(grade: str) -> int:
    return tuple(Grade).index(Grade(grade))


def _rows(rows: Iterable[tuple[str, ...]]) -> Iterator[str]:
    known = list(rows)
    widths = [max((len(row[column]) for row in known), default=0) for column in range(5)]
    for row in known:
        cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        yield ("    " + "  ".join(cell for cell in cells if cell)).rstrip()
