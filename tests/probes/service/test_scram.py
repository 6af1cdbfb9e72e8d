from __future__ import annotations

import pytest

from probes.service import scram
from probes.service.scram import Unproved

# The example of RFC 7677, section 3, but for the user's name: PostgreSQL takes it from elsewhere.
NONCE = b"rOprNGfwEbeRWgbNEkqO"
CHALLENGE = b"r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096"


def test_a_proof_answers_the_challenge_and_wants_one_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scram, "_bare", lambda nonce: b"n=user,r=" + nonce)
    assert scram.first_message(NONCE) == b"n,,n=user,r=" + NONCE
    proof = scram.prove(b"pencil", NONCE, CHALLENGE)
    assert proof.message.endswith(b",p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=")
    scram.verify(proof, b"v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=")
    with pytest.raises(Unproved, match="does not know the password"):
        scram.verify(proof, b"v=AAAA")


@pytest.mark.parametrize(
    "challenge",
    [
        b"",
        b"r=another,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096",
        b"r=" + NONCE + b",s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096",
        b"r=" + NONCE + b"x,s=,i=4096",
        b"r=" + NONCE + b"x,s=!!,i=4096",
        b"r=" + NONCE + b"x,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=",
        b"r=" + NONCE + b"x,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=0",
        b"r=" + NONCE + b"x,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=-5",
        b"r=" + NONCE + b"x,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=99999999999999999999",
    ],
)
def test_a_malformed_or_costly_challenge_is_not_answered(challenge: bytes) -> None:
    with pytest.raises(Unproved):
        scram.prove(b"pencil", NONCE, challenge)


def test_all_ways_to_type_a_password_are_one() -> None:
    assert scram.prepared("ﬁ\u00aa".encode()) == b"fia"
    assert scram.prepared(b"plain") == b"plain"
    assert scram.prepared(b"\xff") == b"\xff"
