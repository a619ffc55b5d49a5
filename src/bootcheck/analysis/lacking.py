"""In which words a client says that it was made without what it needs: a key, an address, a name."""

from __future__ import annotations

import re

from bootcheck.analysis import late
from bootcheck.analysis.trouble import Raised

_KEY = (
    r"(?:[`'\"<]?\b(?:[^\W_]{1,40}[_.-]){0,6}(?:api[ _-]?(?:key|token|secret|id|hash)s?|"
    r"(?:access|auth|bearer|bot|app|client|account|service|public|private|signing|encryption|master|licen[cs]e|"
    r"subscription|"
    r"storage|shared|instrumentation|server|secret|project|integration|webhook|fernet|jwt|sas|session|cookie|"
    r"publishable)"
    r"[ _-]?(?:key|token|secret)s?(?:_id)?|apikey|ikey|(?:instrumentation|account)key|"
    r"(?:client|consumer|app|application)[ _-]?(?:id|secret|key)|tenant[ _-]?id|account[ _-]?sid|signing secret|"
    r"dsn|conn(?:ection)?[ _-]?str(?:ing)?|credentials?)\b[`'\">]?)"
)
_PLACE = (
    r"(?:[`'\"<]?\b(?:[^\W_]{1,40}[_.-]){0,6}(?:(?:data(?:base)?|db|redis|broker|mongo(?:db)?|es|elastic(?:search)?|"
    r"server|base|"
    r"cluster|"
    r"service|api|result[ _]backend|rabbitmq|amqp|cache|auth|issuer|cloud|backend|postgres\w*|mysql|webhook|"
    r"account)[ _-]?"
    r"(?:ur[il]|host|name|endpoint)s?|(?:cloud|space|organi[sz]ation|org|team|workspace|environment|site|zone|"
    r"subscription|cluster|merchant|account)[ _-](?:name|id)|(?:storage |default )?bucket(?:[ _-]name)?|"
    r"region(?:_name)?|"
    r"endpoint(?:_url)?|hosts?|password|username|hostname|project(?:[ _-]id)?|ur[il]|token|secret|domain|"
    r"sender)\b[`'\">]?)"
)
_ANY = rf"(?:{_KEY}|{_PLACE})"
_SOME = r"(?:an? |the |your |any |either |valid |both |at least |one of |this |some |non-empty )*"
_IS = (
    r"(?: (?:parameter|argument|option|setting|attribute|value|property|field|name|configuration))?(?: \([^)]{0,80}\))?"
)
_NOT_THERE = (
    r"(?: (?:is|are|was|were) (?:an? )?(?:required\b|mandatory|missing|not (?:set|configured|specified|provided|"
    r"defined|given)\b|"
    r"empty|unset|needed|None\b|null|blank)|"
    r" must (?:not be (?:empty|None|null|blank)|be (?:an? )?(?:non-empty|set|provided|given|specified|supplied|passed|"
    r"configured|defined|string|str\b))|"
    r" (?:can(?:no|')t|can not|should not|may not) be (?:the )?(?:empty|none|null|blank)|"
    r" (?:was |were )?(?:not|never) (?:set|configured|specified|provided|defined|given|passed|supplied)\b|"
    r" missing\b| (?:should|has to|needs? to) be (?:set|provided|specified|configured|given|non-empty)|"
    r" (?:has|have)(?:n't| not) been (?:set|provided|configured|specified)| was None\b)"
)
_LACKING = late.regex(
    rf"{_ANY}{_IS}(?: (?:or|and) {_SOME}(?:{_ANY}|\w+))?{_NOT_THERE}|"
    r"\baccount must be specified|\bmissing key inputs|"
    r"\bmissing (?:required |mandatory )*(?:config(?:uration)?|settings?|env)\b|"
    r"\bRequired parameter \w+ not set|\bInvalid type for parameter \w+, value: None|"
    rf"\b(?:no|missing|without|lack(?:s|ing)|empty|invalid or missing) {_SOME}(?:\w+ )?{_KEY}|"
    rf"\bmissing {_SOME}(?!tokens?\b){_PLACE}(?:\W|$)|"
    rf"\b(?:no|empty) {_SOME}(?:\w+ )?{_PLACE} (?:was |is |were )?(?:set|configured|specified|provided|defined|given|"
    rf"passed|"
    r"supplied)\b|"
    rf"\b(?:provide|supply|specify|configure|input|requires?|need|expects?|specified|pass|set) {_SOME}(?:\w+ )?{_KEY}|"
    rf"\b(?:provide|supply|specify|configure) {_SOME}(?:\w+ )?{_PLACE}(?:\W|$)|"
    r"\bmust specify\b.{0,40}\b(?:hosts?|cloud_id|ur[il]|key|token)\b|"
    rf"^(?:Either|Exactly one of) .{{0,60}}{_ANY}.{{0,60}} (?:must|has to|should) be (?:specified|provided|set|given)|"
    rf"^(?:Neither|None of) .{{0,60}}{_ANY}.{{0,60}} (?:is|are|was|were) (?:specified|provided|set|given|configured)|"
    r"not (?:passed|given|provided|specified) and not found in the environment",
    re.IGNORECASE,
)
_MALFORMED = late.regex(
    r"\b(?:ur[il]|dsn|connection string|endpoint)\b.{0,60} (?:must|should|has to|does not|doesn't) (?:include|contain|"
    r"have|"
    r"(?:start|begin)s? with|use|specify)\b|"
    r"\w://[^\s'\"<>]{0,80}?\bNone\b|\bnonnumeric port: '(?:None|\$.*)?'|unknown url type: '?(?:None|'')|"
    r"\bInvalid bucket name \"(?:None)?\"|^Unknown level: '|"
    r"^(?:Unknown|Invalid|Unsupported|Unrecognized) [\w ]{1,40}: ?(?:'None'|None|'')(?:$|[.;,] )|"
    r"\bscheme in endpoint must be|path in endpoint is not allowed|No scheme supplied|"
    r"^(?:Unsupported|Unknown|Invalid|Missing) (?:\w+ )?(?:DSN|URL|URI) scheme|"
    r"^Invalid (?:(?:\w+ )?(?:ur[il]|dsn|endpoint)|(?:api|bot|auth|access|secret|instrumentation|account|"
    r"service account|"
    r"connection|project|tenant|client|certificate|refresh token)[ _](?:key|token|secret|id|sid|string|certificate|"
    r"argument|"
    r"credentials))\b(?: provided)?(?:[:.]| \()|"
    r"^(?:Unable|Failed|Could not|Cannot) (?:to )?(?:parse|decode|load|determine|obtain|initiali[sz]e) (?:an? |the |"
    r"your )?"
    r"(?:\w+ )?(?:dsn|(?:\w+ )?ur[il]|connection string|credentials?|certificate credential|account name|project id|"
    r"api key|"
    r"private key|service account)\b|"
    r"\bis not in the expected format, missing fields|was not in the expected format|"
    r"^(?:\w+[ _])?(?:tenant|client|app|account|project)[ _]id should be |^Token is invalid|"
    r"^Token must (?:not )?contain|"
    r"\b(?:key|secret|token)\b.{0,40} must be (?:\w+ ){0,3}\d+ (?:url-safe |base64-encoded |random )*(?:bytes|bits|"
    r"characters)|"
    r"\bkey\w* must be valid base64|[Ii]nvalid truth value|^Not a boolean: |"
    r"^The connection '\w+' doesn't exist|^Illegal \w+ credential provided",
    re.IGNORECASE,
)
"""What was handed over is there, but cannot be what is meant."""
_OTHER_FAULTS = (
    *("AttributeError", "NameError", "UnboundLocalError", "ImportError", "ModuleNotFoundError", "SyntaxError"),
    *("KeyError", "IndexError", "UndefinedError", "NoReverseMatch", "OperationalError", "SystemError"),
)
_REFUSAL = late.regex(r"Auth|Forbidden|Denied|Http|HTTP|Api|API|Response|Request")
"""What the answer of a service raises: it has read the key."""
_ELSEWHERE = late.regex(
    r"\b(?:HTTP|status(?:[ _]code)?|Error code|'code'|returned|Response|error)\W{1,4}[45]\d\d\b|^\W?[45]\d\d\b|"
    r"\b[45]\d\d (?:Client|Server) Error|fe_sendauth|FATAL: |\[Errno |\[SSL|positional argument|keyword.{0,12} argument"
)
"""An answer of a service, a system's error, or a call that does not fit."""


def is_lacking(error: Raised) -> bool:
    """Tell whether a client, or the app itself, misses what it must be given, or got what cannot be meant."""
    if error.is_a(*_OTHER_FAULTS) or _ELSEWHERE.search(error.message):
        return False
    if _LACKING.search(error.message):
        return True
    return _REFUSAL.search(error.name) is None and _MALFORMED.search(error.message) is not None
