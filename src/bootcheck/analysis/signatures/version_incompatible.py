"""An installed version does not fit the code that uses it.

What it means
    A library, Python or gunicorn itself is of a release in which a name was removed or moved, a
    signature changed, or a compiled interface differs. The code was written for another one.

How it looks
    `ImportError: cannot import name 'Mapping' from 'collections'`, `unexpected keyword argument`,
    `module 'x' has no attribute 'y'`, `No module named 'distutils'`, `numpy.dtype size changed`, a
    TypeError, NameError or AttributeError while a library is imported, `name 'unicode' is not defined`.

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

from bootcheck.analysis import late
from bootcheck.analysis.conclusion import conclude, first, one_line
from bootcheck.analysis.libraries import (
    file_of_syntax_error,
    hides_pythons,
    is_common,
    is_foreign,
    is_installed,
    is_known,
    is_ours,
    is_part,
    is_pythons,
    is_shared,
)
from bootcheck.analysis.removals import BY_TYPE, GONE, REMOVED
from bootcheck.analysis.trouble import SYNTAX, Frame, Raised, Trouble, is_library
from bootcheck.model.finding import Finding

CAUSE_CLASS = "version-incompatible"
RULES: tuple[str, ...] = ()
WHERE_ALL_FAIL = True

_SAID = late.regex(
    r"size changed, may indicate binary incompatibility|compiled using NumPy 1|compiled against (?:ABI|"
    r"API) version|bad magic number|incompatible dtype|_ARRAY_API not found|__classcell__|__reduce_cython__|"
    r"(?:VersionConflict|ContextualVersionConflict)|requires (?:a different )?Python|APIRemovedIn|"
    r"is not compatible with|incompatible (?:with|protobuf|version)|VersionError|"
    r"Python version .* (?:or|and) (?:higher|later|newer)|numpy\.core\.(?:multiarray|umath) failed to import|"
    r"mutable default .* for field|directly inherits TypingOnly|has been moved to the .{1,3}pydantic-settings|"
    r"unsupported operand type\(s\) for \|: '(?:type|[\w.]*GenericAlias|_SpecialForm|\w*Meta\w*)' and|"
    r"unsupported operand type\(s\) for \|: 'NoneType' and 'type'|dynamic module does not define |'(?:type|"
    r"ABCMeta|[\w.]*\b\w*Meta)' object is not subscriptable|version (?:is )?too old|"
    r"\bha(?:s|ve) been removed (?:in|from)|was removed (?:in|from)|(?:is|are) removed\b|"
    r"replaced by .{1,80} in \S+ v?\d+\.\d|"
    r"is no longer (?:supported|available)|not yet supported (?:by|in)\b|currently installed version|"
    r"unsupported pickle protocol|Unrecognized keyword arguments(?: passed(?: to \w+)?)?: ?[\[{]'|only supports V3 `|"
    r"Unknown layer: '?\"?Functional|duplicate base class (?:TimeoutError|\w*Generic)|Plain typing(?:_extensions)?\.|"
    r"Too (?:few|many) (?:parameters|arguments) for (?:typing\.|<class|\w*Generic)|required field \"\w+\" missing from|"
    r"Descriptors cannot (?:not )?be created directly|(?:is|are) not supported (?:by|on|in) (?:this version|Python)|"
    r"only supports (?:OpenSSL|Python)|unsupported version of|"
    r"\d[\w.]{0,20} or (?:newer|later|higher|above|greater) (?:(?:is|are) )?(?:required|needed)|"
    r"(?:requires|needs) (?:[\w.\-]+ ){0,3}['\"]?\d[\w.]{0,20}['\"]? or (?:newer|later|higher|above|greater|less|"
    r"lower)|"
    r"requires [\w.\-]+ v?\d+\.[\dx]|version mismatch: \S+ was compiled|were compiled with different|"
    r"operator \w+::\w+ does not exist|initialization of \w+ (?:failed|raised) |InvalidVersion|"
    r"requires [\w.\-]+(?:\[\w+\])? ?(?:[<>=!~]=?|versions?) ?['\"]?\d+\.\d|is too old\b|"
    r"[\w\-] ?(?:[<>=!~]=|<|>) ?\d+\.\d[\w.,<>=!~*]* is required|depends on [\w.\-]+[<>=]=?\d|"
    r"but (?:found|you have|this version of|the (?:generated|installed))\b.{0,60}(?:\d|version)|"
    r"[Yy]our (?:\w+ )?version (?:is|of)|[Pp]lease (?:up|down)grade (?:to |your )?[\w.\-]+|"
    r"\(maybe it is too old|but (?:this|it) is no longer|"
    r"^pymongo\.errors\.ConfigurationError: Unknown option",
    re.IGNORECASE,
)
_NAME = late.regex(r"cannot import name '?\"?(\w+)'?\"?(?: from '?([\w.]+)'?(?: \((?P<path>[^)]+)\))?)?")
_FROM = late.regex(r"^from (?P<module>[\w.]+) import")
_ATTRIBUTE = late.regex(r"^module '([\w.]+)' has no attribute '(\w+)'")
_CALL = late.regex(
    r"got (?:an )?unexpected keyword argument|got multiple values for (?:keyword )?argument|"
    r"missing \d+ required|takes \d+ positional argument|takes from \d+|"
    r"takes no arguments|takes exactly"
)
_KEYWORD = late.regex(r"unexpected keyword argument '(\w+)'")
_CALLED = late.regex(r"^(?:\w+\.)*(\w+)\(\) got")
_ALIASES = frozenset("np pd tf plt sns sa st px go nx sp xr dd".split())  # noqa: SIM905
"""What everybody calls a library's module."""
_FIELDS = late.regex(r"/django/(?:db/models|forms)/|/wtforms/|/sqlalchemy/sql/schema\.py")
_CALLEE = late.regex(
    r"^(?:(?:\w+\.)*[A-Z]\w*(?:\.\w+)*|(?:\w+\.)*(?:__init__|__new__|create_engine|sessionmaker|declarative_base|"
    r"conlist|constr|conint|"
    r"confloat|entry_points|validator|root_validator|field_validator|as_view|re_path|url_for|include_router|"
    r"add_middleware|"
    r"jsonify|lru_cache|dataclass|field|namedtuple|load_dotenv|basicConfig|from_pretrained|read_csv))\(\) got|"
    r"^[A-Z]\w*\(\) missing \d"
)
"""Who is called with an argument that it does not know, or without one: a class, or a well-known library's function.

A function that is named like a class (Field, Query) is a library's; what a class lacks is told of its __init__."""
_NOT_IN_THIS_PYTHON = late.regex(
    r"No module named '?(distutils|imp|asyncore|asynchat|smtpd|cgi|cgitb|crypt|telnetlib|pipes|imghdr|"
    r"sndhdr|nntplib|xdrlib|lib2to3|audioop|aifc|sunau|spwd|mailcap|msilib|binhex|ConfigParser|"
    r"tomllib|zoneinfo|graphlib|annotationlib|dataclasses|contextvars|importlib\.(?:metadata|resources)|"
    r"gunicorn\.(?:six|_compat|argparse_compat|selectors|management)|urllib2|urlparse|StringIO|cStringIO|Queue|httplib|cPickle|__builtin__|[\w.]*\bsix\.moves|"
    r"(?:Socket|BaseHTTP|SimpleHTTP|CGIHTTP|SimpleXMLRPC)Server|cookielib|Cookie|HTMLParser|htmlentitydefs|xmlrpclib|"
    r"User(?:Dict|List|String)|_?dummy_thread(?:ing)?|anydbm|whichdb|md5|sets)\b"
)
_PYTHON_2 = late.regex(
    r"name '(?:unicode|basestring|xrange|raw_input|unichr|long|execfile|reduce|reload|cmp|file|"
    r"(?:Base)?ExceptionGroup|aiter|anext)' is not defined|"
    r"'str' object has no attribute 'decode'|'dict' object has no attribute '(?:iteritems|has_key|itervalues|iterkeys)'"
)
_COMPILED = late.regex(r"^partially initialized module '[\w.]+' has no attribute '(?:\w*__\w+|_[a-z]\w*|gapi_\w+)'")
_LACKING = late.regex(
    r"^(?:'(?:[\w.]+\.)?_?[A-Z]\w*' object|type object '_?[A-Z]\w*'|'super' object) has no attribute '"
)
_NAMELESS = late.regex(r"^'module' object has no attribute '(\w+)'")
"""Python 2 and the first of 3 do not say of which module a name is missing."""
_FROM_A_LIBRARY = late.regex(
    r"issubclass\(\) arg 1 must be a class|metaclass conflict|consistent method resolution|takes no (?:arguments|"
    r"parameters)$"
)
"""What an app's own code may say as well, but no library's."""
_PARTS = late.regex(
    r"google\.(?:protobuf|auth|api_core|genai|generativeai|oauth2|cloud\.\w+)\.|azure\.core\.|ruamel\.yaml\."
)
"""Modules under a shared name whose package is there, if Python names the part after it."""
_WITHOUT_IT = frozenset("tkinter turtle idlelib curses dbm readline ensurepip venv test".split())  # noqa: SIM905
"""Modules of Python's that distributions leave out, or pack on their own."""
_READ_ONLY = late.regex(r"^can't set attribute|object has no setter$")
"""A library sets what another one has made read-only."""
_STATEMENT = late.regex(r"(?:from|import) ([\w.]+)")
_PARTED = late.regex(r"No module named (?:'([\w.]+)'|([\w.]+)$)")
_UNDEFINED = late.regex(r"^Module ['\"]([\w.]+)['\"] does not define a ")
"""What Django says of the path of a class that somebody's settings name."""
_LOADS = late.regex(r"\b(?:c?[Pp]ickle|joblib|dill|cloudpickle|torch|skops\.io|pkl)\.(?:load|loads|Unpickler)\(")
_REVIVING = frozenset(
    {"__setstate__", "__new__", "_reconstruct", "__setattr__", "find_class", "_rebuild", "load_build"}
)
"""Functions by which a stored object is made again."""
_FAULTS = (
    "AttributeError", "TypeError", "NameError", "AssertionError", "ImportError", "UnboundLocalError", "SystemError",
    "PydanticUserError", "PydanticSchemaGenerationError", "ConfigError", "ArgumentError", "InvalidRequestError",
)  # fmt: skip
"""What no released library raises while it is imported, in the company that it was released for."""
_NOT_ITS_FAULT = late.regex(
    r"\bNone(?:Type)?\b|Settings' object|Config'(?: object)? has no attribute '[A-Z]|"
    r"No module named|cannot open shared object|DLL load|[Ii]nstall|environ"
)


def match(trouble: Trouble) -> Finding | None:
    """Conclude where the name that is missing belongs to a library or to Python, not to the app."""
    error = trouble.error
    if error is None:
        return None
    subject = None if hides_pythons(error) else _subject(error)
    if subject is None:
        return None
    sure = not _CALL.search(error.text)
    return conclude(
        trouble,
        f"Installed versions do not fit together: {one_line(error.text)}",
        f"Find the release of {subject} that the code was written for and pin it, or upgrade the code that "
        f"asks for the name.",
        "Build from a lock file, so that a fresh image installs what was tested.",
        confirm="pip check; pip list",
        confidence="high" if sure else "medium",
        against=() if sure else ("If what is called is the app's own, the call is wrong, not a version.",),
    )


def _subject(error: Raised) -> str | None:  # noqa: PLR0911
    text = error.text
    inner = error.frames[-1].file if error.frames else ""
    if error.is_a(*SYNTAX):
        told = file_of_syntax_error(error) or ""
        return _package(told) if is_library(told) else None
    if (
        "partially initialized" in text and not (is_foreign(inner, error) or _compiled(error))
    ) or "consider renaming '" in text:
        return None
    if any(said.search(text) for said in (_SAID, REMOVED, BY_TYPE)) or _compiled(error) or _pickled(error):
        return _package(inner) if is_library(inner) else "the library that is named"
    if _PYTHON_2.search(text) or _NOT_IN_THIS_PYTHON.search(text):
        return "Python"
    said = first(_PARTED, text)
    part = _whole(said, error)
    if part:
        whole = "'" in text or part != said
        return None if error.is_own(part) or "is not a package" in text else _of_part(error, part, whole=whole)
    undefined = _UNDEFINED.search(error.message)
    if undefined is not None and error.is_a("ImportError"):
        return undefined[1] if is_known(undefined[1]) else None
    name = _NAME.search(text)
    if name is not None:
        return _of_name(error, name, inner)
    if error.is_a("AttributeError") and "-packages/" in inner and _READ_ONLY.search(error.message):
        return _package(inner)
    return _by_call(error, inner) or _of_library(error) or _of_object(error, inner)


def _of_part(error: Raised, module: str, *, whole: bool) -> str | None:
    """Return what lacks a module that other releases of it have: a library that is there, or Python.

    Python 2 does not quote, and names the whole module where its first part is missing already.
    """
    top = module.partition(".")[0]
    if is_pythons(top):
        return None if top.startswith("_") or top in _WITHOUT_IT else "Python"
    there = (is_part(module) and is_installed(module, error)) or _PARTS.match(module) is not None
    return top if there and whole else None


def _whole(module: str, error: Raised) -> str:
    """Return the whole name of a missing module: Python 2 says only its last part, the statement says all of it."""
    asked = _STATEMENT.match(error.frames[-1].code) if error.frames else None
    return asked[1] if asked is not None and module and asked[1].endswith(f".{module}") else module


def _pickled(error: Raised) -> bool:
    """Tell whether an object that was stored by another release of its library does not come back to life."""
    loads = any(_LOADS.search(frame.code) for frame in error.frames)
    # What was stored as the main program's own is missed where that is Gunicorn, whatever the releases.
    fault = error.is_a(*_FAULTS, "KeyError", "ValueError") and " on <module '__main__'" not in error.message
    return loads and fault and error.frames[-1].function in _REVIVING


def _compiled(error: Raised) -> bool:
    """Tell whether a library's compiled half is of another release than the rest: no app asks for such a name."""
    return error.is_a("AttributeError") and _COMPILED.search(error.message) is not None


def _by_call(error: Raised, inner: str) -> str | None:  # noqa: PLR0911
    attribute = _ATTRIBUTE.search(error.message)
    if error.is_a("AttributeError") and attribute is not None:
        ours = error.is_own(attribute[1]) or (not is_known(attribute[1]) and any(map(is_ours, attribute[1].split("."))))
        return None if ours else attribute[1].partition(".")[0]
    nameless = first(_NAMELESS, error.message) if error.is_a("AttributeError") else ""
    if nameless:
        return _of_nameless(error, nameless, inner)
    if not error.is_a("TypeError") or inner == "<string>":
        return None
    if _FROM_A_LIBRARY.search(error.message) and is_library(inner):
        return _package(inner)
    if not _CALL.search(error.text):
        return None
    if is_library(inner):
        return None if _of_the_app(error) else _package(inner)
    known = "__init__()" in error.text or _CALLEE.search(error.message) or _calls_a_library(error)
    return "the library that is called" if known else None


def _calls_a_library(error: Raised) -> bool:
    """Tell whether the line of code takes the function that is called from a module that is a library's."""
    called = first(_CALLED, error.message)
    found = re.search(rf"\b([A-Za-z_]\w*)(?:\.\w+)*\.{called}\(", error.frames[-1].code) if error.frames else None
    if found is None or not called or "unexpected keyword" not in error.message:
        return False
    return found[1] in _ALIASES or (is_known(found[1]) and not error.is_own(found[1]))


def _of_nameless(error: Raised, name: str, inner: str) -> str | None:
    """Return whose module lacks a name where only the line of code tells which module that is."""
    if is_library(inner):
        return _package(inner)
    module = first(late.regex(rf"\b([A-Za-z_]\w*)(?:\.\w+)*\.{name}\b"), error.frames[-1].code if error.frames else "")
    return module if module and not error.is_own(module) and (is_pythons(module) or is_known(module)) else None


def _of_the_app(error: Raised) -> bool:
    """Tell whether the app itself wrote what is not known: an option of a route, of a model's or a form's field."""
    if error.frames[-1].function == "add_url_rule":
        return True
    keyword = first(_KEYWORD, error.message)
    own = next((frame for frame in reversed(error.frames) if not is_library(frame.file)), None)
    written = own is not None and bool(keyword) and re.search(rf"\b{keyword} ?=", own.code) is not None
    return written and _FIELDS.search(error.frames[-1].file) is not None


def _of_name(error: Raised, name: re.Match[str], inner: str) -> str | None:
    """Return whose release lacks a name: the path says it, or who asks, or the statement that asks."""
    path = name["path"] or ""
    asked = _FROM.match(error.frames[-1].code if error.frames else "")
    module = name[2] or (asked["module"] if asked is not None else "")
    if path in ("", "unknown location") and is_shared(module) and _PARTS.match(f"{module}.") is None:
        return None
    foreign = is_library(path) or "/lib/python" in path or _is_nowhere(path, module, error)
    if path and is_known(module):
        # A library that was packed beside the app, or somewhere else.
        foreign = foreign or f"/{module.partition('.')[0]}/" in path or _is_elsewhere(path, module, error)
    if not path:
        foreign = is_library(inner) or (not module.startswith(".") and is_installed(module, error))
        foreign = foreign or (not error.is_own(module) and (is_pythons(module) or bool(GONE.match(name[1]))))
    return (module or "the library") if foreign and not (module and error.is_own(module) and not path) else None


def _is_nowhere(path: str, module: str, error: Raised) -> bool:
    """Tell whether a name is missing in a folder without a file of its own, and it is no folder of the app's."""
    return path == "unknown location" and not is_common(module) and not error.is_own(module)


def _is_elsewhere(path: str, module: str, error: Raised) -> bool:
    """Tell whether a module of one file is none that the app hides it by: no code of the app's lies beside it."""
    folder, _, name = path.rpartition("/")
    beside = any(frame.file.startswith(f"{folder}/") for frame in error.frames if not is_library(frame.file))
    return name == f"{module}.py" and bool(folder) and bool(error.frames) and not beside


def _of_library(error: Raised) -> str | None:
    """Return the library that raised a fault while it was imported: the last file that began is its own."""
    inner = error.frames[-1].file if error.frames else ""
    if error.is_a("NameError") and "-packages/gunicorn/" in inner:
        return _package(inner)
    begun = [frame for frame in error.frames if frame.function == "<module>"]
    if not begun or not error.is_a(*_FAULTS) or _NOT_ITS_FAULT.search(error.text):
        return None
    last = error.frames.index(begun[-1])
    deeper: tuple[Frame, ...] = error.frames[last:]
    installed = "-packages/" in begun[-1].file and all(is_library(frame.file) for frame in deeper)
    return _package(begun[-1].file) if installed else None


def _of_object(error: Raised, inner: str) -> str | None:
    """Return the library that misses an attribute of an instance: the app hands over what is of Python's own types."""
    lacking = _LACKING.match(error.message) if error.is_a("AttributeError") and "-packages/" in inner else None
    if lacking is None or "/gunicorn/" in inner or _NOT_ITS_FAULT.search(error.text):
        return None
    return _package(inner)


def _package(path: str) -> str:
    tail = re.split(r"(?:site|dist)-packages/", path)[-1] if "-packages/" in path else ""
    return tail.partition("/")[0].removesuffix(".py") or "Python or the library"
