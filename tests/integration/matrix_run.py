"""The full death matrix, run with real servers, and the page of the documentation that tells its results.

    python tests/integration/matrix_run.py --pythons /a/bin/python,/b/bin/python --results matrix.jsonl
    python tests/integration/matrix_run.py --results matrix.jsonl --page docs/reference/death-matrix.md

Results are kept as they come: a run that is cut short goes on where it was, and what was a miss is made anew.
"""

from __future__ import annotations

import argparse
import json
import shutil
import signal
import sys
import tempfile
import threading
from collections import Counter
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
if __name__ == "__main__":
    sys.path[:0] = [str(ROOT), str(ROOT / "src")]

from tests.integration.deaths import EVERY_CLASS, KINDS  # noqa: E402
from tests.integration.harness import interpreter  # noqa: E402
from tests.integration.matrix import Cell, cells, companies, run, run_together  # noqa: E402

OK, MISS, ABSENT = "ok", "miss", "n/a"
Row = dict[str, str]
HEAD = """# Death matrix

Every kind of death below was made with real servers: each worker class, with and without `--preload`, on each
Gunicorn. A cell is **ok** when exactly one report told of the death (none where it is no death), with the cause, step,
role and pid of this table, with the stack of the place where the table says so, valid against the
schema, and with no journal, fault file or process left behind.

{runs}

{total} cells were made: {ok} ok, {miss} missed{left}. {absent} combinations do not exist, with the reasons at
the end. A column is a worker class; `·` stands for ok on every Gunicorn above, with and without `--preload`; `–` for
what does not exist; **1 of 10** for misses, which are listed below the table; 8/10 for eight made and ok, two not
made yet.

To make it anew: `python tests/integration/matrix_run.py --help`.

| kind of death | cause | step | stack | {classes} |
|---|---|---|---|{rulers}|
"""


class Results:
    """What is known of each cell, kept in a file of JSON lines."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self.rows: dict[str, Row] = {}
        if path.exists():
            for line in path.read_text(encoding="utf-8").splitlines():
                row = json.loads(line)
                self.rows[row["label"]] = row

    def add(self, cell: Cell, state: str, why: str = "") -> None:
        """Keep one result; said on stdout where it is a miss."""
        row = {
            "label": cell.label,
            "kind": cell.base.name,
            "class": cell.worker_class,
            "preload": "preload" if cell.preload else "",
            "gunicorn": ".".join(map(str, cell.python.gunicorn)),
            "python": ".".join(map(str, cell.python.python)),
            "state": state,
            "why": why,
        }
        with self._lock:
            self.rows[cell.label] = row
            with self._path.open("a", encoding="utf-8") as file:
                file.write(json.dumps(row) + "\n")
            if state == MISS:
                print(f"MISS {cell.label}: {why[:300]}", flush=True)

    def wants(self, cell: Cell) -> bool:
        """Tell whether a cell is still to be made."""
        return self.rows.get(cell.label, {}).get("state") not in (OK, ABSENT)


def make(results: Results, company: list[Cell]) -> None:
    """Make the cells of one server; what does not succeed there is made again alone."""
    folder = Path(tempfile.mkdtemp(prefix="bootcheck-matrix-"))
    try:
        done = run_together(company, folder / "together") if len(company) > 1 else []
        for number, cell in enumerate(company):
            if cell in done:
                results.add(cell, OK)
                continue
            try:
                run(cell, folder / str(number))
            except AssertionError as exc:
                results.add(cell, MISS, cell.known_miss or str(exc).partition("\n--- stderr")[0][:2000])
            except Exception as exc:  # noqa: BLE001 - one cell must not cost the others
                results.add(cell, MISS, f"{type(exc).__name__}: {exc}"[:500])
            else:
                results.add(cell, OK)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def make_all(results: Results, wanted: list[Cell], jobs: int) -> None:
    """Make every cell that has no result yet."""
    there = []
    for cell in wanted:
        why = cell.lacks()
        if why is None:
            there.append(cell)
        elif results.wants(cell):
            results.add(cell, ABSENT, why)
    groups = companies(cell for cell in there if results.wants(cell))
    with ThreadPoolExecutor(jobs) as pool:
        for number, _ in enumerate(pool.map(lambda group: make(results, group), groups), 1):
            if number % 20 == 0:
                print(f"{number} of {len(groups)} servers", flush=True)


def page(rows: Iterable[Row]) -> str:
    """Return the page that tells all results."""
    names = {kind.name for kind in KINDS}
    rows = [row for row in rows if row["kind"] in names]
    states = Counter(row["state"] for row in rows)
    versions = sorted({(row["gunicorn"], row["python"]) for row in rows}, key=lambda pair: _number(pair[0]))
    possible = len(versions) * 2
    left = possible * len(KINDS) * len(EVERY_CLASS) - len(rows)
    text = HEAD.format(
        runs="\n".join(_made(rows, gunicorn, python) for gunicorn, python in versions),
        total=states[OK] + states[MISS],
        ok=states[OK],
        miss=states[MISS],
        left=f", {left} are not made yet" if left else "",
        absent=states[ABSENT],
        classes=" | ".join(EVERY_CLASS),
        rulers="|".join(["---"] * len(EVERY_CLASS)),
    )
    for kind in KINDS:
        made = [row for row in rows if row["kind"] == kind.name]
        marks = [_mark([row for row in made if row["class"] == one], possible) for one in EVERY_CLASS]
        what = [
            kind.cause or "no death",
            f"`{kind.step}`" if kind.step else "",
            "yes" if kind.stack and kind.cause else "",
        ]
        text += f"| {kind.name} | {' | '.join(what)} | {' | '.join(marks)} |\n"
    return text + _preloaded() + _misses(rows) + _absent(rows)


def _made(rows: list[Row], gunicorn: str, python: str) -> str:
    states = Counter(row["state"] for row in rows if (row["gunicorn"], row["python"]) == (gunicorn, python))
    there = 2 * len(KINDS) * len(EVERY_CLASS) - states[ABSENT]
    return f"- Gunicorn {gunicorn} on Python {python}: {states[OK] + states[MISS]} of {there} cells made"


def _number(version: str) -> tuple[int, ...]:
    return tuple(map(int, version.split(".")))


def _mark(rows: list[Row], possible: int) -> str:
    states = Counter(row["state"] for row in rows)
    there = possible - states[ABSENT]
    if states[MISS]:
        return f"**{states[MISS]} of {states[MISS] + states[OK]}**"
    if not there:
        return "–"
    return "·" if states[OK] == there else f"{states[OK]}/{there}"


def _preloaded() -> str:
    lines = []
    for kind in KINDS:
        other = kind.under(preload=True)
        changed = [
            f"{word} {getattr(other, name) or 'none'}"
            for name, word in (("cause", "cause"), ("stack", "stack"))
            if kind.preload is not None and getattr(other, name) != getattr(kind, name)
        ]
        if changed:
            lines.append(f"- {kind.name}: {', '.join(changed).replace('stack none', 'no stack')}\n")
    return (
        "\n## Under `--preload`\n\nThe app's import is the master's then: the role is master, the step stays. "
        "What ends a master without a word is found by the next start:\n\n" + "".join(lines)
    )


def _misses(rows: list[Row]) -> str:
    missed = [row for row in rows if row["state"] == MISS]
    lines = [f"- {row['label']}: {_one_line(row['why'])}\n" for row in missed]
    return "\n## Misses\n\n" + ("".join(lines) or "None.\n")


def _one_line(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|").replace("<", "&lt;")[:300]


def _absent(rows: list[Row]) -> str:
    reasons: dict[str, list[Row]] = {}
    for row in rows:
        if row["state"] == ABSENT:
            reasons.setdefault(row["why"], []).append(row)
    lines = []
    for why, found in sorted(reasons.items(), key=lambda item: -len(item[1])):
        kinds = sorted({row["kind"] for row in found})
        lines.append(
            f"- {why} ({len(found)} cells: {', '.join(kinds) if len(kinds) <= 4 else f'{len(kinds)} kinds'})\n"
        )
    return "\n## Combinations that do not exist\n\n" + ("".join(lines) or "None.\n")


def main() -> int:
    """Run what is asked for; 1 where a cell was missed."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--pythons", default="", help="comma-separated interpreters, each with its Gunicorn")
    parser.add_argument("--results", type=Path, required=True, help="a file of JSON lines, kept from run to run")
    parser.add_argument("--page", type=Path, help="write the page of the documentation here")
    parser.add_argument("--only", default="", help="make only cells whose label holds this text")
    parser.add_argument("--jobs", type=int, default=2, help="servers at the same time (2)")
    options = parser.parse_args()
    for signo in (signal.SIGINT, signal.SIGQUIT, signal.SIGHUP):
        # A background job ignores them, and so would every server started here; a handler is not inherited.
        if signal.getsignal(signo) is signal.SIG_IGN:
            signal.signal(signo, lambda *_: None)
    results = Results(options.results)
    pythons = [interpreter(path) for path in options.pythons.split(",") if path]
    make_all(results, [cell for cell in cells(pythons) if options.only in cell.label], options.jobs)
    if options.page is not None:
        options.page.write_text(page(results.rows.values()), encoding="utf-8")
    states = Counter(row["state"] for row in results.rows.values())
    print(f"{states[OK]} ok, {states[MISS]} missed, {states[ABSENT]} do not exist")
    return int(states[MISS] > 0)


if __name__ == "__main__":
    raise SystemExit(main())
