"""What is wrong with a database URL that could be read, for the packages that are installed."""

from __future__ import annotations

import os
from collections.abc import Generator, Iterator
from dataclasses import dataclass

from bootcheck.checks import drivers
from bootcheck.checks.drivers import Driver, Installation
from bootcheck.checks.spelling import nearest
from bootcheck.checks.urls import DatabaseUrl
from bootcheck.model.checkpoint import Phase
from bootcheck.model.finding import Evidence, Finding, Severity
from bootcheck.recorder import Recorder

_QUOTE = "python -c \"import getpass, urllib.parse; print(urllib.parse.quote(getpass.getpass(), safe=''))\""
_NAMED = frozenset({"postgresql", "mysql", "mariadb", "cockroachdb", "redshift"})
"""Dialects that need the name of a database in the URL."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Judge:
    """One URL against one installation."""

    recorder: Recorder
    phase: Phase
    variable: str
    discovered: bool
    """Nobody said that the app uses the URL as it stands."""
    installation: Installation
    url: DatabaseUrl
    sqlalchemy: tuple[int, ...] | None
    """None where SQLAlchemy is not installed, empty where its version is unknown."""

    def findings(self) -> Iterator[Finding]:
        """Yield what is wrong; every fact is a checkpoint `database_url.<fact>`."""
        yield from self._expanded()
        known = yield from self._scheme()
        if known:
            yield from self._driver()
        if self.url.backend == "sqlite":
            yield from self._file()
            return
        yield from self._credentials()
        yield from self._host()
        self._passed("port", port=self.url.effective_port)
        yield from self._database()

    def _expanded(self) -> Iterator[Finding]:
        if not self.url.unexpanded:
            self._passed("expanded")
            return
        yield self._wrong(
            "expanded",
            "holds a template marker such as ${NAME}, $(NAME) or <name> that nobody filled in",
            "Fill it in: Kubernetes expands $(NAME) only for variables defined above it, Docker's env files never do.",
        )

    def _scheme(self) -> Generator[Finding, None, bool]:
        """Yield what is wrong with the scheme; return whether its dialect is known."""
        url = self.url
        modern = self.sqlalchemy is not None and (not self.sqlalchemy or self.sqlalchemy >= (1, 4))
        if url.dialect == "postgres":
            yield self._postgres(modern=modern)
            return True
        if self.sqlalchemy is not None and url.scheme != url.scheme.lower():
            yield self._unknown_scheme(f"writes {url.scheme}:// with capitals", url.scheme.lower())
            return True
        known = url.dialect in drivers.DRIVERS if modern else url.dialect in drivers.known_schemes()
        unheard = modern and known and url.driver and url.driver not in drivers.DRIVERS[url.dialect]
        if unheard and not self._installed_dialect():
            yield self._unknown_driver(url.driver or "")
            return False
        if known or url.dialect in drivers.ELSEWHERE or self._installed_dialect():
            self._passed("scheme", scheme=url.scheme)
            return True
        if url.backend in drivers.DRIVERS:
            yield self._unknown_scheme(
                f"names {url.dialect}, which only Django's URL packages understand, and SQLAlchemy is installed",
                url.backend,
            )
            return True
        yield self._unknown_scheme(
            f"names the unknown dialect {url.dialect}", nearest(url.dialect, drivers.known_schemes())
        )
        return False

    def _installed_dialect(self) -> bool:
        names = self.installation.dialects()
        return (f"{self.url.dialect}.{self.url.driver}" if self.url.driver else self.url.dialect) in names

    def _postgres(self, *, modern: bool) -> Finding:
        scheme = "postgresql" + (f"+{self.url.driver}" if self.url.driver else "")
        version = ".".join(map(str, self.sqlalchemy or ())) or "of an unknown version"
        self._failed("scheme", scheme=self.url.scheme, rewrite=scheme)
        rewrite = f'url.replace("{self.url.scheme}://", "{scheme}://", 1)'
        return Finding(
            code="BC110",
            severity=Severity.ERROR if modern else Severity.WARNING,
            summary=f"{self.variable} begins with {self.url.scheme}://, which SQLAlchemy 1.4 and later refuse.",
            action=(
                f"Write {self.url.masked_with(scheme)} (only the scheme changes).",
                f"Where the platform sets the variable, the app can rewrite it before the engine is made: {rewrite}",
            ),
            evidence=(
                Evidence(source=self.variable, text=self.url.masked),
                Evidence(
                    source="installed packages",
                    text="SQLAlchemy is not installed" if self.sqlalchemy is None else f"SQLAlchemy {version}",
                ),
            ),
        )

    def _unknown_driver(self, driver: str) -> Finding:
        known = drivers.DRIVERS[self.url.dialect]
        near = nearest(driver, known)
        suggestion = f"{self.url.dialect}+{near}" if near else None
        self._failed("scheme", scheme=self.url.scheme, suggestion=suggestion)
        return Finding(
            code="BC114",
            summary=f"{self.variable} names {driver}, no driver of {self.url.dialect} that SQLAlchemy knows.",
            action=(
                f"Did you mean {self.url.masked_with(suggestion)}?"
                if suggestion
                else f"Use one of {', '.join(sorted(known))}, or install the package that brings it.",
            ),
            evidence=(Evidence(source=self.variable, text=self.url.masked),),
        )

    def _unknown_scheme(self, what: str, suggestion: str | None) -> Finding:
        unsure = self.discovered and suggestion is None and self.sqlalchemy is None
        if unsure:
            self._skipped("scheme", f"{self.url.dialect} is unknown, and nothing says that it is a SQL database")
        else:
            self._failed("scheme", scheme=self.url.scheme, suggestion=suggestion)
        driver = f"+{self.url.driver}" if self.url.driver and suggestion else ""
        action = (
            f"Did you mean {self.url.masked_with(suggestion.partition('+')[0] + driver)}?"
            if suggestion
            else f"Use one of {', '.join(sorted(drivers.DRIVERS))}, or install the package that brings the dialect."
        )
        return Finding(
            code="BC114",
            severity=Severity.INFO if unsure else Severity.ERROR,
            summary=f"{self.variable} {what}.",
            action=(action,),
            evidence=(Evidence(source=self.variable, text=self.url.masked),),
        )

    def _driver(self) -> Iterator[Finding]:
        wanted = drivers.candidates(self.url, self.sqlalchemy)
        package = drivers.ELSEWHERE.get(self.url.dialect)
        if package and self.sqlalchemy is not None and not self._installed_dialect():
            yield self._missing_dialect(package)
            return
        if not wanted:
            reason = f"bootcheck does not know the drivers of {self.url.scheme}"
            self._skipped("driver", reason)
            return
        present = [driver for driver in wanted if self.installation.has(driver.module)]
        if present:
            self._passed("driver", module=present[0].module)
            return
        if self.discovered and self.sqlalchemy is None and not self.installation.has("django"):
            reason = "neither SQLAlchemy nor Django nor a driver is installed: nothing here would use the URL"
            self._skipped("driver", reason)
            return
        yield self._missing_driver(wanted)

    def _missing_dialect(self, package: str) -> Finding:
        if self.discovered:
            self._skipped("driver", f"{package} is not installed; the app may use the URL without SQLAlchemy")
        else:
            self._failed("driver", pip=f"pip install {package}")
        return Finding(
            code="BC112",
            severity=Severity.INFO if self.discovered else Severity.ERROR,
            summary=f"{self.url.dialect}:// needs {package}, which brings the dialect and is not installed.",
            action=(f"pip install {package}",),
            evidence=(Evidence(source="installed packages", text="no entry point in the group sqlalchemy.dialects"),),
            against=("the app may use the URL without SQLAlchemy",) if self.discovered else (),
        )

    def _missing_driver(self, wanted: tuple[Driver, ...]) -> Finding:
        modules = " or ".join(dict.fromkeys(driver.module for driver in wanted[:3]))
        others = [
            driver
            for driver in drivers.DRIVERS[self.url.backend].values()
            if driver not in wanted and driver.serves_like(wanted[0]) and self.installation.has(driver.module)
        ]
        action = [wanted[0].pip]
        if others:
            action.insert(0, f"Write {self.url.masked_with(f'{self.url.backend}+{others[0].name}')}: it is installed.")
        # An app may exchange the scheme itself, or call pymysql.install_as_MySQLdb().
        unsure = bool(others) and (self.discovered or others[0].module in ("pymysql", "psycopg2cffi"))
        severity = Severity.ERROR
        if unsure:
            severity = Severity.INFO if self.discovered else Severity.WARNING
        if severity is Severity.INFO:
            self._skipped("driver", f"{modules} is not installed; the app may use {others[0].module} instead")
        else:
            self._failed("driver", module=wanted[0].module, pip=wanted[0].pip)
        return Finding(
            code="BC112",
            severity=severity,
            summary=f"{self.url.scheme}:// needs {modules}, which is not installed.",
            action=tuple(action),
            evidence=(
                Evidence(source="installed packages", text=f"no module named {modules}"),
                Evidence(source=self.variable, text=self.url.masked),
            ),
            against=("the app may rewrite the URL, or stand in for the driver, itself",) if unsure else (),
            confirm=f"python -c 'import {wanted[0].module}'",
        )

    def _credentials(self) -> Iterator[Finding]:
        if self.url.password is None:
            self._skipped("credentials", "the URL has no password")
            return
        loose = [char for char in self.url.unescaped if char != ":"]
        if not loose:
            self._passed("credentials", user=self.url.username is not None)
            return
        # SQLAlchemy itself stumbles over the @ alone; psql, libpq and urllib do over the rest.
        with_sqlalchemy = Severity.ERROR if "@" in loose else Severity.INFO
        severity = Severity.WARNING if self.sqlalchemy is None else with_sqlalchemy
        (self._passed if severity is Severity.INFO else self._failed)("credentials", unescaped=loose)
        names = ", ".join(f"{char} (write %{ord(char):02X})" for char in loose)
        yield Finding(
            code="BC113",
            severity=severity,
            summary=f"The password in {self.variable} holds characters that must be percent-encoded: {names}.",
            action=(
                f"Encode the password with: {_QUOTE}",
                f"Then put it into {self.url.masked} in place of ***.",
            ),
            evidence=(Evidence(source=self.variable, text=_consequence(loose)),),
        )

    def _host(self) -> Iterator[Finding]:
        if len(self.url.hosts) > 1 and self.sqlalchemy is not None:
            yield self._wrong(
                "host",
                "names several hosts separated by commas, which SQLAlchemy reads as one port",
                "Write them in the query: postgresql://user:password@/name?host=one:5432&host=two:5432.",
            )
            return
        self._passed("host", host=self.url.effective_host, socket=self.url.unix_socket)

    def _database(self) -> Iterator[Finding]:
        named = self.url.database or self.url.query.get("dbname") or self.url.query.get("service")
        if named or self.url.backend not in _NAMED:
            self._passed("database", database=self.url.database)
            return
        default = "the user's name is taken instead" if self.url.backend == "postgresql" else "no database is selected"
        yield self._wrong(
            "database",
            f"names no database: {default}",
            f"Write {self.url.masked.partition('?')[0].rstrip('/')}/name.",
            severity=Severity.WARNING,
        )

    def _file(self) -> Iterator[Finding]:
        url = self.url
        if url.host is not None and url.host != ":memory:":
            yield self._wrong(
                "file",
                "has two slashes, so that the file is read as a host",
                "Write sqlite:///relative/path or sqlite:////absolute/path.",
            )
            return
        path = url.sqlite_path
        if path is None:
            self._passed("file", memory=True)
            return
        folder = os.path.dirname(os.path.abspath(path))
        if os.path.isdir(folder) and not os.path.isdir(path):
            self._passed("file", path=path, absolute=os.path.isabs(path))
            return
        if not os.path.isabs(path) and self.installation.has("flask_sqlalchemy"):
            reason = "Flask-SQLAlchemy places relative paths below the app's instance folder"
            self._skipped("file", reason)
            return
        if os.path.isdir(path):
            yield self._wrong("file", f"names the directory {path}, not a file", "Add the file's name.")
            return
        rooted = not os.path.isabs(path) and os.path.isdir("/" + os.path.dirname(path))
        yield self._wrong(
            "file",
            f"names a file in {folder}, and that directory does not exist",
            f"Write four slashes for an absolute path: {url.scheme}:////{path}."
            if rooted
            else f"Create it for the workers' user: mkdir -p {folder}",
            severity=Severity.ERROR if os.path.isabs(path) or rooted else Severity.WARNING,
        )

    def _passed(self, fact: str, **detail: object) -> None:
        self.recorder.passed(f"database_url.{fact}", self.phase, **detail)

    def _failed(self, fact: str, **detail: object) -> None:
        self.recorder.failed(f"database_url.{fact}", self.phase, **detail)

    def _skipped(self, fact: str, reason: str) -> None:
        self.recorder.skipped(f"database_url.{fact}", self.phase, reason)

    def _wrong(self, fact: str, what: str, action: str, *, severity: Severity = Severity.ERROR) -> Finding:
        self._failed(fact, problem=what)
        return Finding(
            code="BC111",
            severity=severity,
            summary=f"{self.variable} {what}.",
            action=(action,),
            evidence=(Evidence(source=self.variable, text=self.url.masked),),
        )


def _consequence(loose: list[str]) -> str:
    effects = {
        "@": "SQLAlchemy and libpq end the password at the first @ and take the rest for the host",
        "/": "libpq and urllib end the host at the first /",
        "?": "urllib begins the query at the first ?",
        "#": "urllib drops everything from the first #",
        "%": "a % that begins no code is refused by libpq, and one that does is decoded",
    }
    return "; ".join(effects[char] for char in loose)
