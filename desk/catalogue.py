"""The catalogue: which services there are, who owns and uses them, and which alert means what for whom."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final, Literal

from desk.affects import USES, Affects
from desk.person import ENGLISH, UTC_ZONE, EmailAddress, Language, Quiet, Slug, Text, Zone
from desk.view import Impact
from model.decode import MISSING, Decoder, Raw
from model.duration import Duration
from model.matcher import Matcher, Matchers
from model.misfit import Misfit, Place
from model.yaml_tree import Mapping as Tree
from model.yaml_tree import Node, Scalar

FALLBACK: Final = "en"


@dataclass(frozen=True, slots=True)
class Ref:
    """The name of something that must stand elsewhere in the catalogue."""

    text: str
    place: Place = field(compare=False)

    @classmethod
    def decode(cls, node: Node, _decoder: Decoder) -> Ref:
        """Read one name and keep its place, so that an unknown one is found where it stands."""
        if not isinstance(node, Scalar):
            raise Misfit("expected a name", "write one word")
        return cls(node.text, node.place)


@dataclass(frozen=True, slots=True)
class Names:
    """One name in each language; a bare text is the name in all."""

    by_language: tuple[tuple[str, str], ...]

    @classmethod
    def decode(cls, node: Node, decoder: Decoder) -> Names:
        """Read ``{en: Checkout, de: Kasse}`` or a bare name."""
        if not isinstance(node, Tree):
            text = decoder.value(node, Text)
            return cls(((FALLBACK, str(text)),))
        pairs = [(Language.parse(key.text), decoder.value(value, Text)) for key, value in node.pairs]
        if not pairs:
            raise Misfit("there is no name", "write {en: Checkout}")
        return cls(tuple((str(key), str(text)) for key, text in pairs if text is not MISSING))

    def said_in(self, language: str) -> str:
        """Return the name in this language, else in its base language, in English, or as first written."""
        known = dict(self.by_language)
        for tag in (language, language.partition("-")[0], FALLBACK):
            if tag in known:
                return known[tag]
        return self.by_language[0][1]


@dataclass(frozen=True, slots=True)
class Percent:
    """A share of a hundred, written ``99.9%``."""

    value: float

    @classmethod
    def parse(cls, text: str) -> Percent:
        """Read a percentage from 0 to 100."""
        number = text.removesuffix("%")
        plain = number.replace(".", "", 1)
        value = float(number) if plain.isascii() and plain.isdecimal() and len(number) < 12 else -1.0
        if number == text or not 0 <= value <= 100:
            raise Misfit(f"{text[:20]!r} is not a percentage", "write it like 99.9%")
        return cls(value)


@dataclass(frozen=True, slots=True)
class Sla:
    """What was agreed about a service, in an engineer's terms."""

    availability: Percent | None = None
    respond: Duration | None = None
    resolve: Duration | None = None
    review: Duration | None = None


@dataclass(frozen=True, slots=True)
class Xla:
    """What was agreed about a service, in its users' terms."""

    csat: float | None = None
    told_first: Percent | None = None
    minutes_lost: float | None = None


@dataclass(frozen=True, slots=True)
class ImpactRule:
    """Which impact an alert has, and on whom."""

    when: Matchers
    impact: Impact
    place: Place = field(compare=False)
    affects: Affects = USES


@dataclass(frozen=True, slots=True)
class Service:
    """What customers use, in their words."""

    service: Slug
    place: Place = field(compare=False)
    name: Names | None = None
    owner: Ref | None = None
    stage: Literal["proposed", "designed", "live", "retired"] = "live"
    depends_on: tuple[Ref, ...] = ()
    shows: tuple[Matchers, ...] = ()
    impact: tuple[ImpactRule, ...] = ()
    sla: Sla = Sla()
    xla: Xla = Xla()

    def said_in(self, language: str) -> str:
        """Return the service's name in this language."""
        return self.name.said_in(language) if self.name else str(self.service)

    def is_shown_by(self, labels: Mapping[str, str]) -> bool:
        """Tell whether an alert with these labels touches the service; by default its label says so."""
        if not self.shows:
            return Matcher("service", "=", str(self.service)).matches(labels)
        return any(matchers.matches(labels) for matchers in self.shows)


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody at a customer who wants to be told."""

    name: Text
    email: EmailAddress
    place: Place = field(compare=False)
    language: Language | None = None
    zone: Zone | None = None
    quiet: Quiet | None = None
    via: tuple[Literal["email"], ...] = ("email",)


@dataclass(frozen=True, slots=True)
class Customer:
    """Who uses our services; its tags say where and how."""

    customer: Slug
    place: Place = field(compare=False)
    name: Text | None = None
    tier: Slug | None = None
    uses: tuple[Ref, ...] = ()
    tags: Mapping[str, Raw] = field(default_factory=dict)
    people: tuple[Person, ...] = ()

    def tag(self, name: str) -> str:
        """Return a tag's value, or the empty string; ``customer`` and ``tier`` can be asked as tags."""
        own = {"customer": str(self.customer), "tier": str(self.tier or "")}
        return own[name] if name in own else str(self.tags.get(name, ""))


@dataclass(frozen=True, slots=True)
class Team:
    """Who is asked when a repair does not help."""

    team: Slug
    email: EmailAddress
    place: Place = field(compare=False)
    language: Language = ENGLISH
    zone: Zone = UTC_ZONE


@dataclass(frozen=True, slots=True)
class Touch:
    """What one alert means for one service; impact None means that nobody outside can feel it."""

    service: str
    impact: Impact | None
    affects: Affects
    reason: str


@dataclass(frozen=True, slots=True)
class Catalogue:
    """All services, customers and teams; read once and never changed."""

    services: Mapping[str, Service]
    customers: tuple[Customer, ...]
    teams: Mapping[str, Team]

    def people(self) -> Iterator[tuple[Customer, Person]]:
        """Yield every person with the customer."""
        return ((customer, person) for customer in self.customers for person in customer.people)

    def team_of(self, service: str) -> Team | None:
        """Return the team that owns a service, or None where nobody can be asked."""
        owner = self.services[service].owner if service in self.services else None
        return self.teams.get(owner.text) if owner else None

    def touches(self, labels: Mapping[str, str]) -> tuple[Touch, ...]:
        """Return what an alert with these labels means for each live service that it touches."""
        return tuple(
            _touch(service, labels)
            for service in self.services.values()
            if service.stage == "live" and service.is_shown_by(labels)
        )

    def touch(self, service: str, labels: Mapping[str, str]) -> Touch:
        """Return what an alert with these labels means for this one service."""
        known = self.services.get(service)
        if known is None:
            return Touch(service, _labelled(labels), USES, "the service left the catalogue")
        return _touch(known, labels)


def _touch(service: Service, labels: Mapping[str, str]) -> Touch:
    for rule in service.impact:
        if rule.when.matches(labels):
            reason = f"{rule.when} has the impact {rule.impact.value} on {service.service}"
            return Touch(str(service.service), rule.impact, rule.affects, reason)
    impact, word = _labelled(labels), labels.get("impact", "")
    if not word:
        return Touch(str(service.service), None, USES, "neither the catalogue nor a label names an impact")
    return Touch(str(service.service), impact, USES, f"the alert's label impact is {word[:40]!r}")


def _labelled(labels: Mapping[str, str]) -> Impact | None:
    word = labels.get("impact", "")
    if not word:
        return None
    return Impact(word) if word in Impact.__members__.values() else Impact.UNKNOWN
