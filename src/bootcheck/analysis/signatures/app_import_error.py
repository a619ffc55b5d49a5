"""The application's own modules do not import each other.

What it means
    A module of the app was found but not what is asked of it, or one that exists cannot be found from
    here: a circle of imports, the wrong working directory or PYTHONPATH, a name that hides a package.

How it looks
    `cannot import name 'db' from partially initialized module 'app' (most likely due to a circular import)`,
    `No module named 'myproject.settings'`, `attempted relative import`, `'app' is not a package`.

Why it happens
    Two modules import each other at their top; gunicorn starts in another directory than `flask run`;
    app.py beside a folder app/.

What to do
    Move what both need into a third module, or import inside the function. Start in the project's root
    (`--chdir`). Rename what hides a package.

How to know it is fixed
    `python -c "import MODULE"` in gunicorn's working directory succeeds.
"""

from __future__ import annotations

from bootcheck.analysis import late
from bootcheck.analysis.conclusion import conclude, first, one_line
from bootcheck.analysis.libraries import hides_pythons, is_by_convention, is_the_apps
from bootcheck.analysis.trouble import Raised, Trouble, is_library
from bootcheck.model.finding import Finding

CAUSE_CLASS = "app-import-error"
RULES: tuple[str, ...] = ()
WHERE_ALL_FAIL = True

_CIRCULAR = late.regex(r"partially initialized module|most likely due to a circular import")
_SAID = late.regex(
    r"attempted relative import|is not a package|No module named '?__main__\.|cannot perform relative import|"
    r"issue is probably caused by a circular import|consider renaming '|Could not import settings '|"
    r"^ImportError: Module ['\"][\w.]+['\"] does not define a |could not be loaded; Error importing module|"
    r"Cannot (?:import|find '\w+' in) ASGI_APPLICATION module|"
    # Django, of an AppConfig whose app was moved.
    r"Cannot import '[\w.]+'\. Check that '[\w.]+' is correct"
)
_NO_ATTRIBUTE = late.regex(r"^module '([\w.]+)' has no attribute '(\w+)'")
_MISSING = late.regex(r"No module named '?([\w.]+)'?|import_string\(\) failed for '([\w.]+)'")
_NAME = late.regex(r"cannot import name '?(\w+)'?")
_PATH = late.regex(r"\(([^)]+\.py)\)")


def match(trouble: Trouble) -> Finding | None:
    """Conclude where both ends of the import are the app's."""
    error = trouble.error
    if error is None or not error.is_a(
        "ImportError",
        "ModuleNotFoundError",
        "AttributeError",
        "ValueError",
        "SystemError",
        "ImproperlyConfigured",
        "ImportStringError",
    ):
        return None
    text = error.text
    circular = bool(_CIRCULAR.search(text)) or _is_half_made(error)
    hides = hides_pythons(error)
    own_name = bool(_NAME.search(text)) and not is_library(first(_PATH, text)) and error.is_a("ImportError")
    module = first(_MISSING, text)
    own = bool(module) and (is_the_apps(module, error) or is_by_convention(module, error))
    if not (circular or own_name or own or hides or _SAID.search(text)):
        return None
    action = (
        "Break the circle: import inside the function that needs it, or move what both need into a third module."
        if circular or own_name
        else "Start gunicorn in the project's root (--chdir, --pythonpath), and rename files that hide a package."
    )
    return conclude(
        trouble,
        f"The app's own modules do not import each other{' (a circle of imports)' if circular else ''}: "
        f"{one_line(text)}",
        action,
        confirm="python -c 'import MODULE' in gunicorn's working directory",
    )


def _is_half_made(error: Raised) -> bool:
    """Tell whether the submodule that a package lacks is being imported just then: Python says so from 3.12 on."""
    found = _NO_ATTRIBUTE.search(error.message)
    if found is None or not error.is_a("AttributeError"):
        return False
    file = f"/{found[1].replace('.', '/')}/{found[2]}"
    return any(
        frame.function == "<module>" and frame.file.endswith((f"{file}.py", f"{file}/__init__.py"))
        for frame in error.frames[:-1]
    )
