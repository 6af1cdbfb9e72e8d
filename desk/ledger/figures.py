"""From stories to figures: proactive rate, lead time, time to inform, healing, precision, punctuality.

An incident counts in the window in which it was closed, a promise in the one in which it was due.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from desk.ledger.experienced import Crowd, Experienced, experienced
from desk.ledger.share import Share, Spread, spread
from desk.ledger.story import Healed, Story, Told
from desk.state import Impact

TARGET_MS: Final = 180_000  # nine of ten people are told so soon after the onset
EXPERIENCED_MS: Final = 60_000  # what is over sooner counts as noticed by nobody
FAST_MS: Final = 120_000
FLAP_MS: Final = 30 * 60_000
STAGES: Final = ("detect", "decide", "deliver", "total")


@dataclass(frozen=True, slots=True)
class Truth:
    """Notices against what is known of who was affected; ``unknown`` were told and said nothing."""

    told_affected: int = 0
    told_untouched: int = 0
    missed: int = 0
    unknown: int = 0
    timely: int = 0

    @property
    def precision(self) -> Share:
        """The affected among those told of whom it is known."""
        return Share(self.told_affected, self.told_affected + self.told_untouched)

    @property
    def recall(self) -> Share:
        """The told among those who are known to have been affected."""
        return Share(self.told_affected, self.told_affected + self.missed)

    @property
    def timely_recall(self) -> Share:
        """Those of them who were told before their own report and within the target."""
        return Share(self.timely, self.told_affected + self.missed)

    @property
    def known(self) -> Share:
        """Of how many of those told it is known whether they were affected."""
        known = self.told_affected + self.told_untouched
        return Share(known, known + self.unknown)

    def f(self, beta: float) -> float | None:
        """Return van Rijsbergen's F: a ``beta`` above 1 minds a missed person more than one too many."""
        square = beta * beta
        below = (1 + square) * self.told_affected + square * self.missed + self.told_untouched
        return (1 + square) * self.told_affected / below if below else None

    def __add__(self, other: Truth) -> Truth:
        return Truth(
            self.told_affected + other.told_affected,
            self.told_untouched + other.told_untouched,
            self.missed + other.missed,
            self.unknown + other.unknown,
            self.timely + other.timely,
        )


@dataclass(frozen=True, slots=True)
class Figures:
    """What a window holds; ``lead`` is signed: positive where the notice came before the report.

    ``unreported`` is the share of those told who never reported, ``unwilling`` how many wanted no word.
    ``chain`` counts how far playbooks came: eligible, started, healed, verified, silent.
    """

    still_open: int
    told: Mapping[Told, int]
    proactive_incidents: Share
    coverage: Share
    proactive_people: Share
    unwilling: int
    inform: Mapping[str, Spread]
    lead: Spread
    unreported: Share
    episodes: Mapping[Healed, int]
    silent_heals: Share
    chain: Mapping[str, int]
    truth: Truth
    f2_major: float | None
    f05_minor: float | None
    false_notices: Share
    punctual: Share
    experienced: Experienced


def figures(
    stories: Sequence[Story], crowds: Sequence[Crowd], entitled: int, from_ms: int, to_ms: int
) -> Figures:
    """Return the figures of [from_ms, to_ms); ``stories`` are all that were open at any time in it."""
    done = [story for story in stories if story.closed_ms and from_ms <= story.closed_ms < to_ms]
    kept = [story for story in done if not story.retracted]
    # Where everybody denies it nobody was affected; the notices of it were sent, and wrong, all the same.
    real = [story for story in kept if story.affected or story.first_report_ms]
    classes = [told(story) for story in real]
    counts = {kind: classes.count(kind) for kind in Told}
    felt = [story for story, kind in zip(real, classes, strict=True) if kind is not Told.SILENT]
    first = counts[Told.BEFORE] + counts[Told.ONLY]
    judged = first + counts[Told.AFTER]
    healing = episodes(done)
    ends = [healed for healed, _ in healing]
    truths = [truth(story) for story in done]
    major = (one for one, story in zip(truths, done, strict=True) if story.impact is Impact.MAJOR)
    lesser = (one for one, story in zip(truths, done, strict=True) if story.impact is not Impact.MAJOR)
    silent = sum(voice.reported_ms == 0 for story in kept for voice in story.voices if voice.told_ms)
    quiet = sum(story.told - sum(bool(voice.told_ms) for voice in story.voices) for story in kept)
    return Figures(
        still_open=sum(not story.closed_ms or story.closed_ms >= to_ms for story in stories),
        told=counts,
        proactive_incidents=Share(first, judged),
        coverage=Share(first, judged + counts[Told.NEVER]),
        proactive_people=sum((proactive_people(story) for story in felt), Share()),
        unwilling=sum(story.unwilling for story in felt),
        inform=inform(kept),
        lead=lead(real),
        unreported=Share(silent + quiet, sum(story.told for story in kept)),
        episodes={kind: ends.count(kind) for kind in Healed},
        silent_heals=Share(ends.count(Healed.SILENT), len(ends)),
        chain=_chain(healing),
        truth=sum(truths, Truth()),
        f2_major=sum(major, Truth()).f(2),
        f05_minor=sum(lesser, Truth()).f(0.5),
        false_notices=sum((_false(story) for story in done), Share()),
        punctual=punctual(stories, from_ms, to_ms),
        experienced=experienced(stories, crowds, entitled, from_ms, to_ms),
    )


def told(story: Story) -> Told:
    """Return the class of an incident; a report in the very moment of the notice came first."""
    word_ms, report_ms = story.first_word_ms, story.first_report_ms
    if story.from_report or (report_ms and (not word_ms or report_ms <= word_ms)):
        return Told.AFTER
    if word_ms:
        return Told.BEFORE if report_ms else Told.ONLY
    short = story.repair.verified_ms and healed(story) in (Healed.SILENT, Healed.FAST)
    return Told.SILENT if short else Told.NEVER


def proactive_people(story: Story) -> Share:
    """Return how many of the affected were told before they reported; who wanted no word is left out."""
    late = sum(
        bool(voice.told_ms) and (voice.affected is False or not voice.told_first) for voice in story.voices
    )
    return Share(story.told - late, story.affected - story.unwilling)


def inform(stories: Iterable[Story]) -> dict[str, Spread]:
    """Return how long people waited for their first notice, in all and by stage."""
    lengths: dict[str, list[tuple[int, int]]] = {stage: [] for stage in STAGES}
    for story in stories:
        for word in story.words:
            for stage, length_ms in stages(story, word.queued_ms, word.accepted_ms):
                lengths[stage].append((length_ms, word.people))
    return {stage: spread(found) for stage, found in lengths.items()}


def stages(story: Story, queued_ms: int, accepted_ms: int) -> tuple[tuple[str, int], ...]:
    """Return the length of each stage of one notice; the hold is a part of deciding."""
    return (
        ("detect", story.detected_ms - story.onset_ms),
        ("decide", queued_ms - story.detected_ms),
        ("deliver", accepted_ms - queued_ms),
        ("total", accepted_ms - story.onset_ms),
    )


def lead(stories: Iterable[Story]) -> Spread:
    """Return by how much the first notice came before the first report, where there are both."""
    pairs = ((story.first_word_ms, story.first_report_ms) for story in stories)
    return spread([(report_ms - word_ms, 1) for word_ms, report_ms in pairs if word_ms and report_ms])


def truth(story: Story) -> Truth:
    """Return what the notices of an incident got right, by what people said, or by its being taken back."""
    if story.retracted:
        return Truth(told_untouched=story.told)
    known = [voice for voice in story.voices if voice.named and voice.affected is not None]
    hit = [voice for voice in known if voice.affected and voice.told_ms]
    return Truth(
        told_affected=len(hit),
        told_untouched=sum(not voice.affected and bool(voice.told_ms) for voice in known),
        missed=sum(bool(voice.affected) and not voice.told_ms and not voice.opted_out for voice in known),
        unknown=story.told - sum(bool(voice.told_ms) for voice in known),
        timely=sum(voice.told_first and voice.told_ms - story.onset_ms <= TARGET_MS for voice in hit),
    )


def _false(story: Story) -> Share:
    wrong = sum(bool(voice.told_ms) and voice.affected is False for voice in story.voices)
    return Share(story.told if story.retracted else wrong, story.told)


def punctual(stories: Iterable[Story], from_ms: int, to_ms: int) -> Share:
    """Return how many promises that were due in a window were kept in time; one kept early counts."""
    due = [promise for story in stories for promise in story.promises if from_ms <= promise.due_ms < to_ms]
    return Share(sum(0 < promise.kept_ms <= promise.due_ms for promise in due), len(due))


def episodes(stories: Iterable[Story]) -> list[tuple[Healed, Story]]:
    """Return how each episode with a playbook went; what comes back within 30 minutes is the same one."""
    found: list[tuple[Healed, Story]] = []
    last: dict[str, Story] = {}
    for story in sorted(stories, key=lambda one: (one.onset_ms, one.incident)):
        if not story.repair.eligible:
            continue
        before = last.get(story.service)
        again = before is not None and story.onset_ms - (before.over_ms or before.closed_ms) <= FLAP_MS
        how = healed(story)
        if again:
            found = [one for one in found if one[1] is not before]
            how = Healed.VISIBLE if how in (Healed.SILENT, Healed.FAST) else how
        found.append((how, story))
        last[story.service] = story
    return found


def healed(story: Story) -> Healed:
    """Return how the healing of one incident went, taken by itself."""
    repair = story.repair
    if not repair.healed_ms:
        return Healed.FAILED if repair.started else Healed.SPONTANEOUS
    length_ms = repair.healed_ms - story.onset_ms
    unheard = not story.told and not story.first_report_ms
    if repair.verified_ms and unheard and length_ms <= EXPERIENCED_MS:
        return Healed.SILENT
    return Healed.FAST if length_ms <= FAST_MS else Healed.VISIBLE


def _chain(found: Sequence[tuple[Healed, Story]]) -> dict[str, int]:
    repairs = [story.repair for _, story in found]
    return {
        "eligible": len(found),
        "started": sum(repair.started for repair in repairs),
        "healed": sum(bool(repair.healed_ms) for repair in repairs),
        "verified": sum(bool(repair.verified_ms) for repair in repairs),
        "silent": sum(how is Healed.SILENT for how, _ in found),
    }
