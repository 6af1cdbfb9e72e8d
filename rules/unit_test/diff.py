"""Says how what was expected differs from what came: what is missing, too much, or reads otherwise."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Final, TypeVar

from model.duration import Duration
from rules.template import go_format
from rules.unit_test.file import Pair
from rules.unit_test.run import Broken, Failure, Named, OtherAlerts, OtherSamples, Valued

TEXT_CHARACTERS_MAX: Final = 2000

T = TypeVar("T")


def told(failure: Failure) -> Iterator[str]:
    """Yield the lines that tell of one failure: ``-`` before what was expected, ``+`` before what came."""
    match failure:
        case Broken(sentence, place):
            yield f"{place}: {sentence}" if place.line else sentence
        case OtherAlerts(test, expected, got):
            yield f"{test.place}: alert {test.alertname} after {Duration(test.at_ms)}"
            yield from (f"  {line}" for line in _alerts(expected, got))
        case OtherSamples(test, expected, got):
            yield f"{test.place}: expression {test.expr} after {Duration(test.at_ms)}"
            yield from (f"  {line}" for line in _samples(expected, got))


def _alerts(expected: Sequence[Named], got: Sequence[Named]) -> Iterator[str]:
    """Show alerts that differ side by side: each expected one with the most similar that came."""
    missing, extra = _apart(expected, got)
    for wanted in missing:
        nearest = max(extra, key=lambda other: _likeness(wanted, other), default=None)
        if nearest is None or not _likeness(wanted, nearest):
            yield f"- {_braced(wanted[0])} should fire and does not"
            continue
        extra.remove(nearest)
        yield f"  {_braced(sorted(set(wanted[0]) & set(nearest[0])))} fires otherwise:"
        for kind, one, other in (("label", wanted[0], nearest[0]), ("annotation", wanted[1], nearest[1])):
            yield from _pairs(kind, dict(one), dict(other))
    for surplus in extra:
        yield f"+ {_braced(surplus[0])} fires and should not"
        yield from (f"+   annotation {name}: {_quoted(text)}" for name, text in surplus[1])


def _pairs(kind: str, expected: dict[str, str], got: dict[str, str]) -> Iterator[str]:
    for name in sorted({*expected, *got}):
        if expected.get(name) != got.get(name):
            if name in expected:
                yield f"-   {kind} {name}: {_quoted(expected[name])}"
            if name in got:
                yield f"+   {kind} {name}: {_quoted(got[name])}"


def _samples(expected: Sequence[Valued], got: Sequence[Valued]) -> Iterator[str]:
    missing, extra = _apart(expected, got)
    yield from (f"- {_valued(one)}" for one in missing)
    yield from (f"+ {_valued(one)}" for one in extra)
    if not missing and not extra:
        yield "  NaN equals nothing, not even NaN; ask for expr != expr instead"


def _apart(expected: Iterable[T], got: Iterable[T]) -> tuple[list[T], list[T]]:
    """Return what is only expected and what only came, each as often as it is too much."""
    missing, extra = list(expected), []
    for one in got:
        if one in missing:
            missing.remove(one)
        else:
            extra.append(one)
    return missing, extra


def _likeness(one: Named, other: Named) -> int:
    """Count what two alerts share besides their name."""
    shared = (set(one[0]) & set(other[0])) | {(f"annotation {n}", t) for n, t in set(one[1]) & set(other[1])}
    return len([pair for pair in shared if pair[0] != "alertname"])


def _valued(valued: Valued) -> str:
    labels = str(valued[0]) or "{}"
    return f"{labels} {go_format.number(valued[1])}"


def _braced(pairs: Iterable[Pair]) -> str:
    return "{" + ", ".join(f"{name}={_quoted(text)}" for name, text in pairs) + "}"


def _quoted(text: str) -> str:
    return go_format.quoted(text[:TEXT_CHARACTERS_MAX])
