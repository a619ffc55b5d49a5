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

_WORDS = (
    "passw",
    "pwd",
    "passphrase",
    "secret",
    "token",
    "api_key",
    "apikey",
    "access_key",
    "private_key",
    "credential",
    "authorization",
    "session_id",
    "sessionid",
    "signature",
)
"""In whatever name they stand, it is a secret's."""
_SEGMENTS = frozenset({"pass", "pw", "sig", "salt", "dsn"})
"""Secrets only as a word of their own: `signal` and `design` are none."""
_LAST = frozenset({"key", "auth", "cookie", "cookies"})
"""Secrets only at the end of a name: SESSION_COOKIE_SECURE is none."""
_OTHER_KEYS = frozenset({"primary", "foreign", "public", "sort", "partition", "unique", "cache", "routing", "group"})
_NO_SECRET_ENDS = (
    "_file", "_path", "_dir", "_length", "_name", "_algorithm", "_ttl", "_expiry", "_timeout", "_url", "_count",
    "_secure", "_httponly", "_samesite", "_domain", "_lifetime", "_age", "_type", "_size", "_bytes", "_bits",
    "_validators", "_hashers", "_policy", "_enabled", "_required",
)  # fmt: skip
_WORKING_DIRECTORY = ("PWD", "OLDPWD")
"""Shell variables whose names only look like passwords."""
_MARKS = (
    "pass", "pw", "secret", "token", "key", "credential", "auth", "session", "cookie", "sig", "salt", "dsn",
    "://", "bearer", "basic ", "-----begin", "[parameters", "identified", "failing row", "duplicate entry",
    "mysql", "mariadb", "curl", "redis-cli", "/webhooks/", "hooks.slack", "api.telegram",
    "ghp_", "gho_", "ghu_", "ghs_", "ghr_", "github_pat", "glpat-", "xox", "k_live_", "k_test_", "sk-", "akia", "aiza",
    "npm_", "eyj", "input_value",
)  # fmt: skip
"""One of them, in lower case, stands in every text that a pattern could match."""
_COMMON_VALUES = frozenset(
    (
        *("true", "false", "none", "null", "test", "local", "localhost", "production", "development", "default"),
        *("postgres", "root", "admin", "mysql", "user", "redis", "secret", "password", "changeme", "token", "debug"),
        *("info", "main", "worker", "master", "python", "gunicorn", "flask", "django", "fastapi", "lax", "strict"),
    )
)
"""Values that everybody knows; to hide them would hide the words of every log."""
_WRAP = r"(?:['\"]?(?:\\n|\\?[\r\n]+)[ \t]*['\"]?)?"
"""What a renderer puts where it breaks a line: also the end and the beginning of a quotation."""
_SQUEEZE = {ord(char): None for char in "\r\n\t \"'\\n"}
"""Takes out of a text all that a wrap may hold: a value that is not in the rest was not wrapped either."""
_MAX_WRAPPED = 300
_MIN_INSIDE = 6
"""Shorter pieces of base64 would be found by chance."""


def is_secret_name(name: str) -> bool:
    """Tell whether a variable or setting of this name usually holds a secret."""
    lower = name.lower().replace("-", "_").replace(".", "_")
    if name in _WORKING_DIRECTORY or lower.endswith(_NO_SECRET_ENDS):
        return False
    if any(word in lower for word in _WORDS):
        return True
    segments = [segment for segment in lower.split("_") if segment]
    if not _SEGMENTS.isdisjoint(segments):
        return True
    if not segments or segments[-1] not in _LAST:
        return False
    return len(segments) == 1 or segments[-2] not in _OTHER_KEYS


def secrets_of(environ: Mapping[str, str]) -> list[str]:
    """Return the values in an environment that must never be shown."""
    found: list[str] = []
    for name, value in environ.items():
        passwords = _userinfo_passwords(value) if "://" in value else []
        found.extend(passwords)
        # Of a URL only the password is hidden, so that the rest can be read; without one it is a secret like any.
        if not passwords and is_secret_name(name):
            found.append(value)
        if "=" in value or '"' in value:
            found.extend(_inner_secrets(value))
    return found


class Redactor:
    """Masks by pattern and by the values of one environment; counts what it hid.

    >>> Redactor({"DB_PASSWORD": "hunter22"}).mask("login with hunter22 failed")
    'login with *** failed'
    """

    def __init__(self, environ: Mapping[str, str] | None = None, values: Iterable[str] = ()) -> None:
        self.hidden = 0
        self._forms: tuple[str, ...] = ()
        self._squeezed: tuple[str, ...] = ()
        self._split: re.Pattern[str] | None = None
        self._seen = dict(environ or {})
        self._late: tuple[str, ...] = ()
        self.learn([*(secrets_of(environ) if environ else ()), *values])

    def learn(self, values: Iterable[str]) -> None:
        """Hide these values from now on as well, in every form they may take in a text."""
        forms = set(self._forms)
        for value in values:
            for part in (value, *_lines(value)):
                if len(part) >= MIN_KNOWN and part.lower() not in _COMMON_VALUES:
                    forms.update(_forms(part))
        self._forms = tuple(sorted(forms, key=len, reverse=True))
        self._squeezed = tuple(form.translate(_SQUEEZE) for form in self._forms if 6 <= len(form) <= _MAX_WRAPPED)
        self._split = None

    def catch_up(self, environ: Mapping[str, str]) -> None:
        """Learn what has come into an environment since the last look: an app may read a file of secrets."""
        fresh = {name: value for name, value in environ.items() if self._seen.get(name) != value}
        if fresh:
            known = set(self._forms)
            self._seen.update(fresh)
            self.learn(secrets_of(fresh))
            self._late += tuple(form for form in self._forms if form not in known)

    def hide_late(self, text: str) -> str:
        """Return `text` without the secrets that came later than this redactor."""
        for form in self._late:
            text = text.replace(form, HIDDEN)
        return text

    def mask(self, text: str) -> str:
        """Return `text` without any secret that is known or looks like one."""
        for form in self._forms:
            if form in text:
                self.hidden += text.count(form)
                text = text.replace(form, HIDDEN)
        if self._forms and ("\n" in text or "\r" in text or "\\n" in text):
            squeezed = text.translate(_SQUEEZE)
            if any(form in squeezed for form in self._squeezed):
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
            forms = (form for form in self._forms if 6 <= len(form) <= _MAX_WRAPPED)
            wrapped = (_WRAP.join(re.escape(char) for char in form) for form in forms)
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


def _inner_secrets(text: str) -> list[str]:
    """Return secrets inside a value: `host=db password=x`, `--env SECRET_KEY=x`, `Server=db;PWD=x`, JSON."""
    if text.lstrip()[:1] in ("{", "["):
        return _json_secrets(text)
    found: list[str] = []
    for part in text.replace(";", " ").replace("&", " ").replace("?", " ").split():
        name, equals, value = part.partition("=")
        # In a connection string PWD is no directory.
        while equals and not (is_secret_name(name.lstrip("-")) or (name == "PWD" and value[:1] != "/")):
            name, equals, value = value.partition("=")
        if equals:
            found.append(value.strip("'\"{}"))
    return found


def _json_secrets(text: str) -> list[str]:
    import json

    try:
        waiting: list[object] = [json.loads(text)]
    except (ValueError, RecursionError):
        return []
    found: list[str] = []
    while waiting:
        item = waiting.pop()
        if isinstance(item, list):
            waiting += item
        elif isinstance(item, dict):
            waiting += item.values()
            found += [value for name, value in item.items() if isinstance(value, str) and is_secret_name(name)]
    return found


def _lines(value: str) -> list[str]:
    """Return the long lines of a value with several, such as a private key: each betrays a part of it."""
    return [line for line in value.splitlines() if len(line) >= 16] if "\n" in value else []


def _forms(value: str) -> set[str]:
    """Return what a value looks like in code, JSON, URLs and base64, alone or inside a longer text."""
    forms = {value, repr(value)[1:-1]}
    try:
        raw = value.encode("utf-8", "surrogateescape")
        forms.update((quote(value, safe=""), quote_plus(value, safe=""), quote(value)))
    except UnicodeError:
        # Lone surrogates have no bytes that could be encoded.
        return {form for form in forms if len(form) >= MIN_KNOWN}
    forms.update((repr(raw)[2:-1], _json_text(value)))
    forms.update([_lower_escapes(form) for form in forms if "%" in form])
    forms.update([quote(form, safe="") for form in forms if "%" in form])
    encoded = [form for shift in range(3) if len(form := _base64_inside(raw, shift)) >= _MIN_INSIDE]
    encoded.append(b2a_base64(raw, newline=False).decode("ascii").rstrip("="))
    forms.update(form for text in encoded for form in (text, text.replace("+", "-").replace("/", "_")))
    return {form for form in forms if len(form) >= MIN_KNOWN}


def _base64_inside(raw: bytes, shift: int) -> str:
    """Return the part of a text's base64 form that stays the same whatever stands before and after the text.

    Three bytes become four letters, so the form depends on the bytes before modulo three.
    """
    encoded = b2a_base64(b"\0" * shift + raw, newline=False).decode("ascii").rstrip("=")
    end = len(encoded) if (shift + len(raw)) % 3 == 0 else len(encoded) - 1
    return encoded[(0, 2, 3)[shift] : end]


def _json_text(value: str) -> str:
    """Return a text as `json.dumps` writes it, without importing json where nothing needs escaping."""
    if value.isascii() and value.isprintable() and '"' not in value and "\\" not in value:
        return value
    import json

    return json.dumps(value)[1:-1]


def _lower_escapes(form: str) -> str:
    """Return percent escapes with small letters, as some clients write them."""
    head, *parts = form.split("%")
    return head + "".join(f"%{part[:2].lower()}{part[2:]}" for part in parts)
