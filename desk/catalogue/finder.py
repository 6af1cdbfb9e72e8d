"""Which services an alert could touch, found by its labels without asking each service."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from desk.catalogue.service import Service
from model.matcher import Matchers


@dataclass(frozen=True, slots=True)
class Finder:
    """The services in use by a label and its value that they ask for, and those that ask for no such thing.

    Each stands with its place in the catalogue, so that they are found in that order.
    """

    by_label: Mapping[str, Mapping[str, tuple[tuple[int, Service], ...]]]
    others: tuple[tuple[int, Service], ...]

    @classmethod
    def of(cls, services: Iterable[Service]) -> Finder:
        """Sort services by what they ask for."""
        found: dict[str, dict[str, dict[int, Service]]] = {}
        others: dict[int, Service] = {}
        for number, service in enumerate(one for one in services if one.serves):
            asked = [_asked(one) for one in service.shows] or [("service", str(service.service))]
            if None in asked:
                others[number] = service
                continue
            for label, value in filter(None, asked):
                found.setdefault(label, {}).setdefault(value, {})[number] = service
        by_label = {
            label: {value: tuple(some.items()) for value, some in values.items()}
            for label, values in found.items()
        }
        return cls(by_label, tuple(others.items()))

    def shown_by(self, labels: Mapping[str, str]) -> list[Service]:
        """Return the services that an alert with these labels touches, in the order of the catalogue."""
        found = dict(self.others)
        for label, values in self.by_label.items():
            some = values.get(labels.get(label, ""))
            if some:
                found.update(some)
        if not found:
            return []
        return [service for _, service in sorted(found.items()) if service.is_shown_by(labels)]


def _asked(shows: Matchers) -> tuple[str, str] | None:
    """Return a label and the one value of it that is asked for, or None where any of several would do."""
    return next(((one.label, one.value) for one in shows.each if one.operator == "="), None)
