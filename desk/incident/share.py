"""How heavy alerts are together: an impact that only a large enough share of hosts or customers makes."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

from desk.audience.trouble import trouble
from desk.catalogue.catalogue import Catalogue
from desk.catalogue.service import ImpactRule, Share
from desk.incident.incident import Signal, weight
from desk.state import Impact


@dataclass(frozen=True, slots=True)
class Weighed:
    """What alerts mean together for a service; the reason is empty where each speaks for itself."""

    impact: Impact
    reason: str = ""


def weigh(catalogue: Catalogue, service: str, signals: Iterable[Signal], hosts: Collection[str]) -> Weighed:
    """Return the heaviest impact of alerts that fire at one time; ``hosts`` are those of the service."""
    found = [Weighed(Impact.UNKNOWN)]
    shared: dict[int, list[Signal]] = {}
    known = catalogue.services.get(service)
    for signal in signals:
        rule = known.rule(signal.labels) if known else None
        if known and rule is not None and rule.share is not None:
            shared.setdefault(known.impact.index(rule), []).append(signal)
            continue
        impact = catalogue.impact(service, signal.labels)
        if impact is not None:
            found.append(Weighed(impact))
    for index, hit in sorted(shared.items()):
        assert known is not None, "a rule belongs to a service"
        found.append(_of(catalogue, service, known.impact[index], hit, hosts))
    return max(found, key=lambda one: weight(one.impact))


def _of(
    catalogue: Catalogue, service: str, rule: ImpactRule, hit: Sequence[Signal], hosts: Collection[str]
) -> Weighed:
    """Weigh the alerts of one rule; where the share cannot be known the impact is not made lighter."""
    share = rule.share
    assert share is not None, "asked only of rules with a share"
    if share.of == "hosts":
        some = {signal.host for signal in hit}
        whole = some | set(hosts)
    else:
        reached = _customers(catalogue, service, hit)
        if reached is None:
            return Weighed(rule.impact, "the share of customers is not known, for a scope does not resolve")
        some, whole = reached
    large = 100 * len(some) >= share.at_least.value * len(whole)
    reason = f"{len(some)} of {len(whole)} {share.of} are hit, {_limit(share, large=large)}"
    return Weighed(rule.impact if large else rule.lighter, reason)


def _limit(share: Share, *, large: bool) -> str:
    return f"{'at least' if large else 'less than'} {share.at_least.value:g}%"


def _customers(catalogue: Catalogue, service: str, hit: Sequence[Signal]) -> tuple[set[str], set[str]] | None:
    """Return the customers whom these alerts reach and all who use the service; None where unknown."""
    found = trouble(catalogue, service, hit)
    if found.doubtful:
        return None
    some = {str(one.customer) for one in catalogue.customers if found.told(one) is not None}
    users = {str(one.customer) for one in catalogue.customers if one.uses_service(service)}
    return some, some | users
