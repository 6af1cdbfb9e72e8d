"""What templates work with: the values they know, what they see of an alert, and the shape of a function."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from model.labels import EMPTY, Labels


class WrongValue(Exception):
    """A template cannot go on with a value; the sentence says why."""


@dataclass(frozen=True, slots=True)
class Found:
    """One sample that ``query`` found, Go's ``*sample``."""

    labels: Mapping[str, str]
    value: float


@dataclass(frozen=True, slots=True)
class Arguments:
    """What ``args`` makes of its arguments: ``arg0``, ``arg1`` and so on."""

    each: tuple[Value, ...]

    def get(self, name: str) -> Value:
        """Return an argument by its name, or None where there is none."""
        return self.named().get(name)

    def named(self) -> dict[str, Value]:
        """Return each argument under its name."""
        return {f"arg{number}": value for number, value in enumerate(self.each)}


def _finds_nothing(_query: str) -> tuple[Found, ...]:
    raise WrongValue("there is nothing here that could be queried")


@dataclass(frozen=True, slots=True)
class Setting:
    """What surrounds every rule: labels and address of the agent, and its samples at this moment.

    ``query`` evaluates PromQL and raises ``WrongValue`` where that is not possible.
    """

    external_labels: Mapping[str, str] = EMPTY
    external_url: str = ""
    query: Callable[[str], tuple[Found, ...]] = _finds_nothing


ALONE: Final = Setting()


@dataclass(frozen=True, slots=True)
class View:
    """What a template sees of one result: its labels, the metric name among them, and its value."""

    labels: Labels = EMPTY
    value: float = 0.0
    setting: Setting = ALONE


Value = (
    str
    | float
    | int
    | bool
    | datetime
    | Found
    | Arguments
    | View
    | Mapping[str, str]
    | tuple[Found, ...]
    | None
)
"""A value as Go knows it; None is Go's nil, a tuple its ``queryResult``, a time is in UTC."""


@dataclass(frozen=True, slots=True)
class Function:
    """A function of a template, and how many arguments it takes; a viewing one gets the view first."""

    call: Callable[..., Value]
    arguments_min: int = 1
    arguments_max: int = 1
    viewing: bool = False


def part(value: Value, name: str) -> Value:
    """Return what stands under a name: a label, a field of a sample, an argument."""
    known: dict[str, Value] = {}
    if isinstance(value, View):
        known = {
            "Labels": value.labels,
            "Value": value.value,
            "ExternalLabels": value.setting.external_labels,
            "ExternalURL": value.setting.external_url,
        }
    elif isinstance(value, Found):
        known = {"Labels": value.labels, "Value": value.value}
    elif isinstance(value, Arguments):
        return value.get(name)
    elif isinstance(value, Mapping):
        return value.get(name, "")
    if name not in known:
        raise WrongValue(f"{type_name(value)} has no part {name!r}")
    return known[name]


def type_name(value: Value) -> str:
    """Return Go's name for the value's type."""
    names: dict[type, str] = {
        str: "string",
        bool: "bool",
        int: "int",
        float: "float64",
        datetime: "*time.Time",
        Found: "*template.sample",
        Arguments: "map[string]interface {}",
        View: "struct",
        tuple: "template.queryResult",
        type(None): "<nil>",
    }
    return names.get(type(value), "map[string]string")
