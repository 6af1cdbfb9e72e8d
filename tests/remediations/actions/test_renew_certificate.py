"""A certificate is renewed by a fixed command, and services then read it again."""

from __future__ import annotations

import pytest

from model.misfit import Rejected
from tests.remediations.actions.planning import argvs, planned


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (
            "{certificate: /etc/c.pem, name: shop.example}",
            "renew /etc/c.pem by certbot renew --cert-name shop.example --non-interactive",
        ),
        (
            "{certificate: /etc/c.pem, tool: lego, argv: [lego, --path, /etc/lego, renew]}",
            "renew /etc/c.pem by lego --path /etc/lego renew",
        ),
    ],
)
def test_the_first_step_says_what_it_does(text: str, words: str) -> None:
    assert str(planned("renew_certificate", text)[0]).startswith(words)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("{certificate: /c, tool: lego, name: x}", "lego takes an argv alone"),
        ("{certificate: /c}", "certbot takes a name alone"),
        ("{certificate: /c, name: --x}", "is not a name"),
    ],
)
def test_what_cannot_be_meant_is_refused(text: str, sentence: str) -> None:
    with pytest.raises(Rejected, match=sentence):
        planned("renew_certificate", text)


def test_services_read_a_renewed_certificate_again() -> None:
    text = "{certificate: /etc/c.pem, name: shop, reload: [nginx, postfix]}"
    done = argvs(planned("renew_certificate", text))
    assert done[-1] == "/usr/bin/systemctl reload postfix.service"
    assert "/usr/bin/systemctl reload nginx.service" in done
