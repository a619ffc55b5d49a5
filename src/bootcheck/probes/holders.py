"""Where an object is held: `module.REPO.db`, `module.CACHE['pg']`, found by walking back from it.

The walk is bounded in depth and width, looks at containers only, and runs nobody's code.
"""

from __future__ import annotations

import gc
import sys
from collections.abc import Collection, Sequence
from types import CellType, FrameType, FunctionType, ModuleType, SimpleNamespace
from typing import Any

from bootcheck.probes.heap import thawed
from bootcheck.probes.objects import attributes, bases, module_of, standard

_module: Any = type.__dict__["__module__"].__get__

_Modules = dict[int, tuple[str, dict[str, Any]]]
"""Name and namespace of each module, by the namespace's `id`."""

DEPTH = 7
"""Steps from the object to its module: an attribute takes one or two, a container one."""
WIDTH = 48
"""Objects of one level whose holders are looked for: each costs a pass's time."""
_LARGE = 1_000
SKIPPED = ("bootcheck", "threading", "weakref", "gc", "sys")
"""Modules whose holding says nothing: registries of Python's own, and us."""


def holders_of(things: Sequence[Any]) -> dict[int, str]:
    """Return, by `id`, the `module.attribute` that leads to each object; what none leads to is left out.

    One pass over the modules' names, then one over the heap for each level: about 20 ms each.
    """
    modules = _modules()
    found = _globals(things, modules)
    walk = _Walk(modules, found, [thing for thing in things if id(thing) not in found])
    ours = {id(things)}
    with thawed():
        for _ in range(DEPTH):
            if not walk.frontier or len(found) == len(things):
                break
            walk.up(ours)
    return found


def near(things: Sequence[Any]) -> dict[int, str]:
    """Return, by `id`, the `module.name` of each object, or `module.name.attribute`, `module.name['key']`.

    Looks from the modules down, not from the objects up: some 10 ms where a level of `holders_of` takes 25, and what
    lies deeper is left out.
    """
    modules = _modules()
    found = _globals(things, modules)
    left = {id(thing): thing for thing in things if id(thing) not in found}
    leaves: dict[type, bool] = {}
    for module, namespace in modules.values() if left else ():
        if standard(module):
            continue
        for name, value in list(namespace.items()):
            kind = type(value)
            leaf = leaves.get(kind)
            if leaf is None:
                leaf = leaves[kind] = _leaf(kind)
            if leaf or name.startswith("__"):
                continue
            for one in left.keys() & set(map(id, _inside(value))):
                step, _ = _step(value, left[one], inner=False)
                found.setdefault(one, f"{module}.{name}{step}")
    return found


def _leaf(kind: type) -> bool:
    """Tell whether these hold nothing that is looked for: classes, and most of the standard library's."""
    above = bases(kind)
    holds = dict in above or kind in (list, tuple, SimpleNamespace)
    return type in above or (not holds and standard(module_of(kind)))


def _inside(value: Any) -> Collection[Any]:
    """Return what an object or a container that is not large holds itself."""
    kind = type(value)
    if kind is list or kind is tuple:
        return list(value) if len(value) <= _LARGE else ()
    held = value if dict in bases(kind) else attributes(value)
    return list(dict.values(held)) if held is not None and dict.__len__(held) <= _LARGE else ()


def _modules() -> _Modules:
    """Return name and namespace of each module by the namespace's `id`."""
    named: _Modules = {}
    for name, module in list(sys.modules.items()):
        if name.partition(".")[0] not in SKIPPED and ModuleType in bases(type(module)):
            named.setdefault(id(vars(module)), (name, vars(module)))
    return named


def _globals(things: Sequence[Any], modules: _Modules) -> dict[int, str]:
    """Return what a module holds by a name of its own."""
    wanted = {id(thing) for thing in things}
    found: dict[int, str] = {}
    for name, namespace in modules.values():
        if wanted.isdisjoint(map(id, list(namespace.values()))):
            continue
        for key, value in list(namespace.items()):
            if id(value) in wanted:
                found.setdefault(id(value), f"{name}.{key}")
    return found


class _Walk:
    """One walk from objects back to the modules that hold them."""

    def __init__(self, modules: _Modules, found: dict[int, str], things: list[Any]) -> None:
        self.frontier = things
        self._modules = modules
        self._found = found
        self._seen: dict[int, Any] = {id(thing): thing for thing in things}
        self._roots = set(self._seen)
        self._down: dict[int, list[int]] = {}
        """By `id` of a holder, those of what it holds and leads to a root."""

    def up(self, ours: set[int]) -> None:
        """Go one level up from the objects of the frontier."""
        wanted = {id(thing) for thing in self.frontier}
        following: list[Any] = []
        ours |= {id(self.frontier), id(following), id(self._seen)}
        for holder in gc.get_referrers(*self.frontier):
            if id(holder) in ours or id(holder) in self._seen or not _carries(holder):
                continue
            held = [id(thing) for thing in gc.get_referents(holder) if id(thing) in wanted]
            if id(holder) in self._modules:
                self._name(holder, held)
            elif len(following) < WIDTH:
                self._seen[id(holder)] = holder
                self._down[id(holder)] = held
                following.append(holder)
        self.frontier = following

    def _name(self, namespace: dict[str, Any], held: list[int]) -> None:
        """Name every root that a module's name leads to."""
        module = self._modules[id(namespace)][0]
        ways = [(one, module + _step(namespace, self._seen[one], inner=True)[0], False) for one in held]
        while ways:
            here, text, inner = ways.pop()
            if here in self._roots:
                self._found.setdefault(here, text)
            for one in self._down.get(here, ()):
                step, next_inner = _step(self._seen[here], self._seen[one], inner=inner)
                ways.append((one, text + step, next_inner))


def _carries(holder: Any) -> bool:
    """Tell whether what holds this may say more than that something does."""
    kind = type(holder)
    if kind is FrameType or kind is ModuleType:
        return False
    return str(_module(kind)).partition(".")[0] not in SKIPPED


def _step(holder: Any, held: Any, *, inner: bool) -> tuple[str, bool]:
    """Return how one object leads to the next, and whether the next is the inside of this one.

    `inner`: the holder itself is the inside of what was named before it, a namespace or a closure.
    """
    kind = type(holder)
    if dict in bases(kind):
        key = next((key for key, value in dict.items(holder) if value is held), None)
        plain = type(key) in (str, int)
        return f".{key}" if inner else (f"[{key!r}]" if plain else "[…]"), False
    if list in bases(kind) or tuple in bases(kind):
        # What a function closes over stands in a tuple of cells: it has no name from outside.
        if inner:
            return "", True
        return f"[{next((index for index, value in enumerate(holder) if value is held), 0)}]", False
    if kind is CellType or (kind is FunctionType and type(held) is tuple):
        return "", kind is FunctionType
    if type(held) is dict and (_namespace(holder) is held or type in bases(kind)):
        return "", True
    name = next((key for key, value in _attributes(holder) if value is held), None)
    return "" if name is None else f".{name}", False


def _namespace(thing: Any) -> Any:
    try:
        return object.__getattribute__(thing, "__dict__")
    except (AttributeError, TypeError):
        return None


def _attributes(thing: Any) -> list[tuple[str, Any]]:
    """Return an object's attributes, those in slots too."""
    namespace = _namespace(thing)
    pairs = list(namespace.items()) if type(namespace) is dict else []
    for base in bases(type(thing)):
        slots = vars(base).get("__slots__")
        for name in (slots,) if isinstance(slots, str) else tuple(slots or ()):
            descriptor: Any = vars(base).get(name)
            try:
                pairs.append((name, descriptor.__get__(thing)))
            except (AttributeError, TypeError):
                continue
    return pairs
