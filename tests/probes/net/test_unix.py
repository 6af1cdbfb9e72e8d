from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from model.decode import decode
from model.misfit import Rejected
from probes.net import unix
from probes.net.unix import Options
from tests.probes.targets import Certificate, values, within


@contextmanager
def served(path: Path, behaviour: Callable[[socket.socket], object]) -> Iterator[None]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as server:
        server.bind(str(path))
        server.listen()

        def serve() -> None:
            try:
                end, _ = server.accept()
            except OSError:
                return
            with end:
                end.settimeout(5)
                behaviour(end)

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield
        finally:
            server.shutdown(socket.SHUT_RDWR)
            thread.join()


def run(path: Path, more: str = "", limit_s: float = 5) -> tuple[dict[str, float], str]:
    options = decode(f"{{target: '{path}'{more}}}".encode(), "f", Options)
    told = list(unix.run(options, within(limit_s)))
    return values(told), next((one.text for one in told if hasattr(one, "text")), "")


def test_a_socket_is_talked_with(tmp_path: Path) -> None:
    path = tmp_path / "s"

    def pong(end: socket.socket) -> None:
        assert end.recv(100) == b"PING\n"
        end.sendall(b"PONG 7\n")

    talk = ", query_response: [{send: PING}, {expect: 'PONG (.)', labels: [{name: answer, value: '${1}'}]}]"
    with served(path, pong):
        told, failure = run(path, talk)
    assert (told["probe_success"], failure) == (1, "")
    assert told['probe_expect_info{answer="7"}'] == 1
    assert "probe_ip_protocol" not in told


def test_exact_bytes_can_be_expected(tmp_path: Path) -> None:
    path = tmp_path / "s"
    with served(path, lambda end: end.sendall(b"S")):
        assert run(path, ", query_response: [{expect_bytes: S}]")[0]["probe_success"] == 1
    path.unlink()
    with served(path, lambda end: end.sendall(b"N")):
        told, failure = run(path, ", query_response: [{expect_bytes: S}]")
    assert (told["probe_failed_due_to_bytes"], failure) == (1, "the target sent other bytes than expected")


def test_a_last_line_may_lack_its_end(tmp_path: Path) -> None:
    path = tmp_path / "s"
    with served(path, lambda end: end.sendall(b"well")):
        assert run(path, ", query_response: [{expect: ^well$}]")[0]["probe_success"] == 1


def test_a_socket_that_is_not_there_or_hangs_is_down(tmp_path: Path) -> None:
    assert run(tmp_path / "none")[1] == "the connection failed: No such file or directory"
    (tmp_path / "dead").touch()
    assert run(tmp_path / "dead")[1] == "the connection failed: Connection refused"
    released = threading.Event()
    with served(tmp_path / "s", lambda _: released.wait(5)):
        assert (
            run(tmp_path / "s", ", query_response: [{expect: x}]", 0.4)[1]
            == "the target did not finish in time"
        )
        released.set()


@pytest.mark.needs("openssl")
def test_tls_needs_a_name(tmp_path: Path, of_another: Certificate) -> None:
    def secure(end: socket.socket) -> None:
        with of_another.server().wrap_socket(end, server_side=True) as secured:
            secured.sendall(b"hello\n")

    with served(tmp_path / "s", secure):
        config = f"tls_config: {{ca_file: {of_another.path}, server_name: another.example}}"
        told, failure = run(tmp_path / "s", f", tls: true, {config}, query_response: [{{expect: hello}}]")
    assert (told["probe_success"], failure) == (1, "")
    assert told["probe_ssl_earliest_cert_expiry"] == of_another.end_s()
    with pytest.raises(Rejected, match="a path does not name a server"):
        run(tmp_path / "s", ", tls: true")


@pytest.mark.parametrize("text", [b"{target: s}", b"{target: /" + b"x" * 200 + b"}"])
def test_what_is_no_path_of_a_socket_is_refused(text: bytes) -> None:
    with pytest.raises(Rejected, match="is not the path of a socket"):
        decode(text, "f", Options)
