"""How well `analyze` names the cause of a Gunicorn log: precision and recall per class, and what is taken for what.

    python benchmarks/diagnosis.py [--logs DIR ...] [--fold K | --rotate] [--wrong] [--format json]

DIR holds labelled logs, one folder per class: DIR/CLASS/NAME.log, where CLASS is one of the cause classes
that `bootcheck analyze` answers with, and `none` is healthy. Without --logs it is the project's own
collection, made by provoking each failure on real servers (`tests/data/gunicorn_logs/make.py`).

The answer to a log is the class of its first incident, or `none`. `--fold K` (0 to 4) scores one fifth:
the scenarios whose name has that hash; all versions and platforms of one scenario are in one fifth, since
they resemble each other. `--rotate` scores each fifth in turn. Exit code 0, whatever the figures are.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from zlib import crc32

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "src"))

from bootcheck.analysis import analyze  # noqa: E402
from bootcheck.model.cause import CAUSE_CLASSES  # noqa: E402

OWN = ROOT / "tests" / "data" / "gunicorn_logs"
HEALTHY = "none"
FOLDS = 5
_VERSION = re.compile(r"-\d+\.\d+[\d.]*(?:-[a-z\-]+)?$")


@dataclass(frozen=True)
class Answer:
    """One log: what it shows, and what was said of it."""

    path: str
    label: str
    scenario: str
    said: str
    further: tuple[str, ...] = ()
    """Classes of incidents beside the first."""

    @property
    def fold(self) -> int:
        """Return the fifth that its scenario belongs to."""
        return crc32(self.scenario.encode()) % FOLDS


@dataclass(frozen=True)
class Score:
    """How one class fared."""

    logs: int
    found: int
    """Logs of the class of which it was said."""
    said: int
    """Logs of which it was said."""

    @property
    def recall(self) -> float | None:
        """Return the share of its logs that were found; None where there are none."""
        return self.found / self.logs if self.logs else None

    @property
    def precision(self) -> float | None:
        """Return how often it was right to say it; None where it was never said."""
        return self.found / self.said if self.said else None


def answers(folders: Sequence[Path]) -> list[Answer]:
    """Ask `analyze` about every labelled log of these folders."""
    given: list[Answer] = []
    for folder in folders:
        for path in sorted(folder.glob("*/*.log")):
            said = [incident.cause_class for incident in analyze([str(path)]).incidents] or [HEALTHY]
            label = path.parent.name
            given.append(Answer(str(path), label, scenario_of(path), said[0], tuple(said[1:])))
    return given


def scenario_of(path: Path) -> str:
    """Return class and name of a log, without the version and the platform that its name ends in."""
    return f"{path.parent.name}/{_VERSION.sub('', path.stem)}"


def scores(given: Iterable[Answer]) -> dict[str, Score]:
    """Return the score of each class that a log has or was given, in order of precedence."""
    labels = Counter(answer.label for answer in given)
    said = Counter(answer.said for answer in given)
    found = Counter(answer.label for answer in given if answer.said == answer.label)
    names = sorted({*labels, *said}, key=_order)
    return {name: Score(labels[name], found[name], said[name]) for name in names}


def confusion(given: Iterable[Answer]) -> dict[str, dict[str, int]]:
    """Return, for each class, how often each was said of its logs."""
    table: dict[str, dict[str, int]] = {}
    for answer in sorted(given, key=lambda answer: (_order(answer.label), _order(answer.said))):
        row = table.setdefault(answer.label, {})
        row[answer.said] = row.get(answer.said, 0) + 1
    return table


def summary(given: Sequence[Answer]) -> dict[str, float | int | None]:
    """Return the figures over all classes."""
    failed = [answer for answer in given if answer.label != HEALTHY]
    healthy = [answer for answer in given if answer.label == HEALTHY]
    alarmed = [answer for answer in given if answer.said != HEALTHY]
    right = sum(answer.said == answer.label for answer in failed)
    return {
        "failed_logs": len(failed),
        "found": right,
        "recall": right / len(failed) if failed else None,
        "precision": right / len(alarmed) if alarmed else None,
        "healthy_logs": len(healthy),
        "false_alarms": sum(answer.said != HEALTHY for answer in healthy),
        "with_further_incidents": sum(bool(answer.further) for answer in given),
    }


def _order(name: str) -> tuple[int, str]:
    return (CAUSE_CLASSES.index(name) if name in CAUSE_CLASSES else len(CAUSE_CLASSES), name)


def _share(value: float | None) -> str:
    return "-" if value is None else f"{value:.1%}"


def _text(given: Sequence[Answer], *, wrong: bool) -> list[str]:
    lines = [f"{'class':26} {'logs':>5} {'found':>6} {'recall':>7} {'precision':>10}"]
    for name, score in scores(given).items():
        lines.append(
            f"{name:26} {score.logs:5} {score.found:6} {_share(score.recall):>7} {_share(score.precision):>10}"
        )
    lines += ["", "What was said instead (class: said, logs)"]
    mistaken = [
        f"  {label:26} {said:26} {count:4}"
        for label, row in confusion(given).items()
        for said, count in row.items()
        if said != label
    ]
    lines += mistaken or ["  nothing"]
    if wrong:
        lines += [
            "",
            "The logs",
            *(f"  {answer.said:26} {answer.path}" for answer in given if answer.said != answer.label),
        ]
    return [*lines, "", *_totals(given)]


def _totals(given: Sequence[Answer]) -> list[str]:
    total = summary(given)
    found = (
        f"failed logs {total['failed_logs']}, found {total['found']}: "
        f"recall {_share(total['recall'])}, precision {_share(total['precision'])}"
    )
    healthy = (
        f"healthy logs {total['healthy_logs']}, false alarms {total['false_alarms']}; "
        f"logs with more than one incident {total['with_further_incidents']}"
    )
    return [found, healthy]


def _told(given: Sequence[Answer]) -> dict[str, object]:
    return {
        "summary": summary(given),
        "classes": {
            name: {
                "logs": score.logs,
                "found": score.found,
                "said": score.said,
                "recall": score.recall,
                "precision": score.precision,
            }
            for name, score in scores(given).items()
        },
        "confusion": confusion(given),
        "wrong": [
            {"path": answer.path, "label": answer.label, "said": answer.said}
            for answer in given
            if answer.said != answer.label
        ],
    }


def main(arguments: Sequence[str] | None = None) -> int:
    """Score, print, and return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--logs", type=Path, action="append", metavar="DIR", help="labelled logs: DIR/CLASS/*.log")
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--fold", type=int, choices=range(FOLDS), help="score this fifth of the scenarios only")
    which.add_argument("--rotate", action="store_true", help="score each fifth in turn")
    parser.add_argument("--wrong", action="store_true", help="name the logs that were taken for something else")
    parser.add_argument("--format", choices=("text", "json"), default="text")
    options = parser.parse_args(arguments)
    given = answers(options.logs or [OWN])
    if not given:
        print("no logs there: DIR/CLASS/NAME.log is looked for", file=sys.stderr)
        return 2
    if options.rotate:
        _rotate(given, options.format)
        return 0
    chosen = [answer for answer in given if options.fold is None or answer.fold == options.fold]
    print(
        json.dumps(_told(chosen), indent=1)
        if options.format == "json"
        else "\n".join(_text(chosen, wrong=options.wrong))
    )
    return 0


def _rotate(given: Sequence[Answer], form: str) -> None:
    folds = [[answer for answer in given if answer.fold == fold] for fold in range(FOLDS)]
    if form == "json":
        print(json.dumps({"folds": [_told(fold) for fold in folds], "all": _told(given)}, indent=1))
        return
    for number, fold in enumerate(folds):
        print(f"fold {number}: " + "; ".join(_totals(fold)))
    print("all:    " + "; ".join(_totals(given)))


if __name__ == "__main__":
    sys.exit(main())
