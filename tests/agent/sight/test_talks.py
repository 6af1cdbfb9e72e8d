from __future__ import annotations

import errno
import resource
import select
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

import pytest

from agent.sight.pool import Done, Pool
from agent.sight.talks import Hanging, Talk, Talks
from model.conversation import RECEIVE, Address, Aside, Connect, Conversation, Send
from model.decode import decode
from model.plugin import Deadline, DeadlinePassed
from model.sample import Sample
from probes.net import http, tcp
from tests.probes.targets import Connection, answering, drip, hang, listening, page, unused_port

PATIENCE_S = 20.0


class Table:
    """Conversations with a pool beside them, gone on with by hand."""

    def __init__(self, threads_max: int = 4) -> None:
        self.pool = Pool(threads_max, lambda: None)
        self.talks = Talks(time.monotonic, self.pool)
        self.done: list[Done] = []

    def begin(self, key: object, conversation: Conversation[object], limit_s: float = PATIENCE_S) -> None:
        self.talks.begin(key, conversation, time.monotonic() + limit_s)

    def turn(self) -> None:
        select.select([self.talks], [], [], 0.01)
        self.talks.listen()
        for done in self.pool.finished():
            self.talks.told(done)
        self.talks.turn()
        self.done += self.talks.finished()

    def until(self, enough: Callable[[], object]) -> None:
        end_s = time.monotonic() + PATIENCE_S
        while not enough():
            assert time.monotonic() < end_s, f"only {self.done} came"
            self.turn()

    def all(self, count: int) -> dict[object, Done]:
        self.until(lambda: len(self.done) >= count)
        assert len(self.done) == count
        return {done.key: done for done in self.done}

    def close(self) -> None:
        self.talks.close()
        self.pool.close()


@pytest.fixture
def table() -> Iterator[Table]:
    made = Table()
    yield made
    made.close()


def local(port: int, host: str = "127.0.0.1") -> Address:
    return Address(socket.AF_INET, (host, port))


def exchange(port: int, said: bytes = b"hello") -> Conversation[bytes]:
    """Say something and return all that is answered."""
    yield Connect(local(port))
    yield Send(said)
    heard = b""
    while True:
        data = yield RECEIVE
        assert isinstance(data, bytes)
        if not data:
            return heard
        heard += data


def check(url: str, limit_s: float = PATIENCE_S) -> Conversation[object]:
    options = decode(f"{{target: '{url}'}}".encode(), "f", http.PROBE.options)
    return http.converse(options, Deadline(time.monotonic() + limit_s, time.monotonic))


def success(done: Done) -> float:
    assert done.error is None
    told = {one.labels.name: one.value for one in done.value if isinstance(one, Sample)}  # type: ignore[attr-defined]  # samples
    return told["probe_success"]


def echo(connection: Connection) -> None:
    connection.socket.sendall(connection.socket.recv(1000).upper())


@contextmanager
def full_backlog() -> Iterator[int]:
    """Listen where no more connections are taken: what comes next is dropped, as by a firewall."""
    with ExitStack() as held:
        server = held.enter_context(socket.create_server(("127.0.0.1", 0), backlog=0))
        port: int = server.getsockname()[1]
        for _ in range(8):
            waiting = held.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(("127.0.0.1", port))
        yield port


def test_a_conversation_is_answered_and_its_end_told(table: Table) -> None:
    with listening(echo) as port:
        table.begin("a", exchange(port))
        assert table.all(1) == {"a": Done("a", b"HELLO", None)}


def test_an_http_check_is_held_like_on_a_thread(table: Table) -> None:
    with answering(page(b"x" * 200_000)) as good, answering(page(status="500 X")) as bad:
        table.begin("good", check(good.url))
        table.begin("bad", check(bad.url))
        found = table.all(2)
    assert (success(found["good"]), success(found["bad"])) == (1, 0)


def test_a_thousand_conversations_are_held_at_once(table: Table) -> None:
    count = 1000
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 2 * count), hard))
    begun = threading.Event()

    def serve(server: socket.socket) -> None:
        begun.wait(PATIENCE_S)
        for _ in range(count):
            with server.accept()[0] as taken:
                taken.sendall(taken.recv(100))

    try:
        with socket.create_server(("127.0.0.1", 0), backlog=2 * count) as server:
            server.settimeout(PATIENCE_S)
            thread = threading.Thread(target=serve, args=(server,))
            thread.start()
            for number in range(count):
                table.begin(number, exchange(server.getsockname()[1], b"%d" % number))
            assert table.done == []
            begun.set()
            found = table.all(count)
            thread.join()
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert found == {number: Done(number, b"%d" % number, None) for number in range(count)}


@pytest.mark.parametrize("behaviour", [hang, drip], ids=["says nothing", "says a byte now and then"])
def test_a_slow_target_is_down_by_one_deadline_for_all(
    table: Table, behaviour: Callable[[Connection], object]
) -> None:
    with listening(behaviour) as port:
        began_s = time.monotonic()
        table.begin("slow", check(f"http://127.0.0.1:{port}/"), limit_s=0.5)
        found = table.all(1)
        assert time.monotonic() - began_s < 5
    assert success(found["slow"]) == 0


def test_a_target_that_swallows_what_it_is_sent_is_down(table: Table) -> None:
    with full_backlog() as port:
        table.begin("dropped", check(f"http://127.0.0.1:{port}/"), limit_s=0.5)
        assert success(table.all(1)["dropped"]) == 0


def test_refused_unreachable_and_reset_are_told_apart(table: Table) -> None:
    def connecting(address: Address) -> Conversation[None]:
        yield Connect(address)
        yield RECEIVE

    with listening(Connection.reset) as port:
        table.begin("refused", connecting(local(unused_port())))
        table.begin("unreachable", connecting(local(80, "127.255.255.255")))  # the broadcast of loopback
        table.begin("reset", connecting(local(port)))
        found = table.all(3)
    errors = {key: done.error.errno for key, done in found.items() if isinstance(done.error, OSError)}
    assert errors == {
        "refused": errno.ECONNREFUSED,
        "unreachable": errno.ENETUNREACH,
        "reset": errno.ECONNRESET,
    }


def test_no_file_descriptor_left_is_trouble_of_this_side_and_not_of_the_target(table: Table) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with answering(page()) as target:
        resource.setrlimit(resource.RLIMIT_NOFILE, (3, hard))
        try:
            table.begin("none left", check(target.url))
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        error = table.all(1)["none left"].error
    assert isinstance(error, OSError)
    assert error.errno == errno.EMFILE


def test_who_asks_without_end_delays_no_other_and_ends_at_its_deadline(table: Table) -> None:
    def busy(port: int) -> Conversation[None]:
        yield Connect(local(port))
        while True:
            yield Send(b"")

    with listening(hang) as port, listening(echo) as other:
        table.begin("busy", busy(port), limit_s=0.5)
        table.begin("other", exchange(other))
        table.until(lambda: table.done)
        assert table.done[0].key == "other"
        assert isinstance(table.all(2)["busy"].error, DeadlinePassed)


def test_who_asks_after_the_deadline_is_ended(table: Table) -> None:
    def deaf(port: int) -> Conversation[None]:
        yield Connect(local(port))
        while True:
            try:
                yield RECEIVE
            except DeadlinePassed:
                continue

    with listening(hang) as port:
        table.begin("deaf", deaf(port), limit_s=0.1)
        assert isinstance(table.all(1)["deaf"].error, DeadlinePassed)


def test_a_target_that_does_not_read_is_left_at_the_deadline(table: Table) -> None:
    with listening(hang) as port:
        table.begin("full", exchange(port, b"x" * 20_000_000), limit_s=0.3)
        assert isinstance(table.all(1)["full"].error, DeadlinePassed)


def test_what_takes_long_is_done_aside_and_its_error_thrown_in(table: Table) -> None:
    def fail() -> None:
        raise LookupError("no such thing")

    def asking() -> Conversation[tuple[object, str]]:
        thread = yield Aside(threading.get_ident)
        try:
            yield Aside(fail)
        except LookupError as wrong:
            return thread, str(wrong)
        return thread, ""

    table.begin("aside", asking())
    done = table.all(1)["aside"]
    assert isinstance(done.value, tuple)
    assert done.value[0] != threading.get_ident()
    assert done.value[1] == "no such thing"


def test_an_aside_that_hangs_ends_its_conversation_in_time_and_comes_back_later(table: Table) -> None:
    go = threading.Event()

    def asking() -> Conversation[None]:
        yield Aside(go.wait)

    table.begin("hangs", asking(), limit_s=0.1)
    table.until(lambda: table.done)
    (first,) = table.done
    assert isinstance(first.error, Hanging)
    assert table.talks.next_s() is None
    go.set()
    table.until(lambda: len(table.done) == 2)
    assert table.done[1] == Done("hangs", None, None)


def test_without_a_free_thread_an_aside_is_trouble_of_this_side() -> None:
    table = Table(threads_max=1)
    go = threading.Event()

    def asking() -> Conversation[None]:
        yield Aside(go.wait)

    table.begin("first", asking())
    table.begin("second", asking())
    table.until(lambda: table.done)
    (second,) = table.done
    assert second.key == "second"
    assert "every worker thread" in str(second.error)
    go.set()
    table.all(2)
    table.close()


def test_a_talk_over_many_steps_is_held(table: Table) -> None:
    def mail(connection: Connection) -> None:
        connection.socket.sendall(b"220 ready\r\n")
        connection.socket.recv(100)
        connection.socket.sendall(b"250 hello\r\n")
        connection.socket.recv(100)

    with listening(mail) as port:
        talk = "[{expect: '^220', send: EHLO}, {expect: '^250'}]"
        text = f"{{target: '127.0.0.1:{port}', query_response: {talk}}}"
        options = decode(text.encode(), "f", tcp.PROBE.options)
        table.begin("mail", tcp.converse(options, Deadline(time.monotonic() + 5, time.monotonic)))
        assert success(table.all(1)["mail"]) == 1


def test_the_end_closes_every_connection(table: Table) -> None:
    ended = threading.Event()

    def listen(connection: Connection) -> None:
        if not connection.socket.recv(100):
            ended.set()

    def waiting(port: int) -> Conversation[None]:
        yield Connect(local(port))
        yield RECEIVE

    with listening(listen) as port:
        table.begin("open", waiting(port))
        table.talks.close()
        assert ended.wait(PATIENCE_S)
        table.talks = Talks(time.monotonic, table.pool)


def test_what_is_told_of_another_kind_is_a_mistake_of_ours(table: Table) -> None:
    with pytest.raises(AssertionError):
        table.talks.told(Done("no talk", None, None))
    assert Talk("key", exchange(1)).key == "key"
