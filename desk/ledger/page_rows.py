"""What the page of the figures shows: each figure with its number, and what it means in one sentence."""

from __future__ import annotations

from dataclasses import dataclass

from desk.ledger.experienced import Experienced
from desk.ledger.figures import Figures
from desk.ledger.share import FEW, Share, Spread
from desk.ledger.story import Healed, Told
from desk.page import page_words


@dataclass(frozen=True, slots=True)
class RowView:
    """One figure: its name, how it stands, on how many it stands, and what it means."""

    name: str
    value: str
    number: str
    means: str


@dataclass(frozen=True, slots=True)
class GroupView:
    """Figures that belong together, under one heading."""

    key: str
    heading: str
    rows: tuple[RowView, ...]


def groups(found: Figures) -> tuple[GroupView, ...]:
    """Return all figures, the one that matters most first."""
    return (
        GroupView("first", "Told first", _first(found)),
        GroupView("time", "How long people waited", _time(found)),
        GroupView("right", "The right people", _right(found)),
        GroupView("heal", "Healed before anybody noticed", _heal(found)),
        GroupView("words", "Kept promises", (_row_of("Updates in time", found.punctual, _PUNCTUAL),)),
    )


def minutes(found: Experienced) -> tuple[RowView, ...]:
    """Return the experienced minutes, by service and level."""
    total = [
        RowView("All people together", f"{found.minutes:.0f} min", f"{found.entitled} people", _MINUTES),
        _row_of("People without any trouble", found.untouched, "Those whom nothing touched at all."),
    ]
    if found.mean is not None and found.p95 is not None:
        mean = f"{found.mean:.1f} min, 95 of 100 people at most {found.p95:.1f} min"
        total.append(RowView("Each person", mean, f"{found.entitled} people", "The mean over everybody."))
    by = sorted((found.by or {}).items())
    each = [
        RowView(f"{service}, {level.value}", f"{length:.0f} min", "", "A part of all people together.")
        for (service, level), length in by
    ]
    return (*total, *each)


def _first(found: Figures) -> tuple[RowView, ...]:
    counts = found.told
    told = f"{counts[Told.BEFORE]} before a report, {counts[Told.ONLY]} without any"
    missed = f"{counts[Told.AFTER]} after a report, {counts[Told.NEVER]} never"
    judged = sum(counts.values())
    people = "Of the affected, those who had a notice before they reported. Who wanted no word is left out: "
    return (
        _row_of("People told first", found.proactive_people, f"{people}{found.unwilling}."),
        _row_of("Incidents told first", found.proactive_incidents, "A tie goes to whoever reported."),
        _row_of("Incidents told first, missed ones counted", found.coverage, _COVERAGE),
        RowView("Incidents, told", told, f"{judged} incidents", "By when the first notice was taken."),
        RowView(
            "Incidents, not told first", missed, f"{judged} incidents", "Silent heals are not among them."
        ),
    )


def _time(found: Figures) -> tuple[RowView, ...]:
    rows = [
        ("From the onset to the notice", "total", "From the first bad sample to the mail server's word."),
        ("To detect", "detect", "From the first bad sample to the alert."),
        ("To decide", "decide", "From the alert until the notice may leave; the hold is a part of it."),
        ("To deliver", "deliver", "From then until the mail server took it."),
    ]
    return (
        *(_length(name, found.inform[stage], means, "people") for name, stage, means in rows),
        _length("Ahead of the first report", found.lead, _LEAD, "incidents"),
        _row_of("Told and never reported", found.unreported, "Nobody knows when they would have."),
    )


def _right(found: Figures) -> tuple[RowView, ...]:
    truth = found.truth
    return (
        _row_of("Precision", truth.precision, "Of those told who answered or reported, the affected."),
        _row_of("Recall", truth.recall, "Of those who say that they were affected, the told."),
        _row_of("Recall in time", truth.timely_recall, "Of those, told within three minutes and first."),
        _row_of("Known", truth.known, "Of all told, those of whom it is known. The rest is left out above."),
        _row_of("False notices", found.false_notices, "Taken back, or answered with: not affected."),
    )


def _heal(found: Figures) -> tuple[RowView, ...]:
    ends = found.episodes
    how = ", ".join(f"{ends[kind]} {kind.value}" for kind in Healed)
    chain = ", ".join(f"{n} {name}" for name, n in found.chain.items())
    return (
        _row_of("Silent heals", found.silent_heals, _SILENT),
        RowView("Episodes with a playbook", how, f"{sum(ends.values())} episodes", "Failed ones count."),
        RowView("How far playbooks came", chain, "", "Each step of those that had a chance."),
    )


def _row_of(name: str, share: Share, means: str) -> RowView:
    if not share.n or share.interval is None:
        return RowView(name, "no data", "", means)
    number = f"{share.k} of {share.n}"
    if share.n < FEW:
        return RowView(name, number, "too few for a percentage", means)
    low, high = share.interval
    value = f"{100 * share.k / share.n:.1f} %"
    return RowView(name, value, f"{number}, {100 * low:.0f} to {100 * high:.0f} %", means)


def _length(name: str, length: Spread, means: str, of: str) -> RowView:
    if length.p50_ms is None or length.p90_ms is None:
        return RowView(name, "no data", "", means)
    value = f"{_signed(length.p50_ms)}, nine of ten within {_signed(length.p90_ms)}"
    return RowView(name, value, f"{length.n} {of}", means)


def _signed(length_ms: int) -> str:
    return f"minus {page_words.seconds(-length_ms)}" if length_ms < 0 else page_words.seconds(length_ms)


_COVERAGE = "The same, and what nobody was told of and nobody reported counts too: silence does not help."
_LEAD = "By how much the first notice came before the first report, where there was one. Minus is too late."
_SILENT = (
    "Of the episodes that a playbook answers to: healed within a minute and proved, nobody told, nobody "
    "reported, and not back within half an hour."
)
_PUNCTUAL = "Of the promised times of the next update that have come, those that an update came before."
_MINUTES = "Each minute counts once for each person, around the clock: down in full, impaired with 0.3."
