"""Real servers for the probes of the network: programs of the system, and small ones of our own."""

from __future__ import annotations

import binascii
import hashlib
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import h2.config
import h2.connection
import h2.events
from aiosmtpd.controller import Controller

from tests.probes.targets import Certificate, Connection, listening, unused_port

START_S = 15.0


@contextmanager
def program(argv: list[str], ready: Callable[[], bool], log: Path) -> Iterator[None]:
    """Run a program in the foreground until the block ends; it is up when ``ready`` says so."""
    with log.open("wb") as out:
        process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=out, stderr=out)
    try:
        until = time.monotonic() + START_S
        while not ready():
            assert process.poll() is None, f"{argv[0]} ended: {log.read_text()}"
            assert time.monotonic() < until, f"{argv[0]} is not up: {log.read_text()}"
            time.sleep(0.02)
        yield
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(10)


def takes_connections(port: int) -> bool:
    with suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
        return True
    return False


@dataclass(frozen=True)
class Web:
    """An nginx: in the clear, and with each of three certificates."""

    plain: int
    good: int
    expired: int
    other: int


PAGE = b"<html><body>We are well, thank you.</body></html>\n"
LARGE = b"0123456789abcdef" * 320_000


@contextmanager
def nginx(folder: Path, good: Certificate, expired: Certificate, other: Certificate) -> Iterator[Web]:
    web = Web(*(unused_port() for _ in range(4)))
    pages = folder / "pages"
    pages.mkdir()
    (pages / "index.html").write_bytes(PAGE)
    (pages / "large.bin").write_bytes(LARGE)
    (pages / "packed.html").write_bytes(PAGE * 200)
    secure = "".join(
        f"server {{ listen 127.0.0.1:{port} ssl; root {pages};"
        f" ssl_certificate {one.path}; ssl_certificate_key {one.key}; }}\n"
        for port, one in ((web.good, good), (web.expired, expired), (web.other, other))
    )
    (folder / "nginx.conf").write_text(
        f"""
daemon off; master_process off; pid {folder}/nginx.pid; error_log stderr;
events {{}}
http {{
  access_log off; default_type text/html;
  client_body_temp_path {folder}/b; proxy_temp_path {folder}/p; fastcgi_temp_path {folder}/f;
  uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;
  server {{
    listen 127.0.0.1:{web.plain}; root {pages};
    location /missing {{ return 404; }}
    location /broken {{ return 500 "out of order\\n"; }}
    location /empty {{ return 204; }}
    location /moved {{ return 302 /; }}
    location /secure {{ return 301 https://127.0.0.1:{web.good}/; }}
    location /loop {{ return 302 /loop; }}
    location /packed.html {{ gzip on; gzip_min_length 1; gzip_types text/html; }}
    location /private {{ auth_basic x; auth_basic_user_file {folder}/users; try_files /index.html =404; }}
    location /said {{
      add_header X-Said "$http_x_key"; add_header X-Host "$host"; return 200 "$request_method\\n";
    }}
  }}
  {secure}
}}
"""
    )
    (folder / "users").write_text("ada:{PLAIN}s3cret\n")
    argv = ["nginx", "-p", str(folder), "-c", str(folder / "nginx.conf")]
    with program(argv, lambda: takes_connections(web.good), folder / "nginx.log"):
        yield web


def asks_dns(port: int) -> bool:
    """Tell whether somebody answers DNS there: a query for the root's name servers."""
    query = bytes.fromhex("abcd01000001000000000000") + b"\0\0\x02\0\x01"
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as end, suppress(OSError):
        end.settimeout(0.5)
        end.connect(("127.0.0.1", port))
        end.send(query)
        return end.recv(512)[:2] == query[:2]
    return False


@contextmanager
def dnsmasq(folder: Path) -> Iterator[int]:
    """Serve some names of example.com, and refuse all others."""
    port = unused_port()
    argv = [
        "dnsmasq", "--no-daemon", "--no-resolv", "--no-hosts", "--conf-file=/dev/null",
        f"--port={port}", "--listen-address=127.0.0.1", "--bind-interfaces", "--local-ttl=60",
        "--auth-zone=example.com,127.0.0.0/8", "--auth-server=ns.example.com,127.0.0.1",
        "--auth-soa=2025112201,admin.example.com,1200,120,1209600",
        "--host-record=www.example.com,127.0.0.7,::7", "--host-record=ns.example.com,127.0.0.1",
        "--host-record=two.example.com,127.0.0.8", "--host-record=two.example.com,127.0.0.9",
        "--cname=alias.example.com,www.example.com",
        "--txt-record=example.com,v=spf1 -all,two words", "--mx-host=example.com,www.example.com,10",
        "--srv-host=_sip._tcp.example.com,www.example.com,5060,1,2",
        "--caa-record=example.com,0,issue,ca.example",
        "--address=/blocked.test/",
    ]  # fmt: skip  # one thing on one line
    with program(argv, lambda: asks_dns(port), folder / "dnsmasq.log"):
        yield port


Reply = Callable[[bytes], list[bytes]]


@contextmanager
def datagrams(reply: Reply) -> Iterator[int]:
    """Answer each datagram with those that ``reply`` returns."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as end:
        end.bind(("127.0.0.1", 0))
        end.settimeout(10)

        def serve() -> None:
            while True:
                try:
                    query, peer = end.recvfrom(2000)
                except OSError:
                    return
                if query == b"end":
                    return
                for data in reply(query):
                    end.sendto(data, peer)

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield end.getsockname()[1]
        finally:
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stop:
                stop.sendto(b"end", end.getsockname())
            thread.join()


def answer(query: bytes, records: bytes = b"", count: int = 0, flags: int = 0x8180) -> bytes:
    counts = (1, count, 0, 0)
    head = query[:2] + b"".join(part.to_bytes(2, "big") for part in (flags, *counts))
    return head + query[12:] + records


# A record of the name that was asked for: 127.0.0.7.
ADDRESS = b"\xc0\x0c\0\1\0\1\0\0\0\x3c\0\4\x7f\0\0\7"


@contextmanager
def smtp(certificate: Certificate) -> Iterator[int]:
    """Serve SMTP with STARTTLS."""
    port = unused_port()
    controller = Controller(object(), hostname="127.0.0.1", port=port, tls_context=certificate.server())
    controller.start()
    try:
        yield port
    finally:
        controller.stop()


HEALTH = {"": 1, "well": 1, "ill": 2, "odd": 0}


def health(connection: Connection) -> None:
    """Answer gRPC health checks of one connection, as ``HEALTH`` says; other services are unknown."""
    end = connection.socket
    config = h2.config.H2Configuration(client_side=False, header_encoding="utf-8")
    http2 = h2.connection.H2Connection(config)
    http2.initiate_connection()
    end.sendall(http2.data_to_send())
    asked: dict[int, bytes] = {}
    while data := end.recv(65536):
        for event in http2.receive_data(data):
            if isinstance(event, h2.events.DataReceived):
                asked[event.stream_id] = asked.get(event.stream_id, b"") + event.data
                http2.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
            elif isinstance(event, h2.events.StreamEnded):
                _answer_health(http2, event.stream_id, asked.get(event.stream_id, b"")[7:].decode())
        end.sendall(http2.data_to_send())


def _answer_health(http2: h2.connection.H2Connection, stream: int, service: str) -> None:
    head = [(":status", "200"), ("content-type", "application/grpc")]
    if service not in HEALTH:
        http2.send_headers(
            stream, [*head, ("grpc-status", "5"), ("grpc-message", "unknown service")], end_stream=True
        )
        return
    message = bytes((8, HEALTH[service])) if HEALTH[service] else b""
    http2.send_headers(stream, head)
    http2.send_data(stream, b"\0" + len(message).to_bytes(4, "big") + message)
    http2.send_headers(stream, [("grpc-status", "0")], end_stream=True)


@contextmanager
def grpc(certificate: Certificate | None = None) -> Iterator[int]:
    """Serve gRPC health checks."""
    tls = certificate.server() if certificate else None
    if tls:
        tls.set_alpn_protocols(["h2"])
    with listening(health, tls) as port:
        yield port


def upgrade(connection: Connection) -> bytes:
    """Agree to speak WebSocket, and return the question."""
    question = connection.request()
    fields = dict(line.split(b": ", 1) for line in question.split(b"\r\n")[1:] if b": " in line)
    named = {name.lower(): value for name, value in fields.items()}
    digest = hashlib.sha1(named[b"sec-websocket-key"] + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest()
    accept = binascii.b2a_base64(digest, newline=False)
    connection.socket.sendall(
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Accept: " + accept + b"\r\n\r\n"
    )
    return question


def said(connection: Connection) -> bytes:
    """Return the next short message of a client, unmasked."""
    end = connection.socket
    head = end.recv(2, socket.MSG_WAITALL)
    if len(head) < 2:
        return b""
    size = head[1] & 0x7F
    mask, data = end.recv(4, socket.MSG_WAITALL), end.recv(size, socket.MSG_WAITALL) if size else b""
    return bytes(byte ^ mask[at % 4] for at, byte in enumerate(data))


def message(text: bytes, kind: int = 1) -> bytes:
    """Return a short frame of a server."""
    return bytes((0x80 | kind, len(text))) + text
