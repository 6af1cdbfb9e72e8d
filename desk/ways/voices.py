"""What desk.yaml says of the channels beside mail: hooks, chats, telephones, and the canaries on each."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final, Literal

from desk.catalogue.person import Hook, Slug, Text
from model.decode import Raw
from model.duration import Duration, seconds
from model.misfit import Misfit, Place

INSIDE_MAX: Final = 100
CHATS_MAX: Final = 100
CANARY_MIN: Final = seconds(10)
HOOK_WAIT_MAX: Final = seconds(15)
NEXT_WAY_MIN: Final = seconds(30)


@dataclass(frozen=True, slots=True)
class Inside:
    """A host and port of our own network that webhooks may go to, although nobody outside can."""

    host: str
    port: int

    @classmethod
    def parse(cls, text: str) -> Inside:
        """Read ``host:port``."""
        host, colon, port = text.rpartition(":")
        number = int(port) if port.isascii() and port.isdecimal() and len(port) < 6 else 0
        bare = host.strip("[]").lower()
        if not colon or not bare or bare != bare.strip() or "/" in bare or not 1 <= number <= 65535:
            raise Misfit(f"{text[:60]!r} is not a host with a port", "write it like hooks.example.com:8443")
        return cls(bare, number)

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class Webhooks:
    """Where webhooks may go beside the world outside, and how long one answer may take."""

    inside: tuple[Inside, ...] = ()
    timeout: Duration = seconds(10)

    def __post_init__(self) -> None:
        if len(self.inside) > INSIDE_MAX:
            raise Misfit(
                f"{len(self.inside)} places are too many", f"name at most {INSIDE_MAX}", key="inside"
            )
        if self.timeout > HOOK_WAIT_MAX:
            cure = f"write at most {HOOK_WAIT_MAX}"
            raise Misfit(f"nobody waits {self.timeout} for each hook", cure, key="timeout")


@dataclass(frozen=True, slots=True)
class Chat:
    """A chat, or any other service that Apprise knows, for teams; its address holds secrets.

    ``test`` says that what is only a test may go there.
    """

    chat: Slug
    address_file: Raw
    place: Place = field(compare=False)
    test: bool = False


@dataclass(frozen=True, slots=True)
class Sms:
    """What carries messages to telephones: an address of Apprise with ``{phone}`` in it."""

    address_file: Raw
    place: Place = field(compare=False)


@dataclass(frozen=True, slots=True)
class Canary:
    """Somebody who is no person, on one channel, whose messages come back to the desk."""

    channel: Literal["email", "webhook", "chat", "sms"]
    to: Text
    place: Place = field(compare=False)

    def __post_init__(self) -> None:
        if self.channel == "webhook":
            Hook.parse(self.to)
        if self.channel == "email" and "@" not in self.to:
            raise Misfit(f"{self.to[:60]!r} is no mail address", "write canary@example.com", key="to")


@dataclass(frozen=True, slots=True)
class Canaries:
    """How often each channel is tried, after how long a canary is missing, and which team hears of it."""

    to: tuple[Canary, ...]
    every: Duration = seconds(300)
    missing_after: Duration = seconds(420)
    tell: Slug | None = None

    def __post_init__(self) -> None:
        channels = [one.channel for one in self.to]
        if len(set(channels)) < len(channels):
            raise Misfit("a channel has two canaries", "keep one for each channel", key="to")
        if self.every < CANARY_MIN:
            raise Misfit(f"{self.every} is too often", f"write at least {CANARY_MIN}", key="every")
        if self.missing_after < CANARY_MIN:
            cure = f"write at least {CANARY_MIN}"
            raise Misfit(f"{self.missing_after} is too soon", cure, key="missing_after")


@dataclass(frozen=True, slots=True)
class Channels:
    """All of it, and after how long without a word from its reader an urgent message goes the next way."""

    webhooks: Webhooks = Webhooks()
    chats: tuple[Chat, ...] = ()
    sms: Sms | None = None
    next_way_after: Duration = seconds(300)
    canaries: Canaries | None = None

    def __post_init__(self) -> None:
        if self.next_way_after < NEXT_WAY_MIN:
            sentence = f"nobody reads within {self.next_way_after}"
            raise Misfit(sentence, f"write at least {NEXT_WAY_MIN}", key="next_way_after")
        names = [one.chat for one in self.chats]
        if len(set(names)) < len(names) or len(names) > CHATS_MAX:
            raise Misfit("a chat is given twice, or there are too many", "keep one of each", key="chats")


MAIL_ALONE: Final = Channels()
