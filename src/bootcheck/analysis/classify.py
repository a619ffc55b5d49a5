"""From a trouble to its class: the signatures in order, each kept from breaking the others."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace

from bootcheck.analysis import late, signatures
from bootcheck.analysis.signatures import Signature
from bootcheck.analysis.trouble import (
    ALL_FAILED,
    BEFORE,
    BESIDE,
    FAILED_BEFORE,
    LAST_FAILED,
    LONE,
    REQUEST,
    STRAY,
    Raised,
    Trouble,
)
from bootcheck.model.cause import CAUSE_CLASSES, Cause
from bootcheck.model.finding import Finding
from bootcheck.model.signals import LIMITS

MAX_KINDS = 2_000
UNKNOWN_CLASS = "app-exception"
_LAST_OF_A_START = "filesystem"
"""Up to here classes are about Gunicorn's own start: of the others any program may speak."""
_ROOTS = frozenset({"native-library", "resource-limit"})
"""Facts of the system: whatever is raised because of them only paraphrases them."""
_PARAPHRASES = frozenset({"dependency-missing", "app-import-error"})
"""What is said of a module that does not import, whatever the reason."""
_FOR_A_SERVER = re.compile(
    r"(?:^|/)(?:wsgi|asgi|app|main|application|server|api|run|index|__init__|settings|urls)\.py$"
)
_BY_OTHERS = re.compile(r"/(?:manage|setup|conftest|env|celery)\.py$|/bin/(?!gunicorn)\w|<frozen runpy>|/runpy\.py$")
_NO_APP = re.compile(r"Failed to find application object: ['\"][\w.]+\(.*\)['\"]")
"""What Gunicorn says of a call that returned None."""
_IN_TIME = re.compile(r"timed? ?out|\[Errno 110\]", re.IGNORECASE)
_PEERS = frozenset({"db-unreachable", "backend-unavailable"})
"""Who may let a worker wait until it is timed out."""
_NEEDED = frozenset({"db-auth-failed", "db-unreachable", "db-schema-missing", "db-too-many-connections"})
"""What stops the migrations stops the app."""
_TIMEOUTS = frozenset({"boot-timeout", "request-timeout"})
_TRIES_AGAIN = re.compile(r"\b(?:[Tt]ry(?:ing)? again|[Rr]etry(?:ing)?)\b")
_IMPORTS = ("ImportError", "ModuleNotFoundError", "PydanticImportError")


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """A conclusion and the class it belongs to."""

    finding: Finding
    cause_class: str
    specific: bool
    """A mechanism was recognised, not only the fact of the death."""
    cause: Cause | None = None
    """What a line that speaks for itself tells of the end; None where something else tells it."""


class Diagnoser:
    """Asks the signatures; one that raises is said once and passed over."""

    def __init__(self, complain: Callable[[str], None]) -> None:
        self._complain = complain
        self._broken: set[str] = set()
        self._kinds: dict[tuple[object, tuple[Raised, ...]], tuple[Diagnosis | None]] = {}
        self._specific = signatures.specific()
        self._general = signatures.general()
        self._symptom = _any_of([item for item in self._specific if signatures.telltale_cause(item) is Cause.NONE])
        self.words = tuple(
            dict.fromkeys(
                word for item in self._specific for word in (*signatures.words(item), *signatures.beside_words(item))
            )
        )
        """One of them stands in every line that speaks of a trouble on its own."""
        self._telltales = [
            (signatures.words(item), pattern)
            for item in self._specific
            if (pattern := signatures.telltale(item)) is not None
        ]
        self._beside = [
            (signatures.beside_words(item), pattern)
            for item in self._specific
            if (pattern := signatures.beside(item)) is not None
        ]
        self._patterns_of_words: dict[str, list[re.Pattern[str]]] = {}
        for words, pattern in self._telltales:
            for word in words:
                self._patterns_of_words.setdefault(word, []).append(pattern)

    def is_telltale(self, text: str) -> bool:
        """Tell whether a line outside of any traceback speaks of a trouble on its own."""
        # Each pattern only where a word of its own stands: all of them together take ten times as long.
        held = filter(text.__contains__, self._patterns_of_words)
        return any(pattern.search(text) for word in held for pattern in self._patterns_of_words[word])

    def patterns_of(self, word: str) -> tuple[re.Pattern[str], ...] | None:
        """Return the patterns whose lines may be found by a word; None where one must begin its line."""
        known = (*self._telltales, *self._beside)
        found = [pattern for words, pattern in known if any(word in other for other in words)]
        certain = [pattern for pattern in found if "^" not in pattern.pattern]
        return tuple(certain) if len(certain) == len(found) else None

    def is_symptom(self, text: str) -> bool:
        """Tell whether such a line speaks of what need not end the process that says it."""
        return self._symptom.search(text) is not None

    def of_kind(self, trouble: Trouble) -> Diagnosis | None:
        """Return the same for a report's exception, asked once of all that died alike: their pids do not matter."""
        told = "\n".join(item.text.replace(str(trouble.pid), "") for item in trouble.said)
        key = (trouble.cause, trouble.role, trouble.moment, trouble.step, trouble.signal, trouble.exit_code, told)
        known = self._kinds.get((key, trouble.chain))
        if known is None and len(self._kinds) < MAX_KINDS:
            known = self._kinds[key, trouble.chain] = (self.diagnose(trouble),)
        return known[0] if known is not None else self.diagnose(trouble)

    def diagnose(self, trouble: Trouble) -> Diagnosis | None:
        """Return the first conclusion that fits; None for a request's error that harms nothing else."""
        serving = trouble.moment == REQUEST and not trouble.died
        best: Diagnosis | None = None
        by = trouble
        for link in trouble.links():
            found = self._specifically(link, serving=serving)
            if found is not None and (best is None or _is_the_root(found, best, link, by)):
                best, by = found, link
        if best is not None and best.cause_class == "request-timeout":
            best = self._by_failed_request(trouble) or best
        if best is None or _made_nothing(trouble, best) or _waited(trouble, best):
            best = self._by_complaint(trouble) or best
        if trouble.facts.get(STRAY) and (best is None or precedence(best.cause_class) > precedence(_LAST_OF_A_START)):
            return None
        if trouble.facts.get(BEFORE):
            return _before_a_start(best)
        if best is not None:
            return best
        return None if not trouble.died or _is_anybodys(trouble) else self._generally(trouble)

    def _generally(self, trouble: Trouble) -> Diagnosis:
        """Return at least what is known: that it died, and how."""
        for item in self._general:
            finding = self._ask(item, trouble)
            if finding is not None:
                return Diagnosis(finding, item.CAUSE_CLASS, specific=False)
        return Diagnosis(
            Finding(code="BC501", summary=f"{trouble.who} died.", confidence="low"), UNKNOWN_CLASS, specific=False
        )

    def _by_failed_request(self, trouble: Trouble) -> Diagnosis | None:
        """Judge a timeout by the request before it that failed: what did not answer it in time does so again."""
        failed = trouble.facts.get(FAILED_BEFORE)
        if failed is None or _IN_TIME.search(failed.text) is None:
            return None
        found = self._specifically(replace(trouble, cause=Cause.EXCEPTION, exception=failed), serving=False)
        return found if found is not None and found.cause_class in _PEERS else None

    def _by_complaint(self, trouble: Trouble) -> Diagnosis | None:
        """Judge the app's own last words where no exception is to be seen: a hint, not a proof."""
        if trouble.exception is not None:
            return None
        told = (Cause.APP_NOT_FOUND, Cause.GUNICORN_TIMEOUT)
        cause = Cause.EXCEPTION if trouble.cause in told else trouble.cause
        for complaint in trouble.facts.get("complaints", ()):
            found = self._specifically(replace(trouble, cause=cause, exception=complaint), serving=False)
            if found is not None:
                return replace(found, finding=replace(found.finding, confidence="low"))
        return None

    def _specifically(self, link: Trouble, *, serving: bool) -> Diagnosis | None:
        for item in self._specific:
            if serving and not _is_asked(item, link):
                continue
            finding = self._ask(item, link)
            if finding is not None:
                return Diagnosis(finding, item.CAUSE_CLASS, specific=True)
        return None

    def by_telltale(self, trouble: Trouble) -> list[Diagnosis]:
        """Return what lines alone tell, most important first: `said` holds all of one source's."""
        found: list[Diagnosis] = []
        for item in self._specific:
            patterns = [found for found in (signatures.telltale(item), signatures.beside(item)) if found is not None]
            lines = tuple(line for line in trouble.said if any(pattern.search(line.text) for pattern in patterns))
            if not lines:
                continue
            told = _told(trouble, signatures.telltale_cause(item), lines)
            finding = self._ask(item, told)
            if finding is not None:
                ended = told.cause if told.cause is not Cause.NONE else None
                found.append(Diagnosis(finding, item.CAUSE_CLASS, specific=True, cause=ended))
        return found

    def _ask(self, item: Signature, trouble: Trouble) -> Finding | None:
        try:
            return item.match(trouble)
        except Exception as exc:  # noqa: BLE001 - the tool must not hide the failure that it explains
            name = getattr(item, "__name__", str(item)).rpartition(".")[2]
            if name not in self._broken:
                self._broken.add(name)
                self._complain(
                    f"the signature {name} failed ({type(exc).__name__}: {exc}) and was passed over; please report this"
                )
            return None


def _is_anybodys(trouble: Trouble) -> bool:
    """Tell whether an exception stands alone, and nothing shows that a server was importing an app."""
    return bool(trouble.facts.get(LONE)) and not _of_an_import(trouble)


def _before_a_start(found: Diagnosis | None) -> Diagnosis | None:
    """Return what a command met that was run before the server, where the server needs the same."""
    if found is None or found.cause_class not in _NEEDED:
        return None
    return replace(found, finding=replace(found.finding, confidence="low"))


def _is_asked(item: Signature, trouble: Trouble) -> bool:
    """Tell whether a signature is asked about a request's error."""
    if trouble.facts.get(ALL_FAILED):
        return signatures.where_all_fail(item)
    if trouble.facts.get(LAST_FAILED):
        return signatures.since_failed(item)
    if trouble.facts.get(BESIDE):
        return signatures.whatever_follows(item)
    return signatures.while_serving(item)


def _of_an_import(trouble: Trouble) -> bool:
    """Tell whether modules of an app were being imported, by nobody else than a server: of that a worker dies."""
    if any(
        frame.function == "lifespan" and "/starlette/" in frame.file for link in trouble.chain for frame in link.frames
    ):
        return True
    begun = [frame for link in trouble.chain for frame in link.frames if frame.function == "<module>"]
    asked = any(_FOR_A_SERVER.search(frame.file) for frame in begun)
    return asked and not any(_BY_OTHERS.search(frame.file) for frame in begun)


def _made_nothing(trouble: Trouble, found: Diagnosis) -> bool:
    """Tell whether a factory was found, but returned no app: why not is what the app said."""
    return found.cause_class == "app-not-found" and trouble.says(_NO_APP) is not None


def _waited(trouble: Trouble, found: Diagnosis) -> bool:
    """Tell whether a worker that was timed out had said, before any request was served, that it tries again."""
    said = trouble.facts.get("complaints", ()) if found.cause_class in _TIMEOUTS and not trouble.served else ()
    return any(_TRIES_AGAIN.search(complaint.message) for complaint in said)


def _is_the_root(found: Diagnosis, outer: Diagnosis, link: Trouble, later: Trouble) -> bool:
    """Tell whether an exception that was raised earlier tells the cause, where a later one is recognised too."""
    if precedence(found.cause_class) >= precedence(outer.cause_class):
        return False
    if found.cause_class in _ROOTS:
        return True
    if link.exception is None or not link.exception.is_a(*_IMPORTS):
        return False
    absent = link.exception.absent if found.cause_class in _PARAPHRASES and later.exception is not None else ""
    named = bool(absent) and later.exception is not None and absent in later.exception.message
    return outer.cause_class in _PARAPHRASES or named


def _any_of(items: list[Signature]) -> re.Pattern[str]:
    patterns = [pattern.pattern for item in items if (pattern := signatures.telltale(item)) is not None]
    return late.regex("|".join(f"(?:{pattern})" for pattern in patterns))


def _told(trouble: Trouble, cause: Cause, lines: tuple[object, ...]) -> Trouble:
    return replace(trouble, cause=cause, said=lines)  # type: ignore[arg-type]


_CLASS_OF = {
    Cause.SIGTERM: "external-stop",
    Cause.SIGKILL_EXTERNAL: "external-stop",
    Cause.VANISHED: "external-stop",
    Cause.SIGKILL_GRACEFUL_TIMEOUT: "shutdown-timeout",
    Cause.OOM: "oom-kill",
    Cause.APP_NOT_FOUND: "app-not-found",
}


def class_of_cause(cause: Cause, *, signal: str | None, before_ready: bool) -> str:
    """Return the class of a death of which nothing but the cause is known (contract: commands)."""
    if signal in LIMITS:
        return "resource-limit"
    if cause in (Cause.GUNICORN_TIMEOUT, Cause.BOOT_DEADLINE):
        return "boot-timeout" if before_ready else "request-timeout"
    if cause is Cause.NATIVE_CRASH:
        return "illegal-instruction" if signal == "SIGILL" else "native-crash"
    return _CLASS_OF.get(cause, UNKNOWN_CLASS)


def precedence(cause_class: str) -> int:
    """Return the place of a class in the order of precedence."""
    return CAUSE_CLASSES.index(cause_class) if cause_class in CAUSE_CLASSES else len(CAUSE_CLASSES)
