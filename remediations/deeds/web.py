"""Send one HTTP request to an address that may be spoken to, and judge the answer.

The address is judged once it is known and the connection made to it alone, so that a name cannot lead
elsewhere meanwhile. Link-local addresses, where clouds keep a host's credentials, are always refused.
"""

from __future__ import annotations

import ipaddress
import socket
from typing import Final
from urllib.parse import urlsplit

from model.deed import CallHttp
from model.regex import compiled
from model.step import OUTPUT_BYTES_MAX, Result
from remediations.deeds.asking import CONNECT_S, Answer, Request, Stopped, answer
from remediations.deeds.doing import Doing
from remediations.deeds.folders import Refused
from remediations.redact import presentable

ADDRESSES_MAX: Final = 4
_METADATA: Final = frozenset({"fd00:ec2::254", "168.63.129.16", "100.100.100.200"})


def do(step: CallHttp, doing: Doing) -> Result:
    """Connect, ask, and judge."""
    parts = urlsplit(step.url)
    port = parts.port or (443 if parts.scheme == "https" else 80)
    try:
        addresses = _resolved(parts.hostname or "", port, step.allow_private)
        if doing.check:
            return Result(ok=True, diff=f"would {step} at {addresses[0]}")
        sock = _connected(addresses, port)
        if parts.scheme == "https":
            sock = _encrypted(sock, parts.hostname or "")
        path = parts._replace(scheme="", netloc="", fragment="").geturl() or "/"
        headers = {"Host": parts.netloc, "User-Agent": "beforehand", "Connection": "close"}
        if step.content_type:
            headers["Content-Type"] = step.content_type
        request = Request(step.method, path, step.body.encode(), headers, step.timeout_s)
        return judged(step, answer(sock, parts.hostname or "", request, doing))
    except Stopped as stopped:
        return Result(ok=False, reason=str(stopped), stopped=str(stopped))
    except Refused as refused:
        return Result(ok=False, reason=str(refused))


def judged(step: CallHttp, got: Answer) -> Result:
    """Return what an answer means; what changes on the other side is believed of every other method."""
    output = presentable(got.body, OUTPUT_BYTES_MAX)
    changed = step.method not in ("GET", "HEAD")
    expected = got.status in step.expect if step.expect else 200 <= got.status < 300
    if not expected:
        wanted = " or ".join(map(str, step.expect)) or "2xx"
        more = "; redirects are not followed" if 300 <= got.status < 400 else ""
        reason = f"the answer was {got.status}, not {wanted}{more}"
        return Result(ok=False, reason=reason, output=output, changed=changed)
    if step.pattern and not compiled(step.pattern).search(got.body.decode("utf-8", "replace")):
        reason = f"{step.pattern!r} is not in the answer"
        return Result(ok=False, reason=reason, output=output, changed=changed)
    return Result(ok=True, output=output, changed=changed)


def refused(address: str, *, allow_private: bool) -> str:
    """Return why this address is not spoken to, or the empty text."""
    found = ipaddress.ip_address(address.partition("%")[0])
    mapped = found.ipv4_mapped if isinstance(found, ipaddress.IPv6Address) else None
    found = mapped or found
    if found.is_loopback:
        return ""
    if found.is_link_local or str(found) in _METADATA:
        return f"{found} is link-local or a cloud's metadata, which nobody is to ask"
    if found.is_multicast or found.is_unspecified or found.is_reserved:
        return f"{found} is no address of a single host"
    if not found.is_global and not allow_private:
        return f"{found} is private; write allow_private: true to ask it"
    return ""


def _resolved(host: str, port: int, allow_private: bool) -> list[str]:
    """Return the addresses of a host; one that is refused refuses all."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as wrong:
        raise Refused(f"{host[:80]} has no address: {wrong}") from None
    addresses = list(dict.fromkeys(str(one[4][0]) for one in found))[:ADDRESSES_MAX]
    because = next((why for one in addresses if (why := refused(one, allow_private=allow_private))), "")
    if because or not addresses:
        raise Refused(because or f"{host[:80]} has no address")
    return addresses


def _connected(addresses: list[str], port: int) -> socket.socket:
    wrong: OSError | None = None
    for address in addresses:
        try:
            return socket.create_connection((address, port), CONNECT_S)
        except OSError as failed:
            wrong = failed
    raise Refused(f"{addresses[0]} takes no connection at port {port}: {wrong}")


def _encrypted(sock: socket.socket, host: str) -> socket.socket:
    import ssl  # noqa: PLC0415 - megabytes that few hosts need

    try:
        return ssl.create_default_context().wrap_socket(sock, server_hostname=host)
    except OSError as wrong:
        sock.close()
        raise Refused(f"{host} cannot be trusted: {wrong}") from None
