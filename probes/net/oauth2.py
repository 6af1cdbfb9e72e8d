"""A token for the client itself from an OAuth 2 server (RFC 6749, 4.4)."""

from __future__ import annotations

import binascii
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import quote_plus, urlencode

from model.decode import Raw
from model.misfit import Misfit
from probes.net.address import Url
from probes.net.connect import Unhealthy
from probes.net.credentials import NO_SECRET, Secret, from_file, one_line
from probes.net.request import Request
from probes.net.trust import SYSTEM_TRUST, TlsConfig

ANSWER_BYTES_MAX: Final = 65536


@dataclass(frozen=True, slots=True)
class OAuth2:
    """Where a token is asked for, and as whom; ``client_secret`` is written here or in a file.

    ``scopes`` and ``endpoint_params`` go along with the question, which ``tls_config`` is for.
    """

    client_id: Raw
    token_url: Url
    client_secret: Secret = NO_SECRET
    client_secret_file: str = ""
    scopes: tuple[Raw, ...] = ()
    endpoint_params: Mapping[str, Raw] = field(default_factory=dict)
    tls_config: TlsConfig = SYSTEM_TRUST

    def __post_init__(self) -> None:
        if self.client_secret and self.client_secret_file:
            cure = "keep one of them"
            raise Misfit("client_secret and client_secret_file are both given", cure, key="client_secret")

    def secret(self) -> str:
        """Return the client's secret; an OSError if its file is not there."""
        return from_file(self.client_secret_file) if self.client_secret_file else self.client_secret.text

    def request(self, secret: str, *, in_body: bool) -> Request:
        """Return the question; some servers want the secret in the body and not in the head."""
        form = {"grant_type": "client_credentials", **self.endpoint_params}
        if self.scopes:
            form["scope"] = " ".join(self.scopes)
        if in_body:
            form |= {"client_id": self.client_id, "client_secret": secret}
        pair = f"{quote_plus(self.client_id)}:{quote_plus(secret)}".encode()
        shown = f"Basic {binascii.b2a_base64(pair, newline=False).decode()}"
        fields = (("content-type", "application/x-www-form-urlencoded"),)
        secrets = () if in_body else (("authorization", shown),)
        return Request(self.token_url, "POST", fields, secrets, urlencode(form).encode())


def authorization(body: bytes) -> str:
    """Return the value of the Authorization header that the server's answer gives, or raise ``Unhealthy``."""
    try:
        answer = json.loads(body)
    except (ValueError, RecursionError):
        answer = None
    token = answer.get("access_token") if isinstance(answer, dict) else None
    if not isinstance(token, str) or not token:
        raise Unhealthy("the token server's answer has no access_token")
    kind = answer.get("token_type")
    # Servers write it in any case, and it is Bearer nearly always (RFC 6750).
    word = kind if isinstance(kind, str) and kind.isalpha() and kind.lower() != "bearer" else "Bearer"
    try:
        return one_line(f"{word} {token}")
    except Misfit:
        raise Unhealthy("the token server's answer has no access_token") from None
