"""Whose a module is, where no path says so: names that are libraries', and names that nobody publishes."""

from __future__ import annotations

import re
import sys

from bootcheck.analysis.trouble import Frame, Raised, is_library

_SETTINGS = re.compile(r"Could not import settings '([\w.]+)")

_COMMAND = re.compile(
    r"\bgunicorn3?['\"]?,? (?:[^\n]{0,400}[ '\"])?(?:"
    r"(?P<target>(?!unix:|fd:|file:|python:)[A-Za-z_][\w.]*):[A-Za-z_]\w*(?:\([^)\s]*\))?(?=[\s`'\"\\,;\])]|$)|"
    r"(?P<module>[A-Za-z_][\w.]*\.(?:wsgi|asgi))(?=[\s`'\"\\,;\])]|$))"
)
_PACKAGE = re.compile(r"-packages/[^/]+(?=/)")
_IMPORTING = re.compile(r"<frozen |/importlib/|/werkzeug/_compat\.py$")
_NAMED_BY_THE_APP = re.compile(
    r"/django/(?:apps/config|conf/__init__|utils/module_loading)\.py$|/werkzeug/utils\.py$|/rest_framework/settings\.py$"
)
_INCLUDED = re.compile(r"/django/(?:urls|conf/urls|core)/(?:conf|__init__|urlresolvers|resolvers)\.py$")
"""Where Django imports what a list of URLs includes: packages were imported before, with the list of apps."""

_KNOWN = frozenset(  # names are read more easily without quotes
    """
    aiohttp airflow aiokafka alembic allauth amqp anyio apscheduler asyncpg attr attrs azure babel bcrypt blinker boto
    boto3 botocore bs4 cachetools celery certifi cffi channels click corsheaders cryptography cv2 daphne dash dateutil
    debug_toolbar django django_filters django_redis dotenv elasticsearch eventlet faiss fastapi flasgger flask
    flask_admin flask_babel flask_bcrypt flask_caching flask_cors flask_jwt flask_jwt_extended flask_limiter
    flask_login flask_mail flask_marshmallow flask_migrate flask_mongoengine flask_restful flask_restplus flask_restx
    flask_script flask_security flask_session flask_socketio flask_sqlalchemy flask_wtf gensim gevent google graphene
    greenlet grpc gunicorn h5py httpcore httpx huggingface_hub itsdangerous jinja2 joblib jose jsonschema jwt kafka
    keras kombu langchain langchain_core langchain_community llama_index lxml mako markdown markupsafe marshmallow
    matplotlib mongoengine motor moviepy mysql nltk numpy oauthlib openai opencv openpyxl OpenSSL pandas passlib peewee
    pika pip pkg_resources pydantic pydantic_core pydantic_settings pymongo pymysql pypdf PyPDF2 pytz redis requests
    rest_framework rq scipy sentence_transformers sentry_sdk setuptools sklearn social_django socketio spacy sqlalchemy
    sqlalchemy_utils sqlmodel starlette storages stripe supabase tensorflow tokenizers torch torchvision tornado tqdm
    transformers twisted typing_extensions urllib3 uvicorn uvloop web3 websockets werkzeug whitenoise wtforms yaml zope
    psycopg psycopg2 MySQLdb PIL allauth anymail axes cloudinary cloudinary_storage ckeditor crispy_bootstrap5
    crispy_forms decouple dj_database_url dj_rest_auth django_celery_beat django_celery_results django_extensions djoser
    drf_spectacular drf_yasg environ guardian import_export jazzmin mptt phonenumber_field rest_framework_simplejwt silk
    simple_history taggit tinymce widget_tweaks admin_interface bootstrap4 bootstrap5 ckeditor_uploader colorfield
    django_bootstrap5 django_cleanup django_countries django_crontab django_htmx django_prometheus django_q django_rq
    django_summernote django_tables2 easy_thumbnails fontawesomefree graphene_django haystack health_check hijack knox
    leaflet mathfilters modeltranslation multiselectfield nested_admin nested_inline oauth2_provider polymorphic
    adminsortable2 auditlog baton cachalot cacheops channels_redis compressor constance dal dbbackup djmoney filer
    formtools grappelli hitcount imagekit impersonate jet loginas markdownx martor parler post_office ratelimit simpleui
    smart_selects sslserver tailwind treebeard two_factor unfold waffle
    annotated_types alembic_utils altair asgiref astropy atlassian autobahn bokeh catboost charset_normalizer chardet
    chromadb clickhouse_connect cohere colorama crewai dash_bootstrap_components dask deepface diffusers
    dns easyocr email_validator engineio exceptiongroup fakeredis fastai feedparser ffmpeg filelock
    flask_assets flask_compress flask_httpauth flask_moment flask_pymongo flask_smorest flask_sock flask_talisman
    folium fsspec geopandas geopy gradio gotrue graphql groq gspread h11 hiredis httptools hvac hydra idna imblearn
    importlib_metadata inflection influxdb ipywidgets ibm_db jsonpickle kubernetes langgraph lightgbm
    loguru mediapipe minio mlflow mongomock msal msgpack multidict multipart mypy_extensions neo4j networkx
    nibabel numba numexpr oauth2client onnxruntime opencensus optimum oracledb orjson oscrypto packaging paho
    paramiko parso pdfkit pdfminer pdfplumber pendulum peft pinecone playwright plotly portalocker postgrest
    prometheus_client prometheus_flask_exporter prompt_toolkit protobuf psutil ptvsd pyarrow pyasn1 pycparser pycurl
    pygments pymupdf pyodbc pyparsing pyproj pyspark pytesseract pytest python_http_client qdrant_client rasterio
    redisvl regex reportlab rich ruamel safetensors seaborn selenium sendgrid shap shapely simplejson
    simple_websocket skimage slack_sdk slowapi smart_open sniffio snowflake soundfile sqlparse statsmodels storage3
    structlog supafunc sympy tabulate telebot telegram tenacity textblob tiktoken timm toml torchaudio toolz tortoise
    trafilatura tweepy twilio typeguard typer tzlocal ujson ultralytics umap unidecode watchdog
    weasyprint webob websocket whisper wordcloud wrapt wsproto xgboost xlrd xlsxwriter xlwt xmltodict yarl yfinance
    zeep zipp zmq zstandard
    model_utils python_utils webdriver_manager
    accelerate adlfs ansible apify_client auto_gptq autogen aws_xray_sdk botbuilder cartopy casbin ccxt chainlit
    cloudscraper comet_ml cssselect ctransformers cvxpy databases datasets dateparser discord docker dropbox dspy
    evaluate face_recognition fairseq fake_useragent fastapi_users fiona flair flask_appbuilder gcloud gcsfs github
    gitlab graphene_sqlalchemy guidance gymnasium hubspot huey ibm_watson imutils invoke jaeger_client langfuse
    langsmith linebot llama_cpp nacl netCDF4 newspaper omegaconf optuna ortools paddle paddleocr paddlex panel parsel
    pony prophet psycopg_pool pydantic_ai pydrive pymilvus pyrebase pyrogram ray s3fs semantic_kernel smolagents
    stanza tables telethon tinycss2 trl undetected_chromedriver vllm vonage wandb webauthn xformers zarr
    rangefilter rest_auth rest_framework_gis reversion rosetta sass_processor sorl wagtail
    aioboto3 aiobotocore aiocache aiodns aiofiles aiogram aiohttp_cors aiomysql aiopg aioredis aiormq aio_pika
    aiosmtplib aiosqlite anthropic apispec argon2 ariadne arq asyncmy asyncssh auth0 authlib backoff beanie billiard
    bitsandbytes bleach bottle braintrust cachelib cairocffi cairosvg cassandra cattrs cchardet ciso8601
    clickhouse_driver confluent_kafka connexion coreapi croniter curl_cffi cx_Oracle dacite dataclasses_json ddtrace
    deepdiff defusedxml docx docxtpl dramatiq duckdb ecdsa einops elastic_transport elasticapm elasticsearch_dsl
    elevenlabs eth_account facebook_business faker falcon fastembed firebase_admin fitz fpdf freezegun funcy fuzzywuzzy
    gdown geoalchemy2 geoip2 geventwebsocket git gql graphql_relay graphviz gssapi h2 html5lib httplib2 humanize
    hypercorn ijson imageio influxdb_client instructor jax jaxlib jellyfish jira jmespath jwcrypto kazoo ldap ldap3
    librosa litellm litestar logbook logfire logstash lz4 mangum marshmallow_enum marshmallow_sqlalchemy mistralai
    mixpanel mmh3 natsort newrelic nh3 ninja notion_client odmantic ollama onelogin onnx opensearchpy ormar osgeo
    pdf2image pgvector phonenumbers piccolo pikepdf plaid polars posthog pptx prefect pyairtable pydantic_extra_types
    pydub pyfcm pymssql pynamodb pyotp pyramid pywebpush qrcode quart rapidfuzz rapidjson razorpay reactivex replicate
    requests_oauthlib requests_toolbelt rpds saml2 sanic scrapy sentencepiece serpapi simple_salesforce simpleeval
    sounddevice speech_recognition sqlglot sse_starlette sshtunnel statsd stomp strawberry streamlit tavily tensorboard
    tensorflow_hub thrift tldextract traitlets trino trio ua_parser umongo unstructured user_agents vertexai vobject
    waitress weaviate webargs webdriver_manager xarray xhtml2pdf xmlschema xmlsec yt_dlp zxcvbn
    """.split()  # noqa: SIM905
)
_SHARED = frozenset("google azure zope backports opentelemetry sphinxcontrib ruamel jaraco mpl_toolkits zc".split())  # noqa: SIM905
"""Names under which several packages install their parts: a part that is missing is a package that is missing."""
_OURS = frozenset(
    """
    api app apps application backend base common config conf constants controllers core database db extensions forms
    handlers helpers main manage middleware models module modules myapp myblog mymodule mypackage myproject mysite
    mywebsite project routers routes run schemas
    server services settings src tasks utils views webapp website wsgi
    """.split()  # noqa: SIM905
)
"""What people call their own modules; a package of such a name is never what an app means."""
_COMMON = _OURS | frozenset(
    """
    account accounts adapters admin ai articles assets auth authentication backends blog blueprint blueprints bot bots
    callbacks cart catalog celery_app celeryconfig chat chatbot cli client clients commands common_utils components
    configs connection connections constant contact controller cron crud customers dao dashboard data data_loader
    db_config dbconfig decorators dependencies domain dto emails endpoints entities entrypoint enums env errors events
    exceptions factory features filters form frontend function functions game globals handler helper home infra
    infrastructure inventory jobs layout layouts lib libs loader local_settings log logger logging_config logs managers
    middlewares mixins model monitoring news notifications operations order orders pages payment payments permissions
    pipeline pipelines plugins portfolio posts predict prediction predictor preprocess preprocessing processing
    processors product products profile profiles projects prompts providers queries register repositories repository
    resources
    route scheduler schema scrape scraper scrapers scripts search security seed serializer serializers service session
    setting shared shop signals site sources sql stats storage store students subscriptions support task templates tests
    tool tools train training urls usecases user users util validation version video view web webhook webhooks worker
    workers
    """.split()  # noqa: SIM905
)
"""More of those: the part of an app that each name stands for is clear, as long as nobody says that it is a package."""
_SHAPE = re.compile(
    r"(?:my|our)_\w+|(?:db|app|custom|local)_(?:connect(?:ion|or)?|managers?|setup|session|factory|init|ops|queries)|"
    r"\w+_(?:utils?|helpers?|config|settings|services?|routes?|routers?|models?|views?|app|bot|handlers?|database|processing|"
    r"processor|module|functions?|schemas?|forms?|tasks|page)"
)
"""How people make a name of two words for a module of their own."""

_ADDITION = re.compile(r"(?:(?:mozilla_)?django|drf|rest_framework|flask|crispy|dj|wagtail|fastapi|pytest)_(\w+)$")
"""How additions to a framework are called, and the rest of the name."""
_MADE = frozenset(
    """
    admin auth backend blog crud demo deploy docker ecommerce example first new rest shop site test todo tutorial web
    """.split()  # noqa: SIM905
)
"""What people call their own project behind a framework's name, besides what they call their own modules."""

_NAMED = re.compile(r"\(([^()\s]+\.py), line \d+\)$|in file (\S+?),? (?:on )?line")


_ASKS_FOR_AN_APP = re.compile(
    r"^from (\w+)\S* import .*\b"
    r"(?:(?:create|make|build|get|init)_(?:\w+_)?app(?:lication)?|app_factory|app|application)\b"
)
"""What is asked of the package that a project is, and of no library's."""


def file_of_syntax_error(error: Raised) -> str | None:
    """Return which file does not compile; None where it is not told, and no library asked for it."""
    last = error.frames[-1] if error.frames else None
    if last is not None and not last.function:
        return last.file
    named = _NAMED.search(error.message)
    if named is not None:
        return named[1] or named[2]
    # Python names no file where it cannot even read one: what asked for it is all that is known.
    asked = next((frame.file for frame in reversed(error.frames) if "importlib" not in frame.file), "")
    return asked if is_library(asked) and "gunicorn" not in asked else None


def target_of(text: str) -> str:
    """Return the module that a command line hands to Gunicorn, or an empty text."""
    command = _COMMAND.search(text)
    return (command["target"] or command["module"]) if command is not None else ""


_NO_ATTRIBUTE = re.compile(r"(?:partially initialized )?module '([\w.]+)' has no attribute '(\w+)'")
_EVER_SINCE = {
    "abc": ("ABCMeta", "abstractmethod"),
    "calendar": ("timegm", "monthrange", "month_name"),
    "code": ("InteractiveConsole",),
    "collections": ("OrderedDict", "namedtuple", "deque", "defaultdict"),
    "copy": ("copy", "deepcopy"),
    "csv": ("reader", "writer", "DictReader", "DictWriter"),
    "datetime": ("datetime", "date", "timedelta", "time"),
    "decimal": ("Decimal",),
    "email": ("message_from_string",),
    "enum": ("Enum", "IntEnum"),
    "functools": ("wraps", "partial"),
    "hashlib": ("md5", "sha1", "sha256"),
    "inspect": ("isclass", "isfunction", "getmembers", "ismethod"),
    "io": ("StringIO", "BytesIO", "open"),
    "json": ("loads", "dumps", "load", "dump"),
    "logging": ("getLogger", "Logger", "basicConfig", "Handler", "StreamHandler", "Formatter", "INFO", "DEBUG"),
    "math": ("sqrt", "pi", "floor", "ceil", "log"),
    "operator": ("itemgetter", "attrgetter"),
    "platform": ("system", "machine", "python_implementation"),
    "queue": ("Queue", "Empty", "Full"),
    "random": ("random", "Random", "choice", "randint", "seed", "sample", "shuffle"),
    "select": ("select",),
    "signal": ("signal", "SIGTERM", "SIGINT"),
    "socket": ("socket", "AF_INET", "error", "timeout"),
    "string": ("digits", "ascii_letters", "ascii_lowercase", "Template", "Formatter", "whitespace", "punctuation"),
    "subprocess": ("Popen", "PIPE", "check_output", "call"),
    "tempfile": ("mkdtemp", "mkstemp", "gettempdir", "NamedTemporaryFile"),
    "threading": ("Thread", "Lock", "local", "Event", "current_thread"),
    "time": ("time", "sleep", "strftime", "localtime"),
    "tokenize": ("generate_tokens", "TokenError"),
    "traceback": ("format_exc", "print_exc", "format_exception"),
    "types": ("FunctionType", "ModuleType", "MethodType"),
    "uuid": ("uuid4", "UUID", "uuid1"),
    "warnings": ("warn", "filterwarnings", "simplefilter"),
}
"""Of modules whose names people give to files of their own: what has been in them since Python has had them."""


def is_known(module: str) -> bool:
    """Tell whether a library has this name."""
    top = module.partition(".")[0]
    addition = _ADDITION.match(top)
    return top in _KNOWN or (addition is not None and addition[1] not in _OURS | _MADE)


def is_ours(module: str) -> bool:
    """Tell whether people call a module of their own so, and no library is called so."""
    return module.partition(".")[0] in _OURS


def is_common(module: str) -> bool:
    """Tell whether a module is called as people call their own, or made up of words as theirs are; no library is."""
    top = module.partition(".")[0]
    if is_known(module) or is_pythons(module):
        return False
    lead = top.partition("_")[0].lower()
    return top.lower() in _COMMON or (_SHAPE.fullmatch(top) is not None and not is_known(lead) and not is_pythons(lead))


def _is_common_part(module: str) -> bool:
    """Tell whether some part of a module's dotted name is what people call a module of their own."""
    parts = module.split(".")
    unknown = not is_known(module) and not is_shared(module) and not is_pythons(module)
    return unknown and (is_common(module) or any(part in _COMMON for part in parts[1:]))


def is_foreign(path: str, error: Raised) -> bool:
    """Tell whether a file is a library's, and not of the installed package that Gunicorn was asked to load."""
    if not is_library(path):
        return False
    asked = next((at for at, frame in enumerate(error.frames) if frame.function == "import_app"), len(error.frames))
    target = next((frame.file for frame in error.frames[asked + 1 :] if not _IMPORTING.search(frame.file)), "")
    package = _PACKAGE.search(target)
    return package is None or f"{package[0]}/" not in path


def is_shared(module: str) -> bool:
    """Tell whether several packages put their parts under this name: who has one of them need not have the others."""
    return module.partition(".")[0] in _SHARED


def is_the_apps(module: str, error: Raised) -> bool:
    """Tell whether a missing module is one of the app's own, as its paths say; a library's whole name is none."""
    return error.is_own(module) and (module not in _KNOWN or "is not a package" in error.text)


def is_pythons(module: str) -> bool:
    """Tell whether Python itself brings this module."""
    return module.partition(".")[0] in sys.stdlib_module_names


def is_installed(module: str, error: Raised) -> bool:
    """Tell whether the package that a module belongs to is a library that is there, as far as one can see."""
    top = module.partition(".")[0]
    return top in _KNOWN or any(f"-packages/{top}/" in frame.file for frame in error.frames)


def is_part(module: str) -> bool:
    """Tell whether a module is a part of a package that is there without it: `a.b` is missing in `a`.

    Python names the first part that it does not find, so a dotted name says that `a` was found.
    """
    return "." in module and module.partition(".")[0] not in _SHARED


def is_by_convention(module: str, error: Raised) -> bool:
    """Tell whether a missing module is the app's by its name, and the app's own code or its settings ask for it."""
    settings = _SETTINGS.search(error.message)
    if settings is not None and module.partition(".")[0] in settings[1].split("."):
        return True
    top = module.partition(".")[0]
    inner = next((frame for frame in reversed(error.frames) if not _IMPORTING.search(frame.file)), None)
    if inner is None:
        # Nobody publishes a package of such a name, and its part is what is missing.
        return not error.frames and _is_common_part(module)
    if inner.file.endswith("/django/conf/__init__.py") or _INCLUDED.search(inner.file):
        # It asks for nothing but the settings, and who reads only the end of a traceback sees no file of the app's.
        return not is_known(module)
    if _NAMED_BY_THE_APP.search(inner.file):
        # Its settings name it: a list of apps, the path of a class.
        return (
            _is_common_part(module)
            or _is_its_own_name(inner)
            or (inner.function == "import_string" and top not in _KNOWN and top != top.lower())
        )
    if is_library(inner.file):
        return False
    # Python found what stands before the dot, so a name of which nobody has heard is a folder of the app's.
    unheard = not is_known(module) and not is_shared(module)
    asked = _ASKS_FOR_AN_APP.match(inner.code)
    return is_common(module) or (unheard and ("." in module or (asked is not None and asked[1] == top)))


def _is_its_own_name(frame: Frame) -> bool:
    """Tell whether an AppConfig's own name is what is missing: the package that holds the class was imported before."""
    return frame.file.endswith("/django/apps/config.py") and "import_module(app_name)" in frame.code


def hides_pythons(error: Raised) -> bool:
    """Tell whether a module of Python's lacks what every release of it has: a file of the app has its name.

    The same holds where Python's own code misses anything in a module of Python's.
    """
    found = _NO_ATTRIBUTE.match(error.message) if error.is_a("AttributeError") else None
    if found is None or not is_pythons(found[1]):
        return False
    inner = error.frames[-1].file if error.frames else ""
    by_python = re.search(r"/lib(?:64)?/python\d", inner) is not None and "-packages/" not in inner
    return by_python or found[2] in _EVER_SINCE.get(found[1], ())
