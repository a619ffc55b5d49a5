"""Text on a terminal: dressed by Rich where it is installed, plain otherwise.

Only how lines look changes, never what they say or where they break.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import TextIO

from bootcheck.render import Style

_LABELS = (
    *("Evidence", "Against", "Pattern", "When", "Who", "What to do", "What", "Confirm", "Reports", "More"),
    *("First sign", "Last good", "Changed", "Wrong if", "Or else", "Not"),
)
_STYLES = (
    (re.compile(rf"^  (?:{'|'.join(_LABELS)})\b"), "bold cyan"),
    (re.compile(r"\bBC\d{3}(?: [a-z][a-z0-9-]+)?\b"), "magenta"),
    (re.compile(r"\bbootcheck (?:explain|analyze|check) \S+"), "green"),
    (re.compile(r"\bconfidence (?:low|medium|high)\b"), "bold"),
    (re.compile(r"^\[\d+ of \d+\]"), "dim"),
)
_BOLD = re.compile("\x1b\\[1m(.*)\x1b\\[0m")


def dressed(lines: Iterable[str], out: TextIO, style: Style) -> Iterator[str]:
    """Yield the lines for a terminal with colour; as they are for everything else, or without Rich."""
    if not style.colour:
        yield from lines
        return
    try:
        from rich.console import Console
        from rich.text import Text
    except ImportError:
        yield from lines
        return
    console = Console(file=out, highlight=False, markup=False, emoji=False, soft_wrap=True)
    for line in lines:
        bold = _BOLD.fullmatch(line)
        text = Text(bold[1] if bold else line, style="bold red" if bold else "")
        for pattern, look in _STYLES:
            text.highlight_regex(pattern, look)
        with console.capture() as captured:
            console.print(text, end="", soft_wrap=True)
        yield captured.get()
