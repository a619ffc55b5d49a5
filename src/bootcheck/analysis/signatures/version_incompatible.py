"""An installed version does not fit the code that uses it.

What it means
    A library, Python or gunicorn itself is of a release in which a name was removed or moved, a
    signature changed, or a compiled interface differs. The code was written for another one.

How it looks
    `ImportError: cannot import name 'Mapping' from 'collections'`, `unexpected keyword argument`,
    `module 'x' has no attribute 'y'`, `No module named 'distutils'`, `numpy.dtype size changed`.

Why it happens
    Requirements without upper bounds and a fresh build; a new Python base image; one library upgraded
    without its sibling (Flask and Werkzeug, Jinja2 and MarkupSafe).

What to do
    Pin the library to the last release that has the name, or upgrade the code that asks for it. Build
    from a lock file.

How to know it is fixed
    `pip check` is silent, and the import that failed succeeds.
"""

from __future__ import annotations

import re

from bootcheck.analysis.conclusion import conclude, first, one_line
from bootcheck.analysis.trouble import SYNTAX, Raised, Trouble, is_library
from bootcheck.model.finding import Finding

CAUSE_CLASS = "version-incompatible"
RULES: tuple[str, ...] = ()

_SAID = re.compile(
    r"size changed, may indicate binary incompatibility|compiled using NumPy 1|compiled against (?:ABI|"
    r"API) version|bad magic number|"
    r"(?:VersionConflict|ContextualVersionConflict)|requires (?:a different )?Python|"
    r"is not compatible with|incompatible with|"
    r"Python version .* (?:or|and) (?:higher|later|newer)|numpy\.core\.multiarray failed to import|"
    r"mutable default .* for field|directly inherits TypingOnly|has been moved to the .{1,3}pydantic-settings|"
    r"unsupported operand type\(s\) for \|: '(?:type|[\w.]*GenericAlias|_SpecialForm|\w*Meta\w*)' and|"
    r"unsupported operand type\(s\) for \|: 'NoneType' and 'type'|'(?:type|ABCMeta)' object is not subscriptable|"
    r"has been removed (?:in|from)|was removed in|is no longer supported",
    re.IGNORECASE,
)
_NAME = re.compile(r"cannot import name '?\"?(\w+)'?\"?(?: from '?([\w.]+)'?(?: \((?P<path>[^)]+)\))?)?")
_ATTRIBUTE = re.compile(r"^module '([\w.]+)' has no attribute '(\w+)'")
_CALL = re.compile(
    r"got an unexpected keyword argument|missing \d+ required|takes \d+ positional argument|takes from \d+|"
    r"takes no arguments|takes exactly"
)
_GONE_FROM_PYTHON = re.compile(
    r"No module named '?(distutils|imp|asyncore|asynchat|smtpd|cgi|cgitb|crypt|telnetlib|pipes|imghdr|"
    r"sndhdr|nntplib|xdrlib|lib2to3|ConfigParser|"
    r"urllib2|urlparse|StringIO|cStringIO|Queue|httplib|cPickle|__builtin__|pkg_resources)\b"
)
_GONE_FROM_LIBRARY = re.compile(
    r"No module named '?((?:django|flask|werkzeug|sqlalchemy|jinja2|celery|gevent|numpy|pandas|starlette|"
    r"fastapi|pydantic|setuptools|uvicorn)\.[\w.]+)"
)


def match(trouble: Trouble) -> Finding | None:
    """Conclude where the name that is missing belongs to a library or to Python, not to the app."""
    error = trouble.error
    if error is None:
        return None
    subject = _subject(error)
    if subject is None:
        return None
    return conclude(
        trouble,
        f"Installed versions do not fit together: {one_line(error.text)}",
        f"Find the release of {subject} that the code was written for and pin it, or upgrade the code that "
        f"asks for the name.",
        "Build from a lock file, so that a fresh image installs what was tested.",
        confirm="pip check; pip list",
        confidence="high" if not _CALL.search(error.text) else "medium",
    )


def _subject(error: Raised) -> str | None:  # noqa: PLR0911
    text = error.text
    inner = error.frames[-1].file if error.frames else ""
    if error.is_a(*SYNTAX):
        return _package(inner) if is_library(inner) else None
    if _SAID.search(text):
        return _package(inner) if is_library(inner) else "the library that is named"
    gone = first(_GONE_FROM_PYTHON, text) or first(_GONE_FROM_LIBRARY, text)
    if gone:
        return "Python" if "." not in gone else gone.partition(".")[0]
    name = _NAME.search(text)
    if name is not None:
        path = name["path"] or ""
        foreign = (
            is_library(path) or "/lib/python" in path or path == "unknown location" or (not path and is_library(inner))
        )
        return (name[2] or "the library") if foreign and "partially initialized" not in text else None
    attribute = _ATTRIBUTE.search(error.message)
    if error.is_a("AttributeError") and attribute is not None and "partially initialized" not in text:
        return attribute[1].partition(".")[0]
    if (
        error.is_a("TypeError")
        and _CALL.search(text)
        and inner != "<string>"
        and (is_library(inner) or "__init__()" in text)
    ):
        return _package(inner) if is_library(inner) else "the library that is called"
    return None


def _package(path: str) -> str:
    tail = re.split(r"(?:site|dist)-packages/", path)[-1] if "-packages/" in path else ""
    return tail.partition("/")[0].removesuffix(".py") or "Python or the library"
