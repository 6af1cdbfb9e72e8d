from __future__ import annotations

import pytest

from desk.store.database import Database
from model.misfit import Misfit


def test_an_address_is_read_as_libpq_reads_it() -> None:
    found = Database.parse("postgresql://desk@db.example:5433/status?sslmode=verify-full&schema=desk")
    assert found.parts() == {
        "host": "db.example",
        "port": 5433,
        "dbname": "status",
        "user": "desk",
        "sslmode": "verify-full",
    }
    assert found.schema == "desk"


def test_a_socket_is_named_by_its_folder() -> None:
    assert Database.parse("postgresql://desk@/status?host=/run/postgresql").host == "/run/postgresql"


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "/run/postgresql"])
def test_on_this_machine_nothing_is_encrypted_unasked(host: str) -> None:
    text = f"postgresql://d@/d?host={host}" if host.startswith("/") else f"postgresql://d@{host}/d"
    assert Database.parse(text).ssl == ()


def test_over_a_network_it_is_encrypted_unless_that_is_refused_in_writing() -> None:
    assert Database.parse("postgresql://d@db.example/d").ssl == (("sslmode", "require"),)
    assert Database.parse("postgresql://d@db.example/d?sslmode=disable").ssl == (("sslmode", "disable"),)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("postgresql://d:secret@db/d", "a password stands in the address"),
        ("mysql://d@db/d", "expected postgresql://"),
        ("postgresql://db/d", "a host, a database and a user"),
        ("postgresql://d@db/", "a host, a database and a user"),
        ("postgresql://d@db/d?options=-c%20x", "is no option here"),
        ("postgresql://d@db/d?schema=a%2Cb", "is not the name of a schema"),
        ("postgresql://d@db/d?sslmode=maybe", "sslmode is one of"),
        ("postgresql://d@db:port/d", "not the address of a database"),
        ("postgresql://d@db/d%20x%3D1", "a host, a database and a user"),
    ],
)
def test_what_is_no_address_is_refused_and_no_password_is_repeated(text: str, sentence: str) -> None:
    with pytest.raises(Misfit, match=sentence) as caught:
        Database.parse(text)
    assert "secret" not in f"{caught.value.sentence} {caught.value.cure}"
