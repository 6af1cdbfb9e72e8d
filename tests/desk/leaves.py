"""Letters of no incident as they would leave, and the desk's house with other settings."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

from desk.notice import leaflet
from desk.notice.leaflet import Folded
from model.plugin import Message
from tests.desk import town
from tests.desk.stage import Stage


def post(stage: Stage) -> list[Message]:
    """Send every leaflet that is due now; return them in their order."""
    sent: list[Message] = []
    while True:
        found = stage.store.written(partial(leaflet.take, stationery=stage.stationery, now_ms=stage.now_ms))
        if found is None:
            return sent
        finish(stage, found)
        sent.append(found.message)


def finish(stage: Stage, folded: Folded, state: str = "accepted") -> None:
    answer = partial(leaflet.record, folded=folded, state=state, reply="250 OK", at_ms=stage.now_ms)
    stage.store.written(answer)


def furnish(stage: Stage, *, config: str = "", catalogue: str = "") -> None:
    """Give the desk other settings; the people of another catalogue must be those that it knows."""
    house = stage.house
    if config:
        house = replace(house, config=town.config(town.CONFIG + config))
    if catalogue:
        house = replace(house, catalogue=town.catalogue(catalogue))
    stage.house = house
