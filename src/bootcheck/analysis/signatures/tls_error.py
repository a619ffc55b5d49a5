"""The certificate or key of gunicorn's own listener is unusable (BC523).

What it means
    Gunicorn was told to serve HTTPS itself, and the certificate or key is missing, unreadable, does
    not match, or is not PEM. It ends at the start, or fails on every connection.

How it looks
    `ValueError: certfile "cert.pem" does not exist`, `ssl.SSLError: [SSL] PEM lib`,
    `KEY_VALUES_MISMATCH`, `Invalid request from ip=…: [SSL] PEM lib`.

Why it happens
    A secret that was not mounted; a renewed certificate with the old key; a key only root can read.

What to do
    Check both files as the user of the workers; certificate and key must belong together.

How to know it is fixed
    `openssl x509 -noout -in CERT` and `openssl rsa -check -in KEY` succeed as that user, and
    `curl -kv https://HOST:PORT/` completes its handshake.
"""

from __future__ import annotations

import re

from bootcheck.analysis import late
from bootcheck.analysis.conclusion import conclude, one_line
from bootcheck.analysis.trouble import Raised, Trouble
from bootcheck.model.cause import Cause
from bootcheck.model.finding import Finding

CAUSE_CLASS = "tls-error"
RULES = ("BC523",)

_FILE = late.regex(r"(?:certfile|keyfile|ca_certs) \"[^\"]*\" does not exist")
_CONTEXT = frozenset(
    {"load_cert_chain", "load_verify_locations", "create_default_context", "ssl_context", "ssl_wrap_socket"}
)
TELLTALE = late.regex(
    r"Invalid request from ip=\S*: \[SSL\] PEM lib|SSLError: \[SSL\] PEM lib|KEY_VALUES_MISMATCH|"
    r"\[SSL: (?:KEY_VALUES|NO_CERTIFICATE|(?:EE|CA)_KEY_TOO_SMALL|CA_MD_TOO_WEAK)|\[PEM: |"
    r"SSLError: \[(?:X509|ASN1|RSA|EC): |Failed to create SSL context: "
)
WORDS = ("[SSL", "KEY_VALUES", "[PEM", "rror", "SSL context")
TELLTALE_CAUSE = Cause.NONE
WHILE_SERVING = True
_SERVER = late.regex(r"gunicorn|/uvicorn/config\.py$|/uvicorn/workers\.py$|uvicorn_worker|/gevent/(?:base)?server\.py$")
_CLIENT = late.regex(
    r"HTTP_REQUEST|HTTPS_PROXY|ALERT|WRONG_VERSION|VERSION_TOO_LOW|UNKNOWN_PROTOCOL|UNSUPPORTED_PROTOCOL|EOF|handshake|"
    r"NO_SHARED_CIPHER|VERIFY_FAILED|BAD_(?:LENGTH|RECORD)|PACKET_LENGTH|INTERNAL_ERROR|INVALID_ALERT|SHUTDOWN",
    re.IGNORECASE,
)
"""What a client, and not the server's files, makes of a connection."""
_LISTENER = late.regex(r"load_cert_chain|ssl_context|wrap_socket|\bssl_options\b|\bset_ciphers\(")


def match(trouble: Trouble) -> Finding | None:
    """Conclude where gunicorn's listener, and not a client of the app, meets the bad file."""
    error = trouble.error
    line = trouble.line(TELLTALE)
    if error is not None:
        alone = not error.frames and TELLTALE.search(error.text)
        if not alone and not _FILE.search(error.text) and not _of_listener(error):
            return None
    elif not line:
        return None
    text = error.text if error is not None else line[0].text
    return conclude(
        trouble,
        f"Gunicorn's certificate or key is unusable: {one_line(text)}",
        "Check --certfile and --keyfile as the workers' user: both must exist, be PEM, be readable and belong "
        "together.",
        code="BC523",
        confirm="openssl x509 -noout -in CERT && openssl pkey -noout -in KEY",
        evidence=None if error is not None else line,
    )


def _of_listener(error: Raised) -> bool:
    """Tell whether it was raised where the server takes up its files, and no client made it."""
    if _CLIENT.search(error.message) or error.is_a(
        "ConnectionResetError", "BrokenPipeError", "TimeoutError", "timeout"
    ):
        return False
    return any(
        _SERVER.search(frame.file) and (frame.function in _CONTEXT or _LISTENER.search(frame.code))
        for frame in error.frames
    )
