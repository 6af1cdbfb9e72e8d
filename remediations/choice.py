"""Which of the playbooks that answer is to act, to be approved, or to be refused; pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

from remediations.asking.asked import Asked, Ended
from remediations.question import Refused
from remediations.writing.playbook import Playbook


@dataclass(frozen=True, slots=True)
class Choice:
    """A playbook that may act where ``refused`` is None; ``wanted`` says that only an approval is missing."""

    playbook: Playbook
    refused: Refused | None = None
    wanted: bool = False


def choice(
    ladder: Iterable[Playbook], refusal: Callable[[Playbook], Refused | None], *, askable: bool
) -> Choice:
    """Return the first playbook that is not out for long, or else the first that an approval would let act.

    What only proposes is chosen as what may act is. Where all are out, the refusal tells of each.
    """
    tried: list[tuple[Playbook, Refused]] = []
    for playbook in ladder:
        refused = refusal(playbook) if playbook.acts else None
        if refused is None:
            return Choice(playbook)
        tried.append((playbook, refused))
        if not refused.lasting:
            break
    playbook, refused = tried[-1]
    wanted = next((one for one in tried if one[1].approvable), None)
    if askable and wanted is not None and (refused.lasting or refused.approvable):
        return Choice(*wanted, wanted=True)
    return Choice(playbook, all_out([one for _, one in tried]))


def all_out(refusals: Sequence[Refused]) -> Refused:
    """Return the last of these, which tells of all; asked again when the first of them may have changed."""
    retries = [one.retry_at_ms for one in refusals if one.retry_at_ms is not None]
    reason = "; ".join(one.reason for one in refusals)
    return replace(refusals[-1], reason=reason, retry_at_ms=min(retries, default=None))


def asked_once(refused: Refused, asked: Asked) -> Refused:
    """Return a refusal that an approval would lift, where people were asked in this episode already."""
    served = asked.ended is Ended.USED
    word = f"one run of {asked.ask.playbook} was approved already" if served else asked.word
    return replace(refused, reason=f"{refused.reason}; {word}", approvable=False, lasting=True)
