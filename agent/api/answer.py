"""Answers in Prometheus' JSON: a success with its data, or an error with its type."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Sequence
from decimal import Decimal
from typing import Any, Final

from agent.api.endpoint import Answer, Request
from agent.api.parameters import ErrorType, Unanswered
from model.labels import Labels

JSON: Final = "application/json"

_STATUS: Final[dict[ErrorType, int]] = {
    "bad_data": 400,
    "not_found": 404,
    "execution": 422,
    "internal": 500,
    "timeout": 503,
    "unavailable": 503,
}


def success(data: Any, warnings: Sequence[str] = ()) -> Answer:
    """Return data as Prometheus wraps it."""
    more = {"warnings": list(warnings)} if warnings else {}
    return Answer(json.dumps({"status": "success", "data": data, **more}, allow_nan=False).encode(), JSON)


def failure(kind: ErrorType, sentence: str) -> Answer:
    """Return why there is no answer."""
    body = json.dumps({"status": "error", "errorType": kind, "error": sentence})
    return Answer(body.encode(), JSON, _STATUS[kind])


def answering(question: Callable[[Request], Answer]) -> Callable[[Request], Answer]:
    """Return the question with its refusals as answers."""

    def answer(request: Request) -> Answer:
        try:
            return question(request)
        except Unanswered as refused:
            return failure(refused.kind, str(refused))
        except TimeoutError:
            return failure("unavailable", "the agent is busy")

    return answer


def result(kind: str, pieces: Iterable[str], warnings: Sequence[str] = ()) -> Answer:
    """Return the result of a query, put together from a piece of JSON for each series.

    A whole result in one call of the encoder would keep every other thread waiting.
    """
    more = f',"warnings":{json.dumps(list(warnings))}' if warnings else ""
    head = f'{{"status":"success","data":{{"resultType":"{kind}","result":['
    return Answer(f"{head}{','.join(pieces)}]}}{more}}}".encode(), JSON)


def single(kind: str, piece: str) -> Answer:
    """Return a result that is one value."""
    return Answer(f'{{"status":"success","data":{{"resultType":"{kind}","result":{piece}}}}}'.encode(), JSON)


def metric(labels: Labels) -> str:
    """Return a label set as JSON."""
    return json.dumps(dict(labels.pairs))


def point(at_ms: int, value: float) -> str:
    """Return one value with its time in seconds."""
    return f'[{seconds(at_ms)},"{number(value)}"]'


def seconds(at_ms: int) -> str:
    """Write ms as seconds without trailing zeros."""
    sign, whole, rest = "-" * (at_ms < 0), *divmod(abs(at_ms), 1000)
    return f"{sign}{whole}.{rest:03d}".rstrip("0") if rest else f"{sign}{whole}"


def number(value: float) -> str:
    """Write a float with the fewest digits, without an exponent between 1e-6 and 1e21 (Prometheus' API)."""
    if not math.isfinite(value):
        return {"nan": "NaN", "inf": "+Inf", "-inf": "-Inf"}[str(value)]
    text = repr(value).removesuffix(".0")
    if "e" in text and (value == 0 or 1e-6 <= abs(value) < 1e21):
        return f"{Decimal(text):f}"
    return text
