"""What people's grants are worth for one run: which of them count, and who agreed; pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from model.duration import Duration
from model.grant import Grant, genuine
from remediations.asking.approval import people, person

GRANT_MS_MAX: Final = 24 * 3_600_000
"""How long a grant may hold; what it served is remembered for longer."""
GRACE_MS: Final = 60_000
"""The agent counts to where it begins a run, the hand to where the first change is asked of it."""
NAME_CHARACTERS_MAX: Final = 40


@dataclass(frozen=True, slots=True)
class Identity:
    """Who a hand is to those who approve: the name of its host, and the approval key, empty without one."""

    host: str = ""
    key: bytes = b""

    def __repr__(self) -> str:
        return f"Identity(host={self.host!r})"


KEYLESS: Final = Identity()


@dataclass(frozen=True, slots=True)
class Purpose:
    """What a grant must be for: this plan of a playbook, and where the run has begun, the ``ask`` of it."""

    playbook: str
    plan: str
    ask: str = ""


@dataclass(frozen=True, slots=True)
class Consent:
    """Who agreed, to which ask; ``denied`` says who did not, ``because`` why other grants do not count."""

    ask: str = ""
    by: tuple[str, ...] = ()
    denied: str = ""
    because: str = ""


def consent(
    grants: Iterable[Grant], purpose: Purpose, identity: Identity, served: Mapping[str, str], now_ms: int
) -> Consent:
    """Return what these grants are worth; ``served`` tells for each ask which run it has served.

    All who agreed answered the same ask: of several, the one that more people answered.
    """
    agreed: dict[str, dict[str, str]] = {}
    because = ""
    for grant in grants:
        wrong = _worthless(grant, purpose, identity, served, now_ms)
        if wrong:
            because = because or wrong
        elif not grant.yes:
            return Consent(denied=f"{_name(grant)} said no")
        else:
            agreed.setdefault(grant.ask, {}).setdefault(person(grant.by), grant.by)
    ask = max(agreed, key=lambda one: len(agreed[one]), default="")
    return Consent(ask, tuple(sorted(agreed.get(ask, {}).values())), because=because)


def lacking(said: Consent, needs: int) -> str:
    """Return why this is not enough where so many people must agree, or the empty text."""
    if said.denied:
        return said.denied
    if len(said.by) >= needs:
        return ""
    sentence = f"{people(needs)} must agree, and {' and '.join(said.by) or 'nobody'} did"
    return f"{sentence}: {said.because}" if said.because else sentence


def _worthless(
    grant: Grant, purpose: Purpose, identity: Identity, served: Mapping[str, str], now_ms: int
) -> str:
    """Return why a grant does not count, or the empty text."""
    if not identity.key:
        return "without an approval key no grant can be believed"
    if not genuine(grant, identity.key):
        return f"the grant of {_name(grant)} has not the seal of the approval key"
    if not person(grant.by):
        return "a grant does not say who gave it"
    return _foreign(grant, purpose, identity) or _unfit(grant, purpose, served, now_ms)


def _foreign(grant: Grant, purpose: Purpose, identity: Identity) -> str:
    named = {
        "host": (grant.host, identity.host),
        "playbook": (grant.playbook, purpose.playbook),
        "plan": (grant.plan, purpose.plan),
    }
    wrong = next((name for name, (said, meant) in named.items() if said != meant), "")
    return f"the grant of {_name(grant)} is for another {wrong}" if wrong else ""


def _unfit(grant: Grant, purpose: Purpose, served: Mapping[str, str], now_ms: int) -> str:
    """Return why this run cannot begin with a grant, or go on with it."""
    if purpose.ask:
        other = f"the grant of {_name(grant)} is not for the ask that the run began with"
        return "" if grant.ask == purpose.ask else other
    if grant.ask in served:
        return f"the grant of {_name(grant)} has served the run {served[grant.ask]} already"
    if now_ms > grant.until_ms + GRACE_MS:
        return f"the grant of {_name(grant)} is past its time"
    if grant.until_ms > now_ms + GRANT_MS_MAX:
        return f"the grant of {_name(grant)} holds longer than {Duration(GRANT_MS_MAX)}"
    return ""


def _name(grant: Grant) -> str:
    return repr(grant.by[:NAME_CHARACTERS_MAX])
