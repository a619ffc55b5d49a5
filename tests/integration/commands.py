"""The command line, run as a user does: in a directory and an environment of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests.integration.harness import PATIENCE, SOURCE

COMMAND = "import sys; from bootcheck.cli import main; sys.exit(main(sys.argv[1:]))"


def bootcheck(place: Path, *words: str, **environ: str) -> subprocess.CompletedProcess[str]:
    """Run one command there; temporary files and, where nothing else is said, reports stay there too."""
    base = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    base |= {"PYTHONPATH": str(SOURCE), "BOOTCHECK_DIR": str(place / "reports"), "TMPDIR": str(place)}
    return subprocess.run(
        [sys.executable, "-c", COMMAND, *words],
        cwd=place,
        env=base | environ,
        capture_output=True,
        text=True,
        timeout=PATIENCE * 3,
        check=False,
    )
