"""One measurement: a desk without its web pages, from the alert to the last answer written down."""

from __future__ import annotations

import multiprocessing as mp
import resource
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import partial
from multiprocessing.sharedctypes import Synchronized
from multiprocessing.synchronize import Event
from pathlib import Path
from typing import Literal

import sqlalchemy as sa
from sqlalchemy import Connection

from bench.delivery import crowd
from bench.delivery.cpu import tree_cpu_s
from desk import schema
from desk.catalogue.person import EmailAddress, Sender
from desk.channels import mail
from desk.clock import monotonic_s, now_ms
from desk.delivery.deliver import Courier, badge
from desk.delivery.envelope import Stationery
from desk.house import House
from desk.incident import records
from desk.incident.episode import receive
from desk.loop import Loop
from desk.notice import planning
from desk.store.backing import Backing, in_file, on_server
from desk.store.database import Database
from desk.store.store import Store, upsert
from model.plugin import Deadline, Line, Message

SECRET = b"s" * 32
SENDER = Sender("Example Shop", EmailAddress("status@shop.example"))
PATIENCE_S = 1_200.0
PROBE_S = 0.01
LOOK_S = 0.25
END_MAX = 1_000  # so many words that it is over are waited for; the others go as the first ones did

Kind = Literal["sqlite", "postgresql"]


@dataclass(frozen=True, slots=True)
class Plan:
    """What is measured; ``port`` is a mail server's, 0 for nowhere, ``server`` the database's process."""

    kind: Kind
    people: int
    couriers: int
    desks: int
    folder: str
    address: str = ""
    server: int = 0
    port: int = 0


@dataclass(frozen=True, slots=True)
class Figures:
    """From the alert until it is decided, the first is sent, all are planned, all answers are written down.

    ``blocked_s`` is the longest time that another write had to wait meanwhile; ``end_decided_s``,
    ``end_first_s`` and ``end_blocked_s`` say the same of the word that it is over.
    """

    decided_s: float
    first_s: float
    planned_s: float
    done_s: float
    blocked_s: float
    end_decided_s: float
    end_first_s: float
    end_blocked_s: float
    cpu_s: float
    server_cpu_s: float
    rss_mb: float


@dataclass(slots=True)
class Counted:
    """A line that counts what goes through it, and notes when the first did; without another it ends here."""

    sent: Synchronized[int]
    further: Line | None
    first_s: float = 0.0

    def say(self, message: Message, deadline: Deadline) -> str:
        """Pass a message on."""
        if not self.first_s:
            self.first_s = time.monotonic()
        reply = self.further.say(message, deadline) if self.further else "250 2.0.0 Ok"
        self.sent.value += 1
        return reply

    def close(self) -> None:
        """Let the line go."""
        if self.further:
            self.further.close()


def measure(plan: Plan) -> Figures:
    """Measure once; to be called in a process that did nothing before."""
    with ExitStack() as stack:
        store = Store(_backing(plan))
        stack.callback(store.close)
        known = crowd.catalogue(plan.people)
        people = store.written(lambda conn: records.settle_people(conn, known, crowd.config()))
        house = House(crowd.config(), known, people, SECRET, now_ms() - 3_600_000)
        sent = [_counter() for _ in range(plan.couriers + plan.desks - 1)]
        mine = sent[: plan.couriers]
        lines = [Counted(one, _line(plan)) for one in mine]
        couriers = [_courier(plan, store, number, line) for number, line in enumerate(lines, 1)]
        loops = [Loop(f"courier-{number}", one.step) for number, one in enumerate(couriers, 1)]
        house = replace(house, inquiries=house.inquiries.renewed(known, people))
        planner = Loop("planner", partial(_plan, store, house, loops))
        others = [_neighbour(plan, number, one) for number, one in enumerate(sent[plan.couriers :], 1)]
        for other in others:
            stack.callback(_end, other)
        begun_s, server_s = time.monotonic(), _server_s(plan)
        cpu_s = time.process_time()
        alert = crowd.alert(now_ms())
        work = partial(receive, house=house, signals=[alert], now_ms=now_ms())
        for loop in loops:
            loop.start()
        store.write(work).result()
        decided_s = time.monotonic() - begun_s
        for loop in loops:
            loop.wake()
        planner.start()
        probe = Probe(store)
        probe.start()
        _until(partial(_is_planned, store))
        planned_s = time.monotonic() - begun_s
        _until(lambda: sum(one.value for one in sent) >= plan.people)
        for loop in loops:
            loop.wake()
        _until(lambda: _accepted(store) >= plan.people)
        done_s = time.monotonic() - begun_s
        cpu_s = time.process_time() - cpu_s + sum(tree_cpu_s(other.pid or 0) for other in others)
        blocked_s = probe.stop()
        first_s = min(line.first_s for line in lines if line.first_s) - begun_s
        server_s = _server_s(plan) - server_s
        end = _end_of(
            store, partial(receive, house=house, signals=[crowd.over(alert, now_ms())]), loops, lines
        )
        planner.stop(30)
        for loop, courier in zip(loops, couriers, strict=True):
            loop.stop(30)
            courier.close()
        rss_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6
        return Figures(decided_s, first_s, planned_s, done_s, blocked_s, *end, cpu_s, server_s, rss_mb)


def _end_of(
    store: Store, receive_end: Callable[..., object], loops: Sequence[Loop], lines: Sequence[Counted]
) -> tuple[float, float, float]:
    """Say that it is over; return after which time that was decided and first sent, and the longest wait."""
    for line in lines:
        line.first_s = 0.0
    before = sum(line.sent.value for line in lines)
    probe = Probe(store)
    probe.start()
    begun_s = time.monotonic()
    store.written(partial(receive_end, now_ms=now_ms()))
    decided_s = time.monotonic() - begun_s
    for loop in loops:
        loop.wake()
    _until(lambda: sum(line.sent.value for line in lines) >= before + min(END_MAX, before))
    blocked_s = probe.stop()
    return decided_s, min(line.first_s for line in lines if line.first_s) - begun_s, blocked_s


class Probe:
    """Writes a trifle again and again, as an alert would, and notes how long it takes at most."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._most_s = 0.0
        self._loop = Loop("probe", self._step)

    def start(self) -> None:
        """Begin to write."""
        self._loop.start()

    def stop(self) -> float:
        """End; return the longest wait in seconds."""
        self._loop.stop(30)
        return self._most_s

    def _step(self) -> float:
        begun_s = time.monotonic()
        self._store.written(_trifle)
        self._most_s = max(self._most_s, time.monotonic() - begun_s)
        return PROBE_S


def _trifle(conn: Connection) -> None:
    kept = upsert(conn, schema.meta).values(key="probe", value="")
    conn.execute(kept.on_conflict_do_nothing())


def _plan(store: Store, house: House, couriers: Sequence[Loop]) -> float:
    planned = store.written(partial(planning.step, house=house, now_ms=now_ms()))
    for one in couriers:
        one.wake()
    return 0.0 if planned else 1.0


def _is_planned(store: Store) -> bool:
    with store.reading() as conn:
        left = conn.execute(sa.select(schema.notice_plan.c.incident)).first()
    return left is None


def _counter() -> Synchronized[int]:
    return mp.get_context("spawn").Value("q", 0)


def _backing(plan: Plan) -> Backing:
    if plan.kind == "sqlite":
        return in_file(Path(plan.folder) / "desk.sqlite")
    return on_server(Database.parse(plan.address), "")


def _line(plan: Plan) -> Line | None:
    return mail.open_line(mail.Options("127.0.0.1", SENDER, plan.port)) if plan.port else None


def _courier(plan: Plan, store: Store, number: int, line: Line) -> Courier:
    stationery = Stationery("Example Shop", crowd.config().url, SENDER, None, SECRET)
    return Courier(store, line, stationery, now_ms, monotonic_s, badge(Path(plan.folder), "bench", number))


def _neighbour(plan: Plan, number: int, sent: Synchronized[int]) -> mp.process.BaseProcess:
    """Start another desk on the same database, which only delivers."""
    context = mp.get_context("spawn")
    ready = context.Event()
    process = context.Process(target=_deliver, args=(plan, number, sent, ready), daemon=True)
    process.start()
    ready.wait(60)
    return process


def _deliver(plan: Plan, number: int, sent: Synchronized[int], ready: Event) -> None:
    store = Store(_backing(plan))
    folder = Path(plan.folder) / f"desk{number}"
    folder.mkdir()
    line = Counted(sent, _line(plan))
    stationery = Stationery("Example Shop", crowd.config().url, SENDER, None, SECRET)
    courier = Courier(store, line, stationery, now_ms, monotonic_s, badge(folder, f"desk{number}", 1))
    ready.set()
    while True:
        # Nobody wakes a neighbour, so it looks more often than a desk would.
        time.sleep(min(0.05, courier.step()))


def _end(process: mp.process.BaseProcess) -> None:
    process.kill()
    process.join()


def _server_s(plan: Plan) -> float:
    return tree_cpu_s(plan.server) if plan.server else 0.0


def _accepted(store: Store) -> int:
    log = schema.delivery_log
    with store.reading() as conn:
        counted = sa.select(sa.func.count()).select_from(log).where(log.c.state == "accepted")
        return int(conn.execute(counted).scalar_one())


def _until(true: Callable[[], bool]) -> None:
    end_s = time.monotonic() + PATIENCE_S
    while not true():
        if time.monotonic() > end_s:
            raise TimeoutError("the notices are not through")
        time.sleep(LOOK_S)
