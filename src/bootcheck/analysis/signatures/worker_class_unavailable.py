"""The worker class cannot be imported (BC522).

What it means
    Gunicorn could not load what `worker_class` (`-k`) names: the package is not installed, too old
    or broken, or the name is misspelt. The server ends before it listens.

How it looks
    `Error: class uri 'gevent' invalid or not found:` and a traceback in brackets below it.

Why it happens
    gevent, eventlet, tornado or uvicorn-worker are not among gunicorn's requirements; eventlet left
    with Gunicorn 27; `uvicorn.workers` moved to the package uvicorn-worker.

What to do
    Install the package into the same environment, `pip install 'gunicorn[gevent]'` or
    `pip install uvicorn-worker`, or correct the name.

How to know it is fixed
    `gunicorn --check-config -k CLASS APP` says nothing about the class, and the server listens.
"""

from __future__ import annotations

from bootcheck.analysis import late
from bootcheck.analysis.conclusion import conclude, first, one_line
from bootcheck.analysis.trouble import Raised, Trouble, is_library
from bootcheck.model.finding import Finding

CAUSE_CLASS = "worker-class-unavailable"
RULES = ("BC522",)

_SAID = late.regex(r"class uri (?:u?['\"](?P<uri>[^'\"]+)['\"]|(?P<bare>\S+)) invalid or not found")
_LOGGER = late.regex(r"class uri u?['\"]?(?:[\w.]+[.:])?\w*(?:Logger|logger)\b['\"]? invalid or not found")
"""What is loaded in the same way, and is no worker's."""
_NEEDS = late.regex(
    r"(?:gevent|eventlet|tornado)\w* worker requires|You need (?:gevent|eventlet|tornado)|"
    r"requires (?:gevent|eventlet) \d|cannot import name '?ALREADY_HANDLED|"
    r"Entry point \('gunicorn\.workers', '\w+'\) not found"
)
_CLOSED = late.regex(r"\n\]\s*$")
"""The bracket that Gunicorn puts behind the traceback of this alone: all else of its words was cut off."""
_CLASSES = late.regex(r"/gunicorn/workers/(?!base|sync|workertmp|__init__)\w+\.py$|/gmeinheld\.py$")
"""Modules that nobody imports but for the class in them."""
_APP = frozenset({"load_wsgi", "wsgi", "load", "load_wsgiapp", "import_app"})
"""Through these a worker asks for the app."""
_MISSING = late.regex(r"No module named '?([\w.]+)")
_ONLY_CLASSES = late.regex(
    r"^(?:uvicorn_worker|uvicorn\.workers|meinheld\.gmeinheld|geventwebsocket\.gunicorn(?:\.workers)?|"
    r"gunicorn\.workers\.\w+)$"
)
"""Modules for which nobody asks but for a worker class, where no frame tells who asked."""
_PACKAGE = {
    "gevent": "'gunicorn[gevent]'",
    "eventlet": "'gunicorn[eventlet]' 'gunicorn<27'",
    "uvicorn": "uvicorn-worker",
    "uvicorn_worker": "uvicorn-worker",
}


def _starts_itself(error: Raised) -> bool:
    """Tell whether the class, once made, lacks what it needs before it asks for the app: a loop, a parser."""
    functions = {frame.function for frame in error.frames}
    own = error.is_a("ImportError", "ModuleNotFoundError") and all(is_library(frame.file) for frame in error.frames)
    return own and "init_process" in functions and not functions & _APP


def _is_closed(message: str) -> bool:
    """Tell whether a text ends with that bracket; SQLAlchemy's, around a statement, is opened there as well."""
    return _CLOSED.search(message) is not None and message.count("]") > message.count("[")


def match(trouble: Trouble) -> Finding | None:
    """Conclude where the class itself could not be loaded."""
    error = trouble.error
    in_loader = error is not None and (
        any(frame.function == "load_class" for frame in error.frames) or _is_closed(error.message)
    )
    if error is not None and error.frames:
        last = error.frames[-1]
        # Where the module exists and the class does not, Gunicorn calls the name itself.
        # In a log that was cut there, it is as often the heartbeat file for which there is no place.
        called = last.function == "spawn_worker" and "worker_class(" in last.code and not error.unread
        in_loader = in_loader or called
        in_loader = in_loader or _NEEDS.search(error.text) is not None or _starts_itself(error)
        in_loader = in_loader or any(
            frame.function in ("", "<module>") and _CLASSES.search(frame.file) for frame in error.frames
        )
    elif error is not None and error.is_a("ModuleNotFoundError", "ImportError"):
        in_loader = in_loader or bool(_ONLY_CLASSES.search(first(_MISSING, error.message)))
    line = (*trouble.line(_SAID), *trouble.line(_NEEDS))[:1]
    if (not line and not in_loader) or trouble.line(_LOGGER):
        return None
    name = first(_SAID, line[0].text) if line else ""
    missing = first(_MISSING, error.text if error is not None else trouble.text)
    package = _PACKAGE.get((missing or name).partition(".")[0], missing.partition(".")[0])
    why = (
        f": {one_line(error.told)}"
        if error is not None and not error.text.startswith("RuntimeError: class uri")
        else ""
    )
    return conclude(
        trouble,
        f"Gunicorn cannot load its worker class{name and f' {name}'}{why}",
        f"Install it into the same environment: pip install {package}"
        if package
        else "Correct the name given to -k or worker_class.",
        code="BC522",
        confirm="gunicorn --check-config -k CLASS APP",
        evidence=[*line, *trouble.shown()][:3],
    )
