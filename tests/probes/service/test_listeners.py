from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from probes.service import listeners

ROW = b"   0: 0100007F:%s 00000000:0000 %s 00000000:00000000 00:00000000 00000000     0        0 %d 1 0 100\n"


def test_who_listens_at_a_port_holds_its_socket() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server, socket.socket(type=socket.SOCK_DGRAM) as bound:
        bound.bind(("127.0.0.1", 0))
        for end in (server, bound):
            inodes = listeners.sockets(end.getsockname()[1])
            assert os.fstat(end.fileno()).st_ino in inodes
            assert listeners.holders([os.getpid()], inodes) == {os.getpid()}
        port = server.getsockname()[1]
    assert listeners.holders([os.getpid()], inodes) == set()
    assert not listeners.sockets(port)


def test_a_connection_to_a_port_does_not_listen_there() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        with socket.create_connection(("127.0.0.1", port)) as client:
            assert os.fstat(client.fileno()).st_ino not in listeners.sockets(port)
            assert listeners.sockets(client.getsockname()[1]) == frozenset()


def test_ipv6_is_looked_at_as_well() -> None:
    with socket.create_server(("::1", 0), family=socket.AF_INET6) as server:
        assert os.fstat(server.fileno()).st_ino in listeners.sockets(server.getsockname()[1])


def test_only_the_port_at_the_end_of_the_own_address_counts() -> None:
    rows = [ROW % (b"1F91", b"0A", 6), ROW % (b"1F90", b"0A", 5), ROW % (b"1F90", b"0A", 0)]
    assert listeners.at_port(rows, 8080, listening=True) == {5}


def test_what_follows_those_that_listen_is_left_unread() -> None:
    rows = iter([ROW % (b"1F90", b"0A", 5), ROW % (b"1F90", b"06", 7), ROW % (b"1F90", b"06", 8)])
    assert listeners.at_port(rows, 8080, listening=True) == {5}
    assert len(list(rows)) == 1
    rows = iter([ROW % (b"1F90", b"07", 5), ROW % (b"1F90", b"01", 7)])
    assert listeners.at_port(rows, 8080, listening=False) == {5, 7}


@given(st.binary(max_size=300))
def test_any_row_has_an_inode_or_none(data: bytes) -> None:
    rows = data.replace(b"\n", b" ")
    assert listeners.at_port([rows[:90]], 80, listening=True) == set()


def test_a_kernel_without_tables_has_no_listener(tmp_path: Path) -> None:
    assert listeners.sockets(80, tmp_path) == frozenset()
    assert listeners.holders([7], frozenset({1}), tmp_path) == set()


def test_a_socket_whose_holder_may_be_hidden_is_unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = {1: None, 2: {5}, 3: set()}
    monkeypatch.setattr(listeners, "_held", lambda pid, inodes, root: seen[pid])
    assert listeners.holders([1, 2, 3], frozenset({5})) == {2}
    with pytest.raises(PermissionError, match="hides"):
        listeners.holders([1, 2, 3], frozenset({5, 6}))
    assert listeners.holders([2, 3], frozenset({5, 6})) == {2}
