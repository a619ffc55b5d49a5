"""Write a commented bootcheck.conf.py for the project in this directory.

Source files are parsed, not run: the app object (Flask, Django, FastAPI and
others), the environment variables that the code reads, the database variable,
Alembic and an existing gunicorn.conf.py. The file is yours afterwards.

A file that exists is left alone unless --force is given.
Exit codes: 0 written, 2 nothing was written.
"""

from __future__ import annotations

import argparse
import ast
import json
import os
import re
import shlex
from collections.abc import Iterator
from typing import TextIO

from bootcheck.model.errors import BootcheckError
from bootcheck.probes.project import Project, Target, Variable, look_at

NAME = "init"
HELP = "write a bootcheck.conf.py for the project in this directory"

FILE = "bootcheck.conf.py"
MAX_OPTIONAL = 30
_DATABASE = re.compile(r"(?:^|_)(?:DATABASE|DB|POSTGRES|POSTGRESQL|MYSQL|MARIADB|SQLALCHEMY_DATABASE)_(?:URL|URI|DSN)$")
_SIGNING = re.compile(r"(?:^|_)SECRET(?:_KEY)?$")
_OF_THE_SYSTEM = frozenset(
    {"PATH", "HOME", "USER", "PWD", "SHELL", "TMPDIR", "TEMP", "LANG", "PYTHONPATH", "VIRTUAL_ENV", "HOSTNAME"}
    | {"DJANGO_SETTINGS_MODULE", "FLASK_APP", "WEB_CONCURRENCY", "GUNICORN_CMD_ARGS"}
)


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument("-o", "--output", metavar="FILE", default=FILE, help=f"where to write ({FILE}); - is stdout")
    parser.add_argument("--app", metavar="APP", help="module:attribute, where the guess would be wrong")
    parser.add_argument("--force", action="store_true", help="replace the file if it exists")


def run(args: argparse.Namespace, out: TextIO, err: TextIO) -> int:
    """Write the file and print the command that uses it."""
    if args.app is not None and not is_target(args.app):
        msg = f"{args.app!r} names no app. Write MODULE:ATTRIBUTE, or MODULE:FACTORY() for a function that makes it."
        raise BootcheckError(msg)
    project = look_at(os.getcwd())
    uri = args.app or (project.target.uri if project.target else None)
    asgi = next((target.asgi for target in project.targets if target.uri == uri), False)
    text = "\n".join(configuration(project, uri, worker_class=worker_class() if asgi else None)) + "\n"
    if args.output == "-":
        out.write(text)
        return 0
    _write(args.output, text, force=args.force)
    for line in _told(project, args.output, uri):
        print(line, file=out)
    for line in project.unreadable[:10]:
        print(f"bootcheck: left out {line}", file=err)
    if asgi and worker_class() is None:
        print("bootcheck: no ASGI worker is installed. Next: pip install uvicorn-worker", file=err)
    return 0


def is_target(uri: str) -> bool:
    """Tell whether Gunicorn could read this as an app: a module, an attribute of it, or a call of one."""
    module, colon, attribute = uri.partition(":")
    if not all(part.isidentifier() for part in module.split(".")):
        return False
    try:
        tree = ast.parse(attribute, mode="eval").body if colon else None
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False
    called = tree.func if isinstance(tree, ast.Call) else tree
    return tree is None or ("\n" not in uri and isinstance(called, ast.Name))


def worker_class() -> str | None:
    """Return the worker class for an ASGI app that is installed here, or None."""
    from importlib.metadata import PackageNotFoundError, version
    from importlib.util import find_spec

    if find_spec("uvicorn_worker") is not None:
        return "uvicorn_worker.UvicornWorker"
    try:
        major = int(version("gunicorn").partition(".")[0])
    except (PackageNotFoundError, ValueError):
        return None
    return "asgi" if major >= 25 else None


def configuration(project: Project, uri: str | None, *, worker_class: str | None = None) -> Iterator[str]:
    """Yield the lines of a configuration file for this project."""
    shown = uri or "MODULE:ATTRIBUTE"
    yield f'"""Gunicorn configuration with bootcheck: gunicorn -c {FILE} {shown}'
    yield ""
    yield "Every setting and hook of Gunicorn may stand here too. `bootcheck check` asks all that is"
    yield "declared below without starting a server."
    yield '"""'
    yield ""
    if project.gunicorn_conf:
        yield "import os"
        yield ""
    yield "from bootcheck import arm, checks"
    yield ""
    if project.gunicorn_conf:
        yield "# gunicorn.conf.py stays in force: its settings and hooks are read first, what follows wins."
        yield '_other = os.path.join(os.path.dirname(os.path.abspath(__file__)), "gunicorn.conf.py")'
        yield 'with open(_other, encoding="utf-8") as _file:'
        yield '    exec(compile(_file.read(), _other, "exec"))'
        yield ""
    yield from _app(project, uri, worker_class)
    yield ""
    yield "# Declared checks: an error of one of them stops the start, all problems on one screen."
    yield "# What bootcheck discovers by itself only warns."
    yield "CHECKS = ["
    for line in _checks(project):
        yield f"    {line}" if line else ""
    yield "]"
    yield ""
    yield "# Last, so that it sees the hooks that are defined above."
    yield "arm(globals(), checks=CHECKS)"


def _app(project: Project, uri: str | None, worker_class: str | None) -> Iterator[str]:
    target = next((target for target in project.targets if target.uri == uri), None)
    if target is not None:
        yield f"# Found in {target.file}, line {target.line}: {_framework(target)}."
    elif uri is None:
        yield "# No app object was found. Name it here, or on the command line."
    yield f"wsgi_app = {json.dumps(uri, ensure_ascii=False)}" if uri else '# wsgi_app = "MODULE:ATTRIBUTE"'
    others = [other.uri for other in project.targets if other.uri != uri]
    if others:
        yield f"# Also found: {', '.join(others[:5])}."
    if target is not None and target.asgi:
        yield ""
        yield "# An ASGI app needs a worker class that speaks ASGI."
        yield f'worker_class = "{worker_class}"' if worker_class else '# worker_class = "uvicorn_worker.UvicornWorker"'


def _framework(target: Target) -> str:
    kind = "ASGI" if target.asgi else "WSGI"
    return (
        f"an app of unknown kind, taken for {kind}" if target.framework == "unknown" else f"{target.framework}, {kind}"
    )


def _checks(project: Project) -> Iterator[str]:
    databases = _databases(project)
    others = [variable for variable in _variables(project) if variable.name not in databases]
    yield from _required([variable for variable in others if variable.required])
    yield from _database(project, databases)
    if project.config_classes:
        yield "# Tells which class loads and why the others do not; put the most demanding one first."
        names = ", ".join(f'"{name}"' for name in reversed(project.config_classes))
        yield f"# checks.config_classes({names}),"
    for number, variable in enumerate(variable for variable in others if not variable.required):
        if number == 0:
            yield "# Optional variables: listed as set or not set."
        if number < MAX_OPTIONAL:
            yield f'checks.env("{variable.name}", required=False),'


def _required(variables: list[Variable]) -> Iterator[str]:
    for variable in variables:
        yield f"# {variable.file}, line {variable.line}, raises without it."
        strong = ", secret=True, min_length=32" if _SIGNING.search(variable.name) else ""
        yield f'checks.env("{variable.name}"{strong}),'
    if not variables:
        yield "# No variable was found without which the code raises. For example:"
        yield '# checks.env("SECRET_KEY", secret=True, min_length=32),'


def _database(project: Project, variables: list[str]) -> Iterator[str]:
    for number, name in enumerate(variables):
        if number == 0:
            yield "# Scheme, driver and escaping of the URL; then a real connection, before a worker is forked."
            yield "# wait=30 gives a database that is still starting half a minute."
        yield f'checks.database_url("{name}"),'
        yield f'checks.database("{name}"),'
    if project.alembic_ini:
        yield f"# Refuses to serve while {project.alembic_ini} has migrations that the database lacks."
        where = "" if "DATABASE_URL" in variables else f'url_env="{next(iter(variables), "NAME")}"'
        yield f"{'' if variables else '# '}checks.migrations({where}),"


def _variables(project: Project) -> list[Variable]:
    return [
        variable
        for variable in project.variables
        if variable.name not in _OF_THE_SYSTEM and not variable.name.startswith("BOOTCHECK_")
    ]


def _databases(project: Project) -> list[str]:
    return [variable.name for variable in project.variables if _DATABASE.search(variable.name)]


def _write(path: str, text: str, *, force: bool) -> None:
    flags = os.O_WRONLY | os.O_CREAT | (os.O_TRUNC if force else os.O_EXCL)
    try:
        fd = os.open(path, flags, 0o644)
    except FileExistsError as exc:
        msg = (
            f"{path} exists and was not touched. Replace it with `bootcheck init --force`, "
            f"or look at the new one first with `bootcheck init -o -`."
        )
        raise BootcheckError(msg) from exc
    except OSError as exc:
        msg = f"cannot write {path}: {exc.strerror}. Name another file with `bootcheck init -o FILE`."
        raise BootcheckError(msg) from exc
    with open(fd, "w", encoding="utf-8") as file:
        file.write(text)


def _told(project: Project, path: str, uri: str | None) -> Iterator[str]:
    yield f"wrote {path}"
    if project.target is not None and project.target.uri == uri:
        target = project.target
        yield f"  app         {target.uri} ({_framework(target)}; {target.file}, line {target.line})"
    else:
        yield f"  app         {uri or 'not found: set wsgi_app in the file'}"
    required = sum(variable.required for variable in _variables(project))
    yield f"  variables   {required} required, {len(_variables(project)) - required} optional"
    yield f"  database    {', '.join(_databases(project)) or 'no variable with its URL was found'}"
    if project.alembic_ini:
        yield f"  migrations  {project.alembic_ini}"
    if project.gunicorn_conf:
        yield "  gunicorn.conf.py is read first; or keep only it, and end it with"
        yield "              import bootcheck; bootcheck.arm(globals())"
    yield ""
    yield "Ask everything without a server:"
    yield f"  bootcheck check -c {shlex.quote(path)}"
    yield "Start:"
    yield f"  gunicorn -c {shlex.quote(path)} {shlex.quote(uri or 'MODULE:ATTRIBUTE')}"
