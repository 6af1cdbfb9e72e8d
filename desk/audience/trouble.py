"""Where a service fails, by the labels of its alerts: scopes with their evidence, asked by customer."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from desk.audience.affects import Affects, Scope, ScopeUnresolved
from desk.catalogue.catalogue import Catalogue
from desk.catalogue.customer import Customer
from desk.catalogue.person import printable
from desk.incident.incident import Signal, weight
from desk.state import Impact

VALUE_CHARS_MAX: Final = 60
NAMED: Final = "customer"
FEW: Final = 10  # among so few customers a share says nothing
_PORT: Final = re.compile(r":\d+$")
_NOBODY: Final[Mapping[str, tuple[str, ...]]] = {}

Form = tuple[bool, bool, tuple[str, ...]]
"""What all scopes of one wording share: everyone, uses, and the names of the tags."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """What bears a scope out: the alert, the host, and what the two say of who is touched."""

    alert: str
    host: str
    labels: tuple[tuple[str, str], ...] = ()
    served: tuple[tuple[str, str], ...] = ()

    def __str__(self) -> str:
        where = f" on {self.host}" if self.host else ""
        says = f" says {_pairs(self.labels)}" if self.labels else " fires"
        serves = f"; the host serves {_pairs(self.served)}" if self.served else ""
        return f"{self.alert}{where}{says}{serves}."


@dataclass(frozen=True, slots=True)
class Hit:
    """A scope that holds a customer, the impact in it, and why that is known."""

    scope: Scope
    impact: Impact
    evidence: Evidence

    @property
    def breaks(self) -> bool:
        """Whether the service is down for those within, as against slower or faulty."""
        narrowed = bool(self.scope.tags)
        return self.impact is Impact.MAJOR or (self.impact is Impact.PARTIAL and narrowed)


@dataclass(frozen=True, slots=True)
class Trouble:
    """All that the alerts of one service say of who is touched.

    ``refusals`` are sentences on scopes that mean nobody; ``doubtful`` says that one of them did not resolve.
    """

    service: str
    refusals: tuple[str, ...]
    doubtful: bool
    _hits: Mapping[Form, Mapping[tuple[str, ...], Hit]] = field(repr=False)

    def asks_for(self, tag: str) -> bool:
        """Tell whether a scope names this tag."""
        return any(tag in tags for _, _, tags in self._hits)

    def told(self, customer: Customer) -> Hit | None:
        """Return the heaviest scope that holds this customer, or None."""
        return self._heaviest(customer, uses=customer.uses_service(self.service))

    def here(self, customer: Customer) -> Hit | None:
        """Return the heaviest scope on the customer's place, whether or not the service is used there."""
        return self._heaviest(customer, uses=True)

    def mismatch(self, customer: Customer) -> str:
        """Return the customer's own values of the tags that the scopes ask for, as far as there are any."""
        names = dict.fromkeys(name for _, _, tags in self._hits for name in tags)
        return " and ".join(f"{name}={_shown(customer.tag(name)) or 'nothing'}" for name in names)

    def _heaviest(self, customer: Customer, *, uses: bool) -> Hit | None:
        found: Hit | None = None
        for (everyone, needs_use, names), hits in self._hits.items():
            if needs_use and not uses and not everyone:
                continue
            values = tuple(customer.tag(name) for name in names)
            hit = hits.get(values) if all(values) else None
            if hit is not None and (found is None or weight(hit.impact) > weight(found.impact)):
                found = hit
        return found


def trouble(catalogue: Catalogue, service: str, signals: Iterable[Signal], share_max: float = 1.0) -> Trouble:
    """Return where a service fails by these alerts.

    A scope that does not resolve, that holds nobody, or that a label was to narrow and that holds more
    than ``share_max`` of all customers, is a refusal; it is never made wider or narrower.
    """
    hits: dict[Form, dict[tuple[str, ...], Hit]] = {}
    refusals: dict[str, None] = {}
    doubtful = False
    census = _Census(catalogue, service, frozenset(catalogue.downstream(service)), {})
    for affects, signal, impact in _distinct(catalogue, service, signals):
        served = _served(catalogue, service, signal)
        scopes = affects.scopes(signal.labels, served)
        if isinstance(scopes, ScopeUnresolved):
            refusals[f"The scope does not resolve: {scopes.reason}."] = None
            doubtful = True
            continue
        refused = _unexpected(census, affects, scopes, share_max)
        if refused:
            refusals[refused] = None
            continue
        for scope in scopes:
            form, values = _form(scope), tuple(value for _, value in scope.tags)
            old = hits.setdefault(form, {}).get(values)
            if old is None or weight(impact) > weight(old.impact):
                evidence = _evidence(affects, scope, signal)
                hits[form][values] = Hit(scope, impact, evidence)
    return Trouble(service, tuple(refusals), doubtful, hits)


def _distinct(
    catalogue: Catalogue, service: str, signals: Iterable[Signal]
) -> Iterator[tuple[Affects, Signal, Impact]]:
    """Yield each different scope once: a thousand alerts of one kind name one audience."""
    seen = set()
    known = catalogue.services.get(service)
    for signal in signals:
        touch = catalogue.touch(service, signal.labels)
        if touch.impact is None or touch.impact is Impact.UNKNOWN:
            continue
        labels = tuple(signal.labels.get(one.label) for one in touch.affects.where if one.label)
        host = signal.host if known is not None and known.hosts and touch.affects.narrowed else ""
        key = (touch.affects, labels, touch.impact, host)
        if key not in seen:
            seen.add(key)
            yield touch.affects, signal, touch.impact


def _served(catalogue: Catalogue, service: str, signal: Signal) -> Mapping[str, tuple[str, ...]]:
    """Return what the catalogue says of the host that an alert is about."""
    known = catalogue.services.get(service)
    if known is None or not known.hosts:
        return _NOBODY
    for name in (signal.host, _PORT.sub("", signal.host)):
        if name in known.hosts:
            return {label: values.texts for label, values in known.hosts[name].items()}
    return _NOBODY


@dataclass(frozen=True, slots=True)
class _Census:
    """How many customers with people each scope holds, counted once for all scopes of one form."""

    catalogue: Catalogue
    service: str
    needing: frozenset[str]  # the service itself, and what needs it in whatever way
    counts: dict[Form, Counter[tuple[str, ...]]]

    def inside(self, scope: Scope) -> int:
        """Return how many customers a scope holds."""
        form = _form(scope)
        if form not in self.counts:
            self.counts[form] = self._count(form)
        return self.counts[form][tuple(value for _, value in scope.tags)]

    def _count(self, form: Form) -> Counter[tuple[str, ...]]:
        everyone, uses, names = form
        each = ((one, 1) for one in self.catalogue.customers if one.people)
        found: Counter[tuple[str, ...]] = Counter()
        for one, count in each if NAMED in names else self.catalogue.kinds:
            if everyone or not uses or any(ref.text in self.needing for ref in one.uses):
                found[() if everyone else tuple(one.tag(name) for name in names)] += count
        return found


def _form(scope: Scope) -> Form:
    return scope.everyone, scope.uses, tuple(tag for tag, _ in scope.tags)


def _unexpected(census: _Census, affects: Affects, scopes: tuple[Scope, ...], share_max: float) -> str:
    """Return why the scopes of an alert mean somebody else than was meant, or nothing."""
    inside = sum(census.inside(scope) for scope in scopes if all(value for _, value in scope.tags))
    worded = " or ".join(_worded(scope) for scope in scopes[:3])
    if not inside:
        return f"The scope holds nobody: {worded}."
    count = len(census.catalogue.customers)
    if affects.narrowed and count >= FEW and inside > share_max * count:
        return (
            f"The scope was to be narrow and holds {inside} of {count} customers: {worded}; "
            f"at most {share_max:.0%} are told without a human."
        )
    return ""


def _evidence(affects: Affects, scope: Scope, signal: Signal) -> Evidence:
    label_of = {one.tag: one.label for one in affects.where if one.label}
    said: list[tuple[str, str]] = []
    served: list[tuple[str, str]] = []
    for tag, value in scope.tags:
        label = label_of.get(tag)
        if label:
            into = said if signal.labels.get(label) else served
            into.append((label, _shown(value)))
    return Evidence(_shown(signal.name), _shown(signal.host), tuple(said), tuple(served))


def _worded(scope: Scope) -> str:
    words = [*(["uses"] if scope.uses else []), *(f"{tag}={_shown(value)}" for tag, value in scope.tags)]
    return " and ".join(words) or "everyone"


def _shown(text: str) -> str:
    return printable(text)[:VALUE_CHARS_MAX]


def _pairs(pairs: Iterable[tuple[str, str]]) -> str:
    return " and ".join(f"{name}={value}" for name, value in pairs)
