"""The desk as a whole: built, started, asked over HTTP, stopped."""

from __future__ import annotations

import logging
import secrets
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

from apscheduler.schedulers.background import BackgroundScheduler
from sqlalchemy import Connection
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from desk import records, schema
from desk.api import staff_api
from desk.catalogue import Catalogue
from desk.channels import mail, mailbox
from desk.compose import load_words
from desk.config import Config, password
from desk.counter import Counter
from desk.deliver import LOOK_S, Courier
from desk.dispatch import recover
from desk.envelope import Stationery
from desk.episode import Outcome, tick
from desk.leave import leave_routes
from desk.loop import Loop
from desk.page import not_found, public_routes, staff_routes
from desk.person import EmailAddress, Sender
from desk.public.routes import program_routes
from desk.read import Reader
from desk.retention import forget
from desk.store import Store, upsert
from desk.telling import House
from desk.view import MailboxView, PageView
from desk.words import spoken
from model.plugin import Line

STOP_S: Final = 4.0
TONGUES_MAX: Final = 64
STUMBLE_S: Final = 1.0
SECRET_BYTES: Final = 32

_log: Final = logging.getLogger("desk")
_SAFE: Final = (
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"x-frame-options", b"DENY"),
    (b"cross-origin-resource-policy", b"same-origin"),
)


class Desk:
    """The running parts of one desk; ``start`` and ``stop`` once each."""

    def __init__(
        self,
        config: Config,
        catalogue: Catalogue,
        state: Path,
        clock: Callable[[], int],
        monotonic: Callable[[], float],
    ) -> None:
        self._clock = clock
        secret = _secret(state / "secret")
        letters = None if config.smtp else state / "mailbox"
        stationery = _stationery(config, secret)
        line = _line(config, stationery.sender, letters)
        self.store = Store(state / "desk.sqlite")
        started_ms = clock()
        people, watched_ms = self.store.written(
            partial(_settle, catalogue=catalogue, config=config, now_ms=started_ms)
        )
        self.house = House(config, catalogue, people, secret, started_ms)
        self.reader = Reader(self.store, self.house, letters, watched_ms)
        self._courier = Courier(self.store, line, stationery, clock, monotonic)
        self._delivering = Loop("desk-courier", partial(_surely, self._courier.step))
        self._looking = Loop("desk-timer", partial(_surely, self._tick))
        self._nightly = BackgroundScheduler(timezone="UTC")
        self.counter = Counter(self.store, self.house, clock, self._woken, self._healthy)

    def start(self) -> None:
        """Take up whatever a former process left unfinished, then what comes."""
        people = [person for _, person in self.house.catalogue.people()]
        home = self.house.config
        tongues = {(spoken(one.language or home.language), one.zone or home.zone) for one in people}
        for language, zone in sorted(tongues)[:TONGUES_MAX]:
            load_words(language, zone, self._clock())
        self._delivering.start()
        self._looking.start()
        self._nightly.add_job(partial(_surely, self._forget), "cron", hour=3, minute=17)
        self._nightly.start()

    def stop(self) -> None:
        """End every loop; what could not be finished is taken up by the next start."""
        self._nightly.shutdown(wait=True)
        ended = self._looking.stop(STOP_S) and self._delivering.stop(STOP_S)
        if ended:
            self._courier.close()
        self.store.close()

    def _tick(self) -> float:
        now_ms = self._clock()
        outcome = self.store.written(partial(tick, house=self.house, now_ms=now_ms))
        self._delivering.wake()
        return max(0.01, min(LOOK_S, (outcome.due_ms - now_ms) / 1000)) if outcome.due_ms else LOOK_S

    def _forget(self) -> float:
        self.store.written(partial(forget, now_ms=self._clock()))
        return 0.0

    def _woken(self, outcome: Outcome) -> None:
        if outcome.changed:
            self._delivering.wake()
            self._looking.wake()

    def _healthy(self) -> bool:
        return self._delivering.alive and self._looking.alive

    def staff_app(self) -> ASGIApp:
        """Return what staff and agents may reach: the APIs, the mailbox and the page."""
        routes = [
            *staff_api(self.counter),
            *leave_routes(self.counter),
            *staff_routes(self._mailbox, self.reader.letter),
            *self._public(),
        ]
        return self._guarded(Starlette(routes=routes, exception_handlers=self._lost()))

    def public_app(self) -> ASGIApp:
        """Return what everybody may reach: the page, and the link that ends messages."""
        routes = [*leave_routes(self.counter), *self._public()]
        return self._guarded(Starlette(routes=routes, exception_handlers=self._lost()))

    def _public(self) -> list[Route]:
        read, incident = self._page, self.reader.incident
        return [*program_routes(read, incident), *public_routes(read, incident)]

    def _lost(self) -> dict[int, Callable[[Request, Exception], Response]]:
        handler = not_found(self.house.config.name)
        return {404: handler, 405: handler}

    def _guarded(self, app: ASGIApp) -> ASGIApp:
        config = self.house.config
        return Guarded(app, frozenset({config.url.host, config.listen.host, config.public.host, "localhost"}))

    def _page(self) -> PageView:
        return self.reader.page(self._clock())

    def _mailbox(self) -> MailboxView:
        return self.reader.mailbox(self._clock())


def _surely(step: Callable[[], float]) -> float:
    """Step; whatever nobody expected is logged, and the loop goes on after a moment."""
    try:
        return step()
    except Exception:  # noqa: BLE001  # the one catch-all here: a bad step must not end the loop
        _log.exception("a step of the desk failed")
        return STUMBLE_S


def _settle(
    conn: Connection, catalogue: Catalogue, config: Config, now_ms: int
) -> tuple[dict[str, int], int]:
    """Bring the store up to this start: people, what was in flight, and since when the desk watches."""
    table = schema.meta
    first = upsert(conn, table).values(key="watched_ms", value=str(now_ms)).on_conflict_do_nothing()
    conn.execute(first)
    watched = conn.execute(table.select().where(table.c.key == "watched_ms")).one()
    recover(conn, now_ms)
    return records.settle_people(conn, catalogue, config), int(watched.value)


def _secret(path: Path) -> bytes:
    """Return what signs our links; made once, readable by us alone."""
    if not path.exists():
        path.touch(mode=0o600)
        path.write_text(secrets.token_hex(SECRET_BYTES), encoding="ascii")
    return bytes.fromhex(path.read_text(encoding="ascii"))


def _stationery(config: Config, secret: bytes) -> Stationery:
    sender = config.smtp.from_ if config.smtp else Sender(config.name, EmailAddress("desk@localhost"))
    return Stationery(config.name, config.url, sender, config.smtp.reply_to if config.smtp else None, secret)


def _line(config: Config, sender: Sender, letters: Path | None) -> Line:
    smtp = config.smtp
    if smtp is None:
        return mailbox.CHANNEL.open(mailbox.Options(str(letters), sender))
    return mail.CHANNEL.open(
        mail.Options(
            host=smtp.host,
            sender=sender,
            port=smtp.port,
            security=smtp.security,
            username=smtp.username or "",
            password=password(smtp, Path(config.place.file).parent) if smtp.username else "",
            name=config.url.host if "." in config.url.host else "localhost",
            timeout=smtp.timeout,
        )
    )


@dataclass(frozen=True, slots=True)
class Guarded:
    """Answers only to the names of this desk, and adds headers that keep browsers from guessing.

    A page of somebody else's whose name is made to point here could otherwise read what staff may read.
    """

    app: ASGIApp
    hosts: frozenset[str]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or refuse it."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return

        async def guarded_send(message: Message) -> None:
            if message["type"] == "http.response.start":
                known = {name for name, _ in message["headers"]}
                more = [pair for pair in _SAFE if pair[0] not in known]
                message = {**message, "headers": [*message["headers"], *more]}
            await send(message)

        if _host(scope["headers"]) in self.hosts:
            await self.app(scope, receive, guarded_send)
        else:
            body = b"this desk has another name"
            await guarded_send({"type": "http.response.start", "status": 421, "headers": []})
            await guarded_send({"type": "http.response.body", "body": body})


def _host(headers: Iterable[tuple[bytes, bytes]]) -> str:
    """Return the host that a request names, without its port; several of them are none."""
    found = [value.decode("latin-1") for name, value in headers if name == b"host"]
    if len(found) != 1:
        return ""
    host = found[0].rpartition("]")[0] + "]" if found[0].startswith("[") else found[0].partition(":")[0]
    return host.strip("[]").lower()
