"""What others say of a server in its own log: clients that do not reach it, and watchers that end it."""

from __future__ import annotations

import re

from bootcheck.analysis import late

_HOST = r"(?!localhost|127\.|0\.0\.0\.0|host\.docker\.)[\w.\-]+"
"""Any other than the machine's own."""
_PORT = r"(?P<port>80|[1-9]\d{2,4})\b"
"""No minutes of a time."""
_CANNOT = r"(?:ould not|nable to|ailed to|an(?:no|')t) (?:connect|reach)"
_FORMS = (
    # curl
    rf"ailed to connect to {_HOST} (?:\([\d.]+\) )?port {_PORT}.{{0,40}}(?:efused|onnect to server)",
    # wget, by name and by number
    rf"onnecting to \S+ \(\S*\)\|{_HOST}\|:{_PORT}\.\.\. failed: Connection refused",
    # nc of OpenBSD, the traditional one, that of busybox; bash itself
    rf"connect to {_HOST}(?: \(\S+\))? port {_PORT} \(\w+\) failed: Connection refused",
    rf"(?<!\S){_HOST} \[[\d.]+\] {_PORT}(?: \(\S*\))? ?: Connection refused",
    rf"/dev/tcp/{_HOST}/{_PORT}: Connection refused",
    # Go: Traefik, Caddy, dockerize, cloudflared, Prometheus
    rf"\bdial(?:ing)? (?:tcp )?{_HOST}:{_PORT}: (?:connect: |getsockopt: )?connection refused",
    # Node, Apache, Java
    rf"ECONNREFUSED {_HOST}:{_PORT}",
    rf"attempt to connect to {_HOST}:{_PORT} \(\S+\) failed",
    rf"onnection refused: (?:\w[\w.\-]*/)?{_HOST}:{_PORT}",
    # wait-for-it, dockerize
    rf"waiting \d+ seconds for {_HOST}:{_PORT}",
    rf"waiting on dependencies to become available: \[?\w+://{_HOST}:{_PORT}",
    # scripts
    rf"(?<![\w.\-:]){_HOST}:{_PORT}.{{0,60}}(?:onnection refused|ECONNREFUSED|not reachable|nreachable\b)",
    rf"{_CANNOT} (?:to )?(?:(?:server|backend|upstream|app|service|host)(?: at| on)? )?(?:\w+://|[\"'])?{_HOST}:{_PORT}",
)
_REFUSALS = tuple(late.regex(form) for form in _FORMS)
REFUSED = "|".join(re.sub(r"\?P<\w+>", "?:", form) for form in _FORMS)
"""All of it as one pattern."""
REFUSED_WORDS = (
    "onnection refused",
    "ECONNREFUSED",
    "ailed to connect",
    "ailed to reach",
    "attempt to connect ",
    " seconds for ",
    "waiting on dep",
    "not reachable",
    "nreachable",
    "ould not connect",
    "ould not reach",
    "nable to connect",
    "nable to reach",
    "annot connect",
    "an't connect",
    "annot reach",
    "an't reach",
)
_PROBE = late.regex(r"[Pp]robe|[Hh]ealth[ \-]?check|connection to server at")
"""Whoever probes as a platform does is judged by the platform's own words."""

_VERDICT = (
    r"(?:[Uu]nhealthy|UNHEALTHY|not (?:healthy|respond|answer|reachable|alive)|n't (?:respond|answer)|"
    r"[Nn]o (?:response|answer|reply) from |[Uu]nresponsive|[Uu]nreachable|[Hh]ealth[ \-]?check|[Hh]eartbeat|"
    r"is (?:down|dead|hung|stuck|frozen)\b|[Ee]xceed(?:s|ing) .{0,40}memory|[Ee]xceeded (?:its |the )?memory|"
    r"[Mm]emory.{0,40}exceeds|[Mm]emory limit|"
    r"[Mm]emory usage|too much memory|HEALTH[ _\-]?CHECK|[Hh]ealth[Cc]heck|[Ll]iveness check|times in a row|"
    r"returned (?:HTTP )?[45]\d\d\b)"
)
_ACT = (
    r"\b(?:[Rr]e-?start(?:ing|ed|s)?|[Kk]ill(?:ing|ed|s)?|[Ss]top(?:ping|ped|s)?|[Tt]erminat(?:ing|ed?|es)|"
    r"[Rr]ecycl(?:ing|ed?)|[Rr]espawn(?:ing|ed)?|[Rr]ecreat(?:ing|ed?)|[Rr]eboot(?:ing|ed)?|[Ss]ending SIG[A-Z]+)\b"
)
_CHECK = r"[Hh]ealth[ \-]?checks?\b"
ACTS = (
    # superlance's memmon, monit; scripts of any kind, in both orders; the last of so many checks
    r"(?<!\S)Restarting [\w.\-]+:[\w.\-]+$|"
    rf"{_VERDICT}.{{0,80}}{_ACT}|{_ACT}.{{0,80}}{_VERDICT}|"
    r"matches resource limit \[|"
    # an autoscaler, of whichever cloud
    r"\b[Aa]uto-?[Ss]cal\w+\b.{0,80}\b(?:[Tt]erminat|[Ss]topp|[Rr]emov|[Dd]elet|[Kk]ill)ing\b.{0,40}"
    r"\b(?:instance|container|task|machine|node|VM|replica|dyno|pod)s?\b|"
    rf"{_CHECK}.{{0,30}}\b(?P<n>\d+)(?: of |/)(?P=n)\b.{{0,12}}fail|"
    rf"{_CHECK}.{{0,30}}fail\w*.{{0,12}}\b(?P<m>\d+)(?: of |/)(?P=m)\b|"
    rf"[Ff]ail\w* \d+ (?:consecutive |times )?{_CHECK}|\d+ (?:consecutive )?[Hh]ealth[ \-]?check failures"
)
"""What one says who ends a server, or is about to: worth nothing without the end."""
ACT_WORDS = (
    "Restarting ",
    "nhealthy",
    "UNHEALTHY",
    "not healthy",
    "not respond",
    "not answer",
    "not reachable",
    "not alive",
    "n't respond",
    "n't answer",
    "no response from ",
    "No response from ",
    "no answer from ",
    "No answer from ",
    "no reply from ",
    "No reply from ",
    "nresponsive",
    "nreachable",
    "ealth check",
    "ealth-check",
    "ealthcheck",
    "eartbeat",
    "is down",
    "is dead",
    "is hung",
    "is stuck",
    "is frozen",
    "xceeds",
    "xceeding",
    "xceeded memory",
    "xceeded its memory",
    "xceeded the memory",
    "emory limit",
    "emory usage",
    "too much memory",
    "HEALTHCHECK",
    "HEALTH CHECK",
    "HEALTH_CHECK",
    "HEALTH-CHECK",
    "ealthCheck",
    "iveness check",
    "times in a row",
    "returned 4",
    "returned 5",
    "returned HTTP ",
    "matches resource limit",
    "utoscal",
    "utoScal",
    "uto-scal",
    "uto-Scal",
)
_BY_PLATFORM = late.regex(r"will be (?:kill|restart)|[Pp]robe|target-group|[Ii]nstance|[Tt]ask|\bpod\b|[Cc]ontainer\b")
_NOT_BY_PLATFORM = late.regex(r"found to be unhealthy|\b[Aa]uto-?[Ss]cal")
"""autoheal, and whoever counts instances: their words name containers and instances, too."""
_ENDS = late.regex(ACTS)


def refused_port(text: str) -> str:
    """Return at which port of another name than loopback's a client was refused, or an empty text."""
    for pattern in _REFUSALS if any(map(text.__contains__, REFUSED_WORDS)) else ():
        match = pattern.search(text)
        if match is not None:
            return match["port"] if _PROBE.search(text) is None else ""
    return ""


def ends_it(text: str) -> bool:
    """Tell whether somebody says that he ends the server."""
    if not any(map(text.__contains__, ACT_WORDS)) or _ENDS.search(text) is None:
        return False
    return _NOT_BY_PLATFORM.search(text) is not None or _BY_PLATFORM.search(text) is None
