"""SCRAM-SHA-256: a server that knows the password accepts the proof, another does not."""

from __future__ import annotations

import base64
import hashlib
import hmac

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bootcheck.checks.databases.scram import Exchange, prepared

SALT, ROUNDS = b"0123456789abcdef", 64


def admitted(password: bytes, exchange: Exchange) -> bool:
    """Play the server: challenge, and verify the proof against what it stores."""
    first = exchange.first().decode()
    bare = first[3:]
    challenge = f"r={bare.partition('r=')[2]}server,s={base64.b64encode(SALT).decode()},i={ROUNDS}"
    final = exchange.final(challenge.encode()).decode()
    without_proof, _, proof = final.rpartition(",p=")
    salted = hashlib.pbkdf2_hmac("sha256", password, SALT, ROUNDS)
    stored = hashlib.sha256(hmac.digest(salted, b"Client Key", "sha256")).digest()
    signature = hmac.digest(stored, f"{bare},{challenge},{without_proof}".encode(), "sha256")
    key = bytes(left ^ right for left, right in zip(base64.b64decode(proof), signature, strict=True))
    return hashlib.sha256(key).digest() == stored


@given(st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1))
def test_the_right_password_is_admitted(password):
    """Whatever is in it."""
    assert admitted(prepared(password), Exchange(password))


def test_a_wrong_password_is_refused():
    """The proof of another password proves nothing."""
    assert not admitted(b"right", Exchange("wrong"))


@pytest.mark.parametrize(
    ("written", "sent"),
    [
        ("secret", b"secret"),
        ("caf\u00e9", "caf\u00e9".encode()),
        ("cafe\u0301", "caf\u00e9".encode()),
        ("\u2168", b"IX"),
        ("a\u00a0b", b"a b"),
        ("a\u00adb", b"ab"),
        ("\u0627\u0007", "\u0627\u0007".encode()),
    ],
)
def test_a_password_is_prepared_as_the_server_did(written, sent):
    """SASLprep, and the password as it is where SASLprep forbids it."""
    assert prepared(written) == sent


@pytest.mark.parametrize("challenge", [b"", b"r=x,s=,i=1", b"r=evil,s=MDEy,i=4096", b"e=other-error"])
def test_a_challenge_that_is_none_is_refused(challenge):
    """A server that does not repeat our nonce gets no proof."""
    with pytest.raises(ValueError, match=r"SCRAM|invalid"):
        Exchange("secret", nonce="abc").final(challenge)


def test_absurd_rounds_are_refused():
    """A hostile server could otherwise keep us computing for hours."""
    with pytest.raises(ValueError, match="SCRAM"):
        Exchange("secret", nonce="abc").final(b"r=abcd,s=MDEyMw==,i=99999999999")
