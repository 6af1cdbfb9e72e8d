"""Every place where anybody may read of the status, and a real parser for each."""

from __future__ import annotations

import json
import re
import socket
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from xml.etree import ElementTree as Tree

import feedparser
from icalendar import Calendar

from desk.page.snapshot import MANIFEST
from desk.public.routes import FORMS
from tests.desk.page.test_page import parsed
from tests.desk.serving import Reply, Serving

PAGES: Final = ("/", "/?renew=on", "/history", "/embed")
FILES: Final = ("/history.atom", "/history.rss", "/maintenance.ics")
BADGES: Final = ("/badge.svg", "/badge.json", "/badge/checkout.svg", "/badge/checkout.json")
JSON: Final = (*(f"/api/v2/{path}" for path in FORMS), "/api/v1/transparency.json")
REFUSED: Final = ("/api/v2/subscribers.json", "/no/such/page", "/incidents/no", "/badge/no.svg")
KNOWN: Final = (*PAGES, *FILES, *BADGES, *JSON, *REFUSED, "/events")
LINK: Final = re.compile(r'(?:href|src)="(/[^"]*)"|https?://127\.0\.0\.1:9467(/[^"<\s]*)')
RUNS: Final = frozenset({"script", "iframe", "object", "embed", "form", "base"})


@dataclass(frozen=True, slots=True)
class Surface:
    """What stands in one place; a file of the copy has no headers."""

    path: str
    text: str
    headers: str = ""

    @property
    def kind(self) -> str:
        """Its format, by its name."""
        path = self.path.partition("?")[0]
        suffix = path.rpartition(".")[2] if "." in path.rpartition("/")[2] else "html"
        return "events" if path == "/events" else suffix

    def check(self) -> None:
        """Read it with a parser of its format; fail where it is not what it says, or where it runs."""
        match self.kind:
            case "json":
                json.loads(self.text)
            case "svg":
                assert {_local(one) for one in Tree.fromstring(self.text).iter()}.isdisjoint(RUNS)
            case "atom" | "rss":
                Tree.fromstring(self.text.encode())
                found = feedparser.parse(self.text.encode())
                assert not found.bozo, found.get("bozo_exception")
            case "ics":
                assert self.text.count("BEGIN:VCALENDAR") == 1
                assert all(len(line.encode()) <= 75 for line in self.text.split("\r\n"))
                assert all(not one.errors for one in Calendar.from_ical(self.text).walk())
            case "events":
                list(told(self.text))
            case "html":
                tags = parsed(self.text)
                assert not {"script", "object", "base"} & set(tags.seen) or self.path.startswith("copy"), (
                    self.path
                )
                assert not any(name.startswith("on") for _, name, _ in tags.attributes), self.path
                links = [value for _, name, value in tags.attributes if name in ("href", "src", "action")]
                assert not any(one.strip().lower().startswith(("javascript:", "data:")) for one in links), (
                    links
                )


def _local(element: Tree.Element) -> str:
    return element.tag.rpartition("}")[2]


def told(text: str) -> Iterator[tuple[str, Any]]:
    """Return the events of a stream (the HTML standard, 9.2.6)."""
    for block in text.split("\n\n"):
        fields = [line.partition(": ")[::2] for line in block.split("\n") if line]
        assert {name for name, _ in fields} <= {"retry", "event", "id", "data"}, fields
        kinds = [value for name, value in fields if name == "event"]
        if kinds:
            [kind] = kinds
            yield kind, json.loads("\n".join(value for name, value in fields if name == "data"))


def every(desk: Serving, *more: str) -> Iterator[Surface]:
    """Read all that there is a way to, from the known places and these on."""
    waiting, done = [*KNOWN, *more], set()
    waiting += [f"/incidents/{one['id']}" for one in desk.incidents()]
    waiting += [f"/incidents/{one['id']}.json" for one in desk.incidents()]
    while waiting:
        path = waiting.pop()
        if path in done:
            continue
        done.add(path)
        surface = _read(desk, path)
        yield surface
        if surface.kind != "css":
            waiting += [found[1] or found[2] for found in LINK.finditer(surface.text)]


def _read(desk: Serving, path: str) -> Surface:
    if path == "/events":
        return Surface(path, *_events(desk))
    reply = desk.ask(path, public=True)
    assert reply.status < 500, (path, reply)
    headers = "\n".join(f"{name}: {value}" for name, value in reply.headers.items())
    name = f"{path.partition('?')[0]}#refused.{_media(reply)}" if reply.status >= 400 else path
    return Surface(name, reply.body.decode("utf-8"), headers)


def _media(reply: Reply) -> str:
    known = {"text/html": "html", "application/json": "json"}
    return known.get(reply.headers.get("content-type", "").partition(";")[0], "txt")


def _events(desk: Serving) -> tuple[str, str]:
    """Return what whoever begins to listen is told, and the head of it."""
    with closing(socket.create_connection(("127.0.0.1", desk.public), timeout=20)) as connection:
        connection.sendall(b"GET /events HTTP/1.1\r\nHost: localhost\r\n\r\n")
        with connection.makefile("rb") as file:
            head = b"".join(iter(file.readline, b"\r\n")).decode()
            body = b""
            while b"event: whole" not in body:
                size = int(file.readline(), 16)
                body += file.read(size + 2)[:-2]
    return body.decode(), head


def copied(place: Path) -> Iterator[Surface]:
    """Read the copy elsewhere, without the files that are the same in each."""
    for path in sorted(place.rglob("*")):
        if path.is_file() and path.parent.name != "static" and path.name != MANIFEST:
            yield Surface(f"copy/{path.relative_to(place)}", path.read_bytes().decode("utf-8"))
