"""A module that the app needs cannot be imported.

What it means

BC130: importing a named module failed. Three cases are told apart: the module itself is not there; it is
there, but something that it imports is not; it is there and raised while it ran.

How it looks

`ModuleNotFoundError: No module named 'yaml'`, `ImportError: cannot import name 'x' from 'y'`,
`ImportError: libGL.so.1: cannot open shared object file`, and then Gunicorn's `Worker failed to boot`, in
every worker again.

Why it happens

The image was built from other requirements than the code; Gunicorn runs in another virtual environment or
directory than you think; a package was installed under another name than it is imported by; a system library
is missing from a slim image; two modules import each other.

What to do

Install the package that the finding names into the environment of the running Python (the evidence names it),
correct the spelling, or start Gunicorn in the app's directory (`chdir`).

How to know it is fixed

The checkpoint `imports.<module>` has passed; it carries the time and the memory that the import cost.
"""

from __future__ import annotations

import importlib
import importlib.util
import os
import pkgutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from bootcheck.checks import options
from bootcheck.checks.advice import next_step
from bootcheck.checks.base import Context, Moment
from bootcheck.checks.blame import blame
from bootcheck.checks.packages import DISTRIBUTIONS, REMOVED, parents, pip_line
from bootcheck.checks.spelling import nearest
from bootcheck.model.checkpoint import Phase
from bootcheck.model.encode import shorten
from bootcheck.model.finding import Evidence, Finding, Severity
from bootcheck.probes.process import Rss
from bootcheck.recorder import type_name

RULES: tuple[str, ...] = ("BC130",)


@dataclass(frozen=True, slots=True, kw_only=True)
class Imports:
    """Imports modules one after the other and measures each."""

    name: ClassVar[str] = "imports"
    moment: ClassVar[Moment] = Moment.PREFLIGHT
    phase: ClassVar[Phase] = Phase.CONFIGURATION

    modules: tuple[str, ...]
    required: bool = True
    seconds: float = 60.0

    def __post_init__(self) -> None:
        """Refuse names that no module can have."""
        options.texts("imports", "modules", self.modules)
        if not self.modules:
            options.refuse("imports", "modules", "is empty", "Name at least one module.")
        for module in self.modules:
            options.module("imports", "modules", module)
        options.flag("imports", "required", self.required)
        options.number("imports", "seconds", self.seconds, least=0.1)

    @property
    def subject(self) -> str:
        """The modules."""
        return ", ".join(self.modules)

    @property
    def budget(self) -> float:
        """What the imports may take together."""
        return self.seconds

    def run(self, context: Context) -> Iterator[Finding]:
        """Yield why a module cannot be imported."""
        if os.getcwd() not in sys.path:
            # Gunicorn puts its working directory first too.
            sys.path.insert(0, os.getcwd())
        rss = Rss()
        for module in self.modules:
            failure = self._import(context, module, rss)
            if failure is not None:
                yield self._finding(context, module, failure)

    def _import(self, context: Context, module: str, rss: Rss) -> BaseException | None:
        before, loaded = rss() or 0, len(sys.modules)
        try:
            with context.recorder.step(f"imports.{module}", self.phase) as step:
                importlib.import_module(module)
                step.detail(rss_growth_bytes=max(0, (rss() or 0) - before), modules=len(sys.modules) - loaded)
        except Exception as exc:  # noqa: BLE001 - a module may raise anything while it runs
            return exc
        except SystemExit as exc:
            return exc
        return None

    def _finding(self, context: Context, module: str, exc: BaseException) -> Finding:
        summary, action = _explain(module, exc)
        text = f"{type_name(exc)}: {shorten(context.recorder.redactor.mask(str(exc)), 300)}"
        place = _place(module, exc)
        evidence = (
            Evidence(source=place[0], line=place[1], text=text),
            Evidence(source="python", text=f"{sys.executable} (prefix {sys.prefix}), in {os.getcwd()}"),
        )
        return Finding(
            code="BC130",
            severity=Severity.ERROR if self.required else Severity.WARNING,
            summary=summary,
            action=action,
            evidence=evidence,
            confirm=f"python -c 'import {module}'",
        )


def _place(module: str, exc: BaseException) -> tuple[str, int | None]:
    """Return where to look: where a syntax is wrong nothing has run there yet, and Python names no frame of it."""
    if isinstance(exc, SyntaxError) and exc.filename:
        return exc.filename, exc.lineno
    return blame(exc.__traceback__) or (_file_of(module) or module, None)


def _file_of(module: str) -> str | None:
    try:
        spec = importlib.util.find_spec(module)
    except Exception:  # noqa: BLE001 - the package that it is in may be what fails
        return None
    return None if spec is None else spec.origin


def imports(*modules: str, required: bool = True, seconds: float = 60.0) -> Imports:
    """Import modules before any worker does, and record what each costs.

    Args:
        modules: dotted names, for example "myapp.models", "numpy".
        required: False makes a failure a warning.
        seconds: the most that they may take together.
    """
    return Imports(modules=modules, required=required, seconds=seconds)


def _explain(module: str, exc: BaseException) -> tuple[str, tuple[str, ...]]:
    if isinstance(exc, ModuleNotFoundError) and exc.name:
        if exc.name in parents(module):
            return _not_there(module, exc.name)
        return (
            f"{module} is there, but imports {exc.name}, which is not installed.",
            (*_suggestions(exc.name), "Add it to the requirements that the image is built from."),
        )
    if isinstance(exc, ImportError):
        return f"{module} cannot be imported: a name or a library that it needs is missing.", (_next_step(exc),)
    if isinstance(exc, SystemExit):
        return f"{module} ends the process (sys.exit) while it is imported.", (
            "Move what it does at import time behind `if __name__ == '__main__':`.",
        )
    return f"{module} raises {type_name(exc)} while it is imported.", (_next_step(exc),)


def _next_step(exc: BaseException) -> str:
    return next_step(type_name(exc), str(exc)) or "Read the evidence: it names the exception and the line."


def _not_there(module: str, missing: str) -> tuple[str, tuple[str, ...]]:
    parent, _, last = missing.rpartition(".")
    if parent:
        package = sys.modules.get(parent)
        siblings = [found.name for found in pkgutil.iter_modules(getattr(package, "__path__", []))]
        near = nearest(last, siblings)
        action = (
            f"Did you mean {parent}.{near}?" if near else f"{parent} holds: {', '.join(siblings[:12]) or 'no module'}."
        )
        return f"{module} does not exist: {parent} is there and has no module {last}.", (action,)
    return f"{module} does not exist: no module {missing} is installed or lies in the working directory.", (
        *_suggestions(missing),
        "If it is your own, start Gunicorn in (chdir), or give it (pythonpath), the directory above it.",
    )


def _suggestions(missing: str) -> tuple[str, ...]:
    top = missing.partition(".")[0]
    if top in REMOVED:
        running = f"{sys.version_info[0]}.{sys.version_info[1]}"
        return (f"{top} was removed from Python: this is {running}. Update what imports it, or {pip_line(top)}",)
    if top in sys.stdlib_module_names:
        library = os.path.dirname(os.__file__)
        if not os.access(library, os.R_OK | os.X_OK):
            return (f"{top} is part of Python, but uid {os.geteuid()} may not read {library}.",)
        return (f"{top} is part of Python, but this one was built without it: install the system library it needs.",)
    near = nearest(missing, [found.name for found in pkgutil.iter_modules()]) if "." not in missing else None
    typo = (f"Did you mean {near}?",) if near and missing not in DISTRIBUTIONS else ()
    return (*typo, pip_line(missing))
