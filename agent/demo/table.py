"""What the demo prints: the line from fault to told, and who was told what."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

AFFECTED: Final = frozenset({"ada@acme.example", "bruno@bistro.example"})

_LINE: Final = (
    ("noticed", "noticed_ms", "the agent saw that the process was gone"),
    ("healed", "healed_ms", "the playbook had started the shop, and it answered"),
    ("told", "told_ms", "the first notice was in its reader's mailbox"),
    ("proved", "verified_ms", "the shop had stayed well for the hold of 2 s"),
)


@dataclass(frozen=True, slots=True)
class Story:
    """The incident as the desk tells it, and when the shop was killed; times are ms since 1970 in UTC."""

    killed_ms: int
    incident: dict[str, Any]

    def after_s(self, at_ms: int | None) -> float | None:
        """Return the seconds from the kill to a moment, None for a moment that never came."""
        return (at_ms - self.killed_ms) / 1000 if at_ms else None

    def missing(self) -> list[str]:
        """Return a sentence for each link that did not hold."""
        broken = [f"it was never {word}" for word, field, _ in _LINE if not self.incident.get(field)]
        told = {person["email"]: kinds(person) for person in self.incident["told"]}
        broken += [
            f"{email} got {told.get(email, [])} instead of one first and one resolved notice"
            for email in sorted(AFFECTED)
            if told.get(email) != ["first", "resolved"]
        ]
        broken += [f"{email} was told without being affected" for email in sorted(told.keys() - AFFECTED)]
        return broken


def kinds(person: dict[str, Any]) -> list[str]:
    """Return the kinds of notice that reached a person, in their order."""
    return [notice["kind"] for notice in person["notices"] if notice["accepted_ms"]]


def over(incident: dict[str, Any]) -> bool:
    """Tell whether the incident is resolved and nobody still waits for a notice."""
    told = incident["told"]
    return incident["state"] == "resolved" and bool(told) and all("resolved" in kinds(one) for one in told)


def render(story: Story) -> str:
    """Return the table: seconds from the kill to each link, then a line for each person."""
    rows = [("", "seconds", "")]
    for word, field, meaning in _LINE:
        after_s = story.after_s(story.incident.get(field))
        rows.append((word, "never" if after_s is None else f"{after_s:.3f}", meaning))
    people = [("who", "told after", "what and why")]
    for one in story.incident["told"]:
        heard = ", ".join(
            f"{notice['kind']} {story.after_s(notice['accepted_ms']):.3f}" for notice in one["notices"]
        )
        people.append((f"{one['name']} of {one['customer']}", heard, one["reason"]))
    spared = story.incident["not_told"]
    people += [(f"{one['name']} of {one['customer']}", "not told", one["why"]) for one in spared]
    return f"\n{_aligned(rows)}\n\n{_aligned(people)}\n"


def _aligned(rows: list[tuple[str, str, str]]) -> str:
    widths = [max(len(row[column]) for row in rows) for column in (0, 1)]
    return "\n".join(f"  {a:<{widths[0]}}  {b:<{widths[1]}}  {c}".rstrip() for a, b, c in rows)
