"""Samples of a Prometheus server, asked for over its HTTP API, a bounded piece of time after the other."""

from __future__ import annotations

import json
from array import array
from collections.abc import Iterator, Mapping
from itertools import groupby
from typing import Any, Final

import requests

from model.labels import Labels
from rules.backtest import Page, Sheet
from rules.store.store import PART

TIMEOUT_S: Final = 60.0
ANSWER_BYTES_MAX: Final = 64 << 20
POINTS_MAX: Final = 11_000
PIECE_MS: Final = 6 * 3_600_000

_BLOCK: Final = Labels.of({PART: "upstream"})


class Unanswered(Exception):
    """A Prometheus server gave no samples; the sentence says why."""


class Upstream:
    """One Prometheus server, looked at in steps of ``step_ms``, as its own rules look at it.

    What a selector yields at a moment is what the server would judge: its lookback and its marks of staleness
    are already in it.
    """

    def __init__(self, url: str, step_ms: int) -> None:
        self._url = url.rstrip("/") + "/api/v1/query_range"
        self._step_ms = step_ms
        self._session = requests.Session()

    def close(self) -> None:
        """Close its connections."""
        self._session.close()

    def pages(self, selectors: frozenset[str], since_ms: int, until_ms: int) -> Iterator[Page]:
        """Yield the values of these selectors at each step, a few hours at a time."""
        steps = min(POINTS_MAX, max(1, PIECE_MS // self._step_ms))
        first_ms = since_ms - since_ms % self._step_ms
        while first_ms <= until_ms:
            last_ms = min(first_ms + (steps - 1) * self._step_ms, until_ms)
            found: dict[Labels, dict[int, float]] = {}
            for selector in sorted(selectors):
                found.update(self._values(selector, first_ms, last_ms))
            grid = range(first_ms, last_ms + 1, self._step_ms)
            yield Page(last_ms, tuple(_sheets(found, grid)))
            first_ms = grid[-1] + self._step_ms

    def _values(self, selector: str, first_ms: int, last_ms: int) -> dict[Labels, dict[int, float]]:
        given = {
            "query": selector,
            "start": f"{first_ms / 1000:.3f}",
            "end": f"{last_ms / 1000:.3f}",
            "step": f"{self._step_ms / 1000:.3f}",
        }
        answer = self._answer(given)
        try:
            series = answer["data"]["result"]
            return {
                Labels.of({str(k): str(v) for k, v in one["metric"].items()}): {
                    round(float(at_s) * 1000): float(value) for at_s, value in one["values"]
                }
                for one in series
            }
        except (KeyError, TypeError, ValueError, AttributeError):
            raise Unanswered(f"{self._url} answered {selector[:80]} with no matrix") from None

    def _answer(self, given: Mapping[str, str]) -> Mapping[str, Any]:
        try:
            with self._session.post(self._url, data=given, timeout=TIMEOUT_S, stream=True) as response:
                body = bytearray()
                for piece in response.iter_content(1 << 16):
                    body += piece
                    if len(body) > ANSWER_BYTES_MAX:
                        sentence = f"has more than {ANSWER_BYTES_MAX >> 20} MiB; write narrower selectors"
                        raise Unanswered(f"the answer to {given['query'][:80]} {sentence}")
                answer = json.loads(body)
        except requests.exceptions.RequestException as wrong:
            raise Unanswered(f"{self._url} cannot be asked: {wrong}") from None
        except ValueError:
            raise Unanswered(
                f"{self._url} did not answer in JSON, with status {response.status_code}"
            ) from None
        if not isinstance(answer, dict) or answer.get("status") != "success":
            why = answer.get("error", "no reason given") if isinstance(answer, dict) else "no object"
            raise Unanswered(f"{self._url} refused {given['query'][:80]}: {str(why)[:200]}")
        return answer


def _sheets(found: Mapping[Labels, Mapping[int, float]], grid: range) -> Iterator[Sheet]:
    """Yield stretches of steps at which the same series are there; who is missing from one became stale."""

    def present(at_ms: int) -> frozenset[Labels]:
        return frozenset(labels for labels, values in found.items() if at_ms in values)

    for series, group in groupby(grid, present):
        times = array("q", group)
        columns = {labels: array("d", (found[labels][at_ms] for at_ms in times)) for labels in series}
        yield Sheet(_BLOCK, times, columns)
