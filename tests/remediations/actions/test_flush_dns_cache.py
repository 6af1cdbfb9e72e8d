"""The resolver of the host is asked to forget."""

from __future__ import annotations

import pytest

from tests.remediations.actions.planning import planned


@pytest.mark.parametrize(
    ("text", "words"),
    [("{}", "run resolvectl flush-caches"), ("{tool: nscd}", "run nscd --invalidate=hosts")],
)
def test_the_first_step_says_what_it_does(text: str, words: str) -> None:
    assert str(planned("flush_dns_cache", text)[0]).startswith(words)
