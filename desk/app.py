"""The desk as a whole: built, started, asked over HTTP, stopped."""

from __future__ import annotations

import logging
import secrets
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
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

from desk import edition, maintenance_book, records, schema
from desk.answer_page import answer_routes
from desk.api import Express, alert_taker, staff_api
from desk.approval_page import approval_routes
from desk.backing import Backing, in_file, on_server
from desk.catalogue import Catalogue
from desk.catalogue_api import Shelf, catalogue_routes
from desk.catalogue_file import read_catalogue
from desk.channels import mail, mailbox
from desk.channels.fenced import Fenced
from desk.compose import load_words
from desk.config import (
    COURIERS_MAX,
    Config,
    approval_key,
    catalogue_token,
    database_password,
    password,
)
from desk.counter import Counter
from desk.deliver import LOOK_S, Courier, badge, recover, resume
from desk.envelope import Stationery
from desk.episode import Outcome, tick
from desk.leave import leave_routes
from desk.ledger.routes import transparency_routes
from desk.loop import Loop
from desk.maintenance_file import read_works
from desk.page import not_found, public_routes, staff_routes
from desk.person import EmailAddress, Sender
from desk.public.events import Broadcast, event_routes
from desk.public.lookout import Lookout
from desk.public.routes import program_routes
from desk.read import Reader
from desk.retention import forget
from desk.snapshot import Snapshot
from desk.store import Store, upsert
from desk.telling import House
from desk.turns import LEASE_MS
from desk.view import IncidentView, LetterView, MailboxView, PageView
from desk.words import spoken
from model.misfit import Rejected
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
        key, token = approval_key(config), catalogue_token(config)
        self.store = Store(_backing(config, state))
        # What signs links is the same on all desks of one database.
        secret = self.store.written(_common_secret) if self.store.shared else _secret(state / "secret")
        letters = None if config.smtp else state / "mailbox"
        stationery = _stationery(config, secret, key)
        started_ms = clock()
        badges = [badge(state, _secret(state / "name").hex()[:16], n) for n in range(1, COURIERS_MAX + 1)]
        self.store.written(partial(resume, badges=badges, now_ms=started_ms))
        self._files = edition.files_digest(config)
        self._reloading = threading.Lock()
        sent = self.store.written(partial(edition.in_force, over=self._files))
        catalogue, self._sent_ms = (sent.catalogue, sent.at_ms) if sent else (catalogue, 0)
        people, watched_ms = self.store.written(
            partial(_settle, catalogue=catalogue, config=config, now_ms=started_ms, held_ms=self._held_ms)
        )
        self._plan_work(config, catalogue, started_ms)
        self.house = House(config, catalogue, people, secret, started_ms, key)
        self.reader = Reader(self.store, self.house, letters, watched_ms)
        self._couriers = [
            Courier(
                self.store, _fenced(config, stationery.sender, letters), stationery, clock, monotonic, one
            )
            for one in badges[: config.couriers]
        ]
        self._delivering = [
            Loop(f"desk-courier-{n}", partial(_surely, one.step)) for n, one in enumerate(self._couriers, 1)
        ]
        self._looking = Loop("desk-timer", partial(_surely, self._tick))
        self._broadcast = Broadcast()
        keep = Snapshot(Path(config.copy.to)).keep if config.copy else None
        lookout = Lookout(self._page, self._broadcast, keep, monotonic)
        self._watching = Loop("desk-lookout", partial(_surely, lookout.step))
        self._nightly = BackgroundScheduler(timezone="UTC")
        self.counter = Counter(self.store, self.house, clock, self._woken, self._healthy)
        self._shelf = Shelf(self.counter, token, lambda: self._files, self._settle_in)

    def _plan_work(self, config: Config, catalogue: Catalogue, now_ms: int) -> None:
        """Take up the planned work that stands in files; raises ``Rejected``."""
        beside = Path(config.place.file).parent
        try:
            known = self.store.written(maintenance_book.known)
            plans = read_works(config, catalogue, beside, now_ms, known)
        except Rejected:
            self.store.close()
            raise
        self.store.written(partial(maintenance_book.settle, plans=plans, now_ms=now_ms))

    @property
    def _held_ms(self) -> int:
        """How long another desk may be at a message before somebody else takes it up."""
        return LEASE_MS if self.store.shared else 0

    def start(self) -> None:
        """Take up whatever a former process left unfinished, then what comes."""
        people = [person for _, person in self.house.catalogue.people()]
        home = self.house.config
        tongues = {(spoken(one.language or home.language), one.zone or home.zone) for one in people}
        for language, zone in sorted(tongues)[:TONGUES_MAX]:
            load_words(language, zone, self._clock())
        for one in self._delivering:
            one.start()
        self._looking.start()
        self._watching.start()
        self._nightly.add_job(partial(_surely, self._forget), "cron", hour=3, minute=17)
        self._nightly.start()

    def stop(self) -> None:
        """End every loop; what could not be finished is taken up by the next start."""
        self._nightly.shutdown(wait=True)
        self._watching.stop(STOP_S)
        self._looking.stop(STOP_S)
        for loop, courier in zip(self._delivering, self._couriers, strict=True):
            if loop.stop(STOP_S / len(self._delivering)):
                courier.close()
        self.store.close()

    def _tick(self) -> float:
        now_ms = self._clock()
        if self.store.shared:
            self.store.written(partial(recover, now_ms=now_ms, held_ms=self._held_ms))
            self._follow()
        outcome = self.store.written(partial(tick, house=self.house, now_ms=now_ms))
        self._wake()
        return max(0.01, min(LOOK_S, (outcome.due_ms - now_ms) / 1000)) if outcome.due_ms else LOOK_S

    def reload(self) -> None:
        """Read the catalogue's files again; on any mistake the catalogue in force stays."""
        with self._reloading:
            self._reload()

    def _reload(self) -> None:
        config = self.house.config
        try:
            files = edition.files_digest(config)
            if files == self._files:
                _log.warning("the files of the catalogue are as they were")
                return
            catalogue = read_catalogue(config, Path(config.place.file).parent)
        except Rejected as wrong:
            _log.error("the catalogue stays as it is:\n%s", wrong)
            return
        now_ms = self._clock()
        adopt = partial(edition.adopt, house=self.house, catalogue=catalogue, sent=None, now_ms=now_ms)
        house = self.store.written(adopt)
        self._files = files
        self._settle_in(house)

    def _settle_in(self, house: House) -> None:
        """Put a house with another catalogue in the place of the present one."""
        self.house = self.counter.house = house
        self.reader = replace(self.reader, house=house)
        self._woken(Outcome(True, 0))

    def _follow(self) -> None:
        """Take over a catalogue that was sent to another desk of the same store."""
        newer = self.store.written(partial(edition.newer, over=self._files, than_ms=self._sent_ms))
        if newer is not None:
            self._sent_ms = newer.at_ms
            follow = partial(edition.follow, house=self.house, catalogue=newer.catalogue)
            self._settle_in(self.store.written(follow))

    def _forget(self) -> float:
        self.store.written(partial(forget, now_ms=self._clock()))
        return 0.0

    def _woken(self, outcome: Outcome) -> None:
        if outcome.changed:
            self._wake()
            self._looking.wake()

    def hush(self) -> None:
        """Let those go who listen to the news, so that nothing holds up a stop."""
        self._broadcast.close()

    def _wake(self) -> None:
        self._watching.wake()
        for one in self._delivering:
            one.wake()

    def _healthy(self) -> bool:
        return self._looking.alive and self._watching.alive and all(one.alive for one in self._delivering)

    def staff_app(self) -> ASGIApp:
        """Return what staff and agents may reach: the APIs, the mailbox and the page."""
        routes = [
            *staff_api(self.counter),
            *catalogue_routes(self._shelf),
            *leave_routes(self.counter),
            *answer_routes(self.counter),
            *approval_routes(self.counter),
            *staff_routes(self._mailbox, self._letter),
            *self._public(),
        ]
        app = Starlette(routes=routes, exception_handlers=self._lost())
        return self._guarded(Express(alert_taker(self.counter), app))

    def public_app(self) -> ASGIApp:
        """Return what everybody may reach: the page, and the links that letters hold."""
        links = [
            *leave_routes(self.counter),
            *answer_routes(self.counter),
            *approval_routes(self.counter),
        ]
        routes = [*links, *self._public()]
        return self._guarded(Starlette(routes=routes, exception_handlers=self._lost()))

    def _public(self) -> list[Route]:
        read, incident = self._page, self._incident
        news = event_routes(self._broadcast, self._watching.wake)
        embed_from = self.house.config.embed_from
        figures = transparency_routes(self.counter)
        return [*program_routes(read, incident), *news, *figures, *public_routes(read, incident, embed_from)]

    def _lost(self) -> dict[int, Callable[[Request, Exception], Response]]:
        handler = not_found(self.house.config.name)
        return {404: handler, 405: handler}

    def _guarded(self, app: ASGIApp) -> ASGIApp:
        config = self.house.config
        return Guarded(app, frozenset({config.url.host, config.listen.host, config.public.host, "localhost"}))

    def _page(self) -> PageView:
        return self.reader.page(self._clock())

    def _incident(self, ref: str) -> IncidentView | None:
        return self.reader.incident(ref)

    def _letter(self, name: str) -> LetterView | None:
        return self.reader.letter(name)

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
    conn: Connection, catalogue: Catalogue, config: Config, now_ms: int, held_ms: int
) -> tuple[dict[str, int], int]:
    """Bring the store up to this start: people, what was in flight, and since when the desk watches."""
    table = schema.meta
    first = upsert(conn, table).values(key="watched_ms", value=str(now_ms)).on_conflict_do_nothing()
    conn.execute(first)
    watched = conn.execute(table.select().where(table.c.key == "watched_ms")).one()
    recover(conn, now_ms, held_ms)
    return records.settle_people(conn, catalogue, config), int(watched.value)


def _backing(config: Config, state: Path) -> Backing:
    if config.database is None:
        return in_file(state / "desk.sqlite")
    return on_server(config.database, database_password(config))


def _common_secret(conn: Connection) -> bytes:
    """Return what signs the links of all desks that share these tables; the first of them makes it."""
    table = schema.meta
    made = upsert(conn, table).values(key="secret", value=secrets.token_hex(SECRET_BYTES))
    conn.execute(made.on_conflict_do_nothing())
    return bytes.fromhex(conn.execute(table.select().where(table.c.key == "secret")).one().value)


def _secret(path: Path) -> bytes:
    """Return what signs our links; made once, readable by us alone."""
    if not path.exists():
        path.touch(mode=0o600)
        path.write_text(secrets.token_hex(SECRET_BYTES), encoding="ascii")
    return bytes.fromhex(path.read_text(encoding="ascii"))


def _stationery(config: Config, secret: bytes, key: bytes) -> Stationery:
    sender = config.smtp.from_ if config.smtp else Sender(config.name, EmailAddress("desk@localhost"))
    reply_to = config.smtp.reply_to if config.smtp else None
    return Stationery(config.name, config.url, sender, reply_to, secret, key)


def _fenced(config: Config, sender: Sender, letters: Path | None) -> Line:
    """Return the line behind its fence; the local mailbox, which is nobody's, needs none."""
    line = _line(config, sender, letters)
    return line if letters else Fenced(line, frozenset(config.test_domains), config.test_mode)


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
