"""Links by which people let a held notice go, or call it back: one for each, used once, for a day.

Each person who may say so gets one by mail, so that nobody needs a command line in the night. Its token is
made of the desk's secret, the notice and the address; the store has only its SHA-256.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

import sqlalchemy as sa
from sqlalchemy import Connection, Row

from desk import schema
from desk.approval.approval import kept
from desk.catalogue.person import UTC_ZONE, printable
from desk.house import House
from desk.notice import holding
from desk.notice.holding import Held, Human

LASTS_MS: Final = 86_400_000
LINKS_MAX: Final = 20
LETTERS_SHOWN_MAX: Final = 4
REASONS_SHOWN_MAX: Final = 5
LINES_SHOWN_MAX: Final = 60

Word = Literal["release", "cancel"]

_LINK, _L, _A = schema.release_link, schema.letter, schema.audience


@dataclass(frozen=True, slots=True)
class Invited:
    """Somebody who may let notices go; ``zone`` is the one in which they read times."""

    email: str
    name: str
    zone: str


@dataclass(frozen=True, slots=True)
class Shown:
    """A letter as it would be sent in one language, line by line, without anybody's own links."""

    language: str
    subject: str
    lines: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Scene:
    """What one person sees behind a link; ``reasons`` are why people get it, each with how many they are."""

    held: Held
    name: str
    email: str
    may: bool
    used_ms: int
    late: bool
    letters: tuple[Shown, ...] = ()
    reasons: tuple[tuple[str, int], ...] = ()

    @property
    def takes_word(self) -> bool:
        """Whether this person may say a word now."""
        return self.may and not self.used_ms and not self.late and self.held.state == "held"


def token(secret: bytes, notice: int, email: str) -> str:
    """Return the token of one person's link; no other link is made of the words that it is made of."""
    words = f"beforehand release 1 {notice} {email.casefold()}"
    return hmac.new(secret, words.encode(), hashlib.sha256).hexdigest()


def whom(house: House, service: str, needs: int, now_ms: int) -> Mapping[str, Invited]:
    """Return by their address the people who may let a notice about a service go.

    They are the people of the team that owns it. Where there is staff, they are its approvers: those of the
    team where these are enough, else all of them.
    """
    team = house.catalogue.team_of(service)
    members = {
        str(one.email).casefold(): Invited(
            str(one.email), str(one.name), str(one.zone or (team.zone if team else UTC_ZONE))
        )
        for one in (team.members() if team else ())
    }
    if house.staff is None:
        return members
    approvers = {
        email: members.get(email, Invited(str(one.email), str(one.name), str(UTC_ZONE)))
        for email, one in house.staff.approvers(now_ms).items()
    }
    ours = {email: one for email, one in approvers.items() if email in members}
    return ours if len(ours) >= needs else approvers


def invite(conn: Connection, house: House, notice: int, now_ms: int) -> str:
    """Write down a link for each who may let a held notice go; return as a sentence how many have one."""
    if house.config.smtp is None:
        # The local mailbox can be read by whoever reaches the staff address.
        return "No mail server is named, so nobody has a link."
    held = holding.one(conn, notice)
    asked = dict(sorted(whom(house, held.service, held.needs, now_ms).items())[:LINKS_MAX])
    rows = [
        {
            "token": kept(token(house.secret, notice, one.email)),
            "notice": notice,
            "email": one.email,
            "name": one.name,
            "zone": one.zone,
            "state": "queued",
            "made_ms": now_ms,
            "due_ms": now_ms,
        }
        for one in asked.values()
    ]
    if len(rows) < held.needs:
        return f"It takes {held.needs} people with a link, and there are {len(rows)} who could have one."
    conn.execute(_LINK.insert(), rows)
    return "One person has a link by mail." if len(rows) == 1 else f"{len(rows)} people have a link by mail."


def look(conn: Connection, house: House, written: str, now_ms: int) -> Scene | None:
    """Return what stands behind a token, None where it was never given out."""
    row = conn.execute(sa.select(_LINK).where(_LINK.c.token == kept(written))).one_or_none()
    if row is None:
        return None
    held = holding.one(conn, row.notice)
    may = row.email.casefold() in whom(house, held.service, held.needs, now_ms)
    late = now_ms >= row.made_ms + LASTS_MS
    scene = Scene(held, row.name, row.email, may, row.used_ms, late)
    if not may:
        return scene
    letters, reasons = _letters(conn, row.notice), _reasons(conn, row.notice)
    return Scene(held, row.name, row.email, may, row.used_ms, late, letters, reasons)


def say(
    conn: Connection, house: House, written: str, said: tuple[Word, int], now_ms: int
) -> tuple[bool, Scene | None]:
    """Take a person's word, once, with the number of people as typed; raises ``NotHeld``.

    Returns whether it was taken, and how the notice stands after that.
    """
    scene = look(conn, house, written, now_ms)
    if scene is None or not scene.takes_word:
        return False, scene
    # Where several desks share a store, one row changes for whoever is first, and the others wait for it.
    mine = sa.update(_LINK).where(_LINK.c.token == kept(written), _LINK.c.used_ms == 0)
    if not conn.execute(mine.values(used_ms=now_ms)).rowcount:
        return False, look(conn, house, written, now_ms)
    word, count = said
    number = scene.held.notice
    if word == "cancel":
        holding.cancel(conn, number, scene.email, now_ms)
    else:
        human = Human(scene.email, scene.email.casefold())
        holding.release(conn, number, human, count, now_ms)
    return True, look(conn, house, written, now_ms)


def _letters(conn: Connection, notice: int) -> tuple[Shown, ...]:
    """Return a letter for each language, at most so many."""
    query = sa.select(_L).where(_L.c.notice == notice).order_by(_L.c.language, _L.c.zone, _L.c.why)
    found: dict[str, Shown] = {}
    for row in conn.execute(query):
        if row.language not in found:
            found[row.language] = _shown(row)
    return tuple(found.values())[:LETTERS_SHOWN_MAX]


def _shown(row: Row[Any]) -> Shown:
    # A reader's own links are marks in the text, which are no characters that can be seen.
    lines = [printable(line) for line in row.text.splitlines()[:LINES_SHOWN_MAX]]
    return Shown(row.language, printable(row.subject), tuple(line for line in lines if line))


def _reasons(conn: Connection, notice: int) -> tuple[tuple[str, int], ...]:
    """Return the commonest reasons why people get a notice, each with how many they are."""
    people = sa.func.count()
    query = (
        sa.select(_A.c.reason, people)
        .where(_A.c.notice == notice, _A.c.grade != "owner")
        .group_by(_A.c.reason)
        .order_by(people.desc(), _A.c.reason)
        .limit(REASONS_SHOWN_MAX)
    )
    return tuple((printable(reason), int(count)) for reason, count in conn.execute(query))
