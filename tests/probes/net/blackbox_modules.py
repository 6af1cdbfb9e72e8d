"""The table that blackbox_exporter and we are both asked: modules, and targets good and bad."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

MODULES = """
modules:
  web: {{prober: http, timeout: 4s}}
  web_ip4: {{prober: http, timeout: 4s, http: {{preferred_ip_protocol: ip4, ip_protocol_fallback: false}}}}
  web_ip6: {{prober: http, timeout: 4s, http: {{preferred_ip_protocol: ip6, ip_protocol_fallback: false}}}}
  brief: {{prober: http, timeout: 1s}}
  stays: {{prober: http, timeout: 4s, http: {{follow_redirects: false}}}}
  stays_302: {{prober: http, timeout: 4s, http: {{no_follow_redirects: true, valid_status_codes: [302]}}}}
  wants_404: {{prober: http, timeout: 4s, http: {{valid_status_codes: [404, 500]}}}}
  head: {{prober: http, timeout: 4s, http: {{method: HEAD}}}}
  post: {{prober: http, timeout: 4s, http: {{method: POST, headers: {{X-Key: k}}, body: 'a=b'}}}}
  matches: {{prober: http, timeout: 4s, http: {{fail_if_body_matches_regexp: ['thank\\s+you']}}}}
  matches_not: {{prober: http, timeout: 4s, http: {{fail_if_body_not_matches_regexp: ['sorry']}}}}
  matches_well: {{prober: http, timeout: 4s, http: {{fail_if_body_not_matches_regexp: ['We are well']}}}}
  header:
    prober: http
    timeout: 4s
    http: {{fail_if_header_matches: [{{header: content-type, regexp: html}}]}}
  header_missing:
    prober: http
    timeout: 4s
    http: {{fail_if_header_not_matches: [{{header: X-None, regexp: '.*'}}]}}
  header_allowed:
    prober: http
    timeout: 4s
    http: {{fail_if_header_not_matches: [{{header: X-None, regexp: '.*', allow_missing: true}}]}}
  header_said:
    prober: http
    timeout: 4s
    http:
      headers: {{X-Key: spoken, Host: shop.example.com}}
      fail_if_header_not_matches: [{{header: X-Said, regexp: '^spoken$'}}, {{header: X-Host, regexp: shop}}]
  bounded: {{prober: http, timeout: 4s, http: {{body_size_limit: 10B}}}}
  bounded_well: {{prober: http, timeout: 4s, http: {{body_size_limit: 10MB}}}}
  http_11: {{prober: http, timeout: 4s, http: {{valid_http_versions: [HTTP/1.1]}}}}
  http_2: {{prober: http, timeout: 4s, http: {{valid_http_versions: [HTTP/2.0]}}}}
  no_tls: {{prober: http, timeout: 4s, http: {{fail_if_ssl: true, tls_config: {{ca_file: {good}}}}}}}
  only_tls: {{prober: http, timeout: 4s, http: {{fail_if_not_ssl: true}}}}
  trusting: {{prober: http, timeout: 4s, http: {{tls_config: {{ca_file: {good}}}}}}}
  trusting_expired: {{prober: http, timeout: 4s, http: {{tls_config: {{ca_file: {expired}}}}}}}
  trusting_other: {{prober: http, timeout: 4s, http: {{tls_config: {{ca_file: {other}}}}}}}
  trusting_other_named:
    prober: http
    timeout: 4s
    http: {{tls_config: {{ca_file: {other}, server_name: another.example}}}}
  careless: {{prober: http, timeout: 4s, http: {{tls_config: {{insecure_skip_verify: true}}}}}}
  careless_12:
    prober: http
    timeout: 4s
    http: {{tls_config: {{insecure_skip_verify: true, max_version: TLS12}}}}
  login: {{prober: http, timeout: 4s, http: {{basic_auth: {{username: ada, password: s3cret}}}}}}
  login_wrong: {{prober: http, timeout: 4s, http: {{basic_auth: {{username: ada, password: wrong}}}}}}
  unpacks:
    prober: http
    timeout: 4s
    http: {{compression: gzip, headers: {{Accept-Encoding: gzip}}, fail_if_body_not_matches_regexp: [well]}}
  proxied: {{prober: http, timeout: 4s, http: {{proxy_url: 'http://127.0.0.1:{proxy}'}}}}
  connects: {{prober: tcp, timeout: 2s}}
  connects_tls: {{prober: tcp, timeout: 2s, tcp: {{tls: true, tls_config: {{ca_file: {good}}}}}}}
  banner: {{prober: tcp, timeout: 2s, tcp: {{query_response: [{{expect: '^SSH-2\\.0-(\\S+)'}}]}}}}
  banner_wrong: {{prober: tcp, timeout: 2s, tcp: {{query_response: [{{expect: '^FTP'}}]}}}}
  mail:
    prober: tcp
    timeout: 4s
    tcp:
      query_response:
      - expect: '^220 ([^ ]+) '
      - send: 'EHLO prober'
      - expect: '^250-STARTTLS'
      - send: STARTTLS
      - expect: '^220'
      - starttls: true
      - send: 'EHLO prober'
      - expect: '^250'
      - send: QUIT
      tls_config: {{ca_file: {good}}}
  name: {{prober: dns, timeout: 2s, dns: {{query_name: www.example.com, query_type: A}}}}
  name_tcp:
    prober: dns
    timeout: 2s
    dns: {{query_name: two.example.com, query_type: A, transport_protocol: tcp}}
  name_any: {{prober: dns, timeout: 2s, dns: {{query_name: example.com}}}}
  name_soa: {{prober: dns, timeout: 2s, dns: {{query_name: example.com, query_type: SOA}}}}
  name_unknown: {{prober: dns, timeout: 2s, dns: {{query_name: none.example.com, query_type: A}}}}
  name_unknown_well:
    prober: dns
    timeout: 2s
    dns: {{query_name: none.example.com, query_type: A, valid_rcodes: [NXDOMAIN, REFUSED, NOERROR]}}
  name_is:
    prober: dns
    timeout: 2s
    dns:
      query_name: alias.example.com
      query_type: A
      validate_answer_rrs:
        fail_if_none_matches_regexp: ['www\\.example\\.com\\.\\t\\d+\\tIN\\tA\\t127\\.0\\.0\\.7$']
  name_is_not:
    prober: dns
    timeout: 2s
    dns:
      query_name: two.example.com
      query_type: A
      validate_answer_rrs: {{fail_if_matches_regexp: ['127\\.0\\.0\\.9']}}
  name_all:
    prober: dns
    timeout: 2s
    dns:
      query_name: two.example.com
      query_type: A
      validate_answer_rrs: {{fail_if_not_matches_regexp: ['127\\.0\\.0\\.8']}}
  name_every:
    prober: dns
    timeout: 2s
    dns:
      query_name: two.example.com
      query_type: A
      validate_answer_rrs: {{fail_if_all_match_regexp: ['127\\.0\\.0\\.8']}}
  name_text:
    prober: dns
    timeout: 2s
    dns:
      query_name: example.com
      query_type: TXT
      validate_answer_rrs: {{fail_if_none_matches_regexp: ['TXT\\t"v=spf1 -all" "two words"$']}}
  name_mail:
    prober: dns
    timeout: 2s
    dns:
      query_name: example.com
      query_type: MX
      validate_answer_rrs: {{fail_if_none_matches_regexp: ['MX\\t10 www\\.example\\.com\\.$']}}
  name_service:
    prober: dns
    timeout: 2s
    dns:
      query_name: _sip._tcp.example.com
      query_type: SRV
      validate_answer_rrs: {{fail_if_none_matches_regexp: ['SRV\\t1 2 5060 www\\.example\\.com\\.$']}}
  name_caa:
    prober: dns
    timeout: 2s
    dns:
      query_name: example.com
      query_type: CAA
      validate_answer_rrs: {{fail_if_none_matches_regexp: ['CAA\\t0 issue "ca\\.example"$']}}
  echo: {{prober: icmp, timeout: 2s}}
  echo_ip4: {{prober: icmp, timeout: 2s, icmp: {{preferred_ip_protocol: ip4, payload_size: 1000, ttl: 9}}}}
  echo_whole: {{prober: icmp, timeout: 2s, icmp: {{preferred_ip_protocol: ip4, dont_fragment: true}}}}
  health: {{prober: grpc, timeout: 2s, grpc: {{preferred_ip_protocol: ip4}}}}
  health_of_ill: {{prober: grpc, timeout: 2s, grpc: {{service: ill}}}}
  health_of_nobody: {{prober: grpc, timeout: 2s, grpc: {{service: nobody}}}}
  health_tls:
    prober: grpc
    timeout: 2s
    grpc: {{tls: true, service: well, tls_config: {{ca_file: {good}}}}}
"""


@dataclass(frozen=True)
class Case:
    """A module, a target (with the places filled in), and what may differ, each with its reason."""

    module: str
    target: str
    differs: Mapping[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        return f"{self.module} {self.target}"


# As later versions do, we tell of certificates only where there is TLS.
NO_TLS = {"probe_ssl_earliest_cert_expiry{}": "the version beside us tells 0 where there is no TLS"}

CASES = (
    Case("web", "127.0.0.1:{plain}"),
    Case("web", "http://127.0.0.1:{plain}/index.html?a=b"),
    Case("web", "http://localhost:{plain}/"),
    Case("web_ip4", "http://localhost:{plain}/"),
    Case("web_ip6", "http://127.0.0.1:{plain}/"),
    Case("web", "http://127.0.0.1:{plain}/missing"),
    Case("web", "http://127.0.0.1:{plain}/broken"),
    Case("web", "http://127.0.0.1:{plain}/empty"),
    Case("wants_404", "http://127.0.0.1:{plain}/missing"),
    Case("web", "http://127.0.0.1:{plain}/large.bin"),
    Case("web", "http://127.0.0.1:{plain}/packed.html"),
    Case("unpacks", "http://127.0.0.1:{plain}/packed.html"),
    Case("unpacks", "http://127.0.0.1:{plain}/"),
    Case("web", "http://127.0.0.1:{plain}/moved"),
    Case("trusting", "http://127.0.0.1:{plain}/secure"),
    Case("web", "http://127.0.0.1:{plain}/loop"),
    Case("stays", "http://127.0.0.1:{plain}/moved"),
    Case("stays_302", "http://127.0.0.1:{plain}/moved"),
    Case("head", "http://127.0.0.1:{plain}/"),
    Case("head", "http://127.0.0.1:{plain}/large.bin"),
    Case("post", "http://127.0.0.1:{plain}/said"),
    Case("matches", "http://127.0.0.1:{plain}/"),
    Case("matches", "http://127.0.0.1:{plain}/missing"),
    Case("matches_not", "http://127.0.0.1:{plain}/"),
    Case("matches_well", "http://127.0.0.1:{plain}/"),
    Case("header", "http://127.0.0.1:{plain}/"),
    Case("header_missing", "http://127.0.0.1:{plain}/"),
    Case("header_allowed", "http://127.0.0.1:{plain}/"),
    Case("header_said", "http://127.0.0.1:{plain}/said"),
    Case("bounded", "http://127.0.0.1:{plain}/"),
    Case("bounded_well", "http://127.0.0.1:{plain}/large.bin"),
    Case("http_11", "http://127.0.0.1:{plain}/"),
    Case("http_2", "http://127.0.0.1:{plain}/"),
    Case("no_tls", "http://127.0.0.1:{plain}/"),
    Case("no_tls", "https://127.0.0.1:{good}/"),
    Case("only_tls", "http://127.0.0.1:{plain}/"),
    Case("trusting", "https://127.0.0.1:{good}/"),
    Case("trusting_expired", "https://127.0.0.1:{expired}/"),
    Case("trusting_other", "https://127.0.0.1:{other}/"),
    Case("trusting_other_named", "https://127.0.0.1:{other}/"),
    Case("web", "https://127.0.0.1:{good}/"),
    Case("careless", "https://127.0.0.1:{expired}/"),
    Case("careless_12", "https://127.0.0.1:{other}/"),
    Case("web", "https://127.0.0.1:{plain}/"),
    Case("login", "http://127.0.0.1:{plain}/private"),
    Case("login_wrong", "http://127.0.0.1:{plain}/private"),
    Case("web", "http://127.0.0.1:{nobody}/"),
    Case("brief", "http://127.0.0.1:{silent}/"),
    Case("brief", "http://127.0.0.1:{dripping}/"),
    Case("web", "http://127.0.0.1:{cut}/"),
    Case("web", "http://127.0.0.1:{chunked}/"),
    Case("web", "http://127.0.0.1:{ssh}/"),
    Case("web", "http://127.0.0.1:{resets}/"),
    Case("proxied", "http://127.0.0.1:{plain}/"),
    Case("connects", "127.0.0.1:{plain}"),
    Case("connects", "localhost:{plain}"),
    Case("connects", "127.0.0.1:{nobody}"),
    Case("connects_tls", "127.0.0.1:{good}"),
    Case("connects_tls", "127.0.0.1:{expired}"),
    Case("banner", "127.0.0.1:{ssh}"),
    Case("banner", "127.0.0.1:{silent}"),
    Case("banner_wrong", "127.0.0.1:{ssh}"),
    Case("mail", "127.0.0.1:{mail}"),
    Case("name", "127.0.0.1:{dns}"),
    Case("name_tcp", "127.0.0.1:{dns}"),
    Case("name_any", "127.0.0.1:{dns}"),
    Case("name_soa", "127.0.0.1:{dns}"),
    Case("name_unknown", "127.0.0.1:{dns}"),
    Case("name_unknown_well", "127.0.0.1:{dns}"),
    Case("name_is", "127.0.0.1:{dns}"),
    Case("name_is_not", "127.0.0.1:{dns}"),
    Case("name_all", "127.0.0.1:{dns}"),
    Case("name_every", "127.0.0.1:{dns}"),
    Case("name_text", "127.0.0.1:{dns}"),
    Case("name_mail", "127.0.0.1:{dns}"),
    Case("name_service", "127.0.0.1:{dns}"),
    Case("name_caa", "127.0.0.1:{dns}"),
    Case("name", "127.0.0.1:{nobody}"),
    Case("name_tcp", "127.0.0.1:{silent}"),
    Case("echo", "127.0.0.1"),
    Case("echo", "::1"),
    Case("echo_ip4", "localhost"),
    Case("echo_whole", "127.0.0.1"),
    Case("health", "127.0.0.1:{grpc}", NO_TLS),
    Case("health_of_ill", "127.0.0.1:{grpc}", NO_TLS),
    Case("health_of_nobody", "127.0.0.1:{grpc}", NO_TLS),
    Case("health_tls", "127.0.0.1:{grpc_tls}"),
    Case("health", "127.0.0.1:{nobody}", NO_TLS),
    Case("health", "127.0.0.1:{plain}", NO_TLS),
)
