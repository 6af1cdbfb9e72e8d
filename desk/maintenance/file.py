"""Planned work as it stands in files: read strictly, every mistake at once with its cure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

from desk.audience.affects import USES, Affects
from desk.catalogue.catalogue import Catalogue
from desk.catalogue.dependency import Ref
from desk.catalogue.person import Slug
from desk.catalogue.service import Names
from desk.config import Config
from desk.files import read_bytes
from desk.intake.alerts import moment_ms
from desk.maintenance.maintenance import Plan
from desk.notice.lint import flaws
from desk.state import Impact
from model.decode import decode, nearest
from model.misfit import Misfit, Place, Problem, Rejected


class Moment(int):
    """A moment in ms since 1970 in UTC, written as RFC 3339 with its offset."""

    __slots__ = ()

    @classmethod
    def parse(cls, text: str) -> Moment:
        """Read a moment."""
        found = moment_ms(text)
        if not found:
            cure = "write it with its offset, like 2026-11-25T02:00:00+01:00"
            raise Misfit(f"{text[:40]!r} is not a moment", cure)
        return cls(found)


@dataclass(frozen=True, slots=True)
class PlannedWork:
    """One piece of planned work; ``impact`` is the worst that it may do while it lasts.

    ``notice`` is what people notice of it and ``todo`` what they are to do, each by language.
    """

    maintenance: Slug
    place: Place = field(compare=False)
    services: tuple[Ref, ...]
    start: Moment
    end: Moment
    impact: Impact
    title: Names
    notice: Names | None = None
    todo: Names | None = None
    affects: Affects = USES

    def __post_init__(self) -> None:
        if self.end <= self.start:
            raise Misfit("it ends before it begins", "give it an end after its start", key="end")
        if not self.services:
            raise Misfit("it touches no service", "name one, like services: [checkout]", key="services")
        if self.impact is Impact.UNKNOWN:
            raise Misfit(
                "nobody knows how bad it may get", "write major, partial, degraded or minor", key="impact"
            )
        if any(condition.label for condition in self.affects.where):
            raise Misfit(
                "planned work has no labels", "write a fixed value, like uses and region=eu", key="affects"
            )

    def plan(self) -> Plan:
        """Return it as the desk carries it out."""
        return Plan(
            services=tuple(ref.text for ref in self.services),
            impact=self.impact,
            start_ms=int(self.start),
            end_ms=int(self.end),
            title=dict(self.title.by_language),
            noticed=dict(self.notice.by_language) if self.notice else {},
            todo=dict(self.todo.by_language) if self.todo else {},
            affects=self.affects,
        )


@dataclass(frozen=True, slots=True)
class MaintenanceFile:
    """One file of planned work."""

    maintenances: tuple[PlannedWork, ...]


def check_alone(path: Path) -> MaintenanceFile:
    """Return one file of planned work, whose services stand elsewhere; raises ``Rejected``."""
    return decode(read_bytes(path, Place(str(path))), str(path), MaintenanceFile)


def read_works(
    config: Config, catalogue: Catalogue, beside: Path, now_ms: int, known: Collection[str]
) -> dict[str, Plan]:
    """Return the planned work that desk.yaml names, by id, or raise ``Rejected`` with every mistake.

    What is over already is a mistake unless it is ``known``: then it was carried out, and is history.
    """
    works: list[PlannedWork] = []
    problems: list[Problem] = []
    for name in config.maintenance:
        path = beside / name
        try:
            works += decode(read_bytes(path, config.place), str(path), MaintenanceFile).maintenances
        except Rejected as wrong:
            problems += wrong.problems
    problems += mistakes(works, catalogue, now_ms, known)
    if problems:
        raise Rejected(tuple(problems))
    return {str(one.maintenance): one.plan() for one in works}


def mistakes(
    works: Sequence[PlannedWork], catalogue: Catalogue, now_ms: int, known: Collection[str]
) -> Iterator[Problem]:
    """Find what is wrong with pieces of planned work together, and with the catalogue."""
    seen: dict[str, Place] = {}
    for one in works:
        if str(one.maintenance) in seen:
            sentence = (
                f"the maintenance {str(one.maintenance)!r} is given twice, first in {seen[one.maintenance]}"
            )
            yield Problem(one.place, sentence, "keep one")
        seen.setdefault(str(one.maintenance), one.place)
        if one.end <= now_ms and str(one.maintenance) not in known:
            yield Problem(one.place, "it lies in the past", "remove it, or write the right day")
        for ref in one.services:
            if ref.text not in catalogue.services:
                cure = nearest(ref.text, catalogue.services).replace("the keys here", "the services")
                yield Problem(ref.place, f"there is no service {ref.text!r}", cure)
        yield from _unfit(one, catalogue)
    yield from _overlaps(works)


def _unfit(one: PlannedWork, catalogue: Catalogue) -> Iterator[Problem]:
    strangers = [str(name) for who in catalogue.customers for name in (who.customer, who.name) if name]
    for names in filter(None, (one.title, one.notice, one.todo)):
        for language, text in names.by_language:
            for flaw in flaws(text, language, strangers):
                yield Problem(one.place, flaw.sentence, flaw.cure)


def _overlaps(works: Iterable[PlannedWork]) -> Iterator[Problem]:
    by_service: dict[str, list[PlannedWork]] = {}
    for one in works:
        for ref in one.services:
            by_service.setdefault(ref.text, []).append(one)
    for service, planned in by_service.items():
        for first, second in pairwise(sorted(planned, key=lambda one: (one.start, one.end))):
            if second.start < first.end and second is not first:
                sentence = f"it overlaps with {str(first.maintenance)!r} for the service {service!r}"
                yield Problem(
                    second.place, sentence, "let it begin when the other has ended, or make one of both"
                )


def overlapping(plan: Plan, others: Mapping[str, Plan]) -> str:
    """Return which other planned work shares a service and a time with this one, or nothing."""
    for key, other in others.items():
        if (
            set(plan.services) & set(other.services)
            and plan.start_ms < other.end_ms
            and other.start_ms < plan.end_ms
        ):
            return key
    return ""
