"""A line of a log without what its carriers put before it: time, host, container, pid, level.

journald, syslog, docker, compose, kubectl, CRI, Heroku, Fly, CloudWatch, foreman and pm2 each put
something before a line, some of them before each other's.
"""

from __future__ import annotations

import re
from calendar import timegm
from dataclasses import dataclass
from functools import lru_cache

from bootcheck.analysis.readers import pasted

MAX_PREFIXES = 5
GUNICORN = "gunicorn"
"""The voice of a line with Gunicorn's own head: a master or worker that runs."""
LOGGER = "logger"
"""The voice of a line with a level, as Python's loggers and supervisors write it."""


@dataclass(slots=True)
class Record:
    """One line of a log. Mutable, because there are many and each is filled in steps."""

    text: str
    source: str
    line: int
    at: float | None = None
    """Epoch seconds."""
    pid: int | None = None
    """Of the process that logged it, where the line says so."""
    level: str | None = None
    stream: str = ""
    """The container, service or pod that wrote it, where the prefix says so."""
    host: str | None = None
    headed: bool = False
    """It begins a message; False for what may continue one (a traceback's lines)."""
    voice: str = ""
    """Whose head it has: GUNICORN, LOGGER or none."""

    def continued(self, text: str) -> Record:
        """Return a further line of the same message."""
        return Record(text, self.source, self.line, at=self.at, stream=self.stream, host=self.host)


_TIME = r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:[.,]\d+)?(?: ?(?:Z|UTC|[+-]\d\d:?\d\d))?"
_GUNICORN = re.compile(
    rf"\[(?P<time>{_TIME}|[^\[\]]{{0,30}}\d[^\[\]]{{0,30}})\] \[(?P<pid>\d+)\] \[(?P<level>[A-Z]+)\] ?"
)
"""Whatever the time is written like, or what a page made of it."""
_WITHIN = re.compile(r"(?<=.)\[\d{4}-\d\d-\d\d \d\d:\d\d:\d\d [+-]\d{4}\] \[\d+\] \[[A-Z]+\] ")
_GUNICORN_OLD = re.compile(r"\[(?P<pid>\d+)\] \[(?P<level>[A-Z]+)\] ?")
_ISO = re.compile(rf"(?P<time>{_TIME})(?:(?=\s|$)|(?<=[\d:][\d:]\d\d)(?=[^\s\d,.]))")
# CloudWatch's exports: `1772600767000,…`, `2026-11-27T09:15:37.000Z,…`
_CSV = re.compile(rf'"?(?:(?P<ms>\d{{13}})|(?P<time>{_TIME}))"?,(?!\d{{3}}(?:\s|$))(?P<text>.*)$')
_GUNICORNS = (
    r"(?=\[\d{4}-|Traceback \(|\s{2,}|[\w.]+(?:Error|Exception|Exit|Warning)\b|During handling |The above exception |"
    r"\d+\.\d+\.\d+\.\d+ |Failed to |Error: |usage: |$)"
)
"""What may follow where a word alone would not prove that it is a prefix."""
_SYSLOG_TIME = r"(?:[^\W\d_]{3,5}\.?|\d{1,2}\S) (?:[ \d]\d|\d) \d\d:\d\d:\d\d(?:\.\d+)?"
"""The month is written in the language of the machine."""
_HOST = r"(?:[\w.\-<>*]+|<[^<>\s]*>|\[\w*\])"
"""Its name, or what a person put in its place."""
# the times of dashboards: `Nov 27 09:15:37 AM  `
_CLOCK = re.compile(r"(?P<time>[A-Z][a-z]{2} \d{1,2} \d\d:\d\d:\d\d [AP]M)(?=\s|$)")
# Google Cloud's console, copied: nothing stands between the zone and the text.
_ZONE = re.compile(
    r" (?:GMT(?:[+-]\d{1,2}(?::\d\d)?)?|UTC|[BIMW]ST|[CEMP][DS]T|CES?T|EES?T|WES?T|MSK|A[CEW][DS]T|NZ[DS]T|[BHJKP]?KT|"
    r"[JK]ST|SGT|BRT|ART|CAT|EAT|WAT|SAST)(?=$|[\s\[(\"a-z\d]|[A-Z][a-z])"
)
# supervisord at level debug: it comes between any two lines of what a program prints.
_CHUNK = re.compile(rf"^({_TIME}) DEBG '[^']{{1,80}}' std(?:out|err) output:$")
_LONE = frozenset(
    {"info", "error", "err", "warning", "warn", "debug", "default", "notice", "critical", "stdout", "stderr", "out"}
)
"""What viewers of logs show beside a line, and copy as a line of its own."""
_PREFIXES = (
    # journald and syslog: `Nov 27 09:15:37 web-1 gunicorn[812]: `
    re.compile(
        rf"(?:<\d+>)?(?P<time>{_SYSLOG_TIME}) (?P<host>{_HOST}) (?P<stream>[^\s:\[\]]+)(?:\[(?P<pid>\d+)\])?: ?"
    ),
    # journald -o short-full and with-unit: `Fri 2026-11-27 09:15:37 CET web-1 web.service[812]: `
    re.compile(
        rf"[A-Z][a-z]{{2}} (?P<time>{_TIME})(?: [A-Z]{{2,5}})? (?P<host>{_HOST}) "
        r"(?P<stream>[^\s:\[\]]+)(?:\[(?P<pid>\d+)\])?: ?"
    ),
    # syslog, RFC 5424
    re.compile(r"<\d+>1 (?P<time>\S+) (?P<host>\S+) (?P<stream>\S+) (?:(?P<pid>\d+)|\S+) \S+ (?:-|\[.*?\]) ?"),
    _CLOCK,
    # a table of CloudWatch's as a page shows it: `  | 2026-11-27T09:15:37.000+01:00 | `
    re.compile(rf"\s*(?:\| )?(?P<time>{_TIME}) \| (?=\S)"),
    # Google Cloud, Coolify, Railway, Synology, Azure DevOps, Papertrail: what differs is not needed
    re.compile(
        rf"(?:DEFAULT|INFO|NOTICE|WARNING|ERROR|CRITICAL|DEBUG) {_TIME} |"
        r"\d{4}(?:-[A-Z][a-z]{2}-|/\d\d/)\d\d \d\d:\d\d:\d\d(?:\.\d+)?(?:\t(?:stdout|stderr)\t| )|"
        r"[A-Z][a-z]{2} \d{1,2} \d{4} \d\d:\d\d:\d\d ?|##\[(?:error|warning|debug)\]|\[(?:err|inf|out)\] +|"
        r"[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\dZ? [\w.\-]+ (?:app|heroku)/[\w.\-]+:? "
    ),
    # Rich's handler, as apps configure it for Gunicorn: `[11/27/26 09:15:37] INFO     `
    re.compile(r"\[(?P<time>\d\d/\d\d/\d\d \d\d:\d\d:\d\d)\] (?=(?:DEBUG|INFO|WARNING|ERROR|CRITICAL)\b)"),
    # how long ago, as consoles of containers show it: `2 mins ago `
    re.compile(r"(?:an?|\d{1,3}) (?:sec|second|min|minute|hr|hour|day)s? ago[ \t]+"),
    # compose, pm2 and foreman: `web-1  | `, `0|web  | `, `09:15:37 web.1  | `
    # Loguru writes its levels so.
    re.compile(
        r"(?:\d+\|)?(?:\d\d:\d\d:\d\d )?(?!(?:TRACE|DEBUG|INFO|SUCCESS|WARNING|ERROR|CRITICAL) *\|)"
        r"(?P<stream>[A-Za-z0-9][\w.@\-]{0,80}) *\| ?(?!\|)"
    ),
    # podman-compose
    re.compile(r"\[(?P<stream>[A-Za-z0-9][\w.\-]{0,80})\] +\| ?"),
    # scripts that start several services, and name the stream as well: `[web-err] `
    re.compile(r"\[(?P<stream>[A-Za-z0-9][\w.\-]{0,60}[\-_.](?:err|out|error|stderr|stdout))\](?: |$)"),
    # kubectl --prefix
    re.compile(r"\[(?P<stream>pod/[\w./\-]+)\] ?"),
    # stern, as some configure it: `[pod container] `
    re.compile(r"\[(?P<stream>[a-z0-9][a-z0-9.\-]{0,80}-[a-z0-9]{5} [a-z0-9][a-z0-9\-]{0,62})\] ?"),
    # stern: pod and container; the names of a Deployment's pods prove themselves, those of a StatefulSet do not
    re.compile(
        r"(?P<stream>[a-z0-9][a-z0-9.\-]{0,80}-(?=[a-z]*\d)[a-z0-9]{6,10}-[a-z0-9]{5} [a-z0-9][a-z0-9\-]{0,62}) "
    ),
    re.compile(rf"(?P<stream>[a-z][a-z0-9.\-]{{0,80}}-\d{{1,4}} [a-z0-9][a-z0-9\-]{{0,62}}) {_GUNICORNS}"),
    # journald without its time: `gunicorn[812]: `
    re.compile(
        r"(?P<stream>[\w@.\-]{0,60}(?:unicorn|python|\.sh)[\w@.\-]{0,60})\[(?P<pid>\d+)\]: (?!segfault|trap |general )"
    ),
    # several files at once, and DigitalOcean's components: `[web.log] [2026-…`, `[web] [2026-…`
    re.compile(r"\[(?P<stream>[A-Za-z][\w.\-]{0,60})\] +(?=\[\d{4}-\d\d-\d\d[T ])"),
    re.compile(rf"\[(?P<time>{_TIME})\] {_GUNICORNS}"),
)
_AFTER_TIME = (
    # Cloud Foundry: `[APP/PROC/WEB/0] ERR `
    re.compile(r"\[(?P<stream>[A-Z]{2,}(?:/[A-Z]+)*/\d+)\] +(?:OUT|ERR|STDOUT|STDERR) ?"),
    # Railway: `[inf]  `, `[err]  `
    re.compile(r"\[(?:inf|err|out)\] +"),
    # CRI: `stderr F `
    re.compile(r"(?:stdout|stderr)(?: [FP] |\t)"),
    # Heroku: `app[web.1]: `, and the platform's own `heroku[web.1]: `
    re.compile(r"(?P<stream>(?:app|heroku)\[[\w.\-]+\]): ?"),
    # Fly: `app[e784] ams [info] `
    re.compile(r"(?P<stream>\w+\[\w+\]) \w{3} \[\w+\] ?"),
    # journald -o short-iso
    re.compile(r"(?P<host>[\w.\-]+) (?P<stream>[\w@./\-]+)\[(?P<pid>\d+)\]: ?"),
    # rsyslog with ISO times, of a program that names no pid
    re.compile(rf"(?P<host>[\w.\-]+) (?P<stream>[\w@./\-]+): ?{_GUNICORNS}"),
    # CloudWatch: the name of the stream
    re.compile(r"(?P<stream>[\w\-]+/[\w.\-]+/[\w.\-]+)[ \t]"),
    # gcloud app logs: service and version
    re.compile(r"(?P<stream>[a-z][\w\-]*\[[\w\-]+\])  "),
    # CloudWatch: any other name, an instance's or a container's
    re.compile(rf"(?P<stream>(?=\S*\d)[A-Za-z][\w.\-/\[\]$]{{3,120}})(?:\t|(?: {_GUNICORNS}))"),
)
_LEVEL = re.compile(r"\[?(?P<level>CRITICAL|FATAL|ERROR|WARNING|WARN|INFO|DEBUG|NOTICE|TRACE)\]?(?:[:\s\]|]|$)")
_PYTHON_HEAD = re.compile(
    r"(?:\[[^\]]{4,40}\] |[\s\-|:,\[]{0,4}(?:[\w.]{1,40}[\s\-|:,\[\]]{1,4}){0,3}?)"
    r"\[?(?P<level>CRITICAL|FATAL|ERROR|WARNING|INFO|DEBUG)\b"
)
_STRUCTLOG = re.compile(r"\[(?P<level>critical|error|warning|info|debug) *\] ")
_ANSI = re.compile(
    r"\x1b\[[0-9;?]*[ -/]*[@-~]|\x1b\][^\x07]*(?:\x07|$)|"
    # Colours of which a page shows another sign for the escape, or none.
    r"[←␛]?\[(?:\d{1,3}(?:;\d{1,3})*)?m"
)
_TYPESET = str.maketrans({"\u00a0": " ", "\u2018": "'", "\u2019": "'", "\u201c": '"', "\u201d": '"', "\u200b": None})
"""What a page or a word processor makes of quotes and of blanks that shall not break."""
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")


def record_of(raw: str, source: str, line: int) -> Record:
    """Return the line's own text, and what its prefixes say."""
    text = pasted.with_pids(pasted.bare(clean(raw)))
    if text.endswith(" output:"):
        text = _CHUNK.sub(r"\1", text)
    record = Record(text, source, line)
    for _ in range(MAX_PREFIXES):
        if text.startswith("["):
            match = _GUNICORN.match(text)
            if match is not None:
                _head(record, match)
                text = pasted.whole(text[match.end() :], record.pid)
                break
        rest = _one_prefix(record, text)
        if rest is None:
            break
        text = rest
    if not record.headed:
        text = "" if text.lower() in _LONE else text
        _level(record, text)
    record.text = text
    return record


def is_gunicorns(text: str) -> bool:
    """Tell whether a text begins as Gunicorn begins its own lines."""
    return text[:1] == "[" and _GUNICORN.match(text) is not None


def run_into(record: Record) -> Record | None:
    """Cut off and return what Gunicorn said in the middle of a line that another had not ended: a bar of progress."""
    if record.headed or "] [" not in record.text or " HTTP/" in record.text:
        return None
    match = _WITHIN.search(record.text)
    if match is None:
        return None
    inner = record_of(record.text[match.start() :], record.source, record.line)
    inner.stream, inner.host = record.stream, record.host
    record.text = record.text[: match.start()]
    return inner


def clean(text: str) -> str:
    """Return the text without colours and control characters, which must never reach a terminal."""
    if "\x1b" in text or "[0m" in text:
        text = _ANSI.sub("", text)
    if not text.isascii():
        text = text.translate(_TYPESET)
    return _CONTROL.sub("", text) if not text.isprintable() else text


def _head(record: Record, match: re.Match[str]) -> None:
    groups = match.groupdict()
    if groups.get("time"):
        record.at = epoch(groups["time"]) or record.at
    record.pid = int(match["pid"][:9])
    record.level = match["level"]
    record.headed = True
    record.voice = GUNICORN


def _one_prefix(record: Record, text: str) -> str | None:
    if text[:4].isdigit() or (text[:1] == '"' and text[1:5].isdigit()):
        match = _CSV.match(text)
        if match is not None:
            return _of_csv(record, match)
        match = _ISO.match(text)
        if match is not None:
            record.at = epoch(match["time"]) or record.at
            zone = _ZONE.match(text, match.end())
            rest = text[match.end() if zone is None else zone.end() :]
            return _after_time(record, _separated(rest.removeprefix(" | ")))
    if record.at is not None and text.startswith("["):
        old = _GUNICORN_OLD.match(text)
        if old is not None:
            _head(record, old)
            return text[old.end() :]
    for pattern in _PREFIXES:
        match = pattern.match(text)
        if match is not None:
            _note(record, match)
            rest = text[match.end() :]
            return _separated(rest) if pattern is _CLOCK else rest
    return None


def _separated(text: str) -> str:
    """Return what follows a time, with the indentation that is the line's own.

    One blank or two stand between. Python indents a traceback's lines by even numbers, so an odd
    number of blanks has one that is the platform's, and an even one has two.
    """
    rest = text.lstrip(" \t")
    width = len(text) - len(rest)
    if text[:1] == "\t":
        return text[1:]
    if width <= 2 or _LEVEL.match(rest):
        return rest
    return text[1 if width % 2 else 2 :]


def _of_csv(record: Record, match: re.Match[str]) -> str:
    record.at = int(match["ms"]) / 1000 if match["ms"] else epoch(match["time"]) or record.at
    text = match["text"]
    return text[1:-1].replace('""', '"') if len(text) > 1 and text[0] == text[-1] == '"' else text


def _after_time(record: Record, text: str) -> str:
    for pattern in _AFTER_TIME:
        match = pattern.match(text)
        if match is not None:
            _note(record, match)
            return text[match.end() :]
    return text


def _note(record: Record, match: re.Match[str]) -> None:
    groups = match.groupdict()
    if groups.get("time"):
        record.at = epoch(groups["time"]) or record.at
    if groups.get("host"):
        record.host = groups["host"]
    if groups.get("stream"):
        record.stream = groups["stream"]


def _level(record: Record, text: str) -> None:
    match = _LEVEL.match(text) or _STRUCTLOG.match(text)
    if match is None and (record.at is not None or text.startswith("[")) and not text[:1].isspace():
        match = _PYTHON_HEAD.match(text[:160])
    if match is not None:
        level = match["level"].upper()
        record.level = {"WARN": "WARNING", "FATAL": "CRITICAL"}.get(level, level)
        record.headed = True
        record.voice = LOGGER


_last: tuple[str, float | None] = ("", None)


def epoch(text: str) -> float | None:
    """Return the epoch seconds of a time as logs write it; one without a zone counts as UTC."""
    global _last  # noqa: PLW0603 - the next line mostly has the same time
    if text != _last[0]:
        _last = (text, _epoch(text))
    return _last[1]


_PARTS = re.compile(r"(\d{4})-(\d\d)-(\d\d)[T ](\d\d):(\d\d):(\d\d)(?:[.,](\d{1,9})\d*)? ?(Z|UTC|[+-]\d\d:?\d\d)?")


_OTHERS = (
    (re.compile(r"(\d\d)/(\d\d)/(?:20)?(\d\d),? (\d\d:\d\d:\d\d)"), "20{2}-{0}-{1} {3}"),
    (re.compile(r"(\d{4})/(\d\d)/(\d\d) (\d\d:\d\d:\d\d)"), "{0}-{1}-{2} {3}"),
    (re.compile(r"(\d\d)[-.](\d\d)[-.](\d{4}) (\d\d:\d\d:\d\d)"), "{2}-{1}-{0} {3}"),
)
"""Times that are written in another order; of months and days nobody knows which comes first, and it seldom matters."""


def _epoch(text: str) -> float | None:
    match = _PARTS.match(text)
    if match is None:
        other = next(((found, form) for pattern, form in _OTHERS if (found := pattern.match(text))), None)
        return None if other is None else _epoch(other[1].format(*other[0].groups()))
    day = _midnight(match[1], match[2], match[3])
    hour, minute, second = int(match[4]), int(match[5]), int(match[6])
    if day is None or hour > 23 or minute > 59 or second > 61:
        return None
    fraction = float(f"0.{match[7]}") if match[7] else 0.0
    zone = match[8] or "Z"
    offset = 0
    if zone[0] in "+-":
        digits = zone[1:].replace(":", "")
        offset = (int(digits[:2]) * 60 + int(digits[2:])) * 60 * (1 if zone[0] == "+" else -1)
    return day + (hour * 60 + minute) * 60 + second - offset + fraction


@lru_cache(maxsize=64)
def _midnight(year: str, month: str, day: str) -> int | None:
    if not (1 <= int(month) <= 12 and 1 <= int(day) <= 31 and int(year) >= 1970):
        return None
    return timegm((int(year), int(month), int(day), 0, 0, 0))
