"""What a fault in native code leaves behind: extension modules, native libraries, whom to suspect first.

The process is gone and its memory map with it, so this reads what faulthandler wrote, what wheels
ship beside the modules named there, and what the calling process, the dead one's parent, has mapped.
Only read at such a death.
"""

from __future__ import annotations

import ast
import os
import re
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

MAX_LISTED = 60
MAX_SUSPECTS = 5
FRAMES = 6
"""So many innermost frames may name a suspect."""
_MAX_SOURCE = 1 << 20
_MODULES = re.compile(r"^Extension modules: (?P<names>.*?)(?: \(total: \d+\))?$", re.MULTILINE)
_SITE = re.compile(r"^(?P<site>.*/(?:site|dist)-packages)/(?P<top>[^/]+?)(?:\.py|\.cpython-[^/]*\.so)?(?:/.*)?$")
_LIBRARY = re.compile(r"^(?P<name>lib[^/]+?)(?:-[0-9a-f]{6,})?\.so(?:\.[^/]*)?$")
_ONE_PER_PROCESS = {
    "libgomp": "an OpenMP runtime",
    "libomp": "an OpenMP runtime",
    "libiomp5": "an OpenMP runtime",
    "libmkl_rt": "a BLAS",
    "libopenblas": "a BLAS",
}
"""Libraries of different names that do the same work and get into each other's way."""


def extension_modules(fault: str) -> list[str] | None:
    """Return the extension modules of third parties that faulthandler named, None where it named none at all."""
    found = list(_MODULES.finditer(fault))
    if not found:
        return None
    return [name.strip() for name in found[-1]["names"].split(",") if name.strip()][:500]


def suspects(modules: Sequence[str], frames: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return the packages with native code that the faulting thread points at, the nearest first."""
    tops = {name.partition(".")[0] for name in modules}
    found: dict[str, str] = {}
    for depth, frame in enumerate(frames[:FRAMES]):
        file, line = str(frame.get("file") or ""), frame.get("line")
        where = "the innermost frame" if not depth else f"frame {depth + 1} from the inside"
        package = _SITE.match(file)
        if package is not None and (package["top"] in tops or not depth):
            found.setdefault(package["top"], f"{where} is its code ({frame.get('function')})")
        elif os.path.basename(os.path.dirname(file)) == "ctypes":
            found.setdefault("ctypes", f"{where} is ctypes: look at the library that was loaded with it")
        elif package is None and isinstance(line, int):
            for top in _called(file, line, tops):
                found.setdefault(top, f"line {line} of {os.path.basename(file)}, {where}, uses it")
    if not found and 0 < len(tops) <= 2:
        found = dict.fromkeys(sorted(tops), "no other third party's extension module was loaded")
    return [
        {"package": top, "why": why, "modules": [name for name in modules if name.partition(".")[0] == top][:10]}
        for top, why in list(found.items())[:MAX_SUSPECTS]
    ]


def _called(file: str, line: int, tops: set[str]) -> Iterator[str]:
    """Yield the packages among `tops` (and ctypes) that a line of source uses by a name its file imports."""
    try:
        with open(file, encoding="utf-8") as source:
            text = source.read(_MAX_SOURCE)
        tree = ast.parse(text)
        used = set(re.findall(r"[A-Za-z_]\w*", text.splitlines()[line - 1]))
    except (OSError, SyntaxError, ValueError, RecursionError, IndexError):
        return
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names = {(alias.asname or alias.name.partition(".")[0]): alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names = {(alias.asname or alias.name): node.module for alias in node.names}
        else:
            continue
        for name, module in names.items():
            top = module.partition(".")[0]
            if name in used and (top in tops or top == "ctypes"):
                yield top


# -- libraries --------------------------------------------------------------------------------


def libraries(modules: Iterable[str], frames: Sequence[Mapping[str, Any]] = ()) -> list[dict[str, str]]:
    """Return native libraries as {name, path, seen}: mapped in this process, or shipped beside a named module."""
    found = [
        {"name": match["name"], "path": path, "seen": "mapped in the master"}
        for path in mapped()
        if (match := _LIBRARY.match(os.path.basename(path))) is not None
    ]
    known = {os.path.realpath(entry["path"]) for entry in found}
    tops = {name.partition(".")[0] for name in modules}
    for site in _sites(frames) if tops else ():
        for top, path in _shipped(site, tops):
            match = _LIBRARY.match(os.path.basename(path))
            if match is not None and os.path.realpath(path) not in known:
                known.add(os.path.realpath(path))
                found.append({"name": match["name"], "path": path, "seen": f"shipped with {top}"})
    # What a wheel brought along is rarer, and more telling, than what the system has.
    found.sort(key=lambda entry: entry["seen"] == "mapped in the master")
    return found


def duplicates(found: Sequence[Mapping[str, str]]) -> list[dict[str, Any]]:
    """Return libraries of which more than one copy is there, and such as are one too many."""
    groups: dict[str, list[str]] = {}
    for entry in found:
        groups.setdefault(_ONE_PER_PROCESS.get(entry["name"], entry["name"]), []).append(entry["path"])
    return [{"name": name, "paths": sorted(paths)[:5]} for name, paths in sorted(groups.items()) if len(paths) > 1][:10]


def mapped(maps: str = "/proc/self/maps") -> list[str]:
    """Return the shared objects that a process has mapped, each once."""
    try:
        with open(maps, encoding="utf-8", errors="replace") as lines:
            paths = dict.fromkeys(line.rstrip("\n").partition("/")[2] for line in lines if ".so" in line)
    except OSError:
        return []
    return [f"/{path}" for path in paths if path]


def _sites(frames: Sequence[Mapping[str, Any]]) -> list[str]:
    named = [match["site"] for frame in frames if (match := _SITE.match(str(frame.get("file") or "")))]
    listed = [path for path in sys.path if path.endswith(("site-packages", "dist-packages"))]
    return list(dict.fromkeys(named + listed))[:4]


def _shipped(site: str, tops: set[str]) -> Iterator[tuple[str, str]]:
    """Yield (package, path) of the libraries that wheels put beside their modules."""
    folders = [(top, f"{site}/{top}/{inner}") for top in tops for inner in (".libs", "lib", ".dylibs")]
    for name in _names(site):
        if name.endswith(".libs"):
            owner = next(iter(sorted(_owners(site, name.removesuffix(".libs")) & tops)), None)
            if owner is not None:
                folders.append((owner, f"{site}/{name}"))
    for top, folder in folders:
        for name in sorted(_names(folder))[:MAX_LISTED]:
            yield top, f"{folder}/{name}"


def _owners(site: str, distribution: str) -> set[str]:
    """Return the top-level packages of a distribution, by its name and by its list of files."""
    tops = {distribution}
    wanted = distribution.lower().replace("-", "_")
    for name in _names(site):
        stem, dash, _ = name.partition("-")
        if dash and name.endswith(".dist-info") and stem.lower() == wanted:
            try:
                with open(f"{site}/{name}/RECORD", encoding="utf-8", errors="replace") as record:
                    text = record.read(_MAX_SOURCE)
            except OSError:
                continue
            tops |= {line.partition("/")[0].partition(".")[0] for line in text.splitlines() if ".so," in line}
    return tops


def _names(folder: str) -> list[str]:
    try:
        return os.listdir(folder)
    except OSError:
        return []
