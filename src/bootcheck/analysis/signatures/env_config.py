"""An environment variable or a setting is missing, empty or contradictory.

What it means
    The app reads its configuration while it is loaded and refuses what it finds, or finds nothing.

How it looks
    `KeyError: 'SECRET_KEY'` below os.environ, `ImproperlyConfigured: Set the X environment variable`,
    `Could not parse SQLAlchemy URL`, `validation error for Settings`.

Why it happens
    The variable is set in a shell or .env file that gunicorn's process never reads; a typing error in
    its name; a secret that is not mounted; `postgres://` where SQLAlchemy wants `postgresql://`.

What to do
    Set the variable where the server is started (unit, container, `raw_env`). `bootcheck check` names
    all that are missing at once, and near misses.

How to know it is fixed
    `strings /proc/PID/environ` of the master lists it, and `bootcheck check` is silent.
"""

from __future__ import annotations

import re

from bootcheck.analysis import late
from bootcheck.analysis.conclusion import conclude, first, one_line
from bootcheck.analysis.lacking import is_lacking
from bootcheck.analysis.trouble import REQUEST, Raised, Trouble, is_library
from bootcheck.model.finding import Finding

CAUSE_CLASS = "env-config"
RULES: tuple[str, ...] = ()
WHERE_ALL_FAIL = True

_SAID = late.regex(
    r"[Ss]et the (\w+) (?:environment variable|setting)|(?:SECRET_KEY) setting must not be empty|"
    r"settings are not configured|DJANGO_SETTINGS_MODULE|"
    r"Could not parse (?:rfc1738|SQLAlchemy) URL|Expected string or URL object, got None|"
    r"SQLALCHEMY_DATABASE_URI|UndefinedValueError|"
    r"validation errors? for \w*(?:Settings|Config|Conf\b|Env|Secrets|Credentials)\w*|"
    r"\[type=missing, input_value=\{\},|dialects:postgres$|"
    r"\b(\w{1,80}) not found\. Declare it as envvar|"
    r"[Ee]nvironment variables?\b|env(?:ironment)? var|No (?:support for|database) ''|ALLOWED_HOSTS|FERNET_KEY|"
    r"Fernet key must be|error parsing (?:env var|value for field) \"(\w+)\"|NoSectionError|NoOptionError|"
    r"MissingSectionHeaderError|NoRegionError|(?:No|[Mm]issing) API key|BadDsn|"
    r"'\w*(?:Config|Settings|SettingsHolder)'(?: object)? has no attribute '([A-Z][A-Z0-9_]+)'|"
    r"'Settings' object has no attribute '|"
    r"(?:Redis )?URL must specify one of the following schemes|Invalid URL:? '?(?:None|'')|Scheme '.*' is unknown|"
    r"\b(\w*(?:url|key|token|secret|password|dsn)) is required\b|"
    r"Config '(\w+)' is missing, and has no default|no secret key was set|"
    r"[Ii]nvalid configuration\b|[Cc]onfiguration error\b|"
    r"InvalidURI:|ProfileNotFound:|for connection option \"|is required in env \w|"
    r"\b(?:[Pp]ars(?:e|ing)|[Rr]ead(?:ing)?|[Ll]oad(?:ing)?) (?:the )?\S*(?:config|settings)\S*(?: file)? (?:error|"
    r"failed)|"
    r"(?:[Ee]rror|[Ff]ailed)(?: while)? (?:to )?(?:pars|read|load)(?:e|ing)? (?:the )?\S*(?:config|settings|\.env)\b|"
    r"Missing [\"'][\w.-]+[\"'] in (?:settings|config)|Request URL is missing an 'http|"
    r"\b(?:[Tt]oken|API [Kk]ey|[Ss]ecret) must (?:not )?(?:be|contain)\b|"
    r"invalid port number: \"|settings\.DATABASES is improperly configured|"
    r"\b[Mm]ust (?:pass|provide|supply|specify|set|give) (?:an? |the |your |either )?[\"'`]?\w*(?:token|key|secret|"
    r"cloud_name|dsn|url|credentials|password|region)\b|[Cc]redentials are required|Credentials were not found|"
    r"default credentials|determined from the environment|"
    r"\b\w*(?:api_key|auth_token|token|secret|password)\w* (?:or \w+ )?to be (?:set|given|provided)|"
    r"No default database name defined|database name cannot be the empty|"
    r"'NoneType' object has no attribute 'drivername'|Empty host \(or|Fernet object|fernet\.InvalidToken|"
    r"module '(?:[\w.]+\.)?(?:config|settings|configuration|local_settings|conf)' has no attribute '([A-Z][A-Z0-9_]+)'",
)
_CONFIGURED = late.regex(
    r"(?:^|\.)(?:ImproperlyConfigured|InvalidDsn|InvalidRegionError|MissingConfig\w*|(?:No|Partial)CredentialsError|"
    r"MalformedError|MissingSchema|"
    r"\w*(?:Configuration|Config|Setting|Settings)(?:Error|Exception))$|"
    r"^(?:omegaconf|hydra|dj_database_url|environs?|decouple|dynaconf|dotenv|pydantic_settings|configparser|"
    r"ConfigParser)\."
)
"""What is raised of settings that are missing, empty or contradict each other: by its name, or a library's for them."""
_ENTRY = (
    r"(?:api[ _-]?key|licen[cs]e key|access key|access token|auth token|bot token|secret key|dsn|connection string|"
    r"instrumentation key|database ur[il]|credentials)"
)
_WITHOUT = late.regex(
    rf"[`'\"]?(?:{_ENTRY}|\btoken)[`'\"]? (?:must be set|(?:is|are) (?:required|missing|empty|either blank|not set)|"
    rf"missing\b|cannot be (?:none|empty)|(?:was )?not (?:set|found|provided|specified|configured))|"
    rf"\b(?:no|missing|provide|specified|specify|without) (?:an? |the |your |any |valid )*(?:\w+ )?{_ENTRY}\b|"
    rf"could not be cast to integer value as '(?:None|\$[^']*)?'|No such transport: (?:None|$)|"
    rf"Could not (?:parse the provided (?:public|private) key|deserialize key data)",
    re.IGNORECASE,
)
"""What clients say that are made without what lets them in, or with a key that is none."""
_REFUSED = late.regex(
    r"^['\"]?(?:Invalid|Missing|Wrong|Bad|Empty) (?:API [Kk]ey|api_key|[Uu]rl|URL|URI|DSN|[Tt]oken)\W*$"
)
"""A client that is made refuses what it was handed, before it asks its service."""
_SETTINGS = late.regex(
    r"/(?:decouple|environs?|dynaconf|pydantic_settings|dj_database_url|configparser)(?:/\w+)*(?:/__init__)?\.py$|"
    r"/starlette/config\.py$|/sqlalchemy/engine/url\.py$"
)
"""Libraries and modules that do nothing but read settings."""
_MODEL_OF_SETTINGS = late.regex(r"pydantic_settings/main\.py$|pydantic/env_settings\.py$")
"""What fills a class of settings from the environment, before it is validated like any other."""
_SERVER_SAYS = late.regex(
    r"^(?:oracledb|cx_Oracle|psycopg2?|asyncpg|pg8000|asyncmy|aiomysql|mariadb|pymysql|MySQLdb|mysql|pymongo|redis|"
    r"amqp|aiormq|pika|kafka|pyodbc|"
    r"sqlite3|django\.db\.(?!utils\.ConnectionDoesNotExist)|sqlalchemy\.exc\.(?:Operational|Database|Programming|"
    r"Interface|Internal|Integrity)Error)\b"
)
"""Whose messages come from a server: capitals in them are its codes, no variable of the app."""
_ANSWERED = late.regex(r"^\W?[45]\d\d\b|\([45]\d\d[,)]|\bWRONGPASS\b|\bRESOURCE_DOES_NOT_EXIST\b|\bDB::Exception\b")
"""A code that only a server answers with."""

_VARIABLE = late.regex(r"['\"`]?\b([A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+)\b['\"`]?")
_LACKING = late.regex(
    r"not set|missing|required|must be set|not defined|undefined|is empty|not found|must not be empty|"
    r"not configured|is not provided|\bmust\b|invalid|expected one of|conflict|unsupported value|\binsecure\b|"
    r"\b[A-Z][A-Z0-9]*_[A-Z0-9_]+=\S|"
    r"\bno \w+(?: or \w+)* (?:is |was )?(?:set|found|provided|configured|defined|specified|given)\b|"
    r"\binsecure\b|\bdefault value\b|(?:is|are|was) (?:unset|blank|None)\b|n't (?:been )?set\b|not (?:provided|"
    r"present|specified|available)|"
    r"(?:cannot|can't|can not|could not|unable to) (?:be empty|find|load|read)|"
    r"(?:please|need to|have to) (?:set|provide|define|specify|configure)\b|(?:in|from) (?:the |your )?environment\b",
    re.IGNORECASE,
)
_ABOUT = late.regex(r"^\W*(?!\w*(?:ERR_|ERROR|CUDA|CUDNN|HTTP_))[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+\b(?!\()")
"""A message that begins with a variable's name is about it, in whatever language."""
_READS = late.regex(
    # The first two as django-environ and decouple have it.
    r"^(?:value =|return) (?:self\.)?_?cast\(value|"
    r"\benviron\b|\bgetenv\b|\bos\.env|\bconfig\(|\benv\(|\benv\.\w+\(|config\[|"
    r"\b\w*(?:ur[li]|URL|URI|dsn|DSN|_KEY|_TOKEN|_SECRET|_HOSTS?)\.(?:replace|split|startswith|strip|encode)\("
)
_HANDED = late.regex(
    r"\([^)]*\b(?:(?:settings|config|cfg|conf|Config|env)\.\w+|[A-Z][A-Z0-9_]*(?:KEY|TOKEN|SECRET|URL|URI|DSN|HOSTS?|"
    r"PASSWORD|"
    r"BUCKET|_DIR|_PATH)\b|(?:api_key|token|secret\w*|url|dsn|password|bucket)\s*=)"
)
"""A call with what is by its name a setting."""
_OF_SETTINGS = late.regex(
    r"(?:^|/)(?:\w*settings|\w*config|configuration|local|production|base|prod)(?:/__init__)?\.py$"
)
_NONE = late.regex(r"invalid literal for int\(\)|could not convert string to float|\bNoneType\b")
_NO_VALUE = late.regex(
    r"invalid literal for int\(\) with base 10: '(?:None|null|\s*|[\"$].*)'|"
    r"could not convert string to float: '?(?:None)?'?$|"
    r"\bNoneType\b"
)
"""What stands where a variable was not set, or not put in its place."""
_VALUE = late.regex(r"\bos\.environ\b|\bgetenv\(")
_EVALUATED = late.regex(r"\beval\(")
"""Whatever such a value raises: `false` and `on` are no Python."""
_CAPITALS = late.regex(r"^['\"][A-Z][A-Z0-9_]{2,}['\"]$")


def match(trouble: Trouble) -> Finding | None:
    """Conclude where the traceback reads the environment, or the message names a setting that is lacking."""
    error = trouble.error
    if error is None or (trouble.moment == REQUEST and error.is_a("DisallowedHost")):
        # Who scans the net names any host.
        return None
    reads = any(_READS.search(frame.code) for frame in error.frames[-3:])
    from_environ = any(
        re.search(r"(?:^|/)os\.py$|<frozen os>", f.file) and f.function == "__getitem__" for f in error.frames
    )
    if not (
        _missing_key(error, reads=reads, from_environ=from_environ)
        or (_names_setting(error) and not _ANSWERED.search(error.message))
        or _empty(error, reads=reads)
        or _handed_nothing(error)
        or _unreadable(error)
    ):
        return None
    name = (
        first(_VARIABLE, error.message) or error.message.strip("'\"")
        if error.is_a("KeyError")
        else first(_VARIABLE, error.text)
    )
    return conclude(
        trouble,
        f"The setting {name} is missing, empty or wrong: {one_line(error.text)}"
        if name
        else f"A setting is missing, empty or wrong: {one_line(error.text)}",
        f"Set {name or 'the variable'} where the server is started (unit, container, raw_env): a shell's or "
        f".env file's value does not reach it.",
        "Declare it in bootcheck.conf.py (checks.env), so that the next start names every missing one at once.",
        confirm="bootcheck check",
    )


def _missing_key(error: Raised, *, reads: bool, from_environ: bool) -> bool:
    return error.is_a("KeyError") and (from_environ or reads or bool(_CAPITALS.match(error.message.strip())))


def _names_setting(error: Raised) -> bool:
    said = _CONFIGURED.search(error.type) or _WITHOUT.search(error.message) or is_lacking(error)
    configured = said and not _SERVER_SAYS.search(error.type)
    if _SAID.search(error.text) or _REFUSED.match(error.message) or configured:
        return True
    if error.frames and _SETTINGS.search(error.frames[-1].file) and error.is_a("ValueError", "TypeError", "KeyError"):
        return True
    if error.is_a("ValidationError") and any(_MODEL_OF_SETTINGS.search(frame.file) for frame in error.frames[-3:]):
        return True
    if error.is_a("RuntimeError", "ValueError", "AssertionError", "Exception", "ConfigError") and _ABOUT.search(
        error.message
    ):
        return True
    if _SERVER_SAYS.search(error.type):
        return False
    return bool(_VARIABLE.search(error.message) and _LACKING.search(error.message)) and not error.is_a(
        "KeyError", "ImportError", "ModuleNotFoundError"
    )


def _empty(error: Raised, *, reads: bool) -> bool:
    text = error.text
    if _NO_VALUE.search(text) and _in_settings(error):
        return True
    return reads and bool(
        re.search(r"invalid literal for int\(\)|could not convert string to float|\bNoneType\b", text)
    )


def _handed_nothing(error: Raised) -> bool:
    """Tell whether a library was called with a setting, and met nothing."""
    last = error.frames[-1] if error.frames else None
    if last is None or not is_library(last.file) or "NoneType" not in error.message:
        return False
    own = next((frame for frame in reversed(error.frames) if not is_library(frame.file)), None)
    return own is not None and _HANDED.search(own.code) is not None


def _in_settings(error: Raised) -> bool:
    """Tell whether it was raised by the app's own module of settings, or by what Python itself does for it."""
    own = next((frame for frame in reversed(error.frames) if not is_library(frame.file)), None)
    if own is None or _OF_SETTINGS.search(own.file) is None:
        return False
    if any("-packages/" in frame.file for frame in error.frames[error.frames.index(own) :]):
        return False
    # A class of settings has a name like any class; a function would be called by others, with what they hand over.
    return own.function == "<module>" or own.function[:1].isupper()


def _unreadable(error: Raised) -> bool:
    """Tell whether the app handed a variable to a parser, and the parser refused it."""
    own = next((frame for frame in reversed(error.frames) if not is_library(frame.file)), None)
    refused = error.is_a("ValueError", "JSONDecodeError", "ParseError", "InvalidToken", "InvalidURL", "Error")
    refused = refused or error.is_a("AssertionError")
    return own is not None and bool(_VALUE.search(own.code)) and (refused or _EVALUATED.search(own.code) is not None)
