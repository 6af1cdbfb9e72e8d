from __future__ import annotations

import json
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model.decode import decode
from model.misfit import Misfit, Rejected
from model.plugin import Remark
from probes.net import http_flow
from probes.net.capture import Capture, JsonPath, UrlTemplate, filled_body
from probes.net.connect import Unhealthy
from probes.net.http_flow import Options, Seen
from probes.net.response import Head
from probes.pattern import Pattern
from tests.probes.targets import answering, hang, listening, page, unused_port, values, within


def options(*steps: str) -> Options:
    return decode(f"{{flow: shop, steps: [{', '.join(steps)}]}}".encode(), "f", Options)


def look(*steps: str, limit_s: float = 5) -> Seen:
    return http_flow.look(options(*steps), within(limit_s))


FLOW = """
flow: shop
steps:
- step: login
  url: URLlogin
  method: POST
  capture: {id: {json: "$.user.ids[1]"}, token: {json: $.token}, cart: {header: x-cart}}
- step: cart
  url: URLcart/${cart}?user=${id}
  method: POST
  headers: {Content-Type: application/json, X-Token: '${token}'}
  body: '{"token": "${token}"}'
  capture: {order: {regexp: 'order=<(\\d+)>'}}
- step: pay
  url: URLpay
  method: POST
  headers: {content-type: application/x-www-form-urlencoded}
  body: order=${order}&t=${token}
  fail_if_body_not_matches_regexp: [done]
"""


def test_later_steps_say_what_earlier_answers_told() -> None:
    told = b'{"user": {"ids": [7, 8]}, "token": "a\\"b/c"}'
    login = page(told, "X-Cart: c 1", "Set-Cookie: session=s; Path=/")
    with answering(login, page(b"order=<42>;"), page(b"done")) as target:
        flow = decode(FLOW.replace("URL", target.url).encode(), "f", Options)
        seen = values(http_flow.run(flow, within(5)))
    assert (seen["beforehand_flow_success"], seen["beforehand_flow_steps_done"]) == (1, 3)
    for step in ("login", "cart", "pay"):
        assert seen[f'probe_success{{step="{step}"}}'] == 1
        assert seen[f'probe_http_duration_seconds{{phase="processing", step="{step}"}}'] > 0
    assert target.heard[1].startswith(b"POST /cart/c%201?user=8 HTTP/1.1\r\n")
    assert b'\r\nx-token: a"b/c\r\n' in target.heard[1]
    assert json.loads(target.heard[1].partition(b"\r\n\r\n")[2]) == {"token": 'a"b/c'}
    assert target.heard[2].endswith(b"order=42&t=a%22b%2Fc")
    assert all(b"\r\ncookie: session=s\r\n" in asked for asked in target.heard[1:])


def test_cookies_do_not_outlive_a_run() -> None:
    with answering(page(b"", "Set-Cookie: a=1; Path=/")) as target:
        for _ in range(2):
            look(f"{{step: home, url: '{target.url}'}}")
    assert b"cookie" not in target.heard[1]


def test_the_first_step_that_fails_ends_the_flow() -> None:
    with answering(page(), page(status="500 X"), page()) as target:
        steps = [f"{{step: s{at}, url: '{target.url}'}}" for at in range(3)]
        told = list(http_flow.run(options(*steps), within(5)))
    seen = values(told)
    assert (seen["beforehand_flow_success"], seen["beforehand_flow_steps_done"]) == (0, 1)
    assert (seen['probe_success{step="s0"}'], seen['probe_success{step="s1"}']) == (1, 0)
    assert 'probe_success{step="s2"}' not in seen
    assert [one.text for one in told if isinstance(one, Remark)] == ["the status is 500"]
    assert len(target.heard) == 2


@pytest.mark.parametrize(
    ("capture", "body", "sentence"),
    [
        ("{json: $.a.b}", b'{"a": {}}', "the answer has nothing for x, or too much"),
        ("{json: '$[1]'}", b"[1]", "the answer has nothing for x, or too much"),
        ("{json: $.a}", b'{"a": {"b": 1}}', "the answer has nothing for x, or too much"),
        ("{json: $.a}", b"<html>", "the answer is not JSON, so there is nothing for x"),
        ("{json: $.a}", b"[" * 100_000, "the answer is not JSON, so there is nothing for x"),
        ("{json: $.a}", b'{"a": "' + b"y" * 5000 + b'"}', "the answer has nothing for x, or too much"),
        ("{header: X-None}", b"", "the answer has nothing for x, or too much"),
        ("{regexp: 'id=(.+)'}", b"none", "the answer has nothing for x, or too much"),
    ],
)
def test_a_capture_that_finds_nothing_fails_its_step(capture: str, body: bytes, sentence: str) -> None:
    with answering(page(body)) as target:
        seen = look(
            f"{{step: a, url: '{target.url}', capture: {{x: {capture}}}}}",
            f"{{step: b, url: '{target.url}'}}",
        )
    assert (seen.done, seen.steps[0][1].trace.failure, len(target.heard)) == (0, sentence, 1)


def test_a_captured_line_end_cannot_begin_another_header() -> None:
    with answering(page(b'{"a": "x\\r\\nX-Evil: 1"}')) as target:
        seen = look(
            f"{{step: a, url: '{target.url}', capture: {{x: {{json: $.a}}}}}}",
            f"{{step: b, url: '{target.url}', headers: {{X: '${{x}}'}}}}",
        )
    assert seen.steps[1][1].trace.failure.startswith("what was captured cannot be said")
    assert len(target.heard) == 1


@given(st.text(min_size=1, max_size=40))
def test_no_captured_value_changes_where_a_request_goes(value: str) -> None:
    template = UrlTemplate.parse("https://shop.example.com:8443/a/${x}/b?c=${x}")
    try:
        url = template.url({"x": value.encode("utf-8", "replace").decode()})
    except Misfit:
        return
    assert url.same_origin(template.bare)
    assert url.path.startswith("/a/")
    assert url.path.count("/") == 3
    assert url.path.count("?") == 1


@given(st.text(max_size=40))
def test_a_captured_value_stays_one_text_in_json(value: str) -> None:
    body = filled_body('{"a": "${x}", "b": 1}', {"x": value}, "application/json; charset=utf-8")
    assert json.loads(body) == {"a": value, "b": 1}


def test_a_body_of_another_kind_takes_the_value_as_it_is() -> None:
    assert filled_body("<a>${x}</a>", {"x": "&"}, "text/xml") == "<a>&</a>"


def test_json_paths_lead_to_numbers_truths_and_odd_names() -> None:
    document = b'{"a b": {"c\'d": [true, 1.5, null, 3]}, "": 1}'
    found = {
        text: Capture(json=JsonPath.parse(text)).taken("x", Head("1.1", 200, ()), document)
        for text in ("$['a b'][\"c'd\"][0]", '$["a b"]["c\'d"][1]', '$["a b"]["c\'d"][3]')
    }
    assert list(found.values()) == ["true", "1.5", "3"]
    with pytest.raises(Unhealthy):
        Capture(json=JsonPath.parse('$["a b"]["c\'d"][2]')).taken("x", Head("1.1", 200, ()), document)


def test_an_expression_without_a_group_gives_all_that_it_matched() -> None:
    assert Capture(regexp=Pattern("b.")).taken("x", Head("1.1", 200, ()), b"abc") == "bc"


def test_a_flow_that_hangs_costs_one_deadline() -> None:
    with answering(page()) as first, listening(hang) as port:
        began = time.monotonic()
        seen = look(
            f"{{step: a, url: '{first.url}'}}", f"{{step: b, url: 'http://127.0.0.1:{port}/'}}", limit_s=0.5
        )
        assert time.monotonic() - began < 4
    assert (seen.done, seen.steps[1][1].trace.failure) == (1, "the target did not finish in time")


def test_a_target_that_refuses_fails_its_step() -> None:
    seen = look(f"{{step: a, url: 'http://127.0.0.1:{unused_port()}/'}}")
    assert seen.steps[0][1].trace.failure.startswith("the connection failed")


@pytest.mark.parametrize(
    ("steps", "sentence"),
    [
        ("[]", "the flow has 0 steps"),
        ("[{step: a, url: 'http://x/'}, {step: a, url: 'http://x/'}]", "two steps have one name"),
        ("[{step: a, url: 'http://x/${b}'}]", "the step 'a' refers to 'b', which is not known"),
        ("[{step: a, url: 'http://x/', body: '${b}', capture: {b: {header: C}}}]", "which is not known"),
        ("[{step: a, url: 'http://${b}/'}]", "a captured value cannot choose the host"),
        ("[{step: a, url: 'http://${b}.example.com/'}]", "a captured value cannot choose the host"),
        ("[{step: a, url: 'http://x:${b}/'}]", "cannot choose the host"),
        ("[{step: a, url: '${b}://x/'}]", "cannot choose the host"),
        ("[{step: a, url: 'http://x?${b}'}]", "is not known"),
        ("[{step: a, target: 'http://x/', url: 'http://x/'}]", "a step has no target"),
        ("[{step: a, url: 'http://x/', capture: {'b c': {header: D}}}]", "no name for a capture"),
        ("[{step: a, url: 'http://x/', capture: {b: {header: C, json: $.d}}}]", "a capture has one place"),
        ("[{step: a, url: 'http://x/', capture: {b: {json: a.b}}}]", "is not a path into JSON"),
        ("[{step: a, url: 'http://x/', methood: GET}]", "did you mean 'method'"),
        ("[a]", "expected a step"),
    ],
)
def test_wrong_options_are_refused(steps: str, sentence: str) -> None:
    with pytest.raises(Rejected, match=sentence.replace("$", r"\$").replace("[", r"\[")):
        decode(f"{{flow: shop, steps: {steps}}}".encode(), "f", Options)
