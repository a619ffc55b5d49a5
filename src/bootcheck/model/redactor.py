"""The redactor of a process: knows the secrets of its environment, and when to look for patterns.

On every boot's path, so the patterns themselves (`bootcheck.model.redact`) are loaded only for a
text that may hold something.
"""

from __future__ import annotations

from binascii import b2a_base64
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING
from urllib.parse import quote, quote_plus, unquote

if TYPE_CHECKING:
    import re

HIDDEN = "***"
MIN_KNOWN = 4
"""Shorter values would hide ordinary words."""

SECRET_WORDS = (
    "passw",
    "pwd",
    "passphrase",
    "secret",
    "token",
    "api_key",
    "apikey",
    "access_key",
    "private_key",
    "signing_key",
    "encryption_key",
    "auth_key",
    "credential",
    "authorization",
    "session_id",
    "sessionid",
    "cookie",
    "signature",
    "salt",
    "dsn",
)
_NO_SECRET_ENDS = (
    "_file", "_path", "_dir", "_length", "_name", "_algorithm", "_ttl", "_expiry", "_timeout", "_url", "_count",
)  # fmt: skip
_WORKING_DIRECTORY = ("PWD", "OLDPWD")
"""Shell variables whose names only look like passwords."""
_MARKS = (*SECRET_WORDS, "://", "bearer", "basic ", "-----begin", "[parameters", "key", "pass", "sig")
_COMMON_VALUES = frozenset(
    [
        "true",
        "false",
        "none",
        "null",
        "test",
        "local",
        "localhost",
        "production",
        "development",
        "postgres",
        "root",
        "admin",
        "mysql",
        "user",
        "redis",
        "default",
    ]
)


def is_secret_name(name: str) -> bool:
    """Tell whether a variable or setting of this name usually holds a secret."""
    lower = name.lower().replace("-", "_").replace(".", "_")
    if name in _WORKING_DIRECTORY or lower.endswith(_NO_SECRET_ENDS):
        return False
    return lower in ("pass", "key") or any(word in lower for word in SECRET_WORDS)


def secrets_of(environ: Mapping[str, str]) -> list[str]:
    """Return the values in an environment that must never be shown."""
    found: list[str] = []
    for name, value in environ.items():
        passwords = _userinfo_passwords(value) if "://" in value else []
        found.extend(passwords)
        # Of a URL only the password is hidden, so that the rest can be read; without one it is a secret like any.
        if not passwords and is_secret_name(name):
            found.append(value)
    return found


class Redactor:
    """Masks by pattern and by the values of one environment; counts what it hid.

    >>> Redactor({"DB_PASSWORD": "hunter22"}).mask("login with hunter22 failed")
    'login with *** failed'
    """

    def __init__(self, environ: Mapping[str, str] | None = None, values: Iterable[str] = ()) -> None:
        self.hidden = 0
        self._forms: tuple[str, ...] = ()
        self._split: re.Pattern[str] | None = None
        self.learn([*(secrets_of(environ) if environ else ()), *values])

    def learn(self, values: Iterable[str]) -> None:
        """Hide these values from now on as well, in every form they may take in a text."""
        forms = set(self._forms)
        for value in values:
            if len(value) >= MIN_KNOWN and value.lower() not in _COMMON_VALUES:
                forms.update(_forms(value))
        self._forms = tuple(sorted(forms, key=len, reverse=True))
        self._split = None

    def mask(self, text: str) -> str:
        """Return `text` without any secret that is known or looks like one."""
        for form in self._forms:
            if form in text:
                self.hidden += text.count(form)
                text = text.replace(form, HIDDEN)
        if self._forms and ("\n" in text or "\\n" in text):
            text = self._mask_split(text)
        lower = text.lower()
        if any(mark in lower for mark in _MARKS):
            from bootcheck.model.redact import mask_counted

            text, count = mask_counted(text)
            self.hidden += count
        return text

    def _mask_split(self, text: str) -> str:
        """Find values that a renderer wrapped over lines."""
        import re

        if self._split is None:
            loose = r"(?:\\n|[\r\n]+[ \t]*)?"
            wrapped = (loose.join(re.escape(char) for char in form) for form in self._forms if len(form) >= 8)
            self._split = re.compile("|".join(wrapped) or r"(?!)")
        text, count = self._split.subn(HIDDEN, text)
        self.hidden += count
        return text


def _userinfo_passwords(text: str) -> list[str]:
    """Return the passwords in URLs of a text, as written and decoded, without a pattern."""
    found: list[str] = []
    for part in text.split("://")[1:]:
        authority = part.split("/", 1)[0] if "@" in part.split("/", 1)[0] else part
        userinfo, at, _ = authority.rpartition("@")
        _, colon, password = userinfo.partition(":")
        if at and colon and password and not any(char.isspace() for char in password):
            found += [password, unquote(password)]
    return found


def _forms(value: str) -> set[str]:
    raw = value.encode("utf-8", "surrogateescape")
    encoded = b2a_base64(raw, newline=False).decode("ascii").rstrip("=")
    safe = encoded.replace("+", "-").replace("/", "_")
    forms = {value, encoded, safe, repr(value)[1:-1]}
    try:
        forms.update((quote(value, safe=""), quote_plus(value, safe="")))
    except UnicodeError:
        pass
    return {form for form in forms if len(form) >= MIN_KNOWN}
