"""Prints what node_exporter and the probes here make of one host: python -m tests.probes.host.compare."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from tests.probes.host import dashboards, golden


def lines(title: str, found: golden.Comparison) -> Iterator[str]:
    """Yield one comparison in words: how many names match, and the others with their reasons."""
    yield f"{title}: {len(found.matched)} names matched"
    yield from _part("missing here", found.missing, golden.MISSING)
    yield from _part("differing", found.differing, {})
    yield from _part("told here alone", found.ours_alone, golden.OURS_ALONE)


def _part(title: str, found: Mapping[str, Sequence[str]], reasons: Mapping[str, str]) -> Iterator[str]:
    yield f"  {title}: {len(found)} names"
    for name, series in found.items():
        reason = reasons.get(name) or ("a passing state" if name in golden.PASSING else "?")
        yield f"    {name}, {len(series)} series: {reason}; like {series[0]}"


def main() -> int:
    """Print the comparisons on a fixture and on this host, and what dashboards ask for."""
    with tempfile.TemporaryDirectory() as folder:
        told = [*lines("A host made of files", golden.of_fixture(Path(folder)))]
    told += [*lines("This host", golden.of_this_host()), *dashboards.lines()]
    print("\n".join(told))
    return 0


if __name__ == "__main__":
    sys.exit(main())
