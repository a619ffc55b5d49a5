"""A variable that the app needs is missing, empty, of the wrong kind, or a secret that anybody can guess.

What it means

BC101: the variable is not set in the environment that the workers will see. BC102: it is set to nothing
(or to white space alone). BC103: a secret has fewer characters than required. BC104: a secret is a
placeholder that everybody knows, such as a value from a tutorial, or a template marker. BC105: a secret
consists of repetitions or sequences. BC106: the value is not of the kind the app expects (a number, a
URL, one of several words), or carries white space or quotation marks that do not belong to it. BC107:
several places set the variable to different values, and only one of them wins.

How it looks

Often like nothing at all: the app reads `os.environ.get("NAME")`, gets None or "", and fails later and
elsewhere, for example with `RuntimeError: The session is unavailable because no secret key was set`, with
`KeyError: 'NAME'` in the middle of an import, or by connecting to a default database.

Why it happens

The variable stands in a file that this process does not read; a unit, container or supervisor passes a
clean environment; the name is misspelt; a secret was mounted with a trailing newline; `.env` and the
platform disagree; an example value reached production.

What to do

Set the variable where the server gets its environment: `Environment=` or `EnvironmentFile=` (systemd),
`-e` or `env_file` (Docker), `env` or `envFrom` (Kubernetes), or `raw_env` in the Gunicorn configuration,
which is laid over the rest. Make a secret with `python -c "import secrets; print(secrets.token_urlsafe(48))"`.
Where sources disagree, remove the variable from all but one.

How to know it is fixed

`bootcheck check` ends with 0, and the checkpoints `env.NAME.present`, `.not_empty`, `.trimmed`, `.source`,
`.kind`, `.length`, `.entropy` and `.placeholder` have passed. Values are never shown.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import ClassVar

from bootcheck.checks import options
from bootcheck.checks.base import Context, Moment, Server, Source
from bootcheck.checks.kinds import KINDS, Expected, mismatch
from bootcheck.checks.spelling import near_names
from bootcheck.checks.strength import DEFAULT_MIN_ENTROPY, DEFAULT_MIN_LENGTH, Strength, measure
from bootcheck.model.checkpoint import Phase
from bootcheck.model.finding import Evidence, Finding, Severity

RULES: tuple[str, ...] = ("BC101", "BC102", "BC103", "BC104", "BC105", "BC106", "BC107")

_GENERATE = 'Make one: python -c "import secrets; print(secrets.token_urlsafe(48))"'
_PROCESS = "the process's environment"


@dataclass(frozen=True, slots=True, kw_only=True)
class Env:
    """Asks whether one variable is what the app needs."""

    name: ClassVar[str] = "env"
    moment: ClassVar[Moment] = Moment.MASTER
    phase: ClassVar[Phase] = Phase.ENVIRONMENT

    variable: str
    required: bool = True
    expected: Expected = field(default_factory=Expected)
    secret: bool = False
    min_length: int = 0
    min_entropy: float = 0.0

    def __post_init__(self) -> None:
        """Refuse options that contradict each other."""
        options.variable("env", "variable", self.variable)
        options.flag("env", "required", self.required)
        options.flag("env", "secret", self.secret)
        options.whole("env", "min_length", self.min_length)
        options.number("env", "min_entropy", self.min_entropy)
        _validate(self.expected, secret=self.secret)

    @property
    def subject(self) -> str:
        """The variable; a secret's strength is a subject of its own, whoever else asks for presence."""
        return f"{self.variable} (secret)" if self.secret else self.variable

    @property
    def budget(self) -> float:
        """Nothing here waits."""
        return 1.0

    def run(self, context: Context) -> Iterator[Finding]:
        """Yield what is wrong with the variable."""
        value = context.environ.get(self.variable)
        if value is None:
            yield from self._absent(context)
            return
        context.recorder.passed(self._point("present"), self.phase)
        yield from self._sources(context)
        if not value.strip():
            yield from self._empty(context, value)
            return
        context.recorder.passed(self._point("not_empty"), self.phase)
        yield from self._trimmed(context, value)
        yield from self._kind(context, value)
        yield from self._strength(context, value)

    def _absent(self, context: Context) -> Iterator[Finding]:
        if not self.required:
            context.recorder.skipped(self._point("present"), self.phase, "not set; it is optional")
            return
        near = near_names(self.variable, context.environ)
        context.recorder.failed(self._point("present"), self.phase, near=list(near))
        action = []
        if near:
            action.append(f"Rename {near[0]}, which is set, to {self.variable}, if it was meant.")
        action.append(
            f"Set {self.variable} where the server gets its environment: systemd Environment= or EnvironmentFile=, "
            "Docker -e or env_file, Kubernetes env or envFrom, or raw_env in the Gunicorn configuration."
        )
        if self.secret:
            action.append(_GENERATE)
        evidence = [
            Evidence(source="environment", text=f"{self.variable} is not among {len(context.environ)} variables")
        ]
        if near:
            evidence.append(Evidence(source="environment", text=f"set under a similar name: {', '.join(near)}"))
        yield Finding(
            code="BC101",
            summary=f"{self.variable} is not set." + (f" {near[0]} is: a misspelling?" if near else ""),
            action=tuple(action),
            evidence=tuple(evidence),
            confirm=self._confirm(),
        )

    def _empty(self, context: Context, value: str) -> Iterator[Finding]:
        if not self.required:
            context.recorder.skipped(self._point("not_empty"), self.phase, "empty; it is optional")
            return
        context.recorder.failed(self._point("not_empty"), self.phase, length=len(value))
        what = "holds white space alone" if value else "is set, but to nothing"
        yield Finding(
            code="BC102",
            summary=f"{self.variable} {what}.",
            action=(
                f"Give {self.variable} its value, or remove it where the app has a default for it.",
                "Look for a reference that came out empty: a secret without that key, a build argument, ${NAME} unset.",
            ),
            evidence=(Evidence(source=self._winner(context), text=f"{self.variable} has {len(value)} characters"),),
            confirm=self._confirm(),
        )

    def _sources(self, context: Context) -> Iterator[Finding]:
        sources = context.sources.get(self.variable, ())
        winner = self._winner(context)
        losers = [source for source in sources[:-1] if source.value != sources[-1].value]
        if not losers:
            context.recorder.passed(self._point("source"), self.phase, source=winner, sources=max(1, len(sources)))
            return
        labels = list(dict.fromkeys(source.label for source in losers))
        context.recorder.failed(self._point("source"), self.phase, source=winner, overruled=labels)
        yield Finding(
            code="BC107",
            severity=Severity.WARNING,
            summary=f"{self.variable} is set differently in {len(labels) + 1} places; {winner} wins.",
            action=(f"Remove {self.variable} from {' and '.join(labels)}, or make the values equal.",),
            evidence=tuple(_origin(source, wins=source is sources[-1]) for source in sources),
        )

    def _trimmed(self, context: Context, value: str) -> Iterator[Finding]:
        stripped = value.strip()
        quoted = len(stripped) >= 2 and stripped[0] in "'\"" and stripped[0] == stripped[-1]
        if stripped == value and not quoted:
            context.recorder.passed(self._point("trimmed"), self.phase)
            return
        found = "stands in quotation marks" if quoted else "begins or ends with white space"
        if value.endswith("\n"):
            found = "ends with a newline"
        context.recorder.failed(self._point("trimmed"), self.phase, found=found)
        yield Finding(
            code="BC106",
            severity=Severity.WARNING,
            summary=f"{self.variable} {found}, which is part of the value.",
            action=(
                "Remove the quotation marks: `docker --env-file` and Kubernetes keep them, only a shell takes them off."
                if quoted
                else "Remove it; a secret made from a file ends with its newline (write it with `printf %s`).",
            ),
            evidence=(Evidence(source=self._winner(context), text=f"{len(value)} characters, {found}"),),
        )

    def _kind(self, context: Context, value: str) -> Iterator[Finding]:
        wrong = mismatch(value, self.expected)
        if wrong is None:
            context.recorder.passed(self._point("kind"), self.phase, kind=self.expected.kind)
            return
        context.recorder.failed(self._point("kind"), self.phase, kind=self.expected.kind, problem=wrong.problem)
        yield Finding(
            code="BC106",
            summary=f"{self.variable} {wrong.problem}.",
            action=(wrong.action,),
            evidence=(Evidence(source=self._winner(context), text=f"{self.variable} {wrong.problem}"),),
        )

    def _strength(self, context: Context, value: str) -> Iterator[Finding]:
        strength = measure(value)
        point = context.recorder
        if self.min_length:
            right = strength.length >= self.min_length
            (point.passed if right else point.failed)(
                self._point("length"), self.phase, length=strength.length, required=self.min_length
            )
        if self.secret:
            (point.failed if strength.placeholder else point.passed)(self._point("placeholder"), self.phase)
        if self.min_entropy:
            right = strength.entropy_bits >= self.min_entropy
            (point.passed if right else point.failed)(
                self._point("entropy"), self.phase, bits=strength.entropy_bits, required=self.min_entropy
            )
        found = weaknesses(self.variable, strength, self, source=self._winner(context))
        yield from found

    def _point(self, fact: str) -> str:
        return f"env.{self.variable}.{fact}"

    def _winner(self, context: Context) -> str:
        sources = context.sources.get(self.variable, ())
        return sources[-1].label if sources else _PROCESS

    def _confirm(self) -> str:
        return f"python -c \"import os; print(len(os.environ.get('{self.variable}', '')))\""


def env(  # noqa: PLR0913 - what users may say of a variable
    variable: str,
    *,
    required: bool = True,
    kind: str = "text",
    choices: Iterable[str] = (),
    minimum: int | None = None,
    maximum: int | None = None,
    schemes: Iterable[str] = (),
    secret: bool = False,
    min_length: int | None = None,
    min_entropy: float | None = None,
) -> Env:
    """Check one environment variable.

    Args:
        variable: its name.
        required: False lists it as set or not set; if it is set, the other options hold.
        kind: text, url, integer, choice, path or boolean.
        choices: the allowed values of a choice.
        minimum: the least value of an integer.
        maximum: the greatest value of an integer.
        schemes: the allowed schemes of a url, for example ("redis", "rediss").
        secret: also refuse placeholders, short values (16 characters) and ones that are easy to guess.
        min_length: the least number of characters.
        min_entropy: the least estimate of bits.
    """
    return Env(
        variable=variable,
        required=required,
        expected=Expected(
            kind=options.one_of("env", "kind", kind, tuple(KINDS)),
            choices=options.texts("env", "choices", choices),
            minimum=minimum,
            maximum=maximum,
            schemes=tuple(scheme.lower().partition(":")[0] for scheme in options.texts("env", "schemes", schemes)),
        ),
        secret=secret,
        min_length=(DEFAULT_MIN_LENGTH if secret else 0) if min_length is None else min_length,
        min_entropy=(DEFAULT_MIN_ENTROPY if secret else 0.0) if min_entropy is None else min_entropy,
    )


def discover(environ: Mapping[str, str], server: Server) -> Iterator[Env]:  # noqa: ARG001 - one signature for all
    """Yield the strength of `SECRET_KEY` where it is set."""
    if environ.get("SECRET_KEY", "").strip():
        yield env("SECRET_KEY", secret=True)


def weaknesses(subject: str, strength: Strength, limits: Env, *, source: str) -> Iterator[Finding]:
    """Yield what makes a secret weak; one that is a placeholder is not also called short."""
    action = (f"Replace {subject} with a random value.", _GENERATE)
    if limits.secret and strength.placeholder:
        yield Finding(
            code="BC104",
            summary=f"{subject} is a placeholder: {strength.placeholder}.",
            action=action,
            evidence=(Evidence(source=source, text=strength.placeholder),),
        )
        return
    if strength.length < limits.min_length:
        yield Finding(
            code="BC103",
            summary=f"{subject} has {strength.length} characters, and at least {limits.min_length} are required.",
            action=action,
            evidence=(Evidence(source=source, text=f"length {strength.length}"),),
        )
    if strength.entropy_bits < limits.min_entropy and strength.length >= limits.min_length:
        yield Finding(
            code="BC105",
            summary=f"{subject} is easy to guess: it holds about {strength.entropy_bits:.0f} bits of chance.",
            action=action,
            evidence=(
                Evidence(
                    source=source, text="mostly repeated characters, sequences or neighbouring keys of a keyboard"
                ),
            ),
        )


def _origin(source: Source, *, wins: bool) -> Evidence:
    return Evidence(source=source.label, text="wins" if wins else "is overruled (values are not shown)")


def _validate(expected: Expected, *, secret: bool) -> None:
    kind = options.one_of("env", "kind", expected.kind, tuple(KINDS))
    if bool(expected.choices) != (kind == "choice"):
        problem = "is empty" if kind == "choice" else f"does not go with kind={kind!r}"
        options.refuse("env", "choices", problem, "Give kind='choice' and choices=['a', 'b'] together.")
    if expected.schemes and kind != "url":
        options.refuse("env", "schemes", f"does not go with kind={kind!r}", "Give kind='url' with it.")
    bounds = (expected.minimum, expected.maximum)
    for option, bound in zip(("minimum", "maximum"), bounds, strict=True):
        if bound is not None and kind != "integer":
            options.refuse("env", option, f"does not go with kind={kind!r}", "Give kind='integer' with it.")
        if bound is not None and (isinstance(bound, bool) or not isinstance(bound, int)):
            options.refuse("env", option, f"is {bound!r}", "Give a whole number.")
    if None not in bounds and bounds[0] > bounds[1]:  # type: ignore[operator] # neither is None here
        options.refuse("env", "minimum", "is greater than maximum", "Exchange the two.")
    if secret and kind != "text":
        options.refuse("env", "secret", f"does not go with kind={kind!r}", "Leave kind out for a secret.")
