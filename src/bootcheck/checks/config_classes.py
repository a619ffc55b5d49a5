"""No configuration class could be loaded, or the one that was loaded lacks a setting.

What it means

An app tries several configuration classes in a fixed order and takes the first one that loads. BC120: none
loaded (an error), or an earlier one failed and a later one is in use (a warning: the app runs, perhaps with
settings that nobody wanted in production). BC123: the class that was loaded lacks a required setting, or has
it empty.

How it looks

The app falls back in silence: SQLite in place of the real database, DEBUG on, another secret key. Or the
import ends with `ModuleNotFoundError`, with `AttributeError: module 'config' has no attribute …`, or with
whatever the class raised because a variable was missing.

Why it happens

The class reads a variable that is not set; it lives in a module that was renamed; a `try: … except: …` around
the import hides the reason.

What to do

Read why each class before the loaded one failed: the evidence names the exception and its line. Set what it
needs, or take it out of the list. Where falling back is intended, say so: `config_classes(…, fallback="info")`.

How to know it is fixed

`bootcheck check` shows the checkpoint `config_classes.<name>` of the class that you expect as passed, and
`config_classes.<name>.<setting>` for each required setting.
"""

from __future__ import annotations

import importlib
import inspect
import os
import sys
from collections.abc import Iterable, Iterator, Sized
from dataclasses import dataclass
from typing import Any, ClassVar

from bootcheck.checks import options
from bootcheck.checks.base import Context, Moment
from bootcheck.checks.blame import blame
from bootcheck.checks.spelling import near_names, nearest
from bootcheck.model.checkpoint import Phase
from bootcheck.model.encode import shorten
from bootcheck.model.finding import Evidence, Finding, Severity
from bootcheck.recorder import type_name

RULES: tuple[str, ...] = ("BC120", "BC123")

_FALLBACK = {"error": Severity.ERROR, "warning": Severity.WARNING, "info": Severity.INFO}
_MISSING = object()


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfigClasses:
    """Tries configuration classes in order and looks at the first that loads."""

    name: ClassVar[str] = "config_classes"
    moment: ClassVar[Moment] = Moment.PREFLIGHT
    phase: ClassVar[Phase] = Phase.CONFIGURATION

    targets: tuple[str, ...]
    required_settings: tuple[str, ...] = ()
    fallback: str = "warning"
    instantiate: bool | None = None
    seconds: float = 30.0

    def __post_init__(self) -> None:
        """Refuse targets that are not `module:Class`."""
        options.texts("config_classes", "targets", self.targets)
        if not self.targets:
            options.refuse("config_classes", "targets", "is empty", "Name at least one 'module:Class'.")
        for target in self.targets:
            module, colon, attribute = target.partition(":")
            if not colon or not attribute.isidentifier():
                options.refuse("config_classes", "targets", f"holds {target!r}", "Write 'package.module:Class'.")
            options.module("config_classes", "targets", module)
        options.texts("config_classes", "required_settings", self.required_settings)
        options.one_of("config_classes", "fallback", self.fallback, tuple(_FALLBACK))
        options.number("config_classes", "seconds", self.seconds, least=0.1)

    @property
    def subject(self) -> str:
        """The classes in order."""
        return ", ".join(self.targets)

    @property
    def budget(self) -> float:
        """What the imports may take."""
        return self.seconds

    def run(self, context: Context) -> Iterator[Finding]:
        """Yield why no class, or not the first one, is in use, and which settings it lacks."""
        _reach()
        failures: list[tuple[str, BaseException]] = []
        for position, target in enumerate(self.targets):
            loaded = self._try(context, target, failures)
            if loaded is not _MISSING:
                for rest in self.targets[position + 1 :]:
                    context.recorder.skipped(_point(rest), self.phase, f"{target} was loaded before it")
                if failures:
                    yield self._fell_back(context, target, failures)
                yield from self._settings(context, target, loaded)
                return
        yield self._none(context, failures)

    def _try(self, context: Context, target: str, failures: list[tuple[str, BaseException]]) -> Any:
        module, _, attribute = target.partition(":")
        try:
            with context.recorder.step(_point(target), self.phase, module=module):
                found = getattr(importlib.import_module(module), attribute)
                return found() if self._should_call(found) else found
        except Exception as exc:  # noqa: BLE001 - a configuration may raise anything
            failures.append((target, exc))
        except SystemExit as exc:
            failures.append((target, exc))
        return _MISSING

    def _should_call(self, found: Any) -> bool:
        if self.instantiate is not None:
            return self.instantiate
        # A class with an __init__ of its own (pydantic's settings too) has its values on the instance.
        if not isinstance(found, type) or found.__init__ is object.__init__:  # type: ignore[misc]
            return False
        try:
            inspect.signature(found).bind()
        except (TypeError, ValueError):
            return False
        return True

    def _settings(self, context: Context, target: str, loaded: Any) -> Iterator[Finding]:
        for setting in self.required_settings:
            point = f"{_point(target)}.{setting}"
            value = _read(loaded, setting)
            problem = "is not set" if value is _MISSING else "is empty" if _is_empty(value) else None
            if problem is None:
                context.recorder.passed(point, self.phase, type=type(value).__name__)
                continue
            context.recorder.failed(point, self.phase, problem=problem)
            near = near_names(setting, _names(loaded)) if value is _MISSING else ()
            yield Finding(
                code="BC123",
                summary=f"{setting} {problem} in {target}, the configuration that was loaded."
                + (f" {near[0]} is: a misspelling?" if near else ""),
                action=(f"Set {setting} in {target}, or the variable that it is read from.",),
                evidence=(Evidence(source=target, text=f"{setting} {problem} (values are not shown)"),),
            )

    def _fell_back(self, context: Context, target: str, failures: list[tuple[str, BaseException]]) -> Finding:
        names = ", ".join(failed for failed, _ in failures)
        return Finding(
            code="BC120",
            severity=_FALLBACK[self.fallback],
            summary=f"The configuration {target} is in use, because {names} could not be loaded.",
            action=(
                f"Repair {failures[0][0]} if production needs it; the evidence says what it raised.",
                "If this is intended, say so: config_classes(…, fallback='info').",
            ),
            evidence=tuple(_why(context, failed, exc) for failed, exc in failures),
        )

    def _none(self, context: Context, failures: list[tuple[str, BaseException]]) -> Finding:
        hints = [hint for target, exc in failures if (hint := _hint(target, exc))]
        return Finding(
            code="BC120",
            summary=f"None of {len(failures)} configuration classes could be loaded: {self.subject}.",
            action=(*hints, "Repair the first one that this machine should use; the evidence says what each raised."),
            evidence=tuple(_why(context, target, exc) for target, exc in failures),
        )


def config_classes(
    *targets: str,
    required_settings: Iterable[str] = (),
    fallback: str = "warning",
    instantiate: bool | None = None,
    seconds: float = 30.0,
) -> ConfigClasses:
    """Load configuration classes in the order the app tries them, and look at the first that loads.

    Args:
        targets: `module:Class`, the one that production should use first.
        required_settings: names that must be set and not empty on the class that was loaded.
        fallback: what a use of another class than the first is: warning, info or error.
        instantiate: True calls the class; by default one with an `__init__` of its own is called.
        seconds: the most that loading may take.
    """
    return ConfigClasses(
        targets=targets,
        required_settings=options.texts("config_classes", "required_settings", required_settings),
        fallback=fallback,
        instantiate=instantiate,
        seconds=seconds,
    )


def _reach() -> None:
    """Make modules importable as Gunicorn does, which puts its working directory first."""
    if os.getcwd() not in sys.path:
        sys.path.insert(0, os.getcwd())


def _point(target: str) -> str:
    return f"config_classes.{target.replace(':', '.')}"


def _read(loaded: Any, setting: str) -> Any:
    try:
        if isinstance(loaded, dict):
            return loaded.get(setting, _MISSING)
        return getattr(loaded, setting, _MISSING)
    except Exception:  # noqa: BLE001 - a property of the configuration may raise anything
        return _MISSING


def _names(loaded: Any) -> list[str]:
    return [
        str(name) for name in (loaded if isinstance(loaded, dict) else dir(loaded)) if not str(name).startswith("_")
    ]


def _is_empty(value: Any) -> bool:
    # False and 0 are values; numpy-like objects must not be asked for their truth.
    if value is None or (isinstance(value, str) and not value.strip()):
        return True
    return isinstance(value, (Sized, bytes)) and not isinstance(value, type) and len(value) == 0


def _why(context: Context, target: str, exc: BaseException) -> Evidence:
    place = blame(exc.__traceback__) or (target, None)
    text = f"{target}: {type_name(exc)}: {shorten(context.recorder.redactor.mask(str(exc)), 300)}"
    return Evidence(source=place[0], line=place[1], text=text)


def _hint(target: str, exc: BaseException) -> str | None:
    module, _, attribute = target.partition(":")
    if isinstance(exc, ModuleNotFoundError) and exc.name and (module + ".").startswith(exc.name + "."):
        return f"There is no module {exc.name}: check the spelling, and that Gunicorn starts in (chdir) its directory."
    if isinstance(exc, AttributeError) and getattr(exc, "name", None) == attribute and module in sys.modules:
        near = nearest(attribute, [name for name in vars(sys.modules[module]) if not name.startswith("_")])
        return f"Did you mean {module}:{near}?" if near else None
    if isinstance(exc, KeyError) and exc.args and str(exc.args[0]).isupper():
        return f"{target} reads {exc.args[0]}, which is not set."
    return None
