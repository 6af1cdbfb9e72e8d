"""Mail over SMTP: one message, one recipient, one kept connection.

Where the server offers it, sender, recipient and the wish to send travel together (RFC 2920), so that a
message takes two round trips.
"""

from __future__ import annotations

import re
import smtplib
import socket
import ssl
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final, Literal

from desk.catalogue.person import Sender, printable
from desk.delivery.mime import mime
from model.duration import Duration, seconds
from model.plugin import Channel, Deadline, DeadlinePassed, Line, Message, Undelivered

REPLY_CHARS_MAX: Final = 200
_LEAVING: Final = (421, -1)


@dataclass(frozen=True, slots=True)
class Options:
    """The server that takes our mail, and who we are to it; ``name`` is what EHLO says."""

    host: str
    sender: Sender
    port: int = 25
    security: Literal["none", "starttls", "tls"] = "none"
    username: str = ""
    password: str = field(default="", repr=False)
    name: str = "localhost"
    timeout: Duration = seconds(10)


class _Lost(Exception):
    """A kept connection ended before anything was said on it."""


class _Session:
    """A connection that is made when it is needed and kept while it works.

    ``_open`` says that the server may still have the envelope of a message that it refused.
    """

    def __init__(self, options: Options) -> None:
        self._options = options
        self._smtp: smtplib.SMTP | None = None
        self._open = False

    def say(self, message: Message, deadline: Deadline) -> str:
        """Hand over one message and return the server's answer, or raise ``Undelivered``."""
        data = mime(message, self._options.sender)
        try:
            smtp = self._asked(message, deadline)
        except DeadlinePassed:
            self.close()
            raise Undelivered("the time was over before the mail server took it") from None
        except (OSError, smtplib.SMTPException) as wrong:
            self.close()
            sentence = f"the mail server cannot be used: {printable(str(wrong))[:REPLY_CHARS_MAX]}"
            raise Undelivered(sentence, everybody=True) from None
        return self._content(smtp, data)

    def close(self) -> None:
        """Let the connection go without waiting for a farewell."""
        if self._smtp is not None:
            self._smtp.close()
            self._smtp = None

    def _asked(self, message: Message, deadline: Deadline) -> smtplib.SMTP:
        """Return a connection on which the content is asked for; a kept one may have died meanwhile."""
        if self._smtp is not None:
            try:
                self._within(self._smtp, deadline)
                self._envelope(self._smtp, message, kept=True)
            except (_Lost, OSError, smtplib.SMTPException):
                # No content was sent, so a dead connection can be replaced without any doubt.
                self.close()
            else:
                return self._smtp
        self._smtp = self._connected(deadline)
        self._open = False
        self._envelope(self._smtp, message, kept=False)
        return self._smtp

    def _connected(self, deadline: Deadline) -> smtplib.SMTP:
        options, left_s = self._options, min(deadline.left_s(), self._options.timeout.s)
        smtp: smtplib.SMTP
        if options.security == "tls":
            context = ssl.create_default_context()
            smtp = smtplib.SMTP_SSL(options.host, options.port, options.name, timeout=left_s, context=context)
        else:
            smtp = smtplib.SMTP(options.host, options.port, options.name, timeout=left_s)
        try:
            if options.security == "starttls":
                smtp.starttls(context=ssl.create_default_context())
            if options.username:
                smtp.login(options.username, options.password)
            smtp.ehlo_or_helo_if_needed()
        except (OSError, smtplib.SMTPException):
            smtp.close()
            raise
        return smtp

    def _within(self, smtp: smtplib.SMTP, deadline: Deadline) -> None:
        if isinstance(smtp.sock, socket.socket):
            smtp.sock.settimeout(min(deadline.left_s(), self._options.timeout.s))

    def _envelope(self, smtp: smtplib.SMTP, message: Message, *, kept: bool) -> None:
        """Name the sender and the one recipient, and have the content asked for."""
        sender = message.return_path or self._options.sender.address
        commands = [f"MAIL FROM:<{sender}>", f"RCPT TO:<{message.to}>", "DATA"]
        if self._open:
            commands.insert(0, "RSET")
        self._open = True
        together = len(commands) if smtp.has_extn("pipelining") else 1
        for start in range(0, len(commands), together):
            answers = _answers(smtp, commands[start : start + together])
            refused = next((one for one in answers if one[0] not in (250, 251, 354)), None)
            if refused is None:
                continue
            if kept and answers[0][0] in _LEAVING:
                raise _Lost
            if answers[-1][0] == 354:
                # It takes content in spite of what it refused; nothing is what it gets (RFC 2920, 3.1).
                _answers(smtp, ["."])
            self._refused(*refused)

    def _content(self, smtp: smtplib.SMTP, data: bytes) -> str:
        """Send the content; from here on a lost connection leaves the outcome unknown (RFC 1047)."""
        stuffed = re.sub(rb"(?m)^\.", b"..", data) if b"\n." in data else data
        try:
            smtp.send(stuffed + b".\r\n")
            code, reply = smtp.getreply()
        except (OSError, smtplib.SMTPException) as wrong:
            self.close()
            raise Undelivered(f"the answer was lost: {printable(str(wrong))[:80]}", unknown=True) from None
        # An answer to the content, whichever, ends the message (RFC 5321, 4.1.1.4).
        self._open = False
        if code != 250:
            self._refused(code, reply)
        return _said(code, reply)

    def _refused(self, code: int, reply: bytes) -> None:
        """Turn an answer into a fact: 5xx is for good, anything else may be tried again (RFC 5321, 4.2.1)."""
        leaving = code in _LEAVING
        if leaving:
            self.close()
        raise Undelivered(_said(code, reply), permanent=500 <= code < 600, everybody=leaving)


def _answers(smtp: smtplib.SMTP, commands: Sequence[str]) -> list[tuple[int, bytes]]:
    """Send commands in one piece and return the answers, fewer where the server leaves."""
    smtp.send("".join(f"{command}\r\n" for command in commands))
    answers = [smtp.getreply()]
    while len(answers) < len(commands) and answers[-1][0] not in _LEAVING:
        answers.append(smtp.getreply())
    return answers


def _said(code: int, reply: bytes) -> str:
    return printable(f"{code} {reply.decode('utf-8', 'replace')}")[:REPLY_CHARS_MAX]


def open_line(options: Options) -> Line:
    """Return a line to the mail server; it connects with the first message."""
    return _Session(options)


CHANNEL = Channel("email", Options, open_line)
