"""A mail server on this machine that keeps what it takes and answers as it is told."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage
from functools import partial

from aiosmtpd.smtp import SMTP, Envelope, Session


@dataclass(frozen=True, slots=True)
class Mail:
    """One mail as it was taken."""

    to: tuple[str, ...]
    data: bytes
    sender: str = ""

    @property
    def message(self) -> EmailMessage:
        return message_from_bytes(self.data, policy=policy.default)

    @property
    def id(self) -> str:
        return str(self.message["Message-ID"])

    @property
    def text(self) -> str:
        body = self.message.get_body(("plain",))
        assert body is not None
        return str(body.get_content())


@dataclass  # no slots: on Python 3.11.2 aiosmtpd, which looks at every attribute, stumbles over __weakref__
class Post:
    """What the server took, and what it is to answer: by phase, to each recipient in turn."""

    port: int = 0
    mails: list[Mail] = field(default_factory=list)
    answers: dict[str, list[str]] = field(default_factory=dict)
    cut: list[str] = field(default_factory=list)
    pipelining: bool = False
    arrived: threading.Condition = field(default_factory=threading.Condition)

    def wait(self, until: Callable[[], bool], timeout_s: float = 15.0) -> None:
        with self.arrived:
            assert self.arrived.wait_for(until, timeout_s), [(mail.to, mail.id) for mail in self.mails]

    def to(self, person: str) -> list[Mail]:
        return [mail for mail in self.mails if mail.to == (person,)]

    def _answer(self, phase: str) -> str:
        waiting = self.answers.get(phase) or []
        return waiting.pop(0) if waiting else "250 OK"

    async def handle_EHLO(
        self, server: SMTP, session: Session, envelope: Envelope, name: str, offers: list[str]
    ) -> list[str]:
        session.host_name = name
        return [*offers[:-1], *(["250-PIPELINING"] if self.pipelining else []), *offers[-1:]]

    async def handle_MAIL(
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        answer = self._answer("MAIL")
        if answer.startswith("250"):
            envelope.mail_from = address
        return answer

    async def handle_RCPT(
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        answer = self._answer("RCPT")
        if answer.startswith("250"):
            envelope.rcpt_tos.append(address)
        return answer

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        answer = self._answer("DATA")
        cut = self.cut.pop(0) if self.cut else ""
        if answer.startswith("250") and cut != "before":
            assert isinstance(envelope.content, bytes)
            with self.arrived:
                self.mails.append(Mail(tuple(envelope.rcpt_tos), envelope.content, envelope.mail_from or ""))
                self.arrived.notify_all()
        if cut:
            assert isinstance(server.transport, asyncio.Transport)
            server.transport.abort()
        return answer


@contextmanager
def post_office(port: int = 0) -> Iterator[Post]:
    """Run a mail server on a loop of its own."""
    post = Post()
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="post office", daemon=True)
    thread.start()

    async def listen() -> asyncio.Server:
        made = partial(SMTP, post, hostname="post.test", loop=loop)
        return await loop.create_server(made, "127.0.0.1", port, reuse_address=True)

    async def close(server: asyncio.Server) -> None:
        server.close()
        for task in asyncio.all_tasks() - {asyncio.current_task()}:
            task.cancel()
        await asyncio.sleep(0)

    server = asyncio.run_coroutine_threadsafe(listen(), loop).result(5)
    try:
        post.port = server.sockets[0].getsockname()[1]
        yield post
    finally:
        asyncio.run_coroutine_threadsafe(close(server), loop).result(5)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(5)
        loop.close()
