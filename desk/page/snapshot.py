"""A copy of everything that anybody may read, as plain files in a second place, for when the desk is gone.

It is written on every change and once a minute. Each file is replaced by a rename, so none is ever half
there; the page comes last, so it links to nothing that is missing. Each says in words when it was written,
and the script beside the page turns every state to unknown once that is five minutes ago.
"""

from __future__ import annotations

import json
import logging
import os
import re
from collections.abc import Callable, Hashable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final

import msgspec

from desk.page import page_words
from desk.page.page import FILES, rendered
from desk.page.view import CONFIRMED_FOR_MS, IncidentView, MaintenanceView, PageView, months
from desk.public import badge, statuspage
from desk.public.calendar import calendar
from desk.public.feed import atom, rss
from desk.public.routes import FORMS

EVERY_MS: Final = 60_000
MANIFEST: Final = "copy.json"
MANIFEST_BYTES_MAX: Final = 1 << 20

_log: Final = logging.getLogger("desk.copy")
_POLICY: Final = (
    "default-src 'none'; style-src 'self'; img-src 'self' data:; script-src 'self'; "
    "form-action 'none'; base-uri 'none'"
)
_FILE_SUFFIXES: Final = frozenset({".atom", ".css", ".ics", ".js", ".json", ".rss", ".svg"})
_SAFE: Final = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9_.-]{0,63}")
_OURS: Final = re.compile(r"([A-Za-z0-9_-][A-Za-z0-9_.-]{0,70}/){0,3}[A-Za-z0-9_-][A-Za-z0-9_.-]{0,70}")


@dataclass(frozen=True, slots=True)
class Copied:
    """What a page says of itself as a copy."""

    written_ms: int
    stale_ms: int = CONFIRMED_FOR_MS
    policy: str = _POLICY


@dataclass(frozen=True, slots=True)
class Leaf:
    """One file of the copy: it is written again when ``key`` is another one."""

    path: str
    key: Hashable
    body: Callable[[], bytes]


class _Manifest(msgspec.Struct, frozen=True):
    """The list of the files of a copy, which lies beside them."""

    files: list[str]


class Snapshot:
    """Keeps the copy in one directory; that it cannot is said once, and never stops anybody."""

    def __init__(self, to: Path) -> None:
        self._to = to
        self._keys: dict[str, Hashable] = {}
        self._said: Hashable = None
        self._tried_ms = -EVERY_MS
        self._trouble = ""

    def keep(self, page: PageView) -> None:
        """Write what changed, if anything did or a minute is over; give it an ``honest`` page."""
        said = _told(page)
        if page.now_ms - self._tried_ms < EVERY_MS and (said == self._said or self._trouble):
            return
        self._tried_ms = page.now_ms
        try:
            self._write(page)
        except OSError as wrong:
            self._complain(f"the copy in {self._to} cannot be written: {wrong.strerror}")
            return
        self._said = said
        if self._trouble:
            _log.warning("the copy in %s is written again", self._to)
        self._trouble = ""

    def _complain(self, trouble: str) -> None:
        if trouble != self._trouble:
            _log.error("%s", trouble)
        self._trouble = trouble

    def _write(self, page: PageView) -> None:
        # A place that is missing may be one that is not mounted; it is not made on the disk below.
        (self._to / ".").stat()
        if not self._keys:
            self._keys = dict.fromkeys(_manifest(self._to))
        kept: set[str] = set()
        for leaf in leaves(page):
            kept.add(leaf.path)
            if self._keys.get(leaf.path) != leaf.key:
                _put(self._to, leaf.path, leaf.body())
                self._keys[leaf.path] = leaf.key
        for path in self._keys.keys() - kept:
            (self._to / path).unlink(missing_ok=True)
            del self._keys[path]
        _put(self._to, MANIFEST, _contents(page, kept))


def leaves(page: PageView) -> Iterator[Leaf]:
    """Return the files of a copy of this page, in the order in which they are to be written."""
    note, name = Copied(page.now_ms), (page.name, page.url, page.language)
    for file, body in FILES.items():
        yield Leaf(f"static/{file}", hash(body), partial(bytes, body))
    for one in page.incidents:
        if _SAFE.fullmatch(one.id):
            yield from _incident(page, one, note)
    for work in page.maintenances:
        if _SAFE.fullmatch(work.id):
            yield _work(page, work, note)
    history = partial(_html, "history/index.html", "history.html", page, note, months=months(page.incidents))
    yield Leaf("history/index.html", (name, page.incidents), history)
    for path, body in (
        ("history.atom", atom(page)),
        ("history.rss", rss(page)),
        ("maintenance.ics", calendar(page)),
    ):
        yield Leaf(path, hash(body), partial(_stamped, body, page.now_ms))
    yield from _badges(page)
    for path, make in FORMS.items():
        yield Leaf(f"api/v2/{path}", page.now_ms, partial(_json, make, page))
    yield Leaf("index.html", page.now_ms, partial(_html, "index.html", "page.html", page, note))


def _told(page: PageView) -> Hashable:
    """Return what a change of the page is a change of; how long things last is no news by itself."""
    services = tuple((one.service, one.name, one.state, one.since_ms) for one in page.services)
    named = (page.name, page.url, page.language, page.confirmed)
    return (named, services, page.open_incidents, page.past_incidents, page.maintenances)


def _incident(page: PageView, one: IncidentView, note: Copied) -> Iterator[Leaf]:
    path = f"incidents/{one.id}/index.html"
    html = partial(_html, path, "incident.html", page, note, incident=one)
    key = (one, page.name, page.url, page.language, page.confirmed)
    yield Leaf(path, key, html)
    states = tuple((of.name, of.state, of.since_ms) for of in page.services if of.service in one.keys)
    form = partial(_json, partial(statuspage.one_incident, incident=one), page)
    yield Leaf(f"incidents/{one.id}.json", (key, states), form)


def _work(page: PageView, work: MaintenanceView, note: Copied) -> Leaf:
    path = f"maintenances/{work.id}/index.html"
    names = tuple((of.service, of.name) for of in page.services if of.service in work.keys)
    html = partial(_html, path, "maintenance.html", page, note, work=work)
    return Leaf(path, (work, names, page.name, page.url, page.language, page.confirmed), html)


def _badges(page: PageView) -> Iterator[Leaf]:
    at = page_words.clock(page.now_ms)
    for service in (None, *(one.service for one in page.services if _SAFE.fullmatch(one.service))):
        found = badge.badge_of(page, service, at=at)
        assert found is not None, "a service of the page has a badge"
        path = "badge" if service is None else f"badge/{service}"
        yield Leaf(f"{path}.svg", page.now_ms, partial(str.encode, badge.drawn(found)))
        yield Leaf(f"{path}.json", page.now_ms, partial(_dumped, badge.shield(found)))


def _html(path: str, template: str, page: PageView, note: Copied, **more: object) -> bytes:
    link = partial(_link, path)
    return rendered(template, page=page, copied=note, link=link, **{"renews": False, **more}).encode()


def _link(path: str, address: str) -> str:
    """Return where an address of the page leads from this file of the copy, also where it is no web root."""
    where, mark, rest = address.partition("?")
    target = where.removeprefix("/")
    if Path(target).suffix not in _FILE_SUFFIXES:
        target = f"{target}/index.html".removeprefix("/")
    return "../" * path.count("/") + target + mark + rest


def _json(make: Callable[[PageView], dict[str, Any]], page: PageView) -> bytes:
    form = make(page)
    form["page"]["x_beforehand"]["written_at"] = statuspage.moment(page.now_ms)
    return _dumped(form)


def _dumped(content: dict[str, Any]) -> bytes:
    return json.dumps(content, ensure_ascii=False).encode()


def _stamped(body: bytes, now_ms: int) -> bytes:
    """Return a feed or a calendar with the time of writing in it."""
    at = statuspage.moment(now_ms)
    if body.startswith(b"BEGIN:VCALENDAR"):
        return body.replace(b"METHOD:", f"X-BEFOREHAND-WRITTEN:{at}\r\nMETHOD:".encode(), 1)
    return body + f"\n<!-- Written at {at} -->\n".encode()


def _contents(page: PageView, files: Iterable[str]) -> bytes:
    at = statuspage.moment(page.now_ms)
    return _dumped({"page": page.url, "written_at": at, "files": sorted(files)})


def _manifest(to: Path) -> list[str]:
    """Return the files that an earlier copy left here, so that what is no more can go; never others."""
    try:
        with (to / MANIFEST).open("rb") as file:
            found = msgspec.json.decode(file.read(MANIFEST_BYTES_MAX), type=_Manifest)
    except (FileNotFoundError, UnicodeDecodeError, msgspec.MsgspecError):
        return []
    return [one for one in found.files if _OURS.fullmatch(one)]


def _put(to: Path, path: str, body: bytes) -> None:
    """Replace a file by a rename; what a web server serves is readable whatever our umask is.

    Nothing is synced: after a power cut the desk writes everything again.
    """
    target = to / path
    for folder in reversed(target.relative_to(to).parents[:-1]):
        with suppress(FileExistsError):
            (to / folder).mkdir()
            (to / folder).chmod(0o755)
    half = target.with_name(f".{target.name}.half")
    half.unlink(missing_ok=True)
    try:
        with half.open("xb") as file:
            os.fchmod(file.fileno(), 0o644)
            file.write(body)
        half.replace(target)
    except OSError:
        half.unlink(missing_ok=True)
        raise
