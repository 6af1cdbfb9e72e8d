"""All that a decision about incidents rests on besides the news: what the desk knows at one moment."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from desk.incident.incident import Echo, Incident, Turn

ECHO_GRACE_MS: Final = 120_000
"""How long after the end of an incident what fails in the services behind it still belongs to it."""

RESEND_GRACE_MS: Final = 90_000
"""How long after the start of the desk what was heard before is given to speak again."""


@dataclass(frozen=True, slots=True)
class Sight:
    """What the desk can trust about silence: ``blind`` when an agent that it knows is not heard.

    What was last heard before ``started_ms`` is given a while to speak again, because it was the desk
    that did not listen.
    """

    blind: bool
    started_ms: int


@dataclass(frozen=True, slots=True)
class Failure:
    """That a service has an incident, or had one until ``ended_ms``; 0 while it is open.

    ``incident`` is 0 for one that is only just being opened.
    """

    incident: int
    ended_ms: int = 0


@dataclass(frozen=True, slots=True)
class Scene:
    """What the desk knows, by service.

    ``open`` holds the open incidents of the services concerned, ``past`` their newest ones that may begin
    anew, ``failed`` all services that have an incident or had one within the grace. ``turns`` are the
    latest comings and goings, oldest first, and ``hosts`` those that each service runs on.
    """

    sight: Sight
    open: Mapping[str, Incident] = field(default_factory=dict)
    past: Mapping[str, Incident] = field(default_factory=dict)
    failed: Mapping[str, Failure] = field(default_factory=dict)
    echoes: tuple[Echo, ...] = ()
    turns: Mapping[str, tuple[Turn, ...]] = field(default_factory=dict)
    hosts: Mapping[str, frozenset[str]] = field(default_factory=dict)
