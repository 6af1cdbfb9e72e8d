"""What every transaction of a desk needs to know of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from desk.audience.inquiry import Inquiries
from desk.catalogue.catalogue import Catalogue
from desk.config import Config
from desk.intake.standing import Standing
from desk.staff.staff import Staff


@dataclass(frozen=True, slots=True)
class House:
    """What does not change while the desk runs, and is replaced whole where it does.

    ``approval_key`` seals what people approve; without one nobody is asked. ``staff`` is None where
    desk.yaml names none: then whoever reaches the staff address is believed. ``standing`` is what the store
    is known to hold, ``inquiries`` what is asked of incidents whose first notice is being planned.
    """

    config: Config
    catalogue: Catalogue
    people: Mapping[str, int]
    secret: bytes = field(repr=False)
    started_ms: int
    approval_key: bytes = field(default=b"", repr=False)
    staff: Staff | None = None
    standing: Standing = field(default_factory=Standing, repr=False, compare=False)
    inquiries: Inquiries = field(default_factory=Inquiries, repr=False, compare=False)
