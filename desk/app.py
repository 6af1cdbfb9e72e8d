"""The desk as a whole: built, started, asked over HTTP, stopped."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Final

from apscheduler.schedulers.background import BackgroundScheduler
from sqlalchemy import Connection
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp

from desk import schema
from desk.approval.approval_page import approval_routes
from desk.audience.inquiry import Inquiries
from desk.catalogue import edition
from desk.catalogue.api import Shelf, catalogue_routes
from desk.catalogue.catalogue import Catalogue
from desk.catalogue.person import EmailAddress, Sender
from desk.catalogue.reread import reread, settle_works, take_up
from desk.config import (
    COURIERS_MAX,
    Config,
    approval_key,
    catalogue_token,
    database_password,
)
from desk.delivery import link_secret
from desk.delivery.deliver import LOOK_S, Badge, Courier, badge, recover, resume
from desk.delivery.envelope import Stationery
from desk.delivery.leave import leave_routes
from desk.delivery.turns import EVERYTHING, LEASE_MS, Load
from desk.feedback.answer_page import answer_routes
from desk.house import House
from desk.incident import records
from desk.incident.episode import Outcome, tick
from desk.intake.standing import ALERTS_MAX, Standing
from desk.ledger.routes import transparency_routes
from desk.loop import Loop
from desk.maintenance import book as maintenance_book
from desk.maintenance.file import read_works
from desk.notice import planning
from desk.notice.compose import load_words
from desk.notice.release_page import release_routes
from desk.notice.words import spoken
from desk.page.page import not_found, public_routes, staff_routes
from desk.page.read import Reader
from desk.page.snapshot import Snapshot
from desk.page.view import IncidentView, LetterView, MailboxView, PageView
from desk.public.events import Broadcast, event_routes
from desk.public.lookout import Lookout
from desk.public.routes import program_routes
from desk.staff.api import staff_api
from desk.staff.counter import Counter
from desk.staff.door import Door, staff_list
from desk.staff.entrance import Express, Guarded, Shielded, allowed
from desk.staff.staff_file import read_staff
from desk.staff.taker import Taker
from desk.store.backing import Backing, in_file, on_server
from desk.store.retention import forget
from desk.store.store import Store, upsert
from desk.ways import ways
from desk.ways.canary_api import canary_routes
from desk.ways.lines import open_lines
from desk.ways.seen_page import seen_routes
from model.misfit import Rejected
from model.plugin import Line

STOP_S: Final = 4.0
TONGUES_MAX: Final = 64
STUMBLE_S: Final = 1.0

_log: Final = logging.getLogger("desk")


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
        key, token, self._staff = approval_key(config), catalogue_token(config), read_staff(config)
        self.store = Store(_backing(config, state))
        # What signs links is the same on all desks of one database.
        secret = link_secret.of_desk(self.store, state)
        letters = None if config.smtp else state / "mailbox"
        stationery = _stationery(config, secret, key)
        started_ms = clock()
        badges = _badges(state)
        self.store.written(partial(resume, badges=badges, now_ms=started_ms))
        self._files = edition.files_digest(config)
        self._reloading = threading.Lock()
        sent = self.store.written(partial(edition.in_force, over=self._files))
        catalogue, self._sent_ms = (sent.catalogue, sent.at_ms) if sent else (catalogue, 0)
        people, watched_ms = self.store.written(
            partial(_settle, catalogue=catalogue, config=config, now_ms=started_ms, held_ms=self._held_ms)
        )
        self._plan_work(config, catalogue, started_ms)
        self.house = House(
            config,
            catalogue,
            people,
            secret,
            started_ms,
            key,
            self._staff,
            # What another desk writes meanwhile could not be known here.
            Standing(0 if self.store.shared else ALERTS_MAX),
            # The first message of an incident does not wait for what is only worked out once.
            Inquiries().renewed(catalogue, people),
        )
        self.reader = Reader(self.store, self.house, letters, watched_ms)
        self._couriers = self._hired(stationery, letters, badges, monotonic)
        self._delivering = [
            Loop(f"desk-courier-{n}", partial(_surely, one.step)) for n, one in enumerate(self._couriers, 1)
        ]
        self._looking = Loop("desk-timer", partial(_surely, self._tick))
        self._planning = Loop("desk-planner", partial(_surely, self._plan))
        self._broadcast = Broadcast()
        keep = Snapshot(Path(config.copy.to)).keep if config.copy else None
        lookout = Lookout(self._page, self._broadcast, keep, monotonic)
        self._watching = Loop("desk-lookout", partial(_surely, lookout.step))
        self._nightly = BackgroundScheduler(timezone="UTC")
        self.counter = Counter(self.store, self.house, clock, self._woken, self._healthy)
        self._door = Door(self.counter, monotonic)
        self._shelf = Shelf(self.counter, self._door, token, lambda: self._files, self._settle_in)

    def _plan_work(self, config: Config, catalogue: Catalogue, now_ms: int) -> None:
        """Take up the planned work that stands in files; raises ``Rejected``."""
        beside = Path(config.place.file).parent
        try:
            known = self.store.written(maintenance_book.known)
            plans = read_works(config, catalogue, beside, now_ms, known)
        except Rejected:
            self.store.close()
            raise
        self.store.written(partial(settle_works, plans=plans, now_ms=now_ms))

    def _hired(
        self,
        stationery: Stationery,
        letters: Path | None,
        badges: Sequence[Badge],
        monotonic: Callable[[], float],
    ) -> list[Courier]:
        """Return the couriers; what is no mail has one of its own, so that no hook holds up a mail."""
        mails = self.house.config.couriers
        apart = ways.beside_mail(self.house.catalogue)
        loads = [*[Load(others=False)] * mails, Load(mail=False)] if apart else [EVERYTHING] * mails
        lines = self._lines(stationery, letters, len(loads))
        return [
            Courier(self.store, line, stationery, self._clock, monotonic, replace(one, load=load))
            for one, line, load in zip(badges, lines, loads, strict=False)
        ]

    def _lines(self, stationery: Stationery, letters: Path | None, count: int) -> list[Line]:
        """Return a line for each courier; raises ``Rejected`` where a channel cannot be opened."""

        def now_s() -> float:
            return self._clock() / 1000

        try:
            return [
                open_lines(self.house.config, stationery.sender, letters, stationery.secret, now_s)
                for _ in range(count)
            ]
        except Rejected:
            self.store.close()
            raise

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
        self._planning.start()
        self._watching.start()
        self._nightly.add_job(partial(_surely, self._forget), "cron", hour=3, minute=17)
        self._nightly.start()

    def stop(self) -> None:
        """End every loop; what could not be finished is taken up by the next start."""
        self._nightly.shutdown(wait=True)
        self._watching.stop(STOP_S)
        self._looking.stop(STOP_S)
        self._planning.stop(STOP_S)
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

    def _plan(self) -> float:
        """Plan one page of a notice, if there is one; alerts are written between two pages."""
        planned = self.store.written(partial(planning.step, house=self.house, now_ms=self._clock()))
        if planned:
            self._deliver()
        return 0.0 if planned else LOOK_S

    def reload(self) -> None:
        """Read staff, catalogue and planned work again; on any mistake what is there stays."""
        with self._reloading:
            self._reload_staff()
            self._reload()

    def _reload_staff(self) -> None:
        try:
            self._staff = read_staff(self.house.config)
        except Rejected as wrong:
            _log.error("the staff stays as it is:\n%s", wrong)
            return
        self._settle_in(self.house)

    def _reload(self) -> None:
        now_ms = self._clock()
        try:
            found = reread(self.house, self._files, self.store.written(maintenance_book.known), now_ms)
        except Rejected as wrong:
            _log.error("the catalogue and planned work stay as they are:\n%s", wrong)
            return
        take_up_all = partial(take_up, house=self.house, found=found, now_ms=now_ms)
        house, changed = self.store.written(take_up_all)
        self._files = found.files
        if changed:
            self._settle_in(house)
        else:
            _log.warning("the files of the catalogue and of planned work are as they were")

    def _settle_in(self, house: House) -> None:
        """Put a house with other staff or another catalogue in the place of the present one."""
        inquiries = house.inquiries.renewed(house.catalogue, house.people)
        house = replace(house, staff=self._staff, inquiries=inquiries)
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
        self._planning.wake()
        self._deliver()

    def _deliver(self) -> None:
        for one in self._delivering:
            one.wake()

    def _healthy(self) -> bool:
        loops = (self._looking, self._planning, self._watching, *self._delivering)
        return all(one.alive for one in loops)

    def staff_app(self) -> ASGIApp:
        """Return what staff and agents may reach: the APIs, the mailbox and the page."""
        own = [
            *staff_api(self.counter),
            *staff_list(self.counter),
            *catalogue_routes(self._shelf),
            *staff_routes(self._mailbox, self._letter),
        ]
        routes = [*self._door.over(own), *self._links(), *self._public()]
        app = Starlette(routes=routes, exception_handlers=self._lost())
        return self._guarded(Express(Taker(self.counter), Shielded(app)))

    def public_app(self) -> ASGIApp:
        """Return what everybody may reach: the page, and the links that letters hold."""
        routes = [*self._links(), *self._public()]
        return self._guarded(Shielded(Starlette(routes=routes, exception_handlers=self._lost())))

    def _links(self) -> list[Route]:
        """Return where the links in letters lead: whoever holds one is who it was sent to."""
        made = (leave_routes, answer_routes, seen_routes, canary_routes, approval_routes, release_routes)
        return [route for routes in made for route in routes(self.counter)]

    def _public(self) -> list[Route]:
        read, incident = self._page, self._incident
        news = event_routes(self._broadcast, self._watching.wake)
        embed_from = self.house.config.embed_from
        figures = transparency_routes(self.counter)
        return [*program_routes(read, incident), *news, *figures, *public_routes(read, incident, embed_from)]

    def _lost(self) -> dict[int, Callable[[Request, Exception], Response]]:
        handler = not_found(self.house.config.name, allowed)
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


def _badges(state: Path) -> list[Badge]:
    """Return the badges of this desk's couriers; its name is the same after a restart and nobody else's."""
    name = link_secret.of_file(state / "name").hex()[:16]
    return [badge(state, name, number) for number in range(1, COURIERS_MAX + 2)]


def _stationery(config: Config, secret: bytes, key: bytes) -> Stationery:
    sender = config.smtp.from_ if config.smtp else Sender(config.name, EmailAddress("desk@localhost"))
    reply_to = config.smtp.reply_to if config.smtp else None
    return_path = config.smtp.return_path if config.smtp else None
    canaries = config.channels.canaries
    return Stationery(config.name, config.url, sender, reply_to, secret, key, return_path, canaries)
