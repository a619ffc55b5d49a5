"""What an app prints of itself before it ends a worker: lines right above and below it that are nobody else's."""

from __future__ import annotations

import re

from bootcheck.analysis.trouble import Raised
from bootcheck.model.finding import Evidence

ABOVE, BELOW = 3, 2
"""Lines between what is printed and the end of the worker: others print meanwhile. `sys.exit(text)` prints it after."""
LISTENS = 25
"""Lines after a worker's start, and its end, in which anything may be its last words."""
MAX_KEPT = 4
_BENIGN = re.compile(
    r"[Ww]arn(?:ing)?\b|WARN|[Dd]eprecat|^\W*$|^[\w.\-]+$|[Oo]ptional|[Ff]all(?:ing|s)? ?back|[Ii]gnor(?:ed|ing)|"
    r"[Ss]kipp|dlerror|cudart|tensorrt|[Uu]sing (?:the )?(?:default|memory|in-memory)"
)
"""What nobody ends for, by its own words; TensorFlow asks for a graphics card in every process."""


class LastWords:
    """Keeps them as they go by; whether they tell anything is asked once it is known that a worker ended."""

    def __init__(self) -> None:
        self.since = 0.0
        """The line in which a worker began or ended last; a log may begin with what one says in its end."""
        self._line: Evidence | None = None
        self._ended = float("-inf")
        self._kept: dict[str, Evidence] = {}

    def begun(self, line: int) -> None:
        """A worker begins: the one before it has said all by now."""
        self.since, self._ended = line, float("-inf")

    def heard(self, said: Evidence) -> None:
        """Take a line that is nobody's."""
        line = said.line or 0
        if line - self.since > LISTENS + ABOVE or _BENIGN.search(said.text):
            return
        self._line = said
        if line - self._ended <= BELOW:
            self._keep(said)

    def ended(self, line: int) -> None:
        """A worker is over."""
        if self._line is not None and line - (self._line.line or 0) <= ABOVE:
            self._keep(self._line)
        self.since = self._ended = line

    @property
    def kept(self) -> tuple[Raised, ...]:
        """What was said so, in the form in which causes are looked for."""
        return tuple(
            Raised(type="Exception", message=item.text.strip(), line=item.line) for item in self._kept.values()
        )

    def _keep(self, said: Evidence) -> None:
        if len(self._kept) < MAX_KEPT:
            self._kept.setdefault(said.text, said)
