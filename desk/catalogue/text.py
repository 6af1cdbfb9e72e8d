"""A catalogue as plain data in the very keys that are read, so that what is fetched can be sent back."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from enum import Enum

from desk.audience.affects import Affects
from desk.catalogue.catalogue import Catalogue
from desk.catalogue.dependency import Dependency, Ref
from desk.catalogue.person import Quiet
from desk.catalogue.service import Names, Percent, Values
from model.duration import Duration
from model.matcher import Matchers
from model.misfit import Place

Plain = str | float | bool | None | list["Plain"] | dict[str, "Plain"]


def plain(catalogue: Catalogue) -> dict[str, Plain]:
    """Return all of a catalogue as texts, numbers, lists and mappings; defaults are left out."""
    return {
        "services": [_plain(one) for one in catalogue.services.values()],
        "customers": [_plain(one) for one in catalogue.customers],
        "teams": [_plain(one) for one in catalogue.teams.values()],
        **({"tiers": [_plain(one) for one in catalogue.tiers.values()]} if catalogue.tiers else {}),
    }


def _plain(value: object) -> Plain:
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, Enum):
        return str(value.value)
    if isinstance(value, str):
        return str(value)
    if isinstance(value, int | float):
        return float(value)
    if isinstance(value, Mapping):
        return {str(key): _plain(one) for key, one in value.items()}
    return _noun(value)


def _noun(value: object) -> Plain:
    found: Plain
    if isinstance(value, Ref | Matchers | Affects | Duration | Quiet):
        found = value.text if isinstance(value, Ref) else str(value)
    elif isinstance(value, Percent):
        found = f"{value.value:.8f}".rstrip("0").rstrip(".") + "%"
    elif isinstance(value, Names):
        found = dict(value.by_language)
    elif isinstance(value, Values):
        found = list(value.texts)
    elif isinstance(value, Dependency):
        found = {"any": list(value.names)} if len(value.names) > 1 else value.names[0]
    elif isinstance(value, tuple):
        found = [_plain(one) for one in value]
    else:
        found = dict(_fields(value))
    return found


def _fields(value: object) -> Iterable[tuple[str, Plain]]:
    assert dataclasses.is_dataclass(value), f"no way to write a {type(value)}"
    for field in dataclasses.fields(value):
        own = getattr(value, field.name)
        if field.init and not isinstance(own, Place) and own != field.default and own not in ({}, ()):
            yield field.name.removesuffix("_"), _plain(own)
