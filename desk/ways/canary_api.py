"""Where canaries are handed in, and what a Prometheus reads of them."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from functools import partial

from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from desk.incident.episode import Outcome
from desk.intake.alerts import Refused
from desk.staff.counter import Counter, answer, body
from desk.ways import canary


def canary_routes(counter: Counter) -> list[Route]:
    """Return the route; whoever holds a canary may hand it in, and what is none changes nothing."""
    return [Route("/canary", _take(counter), methods=["POST"])]


def _take(counter: Counter) -> Callable[[Request], Awaitable[Response]]:
    async def take(request: Request) -> Response:
        """Answer 200 once it is written down; the body is whatever arrived, with the token in it."""
        try:
            data = await body(request, canary.BODY_BYTES_MAX)
        except Refused as fact:
            return answer(fact.sentence, fact.status)
        found = canary.found(counter.house.secret, data)
        canaries = counter.house.config.channels.canaries
        if found is None or canaries is None:
            return answer("there is no canary of this desk in it", 400)
        channel, sent_ms = found
        write = partial(
            canary.hear, channel=channel, sent_ms=sent_ms, every_ms=canaries.every.ms, now_ms=counter.clock()
        )
        if not await asyncio.wrap_future(counter.store.write(write)):
            return answer("nobody waits for this canary", 404)
        counter.woken(Outcome(True, 0))
        return answer({"channel": channel})

    return take


class Aviary(Collector):
    """Says of each channel how long its last canary took from end to end, and whether one is missing."""

    def __init__(self, counter: Counter) -> None:
        self._counter = counter

    def collect(self) -> Iterator[Metric]:
        """Yield each metric with its series."""
        with self._counter.store.reading() as conn:
            flights = canary.flights(conn)
        took = GaugeMetricFamily(
            "beforehand_canary_seconds",
            "From end to end, of the last canary that came back.",
            labels=["channel"],
        )
        silent = GaugeMetricFamily(
            "beforehand_channel_silent", "1 while the canary of a channel is missing.", labels=["channel"]
        )
        for name, flight in sorted(flights.items()):
            if flight.heard_ms:
                took.add_metric([name], flight.took_ms / 1000)
            silent.add_metric([name], float(bool(flight.silent_ms)))
        yield took
        yield silent
