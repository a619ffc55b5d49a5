"""What a watch prints: a line or a short block per event for people, one JSON object per line for programs."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import TextIO

from bootcheck.analysis.incidents import Analysis
from bootcheck.model.stamps import rfc3339
from bootcheck.render import Style, text
from bootcheck.watching import PROBLEM, SAMPLE, Event

SCHEMA_VERSION = 1


class Text:
    """For a person; problems of the watch itself are complaints."""

    def __init__(self, out: TextIO, err: TextIO, style: Style) -> None:
        self._out = out
        self._err = err
        self._style = style

    def event(self, event: Event) -> None:
        """Print one event at once."""
        if event.kind == PROBLEM:
            print(f"bootcheck: {text.plain(event.text)}.", file=self._err, flush=True)
            return
        when = rfc3339(event.at)[11:19]
        if event.kind == SAMPLE:
            # One line a look, whatever the width: so that columns of them can be read, and cut.
            print(f"{when} {text.plain(event.text)}", file=self._out, flush=True)
            return
        lines = [*text.paragraph(f"{when} {event.text}", self._style, indent=9, bold=event.bad)]
        for label, texts in event.more:
            lines += text.section(label, texts, self._style, wrap=label != "Report")
        print("\n".join(lines), file=self._out, flush=True)

    def summary(self, lines: Sequence[str]) -> None:
        """Print how the values of each process went."""
        print("\nOver the time:", file=self._out)
        for line in lines:
            for part in text.paragraph(f"  {line}", self._style, indent=4):
                print(part, file=self._out)

    def end(self, analysis: Analysis) -> None:
        """Print the incidents."""
        for line in ("", *_screen(analysis, self._style)):
            print(line, file=self._out)
        self._out.flush()


class Json:
    """For a program: each line is an object with `event` and `at`; the last one holds the incidents."""

    def __init__(self, out: TextIO) -> None:
        self._out = out

    def event(self, event: Event) -> None:
        """Print one event at once."""
        self._line({"event": event.kind, "at": rfc3339(event.at), "text": event.text, **event.data})

    def summary(self, lines: Sequence[str]) -> None:
        """Print how the values of each process went."""
        self._line({"event": "summary", "processes": list(lines)})

    def end(self, analysis: Analysis) -> None:
        """Print the object of `analyze`."""
        self._line({"event": "incidents", **analysis.as_dict()})

    def _line(self, value: dict[str, object]) -> None:
        print(json.dumps({"schema_version": SCHEMA_VERSION, **value}, default=str), file=self._out, flush=True)


def _screen(analysis: Analysis, style: Style) -> Iterator[str]:
    if not analysis.incidents:
        yield "Nobody died while this was watched."
        return
    yield from text.incidents(analysis, style)
