"""What a monitoring plug-in says: its text and its performance data, read leniently and in linear time.

The grammar is that of the Monitoring Plugins Development Guidelines, "Performance data"; the units beyond it
are those that Icinga 2 knows. Plug-ins are careless: what cannot be read is skipped up to the next space.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

ITEMS_MAX: Final = 256
LABEL_CHARS_MAX: Final = 128
UNIT_CHARS_MAX: Final = 16

_NUMBER: Final = r"[-+]?(?:[0-9]{1,40}(?:\.[0-9]{0,40})?|\.[0-9]{1,40})(?:[eE][-+]?[0-9]{1,3}(?![0-9]))?"
_VALUE: Final = re.compile(rf"({_NUMBER})(.*)", re.DOTALL)
_WHOLE_NUMBER: Final = re.compile(_NUMBER)
_TEXT_FIELDS_MAX: Final = 16

_DECIMAL: Final = {"": 1.0, "K": 1e3, "M": 1e6, "G": 1e9, "T": 1e12, "P": 1e15, "E": 1e18}
_BINARY: Final = {f"{prefix}i": 1024.0**power for power, prefix in enumerate("KMGTPE", start=1)}
_SCALES: Final = {**_DECIMAL, **_BINARY}
_UNITS: Final[dict[str, tuple[str, float]]] = {
    "": ("", 1.0),
    "%": ("percent", 1.0),
    "c": ("counter", 1.0),
    "ns": ("seconds", 1e-9),
    "us": ("seconds", 1e-6),
    "ms": ("seconds", 1e-3),
    "s": ("seconds", 1.0),
    "m": ("seconds", 60.0),
    "h": ("seconds", 3600.0),
    "d": ("seconds", 86400.0),
    **{f"{prefix}B": ("bytes", scale) for prefix, scale in _SCALES.items()},
    **{f"{prefix}b": ("bits", scale) for prefix, scale in _SCALES.items()},
    "kB": ("bytes", 1e3),
    "kb": ("bits", 1e3),
    "mA": ("amperes", 1e-3),
    "A": ("amperes", 1.0),
    "mV": ("volts", 1e-3),
    "V": ("volts", 1.0),
    "mW": ("watts", 1e-3),
    "W": ("watts", 1.0),
    "kW": ("watts", 1e3),
    "O": ("ohms", 1.0),
    "C": ("celsius", 1.0),
    "F": ("fahrenheit", 1.0),
    "K": ("kelvin", 1.0),
    "l": ("liters", 1.0),
    "g": ("grams", 1.0),
    "kg": ("grams", 1e3),
    "lm": ("lumens", 1.0),
    "dBm": ("dbm", 1.0),
}


@dataclass(frozen=True, slots=True)
class Range:
    """A threshold: values outside of ``start`` to ``end`` alert, or those ``inside`` of it; ends count to it.

    An end that is not there is infinite.
    """

    start: float
    end: float
    inside: bool = False

    def alerts(self, value: float) -> bool:
        """Tell whether a value is one to be alerted on."""
        return (self.start <= value <= self.end) is self.inside


@dataclass(frozen=True, slots=True)
class Item:
    """One value with its thresholds, all in the base unit; None for what was not said."""

    label: str
    value: float
    unit: str
    warn: Range | None = None
    crit: Range | None = None
    min: float | None = None
    max: float | None = None


@dataclass(frozen=True, slots=True)
class Said:
    """What a plug-in said: its first line, the lines below, and how many pieces could not be read."""

    text: str
    more: str
    items: tuple[Item, ...]
    unread: int


def parse_output(output: str) -> Said:
    """Return what an output says: ``TEXT | PERFDATA``, long text, and then perfdata after a ``|``."""
    first, _, rest = output.partition("\n")
    text, _, perf = first.partition("|")
    more, _, more_perf = rest.partition("|")
    items: dict[str, Item] = {}
    unread = 0
    for piece in _pieces(f"{perf}\n{more_perf}"):
        item = parse_item(piece)
        if item is None or len(items) >= ITEMS_MAX:
            unread += 1
        else:
            items.setdefault(item.label, item)
    return Said(_shown(text).strip(), _shown(more).strip(), tuple(items.values()), unread)


def parse_item(piece: str) -> Item | None:
    """Return ``'label'=value[UOM];[warn];[crit];[min];[max]``, or None where that cannot be read."""
    label, _, fields = _split_label(piece)
    texts = fields.split(";", _TEXT_FIELDS_MAX)
    shape = _VALUE.fullmatch(texts[0])
    name = _shown(label).strip()
    if shape is None or not name or len(name) > LABEL_CHARS_MAX or len(shape[2]) > UNIT_CHARS_MAX:
        return None
    unit, scale = _UNITS.get(shape[2], (_shown(shape[2]), 1.0))
    value = float(shape[1]) * scale
    if not math.isfinite(value):
        return None
    texts += [""] * 4
    return Item(
        name,
        value,
        unit,
        parse_range(texts[1], scale),
        parse_range(texts[2], scale),
        _number(texts[3], scale),
        _number(texts[4], scale),
    )


def parse_range(text: str, scale: float = 1.0) -> Range | None:
    """Return the range ``[@]start:end``, or None; ``10`` is 0 to 10, ``~`` is no start."""
    inside = text.startswith("@")
    first, colon, last = text.removeprefix("@").partition(":")
    if not colon:
        first, last = "0", first
        if not last:
            return None
    start = -math.inf if first == "~" else _number(first or "0", scale)
    end = math.inf if not last else _number(last, scale)
    if start is None or end is None or start > end:
        return None
    return Range(start, end, inside)


def _pieces(text: str) -> Iterator[str]:
    """Cut perfdata at its spaces, but not at those within quotes before the equals sign."""
    at = 0
    while at < len(text):
        if text[at].isspace():
            at += 1
            continue
        begin = at
        if text[at] == "'":
            at = _quote_end(text, at)
        while at < len(text) and not text[at].isspace():
            at += 1
        yield text[begin:at]


def _quote_end(text: str, at: int) -> int:
    """Return the place after a quoted label; a quote that nobody closes reaches to the end of its word."""
    end, last = at + 1, at + 2 * LABEL_CHARS_MAX
    while (end := text.find("'", end, last)) >= 0:
        if text[end + 1 : end + 2] != "'":
            # Labels hold no line end: an open quote must not swallow the lines below.
            return at + 1 if "\n" in text[at:end] else end + 1
        end += 2
    return at + 1


def _split_label(piece: str) -> tuple[str, str, str]:
    if piece.startswith("'"):
        end = _quote_end(piece, 0)
        if end > 1 and piece[end : end + 1] == "=":
            return piece[1 : end - 1].replace("''", "'"), "=", piece[end + 1 :]
    return piece.partition("=")


def _number(text: str, scale: float) -> float | None:
    if not _WHOLE_NUMBER.fullmatch(text):
        return None
    value = float(text) * scale
    return value if math.isfinite(value) else None


def _shown(text: str) -> str:
    """Return the text without characters that would steer a terminal."""
    return "".join(c if c.isprintable() or c in "\n\t" else "�" for c in text)
