"""A service as its customers know it: its names, what its alerts mean, and what still works without it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Literal

from desk.audience.affects import USES, Affects
from desk.catalogue.dependency import Dependency, Ref
from desk.catalogue.person import Language, Slug, Text
from desk.incident.incident import weight
from desk.state import Impact
from model.decode import MISSING, Decoder, Raw
from model.duration import Duration, seconds
from model.matcher import Matchers
from model.misfit import Misfit, Place
from model.yaml_tree import Mapping as Tree
from model.yaml_tree import Node, Scalar, Sequence

FALLBACK: Final = "en"
HOSTS_MAX: Final = 5_000
FORECAST_MIN: Final = seconds(300)
FORECAST_MAX: Final = seconds(14 * 86_400)
CHANCE_MIN: Final = 1
_SERVING: Final = ("pilot", "live", "retiring")


@dataclass(frozen=True, slots=True)
class Names:
    """One name or sentence in each language; a bare text is the one for all."""

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
class Share:
    """How many of the hosts, or of the customers, must be hit at one time."""

    at_least: Percent
    of: Literal["hosts", "customers"]


@dataclass(frozen=True, slots=True)
class Forecast:
    """That an alert tells of what is to come: within which time, and how likely, where that is known."""

    within: Duration
    chance: Percent | None = None

    def __post_init__(self) -> None:
        if not FORECAST_MIN <= self.within <= FORECAST_MAX:
            cure = f"write from {FORECAST_MIN} to {FORECAST_MAX}"
            raise Misfit(f"nobody can act on a forecast of {self.within}", cure, key="within")
        if self.chance is not None and self.chance.value < CHANCE_MIN:
            cure = f"write from {CHANCE_MIN}% to 100%, or leave it out where nobody knows"
            raise Misfit(f"a chance of {self.chance.value:g}% is no forecast", cure, key="chance")


@dataclass(frozen=True, slots=True)
class ImpactRule:
    """Which impact an alert has, and on whom; what still works then, where that differs.

    With a ``share`` the impact is that of a large enough part; ``below`` is the one of a smaller part. With
    a ``forecast`` nothing is wrong yet, and the impact is the one that is expected.
    """

    when: Matchers
    impact: Impact
    place: Place = field(compare=False)
    affects: Affects = USES
    share: Share | None = None
    below: Impact | None = None
    forecast: Forecast | None = None
    still_works: Names | None = None
    workaround: Names | None = None

    def __post_init__(self) -> None:
        if self.below is not None and self.share is None:
            cure = "add share: {at_least: 30%, of: hosts}"
            raise Misfit("below which share is not said", cure, key="below")
        if self.share is not None and weight(self.lighter) >= weight(self.impact):
            sentence = f"{self.lighter.value} is not lighter than {self.impact.value}"
            raise Misfit(sentence, "give a lighter impact as below", key="below")
        if self.forecast is not None and (self.share is not None or self.impact is Impact.UNKNOWN):
            sentence = "a forecast needs one impact, which is known beforehand"
            raise Misfit(sentence, "write major, partial, degraded or minor, without a share", key="forecast")

    @property
    def lighter(self) -> Impact:
        """The impact where less than the share is hit; degraded, or minor, where none is named."""
        if self.below is not None:
            return self.below
        return Impact.DEGRADED if weight(self.impact) > weight(Impact.DEGRADED) else Impact.MINOR


@dataclass(frozen=True, slots=True)
class Values:
    """What a label of a host stands for: one value, or several where the host serves several."""

    texts: tuple[str, ...]

    @classmethod
    def decode(cls, node: Node, decoder: Decoder) -> Values:
        """Read ``eu`` or ``[s3, s4]``."""
        nodes = node.items if isinstance(node, Sequence) else (node,)
        texts = tuple(str(one) for item in nodes if (one := decoder.value(item, Raw)) is not MISSING and one)
        if not texts or len(texts) < len(nodes) or not all(isinstance(one, Scalar) for one in nodes):
            raise Misfit("expected a value", "write a word, or [one, another]")
        return cls(texts)


Stage = Literal["proposed", "designed", "pilot", "live", "retiring", "retired"]


@dataclass(frozen=True, slots=True)
class Service:
    """What customers use, in their words."""

    service: Slug
    place: Place = field(compare=False)
    name: Names | None = None
    about: Names | None = None
    owner: Ref | None = None
    stage: Stage = "live"
    criticality: Literal["low", "medium", "high", "critical"] = "medium"
    business_units: tuple[Text, ...] = ()
    depends_on: tuple[Dependency, ...] = ()
    shows: tuple[Matchers, ...] = ()
    impact: tuple[ImpactRule, ...] = ()
    still_works_: Names | None = None
    workaround_: Names | None = None
    hosts: Mapping[str, Mapping[str, Values]] = field(default_factory=dict)
    sla: Sla = Sla()
    xla: Xla = Xla()

    def __post_init__(self) -> None:
        if len(self.hosts) > HOSTS_MAX:
            raise Misfit(
                f"the service has {len(self.hosts)} hosts", f"keep it within {HOSTS_MAX}", key="hosts"
            )

    @property
    def serves(self) -> bool:
        """Whether customers use it at this stage, so that its alerts count and pages show it."""
        return self.stage in _SERVING

    def said_in(self, language: str) -> str:
        """Return the service's name in this language."""
        return self.name.said_in(language) if self.name else str(self.service)

    def still_works(self, language: str, labels: Mapping[str, str] | None = None) -> str:
        """Return what still works while this alert fires, or while anything is wrong; may be empty."""
        rule = self.rule(labels or {})
        said = (rule.still_works if rule else None) or self.still_works_
        return said.said_in(language) if said else ""

    def workaround(self, language: str, labels: Mapping[str, str] | None = None) -> str:
        """Return what people can do meanwhile, by this alert or whatever is wrong; may be empty."""
        rule = self.rule(labels or {})
        said = (rule.workaround if rule else None) or self.workaround_
        return said.said_in(language) if said else ""

    def rule(self, labels: Mapping[str, str]) -> ImpactRule | None:
        """Return the first impact that fits an alert with these labels."""
        return next((rule for rule in self.impact if rule.when.matches(labels)), None)

    def is_shown_by(self, labels: Mapping[str, str]) -> bool:
        """Tell whether an alert with these labels touches the service; by default its label says so."""
        if not self.shows:
            return labels.get("service", "") == self.service
        return any(matchers.matches(labels) for matchers in self.shows)
