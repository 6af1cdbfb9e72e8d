from __future__ import annotations

import http.client
import json
import socket
from collections.abc import Iterator

import pytest

from agent.api.endpoint import (
    BODY_BYTES_MAX,
    CHANGE,
    FORM,
    KEPT_AT_ONCE_MAX,
    READ_OR_FORM,
    REQUESTS_AT_ONCE_MAX,
    Answer,
    Endpoint,
    Request,
    Route,
    as_json,
)


def busy(_: Request) -> Answer:
    raise TimeoutError


def echo(request: Request) -> Answer:
    return as_json({**request.parameters, "part": request.part})


def kept(request: Request) -> Answer:
    said = {"part": request.part, "body": request.body.decode(), "query": request.one("q")}
    return Answer(as_json(said).body, headers=(("X-Kept", "10"),))


@pytest.fixture
def port() -> Iterator[int]:
    routes = {
        "/ok": Route(lambda _: as_json({"a": 1})),
        "/busy": Route(busy),
        "/echo": Route(echo, READ_OR_FORM),
        "/label/<name>/values": Route(echo),
        "/change": Route(lambda _: Answer(b""), CHANGE),
        "/keep/<rest>": Route(kept, READ_OR_FORM, kept_bytes_max=10),
    }
    endpoint = Endpoint("127.0.0.1", 0, routes)
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


def asked(port: int, method: str, path: str, body: str | None = None, **headers: str) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    connection.request(method, path, body, names)
    answer = connection.getresponse()
    found = answer.status, answer.read()
    connection.close()
    return found


def test_parameters_come_from_the_address_and_from_a_form(port: int) -> None:
    status, body = asked(port, "POST", "/echo?a=1", "a=2&b=x%20y", Content_Type=FORM)
    assert (status, json.loads(body)) == (200, {"a": ["2", "1"], "b": ["x y"], "part": ""})
    status, body = asked(port, "POST", "/echo?a=1", '{"a": 2}', Content_Type="application/json")
    assert json.loads(body) == {"a": ["1"], "part": ""}


def test_a_path_may_leave_one_part_open(port: int) -> None:
    assert json.loads(asked(port, "GET", "/label/a%2Fb/values")[1]) == {"part": "a/b"}
    assert asked(port, "GET", "/label/values")[0] == 404


def test_head_is_get_without_its_body(port: int) -> None:
    assert asked(port, "HEAD", "/ok") == (200, b"")


def test_a_method_that_the_route_does_not_take_is_refused_with_those_that_it_takes(port: int) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    connection.request("GET", "/change")
    answer = connection.getresponse()
    assert (answer.status, answer.headers["Allow"]) == (405, "POST, PUT")
    assert b"only POST or PUT" in answer.read()
    connection.close()
    assert asked(port, "POST", "/ok")[0] == 405
    assert asked(port, "DELETE", "/ok")[0] == 501


def test_a_connection_is_kept_for_further_requests(port: int) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    ends = set()
    for _ in range(3):
        connection.request("GET", "/ok")
        connection.getresponse().read()
        assert connection.sock is not None
        ends.add(connection.sock.getsockname())
    connection.close()
    assert len(ends) == 1


def test_kept_connections_leave_room_for_others(port: int) -> None:
    kept = [http.client.HTTPConnection("127.0.0.1", port, timeout=5) for _ in range(REQUESTS_AT_ONCE_MAX)]
    for connection in kept:
        connection.request("GET", "/ok")
        assert connection.getresponse().read() == b'{"a": 1}'
    assert sum(connection.sock is not None for connection in kept) <= KEPT_AT_ONCE_MAX
    assert get(port, "/ok")[0] == 200
    for connection in kept:
        connection.close()


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 200),
        ({"Sec_Fetch_Site": "none"}, 200),
        ({"Sec_Fetch_Site": "same-origin"}, 200),
        ({"Sec_Fetch_Site": "cross-site"}, 403),
        ({"Sec_Fetch_Site": "same-site"}, 403),
        ({"Origin": "http://evil.example"}, 403),
        ({"Origin": "http://127.0.0.1:1"}, 403),
        ({"Origin": "null"}, 403),
    ],
)
def test_a_page_of_another_origin_may_not_change_anything(
    port: int, headers: dict[str, str], status: int
) -> None:
    assert asked(port, "POST", "/change", **headers)[0] == status


def test_the_agents_own_origin_may_change(port: int) -> None:
    assert asked(port, "PUT", "/change", Origin=f"http://127.0.0.1:{port}")[0] == 200


def test_a_form_beyond_its_bound_is_refused(port: int) -> None:
    assert asked(port, "POST", "/echo", Content_Length=str(BODY_BYTES_MAX + 1))[0] == 413
    assert asked(port, "POST", "/echo", Content_Length="-1")[0] == 411
    assert asked(port, "POST", "/echo", Transfer_Encoding="chunked")[0] == 411
    assert asked(port, "POST", "/echo", "&".join(["a=1"] * 1001), Content_Type=FORM)[0] == 400


def test_a_caller_that_asks_before_it_sends_its_form_is_told_to_go_on(port: int) -> None:
    head = f"POST /echo HTTP/1.1\r\nHost: localhost\r\nContent-Type: {FORM}\r\nContent-Length: 3\r\n"
    with socket.create_connection(("127.0.0.1", port), timeout=3) as caller:
        caller.sendall(f"{head}Expect: 100-continue\r\nConnection: close\r\n\r\n".encode())
        assert caller.recv(1000).startswith(b"HTTP/1.1 100 ")
        caller.sendall(b"a=1")
        answer = b"".join(iter(lambda: caller.recv(1000), b""))
    assert answer.endswith(b'{"a": ["1"], "part": ""}')


def keep(port: int, path: str, body: bytes | None = None) -> tuple[int, dict[str, str]]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    headers = {"Content-Type": FORM} if body else {}
    connection.request("POST" if body else "GET", path, body, headers)
    answer = connection.getresponse()
    assert answer.getheader("X-Kept") in ("10", None)
    said = answer.read()
    connection.close()
    return answer.status, json.loads(said) if answer.status == 200 else {}


def test_a_route_may_leave_all_behind_its_first_part_open(port: int) -> None:
    assert keep(port, "/keep/a/b%20c?q=1") == (200, {"part": "a/b c", "body": "", "query": "1"})
    assert keep(port, "/keep")[1]["part"] == keep(port, "/keep/")[1]["part"] == ""
    assert keep(port, "/kept/a")[0] == 404


def test_a_route_that_keeps_a_body_reads_no_form_and_drops_the_rest(port: int) -> None:
    assert keep(port, "/keep/x?q=1", b"q=2&more=fields") == (
        200,
        {"part": "x", "body": "q=2&more=f", "query": "1"},
    )
    assert keep(port, "/keep/x", b"y" * 2_000_000)[1]["body"] == "y" * 10


def test_a_body_without_end_is_not_waited_for(port: int) -> None:
    with socket.create_connection(("127.0.0.1", port), timeout=10) as caller:
        caller.sendall(b"POST /keep/x HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99999999\r\n\r\n")
        assert b" 413 " in caller.recv(1000)


def test_an_endpoint_for_anyone_answers_under_every_name() -> None:
    endpoint = Endpoint("127.0.0.1", 0, {"/ok": Route(lambda _: Answer(b"yes"))}, anyone=True)
    endpoint.start()
    try:
        assert get(endpoint.port, "/ok", "backup.example") == (200, b"yes")
    finally:
        endpoint.close()
