"""How fast `bootcheck analyze` reads, beside tools that answer a smaller question on the same data.

    python benchmarks/analyze.py --folder /tmp/data --rounds 3
    python benchmarks/analyze.py --folder /tmp/data --text-mb 100 --only text --unlike

Text: ripgrep and GNU grep count the lines that hold one of our words, polars does so with its
Aho-Corasick; a Python loop looks at each line's first byte. Small files: a loop that decodes each
report with msgspec in two processes and groups. JSONL: DuckDB's grouping query, columns declared
and inferred. Each round runs all of them one after the other, so that a busy machine is busy for
all; a ratio is within a round. What is not installed is left out: pip install duckdb polars
msgspec hyperscan ripgrep. Answers are compared before anything is printed.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from analyze_data import FAILED_REQUESTS, KILLED, TIMED_OUT, write_files, write_jsonl, write_log

SOURCE = str(Path(__file__).resolve().parent.parent / "src")
PURE = "import sys; sys.modules.update(hyperscan=None, msgspec=None)\n"
ANALYZE = """
import json, sys
sys.path.insert(0, {source!r})
from bootcheck.analysis import analyze
found = analyze([{path!r}], jobs={jobs})
print(json.dumps(dict(reports=found.inputs.reports,
                      found=sorted((i.cause_class, i.count) for i in found.incidents))))
"""
LOOP = """
count = 0
with open({path!r}, "rb") as file:
    for line in file:
        if line[:1] == b"[" and b"Booting" not in line:
            count += 1
print(count)
"""
POLARS = """
import polars
words = open({words!r}, encoding="utf-8").read().split("\\n")[:-1]
lines = polars.scan_csv({path!r}, has_header=False, separator="\\x01", quote_char=None, new_columns=["line"])
print(lines.filter(polars.col("line").str.contains_any(words)).select(polars.len()).collect(engine="streaming").item())
"""
MSGSPEC = """
import os, sys, collections, multiprocessing, msgspec
class Checkpoint(msgspec.Struct):
    name: str
    outcome: str
    duration_ms: float | None = None
class Report(msgspec.Struct):
    kind: str
    timestamp: str
    checkpoints: list[Checkpoint]
    attributes: dict[str, msgspec.Raw]
def read(paths):
    decode = msgspec.json.Decoder(Report).decode
    groups = collections.Counter()
    for path in paths:
        fd = os.open(path, os.O_RDONLY)
        data = os.read(fd, 65536)
        os.close(fd)
        report = decode(data)
        last = report.checkpoints[-1]
        groups[last.name, bytes(report.attributes["host.name"]), report.timestamp[:15], report.kind] += 1
    return groups
if __name__ == "__main__":
    paths = sorted(entry.path for entry in os.scandir({path!r}))
    with multiprocessing.get_context("fork").Pool(2) as pool:
        parts = pool.map(read, [paths[0::2], paths[1::2]])
    groups = parts[0] + parts[1]
    print(sum(groups.values()))
"""
DUCKDB = """
import duckdb
connection = duckdb.connect()
connection.execute("SET enable_progress_bar = false")
found = connection.execute(\"\"\"
    SELECT kind, verdict.cause, step, attributes['host.name'] AS host,
           left(timestamp::VARCHAR, 15) AS bucket, count(*) AS deaths,
           max(list_last(checkpoints).duration_ms) AS slowest
    FROM read_json('{path}', format='newline_delimited'{columns}) GROUP BY ALL
\"\"\").fetchall()
print(sum(row[5] for row in found))
"""
COLUMNS = (
    (
        ", columns={{kind: 'VARCHAR', timestamp: 'VARCHAR', step: 'VARCHAR', verdict: 'STRUCT(cause VARCHAR)', "
        "attributes: 'MAP(VARCHAR, JSON)', checkpoints: 'STRUCT(name VARCHAR, duration_ms DOUBLE)[]'}}"
    )
    .replace("{{", "{")
    .replace("}}", "}")
)


@dataclass(frozen=True)
class Taken:
    """One run."""

    wall: float
    cpu: float
    rss_mb: float
    said: str


def run(command: Sequence[str]) -> Taken:
    """Run a command to its end; its largest process counts for the memory."""
    begun = time.monotonic()
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    said = process.stdout.read() if process.stdout is not None else ""
    _, status, used = os.wait4(process.pid, 0)
    wall = time.monotonic() - begun
    if os.waitstatus_to_exitcode(status) != 0:
        msg = f"{command[0]} failed: {command[-1][:300]}"
        raise SystemExit(msg)
    return Taken(wall, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024, said.strip())


def python(code: str) -> list[str]:
    """Return the command that runs this code."""
    return [sys.executable, "-c", code]


def analyze(path: str, *, jobs: int, pure: bool) -> list[str]:
    """Return the command that analyzes a path."""
    return python((PURE if pure else "") + ANALYZE.format(source=SOURCE, path=path, jobs=jobs))


def installed(module: str) -> bool:
    """Tell whether a peer is there."""
    return subprocess.run([*python(f"import {module}")], capture_output=True, check=False).returncode == 0


def compare(  # noqa: PLR0913, PLR0917
    title: str, amount: float, unit: str, commands: dict[str, list[str]], peers: Sequence[str], rounds: int
) -> dict[str, str]:
    """Run all in turn, print what each took and the ratios to the peers; return what they said."""
    taken: dict[str, list[Taken]] = {name: [] for name in commands}
    for number in range(rounds):
        # Whoever comes first has the colder cache: not always the same.
        order = list(commands)[number % len(commands) :] + list(commands)[: number % len(commands)]
        for name in order:
            taken[name].append(run(commands[name]))
    print(f"\n{title} ({rounds} rounds)")
    for name, runs in taken.items():
        walls, cpus = sorted(one.wall for one in runs), sorted(one.cpu for one in runs)
        speed = amount / statistics.median(walls)
        print(
            f"  {name:34} {speed:10,.0f} {unit}/s  wall {walls[0]:.2f} .. {walls[-1]:.2f} s  "
            f"CPU {statistics.median(cpus):6.2f} s  peak {max(one.rss_mb for one in runs):.0f} MB"
        )
    for ours in [name for name in commands if name.startswith("bootcheck")]:
        for peer in [name for name in peers if name in commands]:
            wall = sorted(one.wall / other.wall for one, other in zip(taken[ours], taken[peer], strict=True))
            cpu = sorted(one.cpu / other.cpu for one, other in zip(taken[ours], taken[peer], strict=True))
            told = [f"{ratios[0]:.2f} / {statistics.median(ratios):.2f} / {ratios[-1]:.2f}" for ratios in (wall, cpu)]
            print(f"  {ours} : {peer}  wall {told[0]}, CPU {told[1]} (least / median / most)")
    return {name: runs[-1].said for name, runs in taken.items()}


def ours(jobs: int, path: str) -> dict[str, list[str]]:
    """Return our commands: with nothing but Python, and with what is installed."""
    commands = {f"bootcheck, pure Python, {count} proc.": analyze(path, jobs=count, pure=True) for count in (1, jobs)}
    if installed("hyperscan") and installed("msgspec"):
        commands |= {f"bootcheck[fast], {count} proc.": analyze(path, jobs=count, pure=False) for count in (1, jobs)}
    return commands


def agree(said: dict[str, str], expected: object) -> None:
    """End where an answer of ours is not the expected one."""
    for name, text in said.items():
        if name.startswith("bootcheck") and json.loads(text)["found"] != expected:
            msg = f"{name} found {text}, expected {expected}"
            raise SystemExit(msg)


def text(folder: Path, options: argparse.Namespace) -> None:
    """Compare on one large log."""
    path = str(folder / f"gunicorn-{options.text_mb}{'-unlike' if options.unlike else ''}.log")
    if not os.path.exists(path):
        write_log(path, options.text_mb * 1_000_000, unlike=options.unlike)
    words = str(folder / "words")
    sys.path.insert(0, SOURCE)
    from bootcheck.analysis.collector import Collector
    from bootcheck.analysis.readers.sieve import sieve_of

    # Without the numbers, which count only behind another word: they would give the others more to do.
    plain = [word for word in sieve_of(Collector(print).words).words if not word.isdigit()]
    Path(words).write_bytes(b"\n".join(plain) + b"\n")
    commands = {**ours(options.jobs, path), "Python, first byte of each line": python(LOOP.format(path=path))}
    commands["grep -cF, same words"] = ["env", "LC_ALL=C", "grep", "-c", "-F", "-f", words, path]
    ripgrep = shutil.which("rg") or shutil.which("rg", path=str(Path(sys.executable).parent))
    if ripgrep:
        commands["rg -c, same words"] = [ripgrep, "-c", "-a", "-F", "-f", words, path]
    if installed("polars"):
        commands["polars contains_any, same words"] = python(POLARS.format(path=path, words=words))
    said = compare(path, os.path.getsize(path) / 1e6, "MB", commands, list(commands)[-4:], options.rounds)
    counts = {said[name] for name in said if "same words" in name}
    print(f"  lines with one of our words: {counts}; requests that raised: {FAILED_REQUESTS}")
    agree(said, [["oom-kill", KILLED], ["request-timeout", TIMED_OUT]])


def small_files(folder: Path, options: argparse.Namespace) -> None:
    """Compare on many small reports."""
    path = folder / f"reports-{options.reports}"
    if not path.exists():
        write_files(str(path), options.reports)
    commands = ours(options.jobs, str(path))
    if installed("msgspec"):
        commands["msgspec loop, 2 proc."] = python(MSGSPEC.replace("{path!r}", repr(str(path))))
    said = compare(str(path), options.reports, "reports", commands, ["msgspec loop, 2 proc."], options.rounds)
    same(said)


def lines(folder: Path, options: argparse.Namespace) -> None:
    """Compare on reports one on a line."""
    path = str(folder / f"reports-{options.reports}.jsonl")
    if not os.path.exists(path):
        write_jsonl(path, options.reports)
    commands = ours(options.jobs, path)
    if installed("duckdb"):
        commands["DuckDB, columns declared"] = python(DUCKDB.format(path=path, columns=COLUMNS))
        commands["DuckDB, columns inferred"] = python(DUCKDB.format(path=path, columns=""))
    said = compare(path, os.path.getsize(path) / 1e6, "MB", commands, list(commands)[-2:], options.rounds)
    same(said)


def same(said: dict[str, str]) -> None:
    """End where two read another number of reports, or two of ours come to other incidents."""
    ours_said = {text for name, text in said.items() if name.startswith("bootcheck")}
    read = {json.loads(text)["reports"] if text[:1] == "{" else int(text) for text in said.values()}
    if len(ours_said) != 1 or len(read) != 1:
        msg = f"they do not agree: {said}"
        raise SystemExit(msg)
    incidents = json.loads(next(iter(ours_said)))["found"]
    print(f"  reports: {next(iter(read)):,}, the same for all; deaths by class, collateral ones folded: {incidents}")


def main() -> None:
    """Make what is missing, and compare."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, required=True, help="where the data is made, and kept for the next time")
    parser.add_argument("--text-mb", type=int, default=1_000)
    parser.add_argument("--unlike", action="store_true", help="a log whose lines differ by more than numbers")
    parser.add_argument("--reports", type=int, default=200_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--only", choices=("text", "files", "jsonl"))
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    # What is installed has its bytecode, as the other tools have.
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    os.environ["PYTHONPYCACHEPREFIX"] = str(options.folder / "bytecode")
    run(analyze(os.devnull, jobs=1, pure=False))
    for name, part in (("text", text), ("files", small_files), ("jsonl", lines)):
        if options.only in (None, name):
            part(options.folder, options)


if __name__ == "__main__":
    main()
