from __future__ import annotations

from pathlib import Path

import pytest

from agent.discovery import nginx_conf
from agent.discovery.trees import Trees
from probes.host.roots import PROCFS, Tree

STATUS = "location = /status { stub_status; }"


def at(root: Path, **files: str) -> list[nginx_conf.Directive]:
    """Read a configuration of these files."""
    folder = root / "etc/nginx"
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (folder / f"{name}.conf").write_text(text)
    return nginx_conf.directives(Trees(PROCFS, Tree(root)), "/etc/nginx/nginx.conf")


@pytest.mark.parametrize(
    ("servers", "url"),
    [
        (f"server {{ listen 8080; {STATUS} }}", "http://127.0.0.1:8080/status"),
        (f"server {{ {STATUS} }}", "http://127.0.0.1:80/status"),
        (f"server {{ listen [::1]:81; {STATUS} }}", "http://[::1]:81/status"),
        (f"server {{ listen 443 ssl; listen 127.0.0.1:82; {STATUS} }}", "http://127.0.0.1:82/status"),
        ('server { listen 83; location "/a b" { stub_status; } }', "http://127.0.0.1:83/a b"),
        (f"server {{ listen 84; }} server {{ listen 84 default_server; {STATUS} }}", "http://127.0.0.1:84/status"),
        (f"server {{ listen 85; }} server {{ listen 85; server_name localhost; {STATUS} }}", "http://localhost:85/status"),
        # Another server answers at that address, or nobody does on loopback.
        (f"server {{ listen 86; }} server {{ listen 86; server_name a.example; {STATUS} }}", ""),
        (f"server {{ listen 192.0.2.1:87; {STATUS} }}", ""),
        (f"server {{ listen unix:/run/nginx.sock; {STATUS} }}", ""),
        ("server { location ~ ^/s { stub_status; } }", ""),
        (f"# server {{ {STATUS} }}", ""),
    ],
)  # fmt: skip  # one to a line
def test_a_status_page_has_the_address_by_which_loopback_reaches_it(
    tmp_path: Path, servers: str, url: str
) -> None:
    found = dict(nginx_conf.status_pages(at(tmp_path, nginx=f"http {{ {servers} }}")))
    assert found == ({url: "/etc/nginx/nginx.conf"} if url else {})


def test_files_that_are_included_are_read_where_they_stand(tmp_path: Path) -> None:
    found = at(tmp_path, nginx="http { server { listen 88; include si*.conf; } }", site=STATUS)
    assert dict(nginx_conf.status_pages(found)) == {"http://127.0.0.1:88/status": "/etc/nginx/site.conf"}


def test_a_configuration_that_includes_itself_comes_to_an_end(tmp_path: Path) -> None:
    assert len(at(tmp_path, nginx="include /etc/nginx/*.conf; pid /run/a.pid;")) < 100


@pytest.mark.parametrize(
    "text", ["", "}", "}}}; pid", '"', "'", "pid '/run/a;", "{" * 5000, "a;" * 30_000, "\\", "${"]
)
def test_what_is_no_configuration_is_read_without_harm(tmp_path: Path, text: str) -> None:
    found = at(tmp_path, nginx=text)
    assert list(nginx_conf.status_pages(found)) == []
    assert list(nginx_conf.values(found, "pid")) == []


def test_paths_with_variables_name_no_file(tmp_path: Path) -> None:
    found = at(
        tmp_path, nginx="ssl_certificate /etc/$host.pem; ssl_certificate /etc/a.pem; ssl_certificate b.pem;"
    )
    assert list(nginx_conf.values(found, "ssl_certificate")) == ["/etc/a.pem"]


def test_the_command_line_names_the_configuration() -> None:
    assert (
        nginx_conf.main_file("nginx: master process /usr/sbin/nginx -c /srv/n.conf -p /srv") == "/srv/n.conf"
    )
    assert nginx_conf.main_file("nginx: master process nginx -g daemon off;") == nginx_conf.USUAL
