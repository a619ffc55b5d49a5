"""One Gunicorn server, watched: its master and workers, who comes and goes, what they use, and its health."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from bootcheck.analysis.pattern import seconds
from bootcheck.watching import CHANGE, SAMPLE, CannotWatch, Event
from bootcheck.watching.health import Health
from bootcheck.watching.masters import finder, successor
from bootcheck.watching.processes import Cpu, Table, Usage
from bootcheck.watching.trends import Trends, shown

SHORT = 10.0
"""Seconds: a worker that lives no longer has hardly served."""
SHORT_LIVES = 3
"""Short lives in a row that make a loop."""


@dataclass(slots=True)
class Watched:
    """A process that has been seen."""

    role: str
    usage: Usage
    cpu_percent: float | None = None
    trends: Trends = field(default_factory=Trends)


class Server:
    """A source of what one server does; raises CannotWatch where there is none."""

    def __init__(
        self,
        target: str | None,
        table: Table,
        *,
        health: Health | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._table = table
        self._find = finder(target, table)
        self._by_pid = target is not None and target.isdecimal()
        self._health = health
        self._clock = clock
        self._cpu = Cpu()
        self._workers: dict[int, Watched] = {}
        self._known = False
        """The workers of this master have been looked at before."""
        self._short = 0
        self._ended: list[str] = []
        """How the values of those that have ended went."""
        self.respawns = 0
        self.over = False
        pid = self._find()
        usage = None if pid is None else table.usage(pid)
        if usage is None:
            what = "no Gunicorn master runs here" if target is None else f"no process fits {target!r}"
            msg = f"{what}. Name the master's pid, the file that `gunicorn --pid` writes, or a part of its title."
            raise CannotWatch(msg)
        self._master: Watched | None = Watched("master", usage)
        self.pid = usage.pid

    def look(self) -> Iterator[Event]:
        """Yield who came and went, what turned out to grow, how the health is, and one sample."""
        yield from self._look_at_master()
        if self._master is not None:
            yield from self._look_at_workers(self._master.usage.pid)
            for one in (self._master, *self._workers.values()):
                one.cpu_percent = self._cpu.percent(one.usage)
                for text in one.trends.add(self._clock(), one.usage):
                    yield self._event(f"{one.role} {one.usage.pid}: {text}", {"pid": one.usage.pid})
        if self._health is not None and not self.over:
            yield from self._health.ask()
        if self._master is not None:
            yield self._sample(self._master)

    def summary(self) -> Iterator[str]:
        """Yield how the values of each process went over the time."""
        yield from self._ended[-20:]
        for one in (*((self._master,) if self._master is not None else ()), *self._workers.values()):
            yield self._told(one)

    # -- within -----------------------------------------------------------------------------------

    def _look_at_master(self) -> Iterator[Event]:
        master = self._master
        if master is not None:
            usage = self._table.usage(master.usage.pid)
            if usage is not None and usage.start == master.usage.start:
                master.usage = usage
                return
            yield from self._lost(master)
        elif (pid := self._find()) is not None:
            yield from self._follow(pid, "a new master")

    def _lost(self, master: Watched) -> Iterator[Event]:
        self._master = None
        self._ended.append(self._told(master))
        self._forget(master)
        pid, lived = master.usage.pid, _age(master.usage, self._clock())
        found = successor(pid, self._table)
        if found is not None:
            yield self._event(f"master {pid} has ended after {lived}, as it was replaced", {"gone": [pid]})
            yield from self._follow(found, "the new master")
            return
        yield self._event(f"master {pid} is gone after {lived}", {"gone": [pid]}, bad=True)
        for worker in self._workers.values():
            self._ended.append(self._told(worker))
            self._forget(worker)
        self._workers = {}
        # A pid is of one process; a pidfile or a name may stand for the next one.
        self.over = self._by_pid

    def _follow(self, pid: int, what: str) -> Iterator[Event]:
        usage = self._table.usage(pid)
        if usage is not None:
            self._master, self.pid, self._known = Watched("master", usage), pid, False
            yield self._event(f"{what} is {pid}", {"new": [pid]})

    def _look_at_workers(self, master: int) -> Iterator[Event]:
        now = self._clock()
        seen: dict[int, Watched] = {}
        command = self._table.command(master)
        for pid, parent in self._table.parents().items():
            usage = self._table.usage(pid) if parent == master else None
            if usage is None:
                continue
            before = self._workers.get(pid)
            if before is None or before.usage.start != usage.start:
                # A child that has become another program is no worker; with a title it is told by that.
                theirs = self._table.command(pid)
                before = Watched("worker" if theirs == command or _is_worker(theirs) else "child", usage)
            before.usage = usage
            seen[pid] = before
        gone = [one for pid, one in self._workers.items() if seen.get(pid) is not one]
        new = [one for pid, one in seen.items() if self._workers.get(pid) is not one]
        self._workers = seen
        for one in gone:
            self._ended.append(self._told(one))
            self._forget(one)
        if self._known and (gone or new):
            yield from self._changed(gone, new, now)
        self._known = True

    def _changed(self, gone: list[Watched], new: list[Watched], now: float) -> Iterator[Event]:
        self.respawns += sum(one.role == "worker" for one in new)
        told = [f"{one.role} {one.usage.pid} is gone after {_age(one.usage, now)}" for one in gone]
        told += [f"{one.role} {one.usage.pid} is new" for one in new]
        data = {"gone": [one.usage.pid for one in gone], "new": [one.usage.pid for one in new]}
        yield self._event("; ".join(told), data)
        for one in gone:
            lived = None if one.usage.started is None else now - one.usage.started
            if one.role != "worker" or lived is None:
                continue
            self._short = self._short + 1 if lived <= SHORT else 0
            if self._short == SHORT_LIVES:
                text = f"workers do not stay: {SHORT_LIVES} in a row lived for {SHORT:.0f} s at most"
                yield self._event(text, {}, bad=True)

    def _sample(self, master: Watched) -> Event:
        now = self._clock()
        workers = [one for one in self._workers.values() if one.role == "worker"]
        everybody = [master, *self._workers.values()]
        cpu = [one.cpu_percent for one in everybody if one.cpu_percent is not None]
        parts = [
            f"{len(workers)} worker{'' if len(workers) == 1 else 's'}"
            + (f" ({self.respawns} new)" if self.respawns else ""),
            shown("memory", sum(one.usage.rss_bytes or 0 for one in everybody)),
            *([f"{sum(cpu):.0f} % CPU"] if cpu else []),
            f"{sum(one.usage.descriptors or 0 for one in everybody)} fds",
            f"{sum(one.usage.threads or 0 for one in everybody)} threads",
        ]
        answer = self._health.last if self._health is not None else None
        parts += [] if answer is None else [f"health {answer.text}"]
        return Event(
            kind=SAMPLE,
            at=now,
            text=", ".join(parts),
            data={
                "master": master.usage.as_dict(now, master.cpu_percent),
                "workers": [
                    {"role": one.role, **one.usage.as_dict(now, one.cpu_percent)} for one in self._workers.values()
                ],
                "respawns": self.respawns,
                "health": None if answer is None or self._health is None else answer.as_dict(self._health.url),
            },
        )

    def _told(self, one: Watched) -> str:
        age = _age(one.usage, self._clock())
        return f"{one.role} {one.usage.pid}, {age}: {one.trends.summary() or 'seen once'}"

    def _forget(self, one: Watched) -> None:
        self._cpu.forget(one.usage)

    def _event(self, text: str, data: dict[str, Any], *, bad: bool = False) -> Event:
        return Event(kind=CHANGE, at=self._clock(), text=text, data=data, bad=bad)


def _age(usage: Usage, now: float) -> str:
    return "an unknown time" if usage.started is None else seconds(max(0.0, now - usage.started))


def _is_worker(command: list[str]) -> bool:
    return bool(command) and command[0].startswith("gunicorn: worker")
