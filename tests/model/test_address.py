from __future__ import annotations

import pytest

from model.address import Listen, WebAddress
from model.misfit import Misfit


@pytest.mark.parametrize(
    "text", ["", "9465", "127.0.0.1:", "127.0.0.1:x", "127.0.0.1:99999", "example.com:80", "[::]:1"]
)
def test_an_address_beyond_loopback_is_refused(text: str) -> None:
    with pytest.raises(Misfit):
        Listen.parse(text)


def test_loopback_addresses_are_read_and_written() -> None:
    assert [str(Listen.parse(text)) for text in ("127.0.0.1:1", "[::1]:2", "localhost:3")] == [
        "127.0.0.1:1",
        "[::1]:2",
        "127.0.0.1:3",
    ]


@pytest.mark.parametrize("text", ["", "http://", "http://u:p@x", "http://x/?a=b", "file:///etc/passwd"])
def test_an_address_with_a_secret_or_without_a_host_is_refused(text: str) -> None:
    with pytest.raises(Misfit):
        WebAddress.parse(text)
