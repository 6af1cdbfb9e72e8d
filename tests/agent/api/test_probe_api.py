"""``GET /probe`` over a real endpoint: what blackbox_exporter's answers, and what it may not be used for."""

from __future__ import annotations

import http.client
import re
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlencode

import pytest
from prometheus_client.parser import text_string_to_metric_families

from agent.api.endpoint import Answer, Endpoint, Route
from agent.api.probe_api import PROBES_AT_ONCE_MAX, ProbeApi, Terms
from model.duration import seconds
from model.misfit import Place
from model.plugin import Deadline, Probe, Seen
from model.yaml_tree import Mapping as MappingNode
from probes.net.modules import Module, load_modules
from probes.net.networks import METADATA, Network
from tests.agent.process import CONFIG, agent
from tests.probes.net.servers import ADDRESS, datagrams
from tests.probes.net.servers import answer as dns_answer
from tests.probes.targets import answering, hang, listening, page, unused_port

MODULES = """
modules:
  http_2xx: {prober: http, timeout: 5s}
  brief: {prober: http, timeout: 500ms}
  patient: {prober: http}
  secret:
    prober: http
    http:
      headers: {X-Key: s3cret-1}
      basic_auth: {username: ada, password: s3cret-2}
      body: s3cret-3
      tls_config: {insecure_skip_verify: true}
  unreadable: {prober: http, http: {tls_config: {ca_file: /nowhere/ca.pem}}}
  talk: {prober: tcp, tcp: {tls: true, query_response: [{send: s3cret-4}]}}
  hang: {prober: icmp}
  cel: {prober: http, http: {fail_if_body_json_matches_cel: 'true'}}
"""


@dataclass
class Said:
    status: int
    text: str

    def series(self) -> dict[str, float]:
        families = text_string_to_metric_families(self.text)
        return {
            sample.name + "".join(f"[{value}]" for value in sample.labels.values()): sample.value
            for family in families
            for sample in family.samples
        }


@dataclass
class Api:
    port: int
    terms: Terms = field(repr=False)

    def get(self, headers: Mapping[str, str] | None = None, /, **parameters: str) -> Said:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        try:
            connection.request("GET", f"/probe?{urlencode(parameters)}", headers=dict(headers or {}))
            answer = connection.getresponse()
            return Said(answer.status, answer.read().decode())
        finally:
            connection.close()


@contextmanager
def serving(terms: Terms) -> Iterator[Api]:
    api = ProbeApi(lambda: terms, time.monotonic)
    routes = {"/probe": Route(api.answer, slow=True), "/ok": Route(lambda _: Answer(b"ok"))}
    endpoint = Endpoint("127.0.0.1", 0, routes)
    endpoint.start()
    try:
        yield Api(endpoint.port, terms)
    finally:
        endpoint.close()
        api.close()


def terms(refuse: tuple[Network, ...] = METADATA, **more: Module) -> Terms:
    return Terms({**load_modules(MODULES.encode(), "modules"), **more}, refuse)


@pytest.fixture
def api() -> Iterator[Api]:
    with serving(terms()) as one:
        yield one


def test_a_target_is_probed_by_the_module_that_is_asked_for(api: Api) -> None:
    with answering(page(b"hello")) as target:
        said = api.get(target=f"127.0.0.1:{target.port}")
        gone = api.get(target=target.url, module="brief", hostname="shop.example.com")
    assert said.status == 200
    series = said.series()
    assert (series["probe_success"], series["probe_http_status_code"], series["probe_timeout_seconds"]) == (
        1,
        200,
        5,
    )
    assert "# HELP probe_success " in said.text
    assert "# TYPE probe_success gauge" in said.text
    assert gone.series()["probe_timeout_seconds"] == 0.5
    assert b"host: shop.example.com\r\n" in target.heard[1]


def test_a_target_that_is_down_is_told_and_is_no_trouble_of_ours(api: Api) -> None:
    said = api.get(target=f"http://127.0.0.1:{unused_port()}/")
    assert (said.status, said.series()["probe_success"]) == (200, 0)


@pytest.mark.parametrize(
    ("parameters", "sentence"),
    [
        ({"target": "http://a/", "module": "none"}, 'Unknown module "none"'),
        ({"module": "http_2xx"}, "Target parameter is missing"),
        ({"target": ""}, "Target parameter is missing"),
        ({"target": "http://ada:s3cret@a/"}, "carries a user name or password"),
        ({"target": "a b"}, "has spaces in it"),
        ({"target": "http://a/", "module": "cel"}, "CEL is not evaluated here"),
        ({"target": "a", "module": "talk"}, "is not host:port"),
    ],
)
def test_what_cannot_be_asked_is_answered_with_400(
    api: Api, parameters: dict[str, str], sentence: str
) -> None:
    said = api.get(**parameters)
    assert said.status == 400
    assert sentence in said.text


@pytest.mark.parametrize(
    ("module", "scrape_s", "told"),
    [
        ("http_2xx", "10", 5),
        ("http_2xx", "3", 2.5),
        ("patient", "3", 2.5),
        ("patient", "", 119.5),
        ("patient", "0", 119.5),
        ("http_2xx", "0.2", 5),
        ("patient", "100000", 600),
    ],
)
def test_the_time_is_the_modules_or_a_little_less_than_the_scrapes(
    api: Api, module: str, scrape_s: str, told: float
) -> None:
    headers = {"X-Prometheus-Scrape-Timeout-Seconds": scrape_s} if scrape_s else {}
    with answering(page()) as target:
        said = api.get(headers, target=target.url, module=module)
    assert said.series()["probe_timeout_seconds"] == told


@pytest.mark.parametrize("scrape_s", ["soon", "nan", "inf", "0.1"])
def test_a_time_that_is_none_is_refused(api: Api, scrape_s: str) -> None:
    said = api.get({"X-Prometheus-Scrape-Timeout-Seconds": scrape_s}, target="http://a/", module="patient")
    assert said.status == 400


def test_a_slow_target_costs_its_time_and_nobody_waits_for_it(api: Api) -> None:
    with listening(hang) as port:
        began = time.monotonic()
        answers: list[Said] = []
        asking = [
            threading.Thread(
                target=lambda: answers.append(api.get(target=f"http://127.0.0.1:{port}/", module="brief"))
            )
            for _ in range(12)
        ]
        for thread in asking:
            thread.start()
        with answering(page()) as target:
            assert api.get(target=target.url).series()["probe_success"] == 1
        for thread in asking:
            thread.join()
        assert time.monotonic() - began < 15
    assert [said.series()["probe_success"] for said in answers] == [0] * 12


def test_debug_shows_what_happened_but_no_secret(api: Api) -> None:
    with answering(page(status="500 X")) as target:
        said = api.get(target=target.url, module="secret", debug="true")
    assert said.status == 200
    assert "Logs for the probe:" in said.text
    assert "the probe failed: 'the status is 500'" in said.text
    assert re.search(r"^probe_http_status_code 500", said.text, re.MULTILINE)
    assert "Module configuration:" in said.text
    assert "insecure_skip_verify: true" in said.text
    assert "username: ada" in said.text
    assert "s3cret" not in said.text
    talk = api.get(target=f"127.0.0.1:{unused_port()}", module="talk", debug="true")
    assert "s3cret" not in talk.text
    assert "send: <secret>" in talk.text


def test_what_a_target_says_cannot_forge_the_log(api: Api) -> None:
    with answering(b"evil\x1b[31m\nprobe_success 1\r\n\r\n") as target:
        said = api.get(target=target.url, debug="true")
    assert "\x1b" not in said.text
    assert re.search(r"^probe_success 0", said.text, re.MULTILINE)
    assert not re.search(r"^probe_success 1", said.text, re.MULTILINE)


@pytest.mark.parametrize(
    "target",
    [
        "169.254.169.254",
        "http://169.254.169.254/latest/",
        "http://[::ffff:169.254.169.254]/",
        "http://[fd00:ec2::254]/",
    ],
)
def test_cloud_metadata_is_not_looked_at(api: Api, target: str) -> None:
    said = api.get(target=target, debug="true")
    assert "is in a network that is not spoken to from here" in said.text
    assert re.search(r"^probe_success 0", said.text, re.MULTILINE)


def test_a_redirect_to_a_refused_network_is_not_followed() -> None:
    moved = page(b"", "Location: http://169.254.169.254/latest/", status="302 X")
    with serving(terms()) as api, answering(moved) as target:
        said = api.get(target=target.url, debug="true")
    assert "169.254.169.254 is in a network that is not spoken to" in said.text


def test_which_networks_are_refused_is_configured() -> None:
    with answering(page()) as target:
        with serving(terms((Network.parse("127.0.0.0/8"),))) as api:
            assert api.get(target=target.url).series()["probe_success"] == 0
        with serving(terms(())) as api:
            assert api.get(target=target.url).series()["probe_success"] == 1


@pytest.mark.parametrize(
    "headers",
    [{"Origin": "https://evil.example"}, {"Sec-Fetch-Site": "cross-site"}, {"Sec-Fetch-Site": "same-site"}],
)
def test_a_page_of_another_origin_cannot_have_requests_made(api: Api, headers: dict[str, str]) -> None:
    with answering(page()) as target:
        assert api.get(headers, target=target.url).status == 403
    assert target.heard == []


def test_trouble_of_the_probe_is_no_answer_about_its_target(api: Api) -> None:
    with listening(hang) as port:
        said = api.get(target=f"https://127.0.0.1:{port}/", module="unreadable")
    assert said.status == 500
    assert "FileNotFoundError" in said.text


@dataclass(frozen=True)
class Anything:
    """Options that take any target."""

    target: str


def stuck(released: threading.Event) -> Module:
    """Return a module whose probe does not come back before it is let go."""

    def run(_: Anything, __: Deadline) -> list[Seen]:
        released.wait(20)
        return []

    probe = Probe("stuck", Anything, run, (), job="blackbox", target=lambda options: options.target)
    return Module("stuck", probe, seconds(0.1), MappingNode((), Place("f")))


def test_probes_that_do_not_come_back_are_bounded_and_the_rest_is_answered() -> None:
    released = threading.Event()
    with serving(terms(stuck=stuck(released))) as api:
        said: list[Said] = []
        asking = [
            threading.Thread(target=lambda: said.append(api.get(target="a", module="stuck")))
            for _ in range(PROBES_AT_ONCE_MAX + 4)
        ]
        for thread in asking:
            thread.start()
        for thread in asking:
            thread.join()
        assert {one.status for one in said} == {503}
        released.set()
        end_s = time.monotonic() + 10
        with answering(page()) as target:
            while (again := api.get(target=target.url)).status == 503 and time.monotonic() < end_s:
                time.sleep(0.05)
        assert again.series()["probe_success"] == 1


def test_a_running_agent_serves_the_modules_of_its_files(tmp_path: Path) -> None:
    (tmp_path / "blackbox.yml").write_text("modules: {mine: {prober: http, timeout: 3s}}")
    config = CONFIG.replace("probes:\n", "modules: [blackbox.yml]\nrefused_targets: [10.0.0.0/8]\nprobes:\n")
    with answering(page()) as target, agent(tmp_path, config) as running:
        query = urlencode({"target": target.url, "module": "mine"})
        text = running.get(f"/probe?{query}")
    assert "probe_success 1.0" in text
    assert "probe_timeout_seconds 3.0" in text


def test_a_running_agent_asks_by_datagram_from_the_address_it_was_told(tmp_path: Path) -> None:
    with datagrams(lambda query: [dns_answer(query, ADDRESS, 1)]) as port:
        dns = (
            f"- dns: {{target: '127.0.0.1:{port}', query_name: a.example, query_type: A,"
            " source_ip_address: 127.0.0.9}\n  every: 1s\n"
        )
        with agent(tmp_path, CONFIG + dns) as running:
            told = running.until(
                lambda: re.search(
                    r"^probe_dns_answer_rrs\{.*\} (.*)$", running.get("/metrics"), re.MULTILINE
                ),
                "the answer",
            )
    assert told[1] == "1.0"
