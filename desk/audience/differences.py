"""What a new catalogue would change: who would be told differently, now and by each impact rule."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from desk.audience.audience import audience
from desk.catalogue.catalogue import Catalogue
from desk.catalogue.customer import Customer
from desk.catalogue.service import ImpactRule, Service
from desk.incident.incident import Incident
from desk.state import Impact

PEOPLE_MAX: Final = 500


@dataclass(frozen=True, slots=True)
class Difference:
    """Who would be told of something that is not told now, the reverse, and who for another reason.

    ``counts`` are of all people; the lists end after ``PEOPLE_MAX``.
    """

    service: str
    what: str
    more: tuple[str, ...]
    fewer: tuple[str, ...]
    otherwise: tuple[str, ...]
    counts: Mapping[str, int]


def differences(
    old: Catalogue, new: Catalogue, incidents: Iterable[Incident], share_max: float
) -> tuple[Difference, ...]:
    """Return what changes for open incidents and for each impact rule, where anything does."""
    known = {one.service: one for one in incidents}
    found = []
    for service, incident in known.items():
        others = {name: one.signals for name, one in known.items() if name != service}
        before, after = (
            {
                str(one.person.email): f"{one.grade.value} {one.why.key()}"
                for one in audience(catalogue, service, incident.signals, others, share_max).people
            }
            for catalogue in (old, new)
        )
        found.append(_difference(service, f"the open incident {incident.ref}", before, after))
    rules = dict.fromkeys(_rules(old)) | dict.fromkeys(_rules(new))
    for service, when in rules:
        before, after = (_reach(catalogue, service, when) for catalogue in (old, new))
        found.append(_difference(service, when, before, after))
    return tuple(one for one in found if any(one.counts.values()))


def _rules(catalogue: Catalogue) -> Iterable[tuple[str, str]]:
    for service in catalogue.services.values():
        if service.serves:
            yield from ((str(service.service), str(rule.when)) for rule in service.impact)


def _reach(catalogue: Catalogue, service: str, when: str) -> dict[str, str]:
    """Return whom a rule can reach, each with the condition on which it does."""
    known = catalogue.services.get(service)
    rule = _rule(known, when) if known and known.serves else None
    if rule is None or rule.impact is Impact.UNKNOWN:
        return {}
    breaks = rule.impact is Impact.MAJOR or (rule.impact is Impact.PARTIAL and bool(rule.affects.where))
    below = catalogue.brought_down([service]) if breaks else {}
    found: dict[str, str] = {}
    for customer in catalogue.customers:
        condition = _condition(rule, customer)
        if condition is None:
            continue
        if not rule.affects.everyone and rule.affects.uses and not customer.uses_service(service):
            by_way = next((ref.text for ref in customer.uses if ref.text in below), "")
            if not by_way:
                continue
            condition = f"{condition} by way of {by_way}".strip()
        said = f"{rule.impact.value} {condition}".strip()
        found.update((str(person.email), said) for person in customer.people)
    return found


def _rule(service: Service, when: str) -> ImpactRule | None:
    return next((rule for rule in service.impact if str(rule.when) == when), None)


def _condition(rule: ImpactRule, customer: Customer) -> str | None:
    """Return what an alert must say to mean this customer, or None where it never does."""
    words = []
    for one in rule.affects.where:
        own = customer.tag(one.tag)
        if not own or (one.value and one.value != own):
            return None
        if one.label:
            words.append(f"{one.label}={own}")
    return " and ".join(words)


def _difference(service: str, what: str, before: Mapping[str, str], after: Mapping[str, str]) -> Difference:
    more = sorted(set(after) - set(before))
    fewer = sorted(set(before) - set(after))
    otherwise = sorted(email for email in set(before) & set(after) if before[email] != after[email])
    counts = {"more": len(more), "fewer": len(fewer), "otherwise": len(otherwise)}
    first, second, third = (tuple(one[:PEOPLE_MAX]) for one in (more, fewer, otherwise))
    return Difference(service, what, first, second, third, counts)
