from __future__ import annotations

import http.client
import re
import socket
import threading
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from html.parser import HTMLParser
from itertools import pairwise

import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.routing import BaseRoute

from desk.page.page import not_found, public_routes, staff_routes
from desk.page.page_words import STATE_WORDS
from desk.page.view import PageView, UpdateView
from desk.state import IncidentState, ServiceState
from tests.desk.pages import HOSTILE, MIN_MS, NOW_MS, incident, letters, page, service

SHAPES = {
    ServiceState.OPERATIONAL: '<circle class="fill"',
    ServiceState.DEGRADED: '<path class="edge" d="M12 3.2',
    ServiceState.PARTIAL: '<path class="fill" d="M12 1.2',
    ServiceState.MAJOR: '<rect class="fill"',
    ServiceState.MAINTENANCE: '<path class="edge" d="M20.8',
    ServiceState.UNKNOWN: '<circle class="edge dashed"',
}


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    headers: http.client.HTTPMessage
    text: str


@dataclass(frozen=True, slots=True)
class Client:
    """Asks a desk over a real socket; a path goes out as it is written."""

    port: int

    def get(self, path: str, headers: Mapping[str, str] | None = None, method: str = "GET") -> Answer:
        with closing(http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)) as connection:
            connection.request(method, path, headers=headers or {})
            answer = connection.getresponse()
            return Answer(answer.status, answer.headers, answer.read().decode())


@contextmanager
def served(routes: list[BaseRoute], name: str = "Example") -> Iterator[Client]:
    """Run a desk of these routes on a free port of loopback."""
    lost = not_found(name)
    app = Starlette(routes=routes, exception_handlers={404: lost, 405: lost})
    with closing(socket.create_server(("127.0.0.1", 0))) as listening:
        config = uvicorn.Config(app, log_config=None, lifespan="off", ws="none", timeout_graceful_shutdown=5)
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
        thread.start()
        try:
            yield Client(listening.getsockname()[1])
        finally:
            server.should_exit = True
            thread.join(10)
            assert not thread.is_alive()


@contextmanager
def desk_with(view: PageView) -> Iterator[Client]:
    """Run a desk that shows this page, with its mailbox."""
    incidents = {one.id: one for one in (*view.open_incidents, *view.past_incidents)}
    box = letters()
    routes: list[BaseRoute] = [
        *staff_routes(lambda: box, {letter.id: letter for letter in box.letters}.get),
        *public_routes(lambda: view, incidents.get),
    ]
    with served(routes, view.name) as client:
        yield client


@pytest.fixture
def client() -> Iterator[Client]:
    with desk_with(replace(page(), open_incidents=(incident(),))) as client:
        yield client


def read(view: PageView, path: str = "/") -> str:
    with desk_with(view) as client:
        return client.get(path).text


class _Balance(HTMLParser):
    """Follows the tags; fails on one that closes what is not open, and on a repeated id."""

    VOID = frozenset({"meta", "link", "br", "img", "input", "hr"})

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.seen: list[str] = []
        self.ids: list[str] = []
        self.attributes: list[tuple[str, str, str]] = []
        self.words = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append(tag)
        self.attributes += [(tag, name, value or "") for name, value in attrs]
        self.ids += [value or "" for name, value in attrs if name == "id"]
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in self.VOID:
            self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        assert self.open, f"</{tag}> closes nothing"
        assert self.open.pop() == tag, f"</{tag}> closes another tag"

    def handle_data(self, data: str) -> None:
        self.words += data


def parsed(html: str) -> _Balance:
    tags = _Balance()
    tags.feed(html)
    tags.close()
    assert not tags.open
    assert len(tags.ids) == len(set(tags.ids))
    return tags


PATHS = (
    "/",
    "/?renew=on",
    "/history",
    "/incidents/inc-1",
    "/incidents/inc-0",
    "/mailbox",
    "/mailbox/l-1",
    "/no",
)


# Every page


def test_every_page_is_well_formed_and_names_its_language_and_one_heading(client: Client) -> None:
    for path in PATHS:
        tags = parsed(client.get(path).text)
        assert ("html", "lang", "en") in tags.attributes
        assert tags.seen.count("h1") == 1
        assert tags.seen.count("main") == 1
        assert ("a", "href", "#content") in tags.attributes
        levels = [int(tag[1]) for tag in tags.seen if re.fullmatch("h[1-6]", tag)]
        assert all(deeper <= level + 1 for level, deeper in pairwise(levels))


def test_every_page_needs_no_script_and_no_other_host(client: Client) -> None:
    for path in PATHS:
        answer = client.get(path)
        tags = parsed(answer.text)
        assert not {"script", "iframe", "object", "embed", "form", "style"} & set(tags.seen)
        for _, name, value in tags.attributes:
            assert name != "style"
            assert not name.startswith("on")
            if name in ("href", "src"):
                assert value.startswith(("/", "#"))
                assert not value.startswith("//")


def test_every_answer_carries_the_headers_that_fence_it_in(client: Client) -> None:
    for path in [*PATHS, "/static/page.css"]:
        headers = client.get(path).headers
        policy = headers["Content-Security-Policy"]
        for rule in ("default-src 'none'", "style-src 'self'", "frame-ancestors 'none'", "base-uri 'none'"):
            assert rule in policy
        assert "unsafe" not in policy
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Referrer-Policy"] == "no-referrer"


def test_a_reader_who_has_the_answer_already_is_told_so(client: Client) -> None:
    for path in ["/", "/history", "/incidents/inc-1", "/mailbox", "/static/page.css"]:
        first = client.get(path)
        tag = first.headers["ETag"]
        for held in (tag, f"W/{tag}", f'"other", {tag}', "*"):
            again = client.get(path, headers={"If-None-Match": held})
            assert (again.status, again.text) == (304, "")
            assert again.headers["ETag"] == tag
        assert client.get(path, headers={"If-None-Match": '"other"'}).status == 200


def test_public_pages_may_be_kept_ten_seconds_and_staff_pages_never_by_others(client: Client) -> None:
    assert client.get("/").headers["Cache-Control"] == "public, max-age=10"
    staff = client.get("/mailbox").headers
    assert staff["Cache-Control"].startswith("private")
    assert staff["X-Robots-Tag"] == "noindex"


def test_pages_can_only_be_read(client: Client) -> None:
    assert client.get("/", method="HEAD").status == 200
    refused = client.get("/", method="POST")
    assert refused.status == 405
    assert "GET" in refused.headers["Allow"]
    assert "can only be read" in refused.text
    assert "default-src 'none'" in refused.headers["Content-Security-Policy"]


def test_what_does_not_exist_gets_a_friendly_page(client: Client) -> None:
    for path in [
        "/no",
        "/incidents/none",
        "/incidents/%3Cscript%3E",
        "/incidents/" + "x" * 65,
        "/mailbox/none",
        "/static/page.py",
        "/static/..%2Fpage.py",
        "/static/%2e%2e/page.py",
    ]:
        answer = client.get(path)
        assert answer.status == 404
        assert "There is no such page." in answer.text
        assert "<script" not in answer.text


def test_an_id_that_cannot_be_one_never_reaches_the_store() -> None:
    asked: list[str] = []

    def incident_of(id_: str) -> None:
        asked.append(id_)

    with served([*public_routes(page, incident_of)]) as client:
        for path in ("/incidents/a%20b", "/incidents/'--", "/incidents/" + "x" * 65):
            assert client.get(path).status == 404
        assert asked == []
        assert client.get("/incidents/inc-9").status == 404
    assert asked == ["inc-9"]


# The page


@pytest.mark.parametrize("state", ServiceState)
def test_every_state_is_a_word_and_a_shape_and_a_colour(state: ServiceState) -> None:
    html = read(page(service(state)))
    row = html[html.index('<ul class="services">') : html.index('<table class="days"')]
    assert f'<span class="pill s-{state}">' in row
    assert STATE_WORDS[state] in row
    assert SHAPES[state] in row
    assert not any(shape in row for other, shape in SHAPES.items() if other is not state)


@pytest.mark.parametrize("confirmed_ms", [None, NOW_MS - 5 * MIN_MS - 1])
def test_unknown_never_looks_green(confirmed_ms: int | None) -> None:
    healed = replace(incident(), healed_ms=NOW_MS - 8 * MIN_MS, state=IncidentState.MONITORING)
    view = replace(page(), confirmed_ms=confirmed_ms, open_incidents=(healed,), past_incidents=())
    for path in ("/", "/incidents/inc-1"):
        html = read(view, path)
        bars = re.sub(r'<table class="days".*?</table>', "", html, flags=re.DOTALL)
        assert "s-operational" not in bars
        assert "operational.svg" not in html
        assert SHAPES[ServiceState.OPERATIONAL] not in html
    front = read(view)
    assert "Everything" not in front
    assert re.findall(r'<td class="s-(\w+)"', front)[-1] == "unknown"


def test_a_stale_page_says_when_it_was_last_confirmed() -> None:
    html = read(replace(page(), confirmed_ms=NOW_MS - 17 * MIN_MS))
    assert "We do not know how things stand right now." in html
    assert "Last confirmed at 27 Jul 2026, 14:14 UTC, 17 minutes ago." in html


def test_the_bars_are_a_table_that_says_each_day_and_links_to_its_history() -> None:
    tags = parsed(read(page()))
    assert tags.seen.count("table") == tags.seen.count("caption") == 1
    assert "the last 90 days in UTC: 99.99 % free of trouble, 1 day with problems" in tags.words
    assert "24 Jul 2026: down, 12 minutes of trouble" in tags.words
    assert "99.99 % free of trouble" in tags.words
    assert ("a", "href", "/history#m2026-07") in tags.attributes
    assert sum(tag == "td" and name == "title" for tag, name, _ in tags.attributes) == 90


def test_an_open_incident_shows_its_latest_news_and_its_walk_without_a_click() -> None:
    html = read(replace(page(service(ServiceState.MAJOR)), open_incidents=(incident(),)))
    visible = re.sub(r"<details>.*?</details>", "", html, flags=re.DOTALL)
    assert "The payment server had stopped." in visible
    assert "You cannot pay at the moment." not in visible
    assert "You cannot pay at the moment." in html
    assert "Noticed after 0.02 s, told after 0.40 s, not healed yet." in visible
    assert 'class="k-told g' in visible
    assert 'class="k-pending g' in visible
    assert "14:52 UTC</time>, in 21 minutes." in visible


def test_the_page_renews_itself_only_for_who_asks_while_an_incident_is_open() -> None:
    renewal = '<meta http-equiv="refresh" content="30">'
    busy = replace(page(), open_incidents=(incident(),))
    assert renewal not in read(busy)
    assert "stands still" in read(busy)
    assert 'href="/?renew=on"' in read(busy)
    assert renewal in read(busy, "/?renew=on")
    assert renewal not in read(page(), "/?renew=on")


def test_times_are_absolute_for_machines_and_in_words_for_people() -> None:
    html = read(replace(page(), open_incidents=(incident(),)))
    assert '<time datetime="2026-07-27T14:22:02.000Z">27 Jul 2026, 14:22 UTC</time>, 9 minutes ago' in html


def test_the_words_of_a_page_in_another_language_carry_that_language() -> None:
    html = read(replace(page(service(name="Kasse")), language="de"))
    assert '<bdi lang="de">Kasse</bdi>' in html


# History and one incident


def test_a_silent_heal_stands_in_the_history_of_its_month(client: Client) -> None:
    html = client.get("/history").text
    assert html.index("July 2026") < html.index("June 2026") < html.index("Healed before anybody was told")
    assert "Noticed after 0.30 s, healed after 2.1 s, before anybody was told." in html
    assert 'href="/incidents/inc-0"' in html


def test_an_incident_page_rounds_the_people_and_keeps_every_update(client: Client) -> None:
    html = client.get("/incidents/inc-1").text
    assert "About 25 people" in html
    assert "23" not in re.sub(r"<time.*?</time>|\?v=\w+", "", html)
    assert html.index("The payment server had stopped.") < html.index("You cannot pay at the moment.")


def test_a_retracted_incident_says_that_nobody_was_affected() -> None:
    taken_back = replace(incident(), state=IncidentState.RETRACTED, resolved_ms=NOW_MS)
    html = read(replace(page(), past_incidents=(taken_back,)), "/incidents/inc-1")
    assert "Retracted: nobody was affected" in html
    assert "No effect" in html
    assert "Next news" not in html


# What others wrote stays words


def test_hostile_names_stay_words_on_every_page() -> None:
    poisoned = replace(
        incident(HOSTILE),
        services=(HOSTILE,),
        updates=(UpdateView(IncidentState.IDENTIFIED, HOSTILE, NOW_MS),),
    )
    view = replace(
        page(service(ServiceState.MAJOR, HOSTILE)),
        name=HOSTILE,
        language='de" onload="x',
        open_incidents=(poisoned,),
        past_incidents=(replace(poisoned, id="inc-2", resolved_ms=NOW_MS),),
    )
    with desk_with(view) as client:
        for path in PATHS:
            html = client.get(path).text
            tags = parsed(html)
            assert not {"script", "img"} & set(tags.seen)
            assert not any(name.startswith("on") for _, name, _ in tags.attributes)
            assert "{{ 7 * 7 }}" in tags.words or path == "/incidents/inc-0"


def test_a_name_that_runs_from_right_to_left_is_fenced_off() -> None:
    html = read(
        page(
            service(ServiceState.MAJOR, "\u05d3\u05d5\u05d0\u05e8"),
            service(ServiceState.MAJOR, "\u202eSearch"),
        )
    )
    assert "\u2068\u05d3\u05d5\u05d0\u05e8\u2069 and \u2068\u202eSearch\u2069 are down." in html
    assert "<bdi>\u05d3\u05d5\u05d0\u05e8</bdi>" in html


# The mailbox


def test_letters_stay_with_staff_and_show_their_plain_text(client: Client) -> None:
    assert "ada@acme.example" in parsed(client.get("/mailbox").text).words
    assert "Dear Ada,\n</title><script>" in parsed(client.get("/mailbox/l-1").text).words
    with served([*public_routes(page, lambda _: None)]) as public:
        assert public.get("/mailbox").status == 404


# Files


def test_a_file_that_is_asked_for_by_its_content_may_be_kept_for_ever(client: Client) -> None:
    link = re.search(r'href="(/static/page\.css\?v=\w+)"', client.get("/").text)
    assert link
    kept = client.get(link[1])
    assert kept.headers["Content-Type"] == "text/css; charset=utf-8"
    assert "immutable" in kept.headers["Cache-Control"]
    assert client.get("/static/page.css?v=old").headers["Cache-Control"] == "public, max-age=300"
    assert client.get("/static/major.svg").headers["Content-Type"] == "image/svg+xml"
