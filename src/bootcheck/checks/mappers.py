"""SQLAlchemy's mappers configured, and the relationship or foreign key named that does not resolve."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from bootcheck.checks.spelling import nearest
from bootcheck.model.checkpoint import Phase
from bootcheck.model.encode import shorten
from bootcheck.model.finding import Evidence, Finding
from bootcheck.probes import engines
from bootcheck.recorder import Recorder, type_name


@dataclass(frozen=True, slots=True)
class Mappers:
    """All mappers of the process."""

    recorder: Recorder

    def findings(self) -> Iterator[Finding]:
        """Yield BC301 for each relationship, or foreign key, that leads nowhere."""
        orm = engines.module("sqlalchemy.orm")
        if not self._all():
            self.recorder.skipped("models.mappers", Phase.MODELS, "no class is mapped")
            return
        failure: Exception | None = None
        with self.recorder.step("models.mappers", Phase.MODELS) as step:
            try:
                orm.configure_mappers()
            except Exception as exc:  # noqa: BLE001 - SQLAlchemy's errors, and those of user code in a lambda
                failure = exc
                step.fail(error=type_name(exc), message=shorten(str(exc), 300))
            step.detail(mappers=len(self._all()))
        if failure is not None:
            yield from self._unresolved(failure)
            return
        related = [relationship for mapper in self._all() for relationship in mapper.relationships]
        self.recorder.passed("models.relationships", Phase.MODELS, count=len(related))
        yield from self._foreign_keys()

    def _unresolved(self, failure: Exception) -> Iterator[Finding]:
        culprits = list(self._culprits())
        names = [f"{owner}.{name}" for owner, name, _ in culprits]
        self.recorder.failed("models.relationships", Phase.MODELS, unresolved=names)
        if not culprits:
            yield self._finding("The mappers of the models cannot be configured.", failure, None)
        for owner, name, exc in culprits:
            yield self._finding(f"The relationship {owner}.{name} does not resolve.", exc, self._meant(exc))

    def _culprits(self) -> Iterator[tuple[str, str, Exception]]:
        """Yield class, relationship and error for each that fails by itself: SQLAlchemy stops at the first."""
        for mapper in self._all():
            for name, prop in list(getattr(mapper, "_props", {}).items()):
                if not hasattr(prop, "argument"):
                    continue
                for part in ("_setup_entity", "_setup_join_conditions"):
                    attempt = getattr(prop, part, None)
                    if attempt is None:
                        continue
                    try:
                        attempt()
                    except Exception as exc:  # noqa: BLE001
                        if type(exc).__module__.startswith("sqlalchemy"):
                            yield mapper.class_.__name__, name, exc
                        break

    def _meant(self, exc: Exception) -> str | None:
        """Return the mapped class whose name is nearest to the one that was not found."""
        # SQLAlchemy keeps the name only in its text, which is English everywhere.
        _, found, rest = str(exc).partition("expression '")
        wanted = rest.partition("'")[0].rpartition(".")[2] if found else ""
        return nearest(wanted, [mapper.class_.__name__ for mapper in self._all()]) if wanted else None

    def _foreign_keys(self) -> Iterator[Finding]:
        broken: list[tuple[str, Exception]] = []
        count = 0
        for table in self._tables():
            for key in table.foreign_keys:
                count += 1
                try:
                    key.column  # noqa: B018 - reading it resolves it
                except Exception as exc:  # noqa: BLE001
                    broken.append((f"{table.name}.{key.parent.name}", exc))
        if not broken:
            self.recorder.passed("models.foreign_keys", Phase.MODELS, count=count)
            return
        self.recorder.failed("models.foreign_keys", Phase.MODELS, unresolved=[name for name, _ in broken])
        for name, error in broken:
            yield self._finding(f"The foreign key of {name} leads to no table or column.", error, None)

    def _finding(self, summary: str, exc: Exception, meant: str | None) -> Finding:
        advice = "Correct the name, or import the module that defines it before the models are used."
        text = f"{type_name(exc)}: {self.recorder.redactor.mask(shorten(str(exc), 400))}"
        return Finding(
            code="BC301",
            summary=summary,
            action=(f"Did you mean {meant}?", advice) if meant else (advice,),
            evidence=(Evidence(source="sqlalchemy.orm.configure_mappers", text=text),),
            confirm="python -c 'import <models>; import sqlalchemy.orm; sqlalchemy.orm.configure_mappers()'",
        )

    def _all(self) -> list[Any]:
        registries = getattr(engines.module("sqlalchemy.orm.mapper"), "_all_registries", None)
        if registries is None:
            return []
        found = [mapper for registry in list(registries()) for mapper in list(registry.mappers)]
        return sorted(found, key=lambda mapper: str(mapper.class_.__qualname__))

    def _tables(self) -> list[Any]:
        found: dict[int, Any] = {}
        for mapper in self._all():
            metadata = getattr(mapper.local_table, "metadata", None)
            for table in metadata.tables.values() if metadata is not None else ():
                found[id(table)] = table
        return list(found.values())
