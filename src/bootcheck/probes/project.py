"""What a project's source files say of it: framework, app object, variables, migrations.

Files are parsed, never imported: looking at a project must not run it.
"""

from __future__ import annotations

import ast
import os
from collections.abc import Iterator
from dataclasses import dataclass

MAX_FILES = 400
MAX_BYTES = 1_000_000
_NOT_THE_APP = frozenset(
    {"tests", "test", "docs", "build", "dist", "node_modules", "site-packages", "migrations", "alembic", "venv", "env"}
)
_NOT_A_TARGET = frozenset(
    {"conftest", "setup", "manage", "noxfile", "fabfile", "tasks", "gunicorn.conf", "bootcheck.conf"}
)
_FRAMEWORKS = {"Flask": "flask", "FastAPI": "fastapi", "Starlette": "starlette", "Quart": "quart"}
_DJANGO = {"get_wsgi_application": "wsgi", "get_asgi_application": "asgi"}
_FACTORIES = ("create_app", "make_app", "build_app", "get_app")
_NAMES = ("wsgi", "asgi", "app", "main", "application", "server", "__init__")
"""Modules that usually hold the app, the likeliest first."""
_ASGI = frozenset({"fastapi", "starlette", "quart"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """One thing that Gunicorn could serve."""

    uri: str
    """`module:attribute`, or `module:factory()`."""
    framework: str
    asgi: bool
    file: str
    line: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Variable:
    """One environment variable that the code reads."""

    name: str
    required: bool
    """True where the code would raise without it."""
    file: str
    line: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Project:
    """What was seen in a directory."""

    targets: tuple[Target, ...] = ()
    """The likeliest first."""
    variables: tuple[Variable, ...] = ()
    """Each name once, sorted."""
    django_settings: str | None = None
    alembic_ini: str | None = None
    gunicorn_conf: bool = False
    config_classes: tuple[str, ...] = ()
    """Classes whose names end in Config, in the order of the file, as `module:Class`."""
    unreadable: tuple[str, ...] = ()
    """Files that could not be parsed, with the reason."""

    @property
    def target(self) -> Target | None:
        """The likeliest target."""
        return self.targets[0] if self.targets else None

    def reads(self, name: str) -> bool:
        """Tell whether the code reads this variable."""
        return any(variable.name == name for variable in self.variables)


def look_at(directory: str) -> Project:
    """Return what the Python files in a directory and in its packages say."""
    targets: list[Target] = []
    variables: list[Variable] = []
    classes: list[str] = []
    unreadable: list[str] = []
    settings: str | None = None
    for path in _files(directory):
        name = os.path.relpath(path, directory)
        try:
            tree = _parse(path)
        except (OSError, SyntaxError, ValueError, RecursionError) as exc:
            unreadable.append(f"{name}: {exc.__class__.__name__}: {exc}")
            continue
        module = _module_name(name)
        variables += _variables(tree, name)
        classes += [f"{module}:{found}" for found in _config_classes(tree)]
        if module.rpartition(".")[2] not in _NOT_A_TARGET:
            targets += _targets(tree, module, name)
        settings = settings or _django_settings(tree)
    return Project(
        targets=tuple(sorted(_without_reexports(targets), key=_likelihood)),
        variables=tuple(_once(variables)),
        django_settings=settings,
        alembic_ini=_alembic_ini(directory),
        gunicorn_conf=os.path.isfile(os.path.join(directory, "gunicorn.conf.py")),
        config_classes=tuple(classes) if len(classes) > 1 else (),
        unreadable=tuple(unreadable),
    )


def _files(directory: str) -> Iterator[str]:
    """Yield the directory's own modules, then those of its packages and of those in `src`."""
    found = 0
    roots = [directory, os.path.join(directory, "src")]
    folders = [directory]
    for root in roots:
        if os.path.isdir(root):
            folders += [
                entry.path for entry in _sorted(root) if entry.is_dir(follow_symlinks=False) and _is_code(entry)
            ]
    for folder in folders:
        for entry in _sorted(folder):
            if entry.name.endswith(".py") and entry.is_file(follow_symlinks=False) and not _is_test(entry.name):
                found += 1
                if found > MAX_FILES:
                    return
                yield entry.path


def _sorted(folder: str) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return sorted(entries, key=lambda entry: entry.name)
    except OSError:
        return []


def _is_code(entry: os.DirEntry[str]) -> bool:
    name = entry.name
    return (
        name.isidentifier() and name not in _NOT_THE_APP and not os.path.exists(os.path.join(entry.path, "pyvenv.cfg"))
    )


def _is_test(name: str) -> bool:
    return (
        name.startswith("test_")
        or name.endswith("_test.py")
        or name in ("conftest.py", "gunicorn.conf.py", "bootcheck.conf.py")
    )


def _parse(path: str) -> ast.Module:
    with open(path, "rb") as file:
        source = file.read(MAX_BYTES + 1)
    if len(source) > MAX_BYTES:
        msg = "larger than a module written by a person"
        raise ValueError(msg)
    return ast.parse(source, filename=path)


def _module_name(relative: str) -> str:
    parts = relative.removesuffix(".py").split(os.sep)
    if parts[0] == "src" and len(parts) > 2:
        parts = parts[1:]
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def _targets(tree: ast.Module, module: str, file: str) -> Iterator[Target]:
    for node in _top_level(tree):
        if isinstance(node, (ast.Assign, ast.AnnAssign)) and isinstance(node.value, ast.Call):
            framework = _framework(_called(node.value))
            if framework is not None:
                for name in _assigned(node):
                    yield Target(
                        uri=f"{module}:{name}", framework=framework[0], asgi=framework[1], file=file, line=node.lineno
                    )
        elif isinstance(node, ast.FunctionDef) and node.name in _FACTORIES and not _needs_arguments(node):
            made = _made_in(node)
            yield Target(uri=f"{module}:{node.name}()", framework=made, asgi=made in _ASGI, file=file, line=node.lineno)


def _top_level(tree: ast.Module) -> Iterator[ast.stmt]:
    """Yield the statements of a module, also those in `if` and `try` at its top."""
    waiting: list[ast.stmt] = list(tree.body)
    while waiting:
        node = waiting.pop(0)
        yield node
        if isinstance(node, (ast.If, ast.Try, ast.With)):
            waiting[:0] = node.body


def _framework(called: str) -> tuple[str, bool] | None:
    if called in _FRAMEWORKS:
        return _FRAMEWORKS[called], _FRAMEWORKS[called] in _ASGI
    if called in _DJANGO:
        return "django", _DJANGO[called] == "asgi"
    return ("unknown", False) if called in _FACTORIES else None


def _called(call: ast.Call) -> str:
    if isinstance(call.func, ast.Attribute):
        return call.func.attr
    return call.func.id if isinstance(call.func, ast.Name) else ""


def _assigned(node: ast.Assign | ast.AnnAssign) -> list[str]:
    targets = node.targets if isinstance(node, ast.Assign) else [node.target]
    return [target.id for target in targets if isinstance(target, ast.Name)]


def _needs_arguments(node: ast.FunctionDef) -> bool:
    arguments = node.args
    return len(arguments.posonlyargs) + len(arguments.args) > len(arguments.defaults) or any(
        default is None for default in arguments.kw_defaults
    )


def _made_in(function: ast.FunctionDef) -> str:
    for node in ast.walk(function):
        if isinstance(node, ast.Call) and _called(node) in _FRAMEWORKS:
            return _FRAMEWORKS[_called(node)]
    return "unknown"


def _without_reexports(targets: list[Target]) -> list[Target]:
    """Drop a factory where an object that it made stands ready, and tell the object's framework by it."""
    made = next((target for target in targets if target.uri.endswith("()")), None)
    objects = [target for target in targets if not target.uri.endswith("()")]
    if not objects:
        return targets
    if made is None:
        return objects
    return [
        Target(uri=item.uri, framework=made.framework, asgi=made.asgi, file=item.file, line=item.line)
        if item.framework == "unknown"
        else item
        for item in objects
    ]


def _likelihood(target: Target) -> tuple[int, int, int, str]:
    module, _, attribute = target.uri.partition(":")
    last = os.path.basename(target.file).removesuffix(".py")
    place = _NAMES.index(last) if last in _NAMES else len(_NAMES)
    return place, module.count("."), 0 if attribute in ("app", "application") else 1, target.uri


def _variables(tree: ast.Module, file: str) -> Iterator[Variable]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Subscript) and isinstance(node.ctx, ast.Load) and _is_environ(node.value):
            name, required = _literal(node.slice), True
        elif isinstance(node, ast.Call) and _reads_environment(node.func) and node.args:
            name, required = _literal(node.args[0]), False
        else:
            continue
        if name:
            yield Variable(name=name, required=required, file=file, line=node.lineno)


def _is_environ(node: ast.expr) -> bool:
    return (
        isinstance(node, (ast.Attribute, ast.Name))
        and (node.attr if isinstance(node, ast.Attribute) else node.id) == "environ"
    )


def _reads_environment(function: ast.expr) -> bool:
    if isinstance(function, ast.Attribute):
        return function.attr == "getenv" or (function.attr in ("get", "setdefault") and _is_environ(function.value))
    return isinstance(function, ast.Name) and function.id == "getenv"


def _literal(node: ast.expr) -> str | None:
    value = node.value if isinstance(node, ast.Constant) else None
    return value if isinstance(value, str) and value and value.replace("_", "a").isalnum() else None


def _config_classes(tree: ast.Module) -> list[str]:
    return [
        node.name
        for node in _top_level(tree)
        if isinstance(node, ast.ClassDef) and node.name.endswith("Config") and node.name not in ("Config", "AppConfig")
    ]


def _django_settings(tree: ast.Module) -> str | None:
    """Return the default that manage.py or wsgi.py gives DJANGO_SETTINGS_MODULE."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and _called(node) == "setdefault" and len(node.args) == 2:
            name, value = (argument.value if isinstance(argument, ast.Constant) else None for argument in node.args)
            if name == "DJANGO_SETTINGS_MODULE" and isinstance(value, str):
                return value
    return None


def _alembic_ini(directory: str) -> str | None:
    for name in ("alembic.ini", os.path.join("migrations", "alembic.ini")):
        if os.path.isfile(os.path.join(directory, name)):
            return name
    return None


def _once(variables: list[Variable]) -> list[Variable]:
    """Keep each name once: required if any place would raise without it, seen where that is."""
    best: dict[str, Variable] = {}
    for variable in variables:
        known = best.get(variable.name)
        if known is None or (variable.required and not known.required):
            best[variable.name] = variable
    return [best[name] for name in sorted(best)]
