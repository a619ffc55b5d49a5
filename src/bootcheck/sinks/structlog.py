"""Checkpoints as structlog events, for an app that logs with structlog."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bootcheck.model.errors import SettingError
from bootcheck.model.journal import CHECKPOINT, FINDING


class Structlog:
    """Logs each checkpoint under its own name, with outcome, duration and memory as keys."""

    def __init__(self) -> None:
        try:
            import structlog
        except ImportError as exc:
            msg = "The structlog sink needs structlog: pip install 'bootcheck[structlog]'."
            raise SettingError(msg) from exc
        self._log = structlog.get_logger("bootcheck")

    def write(self, record: Mapping[str, Any], line: bytes) -> None:  # noqa: ARG002
        """Log a checkpoint or a finding; other records are the journal's."""
        if record["t"] == CHECKPOINT:
            log = self._log.error if record["outcome"] == "failed" else self._log.info
            keys = {key: record[key] for key in ("phase", "outcome", "duration_ms", "rss_bytes") if key in record}
            log(record["name"], **keys, detail=record.get("detail", {}))
        elif record["t"] == FINDING:
            finding = record["finding"]
            self._log.warning("bootcheck.finding", code=finding["code"], summary=finding["summary"])
