"""A third-party package is not installed.

What it means
    The app imports a package that this environment does not have.

How it looks
    `ModuleNotFoundError: No module named 'psycopg2'`, `Error loading MySQLdb module`,
    `Did you install mysqlclient?`.

Why it happens
    It is missing from the requirements; it was installed into another environment than the one
    gunicorn runs in; a development requirement is imported in production.

What to do
    Add it to the requirements and install them into gunicorn's own environment. The import name and
    the package name may differ (`cv2` is opencv-python, `yaml` is PyYAML).

How to know it is fixed
    `python -c "import NAME"` with gunicorn's Python ends with status 0.
"""

from __future__ import annotations

import re

from bootcheck.analysis import late
from bootcheck.analysis.conclusion import conclude, first, one_line
from bootcheck.analysis.libraries import is_by_convention, is_the_apps
from bootcheck.analysis.trouble import Raised, Trouble
from bootcheck.model.finding import Finding

CAUSE_CLASS = "dependency-missing"
RULES: tuple[str, ...] = ()
WHERE_ALL_FAIL = True

_MISSING = late.regex(r"No module named '?([\w.]+)'?")
_SAID = late.regex(
    r"Error loading (\w+)[\w ]{0,40} module|Did you install (\w+)|DistributionNotFound: The '([\w.\-]+)|"
    r"\b(?:pip3?|conda|poetry|uv)(?: -\w+)* (?:install|add) (?:-\S+ )*[`'\"]?([A-Za-z][\w.\-\[\]]+)|"
    r"['\"`]?\b([A-Za-z][\w.\-]{1,60})['\"`]? (?:package |library |module )?"
    r"(?:is|are) not installed|(?:package|library) (?:is|are) (?:required|needed)|"
    r"^[\w.]+: (\w+)(?: driver)? not installed|"
    r"['\"`]?\b([A-Za-z][\w.\-]{1,60})['\"`]? (?:module |package |library )?(?:must be installed|to be installed)|"
    r"\brequires (?:the installation of )?['\"`]?([\w.\-]+)['\"`]? (?:to be )?installed|requires the installation of '|"
    r"without ([\w.\-]+) installed|[Dd]o you have (\w+) installed|(?:library|packages) (?:but it was|"
    r"that were) not found|"
    r"prerequisite not available|no backends? available -- |optional dependenc(?:y|ies) (?:is|are) missing|"
    r"requires extra dependencies|Missing dependencies for |Unable to find a usable engine|"
    r"find a tree builder with the features|Invalid async_mode specified|Install '?\w+'? (?:with the '\w+' extra|for )|"
    r"No time zone found with key (?:UTC|Etc|GMT)|No \w+ executable found|Bad git executable|"
    r"Is \w+ installed and in PATH|(?:No|Need) ffmpeg exe\b|Couldn't find ffmpeg|"
    r"Executable doesn't exist at \S+ms-playwright|"
    r"PackageNotFoundError: ([\w.\-]+)$|\bInstall ([\w\-]+\[\w+\])|"
    r"'(?!django\.)([\w.]+)' isn't an available database backend or couldn't be imported|"
    r"[Mm]issing optional dependency '([\w.\-]+)|"
    r"(?:please |must |need to |make sure to |^\w+: )(?:pip )?install (?:the )?[`'\"]?([\w.\-\[\]]+)|"
    r"Unable to import required dependenc\w+|Are you sure it's installed|"
    r"Could not load ([\w ]+?)(?:'s)? bindings|"
    r"Can't find model '([\w\-]+)'|Please use the NLTK Downloader|"
    r"\brequires? ([\w.\-]+\[[\w,\-]+\])|No such DBAPI|"
    r"cannot import name '?\w+'? from '?((?:google(?:\.cloud)?|azure|opentelemetry)[\w.]*)'? \(unknown location|"
    r"Can't load plugin: sqlalchemy\.dialects:(?!postgres$)(\S+)|No package metadata was found for (\S+)",
    re.IGNORECASE,
)
_IMPORT = (
    "ModuleNotFoundError",
    "ImportError",
    "PackageNotFoundError",
    "DistributionNotFound",
    "ImproperlyConfigured",
    "NoSuchModuleError",
    "RuntimeError",
    "AssertionError",
    "Exception",
    "SystemCheckError",
    "InvalidTemplateLibrary",
    "InvalidCacheBackendError",
    "LookupError",
    "OSError",
    "ValueError",
    "NotImplementedError",
    "ConfigurationError",
    "ZoneInfoNotFoundError",
    "FeatureNotFound",
    "InvalidSchema",
    "DidNotEnable",
    "Error",
)
_BY_NAME = late.regex(
    r"Missing\w*(?:Dependenc|Backend|Package|Module|Requirement)|Dependency(?:Exception|Error)|NotInstalled|"
    r"NotFoundError$"
)
_LACKS = late.regex(r"^cannot import name '?(\w+)'?$")
_FROM_SHARED = late.regex(r"from (google(?:\.cloud)?|azure(?:\.\w+)?|opentelemetry(?:\.\w+)?) import ")
PACKAGES = {
    "cv2": "opencv-python-headless",
    "PIL": "Pillow",
    "yaml": "PyYAML",
    "MySQLdb": "mysqlclient",
    "psycopg2": "psycopg2-binary",
    "psycopg": "psycopg[binary]",
    "sklearn": "scikit-learn",
    "dotenv": "python-dotenv",
    "jwt": "PyJWT",
    "bs4": "beautifulsoup4",
    "Crypto": "pycryptodome",
    "dateutil": "python-dateutil",
    "environ": "django-environ",
    "decouple": "python-decouple",
    "corsheaders": "django-cors-headers",
    "rest_framework": "djangorestframework",
    "flask_sqlalchemy": "Flask-SQLAlchemy",
    "magic": "python-magic",
    "google": "the google-… package that is meant",
    "ldap": "python-ldap",
    "storages": "django-storages",
    "debug_toolbar": "django-debug-toolbar",
    "dj_database_url": "dj-database-url",
}
"""Import names whose package has another name."""


def match(trouble: Trouble) -> Finding | None:
    """Conclude where the missing module is none of the app's own."""
    error = trouble.error
    if error is None or not (error.is_a(*_IMPORT) or _BY_NAME.search(error.name)):
        return None
    module = first(_MISSING, error.text) or _lacks_in_a_shared_name(error)
    if not module:
        module = first(_SAID, error.text)
        if not module and not _SAID.search(error.text):
            return None
    elif is_the_apps(module, error) or is_by_convention(module, error) or "is not a package" in error.text:
        return None
    top = module.partition(".")[0]
    package = PACKAGES.get(top, top.replace("_", "-"))
    return conclude(
        trouble,
        f"The package that provides '{module}' is not installed."
        if module
        else f"A package is not installed: {one_line(error.text)}",
        f"Install it into gunicorn's own environment and add it to the requirements: pip install "
        f"{package or 'PACKAGE'}",
        "If it is installed, compare `which gunicorn` with `which pip`: they may be of two environments.",
        confirm=f"python -c 'import {top}'" if top else None,
    )


def _lacks_in_a_shared_name(error: Raised) -> str:
    """Return the part that is missing under a name which several packages share, as the line that asks tells."""
    asked = _FROM_SHARED.match(error.frames[-1].code if error.frames else "")
    lacking = first(_LACKS, error.message) if error.is_a("ImportError") else ""
    return f"{asked[1]}.{lacking}" if asked is not None and lacking else ""
