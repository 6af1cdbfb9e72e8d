"""What a person may ask of an incident, as data that is sound in itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Literal

from desk.incident.incident import Field
from desk.state import Impact, IncidentState

NAME_CHARS_MAX: Final = 100
BECAUSE_CHARS_MAX: Final = 500
TITLE_CHARS_MAX: Final = 200

Wrong = Literal["measured", "others", "drill"]


@dataclass(frozen=True, slots=True)
class Signed:
    """Who asks, and why."""

    by: str
    because: str = ""


@dataclass(frozen=True, slots=True)
class Amendment:
    """What changes of an incident; ``text`` is said on the page, and to those who were told if ``notify``.

    ``unlock`` gives fields back to automation. Words are by language.
    """

    title: Mapping[str, str] = field(default_factory=dict)
    impact: Impact | None = None
    state: IncidentState | None = None
    text: Mapping[str, str] = field(default_factory=dict)
    unlock: frozenset[Field] = frozenset()
    notify: bool = True


@dataclass(frozen=True, slots=True)
class Backfill:
    """An incident that no alert told of; ``until_ms`` is 0 while it goes on. Nobody is told unless asked."""

    service: str
    impact: Impact
    from_ms: int
    until_ms: int = 0
    title: Mapping[str, str] = field(default_factory=dict)
    text: Mapping[str, str] = field(default_factory=dict)
    notify: bool = False


class Unknown(Exception):
    """There is no incident of this name, or no such service."""


class Conflict(Exception):
    """An incident does not stand as the order needs it to; the sentence says how it stands."""
