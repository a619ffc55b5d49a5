"""The models do not fit together, or are not where they are expected.

What it means

BC301: SQLAlchemy cannot configure the mappers: a relationship names a class, a foreign key or a table that does
not exist. BC304: the application factory or an expected model class cannot be imported, or is something else.

How it looks

The app starts, and the first request that touches any model fails: `One or more mappers failed to initialize`,
`When initializing mapper ..., expression 'Comment' failed to locate a name`, `Could not determine join condition
between parent/child tables`, `NoReferencedTableError`. Mappers are configured at their first use, not at import.

Why it happens

A model was renamed and a string in `relationship("Comment")` was not; the module with the other model is
imported nowhere; two models have the same name; a foreign key names a table by another spelling or schema.

What to do

Correct the name that the finding shows, or import the module that defines it before the first use (in the
factory, or in `models/__init__.py`). For BC304 correct the path: `package.module:Name`.

How to know it is fixed

The checkpoints `models.factory`, `models.class.<Name>`, `models.mappers`, `models.relationships` and
`models.foreign_keys` of each worker have passed.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

from bootcheck.checks import options
from bootcheck.checks.base import Context, Moment
from bootcheck.checks.mappers import Mappers
from bootcheck.checks.spelling import nearest
from bootcheck.model.checkpoint import Phase
from bootcheck.model.encode import shorten
from bootcheck.model.finding import Evidence, Finding
from bootcheck.probes import engines
from bootcheck.recorder import type_name

RULES: tuple[str, ...] = ("BC301", "BC304")


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelsCheck:
    """Asks whether the models of a loaded app fit together."""

    name: ClassVar[str] = "models"
    moment: ClassVar[Moment] = Moment.WORKER
    phase: ClassVar[Phase] = Phase.MODELS

    factory: str | None = None
    expect: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Refuse what is no path to a name in a module."""
        if self.factory is not None:
            target("models", "factory", self.factory)
        for path in self.expect:
            target("models", "expect", path)

    @property
    def subject(self) -> str:
        """The factory, or all models."""
        return self.factory or "models"

    @property
    def budget(self) -> float:
        """Imports and the configuration of mappers."""
        return 30.0

    def run(self, context: Context) -> Iterator[Finding]:
        """Yield what is wrong; every fact is a checkpoint `models.<fact>`."""
        if self.factory is not None:
            yield from self._factory(self.factory, context)
        for path in self.expect:
            yield from self._expected(path, context)
        if engines.module("sqlalchemy.orm") is None:
            context.recorder.skipped("models.mappers", Phase.MODELS, "the app has not loaded SQLAlchemy's ORM")
            return
        yield from Mappers(context.recorder).findings()

    def _factory(self, path: str, context: Context) -> Iterator[Finding]:
        found, finding = self._import(path, "models.factory", context)
        if finding is not None:
            yield finding
        elif callable(found):
            context.recorder.passed("models.factory.callable", Phase.MODELS, factory=path)
        else:
            context.recorder.failed("models.factory.callable", Phase.MODELS, factory=path, type=type(found).__name__)
            yield Finding(
                code="BC304",
                summary=f"{path} is no function that makes an app but a {type(found).__name__}.",
                action=("Name the factory, for example models('myapp:create_app').",),
            )

    def _expected(self, path: str, context: Context) -> Iterator[Finding]:
        name = path.partition(":")[2]
        found, finding = self._import(path, f"models.class.{name}", context)
        if finding is not None:
            yield finding
        elif not isinstance(found, type):
            context.recorder.failed(f"models.class.{name}", Phase.MODELS, type=type(found).__name__)
            yield Finding(
                code="BC304",
                summary=f"{path} is no class but a {type(found).__name__}.",
                action=("Name the model class as package.module:Class.",),
            )

    def _import(self, path: str, checkpoint: str, context: Context) -> tuple[Any, Finding | None]:
        module_name, _, attribute = path.partition(":")
        with context.recorder.step(checkpoint, Phase.MODELS, path=path) as step:
            try:
                found: Any = importlib.import_module(module_name)
                for part in attribute.split("."):
                    found = getattr(found, part)
            except Exception as exc:  # noqa: BLE001 - a module of the app may raise anything
                step.fail(error=type_name(exc), message=shorten(str(exc), 300))
                return None, _not_importable(path, exc, context)
        return found, None


def models(factory: str | None = None, *, expect: tuple[str, ...] = ()) -> ModelsCheck:
    """Configure the models' mappers while the worker boots, rather than at the first request.

    Args:
        factory: The application factory as `package.module:function`; it is imported, not called.
        expect: Model classes that must exist, as `package.module:Class`.
    """
    return ModelsCheck(factory=factory, expect=options.texts("models", "expect", expect))


def target(check: str, option: str, value: object) -> str:
    """Return a path `package.module:name`, or raise with what to write."""
    module, colon, name = value.partition(":") if isinstance(value, str) else ("", "", "")
    parts = [*module.split("."), *name.split(".")]
    if not colon or not all(part.isidentifier() for part in parts):
        options.refuse(check, option, f"is {value!r}, which is no package.module:name", "Write 'myapp.models:User'.")
    return f"{module}:{name}"


def _not_importable(path: str, exc: Exception, context: Context) -> Finding:
    module_name, _, attribute = path.partition(":")
    loaded = engines.module(module_name)
    near = None if loaded is None else nearest(attribute, [name for name in vars(loaded) if not name.startswith("_")])
    missing = isinstance(exc, AttributeError) and loaded is not None
    text = f"{type_name(exc)}: {context.recorder.redactor.mask(shorten(str(exc), 300))}"
    return Finding(
        code="BC304",
        summary=f"{module_name} has no {attribute}." if missing else f"{path} cannot be imported.",
        action=(f"Did you mean {module_name}:{near}?",) if near else ("Correct the path, or the error in the module.",),
        evidence=(Evidence(source=module_name, text=text),),
        confirm=f"python -c 'from {module_name} import {attribute.partition('.')[0]}'",
    )
