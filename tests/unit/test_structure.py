"""The folders are the architecture: every plug-in is on its list, every code has its page."""

from __future__ import annotations

import ast
import functools
import importlib
import inspect
import pkgutil
import re
from pathlib import Path

import pytest

import bootcheck
from bootcheck import audits, checks, guards, sinks
from bootcheck.analysis import signatures
from bootcheck.cli import COMMANDS
from bootcheck.guards import clients
from bootcheck.gunicorn import server, workers
from bootcheck.model.cause import CAUSE_CLASSES
from bootcheck.model.codes import CODES
from bootcheck.render import RENDERERS
from bootcheck.render.pages import HEADINGS, MODULES

ROOT = Path(bootcheck.__file__).parent

LISTS: dict[str, tuple[str, ...]] = {
    "audits": audits.AUDITS,
    "checks": checks.CHECKS,
    "guards": guards.GUARDS,
    "guards.clients": clients.CLIENTS,
    "sinks": sinks.SINKS,
    "analysis.signatures": (*signatures.SIGNATURES, *signatures.GENERAL),
    "render": RENDERERS,
    "cli": COMMANDS,
    "gunicorn.workers": tuple(kind.__name__.rpartition(".")[2] for kind in workers.WORKERS),
}
HELPERS: dict[str, dict[str, str]] = {
    "audits": {},
    "checks": {
        "advice": "says what an exception asks for, for imports and whoever tells of a death",
        "addresses": "reads what `bind` holds, for port",
        "base": "what a check is",
        "blame": "finds the line to blame, for imports and config_classes",
        "databases": "one file per family of databases, for database",
        "drivers": "knows packages by name, for database_url",
        "flask_app": "finds the app behind middleware, for flask_settings",
        "initialise_watch": "watches an initialisation, for initialise",
        "kinds": "kinds of values, for env",
        "mappers": "names the relationship that does not resolve, for models",
        "options": "validates what users write",
        "packages": "knows which package brings a module, for imports and advice",
        "planning": "chooses which checks run",
        "port_holder": "names the holder, for port",
        "spelling": "near misses, for env",
        "strength": "judges secrets, for env",
        "url_judge": "judges a URL, for database_url",
        "urls": "reads a URL, for database_url",
    },
    "guards": {
        "clients": "one file per library, for fresh_pools",
        "inherited": "knows who owns what is inherited, for fresh_pools",
        "sharing": "says what was inherited, for fresh_pools",
        "load_watch": "finds callers that are inside at once, for load_once",
        "once_database": "a ledger in a database, for run_once",
        "once_file": "ledgers in files, for once and run_once",
        "warm_slots": "lets so many workers warm up at once, for warmup",
    },
    "guards.clients": {"base": "what a client's file has", "spares": "pools made before the fork, for sqlalchemy"},
    "sinks": {
        "banner": "lays out the last screen",
        "base": "what a sink is",
        "descriptors": "files without a name, and whose file a number is, for journal and guards",
        "spare": "what a journal has beside the disk, for journal and the master",
        "directory": "the place that files go to",
        "pruning": "keeps a directory small",
        "stderr": "the one write to descriptor 2",
        "termination": "lays out Kubernetes' termination message",
    },
    "analysis.signatures": {},
    "render": {
        "durations": "how long one boot took, and against the one before it, for `show`",
        "answer": "whether a fault is still there, for `verify`",
        "comparison": "what differs, for `diff`",
        "charts": "the geometry of the charts, for html",
        "output": "where a command's output goes",
        "progress": "how far a long reading is",
        "probes": "probe settings as platforms write them, for `probes`",
        "pages": "the pages that `explain` prints, in any format",
        "reasons": "what came before, and what else it could have been, for text",
        "report": "one report on a screen, for `show`",
        "terminal": "text in colour, where Rich is installed",
        "snapshot": "one look at a living process on a screen, for `dump` and `show`",
    },
    "cli": {},
    "gunicorn.workers": {"lifespan": "reads a lifespan, for asgi and uvicorn"},
}
"""Modules beside plug-ins, and what each is there for."""


def modules_of(package: str) -> set[str]:
    """Return the names of the modules in a package, by their files."""
    folder = ROOT / package.replace(".", "/")
    return {module.name for module in pkgutil.iter_modules([str(folder)])}


@pytest.mark.parametrize("package", sorted(LISTS))
def test_every_file_is_on_a_list(package: str):
    """A new plug-in is one new file and one line; a helper has a reason."""
    assert modules_of(package) == {*LISTS[package], *HELPERS[package]}


@pytest.mark.parametrize("package", sorted(LISTS))
def test_a_list_names_each_once(package: str):
    """No plug-in runs twice, and none is a helper as well."""
    listed = LISTS[package]
    assert len(set(listed)) == len(listed)
    assert not set(listed) & set(HELPERS[package])
    assert all(HELPERS[package].values())


@pytest.mark.parametrize("name", checks.CHECKS)
def test_a_check_is_a_function_of_its_modules_name(name: str):
    """What users call; its class has that name too, and its module the codes."""
    module = importlib.import_module(f"bootcheck.checks.{name}")
    assert callable(getattr(checks, name))
    assert inspect.getdoc(getattr(checks, name))
    assert all(code in CODES for code in module.RULES)


def test_a_start_knows_which_variables_are_subjects():
    """Without loading a single check."""
    assert set(server.SUBJECTS) == set(checks.DISCOVERED.values())


@pytest.mark.parametrize("name", clients.CLIENTS)
def test_a_client_claims_and_renews(name: str):
    """What the guard of inherited connections asks of each."""
    module = clients.load(name)
    assert module.CLASSES
    assert all(len(entry) == 2 for entry in module.CLASSES)
    assert callable(module.claims)
    assert callable(module.renew)


def test_a_fork_knows_which_modules_have_clients():
    """Without loading one of the clients' files, or their list."""
    assert set(clients.LIBRARIES) == set(clients.CLIENTS)
    assert {module for modules in clients.LIBRARIES.values() for module in modules} == server.CLIENTS


@pytest.mark.parametrize("name", sinks.SINKS)
def test_a_sink_is_a_class_of_its_modules_name(name: str):
    """With the one method that the recorder calls."""
    module = importlib.import_module(f"bootcheck.sinks.{name}")
    assert callable(getattr(module, name.capitalize()).write)


@pytest.mark.parametrize("name", LISTS["analysis.signatures"])
def test_a_signature_answers_in_a_known_class(name: str):
    """`cause_class` is one of the contract's."""
    module = signatures.load(name)
    assert module.CAUSE_CLASS in CAUSE_CLASSES
    assert all(code in CODES for code in module.RULES)
    assert callable(module.match)


def test_signatures_stand_in_the_order_of_their_classes():
    """The first that fits wins, as the table says."""
    places = [CAUSE_CLASSES.index(signatures.load(name).CAUSE_CLASS) for name in signatures.SIGNATURES]
    assert places == sorted(places)


# -- codes and pages


def rules_of(tree: ast.Module) -> tuple[str, ...]:
    """Return the codes that a module says it implements, read as `explain` does: without importing it."""
    for node in tree.body:
        if isinstance(node, (ast.Assign, ast.AnnAssign)) and node.value is not None:
            target = node.target if isinstance(node, ast.AnnAssign) else node.targets[0]
            if isinstance(target, ast.Name) and target.id == "RULES":
                return tuple(ast.literal_eval(node.value))
    return ()


@functools.cache
def sources() -> dict[Path, tuple[str, ast.Module]]:
    """Return text and syntax tree of every module; not at import, which every process of a test run pays for."""
    texts = {path: path.read_text(encoding="utf-8") for path in sorted(ROOT.rglob("*.py"))}
    return {path: (text, ast.parse(text)) for path, text in texts.items()}


def implemented() -> dict[Path, tuple[str, ...]]:
    """Return the codes of each module that has a page."""
    return {
        path: rules
        for path, (_, tree) in sources().items()
        if (rules := rules_of(tree)) or (path.parent.name == "signatures" and path.stem != "__init__")
    }


def test_every_code_is_implemented_by_exactly_one_module():
    """`explain` prints that module's docstring."""
    named = [code for rules in implemented().values() for code in rules]
    assert sorted(named) == sorted(CODES)


def test_every_module_with_codes_is_read_by_explain():
    """A page that no list names is never seen."""
    dotted = {"bootcheck." + ".".join(path.relative_to(ROOT).with_suffix("").parts) for path in implemented()}
    assert dotted == set(MODULES)


def test_each_page_has_its_five_headings_and_speaks_of_each_code():
    """Title, then the headings in order, each followed by text, and every code by name."""
    for path, codes in implemented().items():
        page = ast.get_docstring(sources()[path][1]) or ""
        title, _, body = page.partition("\n")
        assert re.fullmatch(r"\S.*\.", title), (path, title)
        lines = body.splitlines()
        assert [heading for heading in HEADINGS if heading not in lines] == [], path
        places = [lines.index(heading) for heading in HEADINGS]
        assert places == sorted(places), path
        for place in places:
            assert any(line.strip() for line in lines[place + 1 : place + 3]), f"{path}: nothing under {lines[place]}"
        assert [code for code in codes if code not in page and CODES[code].slug not in page] == [], path


# -- size and style


def test_every_module_promises_something_and_stays_small():
    """A docstring, fewer than 400 lines, functions of at most 50."""
    for path, (text, tree) in sources().items():
        if path.stem != "__main__":
            assert ast.get_docstring(tree), path
        assert text.count("\n") < 400, path
        for node in ast.walk(tree):
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
                docstring = ast.get_docstring(node, clean=False)
                length = (node.end_lineno or 0) - node.lineno - (docstring.count("\n") + 1 if docstring else 0)
                assert length <= 50 or node.name == "_told", f"{path}: {node.name} has {length} lines"


def test_no_module_is_a_drawer():
    """A function without a home shows a missing noun."""
    drawers = {"utils", "util", "helpers", "helper", "common", "core", "manager", "misc"}
    assert [path for path in sources() if path.stem in drawers] == []


def test_imports_are_absolute():
    """Where a name comes from is readable at its import."""
    for path, (_, tree) in sources().items():
        relative = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.level]
        assert relative == [], path
