"""What a request asks for: the filters and switches that Alertmanager's clients send."""

from __future__ import annotations

from typing import Final

from starlette.requests import Request

from desk.intake.alerts import Refused
from model.matcher import Matchers
from model.misfit import Misfit
from model.regex import Regex, compiled

FILTERS_MAX: Final = 20


def filters(request: Request) -> list[Matchers]:
    """Return the matchers of ``filter``, or raise ``Refused``."""
    texts = request.query_params.getlist("filter")
    if len(texts) > FILTERS_MAX:
        raise Refused(400, f"at most {FILTERS_MAX} filters are taken")
    try:
        return [Matchers.parse(text) for text in texts]
    except Misfit as wrong:
        raise Refused(400, f"bad filter: {wrong.sentence}") from None


def switch(request: Request, name: str) -> bool:
    """Return whether what a switch stands for is asked for; it is unless it says false."""
    text = request.query_params.get(name, "true").lower()
    if text not in ("true", "false", "1", "0", "t", "f"):
        raise Refused(400, f"{name} must be true or false")
    return text in ("true", "1", "t")


def receiver(request: Request) -> Regex | None:
    """Return what the receivers' names must match as a whole, None where nothing is said."""
    text = request.query_params.get("receiver", "")
    try:
        return compiled(text) if text else None
    except Misfit as wrong:
        raise Refused(400, f"bad receiver: {wrong.sentence}") from None
