"""Model classes do not exist, or a relationship between them does not resolve.

What it means

BC301: SQLAlchemy cannot configure the mappers: a relationship names a class, a column or a back reference that
does not exist. BC304: a model class or the application factory that was named does not exist.

How it looks

Nothing at boot. At the first query that touches any model: `InvalidRequestError: When initializing mapper
Mapper[Post(posts)], expression 'Publisher' failed to locate a name`, then `One or more mappers failed to
initialize` in every request.

Why it happens

SQLAlchemy resolves relationships when a model is first used, not when it is imported. A class was renamed or
moved, or the module that defines it is not imported by anything.

What to do

Correct the name that the finding quotes, or import the module that defines the class where the models are
gathered (usually the package's `__init__.py`).

How to know it is fixed

The checkpoint `models.configure_mappers` has passed, and `models.<Class>` for each class that you named.
"""

from __future__ import annotations

import importlib
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

from bootcheck.checks import options
from bootcheck.checks.base import Context, Moment
from bootcheck.checks.blame import blame
from bootcheck.checks.spelling import nearest
from bootcheck.model.checkpoint import Phase
from bootcheck.model.encode import shorten
from bootcheck.model.finding import Evidence, Finding
from bootcheck.recorder import type_name

RULES: tuple[str, ...] = ("BC301", "BC304")

_MAPPER = re.compile(r"[Mm]apper '?(?:Mapper\[)?(?P<mapper>[\w.]+)")
_MISSING = re.compile(r"expression '(?P<name>[^']+)' failed to locate a name")


@dataclass(frozen=True, slots=True, kw_only=True)
class Models:
    """Looks for the model classes and lets SQLAlchemy resolve every relationship."""

    name: ClassVar[str] = "models"
    moment: ClassVar[Moment] = Moment.WORKER
    phase: ClassVar[Phase] = Phase.MODELS

    expected: tuple[str, ...] = ()
    factory: str | None = None

    def __post_init__(self) -> None:
        """Refuse targets that are no `module:Name`."""
        if self.expected:
            options.texts("models", "expected", self.expected)
        for target in (*self.expected, *([self.factory] if self.factory is not None else [])):
            _target("models", target)

    @property
    def subject(self) -> str:
        """The classes, or all mappers."""
        return ", ".join(self.expected) or "all mappers"

    @property
    def budget(self) -> float:
        """Unused: this check runs in the worker."""
        return 30.0

    def run(self, context: Context) -> Iterator[Finding]:
        """Yield what is missing or does not resolve."""
        if self.factory is not None:
            yield from self._factory(context, self.factory)
        for target in self.expected:
            yield from self._class(context, target)
        yield from self._mappers(context)

    def _factory(self, context: Context, target: str) -> Iterator[Finding]:
        found = _lookup(target)
        if callable(found):
            context.recorder.passed("models.factory", self.phase, target=target)
            return
        context.recorder.failed("models.factory", self.phase, target=target)
        yield _absent(target, "application factory", "is not callable" if found is not None else "does not exist")

    def _class(self, context: Context, target: str) -> Iterator[Finding]:
        checkpoint = f"models.{target.partition(':')[2] or target}"
        found = _lookup(target)
        if isinstance(found, type):
            context.recorder.passed(checkpoint, self.phase, table=str(getattr(found, "__tablename__", "")))
            return
        context.recorder.failed(checkpoint, self.phase, target=target)
        yield _absent(target, "model", "is no class" if found is not None else "does not exist")

    def _mappers(self, context: Context) -> Iterator[Finding]:
        orm = sys.modules.get("sqlalchemy.orm")
        if orm is None:
            context.recorder.skipped("models.configure_mappers", self.phase, "the app has not loaded SQLAlchemy's ORM")
            return
        try:
            with context.recorder.step("models.configure_mappers", self.phase) as step:
                orm.configure_mappers()
                step.detail(mappers=_count(orm))
        except Exception as exc:  # noqa: BLE001 - a user's property may raise anything
            yield _unresolved(context, exc)


def models(*expected: str, factory: str | None = None) -> Models:
    """Let SQLAlchemy resolve every relationship before the worker serves.

    Args:
        expected: classes that must exist, as "module:Class".
        factory: an application factory that must exist, as "module:function".
    """
    return Models(expected=expected, factory=factory)


def _target(check: str, target: object) -> None:
    if not isinstance(target, str) or not all(part.isidentifier() for part in re.split(r"[.:]", target)):
        options.refuse(check, "target", f"is {target!r}", "Write module:Name, for example 'myapp.models:User'.")
    if ":" not in target:
        options.refuse(check, "target", f"is {target!r}, without a colon", f"Write {target.replace('.', ':', 1)!r}.")


def _lookup(target: str) -> Any:
    module_name, _, attribute = target.partition(":")
    try:
        return getattr(importlib.import_module(module_name), attribute, None)
    except ImportError:
        return None


def _absent(target: str, what: str, problem: str) -> Finding:
    module_name, _, attribute = target.partition(":")
    module = sys.modules.get(module_name)
    if module is None:
        action = f"Check the spelling of the module {module_name}, and that it is on the import path."
    else:
        near = nearest(attribute, [name for name in vars(module) if not name.startswith("_")])
        action = f"Did you mean {module_name}:{near}?" if near else f"Define {attribute} in {module_name}."
    return Finding(
        code="BC304",
        summary=f"The {what} {target} {problem}.",
        action=(action,),
        evidence=(Evidence(source=module_name, text="is not importable" if module is None else "is loaded"),),
        confirm=f"python -c 'from {module_name} import {attribute}'",
    )


def _unresolved(context: Context, exc: BaseException) -> Finding:
    text = context.recorder.redactor.mask(str(exc))
    missing, mapper = _MISSING.search(text), _MAPPER.search(text)
    where = f" of {mapper['mapper']}" if mapper else ""
    what = f" to {missing['name']!r}" if missing else ""
    place = blame(exc.__traceback__) or ("sqlalchemy.orm", None)
    return Finding(
        code="BC301",
        summary=f"A relationship{where}{what} does not resolve.",
        action=(
            f"Correct the name {missing['name']!r}, or import the module that defines it before the first query."
            if missing
            else "Read the evidence: it names the mapper and what it does not find.",
        ),
        evidence=(Evidence(source=place[0], line=place[1], text=f"{type_name(exc)}: {shorten(text, 500)}"),),
        confirm="python -c 'import APP; from sqlalchemy.orm import configure_mappers; configure_mappers()'",
    )


def _count(orm: Any) -> int:
    registries = getattr(sys.modules.get("sqlalchemy.orm.mapperlib") or orm, "_all_registries", lambda: ())
    try:
        return sum(len(list(registry.mappers)) for registry in registries())
    except (AttributeError, TypeError):
        return 0
