"""The page as people meet it: in a real browser, judged by axe, in both themes, narrow and wide."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from starlette.routing import BaseRoute

from desk.ledger.routes import ledger_routes
from desk.page.page import public_routes
from desk.page.snapshot import Snapshot
from desk.page.view import CONFIRMED_FOR_MS, PageView, honest
from desk.state import ServiceState
from tests.desk.browser import Browser, Tab, browser
from tests.desk.hostile import EVERYTHING, HOSTILE
from tests.desk.ledger.scene import counter
from tests.desk.page.test_page import desk_with, served
from tests.desk.pages import page, service
from tests.desk.public.scene import full, hostile
from tests.desk.serving import until
from tests.desk.stage import Stage, stage
from tests.desk.town import ACTING, FIXED, ended, signal

WCAG = ("wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa")
PATHS = ("/", "/history", "/incidents/inc-1", "/incidents/inc-0", "/embed", "/mailbox", "/mailbox/l-1", "/no")
# What may be smaller than 24 px: a link within a sentence (WCAG 2.2, 2.5.8, inline).
SMALL = """
[...document.querySelectorAll("a, summary, button")].filter(one => {
  const box = one.getBoundingClientRect();
  const alone = one.parentElement.textContent.trim() === one.textContent.trim();
  const inline = getComputedStyle(one).display === "inline" && !alone;
  return box.width && !inline && !one.matches(".skip") && (box.height < 24 || box.width < 24);
}).map(one => one.outerHTML.slice(0, 120))
"""

# The kinds of elements on a page, without those of its text.
BONES = "[...document.querySelectorAll('*')].map(one => one.localName).filter(one => one !== 'br').join(' ')"
# What a page does that runs something, or tries to.
RAN = (
    "Page.javascriptDialogOpening",
    "Runtime.consoleAPICalled",
    "Page.windowOpen",
    "Page.downloadWillBegin",
)

pytestmark = pytest.mark.needs("chromium")


@pytest.fixture(scope="module")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with browser(tmp_path_factory.mktemp("chromium")) as found:
        yield found


def every_state() -> PageView:
    """Return a page that shows each state, and everything that may stand on it."""
    states = [
        replace(service(state, state.value.title()), service="checkout" if n == 0 else state.value)
        for n, state in enumerate(ServiceState)
    ]
    return replace(full(), services=tuple(states))


@pytest.mark.parametrize("width", [320, 1280])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_no_page_breaks_a_rule_and_each_fits_its_window(chromium: Browser, scheme: str, width: int) -> None:
    with desk_with(every_state()) as desk, chromium.tab(width, scheme) as tab:
        for path in PATHS:
            tab.open(f"http://127.0.0.1:{desk.port}{path}")
            assert tab.judge(*WCAG) == [], (path, scheme, width)
            assert tab.value("document.documentElement.scrollWidth") <= width, path
            assert tab.value(SMALL) == [], path


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_quiet_page_and_one_that_nobody_confirms_break_no_rule(chromium: Browser, scheme: str) -> None:
    silent = honest(replace(every_state(), confirmed_ms=None))
    for view in (page(), silent):
        with desk_with(view) as desk, chromium.tab(320, scheme) as tab:
            tab.open(f"http://127.0.0.1:{desk.port}/")
            assert tab.judge(*WCAG) == []


def test_the_first_key_leads_past_the_menu_and_focus_can_be_seen(chromium: Browser) -> None:
    with desk_with(full()) as desk, chromium.tab() as tab:
        tab.open(f"http://127.0.0.1:{desk.port}/")
        tab.press("Tab")
        assert tab.value("document.activeElement.className") == "skip"
        assert tab.value("document.activeElement.getBoundingClientRect().top >= 0")
        tab.press("Tab")
        assert tab.value("getComputedStyle(document.activeElement).outlineStyle") == "solid"


def test_the_bars_are_a_table_to_whoever_hears_them(chromium: Browser) -> None:
    with desk_with(page()) as desk, chromium.tab() as tab:
        tab.open(f"http://127.0.0.1:{desk.port}/")
        tab.ask("Accessibility.enable")
        nodes = tab.ask("Accessibility.getFullAXTree")["nodes"]
        tables = [one for one in nodes if one["role"]["value"] == "table"]
        assert [str(one["name"]["value"]) for one in tables] == [
            "Checkout, the last 90 days in UTC: 99.99 % free of trouble, 1 day with problems"
        ]
        cells = [one["name"]["value"] for one in nodes if one["role"]["value"] in ("cell", "gridcell")]
        assert len(cells) == 90
        assert "24 Jul 2026: down, 12 minutes of trouble" in cells


# The copy


class _Quiet(SimpleHTTPRequestHandler):
    timeout = 0.5  # a browser opens connections ahead of any need

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""


@contextmanager
def files_served(place: Path) -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=str(place)))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join(10)


def now_is(tab: Tab, at_ms: int) -> None:
    """Set the clock of the pages that are opened from now on."""
    tab.ask("Page.addScriptToEvaluateOnNewDocument", source=f"Date.now = () => {at_ms}")


@pytest.fixture
def place(tmp_path: Path) -> Path:
    found = tmp_path / "copy"
    found.mkdir()
    Snapshot(found).keep(every_state())
    return found


def test_a_fresh_copy_says_how_old_it_is_and_shows_the_states(chromium: Browser, place: Path) -> None:
    with files_served(place) as address, chromium.tab(320, "dark") as tab:
        now_is(tab, full().now_ms + 120_000)
        for path in ("/", "/history/", "/incidents/inc-1/"):
            tab.open(f"{address}{path}")
            assert tab.value("document.getElementById('age').textContent") == "It is 2 minutes old."
            assert tab.judge(*WCAG) == []
        tab.open(f"{address}/")
        assert tab.value("document.querySelectorAll('.service .pill.s-major').length") == 1
        assert tab.value("getComputedStyle(document.body).borderTopStyle") == "solid"


@pytest.mark.parametrize("after_ms", [CONFIRMED_FOR_MS + 1, -CONFIRMED_FOR_MS - 1])
def test_an_old_copy_turns_every_state_to_unknown(chromium: Browser, place: Path, after_ms: int) -> None:
    with files_served(place) as address, chromium.tab() as tab:
        now_is(tab, full().now_ms + after_ms)
        tab.open(f"{address}/")
        until(lambda: bool(tab.value("document.getElementById('age').textContent")), "the script ran")
        classes = "[...document.querySelectorAll('[data-now]')].map(one => one.className.match(/s-\\w+/)[0])"
        states = f"[...new Set({classes})]"
        assert tab.value(states) == ["s-unknown"]
        pills = (
            "[...new Set([...document.querySelectorAll('.service .pill')].map(one => one.innerText.trim()))]"
        )
        assert tab.value(pills) == ["Unknown"]
        assert tab.value("document.querySelector('h1').innerText").startswith("We do not know how things")
        assert "/static/unknown.svg?v=" in tab.value("document.querySelector('link[rel=icon]').href")
        assert tab.judge(*WCAG) == []


def test_a_copy_is_read_without_a_server_too(chromium: Browser, place: Path) -> None:
    with chromium.tab() as tab:
        tab.open(f"file://{place}/index.html")
        assert tab.value("document.querySelectorAll('td').length") > 90
        assert tab.value("getComputedStyle(document.querySelector('.bar')).display") == "block"


# Within other pages


def test_only_the_named_pages_may_hold_the_small_one(chromium: Browser, tmp_path: Path) -> None:
    with (
        files_served(tmp_path) as allowed,
        files_served(tmp_path) as stranger,
        served([*public_routes(full, lambda _: None, (allowed,))]) as desk,
    ):
        frame = f'<iframe src="http://127.0.0.1:{desk.port}/embed" title="status"></iframe>'
        (tmp_path / "holder.html").write_text(f"<!doctype html><title>x</title>{frame}")
        seen = {}
        for name, origin in (("allowed", allowed), ("stranger", stranger)):
            with chromium.tab() as tab:
                tab.open(f"{origin}/holder.html")
                tree = tab.ask("Page.getFrameTree")["frameTree"]
                seen[name] = [one["frame"].get("unreachableUrl", "") for one in tree["childFrames"]]
    assert seen["allowed"] == [""]
    assert seen["stranger"] != [""]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_page_of_the_figures_breaks_no_rule_with_data_and_without(
    chromium: Browser, tmp_path: Path, scheme: str
) -> None:
    with stage(tmp_path) as found, served(figures_of(found)) as desk:
        for filled in (False, True):
            if filled:
                fill(found)
            for width in (320, 1280):
                with chromium.tab(width, scheme) as tab:
                    tab.open(f"http://127.0.0.1:{desk.port}/told-first")
                    assert "Told first" in tab.value("document.title")
                    assert tab.judge(*WCAG) == [], (filled, width)
                    assert tab.value("document.documentElement.scrollWidth") <= width, filled
                    assert tab.value(SMALL) == [], filled


def figures_of(found: Stage) -> list[BaseRoute]:
    """Return the routes behind the staff door, with the files that they need."""
    return [*ledger_routes(counter(found)), *public_routes(page, lambda _: None)]


def fill(found: Stage) -> None:
    """Let incidents come and go, so that every figure has a value."""
    for _ in range(6):
        one = signal(at_ms=found.now_ms, remedy=ACTING)
        found.hear(one)
        found.pass_ms(1_000)
        found.now_ms += 120_000
        found.hear(ended(one, found.now_ms, FIXED))
        found.pass_ms(1)
        found.now_ms += 3_600_000


# Words that want to run


@pytest.mark.parametrize("text", [EVERYTHING, HOSTILE["long"]], ids=["everything", "long"])
def test_no_hostile_word_runs_or_changes_the_page(chromium: Browser, text: str) -> None:
    plain, view = hostile("A plain word"), hostile(text)
    with desk_with(plain) as tame, desk_with(view) as desk, chromium.tab(320) as tab:
        for path in ("/", "/history", "/incidents/inc-1", "/embed"):
            tab.open(f"http://127.0.0.1:{tame.port}{path}")
            bones = tab.value(BONES)
            tab.browser.events.clear()
            tab.ask("Runtime.enable")
            tab.open(f"http://127.0.0.1:{desk.port}{path}")
            assert tab.value(BONES) == bones, path
            assert tab.value("document.documentElement.scrollWidth") <= 320, path
            ran = [one["method"] for one in tab.browser.events if one.get("method") in RAN]
            assert ran == [], path
