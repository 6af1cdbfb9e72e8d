"""Files of rule tests, as ``promtool test rules`` reads them: what comes in, and what shall come out when."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from model import yaml_tree
from model.decode import MISSING, Decoder, Raw, decode
from model.duration import Duration, seconds
from model.misfit import NOWHERE, Misfit, Place
from model.yaml_tree import Limits, Node, Scalar
from rules.unit_test.series import SeriesName, SeriesValues

LIMITS: Final = Limits(file_bytes_max=4 << 20, nodes_max=500_000, aliases_max=10_000, merge_keys=True)

_NULLS: Final = ("", "~", "null", "Null", "NULL")
_FLOAT: Final = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_WHOLE: Final = re.compile(r"[-+]?0(x[0-9a-fA-F]+|o[0-7]+|b[01]+|[0-7]+)")
_SPECIAL: Final = re.compile(r"(?P<infinite>[-+]?)\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)")

_UNWRITTEN: Final = Raw("")
_NO_VALUES: Final = SeriesValues()
_NAMELESS: Final = SeriesName.parse("")

Pair = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Pairs:
    """Labels or annotations as they are expected, sorted by name; an empty text is not an absent one."""

    each: tuple[Pair, ...] = ()

    @classmethod
    def decode(cls, node: Node, decoder: Decoder) -> Any:
        """Read a mapping of texts."""
        if _is_null(node):
            return cls()
        if not isinstance(node, yaml_tree.Mapping):
            return decoder.value(node, Mapping[str, Raw])
        each = [(key.text, "" if _is_null(child) else decoder.value(child, Raw)) for key, child in node.pairs]
        if any(text is MISSING for _, text in each):
            return MISSING
        return cls(tuple(sorted((name, str(text)) for name, text in each)))


@dataclass(frozen=True, slots=True)
class GoFloat:
    """A number as Go's YAML reads one: ``0x10``, ``1e3`` and ``.inf`` as well, but nothing in quotes."""

    value: float = 0.0

    @classmethod
    def decode(cls, node: Node, _decoder: Decoder) -> GoFloat:
        """Read a number, or raise ``Misfit``."""
        if _is_null(node):
            return cls()
        text = node.text.replace("_", "") if isinstance(node, Scalar) and node.plain else "x"
        special = _SPECIAL.fullmatch(text)
        if special:
            return cls(float("nan") if special["infinite"] is None else float(f"{special['infinite']}inf"))
        if _WHOLE.fullmatch(text):
            octal = re.fullmatch(r"[-+]?0[0-7]+", text)
            return cls(float(int(text, 8) if octal else int(text, 0)))
        if not _FLOAT.fullmatch(text):
            raise Misfit("expected a number", "write it without quotes, like 12, 0.5, 1e-06 or .inf")
        return cls(float(text))


@dataclass(frozen=True, slots=True)
class Start:
    """When a story begins, in ms since 1970 in UTC: written as RFC 3339 or as seconds since 1970."""

    ms: int = 0

    @classmethod
    def parse(cls, text: str) -> Start:
        """Read a moment, or raise ``Misfit``."""
        try:
            if _FLOAT.fullmatch(text):
                return cls(round(float(text) * 1000))
            moment = datetime.fromisoformat(text)
            return cls(round(moment.timestamp() * 1000) if moment.tzinfo else -1)
        except (ValueError, OverflowError):
            cure = "write it like 2026-01-31T12:00:00Z, or in seconds since 1970"
            raise Misfit(f"{text[:40]!r} is no moment", cure) from None

    def __post_init__(self) -> None:
        if not 0 <= self.ms < 1 << 53:
            raise Misfit("the moment is out of range or has no zone", "write it like 2026-01-31T12:00:00Z")


@dataclass(frozen=True, slots=True)
class InputSeries:
    """A series that the rules see."""

    series: SeriesName
    values: SeriesValues = _NO_VALUES


@dataclass(frozen=True, slots=True)
class ExpectedAlert:
    """An alert that shall fire; the label ``alertname`` is added to those written."""

    exp_labels: Pairs = Pairs()
    exp_annotations: Pairs = Pairs()


@dataclass(frozen=True, slots=True)
class AlertTest:
    """Which alerts of one name shall fire at a moment: all of these and no other."""

    alertname: Raw = _UNWRITTEN
    eval_time: Duration | None = None
    exp_alerts: tuple[ExpectedAlert, ...] | None = None
    place: Place = field(default=NOWHERE, compare=False)

    @property
    def at_ms(self) -> int:
        """The moment, in milliseconds after the start."""
        return self.eval_time.ms if self.eval_time else 0


@dataclass(frozen=True, slots=True)
class ExpectedSample:
    """An element that an expression shall yield; a native histogram is read and then not supported."""

    labels: SeriesName = _NAMELESS
    value: GoFloat = GoFloat()
    histogram: Raw = _UNWRITTEN


@dataclass(frozen=True, slots=True)
class ExprTest:
    """What an expression shall yield at a moment, in any order."""

    expr: Raw = _UNWRITTEN
    eval_time: Duration | None = None
    exp_samples: tuple[ExpectedSample, ...] | None = None
    place: Place = field(default=NOWHERE, compare=False)

    @property
    def at_ms(self) -> int:
        """The moment, in milliseconds after the start."""
        return self.eval_time.ms if self.eval_time else 0


_AT_ZERO: Final = Start()


@dataclass(frozen=True, slots=True)
class Case:
    """One story: series, and what is expected while it is told."""

    name: Raw = _UNWRITTEN
    interval: Duration | None = None
    input_series: tuple[InputSeries, ...] | None = None
    alert_rule_test: tuple[AlertTest, ...] | None = None
    promql_expr_test: tuple[ExprTest, ...] | None = None
    external_labels: Pairs = Pairs()
    external_url: Raw = _UNWRITTEN
    start_timestamp: Start = _AT_ZERO
    place: Place = field(default=NOWHERE, compare=False)


@dataclass(frozen=True, slots=True)
class Suite:
    """A file of rule tests; ``rule_files`` are globs relative to it."""

    rule_files: tuple[Raw, ...] | None = None
    evaluation_interval: Duration | None = None
    group_eval_order: tuple[Raw, ...] | None = None
    tests: tuple[Case, ...] | None = None
    fuzzy_compare: bool = False
    place: Place = field(default=NOWHERE, compare=False)

    def __post_init__(self) -> None:
        order = self.group_eval_order or ()
        if len(set(order)) < len(order):
            sentence = "a group stands twice in the order"
            raise Misfit(sentence, "name each group once", key="group_eval_order")

    @property
    def step_ms(self) -> int:
        """How far apart the evaluations are."""
        given = self.evaluation_interval.ms if self.evaluation_interval else 0
        return given or seconds(60).ms


def load_suite(data: bytes, file: str) -> Suite:
    """Return the rule tests of a file, or raise ``Rejected`` with every mistake in it.

    A file of nothing but comments tests nothing, and passes.
    """
    if all(not line.strip() or line.lstrip().startswith(b"#") for line in data.splitlines()):
        return Suite()
    return decode(data, file, Suite, LIMITS)


def _is_null(node: Node) -> bool:
    return isinstance(node, Scalar) and node.plain and node.text in _NULLS
