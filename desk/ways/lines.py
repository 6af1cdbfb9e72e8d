"""The lines of the desk: one for each channel that desk.yaml opens, each behind the fence of tests."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from desk.catalogue.person import Sender
from desk.channels import chat, mail, mailbox, webhook
from desk.channels.chat import NoService
from desk.channels.fenced import Fenced
from desk.config import Config, password
from desk.files import read_secret
from desk.ways.voices import Chat
from model.misfit import Place, Problem, Rejected
from model.plugin import Deadline, Line, Message, Undelivered


@dataclass(frozen=True, slots=True)
class Switchboard:
    """Hands each message to the line of its channel."""

    lines: Mapping[str, Line]

    def say(self, message: Message, deadline: Deadline) -> str:
        """Hand a message over, or raise ``Undelivered``; for good where the desk has no such line."""
        line = self.lines.get(message.channel)
        if line is None:
            raise Undelivered(f"the desk has no line for {message.channel}", permanent=True)
        return line.say(message, deadline)

    def close(self) -> None:
        """Let every line go."""
        for line in self.lines.values():
            line.close()


@dataclass(frozen=True, slots=True)
class _Chats:
    """The chats by their names."""

    lines: Mapping[str, Line]

    def say(self, message: Message, deadline: Deadline) -> str:
        line = self.lines.get(message.to)
        if line is None:
            raise Undelivered("desk.yaml names no such chat", permanent=True)
        return line.say(message, deadline)

    def close(self) -> None:
        for line in self.lines.values():
            line.close()


def open_lines(
    config: Config, sender: Sender, letters: Path | None, secret: bytes, now_s: Callable[[], float]
) -> Line:
    """Return a line on which each message goes out by its channel; raises ``Rejected``.

    ``letters`` is the local mailbox, in the place of a mail server; it is nobody's and needs no fence.
    ``secret`` signs what is posted to hooks.
    """
    domains = frozenset(config.test_domains)
    marked = frozenset(str(one.chat) for one in config.channels.chats if one.test)
    inside = frozenset(map(str, config.channels.webhooks.inside))
    hooks = webhook.CHANNEL.open(webhook.Options(secret, now_s, inside, config.channels.webhooks.timeout))
    lines: dict[str, Line] = {
        "email": _mailbox(letters, sender)
        if letters
        else Fenced(_mail(config, sender), domains, config.test_mode),
        "webhook": Fenced(hooks, domains, config.test_mode, of=host_of),
    }
    if config.channels.chats:
        chats = _Chats({str(one.chat): _chat(config, one) for one in config.channels.chats})
        lines["chat"] = Fenced(chats, marked, config.test_mode, of=str)
    if config.channels.sms is not None:
        address = _address(config, config.channels.sms.address_file, config.channels.sms.place)
        # No test ever rings a telephone.
        lines["sms"] = Fenced(_phones(address, config.channels.sms.place), (), config.test_mode, of=str)
    return Switchboard(lines)


def host_of(url: str) -> str:
    """Return the host of a hook: a test reaches those that are named among the domains of tests."""
    return (urlsplit(url).hostname or "").lower()


def _mailbox(letters: Path, sender: Sender) -> Line:
    return mailbox.CHANNEL.open(mailbox.Options(str(letters), sender))


def _mail(config: Config, sender: Sender) -> Line:
    smtp = config.smtp
    assert smtp is not None, "asked only where a mail server is named"
    return mail.CHANNEL.open(
        mail.Options(
            host=smtp.host,
            sender=sender,
            port=smtp.port,
            security=smtp.security,
            username=smtp.username or "",
            password=password(smtp, Path(config.place.file).parent) if smtp.username else "",
            name=config.url.host if "." in config.url.host else "localhost",
            timeout=smtp.timeout,
        )
    )


def _chat(config: Config, one: Chat) -> Line:
    try:
        return chat.CHANNEL.open(chat.Options(_address(config, one.address_file, one.place)))
    except NoService as wrong:
        raise _refused(one.place, wrong) from None


def _phones(address: str, place: Place) -> Line:
    try:
        return chat.PHONES.open(chat.Options(address))
    except NoService as wrong:
        raise _refused(place, wrong) from None


def _address(config: Config, name: str, place: Place) -> str:
    """Return an address of Apprise; it holds secrets, so it stands in a file that others cannot read."""
    data = read_secret(Path(config.place.file).parent / name, place)
    return data.decode("utf-8", "replace").strip()


def _refused(place: Place, wrong: NoService) -> Rejected:
    return Rejected((Problem(place, f"the chat cannot be opened: {wrong}", "mend its address_file"),))
