"""A real SMTP server that keeps every letter with the moment it accepted it."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from email import message_from_bytes, policy
from email.message import EmailMessage
from types import TracebackType
from typing import Final

from aiosmtpd.smtp import SMTP, Envelope, Session

from tests.e2e.ports import LOOPBACK, Port

ACCEPTED: Final = "250 Message accepted for delivery"


@dataclass(frozen=True, slots=True)
class Letter:
    """One message as one SMTP transaction brought it; ``at_ms`` is when its last byte was here."""

    at_ms: int
    sender: str
    recipients: tuple[str, ...]
    message: EmailMessage
    reply: str

    @property
    def identity(self) -> str:
        """The Message-ID."""
        return str(self.message["Message-ID"])

    @property
    def subject(self) -> str:
        """The subject line."""
        return str(self.message["Subject"])

    @property
    def text(self) -> str:
        """The plain text."""
        body = self.message.get_body(("plain",))
        assert body is not None, f"no plain text in {self.subject!r}"
        return str(body.get_content())


class PostOffice:
    """An SMTP server on loopback in a thread of its own; a context manager.

    ``reply`` answers each message and may be exchanged at any time; a letter that it refuses is kept
    among ``refused``.
    """

    def __init__(self, port: Port) -> None:
        self.port = port
        self.reply: Callable[[Envelope], str] = lambda envelope: ACCEPTED
        self._letters: list[Letter] = []
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="post office", daemon=True)

    @property
    def letters(self) -> tuple[Letter, ...]:
        """Every letter accepted so far, oldest first."""
        return tuple(letter for letter in self._letters if letter.reply.startswith("2"))

    @property
    def refused(self) -> tuple[Letter, ...]:
        """Every letter that was not accepted."""
        return tuple(letter for letter in self._letters if not letter.reply.startswith("2"))

    def to(self, address: str) -> tuple[Letter, ...]:
        """Return the letters to one address."""
        return tuple(letter for letter in self.letters if address in letter.recipients)

    def by_person(self) -> dict[str, list[Letter]]:
        """Return the letters of each address."""
        found: dict[str, list[Letter]] = {}
        for letter in self.letters:
            for address in letter.recipients:
                found.setdefault(address, []).append(letter)
        return found

    def listing(self) -> str:
        """Return one line a letter."""
        return "\n".join(
            f"  {letter.at_ms} {', '.join(letter.recipients)}: {letter.subject} {letter.identity}"
            for letter in self.letters
        )

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        """Keep the message; aiosmtpd calls this by its name."""
        at_ms = time.time_ns() // 1_000_000
        reply = self.reply(envelope)
        content = envelope.content
        assert isinstance(content, bytes), "aiosmtpd hands over bytes unless told otherwise"
        message = message_from_bytes(content, policy=policy.default)
        self._letters.append(
            Letter(at_ms, envelope.mail_from or "", tuple(envelope.rcpt_tos), message, reply)
        )
        return reply

    def __enter__(self) -> PostOffice:
        self._thread.start()
        self._server = asyncio.run_coroutine_threadsafe(self._listen(), self._loop).result(5)
        return self

    async def _listen(self) -> asyncio.Server:
        return await self._loop.create_server(
            lambda: SMTP(self, hostname="post.test", loop=self._loop, enable_SMTPUTF8=True),
            LOOPBACK,
            self.port.number,
            reuse_address=True,
        )

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        asyncio.run_coroutine_threadsafe(self._close(), self._loop).result(5)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(5)
        self._loop.close()

    async def _close(self) -> None:
        self._server.close()
        current = asyncio.current_task()
        rest = [task for task in asyncio.all_tasks() if task is not current]
        for task in rest:
            task.cancel()
        await asyncio.gather(*rest, return_exceptions=True)
