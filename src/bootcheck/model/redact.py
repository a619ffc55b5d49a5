"""Secrets out of text: by pattern where the value is unknown, by value where it is known.

Patterns cover credentials in URLs and query strings, `name=value` and `'name': 'value'` with
secret-like names, Authorization and Cookie headers, PEM blocks and SQL parameters. Known values
are also found base64- or URL-encoded and split over lines.
"""

from __future__ import annotations

import re
from urllib.parse import unquote

from bootcheck.model.redactor import HIDDEN, Redactor, is_secret_name, secrets_of

__all__ = ["HIDDEN", "Redactor", "is_secret_name", "mask", "mask_counted", "secrets_of", "url_passwords"]

SECRET_NAME = (
    r"(?:[A-Za-z0-9_.\-]*(?:passw(?:or)?d|passwd|pwd|passphrase|secret|token|api[_\-]?key|apikey|access[_\-]?key"
    r"|private[_\-]?key|signing[_\-]?key|encryption[_\-]?key|credentials?|authorization|auth[_\-]?key"
    r"|session[_\-]?id|cookie|signature|sig|salt|dsn)[A-Za-z0-9_.\-]*|pass|key)"
)

_URL_USERINFO = re.compile(r"(?P<head>\b[A-Za-z][A-Za-z0-9+.\-]*://[^\s:/?#'\"<>@]*:)(?P<secret>[^\s'\"<>]*)(?=@)")
_QUERY = re.compile(rf"(?P<head>[?&;]{SECRET_NAME}=)(?P<secret>[^&\s'\"<>;]+)", re.IGNORECASE)
_ASSIGN = re.compile(
    rf"(?P<head>(?<![A-Za-z0-9_.\-]){SECRET_NAME}\s*=\s*)(?P<secret>'(?:[^'\\\n]|\\.)*'|\"(?:[^\"\\\n]|\\.)*\"|[^\s,;&)'\"\]}}]+)",
    re.IGNORECASE,
)
_PAIR = re.compile(
    rf"(?P<head>(?P<q>\\?['\"]){SECRET_NAME}(?P=q)\s*[:,]\s*)"
    r"(?P<secret>\\?'(?:[^'\\\n]|\\.)*'|\\?\"(?:[^\"\\\n]|\\.)*\"|[^\s,}\])]+)",
    re.IGNORECASE,
)
_YAML = re.compile(
    rf"(?P<head>(?:^|(?<=[\s,{{])){SECRET_NAME}:[ \t]+)(?P<secret>[^\s,}}]+)", re.IGNORECASE | re.MULTILINE
)
_HEADER = re.compile(
    r"(?P<head>\b(?:proxy-)?authorization['\"]?\s*[:=,]\s*['\"]?)(?P<secret>(?:(?:basic|bearer|digest|token|negotiate)\s+)?[^\s'\",]+)",
    re.IGNORECASE,
)
_COOKIE = re.compile(r"(?P<head>\b(?:set-)?cookie['\"]?\s*[:=,]\s*['\"]?)(?P<secret>[^\r\n'\"]+)", re.IGNORECASE)
_BEARER = re.compile(r"(?P<head>\b(?:bearer|basic)\s+)(?P<secret>[A-Za-z0-9+/=_.\-~]{8,})", re.IGNORECASE)
_PEM = re.compile(r"(?P<head>-----BEGIN [A-Z0-9 ]+-----)(?P<secret>.*?)(?=-----END [A-Z0-9 ]+-----|\Z)", re.DOTALL)
_SQL_PARAMETERS = re.compile(r"(?P<head>\[parameters: )(?P<secret>.*?)(?=\]\s*(?:$|\n|\(Background|\\n))", re.DOTALL)
_MYSQL_OPTION = re.compile(
    r"(?P<head>(?:^|\s)(?:--password|--passwd|--token|--secret|--api-key)(?:=|\s+))(?P<secret>\S+)", re.IGNORECASE
)

_PATTERNS = (
    _PEM,
    _SQL_PARAMETERS,
    _URL_USERINFO,
    _QUERY,
    _HEADER,
    _COOKIE,
    _BEARER,
    _PAIR,
    _ASSIGN,
    _YAML,
    _MYSQL_OPTION,
)
_TRIGGER = re.compile(r"://|[=:]|bearer|basic|-----BEGIN|\[parameters|--|['\"]", re.IGNORECASE)


def url_passwords(text: str) -> list[str]:
    """Return the passwords that stand in the URLs of `text`, as written and decoded."""
    found = [match["secret"] for match in _URL_USERINFO.finditer(text) if match["secret"]]
    return [form for secret in found for form in dict.fromkeys((secret, unquote(secret)))]


def mask(text: str) -> str:
    """Return `text` with everything that looks like a secret replaced by `***`."""
    return mask_counted(text)[0]


def mask_counted(text: str) -> tuple[str, int]:
    """Return the masked text and how many values were hidden."""
    if not _TRIGGER.search(text):
        return text, 0
    hidden = 0

    def hide(match: re.Match[str]) -> str:
        nonlocal hidden
        if match["secret"] in ("", HIDDEN, f"'{HIDDEN}'", f'"{HIDDEN}"'):
            return match[0]
        hidden += 1
        return match["head"] + _quoted(match["secret"])

    for pattern in _PATTERNS:
        text = pattern.sub(hide, text)
    return text, hidden


def _quoted(secret: str) -> str:
    for quote_mark in ("\\'", '\\"', "'", '"'):
        if secret.startswith(quote_mark) and secret.endswith(quote_mark) and len(secret) > len(quote_mark):
            return f"{quote_mark}{HIDDEN}{quote_mark}"
    return HIDDEN
