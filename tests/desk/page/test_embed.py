from __future__ import annotations

from dataclasses import replace

import pytest

from desk.config import Origin
from desk.page.page import public_routes
from model.misfit import Misfit
from tests.desk.page.test_page import parsed, read, served
from tests.desk.pages import page
from tests.desk.public.scene import full, hostile


def test_the_small_page_shows_what_happens_now_and_asks_nothing_of_other_pages() -> None:
    html = read(full(), "/embed")
    assert "Payments fail" in html
    assert "Orders would have run out of disk" not in html
    assert 'href="http://127.0.0.1:9467/incidents/inc-1" target="_blank" rel="noopener"' in html
    with served([*public_routes(page, lambda _: None)]) as client:
        assert "frame-ancestors 'none'" in client.get("/embed").headers["Content-Security-Policy"]
    origins = ("https://a.example", "https://b.example:8443")
    with served([*public_routes(page, lambda _: None, origins)]) as client:
        policy = client.get("/embed").headers["Content-Security-Policy"]
        assert policy.count("frame-ancestors https://a.example https://b.example:8443;") == 1
        assert "frame-ancestors 'none'" in client.get("/").headers["Content-Security-Policy"]


def test_hostile_words_stay_words_on_the_small_page() -> None:
    tags = parsed(read(replace(hostile(), url="http://127.0.0.1:9467"), "/embed"))
    assert not {"script", "img", "form"} & set(tags.seen)
    assert not any(name.startswith("on") for _, name, _ in tags.attributes)


@pytest.mark.parametrize(
    "text",
    [
        "*",
        "https://*",
        "http://a.example",
        "https://a.example/x",
        "https://a.example; script-src *",
        "https://a b",
    ],
)
def test_what_is_no_origin_may_hold_nothing(text: str) -> None:
    with pytest.raises(Misfit):
        Origin.parse(text)
