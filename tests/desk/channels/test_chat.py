from __future__ import annotations

import json
import time
from collections.abc import Iterator

import pytest

from desk.channels import CHANNELS, chat
from desk.channels.chat import NoService, Options
from model.plugin import Deadline, DeadlinePassed, Undelivered
from tests.desk.channels.receiver import Receiver, receiver
from tests.desk.delivery.test_mime import MESSAGE


@pytest.fixture
def there() -> Iterator[Receiver]:
    with receiver() as found:
        yield found


def soon() -> Deadline:
    return Deadline(time.monotonic() + 10, time.monotonic)


def test_the_channel_is_listed() -> None:
    assert chat.CHANNEL in CHANNELS


def test_a_service_that_apprise_knows_is_told(there: Receiver) -> None:
    line = chat.CHANNEL.open(Options(f"json://127.0.0.1:{there.port}/team"))
    assert line.say(MESSAGE, soon()) == "handed to the service"
    [(path, _, body)] = there.posts
    assert path == "/team"
    assert MESSAGE.text.strip()[:20] in json.loads(body)["message"]


def test_a_service_that_refuses_is_tried_again(there: Receiver) -> None:
    there.status = 500
    with pytest.raises(Undelivered) as fact:
        chat.CHANNEL.open(Options(f"json://127.0.0.1:{there.port}/")).say(MESSAGE, soon())
    assert not fact.value.permanent


def test_an_address_that_is_none_is_refused_and_not_repeated() -> None:
    with pytest.raises(NoService) as wrong:
        chat.CHANNEL.open(Options("nonsense://secret-token"))
    assert "secret-token" not in str(wrong.value)
    assert "secret-token" not in repr(Options("nonsense://secret-token"))


def test_nothing_is_said_after_the_deadline(there: Receiver) -> None:
    line = chat.CHANNEL.open(Options(f"json://127.0.0.1:{there.port}/"))
    with pytest.raises(DeadlinePassed):
        line.say(MESSAGE, Deadline(time.monotonic() - 1, time.monotonic))
    assert there.posts == []
