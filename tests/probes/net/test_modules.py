"""Module files of blackbox_exporter: read as it reads them, every mistake told at its place."""

from __future__ import annotations

from typing import Any

import pytest

from model.duration import seconds
from model.misfit import Misfit, Rejected
from probes.net import dns, http, tcp
from probes.net.modules import DEFAULT, PROBERS, Module, load_modules
from probes.net.trust import TlsConfig


def loaded(text: str) -> dict[str, Module]:
    return load_modules(text.encode(), "blackbox.yml")


def one(text: str) -> Module:
    (module,) = loaded(f"modules: {{m: {text}}}").values()
    return module


def test_the_modules_that_are_shipped_are_good() -> None:
    modules = load_modules(DEFAULT, "modules")
    assert {"http_2xx", "http_post_2xx", "tcp_connect", "icmp", "ssh_banner"} <= modules.keys()
    options = modules["http_2xx"].options("example.com")
    assert (options.target.text, options.preferred_ip_protocol) == ("http://example.com", "ip6")


EVERYTHING = """
modules:
  everything:
    prober: http
    timeout: 1.5s
    http:
      valid_status_codes: []
      valid_http_versions: [HTTP/1.1, HTTP/2.0]
      preferred_ip_protocol: ip4
      ip_protocol_fallback: false
      skip_resolve_phase_with_proxy: true
      no_follow_redirects: false
      fail_if_ssl: false
      fail_if_not_ssl: false
      method: POST
      headers: {Host: vhost.example.com, Accept-Language: en-US, Origin: example.com}
      body: '{}'
      body_size_limit: 20MB
      compression: gzip
      fail_if_body_matches_regexp: [Could not connect to database]
      fail_if_body_not_matches_regexp: [Download the latest version here]
      fail_if_header_matches: [{header: Set-Cookie, regexp: '.*', allow_missing: true}]
      fail_if_header_not_matches: [{header: Access-Control-Allow-Origin, regexp: '(\\*|example\\.com)'}]
      basic_auth: {username: 1234, password: 5678}
      proxy_url: http://proxy.example.com:3128
      no_proxy: 127.0.0.1
      proxy_connect_header: {Proxy-Auth: [x]}
      follow_redirects: true
      enable_http2: true
      tls_config: {insecure_skip_verify: false, ca_file: a, cert_file: b, key_file: c, server_name: d}
      http_headers: {X: {values: [a], secrets: [b], files: [c]}}
  names:
    prober: dns
    dns:
      transport_protocol: tcp
      dns_over_tls: true
      tls_config: {}
      source_ip_address: 127.0.0.1
      query_name: www.prometheus.io
      query_type: MX
      query_class: CH
      recursion_desired: false
      valid_rcodes: [NOERROR, NXDOMAIN]
      validate_answer_rrs: {fail_if_matches_regexp: [a], fail_if_all_match_regexp: [b]}
      validate_authority_rrs: {fail_if_not_matches_regexp: [c]}
      validate_additional_rrs: {fail_if_none_matches_regexp: [d]}
  echo: {prober: icmp, icmp: {source_ip_address: 127.0.0.1, payload_size: 100, dont_fragment: true, ttl: 5}}
  calls: {prober: grpc, grpc: {service: s, tls: true, tls_config: {}, metadata: {a: [b]}}}
  local: {prober: unix, unix: {query_response: [{send: PING}, {expect: PONG}]}}
  chat: {prober: websocket, websocket: {headers: {A: b}, query_response: [{expect: a, send: b}]}}
  talk:
    prober: tcp
    tcp:
      source_ip_address: 127.0.0.1
      query_response:
      - {expect: 'a (.)', labels: [{name: l, value: '${1}'}]}
      - {expect_bytes: '123'}
      - {starttls: true}
"""


def test_every_key_that_blackbox_exporter_knows_is_read() -> None:
    modules = loaded(EVERYTHING)
    options: Any = modules["everything"].options("example.com/health")
    assert (options.target.text, options.body_size_limit.size) == ("http://example.com/health", 20 << 20)
    assert (options.follow_redirects, options.basic_auth.password.text) == (True, "5678")
    assert modules["everything"].timeout == seconds(1.5)
    names: Any = modules["names"].options("::1")
    assert str(names.endpoint) == "[::1]:853"
    assert {module.probe.name for module in modules.values()} == PROBERS.keys()


def test_what_has_no_value_is_left_at_its_default() -> None:
    module = one("{prober: http, timeout: , http: {method: ~, headers: , tls_config: {ca_file: }}}")
    assert module.timeout is None
    options: Any = module.options("a")
    assert (options.method, options.tls_config) == ("GET", TlsConfig())
    assert one("{prober: tcp, tcp: }").options("a:1") == one("{prober: tcp}").options("a:1")


def test_the_old_key_for_redirects_is_understood() -> None:
    for word, follows in (("true", False), ("false", True)):
        options: Any = one(f"{{prober: http, http: {{no_follow_redirects: {word}}}}}").options("a")
        assert options.follow_redirects is follows


def test_aliases_merges_and_bytes_are_read_as_yaml_has_them() -> None:
    text = """
modules:
  first: {prober: tcp, timeout: 5s, tcp: &tcp {tls: true, preferred_ip_protocol: ip4}}
  second:
    prober: tcp
    tcp: {<<: *tcp, query_response: [{send: !!binary AAAACATSFi8=}, {expect_bytes: S}]}
"""
    options: Any = loaded(text)["second"].options("a:1")
    assert (options.tls, options.preferred_ip_protocol) == (True, "ip4")
    sent = options.query_response[0].send.text.encode("utf-8", "surrogateescape")
    assert sent == bytes.fromhex("0000000804d2162f")


def test_a_module_that_is_not_done_here_does_not_keep_the_others_out() -> None:
    modules = loaded("modules: {a: {prober: http, http: {enable_http3: true}}, b: {prober: icmp}}")
    assert modules["b"].options("localhost")
    with pytest.raises(Rejected, match="HTTP/3 is not spoken here"):
        modules["a"].options("localhost")


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("{}", "this is no module file"),
        ("modules: {}\nother: 1", "this is no module file"),
        ("modules: {a: {prober: ssh}}", "blackbox.yml:1:23: the module 'a' has no prober; name one of http"),
        ("modules: {a: {timeout: 5s}}", "the module 'a' has no prober"),
        ("modules: {a: }", "the module 'a' has no prober"),
        ("modules: {a: {prober: http, timout: 5s}}", "unknown key 'timout'; did you mean 'timeout'"),
        ("modules: {a: {prober: http, timeout: soon}}", "'soon' is not a duration"),
        ("modules: {a: {prober: http, http: {metod: GET}}}", "unknown key 'metod'; did you mean 'method'"),
        ("modules: {a: {prober: dns}}", "the key 'query_name' is missing"),
        ("modules: {a: {prober: http, http: {body: !!binary '%%'}}}", "this is not base64"),
        ("modules: {a: {prober: icmp}, a: {prober: icmp}}", "the key 'a' is given twice"),
    ],
)
def test_a_mistake_is_told_with_its_cure(text: str, sentence: str) -> None:
    with pytest.raises(Rejected, match=sentence):
        loaded(text)


def test_every_mistake_is_told_at_once() -> None:
    with pytest.raises(Rejected) as refused:
        loaded("modules: {a: {prober: x}, b: {prober: tcp, tcp: {tls: perhaps}}, c: {prober: dns}}")
    assert len(refused.value.problems) == 3


def test_a_target_that_is_none_of_its_kind_is_refused() -> None:
    for text, target in (("{prober: tcp}", "a"), ("{prober: http}", "http://"), ("{prober: icmp}", "a b")):
        with pytest.raises(Rejected):
            one(text).options(target)


def test_a_hostname_makes_a_target_answer_for_it() -> None:
    module = one("{prober: http, http: {headers: {Accept: x}}}")
    options: Any = module.options("127.0.0.1", module.for_host("shop.example.com"))
    assert {name: secret.text for name, secret in options.headers.items()} == {
        "Accept": "x",
        "Host": "shop.example.com",
    }
    with pytest.raises(Misfit, match="name different hosts"):
        one("{prober: http, http: {headers: {HOST: b}}}").for_host("a")
    assert one("{prober: http, http: {headers: {host: a}}}").for_host("a") == ()
    secure = one("{prober: tcp, tcp: {tls_config: {ca_file: c}}}")
    talk: Any = secure.options("127.0.0.1:1", secure.for_host("a"))
    assert talk.tls_config == TlsConfig(ca_file="c", server_name="a")
    assert one("{prober: tcp, tcp: {tls_config: {server_name: b}}}").for_host("a") == ()
    assert one("{prober: icmp}").for_host("a") == ()
    assert {http.PROBE.name, tcp.PROBE.name, dns.PROBE.name} < PROBERS.keys()
