"""Addresses of pings, as Healthchecks' clients write them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.api.endpoint import Request
from agent.pings.ping import Asked, NotAPing, read
from probes.job.heard import Signal

UUID = "5db34b9a-1111-4222-8333-444455556666"


@pytest.mark.parametrize(
    ("path", "asked"),
    [
        (UUID, Asked(Signal.SUCCESS, UUID)),
        (UUID.upper(), Asked(Signal.SUCCESS, UUID)),
        (f"{UUID}/start", Asked(Signal.START, UUID)),
        (f"{UUID}/fail", Asked(Signal.FAIL, UUID)),
        (f"{UUID}/log", Asked(Signal.LOG, UUID)),
        (f"{UUID}/0", Asked(Signal.SUCCESS, UUID, exit_status=0)),
        (f"{UUID}/255", Asked(Signal.FAIL, UUID, exit_status=255)),
        ("key/slug", Asked(Signal.SUCCESS, key="key", slug="slug")),
        ("key/slug/start", Asked(Signal.START, key="key", slug="slug")),
        ("key/slug/3", Asked(Signal.FAIL, key="key", slug="slug", exit_status=3)),
        ("key/start", Asked(Signal.SUCCESS, key="key", slug="start")),
    ],
)
def test_an_address_says_who_pings_and_what_about(path: str, asked: Asked) -> None:
    assert read(Request({}, path)) == asked


def test_parameters_pair_runs_and_make_jobs() -> None:
    asked = read(Request({"rid": (UUID.upper(),), "create": ("1",)}, "key/slug"))
    assert (asked.run_id, asked.create) == (UUID, True)


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("", 404), ("x", 404), ("a/b/c/d", 404), ("key//start", 404), ("/slug", 404),
        (f"{UUID}/start/x", 400), (f"{UUID}/256", 400), (f"{UUID}/-1", 400), (f"{UUID}/what", 400),
        (f"{UUID}/\u0663", 400), ("key/slug/what", 400),
    ],
)  # fmt: skip  # the pairs side by side
def test_any_other_address_is_refused(path: str, status: int) -> None:
    with pytest.raises(NotAPing) as refused:
        read(Request({}, path))
    assert refused.value.status == status


def test_a_run_id_that_is_none_is_refused() -> None:
    with pytest.raises(NotAPing) as refused:
        read(Request({"rid": ("x",)}, UUID))
    assert (refused.value.status, str(refused.value)) == (400, "invalid uuid format")


@given(st.text(max_size=60), st.text(max_size=40))
def test_any_address_is_a_ping_or_refused(path: str, run_id: str) -> None:
    try:
        read(Request({"rid": (run_id,)}, path))
    except NotAPing:
        return
