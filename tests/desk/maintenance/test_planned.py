from __future__ import annotations

from dataclasses import replace

from desk.page.view import DAY_MS
from tests.desk.page.test_page import read
from tests.desk.pages import NOW_MS, page
from tests.desk.public.scene import CALLED_OFF, UNDER_WAY, WORK, full


def test_planned_work_of_the_next_30_days_stands_on_the_page_and_nothing_else_does() -> None:
    far = replace(WORK, id="m-9", title="Far away", start_ms=NOW_MS + 31 * DAY_MS)
    html = read(replace(full(), maintenances=(far, WORK, UNDER_WAY, CALLED_OFF)))
    section = html[html.index('<h2 id="planned">') : html.index('<h2 id="lately">')]
    assert section.index("/maintenances/m-2") < section.index("/maintenances/m-1")
    assert "Under way" in section
    assert "28 Jul 2026, 15:31 UTC</time>, in 1 day" in section
    assert "Far away" not in html
    assert "Never" not in section
    assert "Nothing is planned for the next 30 days." in read(page())
