"""Import times: taken around the standard loaders, which are afterwards as they were."""

from __future__ import annotations

import importlib.machinery
import importlib.resources
import importlib.util
import inspect
import pkgutil
import sys
import threading
import time
import zipfile
from pathlib import Path
from types import SimpleNamespace

import pytest

from bootcheck.probes import imports
from bootcheck.probes.imports import ImportTimes, read


@pytest.fixture
def package(tmp_path: Path, monkeypatch) -> Path:
    """A place for modules, first on the path; what is imported from it is forgotten afterwards."""
    monkeypatch.syspath_prepend(str(tmp_path))
    before = set(sys.modules)
    yield tmp_path
    for name in set(sys.modules) - before:
        if getattr(sys.modules[name], "__file__", None) is None or str(tmp_path) in str(sys.modules[name].__file__):
            del sys.modules[name]


@pytest.fixture
def times() -> ImportTimes:
    """Timing that is on, and off again afterwards."""
    found = ImportTimes()
    found.begin()
    yield found
    found.end()


@pytest.fixture
def clock(monkeypatch):
    """A clock of the test's own: `import bc_clock; bc_clock.pass_by(seconds)` in a module moves it on."""
    now = [100.0]
    moved = SimpleNamespace(pass_by=lambda seconds: now.__setitem__(0, now[0] + seconds))
    monkeypatch.setitem(sys.modules, "bc_clock", moved)
    monkeypatch.setattr(imports, "time", SimpleNamespace(perf_counter=lambda: now[0], monotonic=lambda: now[0]))


def loaders() -> list[object]:
    """Return what the standard loaders do, by class."""
    kinds = (
        importlib.machinery.SourceFileLoader,
        importlib.machinery.SourcelessFileLoader,
        importlib.machinery.ExtensionFileLoader,
    )
    return [(kind.exec_module, kind.create_module, "exec_module" in vars(kind)) for kind in kinds]


def test_the_loaders_are_as_before_afterwards():
    """Also where somebody else has patched one of them meanwhile: theirs stays."""
    before = loaders()
    times = ImportTimes()
    times.begin()
    assert loaders() != before
    times.end()
    times.end()
    assert loaders() == before


def test_a_patch_of_somebody_else_stays(monkeypatch):
    """It was made over ours, and ours passes through."""
    times = ImportTimes()
    times.begin()
    kind = importlib.machinery.SourceFileLoader
    ours = kind.exec_module

    def theirs(self, module):
        return ours(self, module)

    kind.exec_module = theirs
    try:
        times.end()
        assert kind.exec_module is theirs
    finally:
        del kind.exec_module


def test_self_time_leaves_out_what_a_module_imports(package, clock, times):
    """The slow one is named first; total time has both."""
    (package / "bc_outer.py").write_text("import bc_clock, bc_inner\nbc_clock.pass_by(0.0625)\n")
    (package / "bc_inner.py").write_text("import bc_clock\nbc_clock.pass_by(0.25)\n")
    importlib.import_module("bc_outer")
    slowest = times.slowest()
    assert [(item["module"], item["self_ms"], item["total_ms"]) for item in slowest[:2]] == [
        ("bc_inner", 250.0, 250.0),
        ("bc_outer", 62.5, 312.5),
    ]


def test_only_the_ten_slowest_are_kept(package, clock, times):
    """A faster one gives way to a slower one."""
    for number in range(14):
        (package / f"bc_many{number}.py").write_text(
            f"import bc_clock\nbc_clock.pass_by({0.02 + 0.02 * (number % 7)})\n"
        )
        importlib.import_module(f"bc_many{number}")
    slowest = times.slowest()
    assert len(slowest) == imports.KEPT
    assert [item["self_ms"] for item in slowest] == sorted((item["self_ms"] for item in slowest), reverse=True)
    assert {"bc_many6", "bc_many13", "bc_many5", "bc_many12"} <= {item["module"] for item in slowest}


def test_the_chain_that_is_being_imported(package):
    """Outermost first; empty when all is over, also after an exception."""
    memory = bytearray(8 + imports.SIZE)
    times = ImportTimes(memory, 8)
    (package / "bc_a.py").write_text("import bc_b\n")
    (package / "bc_b.py").write_text("import bc_look\nbc_look.chain()\nraise ValueError(1)\n")
    sys.modules["bc_look"] = look = type(sys)("bc_look")
    seen = []
    look.chain = lambda: seen.append([item["module"] for item in read(memory, 8, 0.0)[1]])
    times.begin()
    try:
        with pytest.raises(ValueError, match="1"):
            importlib.import_module("bc_a")
    finally:
        times.end()
        del sys.modules["bc_look"]
    assert seen == [["bc_a", "bc_b"]]
    assert read(memory, 8, 0.0)[1] == []


def test_a_frozen_chain_stays(package):
    """What is left after the stop signal is left because the process dies."""
    memory = bytearray(imports.SIZE)
    times = ImportTimes(memory)
    (package / "bc_dying.py").write_text("import bc_freeze\nbc_freeze.now()\n")
    sys.modules["bc_freeze"] = freeze = type(sys)("bc_freeze")
    freeze.now = times.freeze
    times.begin()
    try:
        importlib.import_module("bc_dying")
    finally:
        times.end()
        del sys.modules["bc_freeze"]
    assert [item["module"] for item in read(memory, 0, 0.0)[1]] == ["bc_dying"]


def test_the_chain_that_an_exception_went_up(package):
    """It is unwound by then; the exception that ends the process carries it, also as a cause."""
    memory = bytearray(imports.SIZE)
    times = ImportTimes(memory)
    (package / "bc_up.py").write_text("import bc_down\n")
    (package / "bc_down.py").write_text("raise ValueError('no')\n")
    times.begin()
    try:
        with pytest.raises(ValueError, match="no") as caught:
            importlib.import_module("bc_up")
    finally:
        times.end()
    times.died_of(KeyError("another"))
    assert read(memory, 0, 0.0)[1] == []
    outer = RuntimeError("wrapped")
    outer.__cause__ = caught.value
    times.died_of(outer)
    chain = read(memory, 0, time.monotonic())[1]
    assert [item["module"] for item in chain] == ["bc_up", "bc_down"]
    assert 0 <= chain[1]["since_s"] <= chain[0]["since_s"] < 600


def test_deep_chains_keep_the_innermost(package):
    """Sixteen levels are kept, and the outer ones come back as the inner ones end."""
    depth = imports.LEVELS + 4
    for number in range(depth):
        inner = f"import bc_deep{number + 1}" if number + 1 < depth else "import bc_look\nbc_look.chain()"
        (package / f"bc_deep{number}.py").write_text(inner + "\n")
    memory = bytearray(imports.SIZE)
    times = ImportTimes(memory)
    sys.modules["bc_look"] = look = type(sys)("bc_look")
    seen = []
    look.chain = lambda: seen.append([item["module"] for item in read(memory, 0, 0.0)[1]])
    times.begin()
    try:
        importlib.import_module("bc_deep0")
    finally:
        times.end()
        del sys.modules["bc_look"]
    assert seen == [[f"bc_deep{number}" for number in range(4, depth)]]


def test_whoever_asks_a_module_meets_what_was_there_before(package, times):
    """Loader, source, resources, code, submodules, namespace packages, zip files and lazy loaders."""
    inside = package / "bc_pkg"
    (inside / "sub").mkdir(parents=True)
    (inside / "__init__.py").write_text("VALUE = 1\n")
    (inside / "sub" / "mod.py").write_text("def f():\n    return 2\n")
    (inside / "data.txt").write_text("words")
    with zipfile.ZipFile(package / "bc.zip", "w") as archive:
        archive.writestr("bc_zipped.py", "VALUE = 3\n")
    sys.path.insert(0, str(package / "bc.zip"))
    try:
        module = importlib.import_module("bc_pkg")
        mod = importlib.import_module("bc_pkg.sub.mod")
        zipped = importlib.import_module("bc_zipped")
    finally:
        sys.path.remove(str(package / "bc.zip"))
    assert (module.VALUE, mod.f(), zipped.VALUE) == (1, 2, 3)
    assert type(module.__spec__.loader) is importlib.machinery.SourceFileLoader
    assert vars(module.__loader__).keys() <= {"name", "path"}
    assert inspect.getsource(mod.f) == "def f():\n    return 2\n"
    assert module.__loader__.get_code("bc_pkg") is not None
    assert importlib.resources.files("bc_pkg").joinpath("data.txt").read_text() == "words"
    assert pkgutil.get_data("bc_pkg", "data.txt") == b"words"
    spec = importlib.util.find_spec("bc_pkg.sub.mod")
    lazy = importlib.util.LazyLoader(spec.loader)
    late = sys.modules[spec.name] = importlib.util.module_from_spec(spec)
    lazy.exec_module(late)
    assert late.f() == 2
    assert importlib.reload(module).VALUE == 1


def test_threads_that_import_at_once_do_not_share_their_time(package, times):
    """What one imports is no part of what the other does."""
    for name in ("one", "two"):
        (package / f"bc_thread_{name}.py").write_text("import time\ntime.sleep(0.1)\n")
    threads = [threading.Thread(target=importlib.import_module, args=(f"bc_thread_{name}",)) for name in ("one", "two")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    slowest = {item["module"]: item["self_ms"] for item in times.slowest()}
    assert min(slowest["bc_thread_one"], slowest["bc_thread_two"]) >= 95


def test_a_traceback_has_no_line_between_a_module_and_what_it_imports(package, times):
    """Python leaves importlib out, and ours with it."""
    (package / "bc_first.py").write_text("import bc_second\n")
    (package / "bc_second.py").write_text("raise ValueError('as ever')\n")
    with pytest.raises(ValueError, match="as ever") as caught:
        __import__("bc_first")
    files = [entry.path.name if isinstance(entry.path, Path) else str(entry.path) for entry in caught.traceback]
    assert files[-2:] == ["bc_first.py", "bc_second.py"]
