"""Lines that were folded into one: a syslog's escapes, a repr, a page that joined them, JSON printed for people."""

from __future__ import annotations

import html
import json
import re

MAX_PIECES = 400
_NEXT = re.compile(
    r"(?<=\S)\s+(?=\[\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d(?:[.,]\d+)?(?: ?[+\-]\d{4})?\] \[\d+\] \[[A-Z]{4,8}\] )"
)
"""Where the next of Gunicorn's own lines begins, if a page joined them."""
_BOOTED = re.compile(r"(.*\bBooting worker with pid: \d+)\s+(\S.*)")
"""The last line of a start, and what somebody else said after it."""
_HEADS = re.compile(r"\] \[\d+\] \[[A-Z]{4,8}\] ")
_HEAD = "Traceback (most recent call last):"
_ESCAPED = re.compile(r"#012|(?:\\r)?\\n|\\u000a", re.IGNORECASE)
_PLACE = re.compile(
    r'(?<! ) +(?=File "[^"]{1,400}", line \d)|(?<!\s)\s+(?=(?:During handling of|The above exception was) )|'
    r"(?<=(?:occurred|xception):)\s+(?=Traceback \(most recent call last\):)"
)
_LISTED = re.compile(r"""(?:\\n)?['"], ?['"]|\[['"](?= *(?:File \\?"|Traceback ))|"\](?=,"|\}|$)""")
_OF_LIST = re.compile(r"""(?:['"], ?|\[)['"] +File \\?"[^"]{1,400}", line \d""")
"""Where one line of a traceback ends and the next begins in the repr of a list of them."""
_JOINED = re.compile(r'^(?P<frame>File "[^"]+", line \d+(?:, in (?:<\w+>|[\w.]+))?)\s+(?P<code>\S.*)$')
_RAISED = re.compile(
    r"(?:^|[\s^~])(?P<raised>(?:[A-Za-z_]\w*\.)*(?:HaltServer|[A-Z]\w*(?:Error|Exception|Exit|Interrupt|NotFound|DoesNotExist|"
    r"ImproperlyConfigured|Timeout|Refused))(?::\s.*)?)$"
)
_GLUED = re.compile(
    r'^(?P<frame>File "[^"]+", line \d+, in (?:<module>|[a-z_][a-z\d_]*?))'
    r"(?P<raised>[A-Z]\w*(?:Error|Exception|Exit|Interrupt|ImproperlyConfigured): \S.*)$"
)
"""A frame without code and the exception, where not even a blank stands between them."""
_STRING = r'"(?:[^"\\]|\\.)*"'
_PRINTED = re.compile(
    r'[\s`]*(?:"(?:textPayload|@?message|msg|log|event|exc_info|exception|traceback|stack_?trace)"\s*:\s*|)'
    rf"(?P<value>{_STRING}),?[\s`]*$"
)
"""A member of a JSON object, or an element of a list in it, on a line of its own."""
_ENTITY = re.compile(r"&(?:quot|lt|gt|amp|apos|#x?[0-9a-fA-F]{1,4});")


_CURLY = str.maketrans("“”‘’", "\"\"''")
_TAG = re.compile(r"</?(?:font|span|pre|code|div|p|b|i|em|strong|br|td|tr|li)\b(?:\s[^<>]*)?/?>")
_TYPESET = re.compile(r"File [“”].{1,400}[“”], line \d|^[\w.]*(?:Error|Exception|HaltServer)\b.*[‘’]")


def unescaped(text: str) -> str:
    """Return the text without a web page's tags and entities, and a traceback without a typesetter's quotes."""
    if not text.isascii() and _TYPESET.search(text) is not None:
        text = text.translate(_CURLY)
    if ("</" in text or "<br" in text) and _TAG.search(text) is not None:
        text = _TAG.sub("", text)
    return html.unescape(text) if is_escaped(text) else text


def is_escaped(text: str) -> bool:
    """Tell whether a text holds a web page's entities."""
    return "&" in text and _ENTITY.search(text) is not None


def printed(text: str) -> list[str] | None:
    """Return the lines in a string of JSON that was printed over several lines, None where this is none."""
    match = _PRINTED.match(text)
    if match is None:
        return None
    try:
        value = json.loads(match["value"], strict=False)
    except ValueError:
        return None
    return str(value).splitlines()[:MAX_PIECES] or None


def unfolded(text: str) -> list[str] | None:
    """Return the lines that a line was before it was folded, None where it holds no folded traceback."""
    if text.count("] [") > 2 and len(_ESCAPED.findall(text)) > 1 and len(_HEADS.findall(text)) > 1:
        return [_bare(piece) for piece in _ESCAPED.split(text.strip("'\" ,"))[:MAX_PIECES]]
    if text.count("] [") > 2 and len(_HEADS.findall(text)) > 1:
        return [line for piece in _NEXT.split(text)[:MAX_PIECES] for line in _parted(piece)]
    if _OF_LIST.search(text) is not None:
        return [piece.rstrip("]'\"").replace('\\"', '"') for piece in _LISTED.split(text)[:MAX_PIECES]]
    return _of_traceback(text)


def _bare(piece: str) -> str:
    return piece.replace('\\"', '"').replace("\\'", "'")


def _of_traceback(text: str) -> list[str] | None:
    start = text.find(_HEAD)
    if start < 0:
        return _continued(text)
    if len(text) <= start + len(_HEAD) + 8:
        return None
    if _ESCAPED.search(text, start) is not None:
        pieces = _ESCAPED.split(text)
        return [_bare(piece) for piece in pieces[:MAX_PIECES]]
    if _PLACE.search(text, start + len(_HEAD)) is None:
        return None
    lines = [text[:start].rstrip(), _HEAD] if text[:start].strip() else [_HEAD]
    return lines + _pieces(text[start + len(_HEAD) :])


def _parted(piece: str) -> list[str]:
    booted = _BOOTED.fullmatch(piece)
    if booted is None:
        return _of_traceback(piece) or [piece]
    return [booted[1], *(_of_traceback(booted[2]) or [booted[2]])]


def _continued(text: str) -> list[str] | None:
    """Return the lines of a further part of a traceback that was folded and then wrapped, or cut at its front."""
    if text.count('\\n  File \\"') > 1:
        return [_bare(piece) for piece in _ESCAPED.split(text)[:MAX_PIECES]]
    if text.count(' File "') < 2 or _PLACE.search(text) is None:
        return None
    before, after = _PLACE.split(text, maxsplit=1)
    return [f"    {before.strip()}", *_pieces(after)]


def _pieces(text: str) -> list[str]:
    return [line for piece in _PLACE.split(text)[:MAX_PIECES] for line in _lines_of(piece.strip())]


def _lines_of(piece: str) -> list[str]:
    joined = _JOINED.match(piece)
    glued = _GLUED.match(piece)
    if glued is not None:
        return [f"  {glued['frame']}", glued["raised"], ""]
    if joined is None:
        return [f"  {piece}" if piece.startswith("File ") else piece] if piece else []
    raised = _RAISED.search(joined["code"])
    code = joined["code"][: raised.start()].strip() if raised is not None else joined["code"]
    lines = [f"  {joined['frame']}"]
    if code:
        lines.append(f"    {code}")
    if raised is not None:
        lines += [raised["raised"], ""]
    return lines
