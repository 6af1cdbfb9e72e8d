from __future__ import annotations

import os
import pwd
from pathlib import Path

import pytest

from probes.net.address import Url
from probes.service import nginx
from probes.service.nginx import Options
from probes.service.wire import Refused
from tests.probes.service.servers import answers, cut, endless, garbage, program, remarks, running, until
from tests.probes.targets import (
    Behaviour,
    answering,
    drip,
    hang,
    listening,
    page,
    unused_port,
    values,
    within,
)

CONFIG = """
daemon off;
user {user};
pid {folder}/pid;
error_log {folder}/error.log;
events {{ worker_connections 16; }}
http {{
  access_log off;
  {paths}
  server {{
    listen 127.0.0.1:{port};
    location = /stub_status {{ stub_status; }}
    location = /denied {{ deny all; stub_status; }}
    location = /page {{ return 200 "hello"; }}
  }}
}}
"""
PAGE = (
    b"Active connections: 291 \nserver accepts handled requests\n 16630948 16630940 31070465 \n"
    b"Reading: 6 Writing: 179 Waiting: 106 \n"
)


def look(url: str) -> dict[str, float]:
    return values(nginx.run(Options(Url.parse(url)), within(10)))


@pytest.mark.needs("nginx")
def test_a_server_tells_of_itself(tmp_path: Path) -> None:
    port, config = unused_port(), tmp_path / "nginx.conf"
    kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    paths = " ".join(f"{kind}_temp_path {tmp_path};" for kind in kinds)
    user = pwd.getpwuid(os.geteuid()).pw_name
    config.write_text(CONFIG.format(folder=tmp_path, port=port, paths=paths, user=user))
    base = f"http://127.0.0.1:{port}"
    with running([program("nginx"), "-c", str(config), "-p", str(tmp_path)], tmp_path):
        until(lambda: answers(port), "nginx")
        first = look(f"{base}/stub_status")
        again = look(f"{base}/stub_status")
        assert first["nginx_up"] == 1
        assert first["nginx_connections_active"] >= 1
        assert again["nginx_http_requests_total"] == first["nginx_http_requests_total"] + 1
        assert again["nginx_connections_accepted"] == again["nginx_connections_handled"]
        assert again["nginx_connections_writing"] == 1
        for path, sentence in (("denied", "403"), ("none", "404"), ("page", "not that of stub_status")):
            with pytest.raises(Refused, match=sentence):
                look(f"{base}/{path}")
    assert look(f"{base}/stub_status") == {"nginx_up": 0}


def test_the_fields_of_the_page_are_told_apart() -> None:
    assert values(nginx.samples(PAGE)) == {
        "nginx_connections_active": 291,
        "nginx_connections_accepted": 16630948,
        "nginx_connections_handled": 16630940,
        "nginx_http_requests_total": 31070465,
        "nginx_connections_reading": 6,
        "nginx_connections_writing": 179,
        "nginx_connections_waiting": 106,
    }


@pytest.mark.parametrize(
    "body", [b"", PAGE + b"x", PAGE.replace(b"291", b"9" * 30), PAGE.replace(b"6 W", b"-6 W")]
)
def test_another_page_is_not_taken_for_the_status(body: bytes) -> None:
    with pytest.raises(Refused):
        list(nginx.samples(body))


def test_a_server_that_fails_is_down() -> None:
    with answering(page(b"", status="502 Bad Gateway")) as target:
        seen = list(nginx.run(Options(Url.parse(target.url)), within(5)))
    assert (values(seen), remarks(seen)) == ({"nginx_up": 0}, ["the status is 502"])


def test_a_server_is_not_followed_elsewhere() -> None:
    elsewhere = page(b"", "Location: http://127.0.0.1/", status="302 Found")
    with answering(elsewhere) as target, pytest.raises(Refused, match="302"):
        look(target.url)


@pytest.mark.parametrize("behaviour", [garbage, endless, cut, drip, hang])
def test_a_server_that_answers_oddly_is_down(behaviour: Behaviour) -> None:
    with listening(behaviour) as port:
        options = Options(Url.parse(f"http://127.0.0.1:{port}/"))
        assert values(nginx.run(options, within(0.5))) == {"nginx_up": 0}
