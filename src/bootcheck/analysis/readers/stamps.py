"""The times that reports carry, `2026-11-27T09:26:00.123Z`: `prefixes.epoch`, asked once for each hour of them."""

from __future__ import annotations

import re

from bootcheck.analysis.readers.prefixes import epoch

MAX_HOURS = 10_000
_SHAPE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{3}Z")
_LENGTH = len("2026-11-27T09:26:00.123Z")
_HOUR = len("2026-11-27T09:")


class Stamps:
    """Reads what stands under `timestamp`, whatever that is."""

    def __init__(self) -> None:
        self._hours: dict[str, float] = {}
        self._minutes = {f"{minute:02}:": 60 * minute for minute in range(60)}
        self._seconds = {f"{second:02}": second for second in range(60)}
        self._fractions = {f".{number:03}Z": float(f"0.{number:03}") for number in range(1_000)}

    def epoch(self, stamp: object) -> float | None:
        """Return the epoch seconds, None where it is no time."""
        if isinstance(stamp, str) and len(stamp) == _LENGTH:
            try:
                # Whole seconds first: added in another order, the last bit would be another one.
                return (
                    self._hours[stamp[:_HOUR]]
                    + self._minutes[stamp[14:17]]
                    + self._seconds[stamp[17:19]]
                    + self._fractions[stamp[19:]]
                )
            except KeyError:
                self._learn(stamp)
        return epoch(str(stamp).replace("T", " "))

    def _learn(self, stamp: str) -> None:
        if _SHAPE.fullmatch(stamp) and len(self._hours) < MAX_HOURS:
            begin = epoch(stamp[:_HOUR].replace("T", " ") + "00:00")
            if begin is not None:
                self._hours[stamp[:_HOUR]] = int(begin)
