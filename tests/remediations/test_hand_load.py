"""Two thousand hostile requests, one after the other: the hand takes nothing and goes on."""

from __future__ import annotations

import dataclasses
import enum
import json
import random
import socket
import types
import typing
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from model.grant import Grant
from model.misfit import Misfit
from model.step import Exec, Step
from remediations.apart.packing import pack, unpack
from remediations.apart.words import PACKET_BYTES_MAX, VERSION, Closed, Greeting, Request, receive
from tests.remediations.errands import BOOK, RUN, Service, grant, serving, since_boot_ms, until
from tests.remediations.stage import playbook

COUNT: Final = 2000
APPROVE: Final = playbook(mode="approve")
TRUE: Final = Exec(("true",))

TEXTS: Final = (
    "", "\0", "\ud800", "\udfff\ud800", "\U0001f600" * 40, "\u202e", "\x1b[2J", "a\nb", "%s%n",
    "{0.__class__}", "../../etc", "true", BOOK, RUN, "x" * 3000, "null", "-1", "NaN", "'", '"', "\\",
)  # fmt: skip
NUMBERS: Final = (0, -1, 1, 2, 1 << 31, (1 << 63) - 1, 1 - (1 << 63))
FLOATS: Final = (0.0, -0.0, -1.5, 1e308, -1e308, 5e-324, 60.0)


def drawn(hint: Any, dice: random.Random) -> Any:
    """A value of this type, as nasty as the type allows."""
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType, typing.Literal):
        one = dice.choice(arguments)
        return one if origin is typing.Literal else None if one is types.NoneType else drawn(one, dice)
    if origin is tuple:
        return tuple(drawn(arguments[0], dice) for _ in range(dice.randrange(4)))
    if dataclasses.is_dataclass(hint):
        hints = typing.get_type_hints(hint)
        kind = typing.cast("Callable[..., Any]", hint)
        return kind(**{field.name: drawn(hints[field.name], dice) for field in dataclasses.fields(hint)})
    if issubclass(hint, enum.Enum):
        return dice.choice(list(hint))
    if hint is bool:
        return dice.random() < 0.5
    return dice.choice(NUMBERS if hint is int else FLOATS if hint is float else TEXTS)


def step(dice: random.Random) -> Step:
    """A step that can be said; what refuses its own values cannot."""
    while True:
        try:
            made: Step = drawn(dice.choice(typing.get_args(Step)), dice)
        except Misfit:
            continue
        if len(pack(made)) < PACKET_BYTES_MAX // 2:
            return made


def request(once: str, dice: random.Random, **other: Any) -> Request:
    whole = Request(VERSION, once, since_boot_ms(), BOOK, RUN, TRUE, check=False)
    return replace(whole, **other)


def raw(once: str, dice: random.Random, grants: object) -> bytes:
    """A request whose grants are what no honest agent can send."""
    return json.dumps({**json.loads(pack(request(once, dice))), "grants": grants}).encode()[:PACKET_BYTES_MAX]


def noise(_once: str, dice: random.Random) -> bytes:
    return dice.randbytes(dice.randrange(1, 2000))


def broken(once: str, dice: random.Random) -> bytes:
    """A request with a byte that is another, or is missing."""
    whole = bytearray(pack(request(once, dice, grants=(grant(APPROVE, yes=False),))))
    at = dice.randrange(len(whole))
    if dice.random() < 0.5:
        whole[at] ^= dice.randrange(1, 256)
    else:
        del whole[at : at + dice.randrange(1, 50)]
    return bytes(whole)


def no_text(once: str, dice: random.Random) -> bytes:
    return pack(request(once, dice)).replace(
        b"heal", dice.choice([b"\xff\xfe", b"\xed\xa0\x80", b"\xc0\xaf", b"\x00"])
    )


def nested(once: str, dice: random.Random) -> bytes:
    deep: Any = []
    for _ in range(dice.randrange(1, 500)):
        deep = [deep] if dice.random() < 0.5 else {"kind": "Grant", "ask": deep}
    return dice.choice([raw(once, dice, deep), b"[" * dice.randrange(1, PACKET_BYTES_MAX)])


def huge(once: str, dice: random.Random) -> bytes:
    one = json.loads(pack(grant(APPROVE, "x" * dice.choice([10, 1000, 50_000]), yes=False)))
    return raw(once, dice, [one] * dice.choice([1, 9, 100]))


def forged(once: str, dice: random.Random) -> bytes:
    grants = [json.loads(pack(drawn(Grant, dice))) for _ in range(dice.randrange(1, 9))]
    return raw(once, dice, grants)


def typed(once: str, dice: random.Random) -> bytes:
    """A request that is well formed, for something that no playbook says."""
    other: dict[str, Any] = {"step": step(dice), "check": dice.random() < 0.5, "run": dice.choice(TEXTS)}
    if dice.random() < 0.3:
        other["playbook"] = dice.choice(TEXTS)
    return pack(request(once, dice, **other))[:PACKET_BYTES_MAX]


def absurd(once: str, dice: random.Random) -> bytes:
    """A request one value of which has another type."""
    whole = json.loads(pack(request(once, dice, grants=(grant(APPROVE, yes=False),))))
    where = dice.choice([whole, whole["step"], whole["grants"][0]])
    where[dice.choice(sorted(where))] = dice.choice([None, [], {}, 1e400, -1, True, "x", [[]], 10**30])
    return json.dumps(whole).encode()


KINDS: Final[tuple[Callable[[str, random.Random], bytes], ...]] = (
    noise, broken, no_text, nested, huge, forged, typed, absurd,
)  # fmt: skip


def hostile(service: Service, kind: Callable[[str, random.Random], bytes], dice: random.Random) -> None:
    """Say one such thing, and hear what comes of it or leave at once."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as end:
        end.settimeout(10)
        end.connect(str(service.socket))
        once = unpack(receive(end), [Greeting]).once
        end.send(kind(once, dice))
        heard = b""
        try:
            while dice.random() < 0.98:
                heard = receive(end)
        except Closed:
            assert not heard or b"refused" in heard or b"would run" in heard


def test_two_thousand_hostile_requests_leave_the_hand_alive_and_nothing_is_taken(tmp_path: Path) -> None:
    dice = random.Random(20)
    with serving(tmp_path, APPROVE) as service:
        for number in range(COUNT):
            hostile(service, KINDS[number % len(KINDS)], dice)
        assert '"counts"' not in service.acts()
        until(lambda: service.take(TRUE, RUN, BOOK, grant(APPROVE)).ok, "an honest request")
        assert service.acts().count('"counts"') == 1


def test_every_step_that_can_be_said_can_be_written_down() -> None:
    dice = random.Random(20)
    for _ in range(COUNT):
        assert isinstance(str(step(dice)), str)
