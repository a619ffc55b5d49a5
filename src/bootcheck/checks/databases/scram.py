"""SCRAM-SHA-256 (RFC 5802, RFC 7677) from the client's side, without channel binding."""

from __future__ import annotations

import base64
import hashlib
import hmac
import os
import stringprep
import unicodedata

MECHANISM = "SCRAM-SHA-256"
_MAX_ITERATIONS = 10_000_000


class Exchange:
    """One login: `first()`, then `final(challenge)`.

    The server's own proof is not checked: nothing is entrusted to it.
    """

    def __init__(self, password: str, *, nonce: str | None = None) -> None:
        self._password = prepared(password)
        self._bare = "n=,r=" + (nonce or base64.b64encode(os.urandom(18)).decode())

    def first(self) -> bytes:
        """Return the client's first message."""
        return b"n,," + self._bare.encode()

    def final(self, server_first: bytes) -> bytes:
        """Return the proof for the server's challenge; raises ValueError if it is none."""
        parts = dict(item.split("=", 1) for item in server_first.decode().split(",") if "=" in item)
        nonce, salt, rounds = parts.get("r", ""), base64.b64decode(parts.get("s", "")), int(parts.get("i", "0"))
        if not nonce.startswith(self._bare.partition("r=")[2]) or not salt or not 0 < rounds <= _MAX_ITERATIONS:
            msg = "the server's challenge is not SCRAM's"
            raise ValueError(msg)
        salted = hashlib.pbkdf2_hmac("sha256", self._password, salt, rounds)
        client_key = hmac.digest(salted, b"Client Key", "sha256")
        without_proof = f"c={base64.b64encode(b'n,,').decode()},r={nonce}"
        message = f"{self._bare},{server_first.decode()},{without_proof}".encode()
        signature = hmac.digest(hashlib.sha256(client_key).digest(), message, "sha256")
        proof = bytes(left ^ right for left, right in zip(client_key, signature, strict=True))
        return f"{without_proof},p={base64.b64encode(proof).decode()}".encode()


def prepared(password: str) -> bytes:
    """Return the password after SASLprep; as PostgreSQL does, one that it forbids is used as it is."""
    if password.isascii():
        return password.encode()
    mapped = "".join(
        " " if stringprep.in_table_c12(char) else char for char in password if not stringprep.in_table_b1(char)
    )
    text = unicodedata.normalize("NFKC", mapped)
    forbidden = (
        stringprep.in_table_c12,
        stringprep.in_table_c21_c22,
        stringprep.in_table_c3,
        stringprep.in_table_c4,
        stringprep.in_table_c5,
        stringprep.in_table_c6,
        stringprep.in_table_c7,
        stringprep.in_table_c8,
        stringprep.in_table_c9,
        stringprep.in_table_a1,
    )
    if not text or any(test(char) for test in forbidden for char in text):
        return password.encode()
    return text.encode()
