"""A certificate that is about to expire is renewed and served; one that is not renewed is left to people."""

from __future__ import annotations

import shlex
import socket
import ssl
import subprocess
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest

from tests.e2e import servers
from tests.e2e.faults.scene import Scene, acting, shipped
from tests.e2e.faults.vain import BY_ITSELF, QUICKLY, left_to_people
from tests.e2e.installation import Tree
from tests.e2e.ports import Port
from tests.e2e.servers import START_S, Nginx

ALERT: Final = "BlackboxSslCertificateWillExpireSoon"
DAYS_LEFT: Final = 5
DAYS_NEW: Final = 90


def openssl(*words: str) -> None:
    subprocess.run(("openssl", *words), check=True, capture_output=True, timeout=30)


@dataclass(frozen=True, slots=True)
class Authority:
    """A certificate authority of our own, and the one certificate that it issues."""

    folder: Path

    @property
    def root(self) -> Path:
        """What whoever trusts it knows of it."""
        return self.folder / "ca.pem"

    @property
    def certificate(self) -> Path:
        """What is issued."""
        return self.folder / "shop.pem"

    @property
    def key(self) -> Path:
        """The key that belongs to what is issued."""
        return self.folder / "shop.key"

    def found(self) -> None:
        """Make the authority, and a request for a certificate."""
        self.folder.mkdir()
        new = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")
        ca = (*new, "-keyout", str(self.folder / "ca.key"), "-out", str(self.root))
        openssl("req", "-x509", "-days", "3650", "-subj", "/CN=Test Authority", *ca)
        asked = (*new, "-keyout", str(self.key), "-out", str(self.folder / "shop.csr"))
        openssl("req", "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost", *asked)

    def argv(self, days: int) -> tuple[str, ...]:
        """Return the command that issues the certificate for so many days."""
        files = ("-in", self.folder / "shop.csr", "-out", self.certificate)
        by = ("-CA", self.root, "-CAkey", self.folder / "ca.key", "-CAcreateserial")
        words = ("/usr/bin/openssl", "x509", "-req", "-copy_extensions", "copy", "-days", days, *files, *by)
        return tuple(map(str, words))

    def issue(self, days: int) -> None:
        """Issue it now."""
        subprocess.run(self.argv(days), check=True, capture_output=True, timeout=30)


def serve(server: Nginx, authority: Authority) -> None:
    """Start an nginx that shows the certificate."""
    server.write()
    shown = f"ssl_certificate {authority.certificate};\n ssl_certificate_key {authority.key};"
    text = server.config.read_text().replace(f"listen {server.port};", f"listen {server.port} ssl; {shown}")
    server.config.write_text(text)
    subprocess.run(server.start_argv, check=True, timeout=START_S, stdin=subprocess.DEVNULL)


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    made = Authority(tmp_path / "ca")
    made.found()
    made.issue(DAYS_LEFT)
    return made


@pytest.fixture
def shop(stack: ExitStack, tmp_path: Path, port: Callable[[], Port], authority: Authority) -> Nginx:
    server = Nginx(tmp_path / "nginx", port())
    stack.callback(servers.end, server)
    serve(server, authority)
    return server


def days_served(server: Nginx, authority: Authority, now_s: float) -> float:
    """Return for how many days what the server shows is still valid."""
    context = ssl.create_default_context(cafile=str(authority.root))
    with (
        socket.create_connection(("127.0.0.1", server.port.number), timeout=5) as plain,
        context.wrap_socket(plain, server_hostname="localhost") as spoken,
    ):
        shown = spoken.getpeercert()
        assert shown
        return (ssl.cert_time_to_seconds(str(shown["notAfter"])) - now_s) / 86_400


def scene(
    folder: Path, server: Nginx, authority: Authority, argv: tuple[str, ...], **changes: object
) -> Scene:
    """Let the shipped playbook renew by this command what this server shows, and have it read it."""
    steps = [
        {"renew_certificate": {"certificate": str(authority.certificate), "tool": "cmd", "argv": list(argv)}},
        {"command": {"argv": [*server.check_argv[:-2], "-s", "reload"]}},
    ]
    tls = {"ca_file": str(authority.root), "server_name": "localhost"}
    probe: Tree = {"tls": {"target": str(server.port), "tls_config": tls}, "every": "1s", "timeout": "1s"}
    answers = [f'alertname="{ALERT}"']
    playbook = shipped("renew-certificate", on=answers, guard=BY_ITSELF, steps=steps, **changes)
    return Scene(folder, (probe,), (playbook,), packs=("certificates",))


@pytest.mark.needs("nginx", "openssl")
def test_a_certificate_near_its_end_is_renewed_and_the_server_shows_the_new_one(
    tmp_path: Path, shop: Nginx, authority: Authority
) -> None:
    argv = authority.argv(DAYS_NEW)
    with acting(scene(tmp_path, shop, authority, argv)) as stage:
        assert stage.wait_outcomes() == ["fixed"], stage.story()
        renewed, reloaded = stage.steps()
        assert renewed["ok"], stage.story()
        assert reloaded["ok"], stage.story()
        assert shlex.join(argv) in renewed["step"]
    assert days_served(shop, authority, shop.config.stat().st_mtime) > DAYS_NEW - 2


@pytest.mark.needs("nginx", "openssl")
def test_where_renewing_issues_the_same_certificate_it_is_tried_twice_and_left_to_people(
    tmp_path: Path, shop: Nginx, authority: Authority
) -> None:
    kept = tmp_path / "kept.pem"
    kept.write_bytes(authority.certificate.read_bytes())
    argv = ("/bin/cp", str(kept), str(authority.certificate))
    with acting(scene(tmp_path, shop, authority, argv, verify=QUICKLY)) as stage:
        left_to_people(stage, ALERT, "failed")
        assert all("it was not renewed" in step["reason"] for step in stage.steps()), stage.story()
    assert days_served(shop, authority, shop.config.stat().st_mtime) < DAYS_LEFT + 1
