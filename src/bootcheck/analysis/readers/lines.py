"""Line by line: journals, JSON lines of reports, JSON logs, and plain text with or without prefixes."""

from __future__ import annotations

import os
import re
from collections import deque
from collections.abc import Iterator, Mapping
from typing import Any

from bootcheck.analysis.readers import Intake, carried, disorder, logfmt, pasted, shared
from bootcheck.analysis.readers.columns import columns_of
from bootcheck.analysis.readers.folded import printed, unescaped, unfolded
from bootcheck.analysis.readers.prefixes import Record, record_of, run_into
from bootcheck.analysis.readers.reflowed import Order
from bootcheck.analysis.readers.sieve import LEARN_AFTER, Sieve, Sifted, sieve_of
from bootcheck.analysis.readers.stream import BOMS, MAX_LINE, Stream, Unreadable, blocks, is_binary
from bootcheck.analysis.readers.values import first_object, is_cut_report, is_report, parsed
from bootcheck.analysis.readers.wrapped import MAX_TEXT, records_in, records_of
from bootcheck.model import journal
from bootcheck.model.boot import Boot
from bootcheck.model.report import LINE_PREFIX

MAX_RECORDS = 50_000
"""Of one journal; a process that writes more has long been ready."""
MAX_JOURNAL = 1 << 26
HEAD = 1 << 14
"""Bytes by which it is told whether a terminal broke the lines."""
MAX_PASSED = 8
"""Runs of lines that were passed over and are looked back into: a few megabytes."""
_MARK = LINE_PREFIX + "{"
_BLANK = b"\0 \t\r\n"
_TRAILING = " \t\r"
_TIMED = re.compile(rb"-\d\d-\d\d[T ]\d\d:\d\d:")
_WRAPPED = re.compile(rb"\n(?:\{|\d{13},)")
"""In every line that has a time which can be told, or before it; both begin with what is looked for fast."""


def recognises(head: bytes, name: str) -> bool:  # noqa: ARG001
    """Everything that is no document is read by lines."""
    return True


def read(stream: Stream, intake: Intake) -> int:
    """Read every line; raises Unreadable where there are none that a person could read."""
    named = journal.key_of(os.path.basename(stream.name))
    if named is None and is_binary(stream.peek(4096)):
        msg = "binary data: neither text nor JSON"
        raise Unreadable(msg)
    state = _Lines(stream.name, stream.path, intake, named)
    order = disorder.order_of(stream) if named is None else None
    if order is not None:
        return _in_order(stream, state, order)
    number = 1
    try:
        for run in _runs(stream, intake, None if named is not None else sieve_of(intake.words)):
            number = state.take_run(run, number)
            intake.passed(number - 1)
    except Unreadable as exc:
        exc.lines = number - 1
        state.finish()
        raise
    state.finish()
    state.tell_cut(number - 1)
    if stream.cut:
        lines = "a line" if stream.cut == 1 else f"{stream.cut} lines"
        intake.unreadable(stream.name, f"{lines} longer than {MAX_LINE >> 20} MB: the rest of it was passed over")
    return number - 1


def _in_order(stream: Stream, state: _Lines, order: Order) -> int:
    numbers, block = order(b"".join(blocks(stream)))
    prefix = carried.prefix_of(block[:HEAD])
    lines = (block if prefix is None else b"".join(carried.stripped(iter([block]), prefix))).split(b"\n")
    for number, line in zip(numbers, lines, strict=False):
        state.take(line.rstrip(b"\r"), number)
    state.finish()
    state.tell_cut(len(numbers))
    return len(numbers)


def _limited(stream: Stream) -> Stream:
    """Return a journal's stream up to the size that none of ours has; a sparse file may seem to be endless."""
    left = MAX_JOURNAL

    def read(size: int) -> bytes:
        nonlocal left
        data = stream.take(size)
        left -= len(data)
        if left < 0:
            msg = f"it is longer than a journal can be; {MAX_JOURNAL >> 20} MB of it were read"
            raise Unreadable(msg)
        return data

    return Stream(stream.name, read, stream.path)


def _runs(stream: Stream, intake: Intake, sieve: Sieve | None) -> Iterator[Sifted]:
    """Yield the lines in runs; of a journal every line matters."""
    if sieve is None:
        for block in blocks(_limited(stream)):
            yield Sifted(block.count(b"\n"), [], lambda block=block: block)  # type: ignore[misc]
        return
    if stream.path is not None and not stream.padded:
        size = os.path.getsize(stream.path)
        if size >= shared.LARGE and _is_plain(stream.peek(HEAD)) and shared.has_no_hole(stream.path):
            yield from shared.sifted(stream, sieve, size, intake)
            return
    seen = 0
    for block in _unbroken(stream):
        if seen <= LEARN_AFTER < seen + len(block):
            sieve.learn(block, intake.patterns)
        seen += len(block)
        yield sieve.sift(block, intake.matters)


def _is_plain(head: bytes) -> bool:
    if pasted.label_of(head):
        return False
    broken = head.startswith(BOMS) or pasted.width_of(head) or columns_of(head) is not None
    return not broken and carried.prefix_of(head) is None


def _unbroken(stream: Stream) -> Iterator[bytes]:
    """Yield runs of whole lines, those together that a terminal broke, without a prefix that nobody knows."""
    head = stream.peek(HEAD)
    width = pasted.width_of(head)
    set_in = columns_of(head)
    if set_in is not None:
        for block in blocks(stream):
            yield set_in.feed(block)
        yield set_in.end()
        return
    if not width:
        prefix, label = carried.prefix_of(head), pasted.label_of(head)
        if label:
            # A blank line stays in its place, so that the others keep their numbers.
            alone = re.compile(rb"(?m)^%s$" % re.escape(label))
            yield from (alone.sub(b"", block) for block in blocks(stream))
            return
        yield from blocks(stream) if prefix is None else carried.stripped(blocks(stream), prefix)
        return
    joiner = pasted.Joiner(width)
    for block in blocks(stream):
        yield joiner.feed(block)
    yield joiner.end()


class _Lines:
    """Strictly private: one source's lines, with the journal that is open in it."""

    def __init__(self, source: str, path: str | None, intake: Intake, named: journal.Key | None) -> None:
        self._source = source
        self._path = path
        self._intake = intake
        self._named = named
        self._journal: list[Mapping[str, Any]] = []
        self._in_journal = named is not None
        self._broken = 0
        self._torn = False
        self._cut: list[int] = []
        self._passed: deque[tuple[Sifted, int, int | None, int]] = deque(maxlen=MAX_PASSED)
        """What was passed over since the last line: a run, from and to where, and the number of the first line."""

    def take_run(self, run: Sifted, number: int) -> int:
        """Take the lines of a run that may matter; return the number of the line after it."""
        if run.batch is not None and run.lines == len(run.numbers) and not self._in_journal:
            self._intake.digests(run.batch)
        elif not run.found and run.batch is None and self._may_skip and self._intake.served:
            self._pass(run, 0, None, number)
        else:
            self._take_lines(run, number, *self._take_found(run, number))
        return number + run.lines

    def _take_found(self, run: Sifted, number: int) -> tuple[int, int]:
        """Take the lines that were handed on as long as only those matter; return place and number of the next one."""
        place = line = 0
        for (start, at), text in zip(run.found, run.texts, strict=False):
            if not (self._may_skip and self._intake.served):
                return place, line
            if place < start:
                self._pass(run, place, start, number + line)
            self.take(text.rstrip(b"\r"), number + at)
            self._passed.clear()
            place, line = start + len(text) + 1, at + 1
        if run.texts and line < run.lines and self._may_skip and self._intake.served:
            self._pass(run, place, None, number + line)
            line = run.lines
        return place, line

    def _take_lines(self, run: Sifted, number: int, place: int, line: int) -> None:
        if line >= run.lines:
            return
        block = run.load()
        index = 0
        end = len(block)
        kinds, rows = run.batch or ([], [])
        read = dict(zip(run.numbers, rows, strict=True))
        while place < end:
            if self._may_skip:
                while index < len(run.found) and run.found[index][0] < place:
                    index += 1
                target, at = run.found[index] if index < len(run.found) else (end, run.lines)
                if not self._intake.served:
                    request = Sieve.request(block, place, target)
                    if request >= 0:
                        target, at = request, line + block.count(b"\n", place, request)
                if place < target:
                    self._pass(run, place, target, number + line)
                place, line = target, at
                if place >= end:
                    break
            stop = block.index(b"\n", place)
            if line in read and not self._in_journal:
                self._intake.digests((kinds, [read[line]]))
            else:
                self.take(block[place:stop].rstrip(b"\r"), number + line)
            self._passed.clear()
            place = stop + 1
            line += 1

    def _pass(self, run: Sifted, start: int, stop: int | None, number: int) -> None:
        self._passed.append((run, start, stop, number))

    def _catch_up(self, stream: str) -> None:
        """Take the last line with a time among those that were passed over: the next one, which has none, has that."""
        passed = [self._passed.pop() for _ in range(len(self._passed))]
        for run, start, stop, number in passed:
            block = run.load()
            end = (len(block) if stop is None else stop) - 1
            if not _TIMED.search(block, start, end) and not _WRAPPED.search(b"\n" + block[start:end]):
                continue
            while end > start:
                begin = max(start, block.rfind(b"\n", start, end) + 1)
                line = block[begin:end]
                if _TIMED.search(line) or _WRAPPED.match(b"\n" + line[:16]):
                    for record in records_in(line, self._source, number + block.count(b"\n", start, begin)):
                        if record.at is not None and record.stream == stream:
                            self._intake.record(record)
                            return
                end = begin - 1

    @property
    def _may_skip(self) -> bool:
        return not self._in_journal and not self._intake.attentive

    def take(self, line: bytes, number: int) -> None:
        if b"\0" in line:
            line = line.replace(b"\0", b"")
        if line[:1] == b"{" and self._json(line, number):
            return
        if self._in_journal:
            if not line.strip(_BLANK):
                return
            if self._named is not None or line[:1] == b"{":
                self._broken += 1
                self._torn = True
                return
            # Files one after the other on standard input: the journal is over, a log begins.
            self._close_journal()
        if is_cut_report(line):
            self._cut.append(number)
            return
        self._text(line, number)

    def finish(self) -> None:
        self._close_journal()

    def tell_cut(self, lines: int) -> None:
        """Say which lines are cut reports; raises Unreadable where there is nothing else."""
        told = "a report that is cut or damaged"
        if self._cut and len(self._cut) == lines:
            raise Unreadable(told)
        for number in self._cut:
            self._intake.unreadable(f"{self._source}:{number}", told)

    def _json(self, line: bytes, number: int) -> bool:
        value = parsed(line)
        if not isinstance(value, dict):
            return False
        if isinstance(value.get("t"), str) and (self._in_journal or journal.is_head(value)):
            if journal.is_head(value) and self._journal:
                self._close_journal()
            self._in_journal = True
            self._torn = False
            if len(self._journal) < MAX_RECORDS or value["t"] in (journal.END, journal.READY, journal.EXCEPTION):
                self._journal.append(value)
            return True
        if is_report(value):
            self._intake.report(value, self._source, number, alone=number == 1 and self._path is not None)
            return True
        if self._in_journal:
            return False
        taken = False
        for record in records_of(value, self._source, number):
            self._record(record)
            taken = True
        return taken

    def _text(self, line: bytes, number: int) -> None:
        text = unescaped(line[:MAX_TEXT].decode("utf-8", "replace"))
        start = text.find(' {"') if text[:1] != "{" else -1
        if 0 < start < 200 and text.rstrip().endswith("}") and _MARK not in text:
            # A JSON log behind a carrier's prefix: `web-1  | {"message": …}`.
            inner = first_object(text, start + 1)
            head = record_of(text[:start] + " ", self._source, number)
            if inner is not None and not head.text.strip() and self._inner(inner, head):
                return
        pieces = printed(text) if text.rstrip(" \r,`")[-1:] == '"' else None
        for piece in pieces or [text]:
            self._record(record_of(piece, self._source, number))

    def _inner(self, value: Mapping[str, Any], head: Record) -> bool:
        taken = False
        for record in records_of(value, self._source, head.line):
            record.at = record.at if record.at is not None else head.at
            record.stream, record.host = record.stream or head.stream, record.host or head.host
            self._record(record)
            taken = True
        return taken

    def _record(self, record: Record) -> None:
        if record.text[-1:] in _TRAILING:
            record.text = _trimmed(record.text)
        if record.at is None and self._passed:
            self._catch_up(record.stream)
        inner = run_into(record)
        if inner is not None:
            self._intake.record(record)
            self._record(inner)
            return
        value = logfmt.pairs(record.text) if not record.headed and "=" in record.text else None
        if value is not None and self._inner(value, record):
            return
        start = record.text.find(_MARK)
        if start < 0:
            self._unfold(record)
            return
        told = first_object(record.text, start + len(LINE_PREFIX))
        if is_report(told):
            self._intake.report(told, self._source, record.line, alone=False)
        else:
            self._intake.unreadable(f"{self._source}:{record.line}", "a BOOTCHECK_REPORT line that is cut or damaged")

    def _unfold(self, record: Record) -> None:
        pieces = unfolded(record.text)
        if pieces is None:
            self._intake.record(record)
            return
        if record.headed or pieces[0][:1] != "[":
            record.text = pieces.pop(0)
            self._intake.record(record)
        for piece in pieces:
            joined = record_of(piece, record.source, record.line) if piece[:1] == "[" else None
            if joined is None or not joined.headed:
                self._intake.record(record.continued(piece))
                continue
            joined.stream, joined.host = record.stream, record.host
            self._intake.record(joined)

    def _close_journal(self) -> None:
        records, self._journal = self._journal, []
        broken, self._broken = self._broken, 0
        torn, self._torn = self._torn, False
        self._in_journal = self._named is not None
        if not records:
            if broken:
                msg = f"none of its {broken} lines is a record of a journal"
                raise Unreadable(msg)
            return
        boot = Boot.from_records(records, broken)
        if "pid" not in boot.head and self._named is not None:
            head = {"t": journal.HEAD, "role": self._named.role, "pid": self._named.pid, "start": self._named.start}
            boot = Boot.from_records([head, *records], broken + 1)
        self._intake.journal(boot, self._source, self._path, torn=torn)
        # The last line of a process that died while it wrote is no damage.
        damage = boot.broken_lines - (1 if torn else 0)
        if damage > 0:
            self._intake.unreadable(
                self._source,
                f"{damage} of {len(records) + broken} lines of this journal are damaged; the others were read",
            )


def _trimmed(text: str) -> str:
    """Drop what fills a terminal's columns, or breaks a line of Markdown; a type goes on below its colon."""
    text = text.rstrip(_TRAILING)
    return f"{text} " if text[-1:] == ":" else text
