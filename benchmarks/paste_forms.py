"""What pasting a log does to its diagnosis: each labelled log in many forms, and how many keep their answer.

    python benchmarks/paste_forms.py [--logs DIR ...] [--form NAME ...] [--wrong]

DIR holds labelled logs as `diagnosis.py` reads them; without --logs it is those of the project's own collection that
no platform's prefix was put before. Only logs that are understood as they are count. A form in which the line that
tells the cause is lost (a log that is cut) cannot keep them all; the figure says how much hangs on that line.
"""

from __future__ import annotations

import argparse
import io
import json
import random
import re
import sys
import textwrap
from collections.abc import Callable, Sequence
from html import escape
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "src"))
sys.path.insert(0, str(ROOT / "benchmarks"))

from diagnosis import HEALTHY, OWN  # noqa: E402

from bootcheck.analysis import analyze  # noqa: E402

Lines = list[str]
Form = Callable[[Lines], Lines]
_HEAD = re.compile(r"\[\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(?: ?[+-]\d{4})?\] ")
_PID = re.compile(r"(?<=\] \[)\d+(?=\] \[)|(?<=pid:)\d+|(?<=pid: )\d+|(?<=\()\d+(?=\)$)")
_CARETS = re.compile(r"^\s*[~^]+\s*$")
_CODE = re.compile(r"^    \S")


def _each(change: Callable[[str], str]) -> Form:
    return lambda lines: [change(line) for line in lines]


def _stamped(form: str) -> Form:
    """Put a time that grows by one of its last digit before each line."""
    return lambda lines: [form.format(at) + line for at, line in enumerate(lines)]


def _reversed(form: Form) -> Form:
    return lambda lines: form(lines)[::-1]


def _wrapped(width: int) -> Form:
    return lambda lines: [line[at : at + width] for line in lines for at in range(0, max(len(line), 1), width)]


def _shuffled(lines: Lines) -> Lines:
    stamped = _stamped("2026-11-27T09:00:01.{:06}+00:00 app[web.1]: ")(lines)
    rng = random.Random(len(lines))  # noqa: S311 - the same each time, and no secret
    return [
        line for at in range(0, len(stamped), 6) for line in rng.sample(stamped[at : at + 6], len(stamped[at : at + 6]))
    ]


def _between(noise: str) -> Form:
    """Put somebody else's line after every third one."""
    return lambda lines: [text for at, line in enumerate(lines) for text in ((line, noise) if at % 3 == 2 else (line,))]


def _without(pattern: re.Pattern[str]) -> Form:
    return lambda lines: [line for line in lines if not pattern.search(line)]


def _reflowed(width: int) -> Form:
    """Make one paragraph of it, as a page does, and break that at blanks, as a mail does."""
    return lambda lines: textwrap.wrap(
        " ".join(line.strip() for line in lines), width, break_long_words=False, break_on_hyphens=False
    )


def _last(count: int) -> Form:
    return lambda lines: lines[-count:]


def _joined(count: int) -> Form:
    return lambda lines: [
        " ".join(line.strip() for line in lines[at : at + count]) for at in range(0, len(lines), count)
    ]


FORMS: dict[str, Form] = {
    "quoted": _each(lambda line: f"> {line}"),
    "indented": _each(lambda line: f"    {line}"),
    "fenced": lambda lines: ["```", *lines, "```"],
    "listed": _each(lambda line: f"- {line}"),
    "numbered": lambda lines: [f"{at:4} {line}" for at, line in enumerate(lines, 1)],
    "numbered-colon": lambda lines: [f"{at}: {line}" for at, line in enumerate(lines, 1)],
    "blank-between": lambda lines: [text for line in lines for text in (line, "")],
    "no-blank": lambda lines: [line for line in lines if line.strip()],
    "stripped": _each(str.strip),
    "trailing": _each(lambda line: f"{line}   "),
    "padded-120": _each(lambda line: line.ljust(120)),
    "tabs": _each(lambda line: line.replace("    ", "\t")),
    "doubled": lambda lines: [text for line in lines for text in (line, line)],
    "wrapped-80": _wrapped(80),
    "wrapped-100": _wrapped(100),
    "wrapped-132": _wrapped(132),
    "cut-80": _each(lambda line: line if len(line) <= 80 else line[:79] + ">"),
    "cut-100": _each(lambda line: line if len(line) <= 100 else line[:99] + "…"),
    "cut-100-bare": _each(lambda line: line[:100]),
    "one-line": _joined(1_000_000),
    "joined-8": _joined(8),
    "reflowed-78": _reflowed(78),
    "reflowed-120": _reflowed(120),
    "html": _each(escape),
    "html-page": lambda lines: ["<pre>", *(f"{escape(line)}<br>" for line in lines), "</pre>"],
    "smart-quotes": _each(lambda line: re.sub(r"'([^']*)'", "‘\\1’", re.sub(r'"([^"]*)"', "“\\1”", line))),
    "bold-errors": _each(lambda line: f"**{line}**" if "Error" in line else line),
    "colours": _each(lambda line: f"\x1b[31m{line}\x1b[0m"),
    "carriage-return": _each(lambda line: f"{line}\r"),
    "lower-heads": _each(lambda line: line.replace("[ERROR]", "[error]").replace("[INFO]", "[info]")),
    "no-heads": _each(lambda line: _HEAD.sub("", line)),
    "no-times": _each(lambda line: re.sub(r"^\[\d{4}[^\]]*\] \[\d+\] ", "", line)),
    "no-pids": _each(lambda line: _PID.sub("XXX", line)),
    "no-carets": _without(_CARETS),
    "no-code": _without(_CODE),
    "elided": lambda lines: [line for at, line in enumerate(lines) if not (_CODE.match(line) and at % 2)],
    "last-20": _last(20),
    "last-10": _last(10),
    "head-off": lambda lines: lines[len(lines) // 4 :],
    "tail-off": lambda lines: lines[: len(lines) - len(lines) // 4],
    "journalctl": _stamped("Nov 27 09:00:00 web-1 gunicorn[812]: "),
    "journalctl-r": _reversed(_stamped("Nov 27 09:00:00 web-1 gunicorn[812]: ")),
    "compose": _each(lambda line: f"web_1  | {line}"),
    "compose-bars": _each(lambda line: f"| {line}"),
    "kubectl-stamps": _stamped("2026-11-27T09:00:00.{:09}Z "),
    "newest-first": _reversed(_stamped("2026-11-27T09:00:00.{:09}Z ")),
    "github-actions": _stamped("2026-11-27T09:00:00.{:07}Z "),
    "heroku-shuffled": _shuffled,
    "azure": _stamped("2026-11-27T09:00:00.{:07}Z 2026-11-27 "),
    "systemd-status": _stamped("Nov 27 09:00:00 web-1 gunicorn[812]: "),
    "supervisor-indent": _each(lambda line: f"\t{line}"),
    "pm2": _each(lambda line: f"0|web  | {line}"),
    "levels": _each(lambda line: f"INFO:     {line}" if line.startswith("[") else line),
    "json-lines": _each(lambda line: json.dumps({"log": f"{line}\n", "stream": "stderr"})),
    "json-list": lambda lines: json.dumps(lines, indent=2).split("\n"),
    "json-message": lambda lines: [
        json.dumps({"timestamp": f"2026-11-27T09:00:00.{at:06}Z", "level": "error", "message": line})
        for at, line in enumerate(lines)
    ],
    "logfmt": _each(lambda line: f"time=2026-11-27T09:00:00Z level=info msg={json.dumps(line)}"),
    "escaped": lambda lines: ["\\n".join(line.replace('"', '\\"') for line in lines)],
    "python-repr": lambda lines: [repr("\n".join(lines))],
    "csv": lambda lines: [
        "timestamp,message",
        *(f'2026-11-27T09:00:00.{at:03}Z,"{line}"' for at, line in enumerate(lines)),
    ],
    "time-above": lambda lines: [text for line in lines for text in ("09:00:01", line)],
    "access-between": _between('10.0.0.9 - - [27/Nov/2026:09:00:00 +0000] "GET /health HTTP/1.1" 503 0 "-" "curl/8"'),
    "nginx-between": _between(
        "2026/11/27 09:00:00 [warn] 7#7: *1 a client request body is buffered to a temporary file"
    ),
    "postgres-between": _between("db_1  | 2026-11-27 09:00:00.000 UTC [1] LOG:  checkpoint starting: time"),
    "prompted": lambda lines: ["ubuntu@web:~$ sudo journalctl -u gunicorn", *lines, "ubuntu@web:~$ "],
    "prose-around": lambda lines: ["Hi all, my site does not start any more:", "", *lines, "", "Any ideas? Thanks!"],
}


def collected(folders: Sequence[Path]) -> dict[Path, str]:
    """Return the logs and their classes; of the own collection those that Gunicorn wrote as they are."""
    found = {path: path.parent.name for folder in folders for path in sorted(folder.glob("*/*.log"))}
    if list(folders) == [OWN]:
        found = {path: label for path, label in found.items() if re.search(r"-\d+\.\d+\.\d+\.log$", path.name)}
    return found


def answer(lines: Lines) -> str:
    """Return the class of the first incident of a log."""
    text = "".join(f"{line}\n" for line in lines).encode()
    incidents = analyze(["-"], stdin=io.BytesIO(text)).incidents
    return incidents[0].cause_class if incidents else HEALTHY


def main(arguments: Sequence[str] | None = None) -> int:
    """Ask, print, and return the exit code: 0, whatever the figures are; 2 without logs."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--logs", type=Path, action="append", metavar="DIR", help="labelled logs: DIR/CLASS/*.log")
    parser.add_argument("--form", action="append", choices=sorted(FORMS), help="only this one")
    parser.add_argument("--wrong", action="store_true", help="name the logs that lose their answer")
    options = parser.parse_args(arguments)
    logs = {path: path.read_text("utf-8", "replace").splitlines() for path in collected(options.logs or [OWN])}
    known = {path: (lines, said) for path, lines in logs.items() if (said := answer(lines)) == path.parent.name}
    if not known:
        print("no logs there: DIR/CLASS/NAME.log is looked for", file=sys.stderr)
        return 2
    print(f"{len(known)} of {len(logs)} logs are understood as they are")
    for name in options.form or FORMS:
        changed = {path: answer(FORMS[name](lines)) for path, (lines, _) in known.items()}
        lost = {path: said for path, said in changed.items() if said != known[path][1]}
        alarms = sum(known[path][1] == HEALTHY for path in lost)
        print(f"{name:20} {len(known) - len(lost):5} kept, {len(lost):4} lost, {alarms} of them healthy", flush=True)
        if options.wrong:
            for path, said in lost.items():
                print(f"    {known[path][1]:26} {said:26} {path.name}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
