"""Another service that the start needs refuses, times out or denies access.

What it means
    Redis, a broker, a search engine, an HTTP API or a store of secrets was asked while the app was
    loaded, and did not answer as needed.

How it looks
    `redis.exceptions.ConnectionError: Error 111 connecting to redis:6379`, `NewConnectionError`,
    `NoCredentialsError`, `kombu.exceptions.OperationalError`.

Why it happens
    The service is down, elsewhere, or slower to start than the app; credentials are not mounted; the
    network policy blocks it.

What to do
    Do not call it while a module is imported: connect at first use, with a timeout and retries. Until
    then make the service reachable, or wait for it before the server starts.

How to know it is fixed
    The same call from this machine answers, and the app boots while the service is down.
"""

from __future__ import annotations

import re

from bootcheck.analysis import late
from bootcheck.analysis.conclusion import conclude, first, one_line, waited_for
from bootcheck.analysis.hanging import SERVICE, awaited, unanswered
from bootcheck.analysis.trouble import Raised, Trouble
from bootcheck.model.cause import Cause
from bootcheck.model.finding import Finding

CAUSE_CLASS = "backend-unavailable"
RULES: tuple[str, ...] = ()
WHERE_ALL_FAIL = True
SINCE_FAILED = True
_PORT = r"(?:5672|6379|6380|8200|8500|9092|9200|11211)\b"
TELLTALE = late.regex(
    rf"timeout occurred after waiting \d+ seconds for \S+:{_PORT}|"
    rf"waiting on dependencies to become available: \[(?:tcp|http)://[^\s/]+:{_PORT}|"
    r"^(?:[Rr]edis|[Rr]abbit\w*|[Ee]lastic\w*|[Kk]afka|[Bb]roker) (?:server )?is (?:unavailable|up) - "
)
"""What the scripts say that wait for it before they start a server."""
WORDS = ("timeout occurred after waiting", "waiting on dependencies", " is unavailable - ", " is up - ")
TELLTALE_CAUSE = Cause.NONE

_MODULES = late.regex(
    r"^(?:redis|kombu|amqp|pika|aio_pika|elasticsearch|elastic_transport|opensearchpy|requests|urllib3|"
    r"httpx|httpcore|aiohttp|botocore|boto3?|hvac|kafka|aiokafka|"
    r"confluent_kafka|grpc|google|azure|consul|ldap|ldap3|smtplib|pymemcache|pylibmc|memcache|nats|etcd3|"
    r"minio|docker|huggingface_hub|openai|anthropic|qdrant_client|weaviate|pymilvus|chromadb|pinecone|firebase_admin|"
    r"web3|kubernetes|paho|zeep|suds|paramiko|twilio|stripe|slack_sdk|sentry_sdk|aioredis|rediscluster|celery|"
    r"cimpl|kazoo|aiormq|stomp|googleapiclient|msal|gcloud|solr|pysolr|meilisearch|typesense|supabase|gotrue|"
    r"postgrest|keycloak|keystoneauth1|"
    r"telegram|telebot|aiogram|discord|tweepy|spotipy|gspread|notion_client|algoliasearch|replicate|groq|cohere|mistralai|"
    r"ollama|hazelcast|_?pulsar|temporalio|nacos|supabase_auth|storage3|aiomqtt|dropbox|b2sdk|jira|github|gitlab|"
    r"urllib\.error|http\.client|socket)\."
)
_KINDS = late.regex(
    r"Connect|Timeout|timeout|Denied|Unauthorized|NotFound|SSLError|Refresh|Socket|S3Error|DockerException|StartUp|"
    r"ConsulException|MilvusException|ResponseHandling|LocalEntry|GatedRepo|CannotHandle|ServiceRe|JSONDecodeError|"
    r"Unavailable|Refused|Retr|Transport|NoCredentials|Credentials|Forbidden|"
    r"AccessDenied|Auth|HTTPError|HTTPStatusError|URLError|"
    r"NoBroker|SERVER_DOWN|ClientError|Unreachable|OperationalError|RpcError|Busy|Disconnected|gaierror|"
    r"BrokenPipe|EndpointConnection|ResponseError|Proxy|^(?:Read|Write|Protocol|Api|API|InvalidPath)Error$|"
    r"RemoteProtocol|"
    r"IncompatibleProtocol|ChunkedEncoding|Deadline|RateLimit|NoServers|ServerError|ContentType|ReadOnly|Cluster|"
    r"NoPermission|NotAllowed|PreconditionFailed|UnexpectedFrame|ByBroker|TlsError|UnsupportedProduct|NotReady|"
    r"KafkaException|NoSuch(?:Key|Bucket)|OutOfMemory|FailedPrecondition|Waiter|TokenLoad|VaultDown|^Invalid(?:Path|Request)$|Exhausted|ConnectionForced|"
    r"TooManyRedirects|HttpError|Memcache\w*Error|GetError$|StorageError"
)
_ROOT_KINDS = late.regex(
    r"BadGateway|UnexpectedError$|VaultError|VaultNotInitialized|CoordinatorNot|CoordinatorLoad|LeaderNot|KafkaError|"
    r"KafkaProtocol|ReplicationFactor|LDAPException|StartTLS|LDAPOperationResult|ServerPool|MinioException|NatsError|"
    r"NoResponders|SecureConn|UnexpectedEOF|StreamLost|^AMQP\w*Error$|^Channel(?:Closed|Error|NotOpen)|ConnectionClosed|"
    r"ProtocolVersionMismatch|ConsumerCancelled|ResourceLocked|PineconeError|InitFailed|PaymentRequired|"
    r"UnexpectedResponse|QdrantException|^RedisError$|MasterDown|TryAgain|^(?:Moved|Ask)Error$|InvalidResponse|"
    r"HealthCheck|Unhealthy|NoValidDatabase|StripeError|QuotaExceeded|AuthRetryable|InsufficientPermissions|"
    r"UnexpectedStatus|WeaviateBase|MeilisearchError|TelegramError|RetryAfter|Telegram(?:Network|NotFound|Retry)|"
    r"RestartingTelegram|NetworkError|^Error$|InternalError|ApiError|TooManyRequests"
)
"""What the clients of single services call it, apart from how everybody does."""
_PLAIN = (
    "ConnectionRefusedError",
    "ConnectionResetError",
    "ConnectionAbortedError",
    "ConnectionError",
    "TimeoutError",
    "timeout",
    "gaierror",
    "URLError",
    "HTTPError",
    "RemoteDisconnected",
)
_OF_DATABASE = late.regex(
    r"^(?:sqlalchemy|psycopg|asyncpg|aiopg|pymongo|motor|mongoengine|peewee|django\.db|MySQLdb|_mysql|pymysql|aiomysql|"
    r"mysql|mariadb|oracledb|cx_Oracle|pyodbc|pymssql|sqlite3|prisma|tortoise|cassandra|neo4j|clickhouse_|snowflake)"
)
_OF_FRAMEWORK = late.regex(
    r"^(?:werkzeug|django|starlette|fastapi|jinja2|flask\w*|rest_framework|gunicorn|uvicorn|hypercorn|concurrent|"
    r"asyncio|"
    r"multiprocessing|billiard|subprocess|queue|filelock|portalocker|pydantic\w*|click|typer|gevent|eventlet|anyio|"
    r"trio|"
    r"marshmallow|jsonschema|apscheduler|pkg_resources|importlib|sqlalchemy|alembic|zmq)\."
)
"""Whose exceptions have the same names, and are about something else."""
_ABOUT_SERVICE = late.regex(
    r"Connect(?:ion|Timeout|Fail|or)?(?:Error|Exception|Failure|Timeout|Refused|Lost)?$|^Connection|ConnectionError|"
    r"(?:Read|Request|Server|LD|Gateway|Api|API)Timeout|Unauthori[sz]ed|Unauthenticated|Forbidden|Unavailable|"
    r"Disconnected|^Network(?:Error|Exception)$|A(?:pi|PI)(?:Status|Telegram|Connection)?(?:Error|Exception)$|"
    r"RateLimit|"
    r"ServerError|CredentialsError|HTTP(?:Status)?Error|ApiException|TransportException|^InvalidToken$|"
    r"^(?:SERVER_DOWN|INVALID_CREDENTIALS|CONNECT_ERROR)$|^CommError$|"
    r"Login(?:Failure|Failed|Error)$|^TimedOut$|CircuitBreaker|Circuit(?:Open|Broken)|Connection(?:Failed|Refused)|"
    r"^(?:Backend|Protocol|Request)(?:Error|Exception|Failed)$|Auth(?:entication)?(?:Error|Failed|Failure|Exception)$|"
    r"AuthorizationRequired|InvalidAuth|Unreachable|Service(?:Down|Error|Exception)$|"
    r"(?:Upstream|Remote|Gateway|Broker|Communication|RPC|Rpc)\w*(?:Error|Exception|Failed)$|"
    r"(?:Exchange|Service|Server|Api|Host)NotAvailable|^(?:Http|HTTP)Error$|^BadCredentials|LDAP\w*BindError$|"
    r"SecretsError$|^error_(?:perm|proto)$|^SDKError$|"
    r"StorageException$|TweepError$|SSHTunnel|SpreadsheetNotFound"
)
"""Names by which a client of a service, whoever wrote it, calls what it met."""
_SAID_OF_SERVICE = late.regex(
    r"(?:[Cc]ould not|[Cc]ouldn't|[Cc]an(?:not|'t)|[Uu]nable to|[Ff]ail(?:ed|ure|ing)?(?: to)?|[Ee]rror)"
    r"(?: re-?)? ?(?:connect(?:ing)?|contact(?:ing)?|reach(?:ing)?|establish(?:ing)? (?:an? )?(?:new )?connection)\b"
    r"(?! (?:to )?(?:the )?(?:database|db|postgres\w*|mysql|mongo\w*)\b)|"
    r"\b[Ee]rror -?\d+ (?:while )?connecting to |No address associated with hostname|Max retries exceeded|"
    r"Failed to establish a new connection|NewConnectionError|[Cc]onnection ?[Rr]efused|"
    r"HTTPS?ConnectionPool\(|CERTIFICATE_VERIFY_FAILED|Name or service not known|name resolution|"
    r"[Cc]onnection (?:was )?(?:lost|reset by peer|timed out|aborted)|ConnectionResetError\(|"
    r"You are trying to access a gated repo|[Aa]ccess to model \S+ is restricted|"
    r"Internet connection is on\b|JAVA_GATEWAY_EXITED|RetryError\[.*raised \w*(?:Connect|Timeout|Unavailable|HTTP|Http|"
    r"Refused|ServerError|Credential)|"
    r"StatusCode\.(?:UNAVAILABLE|UNAUTHENTICATED|DEADLINE_EXCEEDED|PERMISSION_DENIED)"
)
"""What any exception says of a peer, in words that are hardly said of anything else."""
_DENIED = late.regex(
    r"\b(?:HTTP|status(?:[ _]code)?|Error code|'code'|returned|Response|error)\W{1,4}(?:40[137]|429|50[0234])\b|"
    r"^\W?40[13]\b|\((?:HTTP )?(?:40[13]|429|50[234])\)|[Uu]nauthorized|(?:[Ii]nvalid|[Ii]ncorrect) API key|"
    r"API key not valid|"
    r"[Cc]ould not authenticate|[Aa]uthentication (?:failed|token)|[Ii]nvalid credentials|[Ll]ogin incorrect|"
    r"[Ii]nsufficient privilege|WRONGPASS|NOAUTH|RESOURCE_DOES_NOT_EXIST|"
    r"invalid_(?:auth|client|grant)|[Qq]uota|[Rr]ate limit|auth\.test result|"
    r"Handshake status \d|No Kerberos credentials"
)
"""What a client's own exception says of an answer that was a refusal."""
_SERVICE = (
    r"redis|valkey|kafka|rabbit ?mq|broker|elastic ?search|open ?search|vault|consul|memcached?|minio|\bs3|ldap|smtp|"
    r"mqtt|zookeeper|etcd|\bnats|solr|keycloak|ollama|qdrant|milvus|weaviate|chroma(?:db)?|pinecone|openai|triton|"
    r"identity provider|\bidp|upstream|temporal|\b(?:service|api|server|backend|endpoint|gateway|cluster)"
)
_STATE = (
    r"(?:not (?:yet )?(?:available|reachable|responding|ready|running|answering|accessible|healthy)|unavailable|"
    r"unreachable|offline|unhealthy|down\b(?!-)|(?:did(?:n't| not)|does(?:n't| not)) (?:respond|answer)|not? respon\w+|"
    r"timed out|"
    r"(?:responded|answered|replied|returned|failed)(?: with)?(?: an?)?(?: error)?(?: status| http)?(?: code)?:? ?"
    r"[45]\d\d\b)"
)
_ASKED = r"(?:fetch|retriev|download|obtain|get|load|read|pull|request)\w*"
_FAILED = r"(?:fail(?:ed|ure|ing)?(?: to)?|could not|couldn't|can(?:not|'t| not)|unable to|error(?: while| when)?)"
_APP_SAYS = late.regex(
    rf"(?:{_SERVICE})\S{{0,60}}(?: agent| node)? (?:is |was |at \S+ (?:is |was )?|still |currently )*{_STATE}|"
    rf"\bservice unavailable\b|no (?:response|answer|reply) from\b|"
    rf"(?:timed out|timeout|gave up|giving up) (?:while )?(?:waiting )?(?:for|on) (?:the )?(?:{_SERVICE})\b|"
    rf"{_FAILED} {_ASKED} [^\n]{{0,60}}(?:\bsecrets?\b|\bJWKS?\b|\bfeature flags?\b|https?://|"
    rf"\bfrom (?:the )?(?:{_SERVICE})\b(?!\.\w|/))|"
    rf"(?:api|request|call|download|upload|fetch|webhook|http)\w* [^\n]{{0,40}}"
    rf"(?:status|code|http|failed|returned)\W{{1,3}}(?:status )?(?:code )?[45]\d\d\b|"
    rf"{_FAILED} (?:fetch|retriev|obtain|get)\w* [^\n]{{0,40}}\btoken\b(?![^\n]*(?:env|config|setting|file))|"
    rf"{_FAILED} authenticate|\bHTTP (?:Error )?[45]\d\d\b|\bfailed: [45]\d\d\b|"
    rf"\bfrom \S+ (?:server|service): [45]\d\d\b|"
    rf"vault is sealed|\bldap bind fail|{_FAILED} fetch openid|refused the (?:request|connection)|"
    rf"(?:{_SERVICE}) connection (?:fail(?:ed|ure)|error|refused|lost|timed out)|"
    rf"connections? (?:to|with) (?:the )?(?:{_SERVICE})\S* (?:has |have )?(?:failed|timed out)|"
    rf"authentication (?:with|against|at|to) [^\n]{{1,60}} failed|\blogin failed\b|"
    rf"{_FAILED} (?:initiali[sz]e|create|start|set ?up|open) [^\n]{{0,40}}(?:connection|client|session)\b"
    rf"[^\n]{{0,40}}(?:timeout|timed out|refused|unavailable|unreachable)|"
    r"api key (?:is )?(?:not valid|invalid|expired|rejected|was rejected)",
    re.IGNORECASE,
)
"""What an app says itself, where it wraps what its client met."""
_ANSWER = late.regex(
    r"^(?=\{.{0,400}['\"](?:error|errors|status|code|statusCode|error_code)['\"]: ?)"
    r"\{['\"](?:message|error|errors|status|code|detail|statusCode)['\"]: ?",
    re.DOTALL,
)
"""A refusal of a service as it was answered, which a client hands on as the text of its exception."""
_NO_SERVICE = late.regex(r"\b(?:database|postgres\w*|mysql|mariadb|mongo\w*|port \d+ is already)\b", re.IGNORECASE)
_OWN_FAULTS = (
    *("ImportError", "ModuleNotFoundError", "SyntaxError", "AttributeError", "NameError", "TypeError", "KeyError"),
    *("IndexError", "TimeoutExpired", "CommandError", "FileNotFoundError", "PermissionError", "UnicodeDecodeError"),
)
_OF_CLIENT = late.regex(
    r"/(?:redis|kombu|amqp|pika|elasticsearch|elastic_transport|opensearchpy|requests|urllib3|httpx|aiohttp|botocore|"
    r"boto|hvac|kafka|ldap|pymemcache|memcache|etcd3|docker|consul|stomp|zmq|thrift)/"
)
"""Whose frames an exception passed: Python 2 prints its name without the module."""
_SAID = late.regex(
    r"\[Errno (?:111|110|113|101|61|-2|-3)\]|Connection refused|Name or service not known|"
    r"Temporary failure in name resolution|timed out|Max retries exceeded|"
    r"We couldn't connect to|Unable to locate credentials|AccessDenied|Error 111 connecting|"
    r"Failed to establish a new connection|NOAUTH|WRONGPASS",
    re.IGNORECASE,
)
_WHERE = late.regex(r"connecting to ([\w.\-]+:\d+)|host='([\w.\-]+)'|://([\w.\-]+(?::\d+)?)|to ([\w.\-]+:\d+)")


def _by_words(error: Raised) -> bool:
    """Tell whether a client that is not on the list, or the app itself, says that a peer does not answer or refuses."""
    if error.is_a(*_OWN_FAULTS) or _OF_DATABASE.search(error.type) or _OF_FRAMEWORK.search(error.type):
        return False
    if _SAID_OF_SERVICE.search(error.text) or _ANSWER.match(error.message):
        return True
    if _APP_SAYS.search(error.message) and not _NO_SERVICE.search(error.message):
        return True
    return "." in error.type and bool(_ABOUT_SERVICE.search(error.name) or _DENIED.search(error.message))


def _connects(error: Raised) -> bool:
    """Tell whether the system refused a client's connection, by whatever number."""
    return error.is_a("OSError", "error") and "connect" in error.frames[-1].function


def _waited(trouble: Trouble) -> Finding | None:
    told = waited_for(trouble, TELLTALE)
    if told is None:
        return None
    return conclude(
        trouble,
        f"The start script waits for another service in vain: {one_line(told.text)}",
        "Make the service reachable from this machine, or do not wait for it.",
        confidence="medium",
        evidence=[told],
    )


def match(trouble: Trouble) -> Finding | None:
    """Conclude from the exceptions of clients of services; a database's own are not among them."""
    error = trouble.error
    if error is None:
        return _waited(trouble) if awaited(trouble) != SERVICE else unanswered(trouble, "Another service")
    if error.is_a_clients or error.is_aside:
        return None
    bare = "." not in error.type and any(_OF_CLIENT.search(frame.file) for frame in error.frames[-6:])
    by_module = (bare or bool(_MODULES.search(error.type))) and bool(
        _KINDS.search(error.name) or _ROOT_KINDS.search(error.name) or (bare and _connects(error))
    )
    by_kind = (error.is_a(*_PLAIN) and not _OF_DATABASE.search(error.type)) or (
        error.is_a("OSError", "RuntimeError", "Exception", "error") and bool(_SAID.search(error.text))
    )
    if not (by_module or by_kind or _by_words(error)):
        return None
    where = first(_WHERE, error.text)
    return conclude(
        trouble,
        f"A service that the start needs{f' ({where})' if where else ''} does not answer: {one_line(error.text)}",
        "Make the service reachable from this machine, or wait for it before the server starts.",
        "Call it at first use instead of while a module is imported, with a timeout.",
        confirm=f"curl -v {where} or nc -zv {where.replace(':', ' ')}" if where else None,
        confidence="high" if by_module else "medium",
    )
