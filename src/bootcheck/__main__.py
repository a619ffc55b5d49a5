"""`python -m bootcheck`."""

from __future__ import annotations

import sys

from bootcheck.cli import main

sys.exit(main())
