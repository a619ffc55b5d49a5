"""Started, ready and live: what a server says to whoever asks, on the app's port or on one of its own.

`state` reads it off the board, `answer` puts it into HTTP, `endpoints` is what the middleware of every
kind shares, `port` serves it from a process of its own. Loaded only where one of them is used.
"""
