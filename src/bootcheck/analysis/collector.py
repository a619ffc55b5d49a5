"""Takes everything that was read and keeps each death once, whatever tells of it."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from itertools import groupby
from typing import Any

from bootcheck.analysis import boots, deaths, dumps, gunicorn_lines, telltales, warned
from bootcheck.analysis.classify import Diagnoser
from bootcheck.analysis.deaths import ANNOUNCEMENT, JOURNAL, Death
from bootcheck.analysis.digests import Digester, Unpacker
from bootcheck.analysis.durations import Durations
from bootcheck.analysis.history import History
from bootcheck.analysis.incidents import Inputs, Unexplained
from bootcheck.analysis.logs import Log
from bootcheck.analysis.notes import ORDERED_WORDS
from bootcheck.analysis.preflights import Preflights, refused
from bootcheck.analysis.quoting import template
from bootcheck.analysis.readers import Batch, sieve
from bootcheck.analysis.readers.folded import is_escaped
from bootcheck.analysis.readers.prefixes import Record
from bootcheck.analysis.tellings import Tellings, merge
from bootcheck.analysis.trouble import Trouble
from bootcheck.analysis.warned import Warnings
from bootcheck.model.boot import Boot
from bootcheck.model.cause import Cause

MAX_TEMPLATES = 200
MAX_UNREADABLE = 1_000
MAX_SYMPTOMS = 10_000
MAX_SHAPES = 2_000
MAX_SHAPE = 500
_OWN = (*gunicorn_lines.WORDS, *dumps.WORDS, *warned.WORDS, *ORDERED_WORDS)
_CERTAIN = (*_OWN, *(word.decode() for word in sieve.ALWAYS))
"""Words of lines that matter whatever else stands in them."""
_SAYS_WHY = frozenset({"native-library", "address-in-use", "permission-denied", "filesystem", "resource-limit"})
"""What an app, and what it loads, says on its own before it ends the process."""
_CONSEQUENCES = frozenset({"boot-timeout", "external-stop"})
"""What the platform does to a server that does not come up, whatever the reason."""
_NUMBER = re.compile(r"\d+")


class Collector:
    """The intake of `analyze`."""

    def __init__(
        self,
        complain: Callable[[str], None],
        history: History | None = None,
        progress: Callable[[str, int], None] | None = None,
    ) -> None:
        self.inputs = Inputs()
        self.warned = Warnings()
        self.preflights = Preflights()
        self.durations = Durations()
        self._diagnoser = Diagnoser(complain)
        self._unpacker = Unpacker(self._diagnoser)
        self._history = history
        self._progress = progress or (lambda _, __: None)
        self._by_id: dict[str, Death] = {}
        self._deaths: list[Death] = []
        self._journals: list[tuple[Boot, Death]] = []
        self._boots: set[str] = set()
        self._templates: dict[str, Unexplained] = {}
        self._shapes: dict[str, str] = {}
        self._doubted: dict[bytes, tuple[re.Pattern[str], ...] | None] = {}
        self._source = ""
        self._passed = 0
        self._log: Log | None = None
        self._at: float | None = None
        self._failed: Trouble | None = None
        self._classes: set[str] = set()
        self._spoke = False
        """A server showed itself in a log, or a process of it in a journal."""
        self._own = False
        """True where the source holds a report, or is a journal."""
        self._understood = True
        """False while all that the source held so far is a report that cannot be understood."""

    # -- what readers call --------------------------------------------------------------------

    @property
    def words(self) -> tuple[str, ...]:
        """One of them stands in every line that may matter."""
        return (*_OWN, *self._diagnoser.words)

    def matters(self, line: bytes, words: Collection[bytes]) -> bool:
        """Tell whether a line in which these words stand may matter: not every 137 is an exit status."""
        patterns: list[re.Pattern[str]] = []
        for word in words:
            doubts = self.patterns(word)
            if doubts is None:
                return True
            patterns += doubts
        text = line.rstrip(b"\r").decode("utf-8", "replace")
        # What was folded, escaped or wrapped may say something else once it is unpacked.
        if not text.isprintable() or "{" in text or "\\" in text or is_escaped(text):
            return True
        return any(pattern.search(text) for pattern in patterns)

    def patterns(self, word: bytes) -> tuple[re.Pattern[str], ...] | None:
        """Return the patterns that a line with this word must fit to matter; None where it always matters."""
        if word not in self._doubted:
            text = word.decode("utf-8", "replace")
            certain = any(text in other for other in _CERTAIN)
            self._doubted[word] = None if certain else self._diagnoser.patterns_of(text)
        return self._doubted[word]

    @property
    def attentive(self) -> bool:
        """True while the next line matters whatever it says; a log may begin with the last words of a worker."""
        return self._log is None or self._log.attentive

    @property
    def served(self) -> bool:
        """True once the server of this log is known to have answered requests."""
        return self._log is not None and self._log.served

    def begin(self, source: str) -> None:
        """A source begins."""
        self._progress(source, 0)
        self._source = source
        self._passed = 0
        self._log = None
        self._classes = set()
        self._understood = True
        self._own = False
        self._at = None

    def passed(self, lines: int) -> None:
        """Show how far it is."""
        self._passed = lines
        self._progress(self._source, lines)

    def end(self, source: str, lines: int, *, read: bool) -> None:
        """A source is over: tell what its log leaves open, then what single lines of it tell."""
        log, self._log = self._log, None
        if log is not None:
            log.end()
            self._spoke = self._spoke or log.ran
            parting = log.parting(lines) if not self._classes else None
            self._by_telltale(log, source)
            killed = telltales.killed_in_stop(log) if not self._classes else None
            if killed is not None:
                self.trouble(killed)
            failed, self._failed = self._failed, None
            if failed is not None and all(death.source != source for death in self._deaths):
                self._judge(failed)
            if parting is not None:
                self._preferred(parting, source)
        if self._history is not None and read and not (self._own or (log is not None and log.ran)):
            self._history.stranger(source)
        self.inputs.files += read and self._understood
        self.inputs.lines += lines
        self._source = ""

    def break_off(self) -> None:
        """The user does not want to wait: what the open log has told so far counts."""
        if self._source:
            self.end(self._source, self._passed, read=True)

    def unreadable(self, source: str, reason: str) -> None:
        """Keep what could not be read."""
        self.inputs.unreadable_count += 1
        if len(self.inputs.unreadable) < MAX_UNREADABLE:
            self.inputs.unreadable.append({"source": source, "reason": reason})

    def report(self, document: Mapping[str, Any], source: str, line: int | None, *, alone: bool) -> None:
        """Keep a report once, whether its file or its line on stderr is seen first."""
        self._own = True
        if self._history is not None:
            self._history.report(document, source)
        identity = document.get("report_id")
        identity = identity if isinstance(identity, str) else f"{source}:{line}"
        kind = document.get("kind")
        if kind != "crash":
            if identity not in self._boots:
                self._boots.add(identity)
                self.inputs.reports += 1
                self.warned.report(document)
                self.preflights.report(document)
                self.durations.add(document, source)
            return
        full = "checkpoints" in document
        if self._knows(identity, source, full=full):
            return
        try:
            death = deaths.of_report(document, source, self._diagnoser, full=full)
        except Exception as exc:  # noqa: BLE001 - whatever stands in a file must not end the analysis
            self.unreadable(
                source if line is None else f"{source}:{line}",
                f"a report that cannot be understood ({type(exc).__name__}: {exc})",
            )
            self._understood = self._understood and not alone
            return
        self._keep(death, identity, source)

    @property
    def digester(self) -> Digester | None:
        """Who reads reports for this intake in another process; None where it needs them whole."""
        return Digester(self._diagnoser) if self._history is None else None

    def digests(self, batch: Batch) -> None:
        """Keep reports of the open source that another process has read."""
        self._keep_all(batch, [self._source] * len(batch[1]))

    def files(self, batch: Batch, names: Sequence[str], lines: int) -> None:
        """Keep reports that another process has read, each from a file of its own."""
        for name in names[:-1]:
            self._progress(name, 0)
        for name in names[-1:]:
            self.begin(name)
        self._keep_all(batch, names)
        self.inputs.files += len(names)
        self.inputs.lines += lines
        self._source = ""

    def _keep_all(self, batch: Batch, sources: Sequence[str]) -> None:
        for source, found in zip(sources, self._unpacker.unpacked(batch, sources), strict=True):
            if isinstance(found, Death):
                identity = found.report_id or ""
                if identity not in self._by_id:
                    self._by_id[identity] = found
                    self._classes.add(found.cause_class)
                    self.inputs.reports += 1
                elif not self._knows(identity, source, full=found.kind != ANNOUNCEMENT):
                    self._keep(found, identity, source)
                continue
            identity, boot, place = found
            if identity not in self._boots:
                self._boots.add(identity)
                self.inputs.reports += 1
                if boot is not None:
                    self.durations.take(boot, source, None, identity, place)

    def _knows(self, identity: str, source: str, *, full: bool) -> bool:
        known = self._by_id.get(identity)
        if known is None or (full and known.kind == ANNOUNCEMENT):
            return False
        self._note(known, source)
        return True

    def _keep(self, death: Death, identity: str, source: str) -> None:
        known = self._by_id.get(identity)
        if known is None:
            self.inputs.reports += 1
        else:
            death.told_in = known.told_in or (known.source,)
        self._note(death, source)
        self._by_id[identity] = death

    def journal(self, boot: Boot, source: str, path: str | None, *, torn: bool) -> None:
        """Keep a journal without an end whose process does not live."""
        self._spoke = self._own = True
        if self._history is not None:
            self._history.journal(boot, source)
        if boot.end is not None or boots.alive(boot.head, path):
            self.warned.journal(boot)
            return
        trouble = boots.death_of(boot, source, fault=boots.fault_text(path), torn=torn or boot.broken_lines > 1)
        if trouble is None:
            return
        diagnosis = self._diagnoser.diagnose(trouble)
        if trouble.cause is Cause.CHECK_FAILED:
            diagnosis = refused(boot, trouble) or diagnosis
        if diagnosis is None:
            return
        death = deaths.of_trouble(trouble, diagnosis, source, JOURNAL)
        death.path = source
        server = boot.head.get("server_id")
        death.server = server if isinstance(server, str) else None
        self._journals.append((boot, death))

    def record(self, record: Record) -> None:
        """Hand a line of a log to its reconstruction; what bootcheck's console says of a finding is no server's."""
        self._at = self._at if record.at is None else record.at
        if record.text.startswith(warned.WORDS) and self.warned.line(record, self._at):
            return
        if self._log is None:
            self._log = Log(self._source, self, self._diagnoser)
        self._log.feed(record)
        if self._history is not None:
            self._history.line(record, telltale=self._diagnoser.is_telltale)

    # -- what a log calls -----------------------------------------------------------------------

    def trouble(self, trouble: Trouble) -> None:
        """Keep what a log tells of one process; that all requests failed counts where it tells nothing else."""
        if trouble.failed_only:
            self._failed = self._failed or trouble
            return
        self._judge(trouble)

    def _judge(self, trouble: Trouble) -> None:
        diagnosis = self._diagnoser.diagnose(trouble)
        if diagnosis is None:
            if trouble.error is not None and trouble.said and not trouble.failed_only:
                self.unexplained(
                    trouble.error.text.splitlines()[0], trouble.said[-1].source, trouble.said[-1].line or 0
                )
            return
        self._classes.add(diagnosis.cause_class)
        if not trouble.died and len(self._deaths) >= MAX_SYMPTOMS:
            return
        self._deaths.append(deaths.of_trouble(trouble, diagnosis, self._source))

    def unexplained(self, text: str, source: str, line: int) -> None:
        """Count an error line that belongs to no trouble, by its template."""
        # Masking what is quoted takes long, and an app says the same a thousand times, with other numbers.
        shape = _NUMBER.sub("0", text[:MAX_SHAPE])
        key = self._shapes.get(shape)
        if key is None:
            key = template(text)
            if len(self._shapes) < MAX_SHAPES:
                self._shapes[shape] = key
        known = self._templates.get(key)
        if known is not None:
            known.count += 1
        elif len(self._templates) < MAX_TEMPLATES:
            self._templates[key] = Unexplained(key, 1, source, line)

    def death(self, identity: str) -> Death | None:
        """Return the death that the report with this id tells of."""
        return self._by_id.get(identity)

    def of_journal(self, path: str) -> Death | None:
        """Return the death that this journal, the last one read, tells of."""
        return self._journals[-1][1] if self._journals and self._journals[-1][1].path == path else None

    # -- the result -------------------------------------------------------------------------------

    def result(self) -> tuple[list[Death], list[Unexplained]]:
        """Return every death once, and the unexplained lines, most frequent first."""
        self.inputs.foreign = bool(self.inputs.lines) and not (self._spoke or self.inputs.reports)
        found = list(self._by_id.values())
        if not self._journals and not self._deaths:
            return found, self._told_unexplained()
        tellings = Tellings(found)
        for boot, death in self._journals:
            if tellings.of_journal(boot, death) is None:
                found.append(death)
                tellings.add(death)
        for _, group in groupby(self._deaths, key=lambda death: death.source):
            for death in tellings.in_our_time(list(group)):
                same = tellings.of_log(death)
                if same is None:
                    found.append(death)
                    tellings.add(death)
                else:
                    merge(same, death)
        return found, self._told_unexplained()

    def _told_unexplained(self) -> list[Unexplained]:
        return sorted(self._templates.values(), key=lambda item: -item.count)

    # -- within -------------------------------------------------------------------------------------

    def _note(self, death: Death, source: str) -> None:
        """Remember where a report was told: Gunicorn's lines beside it speak of the same death."""
        told_in = death.told_in or (death.source,)
        if source not in told_in:
            death.told_in = (*told_in, source)
        self._classes.add(death.cause_class)

    def _by_telltale(self, log: Log, source: str) -> None:
        for death in telltales.deaths_of(log, source, self._diagnoser, self._classes):
            if death.cause_class in _SAYS_WHY:
                # Workers that ended with a status, and without a word, ended of what was said beside them.
                self._deaths = [known for known in self._deaths if known.source != source or not _is_wordless(known)]
            self._deaths.append(death)

    def _preferred(self, parting: Trouble, source: str) -> None:
        """Take the app's last word, which tells more than that the platform ended what did not come up."""
        known = len(self._deaths)
        self.trouble(parting)
        if len(self._deaths) > known:
            self._deaths[:known] = [
                death
                for death in self._deaths[:known]
                if death.source != source or death.cause_class not in _CONSEQUENCES
            ]


def _is_wordless(death: Death) -> bool:
    # OpenBLAS interrupts the process by a signal where it gets no thread.
    untold = not death.subject or "raised KeyboardInterrupt" in death.finding.summary
    by_exception = death.cause is Cause.EXCEPTION and untold
    return (death.cause in (Cause.OS_EXIT, Cause.SYS_EXIT) or by_exception) and not death.specific
