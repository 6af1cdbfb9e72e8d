"""What would be written: items of a configuration, each with its reason, and whether it can hold at once."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace

from agent.config import ProbeEntries, ProbeEntry
from agent.discovery.finding import Unseen
from agent.discovery.quote import Value, block
from agent.sight.bundle import BUNDLE_NAME
from model.decode import MISSING, Decoder
from model.misfit import Rejected
from model.yaml_tree import read_tree


@dataclass(frozen=True, slots=True)
class Item:
    """One item under ``probes:``; ``beside`` are the keys that all probes share, like ``every``.

    ``reason`` says why it is here. One that is not ``active`` waits for what ``first`` says to be done, and
    is written as a comment.
    """

    probe: str
    options: Mapping[str, Value] = field(default_factory=dict)
    reason: str = ""
    beside: Mapping[str, Value] = field(default_factory=dict)
    active: bool = True
    first: tuple[str, ...] = ()

    def lines(self) -> Iterator[str]:
        """Yield it as YAML."""
        return block(self.probe, self.options, self.beside)


@dataclass(frozen=True, slots=True)
class Word:
    """A pack or a playbook that ships, by its name, with the reason why it is, or is not, taken."""

    name: str
    reason: str
    taken: bool = True


@dataclass(frozen=True, slots=True)
class Suggestion:
    """All that would be written of one host."""

    items: tuple[Item, ...]
    packs: tuple[Word, ...] = ()
    playbooks: tuple[Word, ...] = ()
    left_out: tuple[str, ...] = ()
    unseen: tuple[Unseen, ...] = ()


@dataclass(frozen=True, slots=True)
class Judged:
    """The items that a configuration would take, and sentences on those that it would not."""

    items: tuple[Item, ...]
    entries: tuple[ProbeEntry, ...]
    left_out: tuple[str, ...]


def judged(items: Iterable[Item], known: Iterable[str]) -> Judged:
    """Read each item as the agent would, and leave out what it refuses: a name on the host may be anything.

    ``known`` are the kinds of probes that there are. Of two that look at the same thing the first stays.
    """
    kinds = frozenset(known)
    taken: list[Item] = []
    entries: list[ProbeEntry] = []
    names: set[str] = set()
    left_out: list[str] = []
    for item in items:
        if item.probe not in kinds:
            continue
        read = entries_of(item)
        if isinstance(read, str):
            left_out.append(f"{item.probe}, because {item.reason}: it would not be taken: {read}")
        elif not item.active:
            taken.append(item)
        elif names.isdisjoint(own := {entry.name for entry in read}):
            taken.append(item)
            entries += read
            names |= own if item.probe != BUNDLE_NAME else set()  # an item of its own goes before the host's
    return Judged(tuple(taken), tuple(entries), tuple(left_out))


def entries_of(item: Item) -> tuple[ProbeEntry, ...] | str:
    """Return what the agent would read in an item, or a sentence where it would refuse it."""
    decoder = Decoder()
    try:
        data = "\n".join(item.lines()).encode("utf-8")
        tree, decoder.problems[:] = read_tree(data, "")
    except UnicodeEncodeError:
        return "its name is not UTF-8"
    except Rejected as refused:
        return refused.problems[0].sentence
    entries = decoder.value(tree, ProbeEntries)
    if decoder.problems or entries is MISSING:
        return decoder.problems[0].sentence
    return tuple(entries)


def without_twins(items: Iterable[Item]) -> tuple[Item, ...]:
    """Return the items with each group of processes under a name of its own."""
    counted: dict[str, int] = {}
    named = []
    for item in items:
        group = item.options.get("group")
        if isinstance(group, str):
            counted[group] = counted.get(group, 0) + 1
        again = isinstance(group, str) and counted[group] > 1
        options = {**item.options, "group": f"{group}-{counted[str(group)]}"} if again else item.options
        named.append(replace(item, options=options))
    return tuple(named)
