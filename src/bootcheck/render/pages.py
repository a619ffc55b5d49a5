"""The pages of `bootcheck explain`: the docstrings of the modules that implement the codes.

They are read as text, without importing the module: a page can be read where the library that
its module is about is missing.
"""

from __future__ import annotations

import ast
import inspect
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files

from bootcheck.analysis.signatures import GENERAL, SIGNATURES
from bootcheck.model.codes import CODES, Rule

HEADINGS = ("What it means", "How it looks", "Why it happens", "What to do", "How to know it is fixed")

MODULES: tuple[str, ...] = (
    "bootcheck.sinks.directory",
    "bootcheck.gunicorn.seams",
    "bootcheck.checks.base",
    "bootcheck.checks.env",
    "bootcheck.checks.database_url",
    "bootcheck.checks.config_classes",
    "bootcheck.checks.flask_settings",
    "bootcheck.checks.imports",
    "bootcheck.guards.fresh_pools",
    "bootcheck.guards.clients.dbapi",
    "bootcheck.guards.clients.psycopg_pool",
    "bootcheck.guards.sharing",
    "bootcheck.audits.background",
    "bootcheck.audits.native",
    "bootcheck.audits.shared",
    "bootcheck.audits.copied",
    "bootcheck.checks.database",
    "bootcheck.checks.pool",
    "bootcheck.checks.models",
    "bootcheck.checks.migrations",
    "bootcheck.checks.initialise",
    "bootcheck.guards.warmup",
    "bootcheck.guards.load_once",
    "bootcheck.guards.run_once",
    "bootcheck.analysis.durations",
    "bootcheck.checks.disk",
    "bootcheck.checks.paths",
    "bootcheck.checks.worker_tmp_dir",
    "bootcheck.checks.descriptors",
    "bootcheck.checks.port",
    "bootcheck.analysis.probe_lint",
    *(f"bootcheck.analysis.signatures.{name}" for name in (*SIGNATURES, *GENERAL)),
)
"""Every module that implements codes or a cause class."""


@dataclass(frozen=True, slots=True)
class Page:
    """What one module says about its codes."""

    module: str
    text: str
    codes: tuple[str, ...]
    cause_class: str | None = None

    @property
    def title(self) -> str:
        """Its first line."""
        return self.text.partition("\n")[0]


@lru_cache(maxsize=1)
def pages() -> tuple[Page, ...]:
    """Return every page that is installed, in the order of `MODULES`."""
    return tuple(page for module in MODULES if (page := _read(module)) is not None)


def page_of(rule: Rule) -> Page | None:
    """Return the page of a code."""
    return next((page for page in pages() if rule.code in page.codes), None)


def page_of_class(name: str) -> Page | None:
    """Return the first page about a cause class."""
    return next((page for page in pages() if page.cause_class == name.lower()), None)


def without_page() -> Iterator[str]:
    """Yield codes that no module explains: there must be none."""
    explained = {code for page in pages() for code in page.codes}
    yield from (code for code in CODES if code not in explained)


def _read(module: str) -> Page | None:
    source = _source(module)
    if source is None:
        return None
    tree = ast.parse(source)
    text = ast.get_docstring(tree)
    if text is None:
        return None
    values = _constants(tree, ("RULES", "CAUSE_CLASS"))
    rules, cause_class = values.get("RULES"), values.get("CAUSE_CLASS")
    codes = tuple(str(code) for code in rules) if isinstance(rules, tuple) else ()
    return Page(module, inspect.cleandoc(text), codes, cause_class if isinstance(cause_class, str) else None)


def _source(module: str) -> str | None:
    """Return a module's text; one that has grown into a package keeps its page in `__init__.py`."""
    package, *parts = module.split(".")
    for name in (f"{'/'.join(parts)}.py", f"{'/'.join(parts)}/__init__.py"):
        try:
            return files(package).joinpath(name).read_text(encoding="utf-8")
        except (FileNotFoundError, NotADirectoryError):
            continue
    return None


def _constants(tree: ast.Module, names: tuple[str, ...]) -> dict[str, object]:
    found: dict[str, object] = {}
    for node in tree.body:
        target = node.targets[0] if isinstance(node, ast.Assign) else getattr(node, "target", None)
        value = getattr(node, "value", None)
        if isinstance(target, ast.Name) and target.id in names and isinstance(value, ast.expr):
            try:
                found[target.id] = ast.literal_eval(value)
            except ValueError:
                continue
    return found
