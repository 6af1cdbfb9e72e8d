"""The catalogue that was sent over the API: kept in the store, in force until the files themselves change."""

from __future__ import annotations

import hashlib
import logging
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import sqlalchemy as sa
from sqlalchemy import Connection

from desk import schema
from desk.catalogue.catalogue import Catalogue
from desk.catalogue.file import LIMITS, CatalogueFile, joined, unspoken
from desk.config import Config
from desk.files import read_bytes
from desk.house import House
from desk.incident import records, speakers
from desk.notice import planning
from desk.store.store import upsert
from model.decode import decode
from model.misfit import Rejected

NAME: Final = "catalogue"
_TEXT: Final = "catalogue"
_OVER: Final = "catalogue_over"
_AT: Final = "catalogue_at"
_MARKS: Final = (_OVER, _AT)


_log: Final = logging.getLogger("desk")


@dataclass(frozen=True, slots=True)
class Edition:
    """A whole catalogue as it was sent; ``over`` is the digest of the files in whose place it stands."""

    catalogue: Catalogue
    text: str
    over: str
    at_ms: int


def read_edition(text: bytes) -> Catalogue:
    """Return a catalogue that was sent, or raise ``Rejected`` with every mistake in it."""
    return joined([decode(text, NAME, CatalogueFile, LIMITS)])


def read_for(config: Config, text: bytes) -> Catalogue:
    """Return a catalogue that somebody sends now; it may name only what desk.yaml opens, as a file may."""
    catalogue = read_edition(text)
    if problems := tuple(unspoken(config, catalogue)):
        raise Rejected(problems)
    return catalogue


def files_digest(config: Config) -> str:
    """Return the SHA-256 of the catalogue's files as they lie there now; raises ``Rejected``."""
    digest = hashlib.sha256()
    for name in config.catalogue:
        path = Path(config.place.file).parent / name
        data = read_bytes(path, config.place, LIMITS.file_bytes_max)
        digest.update(hashlib.sha256(data).digest())
    return digest.hexdigest()


def in_force(conn: Connection, over: str) -> Edition | None:
    """Return the edition in force in the place of these files, or None where the files are newer."""
    return newer(conn, over, 0)


def newer(conn: Connection, over: str, than_ms: int) -> Edition | None:
    """Return the edition in the place of these files that was sent after this time."""
    table = schema.meta
    rows = conn.execute(sa.select(table.c.key, table.c.value).where(table.c.key.in_(_MARKS)))
    found = {row.key: row.value for row in rows}
    at_ms = int(found.get(_AT, "0"))
    if found.get(_OVER) != over or at_ms <= than_ms:
        return None
    text = str(conn.execute(sa.select(table.c.value).where(table.c.key == _TEXT)).scalar_one())
    try:
        return Edition(read_edition(text.encode()), text, over, at_ms)
    except Rejected as wrong:
        _log.error("the catalogue that was sent is not used:\n%s", wrong)
        return None


def _keep(conn: Connection, sent: Edition | None) -> None:
    table = schema.meta
    conn.execute(sa.delete(table).where(table.c.key.in_((*_MARKS, _TEXT))))
    if sent is not None:
        values = {_TEXT: sent.text, _OVER: sent.over, _AT: str(sent.at_ms)}
        conn.execute(upsert(conn, table), [{"key": key, "value": value} for key, value in values.items()])


def adopt(conn: Connection, house: House, catalogue: Catalogue, sent: Edition | None, now_ms: int) -> House:
    """Put a catalogue in force: its people, and a first notice for those whom it adds to open incidents.

    ``sent`` None means that the catalogue is that of the files, which end any edition.
    """
    _keep(conn, sent)
    house = follow(conn, house, catalogue)
    speakers.refresh(conn, house, now_ms)
    for incident in records.open_incidents(conn).values():
        planning.tell_affected(conn, house, incident, now_ms)
    return house


def follow(conn: Connection, house: House, catalogue: Catalogue) -> House:
    """Take over a catalogue that another desk of the same store put in force."""
    return replace(house, catalogue=catalogue, people=records.settle_people(conn, catalogue, house.config))
