"""Chats and all other services that Apprise knows, for the teams that run the desk.

An Apprise address holds the secrets of a service and decides where a request goes, so only operators write
one, into a file; customers are never told this way.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from typing import Final

from desk.catalogue.person import printable
from model.plugin import Channel, Deadline, Line, Message, Undelivered

BODY_CHARACTERS_MAX: Final = 3_000
PHONE: Final = "{phone}"
SMS_CHARACTERS_MAX: Final = 300
_PHONE: Final = re.compile(r"\+[0-9]{7,15}")


@dataclass(frozen=True, slots=True)
class Options:
    """The address of the service as Apprise writes it; it holds secrets."""

    address: str = field(repr=False)


class NoService(Exception):
    """Apprise is not installed, or does not know the address; the text is a sentence without the address."""


class _Chat:
    """A line to one service."""

    def __init__(self, options: Options) -> None:
        try:
            # Apprise costs 20 MB, so only a desk that names a service loads it.
            import apprise  # noqa: PLC0415
        except ImportError:
            raise NoService("Apprise is not installed; install beforehand[channels]") from None
        # One service needs none of the threads that Apprise's own list of services would start.
        service = apprise.Apprise.instantiate(options.address)
        if service is None:
            raise NoService("Apprise knows no service of this address; see its list of services")
        self._service = service

    def say(self, message: Message, deadline: Deadline) -> str:
        """Hand one message over, or raise ``Undelivered``; the service's own answer is not known."""
        deadline.left_s()
        text = message.text[:BODY_CHARACTERS_MAX]
        # What goes wrong inside is logged there, with the address in it, and told by False alone.
        if not self._service.notify(body=text, title=printable(message.subject), body_format="text"):
            raise Undelivered("the service did not take it", everybody=False)
        return "handed to the service"

    def close(self) -> None:
        """Do nothing: Apprise keeps no connection."""


def open_line(options: Options) -> Line:
    """Return a line to the service, or raise ``NoService``."""
    return _Chat(options)


CHANNEL = Channel("chat", Options, open_line)


@dataclass(frozen=True, slots=True)
class _Phones:
    """A line to any telephone: each message has the number in the place of ``{phone}``."""

    options: Options

    def say(self, message: Message, deadline: Deadline) -> str:
        """Hand a short message over: what stands in its subject and first paragraph."""
        if not _PHONE.fullmatch(message.to):
            raise Undelivered("it is no telephone number", permanent=True)
        line = open_line(Options(self.options.address.replace(PHONE, message.to)))
        first = printable(message.text.strip().partition("\n\n")[0])
        facts = dict(message.event.facts) if message.event else {}
        text = f"{first[:SMS_CHARACTERS_MAX]} {facts.get('url') or ''}".strip()
        return line.say(replace(message, text=text), deadline)

    def close(self) -> None:
        """Do nothing: Apprise keeps no connection."""


def open_phones(options: Options) -> Line:
    """Return a line to telephones, or raise ``NoService``."""
    if PHONE not in options.address:
        raise NoService(f"the address has no {PHONE} in it, where the number is to stand")
    open_line(Options(options.address.replace(PHONE, "+491700000000")))
    return _Phones(options)


PHONES = Channel("sms", Options, open_phones)
