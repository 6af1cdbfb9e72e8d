"""The history as feeds: Atom (RFC 4287) and RSS 2.0, one entry for each incident and each planned work.

An entry keeps its id when something is added to it, and the feed's own time moves only when an entry does:
readers take it for a sign of life of the page.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from email.utils import format_datetime
from html import escape
from typing import Final
from urllib.parse import urlsplit
from xml.etree import ElementTree as Tree

from desk.page.view import IncidentView, MaintenanceView, PageView
from desk.public.statuspage import IMPACT, changed_ms, identity, moment
from desk.state import MaintenanceState

ENTRIES_MAX: Final = 50
ATOM: Final = "application/atom+xml; charset=utf-8"
RSS: Final = "application/rss+xml; charset=utf-8"

_ATOM: Final = "http://www.w3.org/2005/Atom"
# What no XML may hold, not even as a reference (XML 1.0, 2.2); a return is no end of a line in it.
_FORBIDDEN: Final = re.compile("[^\t\n -\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_LANGUAGE: Final = "{http://www.w3.org/XML/1998/namespace}lang"

Entry = IncidentView | MaintenanceView


def atom(page: PageView) -> bytes:
    """Return ``history.atom``."""
    host = urlsplit(page.url).hostname or "localhost"
    feed = Tree.Element("feed", {"xmlns": _ATOM, _LANGUAGE: page.language})
    _text(feed, "id", f"tag:{host},2005:/history")
    _link(feed, "alternate", "text/html", f"{_root(page)}/")
    _link(feed, "self", "application/atom+xml", f"{_root(page)}/history.atom")
    _text(feed, "title", f"{page.name} Status - Incident History")
    _text(feed, "updated", moment(_newest_ms(page)))
    _text(Tree.SubElement(feed, "author"), "name", page.name)
    for one in _entries(page):
        entry = Tree.SubElement(feed, "entry")
        _text(entry, "id", f"tag:{host},2005:{_kind(one)}/{one.id}")
        _text(entry, "published", moment(_published_ms(one)))
        _text(entry, "updated", moment(one.changed_ms))
        _link(entry, "alternate", "text/html", _address(page, one))
        _text(entry, "title", one.title)
        for key, name in _services(page, one):
            Tree.SubElement(
                entry, "category", {"term": identity("component", key), "label": _FORBIDDEN.sub("", name)}
            )
        impact = IMPACT[one.impact] if isinstance(one, IncidentView) else "maintenance"
        Tree.SubElement(entry, "category", {"scheme": "impact", "term": impact})
        _text(entry, "content", _said(one)).set("type", "html")
    return _written(feed)


def rss(page: PageView) -> bytes:
    """Return ``history.rss``; planned work has a ``maintenanceEndDate``, by which readers know it."""
    feed = Tree.Element("rss", {"version": "2.0"})
    channel = Tree.SubElement(feed, "channel")
    _text(channel, "title", f"{page.name} Status - Incident History")
    _text(channel, "link", f"{_root(page)}/")
    _text(channel, "description", "Statuspage")
    _text(channel, "language", page.language)
    _text(channel, "pubDate", _stamp(_newest_ms(page)))
    for one in _entries(page):
        item = Tree.SubElement(channel, "item")
        _text(item, "title", one.title)
        _text(item, "description", _said(one))
        _text(item, "pubDate", _stamp(_published_ms(one)))
        if isinstance(one, MaintenanceView):
            _text(item, "maintenanceEndDate", _stamp(one.end_ms))
        _text(item, "link", _address(page, one))
        _text(item, "guid", _address(page, one))
    return _written(feed)


def _entries(page: PageView) -> list[Entry]:
    planned = [one for one in page.maintenances if one.state is not MaintenanceState.CANCELLED]
    every: list[Entry] = [*page.incidents, *planned]
    return sorted(every, key=_published_ms, reverse=True)[:ENTRIES_MAX]


def _newest_ms(page: PageView) -> int:
    return max((one.changed_ms for one in _entries(page)), default=page.watched_ms or changed_ms(page))


def _published_ms(one: Entry) -> int:
    return one.opened_ms if isinstance(one, IncidentView) else one.start_ms


def _kind(one: Entry) -> str:
    return "Incident" if isinstance(one, IncidentView) else "Maintenance"


def _address(page: PageView, one: Entry) -> str:
    room = "incidents" if isinstance(one, IncidentView) else "maintenances"
    return f"{_root(page)}/{room}/{one.id}"


def _root(page: PageView) -> str:
    return page.url.rstrip("/")


def _services(page: PageView, one: Entry) -> list[tuple[str, str]]:
    names = {service.service: service.name for service in page.services}
    return [(key, names.get(key, key)) for key in one.keys]


def _said(one: Entry) -> str:
    """Return what was said as HTML, newest first, in the form that readers of such feeds look for."""
    if isinstance(one, MaintenanceView):
        begin, end = _day(one.start_ms), datetime.fromtimestamp(one.end_ms / 1000, UTC)
        said = f"<p>THIS IS A SCHEDULED EVENT {begin} - {end:%H:%M} UTC</p>"
        return said + _paragraph(one.changed_ms, one.state.value, one.text)
    return "".join(_paragraph(update.at_ms, update.state.value, update.text) for update in one.updates)


def _paragraph(at_ms: int, state: str, text: str) -> str:
    at = datetime.fromtimestamp(at_ms / 1000, UTC)
    day, time = f"<var data-var='date'>{at.day}</var>", f"<var data-var='time'>{at:%H:%M}</var>"
    word = escape(state.replace("_", " ").capitalize())
    return f"<p><small>{at:%b} {day}, {time} UTC</small><br><strong>{word}</strong> - {escape(text)}</p>"


def _day(at_ms: int) -> str:
    at = datetime.fromtimestamp(at_ms / 1000, UTC)
    return f"{at:%b} {at.day}, {at:%H:%M}"


def _stamp(at_ms: int) -> str:
    return format_datetime(datetime.fromtimestamp(at_ms // 1000, UTC), usegmt=True)


def _link(parent: Tree.Element, rel: str, kind: str, address: str) -> None:
    Tree.SubElement(parent, "link", {"rel": rel, "type": kind, "href": address})


def _text(parent: Tree.Element, name: str, text: str) -> Tree.Element:
    child = Tree.SubElement(parent, name)
    child.text = _FORBIDDEN.sub("", text)
    return child


def _written(root: Tree.Element) -> bytes:
    written: bytes = Tree.tostring(root, "utf-8", xml_declaration=True)
    return written
