"""The files of the catalogue and of planned work, read again while the desk runs: all of them, or nothing."""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from sqlalchemy import Connection

from desk.catalogue import edition
from desk.catalogue.catalogue import Catalogue
from desk.catalogue.file import read_catalogue
from desk.config import Config
from desk.house import House
from desk.maintenance import book as maintenance_book
from desk.maintenance import file as maintenance_file
from desk.maintenance.maintenance import Plan
from model.misfit import Problem, Rejected

_log: Final = logging.getLogger("desk")


@dataclass(frozen=True, slots=True)
class Reread:
    """What stands in the files now; ``catalogue`` is None where its files are as they were."""

    files: str
    catalogue: Catalogue | None
    plans: Mapping[str, Plan]


def reread(house: House, files: str, known: Collection[str], now_ms: int) -> Reread:
    """Read the files again, or raise ``Rejected`` with every mistake in any of them.

    ``files`` is the digest of the catalogue's files that are in force, ``known`` the ids of planned work.
    """
    config = house.config
    beside = Path(config.place.file).parent
    now = edition.files_digest(config)
    try:
        catalogue = read_catalogue(config, beside) if now != files else None
    except Rejected as wrong:
        # Without a catalogue the services of planned work cannot be checked; its form can.
        raise Rejected((*wrong.problems, *_malformed(config, beside))) from None
    plans = maintenance_file.read_works(config, catalogue or house.catalogue, beside, now_ms, known)
    return Reread(now, catalogue, plans)


def _malformed(config: Config, beside: Path) -> list[Problem]:
    problems: list[Problem] = []
    for name in config.maintenance:
        try:
            maintenance_file.check_alone(beside / name)
        except Rejected as wrong:
            problems += wrong.problems
    return problems


def settle_works(conn: Connection, plans: Mapping[str, Plan], now_ms: int) -> int:
    """Bring planned work up to the files, and warn of what they plan in vain; return how much changed."""
    count = maintenance_book.settle(conn, plans, now_ms)
    for key in maintenance_book.called_off(conn, plans, now_ms):
        _log.warning(
            "the maintenance %r was called off, and everybody told so: it stays off; "
            "to plan it again, give it another id, else remove it from its file",
            key,
        )
    return count


def take_up(conn: Connection, house: House, found: Reread, now_ms: int) -> tuple[House, bool]:
    """Put what was read in force; return the house as it is then, and whether anything is another."""
    works = settle_works(conn, found.plans, now_ms)
    if found.catalogue is None:
        return house, bool(works)
    return edition.adopt(conn, house, found.catalogue, None, now_ms), True
