"""The catalogue over HTTP, for whoever holds the token: read, preview a change, put it in force."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import partial
from typing import Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from desk.audience.differences import differences
from desk.catalogue import edition
from desk.catalogue.catalogue import Catalogue
from desk.catalogue.edition import Edition
from desk.catalogue.tables import customers_csv, people_csv
from desk.catalogue.text import plain
from desk.house import House
from desk.incident import records
from desk.intake.alerts import Refused
from desk.staff.counter import Counter, answer, body
from desk.staff.door import Door, Unproven, refusal
from desk.staff.staff import Role
from model.misfit import Rejected

PUT_BYTES_MAX: Final = 16 << 20
_TABLES: Final = {"customers": customers_csv, "people": people_csv}
_KINDS: Final = ("application/json", "application/yaml", "application/x-yaml", "text/yaml")


@dataclass(frozen=True, slots=True)
class Shelf:
    """Where the catalogue is asked for and handed in.

    ``token_sha256`` is empty where desk.yaml names no token: then only an admin of the staff may, and where
    there is no staff nobody. ``over`` names the files that
    the desk has read; ``settled`` hears of the house whose catalogue is in force from now on.
    """

    counter: Counter
    door: Door
    token_sha256: bytes
    over: Callable[[], str]
    settled: Callable[[House], None]

    async def get(self, request: Request) -> Response:
        """Answer the whole catalogue as JSON, or a table of it as CSV."""
        try:
            self._admit(request)
        except Refused as fact:
            return refusal(fact)
        catalogue, name = self.counter.house.catalogue, request.query_params.get("csv")
        if name is None:
            return answer(await asyncio.to_thread(plain, catalogue))
        if name not in _TABLES:
            return answer(f"csv must be one of {', '.join(_TABLES)}", 400)
        table = await asyncio.to_thread(_TABLES[name], catalogue)
        headers = {"Content-Disposition": f'attachment; filename="{name}.csv"'}
        return Response(table, headers=headers, media_type="text/csv")

    async def put(self, request: Request) -> Response:
        """Check a whole catalogue; say what it changes, and unless it is a preview put it in force."""
        try:
            self._admit(request)
            only_preview = _is_preview(request)
            text = await body(request, PUT_BYTES_MAX)
            catalogue = await asyncio.to_thread(edition.read_for, self.counter.house.config, text)
        except Refused as fact:
            return refusal(fact)
        except Rejected as wrong:
            return answer({"mistakes": [str(one) for one in wrong.problems]}, 400)
        changes = await asyncio.to_thread(_changes, self.counter, catalogue)
        if not only_preview:
            await self._adopt(catalogue, text.decode("utf-8-sig"))
        return answer({"in_force": not only_preview, "changes": changes})

    def _admit(self, request: Request) -> None:
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        given = hashlib.sha256(token.strip().encode()).digest()
        if hmac.compare_digest(given, self.token_sha256) and scheme.lower() == "bearer":
            return
        if self.door.is_shut:
            self.door.admit(request.scope, frozenset({Role.ADMIN}))
        elif not self.token_sha256:
            raise Refused(403, "desk.yaml names no catalogue_token_file and no staff, so nobody may")
        else:
            raise Unproven(401, "send the token as Authorization: Bearer TOKEN")

    async def _adopt(self, catalogue: Catalogue, text: str) -> None:
        now_ms = self.counter.clock()
        write = partial(
            edition.adopt,
            house=self.counter.house,
            catalogue=catalogue,
            sent=Edition(catalogue, text, self.over(), now_ms),
            now_ms=now_ms,
        )
        self.settled(await asyncio.wrap_future(self.counter.store.write(write)))


def catalogue_routes(shelf: Shelf) -> list[Route]:
    """Return the routes, for staff and their programs alone."""
    path = "/api/v1/catalogue"
    return [Route(path, shelf.get, methods=["GET"]), Route(path, shelf.put, methods=["PUT"])]


def _is_preview(request: Request) -> bool:
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() not in _KINDS:
        raise Refused(415, f"the content type must be one of {', '.join(_KINDS)}")
    wish = request.query_params.get("preview", "false")
    if wish not in ("true", "false"):
        raise Refused(400, "preview must be true or false")
    return wish == "true"


def _changes(counter: Counter, new: Catalogue) -> list[dict[str, object]]:
    house = counter.house
    with counter.store.reading() as conn:
        incidents = records.whole_incidents(conn)
    share_max = house.config.narrow_scope_max.value / 100
    found = differences(house.catalogue, new, incidents.values(), share_max)
    return [asdict(one) for one in found]
