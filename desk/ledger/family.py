"""Incidents that were merged: each counts as a part of the one that tells the rest, and not by itself."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from typing import Final

import sqlalchemy as sa
from sqlalchemy import Connection

from desk import schema

IDS_PER_QUERY: Final = 500
_M = schema.incident_more

Family = Mapping[int, int]
"""Incidents, each with the one that it is part of in the end; whoever stands alone is its own."""


def family(conn: Connection, roots: Iterable[int]) -> Family:
    """Return incidents with all that were merged into them, directly or by way of others."""
    of = {one: one for one in roots}
    fresh = set(of)
    while fresh:
        found: dict[int, int] = {}
        for some in batches(fresh):
            query = sa.select(_M.c.incident, _M.c.merged_into).where(_M.c.merged_into.in_(some))
            found |= {row.incident: of[row.merged_into] for row in conn.execute(query)}
        fresh = found.keys() - of.keys()
        of |= {one: found[one] for one in fresh}
    return of


def roots(conn: Connection, incidents: Iterable[int]) -> set[int]:
    """Return what these incidents are part of in the end."""
    left, found = set(incidents), set[int]()
    while left:
        up: dict[int, int] = {}
        for some in batches(left):
            query = sa.select(_M.c.incident, _M.c.merged_into).where(
                _M.c.incident.in_(some), _M.c.merged_into > 0
            )
            up |= {row.incident: row.merged_into for row in conn.execute(query)}
        found |= left - up.keys()
        left = set(up.values()) - found
    return found


def batches(ids: Iterable[int]) -> Iterator[list[int]]:
    """Yield ids in lists that one query takes."""
    rest = iter(sorted(ids))
    while some := list(islice(rest, IDS_PER_QUERY)):
        yield some
