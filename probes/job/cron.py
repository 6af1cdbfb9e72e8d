"""Cron lines as crontab(5) has them: five fields, with names, ranges, lists and steps."""

from __future__ import annotations

from typing import Final

from model.misfit import Misfit
from model.moments import Moments, comes

_MONTHS: Final = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_WEEKDAYS: Final = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
_NICKNAMES: Final = {
    "@hourly": "0 * * * *",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@weekly": "0 0 * * 0",
    "@monthly": "0 0 1 * *",
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
}
_FIELDS: Final[tuple[tuple[str, int, int, dict[str, int]], ...]] = (
    ("minute", 0, 59, {}),
    ("hour", 0, 23, {}),
    ("day of the month", 1, 31, {}),
    ("month", 1, 12, {name: number for number, name in enumerate(_MONTHS, start=1)}),
    ("weekday", 0, 7, {name: number for number, name in enumerate(_WEEKDAYS)}),
)


def parse_cron(text: str) -> Moments:
    """Return the moments of a line such as ``0 3 * * mon-fri``, or raise ``Misfit``.

    Sunday is 0 or 7. Where both days are restricted, either is enough. On days on which the clock is changed,
    jobs that name minute and hour run once, right after a jump over their time; those with ``*`` as minute
    or hour follow the clock (Debian's cron(8)).
    """
    words = _NICKNAMES.get(text.strip().lower(), text).split()
    if len(words) != len(_FIELDS):
        sentence = f"{text[:60]!r} has {len(words)} fields, a cron line has {len(_FIELDS)}"
        raise Misfit(sentence, "write minute, hour, day, month and weekday, like 0 3 * * 1-5")
    minutes, hours, days, months, weekdays = (
        _field(word, *field) for word, field in zip(words, _FIELDS, strict=True)
    )
    moments = Moments(
        minutes=tuple(sorted(minutes)),
        hours=tuple(sorted(hours)),
        days=days,
        months=months,
        weekdays=frozenset((day - 1) % 7 for day in weekdays),
        either_day=not words[2].startswith("*") and not words[4].startswith("*"),
        rolling=words[0].startswith("*") or words[1].startswith("*"),
        made_up=True,
    )
    if not comes(moments):
        raise Misfit(f"{text[:60]!r} never comes", "name a day that exists")
    return moments


def _field(text: str, what: str, least: int, most: int, names: dict[str, int]) -> frozenset[int]:
    return frozenset(number for part in text.split(",") for number in _part(part, what, least, most, names))


def _part(text: str, what: str, least: int, most: int, names: dict[str, int]) -> range:
    """Return the numbers of ``*``, ``a``, ``a-b``, each perhaps with a step; ``a/n`` goes on to the end."""
    span, slash, step = text.partition("/")
    first, dash, last = span.partition("-")
    if span == "*":
        numbers = range(least, most + 1)
    else:
        begin = _number(first, what, least, most, names)
        end = _number(last, what, least, most, names) if dash else (most if slash else begin)
        if end < begin:
            raise Misfit(f"{text[:30]!r} ends before it begins", f"turn the {what}s round")
        numbers = range(begin, end + 1)
    return numbers[:: _number(step, "step", 1, most, {})] if slash else numbers


def _number(text: str, what: str, least: int, most: int, names: dict[str, int]) -> int:
    named = names.get(text.lower())
    if named is not None:
        return named
    if not (text.isascii() and text.isdecimal() and len(text) <= 4 and least <= int(text) <= most):
        raise Misfit(f"{text[:30]!r} is not a {what}", f"write {least} to {most}")
    return int(text)
