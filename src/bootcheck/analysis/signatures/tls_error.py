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

from bootcheck.analysis.conclusion import conclude, one_line
from bootcheck.analysis.trouble import Trouble
from bootcheck.model.cause import Cause
from bootcheck.model.finding import Finding

CAUSE_CLASS = "tls-error"
RULES = ("BC523",)

_FILE = re.compile(r"(?:certfile|keyfile|ca_certs) \"[^\"]*\" does not exist")
_CONTEXT = frozenset(
    {"load_cert_chain", "load_verify_locations", "create_default_context", "ssl_context", "ssl_wrap_socket"}
)
TELLTALE = re.compile(
    r"Invalid request from ip=\S*: \[SSL\] PEM lib|SSLError: \[SSL\] PEM lib|KEY_VALUES_MISMATCH|"
    r"\[SSL: (?:KEY_VALUES|NO_CERTIFICATE|EE_KEY_TOO_SMALL|CA_MD_TOO_WEAK)"
)
WORDS = ("[SSL", "KEY_VALUES")
TELLTALE_CAUSE = Cause.NONE


def match(trouble: Trouble) -> Finding | None:
    """Conclude where gunicorn's listener, and not a client of the app, meets the bad file."""
    error = trouble.error
    line = trouble.line(TELLTALE)
    if error is not None:
        listener = any(
            "gunicorn" in f.file and (f.function in _CONTEXT or "load_cert_chain" in f.code or "ssl_context" in f.code)
            for f in error.frames
        )
        if not _FILE.search(error.text) and not listener:
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
