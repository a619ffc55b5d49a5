"""Kubernetes manifests, as far as they say when a container is killed: its probes and its grace.

Read with PyYAML, which only this needs: `pip install 'bootcheck[manifests]'`.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from bootcheck.model.errors import BootcheckError

MAX_BYTES = 16 << 20
MAX_CONTAINERS = 1_000
KINDS = ("startupProbe", "readinessProbe", "livenessProbe")
_HANDLERS = {"httpGet": "http", "tcpSocket": "tcp", "exec": "exec", "grpc": "grpc"}
_SERVERS = ("gunicorn", "bootcheck", "uvicorn", "hypercorn", "granian", "uwsgi")


@dataclass(frozen=True, slots=True, kw_only=True)
class Probe:
    """One probe of a container, defaults filled in."""

    kind: str
    """startupProbe, readinessProbe or livenessProbe."""
    handler: str
    """http, tcp, exec, grpc, or empty where it has none."""
    path: str = ""
    port: str = ""
    delay: int = 0
    period: int = 10
    timeout: int = 1
    failures: int = 3
    grace: int | None = None
    line: int | None = None

    @property
    def acts_at(self) -> int:
        """Seconds after the container's start until it acts, where it never succeeds: as its authors count."""
        return self.delay + self.period * self.failures

    @property
    def earliest(self) -> int:
        """The earliest second at which it may act: the first question is asked when the delay is over."""
        return self.delay + self.period * (self.failures - 1)

    @property
    def arithmetic(self) -> str:
        """The sum, for evidence."""
        delay = f"initialDelaySeconds {self.delay} + " if self.delay else ""
        return f"{delay}periodSeconds {self.period} × failureThreshold {self.failures} = {self.acts_at} s"

    @classmethod
    def parse(cls, text: str) -> Probe:
        """Read `DELAY,PERIOD,FAILURES` of a liveness probe; raises BootcheckError for anything else."""
        try:
            delay, period, failures = (int(part) for part in text.split(","))
        except ValueError:
            delay = period = failures = -1
        if delay < 0 or period < 1 or failures < 1:
            msg = (
                f"--probe {text!r} is not DELAY,PERIOD,FAILURES. Write initialDelaySeconds, periodSeconds and "
                f"failureThreshold of the probe, for example --probe 10,30,15."
            )
            raise BootcheckError(msg)
        return cls(kind="livenessProbe", handler="", delay=delay, period=period, failures=failures)


@dataclass(frozen=True, slots=True, kw_only=True)
class Container:
    """One container of a manifest."""

    where: str
    """For people: `Deployment shop, container web`."""
    source: str
    line: int | None
    probes: Mapping[str, Probe]
    grace: int | None = None
    """`terminationGracePeriodSeconds`, None where only a part of a manifest is given."""
    progress: int | None = None
    """`progressDeadlineSeconds` of a Deployment."""
    side_port: str | None = None
    """The port of BOOTCHECK_PROBE_BIND in its environment."""
    serves: bool = False
    """True where its command is a Python server's."""


def by_numbers(text: str) -> Container:
    """Return a container of which no more is known than these numbers of its probe."""
    probe = Probe.parse(text)
    return Container(where="--probe", source="--probe", line=None, probes={probe.kind: probe})


class _Located(dict[Any, Any]):
    """Strictly private: a mapping that knows its line."""

    line: int | None = None


def contents(path: str) -> bytes:
    """Return what stands in a manifest; `-` is standard input."""
    try:
        if path == "-":
            return sys.stdin.buffer.read(MAX_BYTES)
        with open(path, "rb") as file:
            return file.read(MAX_BYTES)
    except OSError as exc:
        msg = f"cannot read {path}: {exc.strerror}"
        raise BootcheckError(msg) from exc


def containers(text: bytes, source: str) -> list[Container]:
    """Return the containers of every document; raises BootcheckError where that is no manifest."""
    found: list[Container] = []
    for document in _documents(text, source):
        for container in _of_document(document, source):
            if len(found) < MAX_CONTAINERS:
                found.append(container)
    if not found:
        msg = f"{source} holds no container: give a Pod, Deployment, StatefulSet or DaemonSet, or a container's probes."
        raise BootcheckError(msg)
    return found


def relevant(found: list[Container], named: str | None = None) -> list[Container]:
    """Return those that are asked for, else those that run a Python server, else all that have a probe."""
    if named is not None:
        chosen = [one for one in found if one.where.endswith(f"container {named}")]
        if not chosen:
            msg = f"no container {named!r} among: {'; '.join(one.where for one in found)}."
            raise BootcheckError(msg)
        return chosen
    servers = [one for one in found if one.serves]
    return servers or [one for one in found if one.probes] or found


def _documents(text: bytes, source: str) -> Iterator[object]:
    try:
        import yaml
    except ImportError:
        msg = "reading a manifest needs PyYAML: pip install 'bootcheck[manifests]'"
        raise BootcheckError(msg) from None

    class Loader(yaml.SafeLoader):  # type: ignore[misc]
        """Remembers the line of each mapping."""

    def mapping(loader: Any, node: Any) -> _Located:
        loader.flatten_mapping(node)
        made = _Located(loader.construct_pairs(node, deep=True))
        made.line = node.start_mark.line + 1
        return made

    Loader.add_constructor(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, mapping)
    try:
        yield from yaml.load_all(text, Loader=Loader)
    except (yaml.YAMLError, TypeError, ValueError, RecursionError) as exc:
        hint = ""
        if b"{{" in text:
            hint = " It looks like a template: render it first (helm template . | bootcheck probes --lint -)."
        msg = f"{source} is no YAML: {' '.join(str(exc).split())[:300]}.{hint}"
        raise BootcheckError(msg) from exc


def _of_document(document: object, source: str) -> Iterator[Container]:
    if not isinstance(document, Mapping):
        return
    items = document.get("items")
    if isinstance(items, list):
        for item in items:
            yield from _of_document(item, source)
        return
    if any(kind in document for kind in KINDS):
        # A part of a manifest, as `bootcheck probes` writes it.
        yield _container(document, source, "container", None, None)
        return
    spec = _mapping(document.get("spec"))
    kind = str(document.get("kind") or "document")
    pod = spec
    if kind == "CronJob":
        pod = _mapping(_mapping(spec.get("jobTemplate")).get("spec"))
    if "template" in pod:
        pod = _mapping(_mapping(pod.get("template")).get("spec"))
    name = str(_mapping(document.get("metadata")).get("name") or "")
    inside = [*_list(pod.get("containers")), *(one for one in _list(pod.get("initContainers")) if _is_sidecar(one))]
    for one in inside:
        if isinstance(one, Mapping):
            where = f"{kind} {name}".strip() + f", container {one.get('name') or '?'}"
            grace = _whole(pod, "terminationGracePeriodSeconds", 30, source)
            progress = _whole(spec, "progressDeadlineSeconds", 600, source) if kind == "Deployment" else None
            yield _container(one, source, where, grace, progress)


def _is_sidecar(container: object) -> bool:
    return isinstance(container, Mapping) and container.get("restartPolicy") == "Always"


def _container(one: Mapping[str, Any], source: str, where: str, grace: int | None, progress: int | None) -> Container:
    ports = {str(item.get("name")): str(item.get("containerPort")) for item in _mappings(one.get("ports"))}
    variables = {str(item.get("name")): str(item.get("value")) for item in _mappings(one.get("env"))}
    probes = {kind: _probe(kind, one[kind], ports, source) for kind in KINDS if isinstance(one.get(kind), Mapping)}
    words = " ".join(str(part) for name in ("command", "args") for part in _list(one.get(name)))
    bind = variables.get("BOOTCHECK_PROBE_BIND", "")
    return Container(
        where=where,
        source=source,
        line=getattr(one, "line", None),
        probes=probes,
        grace=grace,
        progress=progress,
        side_port=bind.rpartition(":")[2] or None,
        serves=any(server in words for server in _SERVERS),
    )


def _probe(kind: str, given: Mapping[str, Any], ports: Mapping[str, str], source: str) -> Probe:
    handler = next((name for name in _HANDLERS if isinstance(given.get(name), Mapping)), "")
    how = _mapping(given.get(handler))
    port = str(how.get("port", ""))
    return Probe(
        kind=kind,
        handler=_HANDLERS.get(handler, ""),
        path=str(how.get("path", "")),
        port=ports.get(port, port),
        delay=_whole(given, "initialDelaySeconds", 0, source),
        period=max(1, _whole(given, "periodSeconds", 10, source)),
        timeout=max(1, _whole(given, "timeoutSeconds", 1, source)),
        failures=max(1, _whole(given, "failureThreshold", 3, source)),
        grace=_whole(given, "terminationGracePeriodSeconds", -1, source)
        if "terminationGracePeriodSeconds" in given
        else None,
        line=getattr(given, "line", None),
    )


def _whole(given: Mapping[str, Any], name: str, default: int, source: str) -> int:
    value = given.get(name)
    if value is None:
        return default
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 1 << 31:
        return value
    line = getattr(given, "line", None)
    msg = f"{source}{f', line {line}' if line else ''}: {name} is {value!r}, which is no number of seconds or times."
    raise BootcheckError(msg)


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []


def _mappings(value: object) -> list[Mapping[str, Any]]:
    return [item for item in _list(value) if isinstance(item, Mapping)]
