"""Next steps that a verdict on the spot and `analyze` name in the same words."""

from __future__ import annotations

CLOSED = (
    "Look for code that closes descriptors it did not open while the app is loaded: os.closerange, os.close in a loop, "
    "a library that makes a daemon (DaemonContext without files_preserve)."
)
"""For `EBADF` from code that is not the app's: its socket, pipe or selector was open before."""
