"""What is never spoken to: cloud metadata in all its spellings, and after any change of a name's answer."""

from __future__ import annotations

import socket

import pytest

from model.conversation import Address, Conversation
from model.decode import decode
from model.misfit import Misfit
from probes.net import tcp
from probes.net.address import Endpoint, Url
from probes.net.blocking import hold
from probes.net.connect import Connection, Trace, Unhealthy, connect, resolve
from probes.net.host import Host, Server
from probes.net.networks import METADATA, Network
from probes.net.way import OwnAddress, Way
from tests.probes import targets
from tests.probes.targets import hang, listening, within

# One address: decimal, hexadecimal, octal, short, in enclosed digits, full width, and within IPv6.
SPELLINGS = (
    "169.254.169.254", "2852039166", "0xA9FEA9FE", "0xa9.0xfe.0xa9.0xfe", "0251.0376.0251.0376",
    "025177524776", "169.254.43518", "169.16689662", "169.254.169.254.", "①⑥⑨.②⑤④.①⑥⑨.②⑤④",
    "".join(digit if digit == "." else chr(ord(digit) + 0xFEE0) for digit in "169.254.169.254"),
)  # fmt: skip  # five to a line
WITHIN_IPV6 = (
    "::ffff:169.254.169.254", "::ffff:a9fe:a9fe", "::a9fe:a9fe", "64:ff9b::a9fe:a9fe",
    "2002:a9fe:a9fe::", "fd00:ec2::254", "fe80::a9fe:a9fe",
)  # fmt: skip  # four to a line


@pytest.mark.parametrize("host", SPELLINGS)
def test_the_metadata_address_is_known_in_every_spelling(host: str, monkeypatch: pytest.MonkeyPatch) -> None:
    way = Way(refuse=METADATA)
    endpoint = Url.parse(f"http://{host}/latest/").endpoint
    numeric = socket.getaddrinfo

    def ask(name: bytes, port: int, **more: int) -> object:
        # A resolver reads numbers like inet_aton(3); what is no number here has no answer.
        return numeric(socket.inet_ntoa(socket.inet_aton(name.decode().rstrip("."))), port, **more)

    monkeypatch.setattr(socket, "getaddrinfo", ask)
    assert way.refuses(resolve(endpoint, way))


@pytest.mark.parametrize("host", WITHIN_IPV6)
def test_the_metadata_address_is_known_within_ipv6(host: str) -> None:
    way = Way(refuse=METADATA)
    assert way.refuses(resolve(Url.parse(f"http://[{host}]/").endpoint, way))


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "10.0.0.1", "169.253.255.255", "8.8.8.8", "::1", "2001:db8::1"]
)
def test_other_addresses_are_spoken_to(host: str) -> None:
    assert not any(host in network for network in METADATA)


def test_a_refused_address_is_not_connected_to() -> None:
    trace = Trace.start(lambda: 0.0)
    way = Way(refuse=(Network.parse("127.0.0.0/8"),))
    with listening(hang) as port, pytest.raises(Unhealthy, match=r"127\.0\.0\.1 is in a network"):
        hold(connect(Endpoint("127.0.0.1", port), way, trace, 100), within(5))
    assert trace.address is not None


def test_a_name_whose_answer_changes_is_connected_to_where_it_was_judged(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    answers = iter(["127.0.0.1", "169.254.169.254", "169.254.169.254"])
    numeric = socket.getaddrinfo

    def ask(name: bytes, port: int, **more: int) -> object:
        return numeric(next(answers), port, **more)

    monkeypatch.setattr(socket, "getaddrinfo", ask)
    trace = Trace.start(lambda: 0.0)
    way = Way(refuse=METADATA)
    with listening(hang) as port:
        hold(connect(Endpoint("rebinds.localhost", port), way, trace, 100), within(5))
        assert trace.address == Address(socket.AF_INET, ("127.0.0.1", port))
        with pytest.raises(Unhealthy, match="not spoken to"):
            hold(connect(Endpoint("rebinds.localhost", port), way, trace, 100), within(5))


@pytest.mark.parametrize("text", ["10.0.0.1/8", "x", "", "300.0.0.0/8", "::/200"])
def test_what_is_no_network_is_refused(text: str) -> None:
    with pytest.raises(Misfit, match="is not a network"):
        Network.parse(text)


def seen_from(way: Way, port: int) -> bytes:
    """Connect, and return what the target says of us."""

    def talk() -> Conversation[bytes]:
        connection = Connection(100)
        yield from connection.open(Address(socket.AF_INET, ("127.0.0.1", port)), way)
        return (yield from connection.take(100))

    return hold(talk(), within(5))


def test_the_own_address_can_be_chosen() -> None:
    def tell(connection: targets.Connection) -> None:
        connection.socket.sendall(connection.socket.getpeername()[0].encode())

    with listening(tell) as port:
        assert seen_from(Way(source=OwnAddress.parse("127.0.0.3")), port) == b"127.0.0.3"
        with pytest.raises(Unhealthy, match="differ in their IP version"):
            seen_from(Way(source=OwnAddress.parse("::1")), port)
        with pytest.raises(OSError, match="assign requested address"):
            seen_from(Way(source=OwnAddress.parse("192.0.2.9")), port)
    with pytest.raises(Misfit, match="is not an IP address"):
        OwnAddress.parse("localhost")


def test_a_target_of_the_other_ip_version_is_down_where_that_is_not_allowed() -> None:
    with pytest.raises(Unhealthy, match="no address of the IP version"):
        resolve(Endpoint("127.0.0.1", 80), Way("ip6", fallback=False))


@pytest.mark.parametrize(
    ("text", "host", "port"),
    [
        ("localhost", "localhost", 53),
        ("localhost:5", "localhost", 5),
        ("::1", "::1", 53),
        ("[::1]", "::1", 53),
        ("[::1]:5", "::1", 5),
        ("127.0.0.1:5", "127.0.0.1", 5),
    ],
)
def test_a_server_is_a_host_with_or_without_a_port(text: str, host: str, port: int) -> None:
    server = Server.parse(text)
    assert server.endpoint(53) == Endpoint(host, port)
    assert Server.parse(str(server)) == server


@pytest.mark.parametrize("text", ["", "a b", "a:b", "a:0", "[", "x/y", "a:1:2"])
def test_what_is_no_host_is_refused(text: str) -> None:
    for kind in (Host, Server):
        with pytest.raises(Misfit):
            kind.parse(text)


@pytest.fixture
def dual(monkeypatch: pytest.MonkeyPatch) -> None:
    """Give every name both an address of IPv4 and one of IPv6, this machine's own."""
    numeric = socket.getaddrinfo

    def ask(name: bytes, port: int, **more: int) -> list[object]:
        hosts = (b"::1",) if name.startswith(b"six") else (b"127.0.0.1", b"::1")
        return [found for host in hosts for found in numeric(host, port, **more)]

    monkeypatch.setattr(socket, "getaddrinfo", ask)


def told(port: int, name: str, preferred: str) -> tuple[float, float]:
    text = f"{{target: '{name}.example.com:{port}', preferred_ip_protocol: {preferred}}}"
    seen = targets.values(tcp.run(decode(text.encode(), "f", tcp.Options), within(5)))
    return seen["probe_success"], seen["probe_ip_protocol"]


@pytest.mark.usefixtures("dual")
@pytest.mark.skipif(not socket.has_ipv6, reason="no IPv6 here")
def test_each_side_of_a_name_is_looked_at_by_itself_and_told() -> None:
    with listening(hang, host="::1") as port:
        assert told(port, "both", "ip6") == (1, 6)
        assert told(port, "both", "ip4") == (0, 4)
        assert told(port, "six", "ip4") == (1, 6)
    with listening(hang) as port:
        assert told(port, "both", "ip4") == (1, 4)
        assert told(port, "both", "ip6") == (0, 6)
