"""The records of the preflight child, taken over by the master as if they were its own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bootcheck.model import journal
from bootcheck.model.outcome import Outcome
from bootcheck.recorder import Recorder


class Absorption:
    """Renumbers what another recorder made; a step that is open there is open here."""

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder
        self._absorbed: dict[int, tuple[int, str]] = {}
        """Their number of an open step, and ours with its name."""

    def absorb(self, record: Mapping[str, Any]) -> None:
        """Take over a record; one that cannot be is said, and the preflight goes on."""
        recorder = self._recorder
        try:
            if record["t"] == journal.CHECKPOINT:
                record = self._renumbered(dict(record))
            recorder._feed(dict(record))  # noqa: SLF001 - a friend of the recorder, apart for the sake of every boot
        except Exception as exc:  # noqa: BLE001
            recorder._notify(f"bootcheck: a record of the preflight was lost: {type(exc).__name__}")  # noqa: SLF001

    def forget(self) -> list[int]:
        """Return our numbers of absorbed steps that never got an outcome, and forget them."""
        left = list(self._absorbed.values())
        self._absorbed.clear()
        for opened in left:
            self._recorder._close(opened)  # noqa: SLF001
        return [seq for seq, _ in left]

    def _renumbered(self, record: dict[str, Any]) -> dict[str, Any]:
        recorder = self._recorder
        theirs = record["seq"]
        record["seq"] = next(recorder._seq)  # noqa: SLF001
        if record["outcome"] == Outcome.ENTERED.value:
            opened = (record["seq"], record["name"])
            self._absorbed[theirs] = opened
            recorder._open.append(opened)  # noqa: SLF001
        elif "of" in record:
            # A number of theirs that we never saw opened may be the number of a step of ours.
            closes = self._absorbed.pop(record.pop("of"), None)
            if closes is not None:
                record["of"] = closes[0]
                recorder._close(closes)  # noqa: SLF001
        return record
