"""Mail over SMTP: one message, one recipient, one kept connection."""

from __future__ import annotations

import re
import smtplib
import socket
import ssl
from dataclasses import dataclass, field
from typing import Final, Literal

from desk.mime import mime
from desk.person import Sender, printable
from model.duration import Duration, seconds
from model.plugin import Channel, Deadline, DeadlinePassed, Line, Message, Undelivered

REPLY_CHARS_MAX: Final = 200


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


class _Session:
    """A connection that is made when it is needed and kept while it works."""

    def __init__(self, options: Options) -> None:
        self._options = options
        self._smtp: smtplib.SMTP | None = None

    def say(self, message: Message, deadline: Deadline) -> str:
        """Hand over one message and return the server's answer, or raise ``Undelivered``."""
        data = mime(message, self._options.sender)
        try:
            smtp = self._ready(deadline)
            self._envelope(smtp, message.to)
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

    def _ready(self, deadline: Deadline) -> smtplib.SMTP:
        """Return a connection that answers; one that was kept may have died meanwhile."""
        if self._smtp is not None:
            self._within(self._smtp, deadline)
            try:
                # Nothing was said yet, so a dead connection can be replaced without any doubt.
                if self._smtp.rset()[0] == 250:
                    return self._smtp
            except (OSError, smtplib.SMTPException):
                pass
            self.close()
        self._smtp = self._connected(deadline)
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

    def _envelope(self, smtp: smtplib.SMTP, to: str) -> None:
        """Name the sender and the one recipient, and have the content asked for."""
        for command in (f"MAIL FROM:<{self._options.sender.address}>", f"RCPT TO:<{to}>", "DATA"):
            code, reply = smtp.docmd(command)
            if code not in (250, 251, 354):
                self._refused(code, reply)

    def _content(self, smtp: smtplib.SMTP, data: bytes) -> str:
        """Send the content; from here on a lost connection leaves the outcome unknown (RFC 1047)."""
        try:
            smtp.send(re.sub(rb"(?m)^\.", b"..", data) + b".\r\n")
            code, reply = smtp.getreply()
        except (OSError, smtplib.SMTPException) as wrong:
            self.close()
            raise Undelivered(f"the answer was lost: {printable(str(wrong))[:80]}", unknown=True) from None
        if code != 250:
            self._refused(code, reply)
        return _said(code, reply)

    def _refused(self, code: int, reply: bytes) -> None:
        """Turn an answer into a fact: 5xx is for good, anything else may be tried again (RFC 5321, 4.2.1)."""
        leaving = code in (421, -1)
        if leaving:
            self.close()
        raise Undelivered(_said(code, reply), permanent=500 <= code < 600, everybody=leaving)


def _said(code: int, reply: bytes) -> str:
    return printable(f"{code} {reply.decode('utf-8', 'replace')}")[:REPLY_CHARS_MAX]


def open_line(options: Options) -> Line:
    """Return a line to the mail server; it connects with the first message."""
    return _Session(options)


CHANNEL = Channel("email", Options, open_line)
