"""What databases say in other languages than English: PostgreSQL answers in that of its own `lc_messages`.

Only phrases that hold a word of the matter itself: "does not exist" alone is said of anything.
"""

from __future__ import annotations

import re

from bootcheck.analysis import late
from bootcheck.analysis.trouble import Raised

_NAME = r".{1,90}?"

_LOGIN = (
    r"Authentifizierung für Benutzer|(?:Datenbank|Rolle) " + _NAME + r" existiert nicht|keine Berechtigung (?:für|zum)|"
    r"Berechtigung nur für Eigentümer|Zugriff verweigert für Benutzer|"
    r"authentification " + _NAME + r" échou|Échec de l'authentification|"
    r"(?:base de données|rôle) " + _NAME + r" n'existe pas|droit refusé pour|doit être le pro|"
    r"pas autorisé à se connecter|Accès refusé pour l'utilisateur|"
    r"autentificación " + _NAME + r" falló|no existe (?:la base de datos|el rol)\b|permiso denegado a|"
    r"denegado el permiso para crear|debe ser dueño|no se le permite conectarse|Acceso denegado para usuario|"
    r"autenticação " + _NAME + r" falhou|(?:banco de dados|role) " + _NAME + r" não existe|permissão negada para|"
    r"deve ser o dono|não (?:é permitido|tem permissão) (?:se conectar|para)|Acesso negado para o usuário|"
    r"autenticazione " + _NAME + r" fallita|il (?:database|ruolo) " + _NAME + r" non esiste|permesso negato per|"
    r"essere proprietari|"
    r"не прош[её]л проверку подлинности|(?:база данных|роль) " + _NAME + r" не существует|нет доступа к|"
    r"нет прав для|нужно быть владельцем|вход запрещ[её]н|"
    r"не пройшов автентифікацію|(?:бази даних|роль) " + _NAME + r" не існує|немає (?:дозволу|доступу) для|"
    r"认证失败|(?:数据库|角色) ?" + _NAME + r" ?不存在|权限不[足够]|不允许角色|"
    r"認証に失敗|(?:データベース|ロール)"
    + _NAME
    + r"は存在しません|へのアクセスが拒否|ログインが許可されません|所有者である必要|"
    r"인증을 실패|데이터베이스 없음|롤\(role\) 없음|접근 권한 없음|"
    r"autoryzacja " + _NAME + r" nie powiodła|(?:baza danych|rola) " + _NAME + r" nie istnieje|odmowa dostępu do|"
    r"doğrulaması başarısız|(?:veritabanı|rolü) mevcut değil|"
    r"autentisering misslyckades|databasen " + _NAME + r" existerar inte|rollen " + _NAME + r" finns inte"
)
_LIMIT = (
    r"zu viele Verbindungen|Verbindungen sind für|trop de (?:clients|connexions)|emplacements de connexions|"
    r"demasiad[oa]s (?:clientes|conexiones)|conexiones restantes|muitos clientes|muitas conexões|conexões restantes|"
    r"troppi client|troppe connessioni|slot di connessione|слишком много (?:клиентов|подключений|соединений)|"
    r"слоты подключений|забагато (?:клієнтів|підключень)|连接过多|太多的客户|太多的?连接|连接槽|クライアント数が多すぎ|"
    r"接続が多すぎ|"
    r"接続スロット|접속자? ?수를 초과|연결 슬롯|zbyt wielu klientów|zbyt wiele połączeń|çok fazla (?:istemci|bağlantı)|"
    r"för många (?:klienter|uppkopplingar)"
)
_SCHEMA = (
    r"(?:Relation|Spalte|Schema|Typ|Funktion|Tabelle) " + _NAME + r" existiert nicht|"
    r"(?:relation|colonne|fonction|schéma|type|table) " + _NAME + r" n'existe pas|"
    r"no existe (?:la (?:relación|columna|función|tabla)|el (?:esquema|tipo))|"
    r"(?:relação|coluna|função|esquema|tipo|tabela) " + _NAME + r" não existe|"
    r"(?:relazione|colonna|funzione|schema|tipo|tabella) " + _NAME + r" non esiste|"
    r"(?:отношение|столбец|функция|схема|тип|таблица) " + _NAME + r" не существует|"
    r"(?:відношення|стовп\w+|функці\w+|схем\w|тип\w?|таблиц\w) " + _NAME + r" не існу|"
    r"(?:关系|列|字段|函数|模式|类型|表) ?" + _NAME + r" ?(?:的 ?\S+ ?)?不存在|"
    r"(?:リレーション|列|関数|スキーマ|型|テーブル)" + _NAME + r"は存在しません|"
    r"릴레이션\(relation\)이 없|칼럼은 없|칼럼은 .{1,90}에 없|relacja " + _NAME + r" nie istnieje|"
    r"(?:nesnesi|sütunu|tablosu) mevcut değil|(?:relation|kolumn)(?:en)? " + _NAME + r" existerar inte"
)
_WAY = (
    r"konnte nicht (?:mit dem|zum) Server verbinden|Verbindung zum Server (?:auf|fehl)|konnte Hostnamen|"
    r"Server beendete die Verbindung|SSL-Verbindung wurde|Server unterstützt kein SSL|Datenbanksystem |"
    r"se connecter au serveur|connexion au serveur|traduire le nom d'hôte|connexion SSL a été|ne supporte pas SSL|"
    r"système de bases? de données|"
    r"conectar(?:se)? (?:con el|al) servidor|conexión al servidor|traducir el nombre|servidor ha cerrado la conexión|"
    r"conexión SSL se ha|no soporta SSL|sistema de bases? de datos (?:está|aún)|"
    r"conectar (?:ao|com o) servidor|conexão (?:com o |ao |com )servidor|traduzir (?:o )?nome|"
    r"servidor fechou a conexão|sistema de banco de dados|"
    r"conness\w+ al server|del nome host|server ha chiuso|database (?:si sta|è in modalità)|"
    r"подключиться к серверу|преобразовать имя|сервер неожиданно закрыл|SSL-соединение|система (?:баз данных|БД)|"
    r"підключення до серверу|систем\w бази даних|сервер неочікувано|"
    r"连接到服务器|无法(?:联接|连接)到?服务器|上的服务器|无法(?:解析|翻译|将主机名)|服务器(?:已)?意外|"
    r"SSL ?连接被|数据库系统|"
    r"サーバー?への接続|サーバー?に接続できません|アドレスに変換|想定外に|データベースシステム|"
    r"서버 ?(?:에 )?접속 할 수 없|서버에 연결할 수 없|갑자기 연결|데이터베이스 시스템|"
    r"połączyć się z serwerem|serwer zamknął|sunucuya bağlan|anslutning till? server|databassystemet"
)
_SAID = {
    kind: late.regex(phrases, re.IGNORECASE)
    for kind, phrases in (("login", _LOGIN), ("limit", _LIMIT), ("schema", _SCHEMA), ("way", _WAY))
}


_DATABASES = late.regex(
    r"^(?:psycopg|asyncpg|aiopg|pg8000|MySQLdb|_mysql|pymysql|mysql|mariadb|sqlalchemy\.exc|django\.db|peewee|tortoise)|"
    r"(?:Programming|Operational|Database|Internal|Interface|DBAPI)Error$"
)
_SEVERITY = late.regex(
    r"\b(?:FATALE?|FATALT|FEHLER|ERREUR|ERRORE?|ERRO|BŁĄD|KATASTROFALNY|ÖLÜMCÜL|HATA|ВАЖНО|ОШИБКА|"
    r"ФАТАЛЬНО|ПОМИЛКА)(?: \w+)?: |"
    r"(?:致命错误|错误|치명적오류|오류): "
)


def says(kind: str, error: Raised) -> bool:
    """Tell whether a database refuses a `login`, has reached a `limit`, lacks a part of its `schema`, or is `way` off.

    The last is what a driver says of a server that it does not reach. An app may say similar things of its own.
    """
    if not (_DATABASES.search(error.type) or _SEVERITY.search(error.message)):
        return False
    return _SAID[kind].search(error.text) is not None
