"""The suggestion as text: agent.yaml with a comment at each line that says why it stands there."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

from agent.discovery.quote import comment
from agent.discovery.suggestion import Item, Suggestion, Word

_HEAD: Final = (
    "Written by `beforehand init`: what it found on this host, and how it would watch it.",
    "Change what you like: run again, init overwrites nothing and shows what it would write by then.",
    "A line with a # and no blank behind it waits to be turned on.",
)
_DESK: Final = "desks: [http://127.0.0.1:9466]"


def write(suggestion: Suggestion, *, alone: bool = False) -> str:
    """Return agent.yaml; ``alone`` leaves the desk out. It loads, whatever the host calls its things."""
    return "\n".join((*_lines(suggestion, alone=alone), ""))


def _lines(suggestion: Suggestion, *, alone: bool) -> Iterator[str]:
    yield from comment(_HEAD)
    yield ""
    if alone:
        yield from comment("Where alerts go: name your desks, or Alertmanagers.")
        yield f"#{_DESK}"
    else:
        yield from comment(
            "Where alerts go: the desk beside this file, which `beforehand run` starts as well."
        )
        yield _DESK
    yield from ("", *comment("On every series; the catalogue says what is behind it."))
    yield from ("labels: {service: this-machine}", "")
    yield from comment("Packs of rules that ship. Rules of your own: add rules/*.yml.")
    yield from _words("rules", suggestion.packs)
    yield ""
    yield from comment(
        "Playbooks that ship. They propose; none of them acts until you copy it and write mode: auto."
    )
    yield from _words("playbooks", suggestion.playbooks)
    yield from ("", "probes:")
    for item in suggestion.items:
        yield from (*_item(item), "")
    if suggestion.left_out:
        yield from (*comment("Left out:"), *comment(f"- {each}" for each in suggestion.left_out), "")
    if suggestion.unseen:
        yield from comment("Not looked at, because this user may not or because of a limit:")
        yield from comment(f"- {each}" for each in suggestion.unseen)


def _words(key: str, words: Iterable[Word]) -> Iterator[str]:
    words = tuple(words)
    if not any(word.taken for word in words):
        yield f"{key}: []"
    else:
        yield f"{key}:"
    for word in words:
        yield from comment(f"{word.name}: {word.reason}.")
        if word.taken:
            yield f"- {word.name}"


def _item(item: Item) -> Iterator[str]:
    yield from comment(f"{item.reason}.")
    yield from comment(item.first)
    for line in item.lines():
        yield line if item.active else f"#{line}"
