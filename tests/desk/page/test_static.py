from __future__ import annotations

import re
from pathlib import Path

import pytest

import desk.page.page
from desk.state import ServiceState

ROOM = Path(desk.page.__file__).parent


def test_no_file_of_the_page_loads_from_another_host() -> None:
    for path in (*(ROOM / "templates").glob("*.html"), *(ROOM / "static").iterdir()):
        text = path.read_text("utf-8").replace('xmlns="http://www.w3.org/2000/svg"', "")
        assert not re.search(r"https?:|url\(|@import|//\w", text), path.name


def test_every_state_has_its_own_icon() -> None:
    icons = {(ROOM / "static" / f"{state}.svg").read_text("utf-8") for state in ServiceState}
    assert len(icons) == len(ServiceState)


# Colours


def themes() -> dict[str, dict[str, str]]:
    css = (ROOM / "static" / "page.css").read_text("utf-8")
    light, dark = re.findall(r":root \{(.*?)\}", css, flags=re.DOTALL)
    found = {
        name: dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6})", block))
        for name, block in (("light", light), ("dark", dark))
    }
    assert found["light"].keys() == found["dark"].keys()
    return found


def luminance(colour: str) -> float:
    """Return the relative luminance of a colour (WCAG 2.2, relative luminance)."""
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    red, green, blue = (
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    darker, lighter = sorted((luminance(one), luminance(other)))
    return (lighter + 0.05) / (darker + 0.05)


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_every_text_can_be_read_on_its_ground(theme: str) -> None:
    colours = themes()[theme]
    pairs = [("ink", "paper"), ("quiet", "paper"), ("link", "paper"), ("ink", "card"), ("quiet", "card")]
    pairs += [(state.value, ground) for state in ServiceState for ground in ("paper", f"{state}-tint")]
    pairs += [("ink", f"{state}-tint") for state in ServiceState]
    for text, ground in pairs:
        assert contrast(colours[text], colours[ground]) >= 4.5, (text, ground)
