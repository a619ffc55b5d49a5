"""Read-only measurements without opinion, from the standard library and /proc."""
