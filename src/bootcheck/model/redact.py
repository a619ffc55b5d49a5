"""Secrets out of text by pattern, where the values are unknown.

Patterns cover credentials in URLs and query strings, `name=value` and `'name': 'value'` with
secret-like names, options of commands, Authorization and Cookie headers, PEM blocks, the parameters and
rows of SQL errors, and tokens of well-known services. Values that are known are the `Redactor`'s to find.
"""

from __future__ import annotations

import binascii
import re
from urllib.parse import unquote

from bootcheck.model.redactor import HIDDEN, Redactor, is_secret_name, secrets_of

__all__ = ["HIDDEN", "Redactor", "is_secret_name", "mask", "mask_counted", "secrets_of", "url_passwords"]

# Whatever may be a secret's name; `is_secret_name` has the last word.
_NAME = (
    r"(?P<name>[A-Za-z0-9_.\-]{0,80}(?:passw|pwd|passphrase|secret|token|api[_\-]?key|credential|authorization"
    r"|session[_\-]?id|cookie|signature|salt|dsn|sig|pass|pw|key|auth)[A-Za-z0-9_.\-]{0,80})"
)
# An unterminated quotation reaches to the end of the line: text is often cut.
_QUOTED = (
    r"(?:[rbfu]|r[bf]|[bf]r)?(?:(?P<escaped>\\+['\"])[^\n]*?(?:(?P=escaped)|$)"
    r"|'(?:[^'\\\n]|\\.)*(?:'|$)|\"(?:[^\"\\\n]|\\.)*(?:\"|$))"
)
_ANNOTATION = r"(?::[ \t]*(?:str|bytes|Any|SecretStr|Final|Optional\[str\]|str[ \t]*\|[ \t]*None)[ \t]*)?"
_FLAGS = re.IGNORECASE | re.MULTILINE

# The user may hold an @ (Azure's user@server), the password may hold anything.
_URL_USERINFO = re.compile(r"(?P<head>\b[A-Za-z][A-Za-z0-9+.\-]{0,30}://[^\s:/?#'\"<>]*:)(?P<secret>[^\s'\"<>]*)(?=@)")
_URL_TOKEN = re.compile(r"(?P<head>://)(?P<secret>[A-Za-z0-9_\-.~%+]{20,})(?=(?::\*\*\*)?@)")
_QUERY = re.compile(rf"(?P<head>[?&;#]{_NAME}=)(?P<secret>[^&\s'\"<>;]+)", _FLAGS)
_HEADER = re.compile(
    r"(?P<head>\b(?:proxy-)?authorization(?:['\"]?\s*[:=]|['\"]\s*,)\s*['\"]?)"
    r"(?P<secret>digest\s[^\r\n]+|(?:(?:basic|bearer|token|negotiate|aws4-hmac-sha256)\s+)?[^\s'\",]+)",
    re.IGNORECASE,
)
_COOKIE = re.compile(
    r"(?P<head>\b(?:set-)?cookie(?:['\"]?\s*[:=]|['\"]\s*,)\s*['\"]?)(?P<secret>[^\r\n'\"]+)", re.IGNORECASE
)
_BEARER = re.compile(r"(?P<head>\bbearer\s+)(?P<secret>(?=\S*\d|\S{20})[A-Za-z0-9+/=_.\-~]{8,})", re.IGNORECASE)
_BASIC = re.compile(r"(?P<head>\bbasic\s+)(?P<secret>(?P<base64>[A-Za-z0-9+/]{4,}={0,2}))", re.IGNORECASE)
_PEM = re.compile(r"(?P<head>-----BEGIN [A-Z0-9 ]+-----)(?P<secret>.*?)(?=-----END [A-Z0-9 ]+-----|\Z)", re.DOTALL)
# `'name': value`; with a comma only in a pair (`('name', 'value')`) or after an option in a list of arguments.
_PAIR = re.compile(
    rf"(?P<head>(?P<q>\\*['\"])(?:--)?{_NAME}(?P=q)\s*:\s*)(?P<secret>{_QUOTED}|[^\s,}}\])]+)",
    _FLAGS,
)
_TUPLE = re.compile(
    rf"(?P<head>(?:(?:\(|\[\[|\], ?\[)(?P<q>\\*['\"])|(?P<r>\\*['\"])--){_NAME}(?:(?P=q)|(?P=r)),\s*)"
    rf"(?P<secret>{_QUOTED})",
    _FLAGS,
)
_ASSIGN = re.compile(
    rf"(?P<head>(?<![A-Za-z0-9_.\-]){_NAME}[ \t]*{_ANNOTATION}(?:[!=:]?=)[ \t]*)"
    rf"(?P<secret>{_QUOTED}|\{{[^}}\n]*\}}|(?:[^\s,;&)'\"\]}}]|,(?!\s|$|\w+=))+)",
    _FLAGS,
)
_YAML = re.compile(rf"(?P<head>(?:^|(?<=[\s,{{(\[])){_NAME}:[ \t]+)(?P<secret>{_QUOTED}|(?:[^\s,}}]|,(?=\S))+)", _FLAGS)
_OPTION = re.compile(rf"(?P<head>(?:^|(?<=\s))--{_NAME}[ \t]+)(?P<secret>{_QUOTED}|[^\s\-'\"]\S*)", _FLAGS)
_CLIENTS = re.compile(
    r"(?P<head>\b(?:mysql|mariadb)[\w\-]*[^\n]*?\s-p|\bcurl\b[^\n]*?\s(?:-u|--user)[ =]?[^\s:]+:"
    r"|\bredis-cli\b[^\n]*?\s-a\s+)(?P<secret>[^\s'\"]+)"
)
_SQL_PARAMETERS = re.compile(
    r"(?P<head>\[parameters: )(?P<secret>.*?)(?=\](?:\s|\\n)*\(Background on this error)", re.DOTALL
)
_SQL_PARAMETERS_ALONE = re.compile(
    r"(?P<head>\[parameters: )(?P<secret>(?!\*\*\*).*?)(?=\]\s*(?:$|\n|\\n)|\Z)", re.DOTALL
)
_SQL_LITERAL = re.compile(
    r"(?P<head>\b(?:password|identified\s+by|identified\s+with\s+\w+\s+(?:as|by))\s+)(?P<secret>'(?:[^'\n]|'')*(?:'|$))",
    _FLAGS,
)
_SQL_ROW = re.compile(
    r"(?P<head>Failing row contains \(|Key \([^)\n]*\)=\(|Duplicate entry ')(?P<secret>[^\n]*?)"
    r"(?=\)\.(?:\s|\\n|$)|\) (?:already|is not|conflicts|is still)|' for key|$)",
    re.MULTILINE,
)
# What pydantic quotes of a value that it refuses; also cut before its end.
_REFUSED = re.compile(r"(?P<head>\binput_value=)(?P<secret>.*?)(?=, input_type=|\]?$)", re.MULTILINE)
_SERVICE_TOKEN = re.compile(
    r"(?P<head>(?<![A-Za-z0-9]))(?P<secret>gh[opusr]_[A-Za-z0-9]{30,}|github_pat_\w{30,}|glpat-[\w\-]{20,}"
    r"|xox[abeoprs]-[\w\-]{10,}|[sr]k_(?:live|test)_\w{10,}|sk-[\w\-]{20,}|AKIA[0-9A-Z]{16}|AIza[\w\-]{35}"
    r"|npm_[A-Za-z0-9]{30,}|eyJ[\w\-]{8,}\.eyJ[\w\-]{8,}\.[\w\-]*)"
)
_WEBHOOK = re.compile(
    r"(?P<head>hooks\.slack\.com/services/|/api/webhooks/\d{5,}/|api\.telegram\.org/bot)(?P<secret>[\w\-/:]+)"
)

_NAME_WORDS = (
    "pass",
    "pwd",
    "secret",
    "token",
    "key",
    "credential",
    "auth",
    "session",
    "cookie",
    "sig",
    "salt",
    "dsn",
    "pw",
)
_SERVICES = ("gh", "github_pat", "glpat", "xox", "k_live_", "k_test_", "sk-", "akia", "aiza", "npm_", "eyj")
_QUOTES = ("'", '"')
_PATTERNS: tuple[tuple[re.Pattern[str], tuple[tuple[str, ...], ...]], ...] = (
    (_PEM, (("-----begin",),)),
    (_SQL_PARAMETERS, (("[parameters",),)),
    (_SQL_PARAMETERS_ALONE, (("[parameters",),)),
    (_REFUSED, (("input_value",),)),
    (_SQL_ROW, (("failing row", "key (", "duplicate entry"),)),
    (_SQL_LITERAL, (("password", "identified"), ("'",))),
    (_URL_USERINFO, (("://",), ("@",))),
    (_URL_TOKEN, (("://",), ("@",))),
    (_QUERY, (_NAME_WORDS, ("=",))),
    (_HEADER, (("authorization",),)),
    (_COOKIE, (("cookie",),)),
    (_BEARER, (("bearer",),)),
    (_BASIC, (("basic",),)),
    (_TUPLE, (_NAME_WORDS, _QUOTES)),
    (_PAIR, (_NAME_WORDS, _QUOTES)),
    (_ASSIGN, (_NAME_WORDS, ("=",))),
    (_YAML, (_NAME_WORDS, (":",))),
    (_OPTION, (_NAME_WORDS, ("--",))),
    (_CLIENTS, (("mysql", "mariadb", "curl", "redis-cli"),)),
    (_SERVICE_TOKEN, (_SERVICES,)),
    (_WEBHOOK, (("hooks.slack", "/webhooks/", "api.telegram"),)),
)
"""Each pattern, and what a text in small letters must hold (one of each group) for it to be worth trying."""
_LOOKED_UP = (
    *("os.environ", "os.getenv(", "environ[", "environ.get(", "getenv(", "env(", "self.", "settings.", "config["),
    "config(",
)
"""How code reads a secret from elsewhere: the place is no secret."""
_LONG_RUN = re.compile(r"\\{64,}")
"""More than a quotation mark has after it was quoted six times over. A pattern looks at each run from each of its
places: what is longer would take its square, and is shortened."""
_SHORTER = "\\" * 63
_PLAIN = frozenset({"", "true", "false", "none", "null", "yes", "no", "on", "off", "lax", "strict", "str", "undefined"})
_NO_INPUT = _PLAIN | {"{}", "[]", "()"}


def url_passwords(text: str) -> list[str]:
    """Return the passwords that stand in the URLs of `text`, as written and decoded."""
    found = [match["secret"] for match in _URL_USERINFO.finditer(text) if match["secret"]]
    return [form for secret in found for form in dict.fromkeys((secret, unquote(secret)))]


def mask(text: str) -> str:
    """Return `text` with everything that looks like a secret replaced by `***`."""
    return mask_counted(text)[0]


def mask_counted(text: str) -> tuple[str, int]:
    """Return the masked text and how many values were hidden."""
    hidden = 0

    def hide(match: re.Match[str]) -> str:
        nonlocal hidden
        if not _is_secret(match):
            return match[0]
        hidden += 1
        return match["head"] + _quoted(match["secret"])

    if _SHORTER in text:
        text = _LONG_RUN.sub(lambda _: _SHORTER, text)
    lower = text.lower()
    for pattern, groups in _PATTERNS:
        if all(any(mark in lower for mark in group) for group in groups):
            text = pattern.sub(hide, text)
    return text, hidden


def _is_secret(match: re.Match[str]) -> bool:
    groups = match.groupdict()
    bare = _bare(match["secret"])
    if bare.strip("\\") in (HIDDEN, ""):
        return False
    if groups.get("base64"):
        return _holds_credentials(bare)
    if match["head"] == "input_value=":
        return bare.lower() not in _NO_INPUT
    name = groups.get("name")
    return name is None or (_names_secret(name, match["head"]) and not _is_harmless(name, bare, match["secret"]))


def _names_secret(name: str, head: str) -> bool:
    # `key` alone is a word of every language; in a query it is the secret of an interface.
    if name.lower() == "key":
        return head[:1] in "?&;#"
    # In a text PWD is the password of a connection string as well.
    return is_secret_name(name) or name.lower() == "pwd"


def _is_harmless(name: str, bare: str, written: str) -> bool:
    # What closes the sentence around a value is no part of it: `(using password: YES)`, also in a string of JSON.
    if bare.lower().replace("\\n", "").rstrip(")]}.;:\"'\\") in _PLAIN:
        return True
    if bare == written and bare.startswith(_LOOKED_UP):
        return True
    # PWD is also the working directory, SSL_KEY names a file.
    return bare.startswith("/") and (name in ("PWD", "OLDPWD") or name.lower().endswith("key"))


def _holds_credentials(text: str) -> bool:
    try:
        return b":" in binascii.a2b_base64(text + "=" * (-len(text) % 4))
    except binascii.Error:
        return False


_OPENING = re.compile(r"(?:[rbfu]|r[bf]|[bf]r)?(\\*['\"])", re.IGNORECASE)


def _bare(secret: str) -> str:
    """Return a value without its quotation marks; the very same text where it has none."""
    opening = _OPENING.match(secret)
    if opening is None:
        return secret
    return secret[opening.end() :].removesuffix(opening[1])


def _quoted(secret: str) -> str:
    opening = _OPENING.match(secret)
    return HIDDEN if opening is None else f"{opening[0]}{HIDDEN}{opening[1]}"
