"""The people of the catalogue: customers and who of them wants to be told, teams and who of them is asked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from desk.catalogue.dependency import Ref
from desk.catalogue.person import (
    ENGLISH,
    UTC_ZONE,
    Day,
    EmailAddress,
    Hook,
    Language,
    Phone,
    Quiet,
    Slug,
    Text,
    Zone,
)
from model.decode import Raw
from model.misfit import Misfit, Place

Channel = Literal["email", "sms", "webhook"]


@dataclass(frozen=True, slots=True)
class Addresses:
    """Where somebody is reached besides by e-mail."""

    sms: Phone | None = None
    webhook: Hook | None = None


@dataclass(frozen=True, slots=True)
class Consent:
    """Since which day somebody agrees to be told in each of these ways."""

    email: Day | None = None
    sms: Day | None = None
    webhook: Day | None = None


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody at a customer who wants to be told; ``roles`` are the customer's own words.

    ``via`` are the channels in the order in which they are tried.

    ``pre_impact`` says whether they want to hear of what is only expected; None leaves it to the tier.
    """

    name: Text
    email: EmailAddress
    place: Place = field(compare=False)
    language: Language | None = None
    zone: Zone | None = None
    quiet: Quiet | None = None
    via: tuple[Channel, ...] = ("email",)
    roles: tuple[Slug, ...] = ()
    addresses: Addresses = Addresses()
    consent: Consent = Consent()
    digest: Literal["none", "daily"] = "none"
    pre_impact: bool | None = None

    def __post_init__(self) -> None:
        if "sms" in self.via and self.addresses.sms is None:
            raise Misfit("there is no number for sms", "add addresses: {sms: +49 170 1234567}", key="via")
        if "webhook" in self.via and self.addresses.webhook is None:
            cure = "add addresses: {webhook: https://host/path}"
            raise Misfit("there is no address for webhook", cure, key="via")
        if "sms" in self.via and self.consent.sms is None:
            # In many countries a message to a telephone needs the word of whoever carries it.
            cure = "add consent: {sms: 2026-01-31}, the day of it"
            raise Misfit("nobody is written to by sms without consent", cure, key="via")

        if len(set(self.via)) < len(self.via):
            raise Misfit("a channel is given twice", "give each once, the first one first", key="via")

    @property
    def is_told(self) -> bool:
        """Whether notices go out to them at all."""
        return bool(self.via)


@dataclass(frozen=True, slots=True)
class Contract:
    """What binds a customer to us."""

    number: Text
    since: Day | None = None
    until: Day | None = None

    def __post_init__(self) -> None:
        if self.since and self.until and self.until < self.since:
            raise Misfit("the contract ends before it begins", "mend one of the days", key="until")


Likeness = tuple[tuple[str, ...], str, tuple[tuple[str, str], ...]]
"""What a customer uses, its tier and its tags: who is alike in it has one fate, unless a scope names it."""


@dataclass(frozen=True, slots=True)
class Customer:
    """Who uses our services; its tags say where and how, ``value`` what it is worth to us in a year.

    ``alternate`` is told where none of ``people`` can be reached, and of nothing else.
    """

    customer: Slug
    place: Place = field(compare=False)
    name: Text | None = None
    tier: Slug | None = None
    value: float | None = None
    contract: Contract | None = None
    uses: tuple[Ref, ...] = ()
    tags: Mapping[str, Raw] = field(default_factory=dict)
    people: tuple[Person, ...] = ()
    alternate: Person | None = None

    def __post_init__(self) -> None:
        if self.value is not None and self.value < 0:
            raise Misfit("the value is below nothing", "write 0 or more", key="value")
        if self.alternate and not self.alternate.is_told:
            raise Misfit("the alternate is not told either", "give a channel in via", key="alternate")

    def uses_service(self, service: str) -> bool:
        """Tell whether the customer uses a service."""
        return any(ref.text == service for ref in self.uses)

    @property
    def likeness(self) -> Likeness:
        """What it is asked for by every scope that does not name it."""
        tags = tuple(sorted((name, str(value)) for name, value in self.tags.items()))
        return tuple([ref.text for ref in self.uses]), str(self.tier or ""), tags

    def tag(self, name: str) -> str:
        """Return a tag's value, or the empty string; ``customer`` and ``tier`` can be asked as tags."""
        own = {"customer": str(self.customer), "tier": str(self.tier or "")}
        return own[name] if name in own else str(self.tags.get(name, ""))


@dataclass(frozen=True, slots=True)
class Tier:
    """What all customers of a tier asked for: with ``pre_impact``, to hear of what is only expected."""

    tier: Slug
    place: Place = field(compare=False)
    pre_impact: bool = False


@dataclass(frozen=True, slots=True)
class Engineer:
    """Somebody of a team, who may be asked whether a playbook may act."""

    name: Text
    email: EmailAddress
    place: Place = field(compare=False)
    zone: Zone | None = None


@dataclass(frozen=True, slots=True)
class Team:
    """Who is asked when a repair does not help; ``people`` are asked for approvals, each by a link.

    ``via`` are the channels in the order in which they are tried; ``chat`` is the name of one in desk.yaml.
    """

    team: Slug
    email: EmailAddress
    place: Place = field(compare=False)
    language: Language = ENGLISH
    zone: Zone = UTC_ZONE
    people: tuple[Engineer, ...] = ()
    via: tuple[Literal["email", "chat"], ...] = ("email",)
    chat: Slug | None = None

    def __post_init__(self) -> None:
        if "chat" in self.via and self.chat is None:
            raise Misfit("there is no chat", "add chat: and its name in desk.yaml", key="via")
        if not self.via or len(set(self.via)) < len(self.via):
            raise Misfit("a team needs a way, and each once", "write via: [email]", key="via")

    def members(self) -> tuple[Engineer, ...]:
        """Return its people; where none is named the team is one person, who reads its address."""
        return self.people or (Engineer(Text(self.team), self.email, self.place, self.zone),)
