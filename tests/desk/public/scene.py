"""A page with everything on it, served over a real socket."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from desk.page.view import MaintenanceView, PageView
from desk.public.routes import program_routes
from desk.state import Impact, MaintenanceState, ServiceState
from tests.desk.hostile import EVERYTHING
from tests.desk.page.test_page import Client, served
from tests.desk.pages import MIN_MS, NOW_MS, incident, page, service, silent

HOUR_MS = 60 * MIN_MS
WORK = MaintenanceView(
    id="m-1",
    title="Database, moved",
    text="You will be signed out once.\nSave your work; nothing is lost.",
    keys=("checkout",),
    state=MaintenanceState.SCHEDULED,
    start_ms=NOW_MS + 24 * HOUR_MS,
    end_ms=NOW_MS + 25 * HOUR_MS,
    announced_ms=NOW_MS - HOUR_MS,
    changed_ms=NOW_MS - HOUR_MS,
    sequence=1,
)
UNDER_WAY = replace(WORK, id="m-2", state=MaintenanceState.IN_PROGRESS, start_ms=NOW_MS - MIN_MS)
CALLED_OFF = replace(WORK, id="m-3", title="Never", state=MaintenanceState.CANCELLED)


def full() -> PageView:
    going = replace(incident(), keys=("checkout",))
    first, last = going.updates[1], going.updates[0]
    going = replace(
        going, updates=(replace(last, impact=Impact.MAJOR), replace(first, impact=Impact.PARTIAL))
    )
    second = replace(service(name="Search"), service="search")
    return replace(
        page(service(ServiceState.MAJOR), second),
        open_incidents=(going,),
        past_incidents=(replace(silent(), keys=("checkout",)),),
        maintenances=(WORK, UNDER_WAY, CALLED_OFF),
        watched_ms=NOW_MS - 400 * 24 * HOUR_MS,
    )


def hostile(text: str = EVERYTHING) -> PageView:
    view = full()
    going = view.open_incidents[0]
    said = tuple(replace(one, text=text) for one in going.updates)
    return replace(
        view,
        name=text,
        services=tuple(replace(one, name=text) for one in view.services),
        open_incidents=(replace(going, title=text, updates=said),),
        maintenances=(replace(WORK, title=text, text=text),),
    )


@contextmanager
def reading(view: PageView) -> Iterator[Client]:
    incidents = {one.id: one for one in view.incidents}
    with served([*program_routes(lambda: view, incidents.get)]) as client:
        yield client
