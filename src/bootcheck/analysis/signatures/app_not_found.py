"""The module or attribute named as the app does not exist (BC502).

What it means
    Gunicorn was told to serve MODULE:ATTRIBUTE, and from its working directory there is no such
    module, or the module has no such name. Worker status 4, master status 4 or 3.

How it looks
    `Failed to find attribute 'application' in 'app'.`, `Failed to find application object`,
    `Reason: App failed to load.`, or `ModuleNotFoundError: No module named 'wsgi'` whose traceback ends in
    gunicorn's own import_app.

Why it happens
    The wrong working directory (use `--chdir`), a renamed module, a factory without brackets
    (`app:create_app()`), a file left out of the image.

What to do
    Start in the directory that holds the package, and name what is really there.

How to know it is fixed
    `gunicorn --check-config MODULE:ATTRIBUTE` in that directory ends with status 0.
"""

from __future__ import annotations

from bootcheck.analysis import late
from bootcheck.analysis.conclusion import conclude, first, one_line
from bootcheck.analysis.libraries import is_known, target_of
from bootcheck.analysis.trouble import Raised, Trouble, is_library
from bootcheck.model.cause import Cause
from bootcheck.model.finding import Finding

CAUSE_CLASS = "app-not-found"
RULES = ("BC502",)
WHILE_SERVING = True

_SAID = late.regex(
    r"Failed to find (?:attribute|application object) u?'[^']*' in u?'[^']*'|Failed to find application(?: object)?: |"
    r"Failed to find application, did you mean |Function reference must be a simple name|"
    r"Error loading ASGI app\. |Failed to parse '.*' as an attribute|Application object must be callable"
)
_MISSING = late.regex(r"No module named (?:'([^';`\"]+)'|([^'\s;`\"]+))")
_NO_IDENTIFIER = late.regex(r"[\s/\\=]|\A-")
"""What no import statement can ask for: words of the command, a path or a setting, taken for the module."""
_NO_NAME = late.regex(
    r"^Empty module name$|argument is required to perform a relative import for '|"
    # Python 2, of a path or a file.
    r"^Import by filename is not supported"
)
_LOADING = late.regex(
    r"^(?:mod = importlib\.import_module\(module\)|return util\.import_app\(self\.app_uri\)|__import__\(module\))"
)
"""Gunicorn's own code, where somebody has shortened the path of its file."""
MACHINERY = 3
"""Frames of the import machinery below an import of a dotted name."""
_BY_TWO = late.regex(r"positional arguments? but 2 were given|takes (?:no|exactly \d|at most \d) arguments? \(2 given")
_ENTRIES = frozenset({"wsgi", "asgi", "app", "main", "application", "server", "run", "api", "manage", "index", "py"})


def match(trouble: Trouble) -> Finding | None:
    """Conclude where gunicorn's own import of the target failed, and not one inside the app."""
    error = trouble.error
    line = trouble.line(_SAID)
    target = first(_MISSING, error.text) if error is not None else ""
    by_gunicorn = error is not None and (
        error.is_a("AppImportError")
        or "Failed to find application" in error.text
        or (bool(target or _NO_NAME.search(error.message)) and _ends_in_gunicorn(error))
        or _is_the_target(trouble, error, target)
        or _evaluates_target(error)
        or _is_a_factory(error)
        or _is_a_proxy(error)
        or _names_nothing(error)
    )
    if trouble.cause is not Cause.APP_NOT_FOUND and not by_gunicorn:
        return None
    if not trouble.died and not (error is not None and (_is_a_factory(error) or _is_a_proxy(error))):
        return None
    if error is not None and trouble.cause is Cause.EXCEPTION and not by_gunicorn:
        return None
    what = (
        one_line(line[0].text)
        if line
        else (one_line(error.message) if error is not None else "the target was not found")
    )
    return conclude(
        trouble,
        f"The app does not exist as it was named: {what}",
        "Name an existing module and attribute (gunicorn MODULE:ATTRIBUTE); a factory needs brackets: "
        "MODULE:create_app().",
        "Start in the directory that holds the module, or give --chdir or --pythonpath.",
        code="BC502",
        confirm="gunicorn --check-config MODULE:ATTRIBUTE",
        evidence=[*line, *trouble.shown()][:3] if error is not None or not line else line,
    )


def _is_the_target(trouble: Trouble, error: Raised, module: str) -> bool:
    """Tell whether the command line asks for the module that is missing, and the app did not get to run."""
    if not module or any(not is_library(frame.file) for frame in error.frames):
        return False
    asked = [target for note in trouble.around.notes if (target := target_of(note.text))]
    return any(target == module or target.startswith(f"{module}.") for target in asked)


def _evaluates_target(error: Raised) -> bool:
    """Tell whether the attribute itself could not be evaluated, as Gunicorn up to 19 does it."""
    own = [frame for frame in error.frames if frame.file != "<string>"]
    return (
        bool(own)
        and own[-1].function == "import_app"
        and "gunicorn" in own[-1].file
        and (len(own) < len(error.frames) or "eval(" in own[-1].code)
        and error.is_a("NameError", "AttributeError", "SyntaxError")
    )


def _is_a_factory(error: Raised) -> bool:
    """Tell whether what was named makes the app and is none: Gunicorn calls it with a request's two arguments."""
    called = bool(error.frames) and "self.wsgi(" in error.frames[-1].code and "gunicorn" in error.frames[-1].file
    return called and error.is_a("TypeError") and bool(_BY_TWO.search(error.message))


def _is_a_proxy(error: Raised) -> bool:
    """Tell whether what was named only stands for an app that there is none of outside of a request (current_app)."""
    called = next((at for at, frame in enumerate(error.frames) if "self.wsgi(" in frame.code), None)
    rest = error.frames[called + 1 :] if called is not None else ()
    return (
        bool(rest)
        and rest[0].file.endswith("/werkzeug/local.py")
        and all(is_library(frame.file) for frame in rest)
        and error.message.startswith("Working outside of application context")
    )


def _names_nothing(error: Raised) -> bool:
    """Tell whether the part before the colon is empty."""
    return error.is_a("ValueError") and error.message == "Empty module name" and _by_importlib(error)


def _by_importlib(error: Raised) -> bool:
    own = [frame for frame in error.frames if not frame.file.startswith("<") and "importlib" not in frame.file]
    return bool(own) and own[-1].function == "import_app"


def _goes_on_to_import(error: Raised) -> bool:
    """Tell whether nothing was left out behind Gunicorn's own import: a target that is called like a library's part."""
    at = next((place for place, frame in enumerate(error.frames) if frame.function == "import_app"), None)
    rest = error.frames[at + 1 :] if at is not None else ()
    machinery = all("importlib" in frame.file for frame in rest)
    return machinery and len(rest) > MACHINERY and "." in first(_MISSING, error.text)


def _ends_in_gunicorn(error: Raised) -> bool:
    own = [frame for frame in error.frames if not frame.file.startswith("<") and "importlib" not in frame.file]
    name = first(_MISSING, error.text).rpartition(".")[2]
    if is_known(first(_MISSING, error.text)) and not (own and _goes_on_to_import(error)):
        # Frames were left out of the log: a library is never what the server is asked for.
        return False
    if not own:
        # Of a log that was cut: nobody but the server asks for such a module, or with a call instead of a statement.
        return name in _ENTRIES or bool(error.frames or _NO_IDENTIFIER.search(first(_MISSING, error.text)))
    if "gunicorn" not in own[-1].file and not _LOADING.search(own[-1].code):
        return False
    if own[-1].function in ("import_app", "load_wsgiapp", "load"):
        return True
    # Frames were left out of the log: the name alone tells whether it is an entry point.
    return name in _ENTRIES
