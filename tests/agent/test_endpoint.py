from __future__ import annotations

import http.client
import socket
from collections.abc import Iterator

import pytest

from agent.endpoint import Answer, Endpoint, Request, Route, as_json


def busy(_: Request) -> Answer:
    raise TimeoutError


@pytest.fixture
def port() -> Iterator[int]:
    endpoint = Endpoint("127.0.0.1", 0, {"/ok": Route(lambda _: as_json({"a": 1})), "/busy": Route(busy)})
    endpoint.start()
    yield endpoint.port
    endpoint.close()


def get(port: int, path: str, host: str = "127.0.0.1") -> tuple[int, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    connection.request("GET", path, headers={"Host": host})
    answer = connection.getresponse()
    body = answer.read()
    connection.close()
    return answer.status, body


def test_a_route_answers(port: int) -> None:
    assert get(port, "/ok?x=1") == (200, b'{"a": 1}')


def test_an_unknown_path_is_not_found(port: int) -> None:
    assert get(port, "/nothing")[0] == 404


def test_a_loop_that_does_not_answer_in_time_is_said_to_be_busy(port: int) -> None:
    assert get(port, "/busy")[0] == 503


@pytest.mark.parametrize(
    ("host", "status"), [("localhost:1", 200), ("[::1]:1", 200), ("evil.example", 421), ("", 421)]
)
def test_a_page_that_rebinds_its_name_to_loopback_is_not_served(port: int, host: str, status: int) -> None:
    assert get(port, "/ok", host)[0] == status


def test_a_caller_that_says_nothing_keeps_nobody_else_waiting(port: int) -> None:
    silent = [socket.create_connection(("127.0.0.1", port)) for _ in range(4)]
    assert get(port, "/ok")[0] == 200
    for connection in silent:
        connection.close()
