"""Rights written down as those who grant them want it: for sudo, polkit, systemd, programs and people."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from itertools import dropwhile
from typing import Any, Final

from remediations.apart.allowed import Allowance
from remediations.apart.needs import Network
from remediations.apart.privileges import Privileges
from remediations.asking.approval import people
from remediations.executable import found
from remediations.writing.playbook import Mode

# What sudoers(5) and its patterns (fnmatch(3)) read as more than the character itself.
_SPECIAL: Final = re.compile(r"([,:=#*?\[\]!^])")
_WORD: Final = re.compile(r"[!-\[\]-~]+")
WORDS_CHARACTERS_MAX: Final = 8_000
"""How much of a step's words is printed: enough for every statement that an action brings with it."""

_PROGRAM: Final = re.compile(r"/[A-Za-z0-9._/+@-]+")
_POLKIT_VERBS: Final = (
    "start", "stop", "restart", "reload", "try-restart", "reload-or-restart", "reload-or-try-restart",
    "reset-failed", "kill",
)  # fmt: skip

_IDLE: Final[Mapping[Mode, str]] = {
    Mode.OBSERVE: "only looks",
    Mode.PROPOSE: "only says what it would do",
}


def sudoers(given: Privileges, user: str) -> str:
    """Return rules for a file in /etc/sudoers.d: these programs with exactly these words (sudoers(5)).

    sudo compares the words joined by blanks and reads a backslash as an escape, so a word that is empty or
    holds either cannot be said exactly; such a command is left out, and said so.
    """
    lines = [
        "# What the enabled playbooks run to change something. Needed only where a playbook's",
        "# own words call sudo; the hand needs none of it.",
    ]
    for argv in map(_without_sudo, given.commands):
        if not argv or not _PROGRAM.fullmatch(argv[0]) or any(not _WORD.fullmatch(word) for word in argv[1:]):
            lines.append(f"# not here, because sudo cannot tell its words apart: {_harmless(' '.join(argv))}")
            continue
        words = " ".join(_SPECIAL.sub(r"\\\1", word) for word in argv[1:]) or '""'
        lines.append(f"{user} ALL=(root) NOPASSWD: {argv[0]} {words}")
    lines += [f"# not installed here: {_harmless(name)}" for name in given.missing]
    return _text(lines)


def _without_sudo(argv: tuple[str, ...]) -> tuple[str, ...]:
    """Return what sudo is to run, where that is what a playbook calls."""
    if not argv[0].endswith("/sudo"):
        return argv
    words = tuple(dropwhile(lambda word: word.startswith("-"), argv[1:]))
    return (found(words[0]) or words[0], *words[1:]) if words else ()


def polkit(given: Privileges, user: str) -> str:
    """Return a file for /etc/polkit-1/rules.d: exactly these verbs on exactly these units (polkit(8))."""
    allowed = [[one.unit, one.verb] for one in given.units if one.verb in _POLKIT_VERBS]
    others = sorted({one.verb for one in given.units if one.verb not in _POLKIT_VERBS})
    pairs = ",\n".join(f"        {json.dumps(pair)}" for pair in allowed)
    lines = [
        "// What the enabled playbooks do to systemd units. Needed only where the agent runs without a hand,",
        "// as its own user; polkit 0.106 or newer reads it.",
        *(f"// polkit cannot tell units apart for: {_harmless(verb)}" for verb in others),
        "polkit.addRule(function (action, subject) {",
        "    var allowed = [" + (f"\n{pairs},\n    " if pairs else "") + "];",
        '    var ours = action.id === "org.freedesktop.systemd1.manage-units";',
        f"    if (!ours || subject.user !== {json.dumps(user)}) {{",
        "        return polkit.Result.NOT_HANDLED;",
        "    }",
        "    var wanted = allowed.some(function (one) {",
        '        return one[0] === action.lookup("unit") && one[1] === action.lookup("verb");',
        "    });",
        "    return wanted ? polkit.Result.YES : polkit.Result.NOT_HANDLED;",
        "});",
    ]
    return _text(lines)


def systemd(given: Privileges, _user: str) -> str:
    """Return a drop-in for the hand's unit, which by itself leaves nothing open (systemd.exec(5))."""
    sandbox = given.sandbox
    lines = [
        "# What the enabled playbooks need of the hand's sandbox:",
        "# /etc/systemd/system/beforehand-hand.service.d/enabled.conf",
        "[Service]",
    ]
    lines += [f"CapabilityBoundingSet={name}" for name in sandbox.capabilities]
    lines += [f"ReadWritePaths={_quoted('-' + path)}" for path in sandbox.writes]
    if sandbox.inside:
        lines.append("SystemCallFilter=@privileged @resources")
    elif sandbox.writes or sandbox.capabilities:
        lines.append("SystemCallFilter=@chown")
    if sandbox.network:
        addresses = "any" if sandbox.network is Network.ANY else "localhost"
        lines += [
            "PrivateNetwork=no",
            "RestrictAddressFamilies=AF_INET AF_INET6",
            f"IPAddressAllow={addresses}",
        ]
    lines += sandbox.settings
    if sandbox.inside:
        lines.append("# These run in the same sandbox; add ReadWritePaths= for what they write themselves:")
        lines += [f"#   {_harmless(name)}" for name in sandbox.inside]
    return _text(lines)


def approvals(given: Privileges, user: str) -> str:
    """Return which playbooks wait for people, and what the hand needs to know their word."""
    each = sorted(given.allowed.each.items())
    waiting = {name: one.approval for name, one in each if one.approval and one.mode not in _IDLE}
    asking = [name for name, one in each if one.behind and one.mode not in _IDLE]
    if not waiting and not asking:
        return "No playbook needs approval, but for a run beyond a budget that latches.\n"
    lines = [
        f"{name} changes nothing before {people(count)} agreed to the run" for name, count in waiting.items()
    ]
    lines += [f"{name} asks people in its middle before it changes more" for name in asking]
    lines += [
        f"The hand knows their word by the approval key, which root and the desk can read and {user} cannot;",
        "without it nothing of that is done. Make one with: openssl rand -hex 32",
    ]
    return _text(lines)


def as_json(given: Privileges, user: str) -> str:
    """Return everything as one JSON object."""
    content = {
        "user": user,
        "allowed": {name: _allowance(one) for name, one in sorted(given.allowed.each.items())},
        "without": list(given.allowed.without),
        "commands": [list(argv) for argv in given.commands],
        "missing": list(given.missing),
        "units": [{"unit": one.unit, "verb": one.verb} for one in given.units],
        "capabilities": list(given.sandbox.capabilities),
        "writes": list(given.sandbox.writes),
        "network": given.sandbox.network.name.lower(),
        "settings": list(given.sandbox.settings),
        "inside": list(given.sandbox.inside),
    }
    return json.dumps(content, indent=2) + "\n"


def text(given: Privileges, user: str) -> str:
    """Return everything for people: the list of what is allowed first, then the rules."""
    lines: list[str] = ["== What the hand may be asked for"]
    for name, one in sorted(given.allowed.each.items()):
        lines += ["", f"{name} ({_how(one)}; at most {one.budgets})", *_steps(one)]
    lines += [f"\nnothing for {_harmless(sentence)}" for sentence in given.allowed.without]
    if not given.allowed.each:
        lines.append("\nnothing: no playbook is enabled")
    for title, form in (
        ("approvals", approvals),
        ("sudo", sudoers),
        ("polkit", polkit),
        ("systemd", systemd),
    ):
        lines += ["", f"== {title}", "", form(given, user).rstrip("\n")]
    return _text(lines)


FORMATS: Final[Mapping[str, Callable[[Privileges, str], str]]] = {
    "text": text,
    "sudoers": sudoers,
    "polkit": polkit,
    "systemd": systemd,
    "json": as_json,
}


def _steps(one: Allowance) -> Iterator[str]:
    yield from (f"  looks: {_harmless(str(step))}" for step in sorted(one.looks, key=str))
    yield from (f"  acts:  {_harmless(str(step))}" for step in sorted(one.acts, key=str))


def _how(one: Allowance) -> str:
    if one.mode in _IDLE:
        return _IDLE[one.mode]
    return f"acts once {people(one.approval)} approved" if one.approval else "acts by itself"


def _allowance(one: Allowance) -> dict[str, Any]:
    return {
        "mode": one.mode,
        "approval": one.approval,
        "target": list(one.target),
        "looks": sorted(map(str, one.looks)),
        "acts": sorted(map(str, one.acts)),
        "acts_max": one.acts_max,
        "budgets": [str(budget) for budget in one.budgets],
    }


def _harmless(words: str) -> str:
    """Keep a comment a comment; what is cut is seen to be cut."""
    shown = "".join(c if c.isprintable() else "?" for c in words[:WORDS_CHARACTERS_MAX])
    return shown if len(words) <= WORDS_CHARACTERS_MAX else f"{shown}..."


def _quoted(word: str) -> str:
    """Quote a word for a unit file, in which % begins a specifier (systemd.syntax(7))."""
    safe = word.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%")
    return f'"{safe}"' if re.search(r"[\s'\";\\]", word) else safe


def _text(lines: list[str]) -> str:
    return "\n".join(lines) + "\n"
